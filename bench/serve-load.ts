/** A load generator: keep-alive connections that each send the next request when they have the answer to the last. */
import { connect, type Socket } from 'node:net';

/** A request, ready to be written. */
export type RawRequest = Buffer;

/** What a load did. */
export interface LoadResult {
  readonly requests: number;
  /** Milliseconds from the first request to the last answer. */
  readonly wall: number;
  /** Milliseconds of each request, sorted. */
  readonly times: Float64Array;
  /** Answers by status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** The last answer that was not the expected one. */
  readonly unexpected: string | undefined;
}

/** An HTTP/1.1 request with a body, as bytes. */
export function rawRequest(
  url: URL,
  type: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): RawRequest {
  const lines = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    `content-type: ${type}`,
    `content-length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '',
    '',
  ];
  return Buffer.concat([Buffer.from(lines.join('\r\n')), body]);
}

/** Sends all of `requests` over `clients` connections. Rejects when a connection breaks. */
export async function load(
  url: URL,
  requests: readonly RawRequest[],
  clients: number,
  expected: number,
): Promise<LoadResult> {
  const times = new Float64Array(requests.length);
  const statuses = new Map<number, number>();
  let unexpected: string | undefined;
  let next = 0;
  const sockets = await Promise.all(Array.from({ length: clients }, () => open(url)));
  const started = performance.now();
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          let from = 0;
          let index = -1;
          let received: Buffer = Buffer.alloc(0);
          const send = (): void => {
            index = next++;
            const request = requests[index];
            if (request === undefined) {
              resolve();
              return;
            }
            from = performance.now();
            socket.write(request);
          };
          socket.on('data', (chunk: Buffer) => {
            received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
            const end = answerEnd(received);
            if (end === undefined) return;
            times[index] = performance.now() - from;
            const status = Number(received.toString('latin1', 9, 12));
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
            if (status !== expected) unexpected = received.toString('utf8', 0, 600);
            received = received.subarray(end);
            send();
          });
          socket.on('error', reject);
          socket.on('close', () => reject(new Error('a connection was closed')));
          send();
        }),
    ),
  );
  const wall = performance.now() - started;
  for (const socket of sockets) {
    socket.removeAllListeners();
    socket.destroy();
  }
  return { requests: requests.length, wall, times: times.sort(), statuses, unexpected };
}

/** Where a whole answer ends in what came so far. */
function answerEnd(received: Buffer): number | undefined {
  const head = received.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.toString('latin1', 0, head + 2))?.[1];
  if (length === undefined) throw new Error('an answer without a length');
  const end = head + 4 + Number(length);
  return received.length >= end ? end : undefined;
}

function open(url: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port: Number(url.port) });
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

/** The value below which the part `q` of sorted values lies. */
export function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}
