/** Requests for identity tokens: bounded, repeated when that can help, and never redirected. */
import { backoff, classifyFailure, isRetryStatus } from '../core/backoff.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { allowsPlainHttp } from '../core/host-kind.ts';
import { isJsonObject, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { discard, readBody } from '../core/response-body.ts';
import type { FetchResponse, RequestHeaders, Runtime } from '../core/runtime.ts';

/** One question to an issuer or agent. */
export interface IssuerRequest {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: RequestHeaders;
  readonly body?: Uint8Array;
  /** Who is asked, for errors: `the token end point`. */
  readonly who: string;
  /** How often it may be made; once when it must not be repeated. `limits.tokenAttempts` by default. */
  readonly attempts?: number;
  /** Milliseconds of one attempt; `limits.requestTime` by default. */
  readonly time?: number;
  /** Allows plain HTTP to other machines. */
  readonly allowHttp?: boolean | undefined;
}

/** An answer that is neither a failure of the server nor a redirect. */
export interface IssuerAnswer {
  readonly status: number;
  readonly headers: FetchResponse['headers'];
  readonly body: Uint8Array;
}

/**
 * Asks, and again after failures that may pass. Headers and body may hold secrets; errors name only host and path.
 * Throws `ERR_SERVICE_INSECURE`, `ERR_SERVICE_NETWORK`, `ERR_SERVICE_UNAVAILABLE` when a server kept failing, and
 * `ERR_SERVICE_RESPONSE` for redirects, answers that are too large, and URLs that are none.
 */
export async function askIssuer(request: IssuerRequest): Promise<IssuerAnswer> {
  const { runtime, signal, attempts = limits.tokenAttempts } = request;
  const url = secureUrl(request.url, request.who, request.allowHttp);
  const deadline = runtime.monotonic() + limits.operationTime;
  for (let attempt = 1; ; attempt++) {
    const result = await tryOnce(url, request);
    if ('answer' in result) return result.answer;
    const wait = backoff(runtime, attempt, result.retryAfter);
    if (attempt >= attempts || !result.mayPass || runtime.monotonic() + wait > deadline) throw result.error;
    runtime.log({
      level: 'debug',
      event: 'identity.retry',
      message: `${request.who} is asked again in ${Math.round(wait)} ms`,
      fields: { attempt, code: result.error.code },
    });
    await runtime.sleep(wait, signal);
  }
}

interface Failed {
  readonly error: BoltsealError;
  readonly mayPass: boolean;
  readonly retryAfter: string | null;
}

async function tryOnce(
  url: URL,
  request: IssuerRequest,
): Promise<{ readonly answer: IssuerAnswer } | Failed> {
  const { runtime, signal, method, headers = {}, body, time = limits.requestTime } = request;
  const who = `${request.who} (${shownUrl(url)})`;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(time)]);
  try {
    const response = await runtime.fetch(url.href, {
      method,
      headers: { accept: 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
      signal: limited,
      redirect: 'manual',
    });
    const { status } = response;
    if (isRetryStatus(status)) {
      await discard(response);
      const error = new BoltsealError('ERR_SERVICE_UNAVAILABLE', `${who} answers with status ${status}`);
      return { error, mayPass: true, retryAfter: response.headers.get('retry-after') };
    }
    if (status >= 300 && status < 400) {
      await discard(response);
      throw new BoltsealError('ERR_SERVICE_RESPONSE', `${who} redirects, which is not followed with secrets`);
    }
    const bytes = await readBody(response, limits.issuerAnswerBytes, `the answer of ${who}`);
    return { answer: { status, headers: response.headers, body: bytes } };
  } catch (cause) {
    signal.throwIfAborted();
    if (isBoltsealError(cause, 'ERR_LIMIT_EXCEEDED', 'ERR_SIZE_MISMATCH')) {
      throw new BoltsealError('ERR_SERVICE_RESPONSE', `${who} answers with too much`, { cause });
    }
    if (isBoltsealError(cause)) throw cause;
    const failure = classifyFailure(cause);
    const error = new BoltsealError('ERR_SERVICE_NETWORK', `${who} cannot be reached`, {
      cause,
      hint:
        failure === 'tls'
          ? 'Its certificate is not trusted. NODE_EXTRA_CA_CERTS names a file of further authorities.'
          : undefined,
    });
    return { error, mayPass: failure !== 'tls', retryAfter: null };
  }
}

/** `text` as a URL that secrets can be sent to. Throws `ERR_SERVICE_RESPONSE` or `ERR_SERVICE_INSECURE`. */
export function secureUrl(text: string, who: string, allowHttp = false): URL {
  const url = text.length <= limits.issuerUrlLength && URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === undefined || !isWeb || url.username !== '' || url.password !== '') {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `the URL of ${who} is not an http or https URL`);
  }
  if (url.protocol === 'https:' || allowHttp || allowsPlainHttp(url.hostname)) return url;
  throw new BoltsealError('ERR_SERVICE_INSECURE', `${who} (${shownUrl(url)}) would be asked without TLS`, {
    hint: 'Whoever is on the way could take the token and sign with it. Use an https URL.',
  });
}

/** `url` without query and fragment, which may hold secrets. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** The JSON object of an answer; undefined when it is anything else. */
export function objectOf({ body }: IssuerAnswer): JsonObject | undefined {
  try {
    const value = parseJson(body, { what: 'the answer', maxBytes: limits.issuerAnswerBytes });
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The error for a system that answered, and not with a token. */
export function gaveNoToken(who: string, status: number, hint?: string): BoltsealError {
  return new BoltsealError('ERR_IDENTITY_PROVIDER', `${who} gave no identity token (status ${status})`, {
    hint,
  });
}
