import type { HttpRequest, HttpService } from '../../src/core/http.ts';
import type { Fetch, FetchInit, FetchResponse, LogEvent, Runtime } from '../../src/core/runtime.ts';

/** What {@link respond} needs; a missing header map is an empty one. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** A response as a {@link Fetch} gives it. A body at hand gets its `content-length` unless headers say otherwise. */
export function respond({ status, headers = {}, body }: Answer): FetchResponse {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const length = bytes instanceof Uint8Array ? { 'content-length': String(bytes.length) } : {};
  const all: Readonly<Record<string, string>> = { ...length, ...headers };
  const content = bytes instanceof Uint8Array ? once(bytes) : bytes;
  return { status, headers: { get: (name) => all[name.toLowerCase()] ?? null }, body: content ?? null };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** A client that reaches `service` without a socket, as if it were the server of every URL. */
export function fetchInto(service: HttpService): Fetch {
  return async (url, init) => {
    const request: HttpRequest = {
      method: init.method,
      url,
      headers: { get: (name) => headersOf(init, url)[name.toLowerCase()] ?? null },
      body: init.body instanceof Uint8Array ? once(init.body) : (init.body ?? null),
      signal: init.signal ?? new AbortController().signal,
    };
    const { status, headers, body } = await service.answer(request);
    const flat = Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]);
    const known = Object.fromEntries(flat) as Record<string, string>;
    return respond({ status, headers: known, ...(body === null ? {} : { body }) });
  };
}

function headersOf(init: FetchInit, url: string): Record<string, string> {
  const length = init.body instanceof Uint8Array ? { 'content-length': String(init.body.length) } : {};
  return { host: new URL(url).host, ...length, ...init.headers };
}

/** One request that was made. */
export interface SeenRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** A {@link Runtime} whose time is its own: sleeping takes none, and moves its clocks on. */
export interface InProcessRuntime extends Runtime {
  /** Every request, in order. */
  readonly seen: SeenRequest[];
  readonly events: LogEvent[];
  /** How long was slept in all, milliseconds. */
  slept(): number;
  /** Moves the clocks on. */
  pass(milliseconds: number): void;
}

/** A runtime whose requests go to `fetch`. */
export function inProcessRuntime(fetch: Fetch, env: Runtime['env'] = {}): InProcessRuntime {
  const seen: SeenRequest[] = [];
  const events: LogEvent[] = [];
  let time = 0;
  let slept = 0;
  const start = Date.parse('2026-11-22T08:00:00Z');
  return {
    seen,
    events,
    slept: () => slept,
    pass: (milliseconds) => {
      time += milliseconds;
    },
    fetch: (url, init) => {
      seen.push({ method: init.method, url: new URL(url), headers: init.headers });
      return fetch(url, init);
    },
    now: () => new Date(start + time),
    monotonic: () => time,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted();
      time += milliseconds;
      slept += milliseconds;
    },
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    env,
    home: undefined,
    platform: 'linux',
    log: (event) => {
      events.push(event);
    },
  };
}
