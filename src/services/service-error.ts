/** Errors of requests to services: which service, what it said, how often it was asked, and what to do. */
import { classifyFailure, failureCode, isRetryStatus } from '../core/backoff.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { printable } from '../core/printable.ts';
import type { ServiceAnswer, ServiceRequest } from './exchange.ts';

/** Why one attempt did not give an answer. */
export interface ServiceFailure {
  readonly code: ErrorCode;
  /** What happened, after the name of the service: `answered 503`. */
  readonly problem: string;
  readonly hint: string | undefined;
  /** How often this may be tried; 1 when trying again cannot help. */
  readonly attempts: number;
  readonly status?: number;
  readonly retryAfter: string | null;
  readonly cause?: unknown;
}

/** What an error is about. */
type Asked = Pick<ServiceRequest, 'kind' | 'what' | 'url'>;

/** The error for a request that failed after `tries` attempts. */
export function serviceError(asked: Asked, failure: ServiceFailure, tries: number): BoltsealError {
  const { kind, what, url } = asked;
  const often = tries > 1 ? `, also when asked ${tries} times` : '';
  return new BoltsealError(failure.code, `${what}: the ${kind} ${url.origin} ${failure.problem}${often}`, {
    cause: failure.cause,
    hint: failure.hint,
    details: { service: kind, origin: url.origin, attempts: tries, status: failure.status },
  });
}

/** The error for an answer that is not what it must be. */
export function answerError(asked: Asked, problem: string, cause?: unknown, hint?: string): BoltsealError {
  const failure = {
    code: 'ERR_SERVICE_RESPONSE',
    problem,
    hint,
    attempts: 1,
    retryAfter: null,
    cause,
  } as const;
  return serviceError(asked, failure, 1);
}

/** Runs a reader of an answer: every error of a decoder becomes one about the service. */
export function readAnswer<T>(asked: Asked, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!isBoltsealError(cause) || cause.code.startsWith('ERR_SERVICE_')) throw cause;
    const hint = `Check the address of the ${asked.kind}; a proxy or portal may answer in its place.`;
    throw answerError(asked, `answered something else than it should: ${cause.message}`, cause, hint);
  }
}

/**
 * Whether another service of the same kind may do what the one that failed with `error` did not: it is down, broken, or
 * gone. One that understood the request and refused it (400, 401, 403) is not asked for a second opinion.
 */
export function mayTryAnother(error: unknown): boolean {
  if (isBoltsealError(error, 'ERR_SERVICE_NETWORK', 'ERR_SERVICE_UNAVAILABLE', 'ERR_SERVICE_RESPONSE'))
    return true;
  const status = isBoltsealError(error, 'ERR_SERVICE_REFUSED') ? error.details['status'] : undefined;
  return status === 404 || status === 405 || status === 410;
}

/** The failure of an attempt whose connection broke, could not be made, or whose time ran out. */
export function connectionFailure(kind: string, cause: unknown): ServiceFailure {
  const failure = classifyFailure(cause);
  const reason = failureCode(cause) || 'unknown';
  const common = { code: 'ERR_SERVICE_NETWORK', retryAfter: null, cause } as const;
  if (failure === 'tls') {
    return {
      ...common,
      problem: `has a certificate that is not trusted (${reason})`,
      hint: 'Trust the authority of its certificate: set NODE_EXTRA_CA_CERTS to a file with that in PEM.',
      attempts: 1,
    };
  }
  if (failure === 'protocol') {
    return {
      ...common,
      problem: `does not speak HTTPS, or no HTTP at all (${reason})`,
      hint: `Check scheme and port in the address of the ${kind}.`,
      attempts: 1,
    };
  }
  return {
    ...common,
    problem: reason === 'ETIMEDOUT' ? 'did not answer in time' : `cannot be reached (${reason})`,
    hint: `Check the address of the ${kind}, the network and the proxy settings; or try again later.`,
    attempts: failure === 'unreachable' ? limits.serviceAttemptsUnreachable : limits.serviceAttempts,
  };
}

/** The failure of an attempt that was answered with a status other than the accepted ones. */
export function statusFailure(request: ServiceRequest, answer: ServiceAnswer): ServiceFailure {
  const { status, headers } = answer;
  const said = messageOf(request, answer);
  const problem = `answered ${status}${said === '' ? '' : ` (${said})`}`;
  const retryAfter = headers.get('retry-after');
  if (isRetryStatus(status) || request.retry?.includes(status) === true) {
    const asks =
      retryAfter !== null && /^\d{1,9}$/.test(retryAfter)
        ? `it asks to wait ${retryAfter} s`
        : 'try again later';
    const hint = `The ${request.kind} is overloaded or broken; ${asks}.`;
    return {
      code: 'ERR_SERVICE_UNAVAILABLE',
      problem,
      hint,
      attempts: limits.serviceAttempts,
      status,
      retryAfter,
    };
  }
  const common = { attempts: 1, status, retryAfter: null };
  if (status >= 300 && status < 400) {
    const hint = `Give the address under which the ${request.kind} is really served; redirects are not followed.`;
    return {
      ...common,
      code: 'ERR_SERVICE_RESPONSE',
      problem: `redirects${whereTo(request.url, headers)}`,
      hint,
    };
  }
  const hint = `Check the address of the ${request.kind}.`;
  if (status < 400 || status >= 500) return { ...common, code: 'ERR_SERVICE_RESPONSE', problem, hint };
  const isAddress = status === 404 || status === 405 || status === 410;
  return { ...common, code: 'ERR_SERVICE_REFUSED', problem, hint: isAddress ? hint : undefined };
}

function whereTo(from: URL, headers: ServiceAnswer['headers']): string {
  const location = headers.get('location');
  if (location === null || !URL.canParse(location, from.href)) return '';
  const { origin, protocol } = new URL(location, from);
  return protocol === 'https:' || protocol === 'http:' ? ` to ${printable(origin)}` : '';
}

/** What the service says about it: the `message` of its JSON (which some label as something else), or plain text. */
function messageOf(request: ServiceRequest, { headers, body }: ServiceAnswer): string {
  let text = '';
  try {
    const json = parseJson(body, { what: 'the error', maxBytes: limits.errorBodyBytes });
    const message = isJsonObject(json) ? json['message'] : undefined;
    if (typeof message === 'string') text = message;
  } catch {
    const isPlain = /^text\/plain\b/i.test(headers.get('content-type') ?? '');
    if (isPlain) text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
  }
  return printable(withoutSecrets(text, request.secrets ?? [])).trim();
}

/** `text` without the secrets, and without the parts of a secret that is a JSON Web Token. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  let safe = text;
  for (const secret of secrets) {
    for (const part of [secret, ...secret.split('.')])
      if (part.length >= 4) safe = safe.replaceAll(part, '…');
  }
  return safe;
}
