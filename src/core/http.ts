/**
 * HTTP as the servers see it: the small common part of a standard `Request` and of what Node's server receives. A
 * server that works on these answers both, and does not load the standard classes (40 ms) to do so.
 */

/** A request. A standard `Request` is one. */
export interface HttpRequest {
  readonly method: string;
  /** Absolute, with everything the client sent in path and query as it was sent. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  /** The body as it arrives, read at most once; null when there is none. */
  readonly body: AsyncIterable<Uint8Array> | null;
  /** Aborted when the client goes away before it has the whole answer. */
  readonly signal: AbortSignal;
  /** The address that the connection comes from; undefined when there is no connection. */
  readonly peer?: string | undefined;
}

/** Response headers by lower-case name; an array is sent as several header lines. */
export type HttpResponseHeaders = Readonly<Record<string, string | readonly string[]>>;

/** A response. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: HttpResponseHeaders;
  /** What follows the headers; always null for an answer to HEAD. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
}

/** A server: never rejects; what goes wrong is an answer. */
export interface HttpService {
  answer(request: HttpRequest): Promise<HttpResponse>;
}
