/** Fetches a JSON document from an issuer: bounded in size and time, and never redirected to another host. */
import { BoltsealError } from '../../core/errors.ts';
import { type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Fetch, FetchResponse, Runtime } from '../../core/runtime.ts';
import { isLoopback } from './issuers.ts';

/** What {@link fetchJson} needs. */
export interface FetchJsonOptions {
  readonly runtime: Pick<Runtime, 'sleep'>;
  readonly fetch: Fetch;
  /** Whether plain http to other machines is allowed. */
  readonly allowHttp: boolean;
}

/**
 * The document at `url`. Throws `ERR_SERVICE_NETWORK` when it cannot be had in time, and `ERR_SERVICE_RESPONSE` for a
 * redirect to another host, a status that is not 200, and a body that is too large or no JSON.
 */
export async function fetchJson(url: string, options: FetchJsonOptions): Promise<Json> {
  const controller = new AbortController();
  const done = new AbortController();
  // The timer must not outlive the request, and its end is no error.
  void options.runtime.sleep(limits.issuerTime, done.signal).then(
    () => controller.abort(new BoltsealError('ERR_SERVICE_NETWORK', 'an issuer took too long to answer')),
    () => undefined,
  );
  try {
    const response = await follow(url, options, controller.signal);
    const body = await readBounded(response);
    return parseJson(body, { what: 'the answer of an issuer', maxBytes: limits.issuerAnswerBytes });
  } catch (cause) {
    if (cause instanceof BoltsealError && cause.code.startsWith('ERR_SERVICE_')) throw cause;
    const code = cause instanceof BoltsealError ? 'ERR_SERVICE_RESPONSE' : 'ERR_SERVICE_NETWORK';
    throw new BoltsealError(code, `${new URL(url).origin} gave no usable answer`, { cause });
  } finally {
    done.abort();
  }
}

async function follow(start: string, options: FetchJsonOptions, signal: AbortSignal): Promise<FetchResponse> {
  let url = checkUrl(start, options.allowHttp);
  for (let count = 0; ; count++) {
    const response = await options.fetch(url.href, {
      method: 'GET',
      headers: { accept: 'application/json' },
      redirect: 'manual',
      signal,
    });
    if (response.status === 200) return response;
    await response.body?.cancel?.();
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) {
      throw new BoltsealError(
        'ERR_SERVICE_RESPONSE',
        `${url.origin} answered with status ${response.status}`,
      );
    }
    if (count === limits.issuerRedirects || !URL.canParse(location, url.href)) {
      throw new BoltsealError('ERR_SERVICE_RESPONSE', `${url.origin} redirects too often`);
    }
    const next = checkUrl(new URL(location, url).href, options.allowHttp);
    if (next.host !== url.host || (url.protocol === 'https:' && next.protocol !== 'https:')) {
      throw new BoltsealError('ERR_SERVICE_RESPONSE', `${url.origin} redirects to another host`);
    }
    url = next;
  }
}

/** The URL, when it is one that may be asked. Throws `ERR_SERVICE_RESPONSE`. */
function checkUrl(text: string, allowHttp: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isAllowed =
    url !== undefined &&
    url.username === '' &&
    url.password === '' &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && (allowHttp || isLoopback(url.hostname))));
  if (!isAllowed) throw new BoltsealError('ERR_SERVICE_RESPONSE', 'an issuer names a URL that is not asked');
  return url;
}

async function readBounded(response: FetchResponse): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limits.issuerAnswerBytes) {
      throw new BoltsealError('ERR_SERVICE_RESPONSE', 'the answer of an issuer is too large');
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
