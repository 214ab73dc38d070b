import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { SecureContextOptions, Server as SecureServer } from 'node:tls';
import { BoltsealError } from '../core/errors.ts';
import type { HttpRequest, HttpResponse, HttpService } from '../core/http.ts';
import { IncomingBody } from './incoming-body.ts';

/** A server as a function of the standard classes. */
export type RequestHandler = (request: Request) => Promise<Response>;

/** Where and how to listen. Times are milliseconds. */
export interface ListenOptions {
  /** An address of this machine; `127.0.0.1` unless told, which nobody else can reach. */
  readonly host?: string;
  /** 0, unless told, takes a free one. */
  readonly port?: number;
  /** Serves https with this certificate (chain) and key, both PEM. */
  readonly tls?: { readonly cert: string | Uint8Array; readonly key: string | Uint8Array };
  /** How long a connection may be silent while a request or answer is under way; 2 minutes. */
  readonly socketTime?: number;
  /** How long a connection is kept for the next request; 1 minute. */
  readonly keepAliveTime?: number;
  /** How long `close` waits for answers under way before it cuts them off; 5 seconds. */
  readonly closeTime?: number;
  /** Connections open at once; more are closed as they come. No bound unless told. */
  readonly maxConnections?: number;
}

/** A server that listens. */
export interface Listener {
  /** `http://127.0.0.1:PORT`, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /**
   * Uses another certificate and key for connections from now on. Throws `ERR_USAGE` when they cannot be used, or when
   * this is not https; then nothing changes.
   */
  replaceTls(tls: NonNullable<ListenOptions['tls']>): void;
  /** Takes no more connections, lets the requests under way end, and resolves when all connections are closed. */
  close(): Promise<void>;
}

const headerTime = 15_000;
const headerBytes = 65_536;
/** What is read of a request body that the handler left unread. */
const discardBytes = 33_554_432;
/** How long such a rest may take, and how long a client that is not waited for has to take its answer. */
const discardTime = 10_000;
const lingerTime = 1_000;
const failureBody = '{"errors":[{"code":"UNKNOWN","message":"internal error"}]}';

/**
 * Serves `target` on Node's HTTP server: an {@link HttpService} such as the registry directly, or a function from
 * `Request` to `Response`. Bodies are streamed both ways with back pressure and have no limit here; when the client
 * goes away, `request.signal` is aborted; a handler that fails is a 500 without details. Rejects with
 * `ERR_USAGE` when the address cannot be used.
 */
export async function listen(
  target: HttpService | RequestHandler,
  options: ListenOptions = {},
): Promise<Listener> {
  const service = typeof target === 'function' ? standardService(target) : target;
  const host = options.host ?? '127.0.0.1';
  const scheme = options.tls === undefined ? 'http' : 'https';
  const connections: Connections = { open: new Set(), busy: new Set(), closing: false };
  const server = await createFor(options, (incoming, outgoing) => {
    connections.busy.add(incoming.socket);
    void serve(service, scheme, incoming, outgoing, connections);
  });
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  server.timeout = options.socketTime ?? 120_000;
  server.keepAliveTimeout = options.keepAliveTime ?? 60_000;
  server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.open.add(socket);
    socket.once('close', () => connections.open.delete(socket));
  });
  const port = await bind(server, host, options.port ?? 0);
  const name = host.includes(':') ? `[${host}]` : host;
  let closed: Promise<void> | undefined;
  return {
    url: `${scheme}://${name}:${port}`,
    port,
    replaceTls: (tls) => replaceTls(server, scheme, tls),
    close() {
      closed ??= closeServer(server, connections, options.closeTime ?? 5_000);
      return closed;
    },
  };
}

/** The connections of a server, and whether it is being closed. */
interface Connections {
  readonly open: Set<Socket>;
  /** Those with a request under way. */
  readonly busy: Set<Socket>;
  closing: boolean;
}

