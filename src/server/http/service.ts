/**
 * What the services of a private Sigstore have in common: a table of routes each, read by one dispatcher (`server/app`) that
 * routes, reads bodies within their limit, and turns whatever goes wrong into the service's own kind of error.
 */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { HttpRequest, HttpResponse, HttpResponseHeaders } from '../../core/http.ts';

/** A request as a route gets it: routed, and with its body read. */
export interface ServiceRequest {
  readonly method: string;
  /** Path below the service's prefix, percent-encoded as it came. */
  readonly path: string;
  /** What the `:names` of the route's path matched, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: { get(name: string): string | null };
  /** Empty when there is none. */
  readonly body: Uint8Array;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** One end point. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** `/api/v1/log/entries/:id`; a last part `*name` takes the rest of the path. Parts without a colon match exactly. */
  readonly path: string;
  /** Most bytes of a body; 0 unless told. A longer one is refused before it is read. */
  readonly bodyBytes?: number;
  /** What it is called in metrics and logs: fixed, few, never from a request. */
  readonly name: string;
  readonly answer: (request: ServiceRequest) => HttpResponse | Promise<HttpResponse>;
}

/** An API. */
export interface Service {
  /** `ca`, `rekor`, `ct` …: the name in metrics and logs. */
  readonly name: string;
  readonly routes: readonly Route[];
  /**
   * The answer to an error, in the API's own shape. Gets {@link ServiceRefusal} for what the dispatcher refuses and
   * whatever a route threw; anything unknown must become a 500 that tells nothing.
   */
  readonly refuse: (error: unknown) => HttpResponse;
}

/** A refusal with the HTTP status it is sent with; services throw it and shape it in `refuse`. */
export class ServiceRefusal extends Error {
  readonly status: number;
  readonly headers: HttpResponseHeaders;
  /** What went wrong, for logs; the message is for the client. */
  readonly reason: string | undefined;

  constructor(
    status: number,
    message: string,
    options: {
      readonly headers?: HttpResponseHeaders;
      readonly cause?: unknown;
      readonly reason?: string;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = status;
    this.headers = options.headers ?? {};
    this.reason = options.reason;
  }
}

/** The refusal of a server that has too much to do: 503, to be tried again after `seconds`. */
export function busy(seconds = 1): ServiceRefusal {
  return new ServiceRefusal(503, 'the server is busy; retry', {
    headers: { 'retry-after': String(seconds) },
  });
}

/**
 * The body of a request, of at most `limit` bytes within `time` milliseconds. Throws {@link ServiceRefusal} 413, before
 * reading when the announced length is over the limit, and 408.
 */
export async function readBody(request: HttpRequest, limit: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array(0);
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > limit) throw tooLarge(limit);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : new Uint8Array(Buffer.concat(chunks));
}

function tooLarge(limit: number): ServiceRefusal {
  return new ServiceRefusal(413, `the body is larger than ${limit} bytes`);
}

/** An answer with a JSON body, written as `JSON.stringify` does. */
export function jsonAnswer(status: number, value: unknown, headers: HttpResponseHeaders = {}): HttpResponse {
  return bytesAnswer(status, 'application/json', utf8(JSON.stringify(value)), headers);
}

/** An answer with text of the media type `type`. */
export function textAnswer(
  status: number,
  type: string,
  text: string,
  headers: HttpResponseHeaders = {},
): HttpResponse {
  return bytesAnswer(status, type, utf8(text), headers);
}

/** An answer with bytes. */
export function bytesAnswer(
  status: number,
  type: string,
  body: Uint8Array,
  headers: HttpResponseHeaders = {},
): HttpResponse {
  return {
    status,
    headers: { 'content-type': type, 'content-length': String(body.length), ...headers },
    body,
  };
}

/** What an error is as a refusal: its own when it is one, 413 for a limit, 503 for a busy log, else undefined. */
export function asRefusal(error: unknown): ServiceRefusal | undefined {
  if (error instanceof ServiceRefusal) return error;
  if (!(error instanceof BoltsealError)) return undefined;
  if (error.code === 'ERR_SERVER_BUSY') return busy();
  if (error.code === 'ERR_LIMIT_EXCEEDED') return new ServiceRefusal(413, error.message);
  return undefined;
}

/** Headers of what never changes once it exists. */
export const immutable: HttpResponseHeaders = { 'cache-control': 'public, max-age=31536000, immutable' };

/** Headers of what may change at any time. */
export const uncached: HttpResponseHeaders = { 'cache-control': 'no-cache, no-store, must-revalidate' };
