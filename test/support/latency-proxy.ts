import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** One request as the proxy saw it. Times are milliseconds of `performance.now()`. */
export interface RecordedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly start: number;
  /** When the last byte of the answer was there to be handed on; undefined while it is under way. */
  readonly end: number | undefined;
  /** The answer's status; 0 for a connection that was reset, undefined while there is none. */
  readonly status: number | undefined;
}

/** What a fault callback is told. */
export interface IncomingRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<http.IncomingHttpHeaders>;
}

/** An answer in the server's place, or a connection reset. */
export type Fault =
  | 'reset'
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    };

/** How the proxy treats requests. */
export interface LatencyProxyOptions {
  /** Milliseconds that each request waits before it is looked at; 0 unless told. */
  readonly delay?: number;
  /**
   * Asked about each request after its delay; undefined forwards it. It may take its time: a promise holds the request,
   * which is how two writers are brought to the same point.
   */
  fault?(request: IncomingRequest): Fault | undefined | Promise<Fault | undefined>;
}

/** A reverse proxy in front of one server. */
export interface LatencyProxy {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** In order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** Forgets all requests. */
  reset(): void;
  /** The number of round trips one after the other: the longest chain of finished requests of which none overlap. */
  hops(): number;
  stop(): Promise<void>;
}

/**
 * Starts an HTTP/1.1 proxy on loopback in front of `upstream` (`host:port`, plain http). Connections are kept alive on
 * both sides and bodies are streamed. The client's Host header is passed on, so that a server which builds absolute
 * locations from it keeps the client on the proxy.
 */
export async function startLatencyProxy(
  upstream: string,
  options: LatencyProxyOptions = {},
): Promise<LatencyProxy> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  let requests: Writable<RecordedRequest>[] = [];
  const server = http.createServer((request, response) => {
    const record = {
      method: request.method ?? '',
      path: request.url ?? '',
      start: performance.now(),
      end: undefined,
      status: undefined,
    };
    requests.push(record);
    serve(request, response, record).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  server.keepAliveTimeout = 60_000;

  async function serve(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    record: Writable<RecordedRequest>,
  ): Promise<void> {
    if (options.delay !== undefined && options.delay > 0) await sleep(options.delay);
    const fault = await options.fault?.({
      method: record.method,
      path: record.path,
      headers: request.headers,
    });
    if (fault === 'reset') {
      finish(record, 0);
      request.socket.resetAndDestroy();
    } else if (fault !== undefined) {
      request.resume();
      finish(record, fault.status);
      const body = Buffer.from(fault.body ?? '');
      response.writeHead(fault.status, { 'content-length': body.length, ...fault.headers }).end(body);
    } else {
      forward(request, response, record);
    }
  }

  function forward(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    record: Writable<RecordedRequest>,
  ): void {
    const onward = http.request(`http://${upstream}`, {
      agent,
      method: record.method,
      path: record.path,
      headers: onwardHeaders(request),
    });
    onward.on('response', (answer) => {
      record.status = answer.statusCode;
      // Before `pipe` hands the end on, so that a client's next request always starts later.
      answer.on('end', () => finish(record, answer.statusCode));
      answer.on('error', (error) => response.destroy(error));
      response.writeHead(
        answer.statusCode ?? 502,
        answer.statusMessage,
        backwardHeaders(answer, upstream, host),
      );
      answer.pipe(response);
    });
    onward.on('error', (error) => {
      if (response.headersSent || response.destroyed) {
        response.destroy();
        return;
      }
      finish(record, 502);
      response
        .writeHead(502, { 'content-type': 'text/plain' })
        .end(`latency proxy: ${upstream}: ${error.message}`);
    });
    // A client that goes away takes its request with it.
    response.on('close', () => {
      if (record.end === undefined) onward.destroy();
    });
    request.pipe(onward);
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    url: `http://${host}`,
    get requests() {
      return requests;
    },
    reset: () => {
      requests = [];
    },
    hops: () => longestChain(requests),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

/** The size of the largest set of finished requests in which each starts after the one before has ended. */
export function longestChain(requests: readonly RecordedRequest[]): number {
  const finished = requests.flatMap(({ start, end }) => (end === undefined ? [] : [{ start, end }]));
  finished.sort((a, b) => a.end - b.end);
  let chain = 0;
  let last = Number.NEGATIVE_INFINITY;
  for (const { start, end } of finished) {
    if (start < last) continue;
    chain += 1;
    last = end;
  }
  return chain;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function finish(record: Writable<RecordedRequest>, status: number | undefined): void {
  record.end = performance.now();
  record.status = status;
}

/** Headers that belong to one connection, not to the message (RFC 9110, section 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

function onwardHeaders(request: http.IncomingMessage): http.OutgoingHttpHeaders {
  const headers: http.OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headersDistinct)) {
    if (value !== undefined && !hopByHop.has(name)) headers[name] = value.length === 1 ? value[0] : value;
  }
  // Otherwise Node would announce a chunked body for a POST that has none.
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) {
    if (request.method !== 'GET' && request.method !== 'HEAD') headers['content-length'] = '0';
  }
  return headers;
}

/** The answer's headers in their order and spelling. */
function backwardHeaders(answer: http.IncomingMessage, upstream: string, host: string): string[] {
  const headers: string[] = [];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i] ?? '';
    const value = answer.rawHeaders[i + 1] ?? '';
    if (hopByHop.has(name.toLowerCase())) continue;
    const own = `http://${upstream}/`;
    const toOwn = name.toLowerCase() === 'location' && value.startsWith(own);
    headers.push(name, toOwn ? `http://${host}/${value.slice(own.length)}` : value);
  }
  return headers;
}