async function createFor(
  options: ListenOptions,
  onRequest: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
): Promise<Server> {
  const settings: ServerOptions = {
    headersTimeout: headerTime,
    // A large upload may take long; a silent one ends with the socket's timeout.
    requestTimeout: 0,
    connectionsCheckingInterval: 5_000,
    maxHeaderSize: headerBytes,
    noDelay: true,
  };
  if (options.tls === undefined) return createServer(settings, onRequest);
  const { createServer: createSecure } = await import('node:https');
  try {
    return createSecure({ ...settings, ...secureSettings(options.tls) }, onRequest) as unknown as Server;
  } catch {
    throw unusableTls();
  }
}

function secureSettings({ cert, key }: NonNullable<ListenOptions['tls']>): SecureContextOptions {
  const text = (pem: string | Uint8Array): string | Buffer =>
    typeof pem === 'string' ? pem : Buffer.from(pem);
  return { cert: text(cert), key: text(key), minVersion: 'TLSv1.2' };
}

function replaceTls(server: Server, scheme: string, tls: NonNullable<ListenOptions['tls']>): void {
  if (scheme !== 'https')
    throw new BoltsealError('ERR_USAGE', 'a listener for plain http has no certificate');
  try {
    (server as unknown as SecureServer).setSecureContext(secureSettings(tls));
  } catch {
    throw unusableTls();
  }
}

/** Nothing of the key is shown, nor what OpenSSL says of it. */
function unusableTls(): BoltsealError {
  return new BoltsealError('ERR_USAGE', 'the certificate and key of the listener cannot be used', {
    hint: 'Both must be PEM, the key not encrypted, and the first certificate the one of the key.',
  });
}

function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: Error): void => {
      reject(
        new BoltsealError('ERR_USAGE', `cannot listen on ${host} port ${port}: ${cause.message}`, {
          cause,
          hint: 'Choose another address or port; port 0 takes a free one.',
        }),
      );
    };
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.off('error', refuse);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function closeServer(server: Server, connections: Connections, closeTime: number): Promise<void> {
  connections.closing = true;
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      for (const socket of connections.open) socket.destroy();
      server.closeAllConnections();
    }, closeTime);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    // Node itself leaves those alone that have not sent a request yet.
    for (const socket of connections.open) if (!connections.busy.has(socket)) socket.destroy();
  });
}

async function serve(
  service: HttpService,
  scheme: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  connections: Connections,
): Promise<void> {
  const request = toRequest(scheme, incoming, outgoing, connections);
  let response: HttpResponse;
  try {
    response = await service.answer(request);
  } catch {
    response = {
      status: 500,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(failureBody),
    };
  }
  try {
    await send(response, incoming, outgoing, connections.closing);
  } catch {
    // Headers are on their way, so that breaking the connection is all that can still be said.
    outgoing.destroy();
  }
}

/** A request with what a standard one is made from. */
interface NodeRequest extends HttpRequest {
  readonly incoming: IncomingMessage;
}

function toRequest(
  scheme: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  connections: Connections,
): NodeRequest {
  const { headers, socket } = incoming;
  let controller: AbortController | undefined;
  let isGone = false;
  outgoing.once('close', () => {
    connections.busy.delete(socket);
    isGone = !outgoing.writableFinished;
    if (isGone) controller?.abort();
  });
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return {
    incoming,
    method: incoming.method ?? 'GET',
    url: absoluteUrl(scheme, incoming),
    headers: {
      get(name) {
        const value = headers[name] ?? headers[name.toLowerCase()];
        return value === undefined ? null : typeof value === 'string' ? value : value.join(', ');
      },
    },
    body: hasBody ? new IncomingBody(incoming) : null,
    peer: socket.remoteAddress,
    // Made when it is asked for: most requests end without.
    get signal() {
      if (controller === undefined) {
        controller = new AbortController();
        if (isGone) controller.abort();
      }
      return controller.signal;
    },
  };
}

