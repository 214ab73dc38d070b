/**
 * Where the files of a tile log are read from: an address, or a folder that has the same layout.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md}
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { discard, readBody } from '../core/response-body.ts';
import type { FetchResponse, Runtime } from '../core/runtime.ts';

/** The files of one log. */
export interface LogSource {
  /** Where they are, for people. */
  readonly place: string;
  /**
   * A file by its path below the log, such as `tile/0/000`, or undefined when there is none. Throws `ERR_LIMIT_EXCEEDED`
   * when it is larger than `maxBytes`, `ERR_SERVICE_NETWORK`, `ERR_SERVICE_RESPONSE`, `ERR_FILE_READ`.
   */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

/** Times a file is asked for, and milliseconds before the second. */
const attempts = 4;
const firstDelay = 250;

/**
 * The log at `place`: an http or https URL below which `checkpoint` is (of Rekor v2 also the URL of the service), or the
 * path of a folder. Throws `ERR_USAGE` when nothing of a log is there.
 */
export async function openLogSource(
  place: string,
  runtime: Pick<Runtime, 'fetch' | 'sleep'>,
  signal: AbortSignal,
): Promise<LogSource> {
  const isAddress = /^https?:\/\//i.test(place);
  if (isAddress && (!URL.canParse(place) || /[?#]/.test(place))) {
    throw new BoltsealError('ERR_USAGE', 'not the URL of a log: it must have no query and no fragment');
  }
  const base = place.replace(/\/+$/, '');
  const sources = isAddress
    ? [base, `${base}/api/v2`].map((address) => addressSource(address, runtime, signal))
    : [folderSource(place)];
  for (const source of sources) {
    if ((await source.read('checkpoint', limits.checkpointBytes)) !== undefined) return source;
  }
  throw new BoltsealError('ERR_USAGE', `${place} has no checkpoint`, {
    hint: 'Give the address or folder that has `checkpoint` and `tile/` in it.',
  });
}

function folderSource(folder: string): LogSource {
  return {
    place: folder,
    async read(path, maxBytes) {
      const full = join(folder, path);
      try {
        const file = await open(full);
        try {
          if ((await file.stat()).size > maxBytes) throw tooLarge(full, maxBytes);
          return new Uint8Array(await file.readFile());
        } finally {
          await file.close();
        }
      } catch (cause) {
        if (isBoltsealError(cause)) throw cause;
        const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
        if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
        throw new BoltsealError('ERR_FILE_READ', `cannot read ${full}`, { cause });
      }
    },
  };
}

function tooLarge(what: string, maxBytes: number): BoltsealError {
  return new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} is larger than the limit of ${maxBytes} bytes`);
}

function addressSource(
  base: string,
  runtime: Pick<Runtime, 'fetch' | 'sleep'>,
  signal: AbortSignal,
): LogSource {
  return {
    place: base,
    async read(path, maxBytes) {
      const url = `${base}/${path}`;
      for (let attempt = 1, delay = firstDelay; ; attempt++, delay *= 2) {
        try {
          return await readOnce(url, maxBytes, runtime, signal);
        } catch (error) {
          signal.throwIfAborted();
          if (attempt === attempts || !(error instanceof Passing)) throw lastError(error, url);
        }
        await runtime.sleep(delay, signal);
      }
    },
  };
}

/** An error that may pass. */
class Passing extends Error {}

function lastError(error: unknown, url: string): unknown {
  if (!(error instanceof Passing)) return error;
  return new BoltsealError('ERR_SERVICE_NETWORK', `${url} cannot be read: ${error.message}`, {
    cause: error.cause,
  });
}

async function readOnce(
  url: string,
  maxBytes: number,
  runtime: Pick<Runtime, 'fetch' | 'sleep'>,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const ending = new AbortController();
  const abort = (): void => ending.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const timer = new AbortController();
  runtime.sleep(limits.requestTime, timer.signal).then(abort, () => undefined);
  try {
    const response = await runtime.fetch(url, {
      method: 'GET',
      headers: { 'accept-encoding': 'gzip, identity' },
      signal: ending.signal,
      redirect: 'manual',
    });
    return await readResponse(response, url, maxBytes);
  } catch (cause) {
    if (cause instanceof Passing || isBoltsealError(cause, 'ERR_LIMIT_EXCEEDED', 'ERR_SERVICE_RESPONSE')) {
      throw cause;
    }
    throw new Passing(cause instanceof Error ? cause.message : 'the connection broke', { cause });
  } finally {
    timer.abort();
    signal.removeEventListener('abort', abort);
  }
}

async function readResponse(
  response: FetchResponse,
  url: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const { status } = response;
  if (status !== 200) {
    await discard(response);
    if (status === 404 || status === 410) return undefined;
    if (status === 429 || status >= 500) throw new Passing(`it answers ${status}`);
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `${url} answers ${status}`);
  }
  const bytes = await readBody(response, maxBytes, url);
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (encoding === 'identity') return bytes;
  if (encoding !== 'gzip') {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `${url} answers in an encoding that was not asked for`);
  }
  try {
    return new Uint8Array(await promisify(gunzip)(bytes, { maxOutputLength: maxBytes }));
  } catch (cause) {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `${url} is not gzip of at most ${maxBytes} bytes`, {
      cause,
    });
  }
}
