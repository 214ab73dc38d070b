/**
 * Requests to the services of a Sigstore: over TLS, bounded in time and size, repeated while that can help. Redirects
 * are not followed at all: none of these services has any, and a body may hold a token.
 */
import { backoff } from '../core/backoff.ts';
import { BoltsealError, isBoltsealError, wrapError } from '../core/errors.ts';
import { allowsPlainHttp } from '../core/host-kind.ts';
import { limits } from '../core/limits.ts';
import { readBody } from '../core/response-body.ts';
import type { FetchResponse, Runtime } from '../core/runtime.ts';
import type { ServiceAnswer, ServiceKind, ServiceRequest } from './exchange.ts';
import {
  answerError,
  connectionFailure,
  type ServiceFailure,
  serviceError,
  statusFailure,
} from './service-error.ts';

export type { ServiceAnswer, ServiceKind, ServiceRequest };

/** The part of a runtime that services need. */
export type ServiceRuntime = Pick<Runtime, 'fetch' | 'now' | 'monotonic' | 'sleep' | 'random' | 'log'>;

/** How services are called; everything has a default, and limits can only be lowered. */
export interface ServiceOptions {
  readonly signal?: AbortSignal | undefined;
  /** Allows plain HTTP to hosts that are not loopback. */
  readonly allowHttp?: boolean | undefined;
  /** Milliseconds for one attempt, from its start to the end of its answer; `limits.serviceAttemptTime` at most. */
  readonly attemptTime?: number | undefined;
  /** Milliseconds for everything, with waits between attempts; `limits.serviceTotalTime` at most. */
  readonly totalTime?: number | undefined;
  /** Attempts; `limits.serviceAttempts` at most. */
  readonly attempts?: number | undefined;
  readonly userAgent?: string | undefined;
}

/**
 * The URL of a service, as a user or a signing configuration names it. Throws `ERR_USAGE` when it is none, or has a user
 * name, password or fragment.
 */
export function parseServiceUrl(text: string, kind: ServiceKind): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  // What is wrong with it may be a password in it, so that it is not shown.
  if (url === undefined || !isHttp || url.username !== '' || url.password !== '' || url.hash !== '') {
    throw new BoltsealError('ERR_USAGE', `the address of the ${kind} is not usable`, {
      hint: 'It must be an https URL without user name, password and fragment.',
    });
  }
  return url;
}

/** The URL of `path` below the base URL of a service, which may have a path of its own. Throws as {@link parseServiceUrl}. */
export function serviceUrl(base: string, path: string, kind: ServiceKind): URL {
  const url = parseServiceUrl(base, kind);
  if (url.search !== '') {
    throw new BoltsealError('ERR_USAGE', `the address of the ${kind} ${url.origin} has a query`, {
      hint: 'Give the address that paths are added to.',
    });
  }
  return new URL(`${url.origin}${url.pathname.replace(/\/+$/, '')}${path}`);
}

/**
 * Asks a service, and asks again while that can help: when the connection broke, and after 408, 429 and 5xx, waiting as
 * long as the service says and ever longer by itself, within one budget of time. What is sent twice must do no more than
 * what is sent once.
 *
 * Throws `ERR_SERVICE_INSECURE` for plain HTTP to another machine without permission, `ERR_SERVICE_NETWORK` when no answer
 * came, `ERR_SERVICE_UNAVAILABLE` when it kept failing, `ERR_SERVICE_REFUSED` for every other 4xx, with what it says
 * about it, `ERR_SERVICE_RESPONSE` for what the protocol does not allow, `ERR_INTERRUPTED`. No error holds a secret.
 */
export async function requestService(
  request: ServiceRequest,
  runtime: ServiceRuntime,
  options: ServiceOptions,
): Promise<ServiceAnswer> {
  requireSecure(request, options);
  const deadline = runtime.monotonic() + lowered(limits.serviceTotalTime, options.totalTime);
  const attempts = lowered(limits.serviceAttempts, options.attempts);
  for (let tries = 1; ; tries++) {
    const result = await attemptOnce(request, runtime, options, deadline);
    if ('body' in result) return result;
    const wait = backoff(runtime, tries - 1, result.retryAfter);
    const isLast = tries >= Math.min(attempts, result.attempts) || runtime.monotonic() + wait >= deadline;
    if (isLast) throw serviceError(request, result, tries);
    runtime.log({
      level: 'debug',
      event: 'service.retry',
      message: `${request.what}: the ${request.kind} ${request.url.origin} ${result.problem}; trying again in ${Math.round(wait)} ms`,
      fields: { service: request.kind, attempt: tries, reason: result.code, wait: Math.round(wait) },
    });
    await waitToAsk(request, runtime, wait, options.signal);
  }
}

