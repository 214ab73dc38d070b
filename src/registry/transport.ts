/**
 * Requests to one registry: scheme, authorization, retries, redirects, limits. Everything above speaks of manifests
 * and blobs; everything about HTTP is here.
 */

import { backoff, classifyFailure, failureCode, isRetryStatus } from '../core/backoff.ts';
import { BoltsealError, type ErrorDetails, wrapError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { discard, readBody } from '../core/response-body.ts';
import type { FetchResponse, Runtime } from '../core/runtime.ts';
import { type Authenticator, createAuthenticator, stillUnauthorized } from './auth.ts';
import type { CredentialSource } from './credentials/credential.ts';
import { type ExchangeContext, exchange, type RegistryRequest, type RegistryResponse } from './exchange.ts';
import { apiAuthority, registryHostname, type Scheme, schemesFor } from './origin.ts';
import { refusedResponse } from './response.ts';

/** Settings of all requests to one registry. */
export interface TransportOptions {
  readonly credentials: CredentialSource;
  readonly allowHttp: boolean;
  readonly preferTls: boolean;
  readonly trustedRealms: readonly string[];
  readonly userAgent: string;
}

/** Requests to one registry. */
export interface Transport {
  readonly registry: string;
  /**
   * Sends `request` and returns what `read` makes of the response. `read` sees every status but 401, 429 and (unless
   * retries ran out) 5xx. It is called again when the connection breaks while it reads.
   */
  send<T>(request: RegistryRequest, read: (response: RegistryResponse) => Promise<T>): Promise<T>;
}

interface Host {
  readonly runtime: Runtime;
  readonly registry: string;
  readonly options: TransportOptions;
  readonly authority: string;
  readonly schemes: readonly [Scheme, ...Scheme[]];
  scheme: Scheme;
  /** Whether the server has shown that it speaks {@link scheme}. */
  settled: boolean;
  readonly authenticator: Authenticator;
  readonly enter: () => Promise<() => void>;
}

const attemptsWhenBroken = 5;
const attemptsWhenUnreachable = 3;

/** The transport to `registry`, shared by everything that speaks to it, so that what was learnt is learnt once. */
export function createTransport(runtime: Runtime, registry: string, options: TransportOptions): Transport {
  const authority = apiAuthority(registry);
  const schemes = schemesFor(registryHostname(authority), options);
  const host: Host = {
    runtime,
    registry,
    options,
    authority,
    schemes,
    scheme: schemes[0],
    settled: schemes.length === 1,
    enter: createGate(limits.concurrentRequests),
    authenticator: createAuthenticator({
      runtime,
      registry,
      credentials: options.credentials,
      trustedRealms: options.trustedRealms,
      request: (request, read) => sendToTokenService(host, request, read),
    }),
  };
  return { registry, send: (request, read) => sendAuthorized(host, request, read) };
}

/** Lets `count` through at once; the others wait in turn. */
function createGate(count: number): () => Promise<() => void> {
  let free = count;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return async () => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return leave;
  };
}

/** The body of a 401: asks for authorization once per refusal of what was sent, never twice for one request. */
async function sendAuthorized<T>(
  host: Host,
  request: RegistryRequest,
  read: (response: RegistryResponse) => Promise<T>,
): Promise<T> {
  const { authenticator } = host;
  const { scope, signal } = request;
  const run = async (authorization: string | undefined): Promise<Outcome<T>> =>
    retrying(host, request, authorization, async (response) => {
      if (response.status !== 401) return { value: await read(response) };
      await refuseForeignChallenge(host, request, response);
      const header = response.headers.get('www-authenticate');
      await discard(response);
      return { challenge: header, api: response.url };
    });
  const first = await authenticator.authorization(scope, signal);
  const outcome = await run(first);
  if ('value' in outcome) return outcome.value;
  await authenticator.challenged(outcome.challenge, outcome.api, first, scope);
  const second = await run(await authenticator.authorization(scope, signal));
  if ('value' in second) return second.value;
  throw stillUnauthorized(host.registry, request.what);
}

/**
 * A 401 from where a download was redirected to is not the registry's: its challenge could name a token service of its
 * own choosing, and the registry's credentials would follow (CVE-2026-48978).
 */
