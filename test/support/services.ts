/** Services as a client meets them, without a socket: the real ones of `src/server`, and hostile ones from a script. */
import type { HttpRequest } from '../../src/core/http.ts';
import type { Fetch, FetchInit, FetchResponse } from '../../src/core/runtime.ts';
import type { Service } from '../../src/server/http/service.ts';
import { answerService, splitTarget } from './answer-service.ts';
import { respond } from './in-process.ts';

/** A client of one service, whatever the origin of its URL; `prefix` is the path that stands before the service's own. */
export function fetchService(service: Service, prefix = ''): Fetch {
  return async (url, init) => {
    const { path, query } = splitTarget(url);
    const request: HttpRequest = {
      method: init.method,
      url,
      headers: { get: (name) => init.headers[name.toLowerCase()] ?? null },
      body: init.body instanceof Uint8Array ? once(init.body) : null,
      signal: init.signal ?? new AbortController().signal,
    };
    const { status, headers, body } = await answerService(service, request, path.slice(prefix.length), query);
    const flat = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]);
    const known = Object.fromEntries(flat) as Record<string, string>;
    return respond({ status, headers: known, ...(body === null ? {} : { body }) });
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A client that goes to another one by how a URL begins, the first that fits; none fits: nothing listens there. */
export function fetchByPrefix(table: readonly (readonly [prefix: string, fetch: Fetch])[]): Fetch {
  return async (url, init) => {
    const found = table.find(([prefix]) => url.startsWith(prefix));
    if (found === undefined) throw connectionError('ECONNREFUSED');
    return found[1](url, init);
  };
}

/** One request that a script was asked. */
export interface AskedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body, as text. */
  readonly body: string;
}

/** What a script answers next. */
export type Step = (request: AskedRequest, init: FetchInit) => Promise<FetchResponse> | FetchResponse;

/** A client with a script: each request takes the next step, the last one again and again. */
export interface ScriptedFetch {
  readonly fetch: Fetch;
  readonly asked: AskedRequest[];
}

/** A client whose answers are these steps. */
export function scripted(...steps: readonly Step[]): ScriptedFetch {
  const asked: AskedRequest[] = [];
  return {
    asked,
    async fetch(url, init) {
      const body = init.body instanceof Uint8Array ? Buffer.from(init.body).toString('utf8') : '';
      const request = { method: init.method, url, headers: init.headers, body };
      const step = steps[Math.min(asked.length, steps.length - 1)];
      asked.push(request);
      if (step === undefined) throw new Error('the script is empty');
      return step(request, init);
    },
  };
}

/** Answers with a status, a body (JSON unless it is text or bytes) and headers. */
export function answer(
  status: number,
  body: object | string | Uint8Array = '',
  headers: Readonly<Record<string, string>> = {},
): Step {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  return () => respond({ status, headers, body: isRaw ? body : JSON.stringify(body) });
}

/** The error that a client gets when a connection fails, with the code that Node gives it. */
export function connectionError(code: string): Error {
  return Object.assign(new Error(`the connection failed: ${code}`), { code });
}

/** Breaks before an answer. */
export function broken(code = 'ECONNRESET'): Step {
  return () => {
    throw connectionError(code);
  };
}

/** Never answers; ends with the request's signal, as a client does. */
export function hang(): Step {
  return (_, { signal }) => new Promise((_resolve, reject) => rejectOnAbort(signal, reject));
}

function rejectOnAbort(signal: AbortSignal | undefined, reject: (reason: unknown) => void): void {
  if (signal?.aborted) reject(signal.reason);
  signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
}

/** Answers headers and the beginning of a body, and no more. */
export function hangInBody(status = 200): Step {
  return (_, { signal }) =>
    respond({
      status,
      body: (async function* (): AsyncGenerator<Uint8Array> {
        yield Buffer.from('{');
        await new Promise((_resolve, reject) => rejectOnAbort(signal, reject));
      })(),
    });
}

/** Answers a body that never ends, in pieces of 64 KiB; `pulled` counts them. */
export function flood(pulled: { count: number }, status = 200): Step {
  return () =>
    respond({
      status,
      body: (async function* (): AsyncGenerator<Uint8Array> {
        for (;;) {
          pulled.count++;
          yield new Uint8Array(65_536).fill(0x20);
        }
      })(),
    });
}

/** Answers less than it announces. */
export function truncated(body: string, status = 200): Step {
  return () => respond({ status, headers: { 'content-length': String(body.length + 10) }, body });
}