function lowered(limit: number, wanted: number | undefined): number {
  return wanted === undefined ? limit : Math.max(1, Math.min(limit, wanted));
}

function requireSecure({ kind, what, url }: ServiceRequest, { allowHttp }: ServiceOptions): void {
  if (url.protocol === 'https:' || allowHttp === true || allowsPlainHttp(url.hostname)) return;
  throw new BoltsealError(
    'ERR_SERVICE_INSECURE',
    `${what}: the ${kind} ${url.origin} would be spoken to without TLS`,
    { hint: 'Use its https address; plain HTTP is only for services on this machine.' },
  );
}

/** Waits before something is asked again. Rejects with `ERR_INTERRUPTED`. */
export async function waitToAsk(
  request: Pick<ServiceRequest, 'what'>,
  runtime: Pick<Runtime, 'sleep'>,
  wait: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await runtime.sleep(wait, signal);
  } catch (reason) {
    throw interrupted(request, reason);
  }
}

function interrupted({ what }: Pick<ServiceRequest, 'what'>, reason: unknown): BoltsealError {
  return wrapError(reason, 'ERR_INTERRUPTED', `${what} was cancelled`);
}

async function attemptOnce(
  request: ServiceRequest,
  runtime: ServiceRuntime,
  options: ServiceOptions,
  deadline: number,
): Promise<ServiceAnswer | ServiceFailure> {
  const { signal } = options;
  if (signal?.aborted) throw interrupted(request, signal.reason);
  const time = Math.min(
    lowered(limits.serviceAttemptTime, options.attemptTime),
    Math.max(1, deadline - runtime.monotonic()),
  );
  const ending = new AbortController();
  const timer = setTimeout(() => {
    ending.abort(Object.assign(new Error('the time allowed for it ran out'), { code: 'ETIMEDOUT' }));
  }, time);
  try {
    const both = signal === undefined ? ending.signal : AbortSignal.any([signal, ending.signal]);
    const response = await fetchLogged(request, runtime, options, both);
    return await readResponse(request, response);
  } catch (error) {
    if (signal?.aborted) throw interrupted(request, signal.reason);
    if (isBoltsealError(error, 'ERR_LIMIT_EXCEEDED')) {
      throw answerError(request, `answered too much: ${error.message}`, error);
    }
    // Less than was announced: a connection that broke. Other errors of ours are the client's, and final.
    if (isBoltsealError(error) && error.code !== 'ERR_SIZE_MISMATCH') throw error;
    return connectionFailure(request.kind, ending.signal.aborted ? ending.signal.reason : error);
  } finally {
    clearTimeout(timer);
  }
}

async function readResponse(
  request: ServiceRequest,
  response: FetchResponse,
): Promise<ServiceAnswer | ServiceFailure> {
  const { status, headers } = response;
  if (request.accept.includes(status)) {
    return { status, headers, body: await readBody(response, request.maxBytes, 'the answer') };
  }
  return statusFailure(request, { status, headers, body: await readErrorBody(response) });
}

/** What an error says is only for people: too much of it is as good as none. */
async function readErrorBody(response: FetchResponse): Promise<Uint8Array> {
  try {
    return await readBody(response, limits.errorBodyBytes, 'the error');
  } catch (error) {
    if (isBoltsealError(error)) return new Uint8Array(0);
    throw error;
  }
}

async function fetchLogged(
  request: ServiceRequest,
  runtime: ServiceRuntime,
  options: ServiceOptions,
  signal: AbortSignal,
): Promise<FetchResponse> {
  const { method, url, body, kind } = request;
  const started = runtime.monotonic();
  let outcome = 'failed';
  try {
    const response = await runtime.fetch(url.href, {
      method,
      headers: { 'user-agent': options.userAgent ?? 'boltseal', ...request.headers },
      signal,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    });
    outcome = String(response.status);
    return response;
  } finally {
    const milliseconds = Math.round(runtime.monotonic() - started);
    runtime.log({
      level: 'debug',
      event: 'service.request',
      message: `${method} ${url.origin}${url.pathname} ${outcome}`,
      fields: { service: kind, method, host: url.host, path: url.pathname, outcome, milliseconds },
    });
  }
}