async function refuseForeignChallenge(
  host: Host,
  request: RegistryRequest,
  response: RegistryResponse,
): Promise<void> {
  if (response.url.host === new URL(exchangeContext(host).origin).host) return;
  await discard(response);
  throw new BoltsealError(
    'ERR_REGISTRY_RESPONSE',
    `${request.what}: ${response.url.host}, where the registry redirects to, refused the download (401)`,
    {
      hint: 'The registry keeps this content elsewhere, and its link there is not valid; try again, or tell its operator.',
      details: { registry: host.registry, status: 401 },
    },
  );
}

type Outcome<T> = { readonly value: T } | { readonly challenge: string | null; readonly api: URL };

async function sendToTokenService(
  host: Host,
  request: Parameters<Parameters<typeof createAuthenticator>[0]['request']>[0],
  read: (response: FetchResponse) => Promise<JsonObject>,
): Promise<JsonObject> {
  const { method, url, headers, body, what } = request;
  const scope = { repository: '', push: false };
  const full: RegistryRequest = {
    method,
    target: url,
    what,
    scope,
    headers,
    ...(body === undefined ? {} : { body }),
  };
  return retrying(host, full, undefined, read);
}

/** Repeats a request while that can help, within one time budget. */
async function retrying<T>(
  host: Host,
  request: RegistryRequest,
  authorization: string | undefined,
  read: (response: RegistryResponse) => Promise<T>,
): Promise<T> {
  const { runtime } = host;
  const deadline = runtime.monotonic() + limits.operationTime;
  for (let attempt = 0; ; attempt++) {
    const result = await attemptOnce(host, request, authorization, read, deadline, attempt);
    if ('value' in result) return result.value;
    if (result.again === 'at once') continue;
    const wait = backoff(runtime, attempt, result.retryAfter);
    if (runtime.monotonic() + wait > deadline) throw result.error;
    runtime.log({
      level: 'debug',
      event: 'registry.retry',
      message: `${request.what}: trying again in ${Math.round(wait)} ms`,
      fields: { attempt: attempt + 1, reason: result.error.code, wait: Math.round(wait) },
    });
    await pause(runtime, wait, request.signal);
  }
}

async function pause(runtime: Runtime, wait: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await runtime.sleep(wait, signal);
  } catch (reason) {
    throw interrupted(reason);
  }
}

function exchangeContext({ runtime, registry, options, scheme, authority }: Host): ExchangeContext {
  const { userAgent, allowHttp } = options;
  return { runtime, registry, origin: `${scheme}://${authority}`, userAgent, allowHttp };
}

type Attempt<T> =
  | { readonly value: T }
  | { readonly again: 'at once' }
  | { readonly again: 'later'; readonly error: BoltsealError; readonly retryAfter: string | null };

async function attemptOnce<T>(
  host: Host,
  request: RegistryRequest,
  authorization: string | undefined,
  read: (response: RegistryResponse) => Promise<T>,
  deadline: number,
  attempt: number,
): Promise<Attempt<T>> {
  const leave = await host.enter();
  const timer = createTimer(host.runtime, request.signal, deadline);
  const { scheme } = host;
  try {
    let response = await exchange(exchangeContext(host), request, authorization, timer.signal);
    if (!host.settled && response.status === 400 && response.url.protocol === 'http:') {
      const body = await readBody(response, limits.errorBodyBytes, 'an error response');
      if (isFromTlsServer(body) && switchScheme(host, scheme)) return { again: 'at once' };
      response = { ...response, body: replayed(body) };
    }
    host.settled = true;
    if (isRetryStatus(response.status)) {
      const retryAfter = response.headers.get('retry-after');
      const error = await refusedResponse(response, request.what);
      if (mayRetryStatus(request, response.status, attempt)) return { again: 'later', error, retryAfter };
      throw error;
    }
    timer.headersArrived();
    return { value: await read(response) };
  } catch (error) {
    if (request.signal?.aborted) throw interrupted(request.signal.reason);
    if (error instanceof BoltsealError) throw error;
    return judgeFailure(host, request, scheme, timer.reason() ?? error, attempt);
  } finally {
    timer.stop();
    leave();
  }
}

function mayRetryStatus(request: RegistryRequest, status: number, attempt: number): boolean {
  // A refused request (429, 503) was not carried out, so that even what must not be repeated may be sent again.
  if (status === 429) return true;
  return attempt + 1 < attemptsWhenBroken && (request.repeatable !== false || status === 503);
}

