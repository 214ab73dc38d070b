/** Public keys on web servers. */
import { BoltsealError, wrapError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { FetchResponse } from '../../core/runtime.ts';
import { type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import type { KeyContext, KeyProvider } from '../provider.ts';

/** `https://…` and `http://…`: a public key, only with permission, because whoever serves it decides what verifies. */
export const remoteKeys: KeyProvider = {
  name: 'http',
  form: 'https://HOST/PATH',
  summary:
    'A public key on a web server; needs --allow-http-key. Redirects are followed on the same origin only.',
  owns: (reference) => /^https?:\/\//i.test(reference),
  async loadVerificationKeys(reference, context) {
    return [await fetchPublicKey(reference, context)];
  },
};

async function fetchPublicKey(reference: string, context: KeyContext): Promise<PublicKey> {
  const start = URL.canParse(reference) ? new URL(reference) : undefined;
  if (start === undefined || start.username !== '' || start.password !== '') {
    throw new BoltsealError(
      'ERR_USAGE',
      'the URL of a key is malformed, or has a user name or password in it',
    );
  }
  const shown = shownUrl(start);
  if (context.allowRemoteKeys !== true) {
    throw new BoltsealError('ERR_KEY_REMOTE_REFUSED', `the key ${shown} would be fetched over the network`, {
      hint: 'Whoever controls that server decides what verifies. Download the key once and keep it, or pass --allow-http-key.',
    });
  }
  if (start.protocol === 'http:' && !isLoopback(start.hostname)) {
    context.runtime.log({
      level: 'warn',
      event: 'keys.insecure',
      message: `the public key ${shown} is fetched without encryption: anyone on the way can replace it`,
    });
  }
  try {
    return parsePublicKey(await download(start, context), `the key ${shown}`);
  } catch (cause) {
    throw wrapError(cause, 'ERR_KEY_FETCH', `the key ${shown} cannot be fetched`);
  }
}

/** The body behind `start`, over at most `limits.redirects` redirects that stay on its origin. */
async function download(start: URL, context: KeyContext): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(limits.requestTime);
  const signal = context.signal === undefined ? timeout : AbortSignal.any([context.signal, timeout]);
  let url = start;
  for (let redirects = 0; redirects <= limits.redirects; redirects++) {
    const headers = { accept: 'application/x-pem-file, text/plain, */*' };
    const response = await context.runtime.fetch(url.href, {
      method: 'GET',
      headers,
      signal,
      redirect: 'manual',
    });
    const { status } = response;
    if (status === 200) return await readBody(response);
    await response.body?.cancel?.();
    const location = response.headers.get('location');
    if (status === 404 || status === 410) {
      throw new BoltsealError('ERR_KEY_NOT_FOUND', `there is no key at ${shownUrl(url)} (${status})`);
    }
    if (![301, 302, 303, 307, 308].includes(status) || location === null) {
      throw new BoltsealError(
        'ERR_KEY_FETCH',
        `the key ${shownUrl(url)} cannot be fetched: status ${status}`,
      );
    }
    const next = URL.canParse(location, url.href) ? new URL(location, url.href) : undefined;
    if (next?.origin !== start.origin) {
      throw new BoltsealError('ERR_KEY_FETCH', `the key ${shownUrl(url)} redirects to another origin`, {
        hint: 'Name the final address with --key.',
      });
    }
    url = next;
  }
  throw new BoltsealError(
    'ERR_KEY_FETCH',
    `the key ${shownUrl(start)} redirects more than ${limits.redirects} times`,
  );
}

async function readBody(response: FetchResponse): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limits.keyBytes) {
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the key has more than ${limits.keyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** Without the query, which may hold a token. */
function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