function absoluteUrl(scheme: string, incoming: IncomingMessage): string {
  const target = incoming.url ?? '/';
  // A client may send the absolute form, as to a proxy (RFC 9112 section 3.2.2).
  if (/^https?:\/\//i.test(target)) return target;
  const { localAddress, localPort } = incoming.socket;
  const local = localAddress?.includes(':') ? `[${localAddress}]` : localAddress;
  const host = incoming.headers.host;
  const authority = host !== undefined && /^[\w.:[\]-]{1,255}$/.test(host) ? host : `${local}:${localPort}`;
  return `${scheme}://${authority}${target.startsWith('/') ? target : '/'}`;
}

async function send(
  response: HttpResponse,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  closing: boolean,
): Promise<void> {
  const { status, body } = response;
  if (outgoing.destroyed) {
    await cancel(body);
    return;
  }
  const headers: Record<string, string | string[]> = {};
  for (const name in response.headers) {
    const value = response.headers[name] as string | readonly string[];
    headers[name] = typeof value === 'string' ? value : [...value];
  }
  if (closing) headers['connection'] = 'close';
  outgoing.strictContentLength = true;
  if (incoming.method === 'HEAD' || body === null) {
    if (incoming.method !== 'HEAD' && status !== 204 && status !== 304) headers['content-length'] ??= '0';
    outgoing.writeHead(status, headers);
    await cancel(body);
  } else if (body instanceof Uint8Array) {
    headers['content-length'] ??= String(body.length);
    outgoing.writeHead(status, headers);
    if (incoming.complete) {
      outgoing.end(body);
      return;
    }
    outgoing.write(body);
  } else {
    outgoing.writeHead(status, headers);
    for await (const chunk of body) {
      // Leaving the loop ends the source, too.
      if (outgoing.destroyed) return;
      if (!outgoing.write(chunk)) await drained(outgoing);
    }
  }
  if (incoming.complete) outgoing.end();
  else if (headers['connection'] === 'close') leave(incoming, outgoing);
  else {
    await discardBody(incoming, outgoing);
    outgoing.end();
  }
}

/** Ends an answer and its connection, whatever else the client still has to say: it was too slow to be waited for. */
function leave(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { socket } = incoming;
  outgoing.end();
  setTimeout(() => socket.destroy(), lingerTime).unref();
}

/**
 * Reads and drops what is left of a request body, because a connection that is closed on unread bytes may lose the
 * answer. The client has that already; after the limit the connection ends.
 */
function discardBody(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  outgoing.flushHeaders();
  let bytes = 0;
  return new Promise((resolve) => {
    const cut = setTimeout(() => incoming.socket.destroy(), discardTime);
    const done = (): void => {
      clearTimeout(cut);
      resolve();
    };
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > discardBytes) incoming.socket.destroy();
    });
    // An error comes before the close, and says nothing new.
    incoming.on('error', () => {});
    incoming.once('end', done).once('close', done);
    incoming.resume();
  });
}

/** Ends a body that nobody will read. One that was not begun is not ended by its iterator. */
async function cancel(body: HttpResponse['body']): Promise<void> {
  if (body === null || body instanceof Uint8Array) return;
  if (body instanceof Readable) body.destroy();
  else if ('cancel' in body && typeof body.cancel === 'function') await body.cancel();
  else await body[Symbol.asyncIterator]().return?.();
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.once('drain', done);
    outgoing.once('close', done);
    if (outgoing.destroyed) done();
  });
}

function standardService(handler: RequestHandler): HttpService {
  return {
    async answer(request) {
      const response = await handler(toStandardRequest(request as NodeRequest));
      const headers: Record<string, string | string[]> = {};
      for (const [name, value] of response.headers) if (name !== 'set-cookie') headers[name] = value;
      const cookies = response.headers.getSetCookie();
      if (cookies.length > 0) headers['set-cookie'] = cookies;
      return { status: response.status, headers, body: response.body };
    },
  };
}

function toStandardRequest({ incoming, method, url, body, signal }: NodeRequest): Request {
  const headers = new Headers();
  const raw = incoming.rawHeaders;
  for (let index = 0; index + 1 < raw.length; index += 2)
    headers.append(raw[index] ?? '', raw[index + 1] ?? '');
  const settings = { method, headers, signal };
  if (body === null || method === 'GET' || method === 'HEAD') return new Request(url, settings);
  return new Request(url, { ...settings, body: ReadableStream.from(body), duplex: 'half' });
}
