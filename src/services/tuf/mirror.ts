/** Getting files of a TUF repository: without credentials, bounded in size, and all of them within one budget of time. */
import { BoltsealError } from '../../core/errors.ts';
import { allowsPlainHttp } from '../../core/host-kind.ts';
import { parseServiceUrl, requestService, type ServiceRuntime, serviceUrl } from '../service-request.ts';

/** Where the files of a repository come from. */
export interface TufSource {
  /** Where they are, for errors. */
  readonly place: string;
  /**
   * The file `name` (`1.root.json`, `targets/HASH.name`), or undefined when there is none. Throws what
   * `requestService` throws.
   */
  read(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

/** How a mirror is asked. */
export interface MirrorOptions {
  readonly runtime: ServiceRuntime;
  /** Milliseconds for all requests together. */
  readonly budget: number;
  readonly signal?: AbortSignal | undefined;
}

const kind = 'TUF repository';

/**
 * The base URL of a repository as it is kept and compared: without a slash at its end. Throws `ERR_USAGE` when `text` is
 * no URL that names can be added to, and `ERR_SERVICE_INSECURE` for plain http to another machine.
 */
export function parseMirror(text: string): string {
  const url = parseServiceUrl(text, kind);
  if (url.search !== '') {
    throw new BoltsealError('ERR_USAGE', `the address of the ${kind} must have no query`);
  }
  if (url.protocol === 'http:' && !allowsPlainHttp(url.hostname)) {
    throw new BoltsealError('ERR_SERVICE_INSECURE', `the ${kind} ${url.origin} would be asked without TLS`, {
      hint: 'Use its https address; plain HTTP is only for 127.0.0.1, [::1] and localhost.',
    });
  }
  return url.href.replace(/\/+$/, '');
}

/** The repository at `mirror`. */
export function mirrorSource(mirror: string, options: MirrorOptions): TufSource {
  const deadline = options.runtime.monotonic() + options.budget;
  return {
    place: mirror,
    read: (name, maxBytes) => readUrl(serviceUrl(mirror, `/${name}`, kind), maxBytes, options, deadline),
  };
}

/** The file at `url`, such as a first root. Throws `ERR_SERVICE_RESPONSE` when there is none, else as a source does. */
export async function downloadFile(
  url: string,
  maxBytes: number,
  options: MirrorOptions,
): Promise<Uint8Array> {
  const parsed = parseServiceUrl(url, kind);
  const deadline = options.runtime.monotonic() + options.budget;
  const bytes = await readUrl(parsed, maxBytes, options, deadline);
  if (bytes !== undefined) return bytes;
  throw new BoltsealError('ERR_SERVICE_RESPONSE', `there is nothing at ${parsed.origin}${parsed.pathname}`);
}

async function readUrl(
  url: URL,
  maxBytes: number,
  { runtime, signal, budget }: MirrorOptions,
  deadline: number,
): Promise<Uint8Array | undefined> {
  const totalTime = deadline - runtime.monotonic();
  if (totalTime <= 0) {
    throw new BoltsealError(
      'ERR_SERVICE_UNAVAILABLE',
      `the ${kind} ${url.origin} did not give all of it within ${budget / 1000} seconds`,
    );
  }
  const answer = await requestService(
    {
      kind,
      what: `reading ${url.pathname.slice(url.pathname.lastIndexOf('/') + 1)}`,
      method: 'GET',
      url,
      // A proxy's old copy would look like an attack.
      headers: { 'cache-control': 'no-cache' },
      maxBytes,
      // Stores that do not let anybody list them answer 403 for what is not there.
      accept: [200, 403, 404],
    },
    runtime,
    { signal, totalTime },
  );
  return answer.status === 200 ? answer.body : undefined;
}
