/** One HTTP exchange with a registry: headers, redirects, what is logged of it. */

import { failureCode } from '../core/backoff.ts';
import { BoltsealError } from '../core/errors.ts';
import { hostKind } from '../core/host-kind.ts';
import { limits } from '../core/limits.ts';
import { discard } from '../core/response-body.ts';
import type { FetchResponse, RequestBody, RequestHeaders, Runtime } from '../core/runtime.ts';
import type { Scope } from './auth.ts';
import { isInward } from './realm.ts';

/** One logical request; retries, authorization and redirects are the transport's business. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** A path of the API (`/v2/…`), or a URL on the registry's own origin. */
  readonly target: string | URL;
  /** What is being done, for errors: `getting the manifest of …`. */
  readonly what: string;
  readonly scope: Scope;
  readonly headers?: RequestHeaders;
  readonly body?: RequestBody;
  /** Follows redirects, as only downloads may. */
  readonly follow?: boolean;
  /** False for what must not be sent twice in a row when the connection breaks; refusals (429) are still retried. */
  readonly repeatable?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A response, and the URL it really came from. */
export interface RegistryResponse extends FetchResponse {
  readonly url: URL;
}

/** Who is spoken to, and how. */
export interface ExchangeContext {
  readonly runtime: Runtime;
  /** As in references, for errors. */
  readonly registry: string;
  /** Scheme, host and port of the registry's API. */
  readonly origin: string;
  readonly userAgent: string;
  readonly allowHttp: boolean;
}

/** One exchange, with its redirects. The authorization goes to the registry's own origin only. */
export async function exchange(
  context: ExchangeContext,
  request: RegistryRequest,
  authorization: string | undefined,
  signal: AbortSignal,
): Promise<RegistryResponse> {
  const own = new URL(context.origin);
  let url = new URL(request.target, own);
  for (let redirects = 0; ; redirects++) {
    const isOwn = url.origin === own.origin;
    const headers = {
      'user-agent': context.userAgent,
      ...request.headers,
      ...(authorization !== undefined && isOwn ? { authorization } : {}),
    };
    const response = await fetchLogged(context, request, url, headers, signal);
    const isRedirect = [301, 302, 303, 307, 308].includes(response.status);
    if (!isRedirect || request.follow !== true) {
      const { status, headers: answered, body } = response;
      return { status, headers: answered, body, url };
    }
    const location = response.headers.get('location');
    await discard(response);
    if (redirects >= limits.redirects) {
      throw new BoltsealError(
        'ERR_REGISTRY_REDIRECT',
        `${request.what}: more than ${limits.redirects} redirects`,
      );
    }
    url = acceptRedirect(context, request.what, url, location);
  }
}

async function fetchLogged(
  context: ExchangeContext,
  request: RegistryRequest,
  url: URL,
  headers: RequestHeaders,
  signal: AbortSignal,
): Promise<FetchResponse> {
  const { runtime } = context;
  const { method } = request;
  const body = typeof request.body === 'function' ? request.body() : request.body;
  const started = runtime.monotonic();
  const fields: Record<string, string | number> = { method, host: url.host, path: url.pathname };
  try {
    const response = await runtime.fetch(url.href, {
      method,
      headers,
      signal,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
      ...(body === undefined || body instanceof Uint8Array ? {} : { duplex: 'half' as const }),
    });
    fields['status'] = response.status;
    return response;
  } catch (error) {
    fields['failure'] = failureCode(error) || 'unknown';
    throw error;
  } finally {
    fields['milliseconds'] = Math.round(runtime.monotonic() - started);
    const outcome = fields['status'] ?? fields['failure'];
    // The query may hold a signed URL's secret; it is never logged.
    const message = `${method} ${url.origin}${url.pathname} ${outcome}`;
    runtime.log({ level: 'debug', event: 'registry.request', message, fields });
  }
}

/**
 * Where a download may be redirected to: never from HTTPS to HTTP, never further inside a network than the registry.
 * The authorization stays behind as soon as the origin changes (CVE-2026-50151 and GHSA-vh4v-2xq2-g5cg).
 */
function acceptRedirect(context: ExchangeContext, what: string, from: URL, location: string | null): URL {
  const refuse = (why: string, where: string): never => {
    throw new BoltsealError('ERR_REGISTRY_REDIRECT', `${what}: the registry redirects to ${where}, ${why}`, {
      hint: 'Use the name the registry is really served under.',
      details: { registry: context.registry },
    });
  };
  if (location === null || !URL.canParse(location, from.href)) return refuse('which is not a URL', 'nowhere');
  const url = new URL(location, from);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse('which is not HTTP', url.protocol);
  if (url.username !== '' || url.password !== '') return refuse('with a user name in the URL', url.host);
  if (url.protocol === 'http:' && from.protocol === 'https:') return refuse('which is not HTTPS', url.origin);
  const isElsewhere = url.hostname !== from.hostname;
  if (url.protocol === 'http:' && isElsewhere && hostKind(url.hostname) === 'public' && !context.allowHttp) {
    return refuse('which is not HTTPS', url.origin);
  }
  if (isElsewhere && isInward(url.hostname, from.hostname)) {
    return refuse('an address inside a private network or this machine', url.host);
  }
  return url;
}
