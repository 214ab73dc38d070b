/**
 * The outside world as the layers below the command line see it. It is always passed explicitly: nothing below
 * `cli` and `action` touches the process, the console, the global `fetch` or the clock, so that a whole registry and
 * its clients can run inside one test, and a library call never surprises its host.
 */

import type { Connection } from './connection.ts';

/** Request headers by lower-case name. */
export type RequestHeaders = Readonly<Record<string, string>>;

/** A request body: bytes, or a stream that can be started again for a retry. */
export type RequestBody = Uint8Array | (() => AsyncIterable<Uint8Array>);

/** What a {@link Fetch} is told beside the URL. */
export interface FetchInit {
  readonly method: string;
  readonly headers: RequestHeaders;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Aborts the request, also while the body of its response is read. */
  readonly signal?: AbortSignal;
  /** Redirects are never followed by the port; whoever asks decides. */
  readonly redirect: 'manual';
  /** Node's and the standard's requirement for a streamed request body. */
  readonly duplex?: 'half';
  /**
   * How this server is reached, when not as all others. The client of Node heeds it; the global `fetch` does not, and then
   * fails on a certificate it does not know.
   */
  readonly connection?: Connection;
}

/** The part of a standard `Response` that is used; a real one fits. */
export interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** The body as it arrives, or null when there is none. Read it or cancel it; an unread body holds the connection. */
  readonly body: (AsyncIterable<Uint8Array> & { cancel?(): Promise<void> }) | null;
}

/** An HTTP client: `fetch`-shaped, so that the global one, a test's handler or a keep-alive agent all fit. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

/** One thing worth knowing about, for logs and progress; never holds a secret. */
export interface LogEvent {
  readonly level: 'debug' | 'info' | 'warn';
  /** A stable dotted name, such as `registry.retry`. */
  readonly event: string;
  /** The same for people. */
  readonly message: string;
  readonly fields?: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** The ports a flow needs. {@link https://en.wikipedia.org/wiki/Hexagonal_architecture_(software)} */
export interface Runtime {
  readonly fetch: Fetch;
  /** The wall clock. */
  now(): Date;
  /** Milliseconds of a clock that never goes back, for durations. */
  monotonic(): number;
  /** Resolves after `milliseconds`; rejects with the signal's reason when aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** `length` unpredictable bytes. */
  random(length: number): Uint8Array;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home folder, or undefined when there is none. */
  readonly home: string | undefined;
  readonly platform: 'linux' | 'darwin' | 'win32' | 'other';
  log(event: LogEvent): void;
}