/** What to do about a connection that failed. */
function judgeFailure(
  host: Host,
  request: RegistryRequest,
  scheme: Scheme,
  cause: unknown,
  attempt: number,
): { again: 'at once' } | { again: 'later'; error: BoltsealError; retryAfter: null } {
  const failure = classifyFailure(cause);
  const where = `${request.what}: `;
  const reason = failureCode(cause) || (cause instanceof Error ? cause.message : 'unknown');
  const details = { registry: host.registry, reason };
  if (failure === 'tls') throw tlsError(where, reason, { cause, details });
  const mismatch = failure === 'protocol' || (scheme === 'http' && failure === 'broken');
  const switches = mismatch || (scheme === 'https' && failure === 'unreachable');
  if (!host.settled && switches && switchScheme(host, scheme)) return { again: 'at once' };
  if (failure === 'protocol' && scheme === 'https') {
    throw new BoltsealError('ERR_REGISTRY_INSECURE', `${where}the server does not speak HTTPS (${reason})`, {
      cause,
      details,
      hint: 'If it is meant to be a plain HTTP registry, allow that with --allow-http-registry.',
    });
  }
  const error = new BoltsealError('ERR_REGISTRY_NETWORK', `${where}the connection failed (${reason})`, {
    cause,
    details,
    hint: 'Check the name of the registry, the network, and the proxy settings.',
  });
  const attempts = failure === 'unreachable' ? attemptsWhenUnreachable : attemptsWhenBroken;
  if (attempt + 1 >= attempts || request.repeatable === false) throw error;
  return { again: 'later', error, retryAfter: null };
}

function tlsError(
  where: string,
  reason: string,
  options: { readonly cause: unknown; readonly details: ErrorDetails },
): BoltsealError {
  const wantsCertificate = reason.includes('ALERT_CERTIFICATE_REQUIRED');
  return new BoltsealError(
    'ERR_REGISTRY_TLS',
    wantsCertificate
      ? `${where}the server wants a client certificate (${reason})`
      : `${where}the certificate of the server is not trusted (${reason})`,
    {
      ...options,
      hint: wantsCertificate
        ? 'Give one with --registry-client-cert and --registry-client-key.'
        : 'Give the certificate of its authority with --registry-cacert.',
    },
  );
}

/** Goes to the other scheme when there is one that was not tried; requests side by side switch it once. */
function switchScheme(host: Host, from: Scheme): boolean {
  if (host.scheme !== from) return true;
  const next = host.schemes[host.schemes.indexOf(from) + 1];
  if (next === undefined) return false;
  host.scheme = next;
  return true;
}

/** Whether a 400 to a plain request comes from a server that speaks TLS: Go's and nginx's own words for it. */
function isFromTlsServer(body: Uint8Array): boolean {
  const text = Buffer.from(body).toString('latin1');
  return /HTTP request (?:was sent )?to (?:an )?HTTPS (?:server|port)/.test(text);
}

async function* replayed(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

interface Timer {
  readonly signal: AbortSignal;
  /** From now on the budget of the whole operation counts. */
  headersArrived(): void;
  /** The time-out that ended the attempt, if one did. */
  reason(): Error | undefined;
  stop(): void;
}

/** Ends an attempt that takes too long. It stops when the attempt is over: a stream then has only its caller's signal. */
function createTimer(runtime: Runtime, outer: AbortSignal | undefined, deadline: number): Timer {
  const controller = new AbortController();
  let timedOut: Error | undefined;
  const expire = (): void => {
    timedOut = Object.assign(new Error('the time allowed for it ran out'), { code: 'ETIMEDOUT' });
    controller.abort(timedOut);
  };
  const remaining = (): number => Math.max(1, deadline - runtime.monotonic());
  let timer = setTimeout(expire, Math.min(limits.requestTime, remaining()));
  return {
    signal: outer === undefined ? controller.signal : AbortSignal.any([controller.signal, outer]),
    headersArrived(): void {
      clearTimeout(timer);
      timer = setTimeout(expire, remaining());
    },
    reason: () => timedOut,
    stop: () => clearTimeout(timer),
  };
}

function interrupted(reason: unknown): BoltsealError {
  return wrapError(reason, 'ERR_INTERRUPTED', 'the request to the registry was cancelled');
}
