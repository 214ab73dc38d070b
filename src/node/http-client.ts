/**
 * The HTTP client of the command line: a {@link Fetch} on `node:http` and `node:https` with kept-alive connections.
 * The platform's global `fetch` is not used because loading it costs more than a whole small command.
 */
import type { ClientRequest, Agent as HttpAgent, IncomingMessage, RequestOptions } from 'node:http';
import type { AgentOptions, Agent as HttpsAgent, RequestOptions as HttpsRequestOptions } from 'node:https';
import type { Socket } from 'node:net';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Fetch, FetchInit, FetchResponse } from '../core/runtime.ts';
import { bareHost, type ProxyServer, parseProxy, proxyFor } from './proxy.ts';
import type { TlsConnectOptions, TlsSettings } from './tls.ts';

/** Settings of {@link createHttpClient}. */
export interface HttpClientOptions {
  /** Where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are looked up; nothing is proxied without it. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly tls?: TlsSettings | undefined;
  /** Milliseconds a connection may be silent before a request fails; `limits.requestTime` by default. */
  readonly idleTime?: number | undefined;
  /** Connections to one host at once; `limits.concurrentRequests` by default. */
  readonly maxSockets?: number | undefined;
}

/** A {@link Fetch} that holds connections. */
export interface HttpClient extends Fetch {
  /** Closes the connections that are kept alive. They never keep the process running, so calling this is optional. */
  close(): void;
}

/** Registries behind some load balancers send more than Node's 16 KiB of headers. */
const maxHeaderSize = 65_536;

/** Headers of a response, by lower-case name. */
type Headers = IncomingMessage['headers'];

interface Client {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly tls: TlsSettings;
  readonly idleTime: number;
  readonly maxSockets: number;
  httpAgent: HttpAgent | undefined;
  /** By TLS settings, and then by proxy. */
  readonly httpsAgents: Map<TlsSettings, Map<string, Promise<HttpsAgent>>>;
}

/**
 * A client for one process or one library user. It follows no redirect, decodes no content encoding, and retries
 * nothing but a request that a kept-alive connection lost before the server can have seen it (RFC 9112 section 9.3.1).
 */
export function createHttpClient(options: HttpClientOptions = {}): HttpClient {
  const client: Client = {
    env: options.env ?? {},
    tls: options.tls ?? {},
    idleTime: options.idleTime ?? limits.requestTime,
    maxSockets: options.maxSockets ?? limits.concurrentRequests,
    httpAgent: undefined,
    httpsAgents: new Map(),
  };
  const fetch: Fetch = (url, init) => fetchOnce(client, url, init);
  return Object.assign(fetch, {
    close(): void {
      client.httpAgent?.destroy();
      for (const agents of client.httpsAgents.values()) {
        for (const agent of agents.values()) agent.then((it) => it.destroy()).catch(() => undefined);
      }
    },
  });
}

async function fetchOnce(client: Client, text: string, init: FetchInit): Promise<FetchResponse> {
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new BoltsealError('ERR_USAGE', `only http and https URLs can be requested, not ${url.protocol}`);
  }
  init.signal?.throwIfAborted();
  const { proxy: ownProxy, tls = client.tls } = init.connection ?? {};
  const proxy =
    ownProxy === undefined ? proxyFor(url, client.env) : parseProxy(ownProxy, 'the proxy of this server');
  const prepare = url.protocol === 'https:' ? secureRequest : plainRequest;
  const request = await prepare(client, url, proxy, tls);
  try {
    return await exchange(client, request, init);
  } catch (error) {
    if (!(error instanceof StaleConnectionError) || !isRepeatable(init)) throw unwrapStale(error);
  }
  // A connection the server closed while it lay idle: the request never reached it.
  return exchange(client, request, init).catch((error: unknown) => {
    throw unwrapStale(error);
  });
}

function isRepeatable(init: FetchInit): boolean {
  const idempotent = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS'].includes(init.method);
  return idempotent && (init.body === undefined || init.body instanceof Uint8Array);
}

/** A reused connection broke before the first byte of the response. */
class StaleConnectionError extends Error {
  override readonly name = 'StaleConnectionError';
}

function unwrapStale(error: unknown): unknown {
  return error instanceof StaleConnectionError ? error.cause : error;
}

/** A request ready to be made: the function of the right module, and where to. */
interface Prepared {
  readonly send: (options: RequestOptions) => ClientRequest;
  readonly options: RequestOptions;
  readonly headers: Readonly<Record<string, string>>;
}

async function plainRequest(
  client: Client,
  url: URL,
  proxy: ProxyServer | undefined,
  tls: TlsSettings,
): Promise<Prepared> {
  const http = process.getBuiltinModule('node:http');
  client.httpAgent ??= new http.Agent(agentOptions(client));
  const path = `${url.pathname}${url.search}`;
  if (proxy === undefined) {
    return {
      send: http.request,
      options: { host: bareHost(url), port: url.port || 80, path, agent: client.httpAgent },
      headers: { host: url.host },
    };
  }
  // To a proxy the target is written in absolute form (RFC 9112 section 3.2.2).
  const absolute = `http://${url.host}${path}`;
  const headers = {
    host: url.host,
    ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
  };
  const at = { host: proxy.host, port: proxy.port, path: absolute };
  if (!proxy.secure) return { send: http.request, options: { ...at, agent: client.httpAgent }, headers };
  const https = process.getBuiltinModule('node:https');
  return {
    send: https.request,
    options: { ...at, agent: await httpsAgent(client, undefined, tls) },
    headers,
  };
}

async function secureRequest(
  client: Client,
  url: URL,
  proxy: ProxyServer | undefined,
  tls: TlsSettings,
): Promise<Prepared> {
  const https = process.getBuiltinModule('node:https');
  return {
    send: https.request,
    options: {
      host: bareHost(url),
      port: url.port || 443,
      path: `${url.pathname}${url.search}`,
      agent: await httpsAgent(client, proxy, tls),
    },
    headers: { host: url.host },
  };
}

function agentOptions(client: Client): AgentOptions {
  return {
    keepAlive: true,
    maxSockets: client.maxSockets,
    maxFreeSockets: client.maxSockets,
    scheduling: 'lifo',
  };
}

function httpsAgent(
  client: Client,
  proxy: ProxyServer | undefined,
  settings: TlsSettings,
): Promise<HttpsAgent> {
  const agents = client.httpsAgents.get(settings) ?? new Map<string, Promise<HttpsAgent>>();
  client.httpsAgents.set(settings, agents);
  const key = proxy === undefined ? '' : `${proxy.secure} ${proxy.host} ${proxy.port} ${proxy.authorization}`;
  const known = agents.get(key);
  if (known !== undefined) return known;
  const made = import('./tls.ts')
    .then(({ tlsConnectOptions }) => tlsConnectOptions(settings, client.env))
    .then((tls) => makeHttpsAgent(client, tls, proxy));
  agents.set(key, made);
  return made;
}

function makeHttpsAgent(client: Client, tls: TlsConnectOptions, proxy: ProxyServer | undefined): HttpsAgent {
  const https = process.getBuiltinModule('node:https');
  const settings = tls as AgentOptions;
  const agent = new https.Agent({ ...agentOptions(client), ...settings });
  if (proxy !== undefined) {
    agent.createConnection = (options, callback) => {
      tunnel(client, proxy, options, callback as TunnelCallback);
      return undefined;
    };
  }
  return agent;
}

type TunnelCallback = (error: Error | null, socket?: Socket) => void;

/** Opens a TLS connection through a proxy with CONNECT (RFC 9110 section 9.3.6). */
function tunnel(
  client: Client,
  proxy: ProxyServer,
  options: HttpsRequestOptions,
  callback: TunnelCallback,
): void {
  const module = proxy.secure
    ? process.getBuiltinModule('node:https')
    : process.getBuiltinModule('node:http');
  const host = String(options.host);
  const authority = `${host.includes(':') ? `[${host}]` : host}:${options.port}`;
  const request = module.request({
    method: 'CONNECT',
    host: proxy.host,
    port: proxy.port,
    path: authority,
    agent: false,
    timeout: client.idleTime,
    headers: {
      host: authority,
      ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }),
    },
  });
  request.once('timeout', () => request.destroy(silence(client.idleTime)));
  request.once('error', callback);
  request.once('connect', (response, socket) => {
    if (response.statusCode !== 200) {
      socket.destroy();
      const error = new Error(
        `the proxy ${proxy.host}:${proxy.port} refused with status ${response.statusCode}`,
      );
      callback(Object.assign(error, { code: 'ERR_PROXY_REFUSED' }));
      return;
    }
    socket.setTimeout(0);
    const { connect } = process.getBuiltinModule('node:tls');
    const { ca, cert, key, servername = host, rejectUnauthorized } = options;
    const secured = { ca, cert, key, servername, rejectUnauthorized };
    // An address has no server name; without the host, the certificate would be compared with the proxy's.
    callback(null, connect({ socket, host, ...definedOnly(secured) }));
  });
  request.end();
}

function definedOnly<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

function silence(milliseconds: number): Error {
  return Object.assign(new Error(`nothing was received for ${milliseconds} ms`), { code: 'ETIMEDOUT' });
}

/** One request and its response headers. */
function exchange(client: Client, prepared: Prepared, init: FetchInit): Promise<FetchResponse> {
  const { method, body, signal } = init;
  // It may have been aborted while the request was prepared.
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = { ...prepared.headers, ...init.headers };
    if (body instanceof Uint8Array) headers['content-length'] = String(body.length);
    const request = prepared.send({
      ...prepared.options,
      method,
      headers,
      maxHeaderSize,
      timeout: client.idleTime,
    });
    const abort = (): void => {
      request.destroy(abortReason(signal));
    };
    const release = (): void => signal?.removeEventListener('abort', abort);
    signal?.addEventListener('abort', abort, { once: true });
    let answered = false;
    request.once('timeout', () => request.destroy(silence(client.idleTime)));
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (answered) return;
      release();
      if (signal?.aborted) reject(signal.reason);
      else if (request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) {
        reject(new StaleConnectionError('stale connection', { cause: error }));
      } else reject(error);
    });
    request.once('response', (response) => {
      answered = true;
      response.once('close', release);
      if (hasNoBody(response, method)) {
        // Read to its end first, so that the connection is free for whoever hears of the answer.
        request.once('close', () => resolve(toResponse(response, undefined)));
        response.resume();
      } else resolve(toResponse(response, readBody(response, signal)));
    });
    sendBody(request, body);
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal?.reason });
}

function sendBody(request: ClientRequest, body: FetchInit['body']): void {
  if (body === undefined) request.end();
  else if (body instanceof Uint8Array) request.end(body);
  else {
    pump(request, body).catch((error: unknown) => {
      request.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  }
}

async function pump(request: ClientRequest, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) {
    if (request.destroyed) return;
    if (!request.write(chunk)) await drained(request);
  }
  request.end();
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off('drain', done);
      request.off('close', done);
      resolve();
    };
    request.once('drain', done);
    request.once('close', done);
  });
}

function hasNoBody(response: IncomingMessage, method: string): boolean {
  return method === 'HEAD' || response.statusCode === 204 || response.statusCode === 304;
}

function toResponse(
  response: IncomingMessage,
  content: AsyncIterable<Uint8Array> | undefined,
): FetchResponse {
  const { headers, statusCode: status = 0 } = response;
  const cancel = async (): Promise<void> => {
    response.destroy();
  };
  return {
    status,
    headers: { get: (name) => headerValue(headers, name) },
    body:
      content === undefined
        ? null
        : { [Symbol.asyncIterator]: () => content[Symbol.asyncIterator](), cancel },
  };
}

async function* readBody(
  response: IncomingMessage,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
  if (!response.complete) {
    throw Object.assign(new Error('the connection closed within the body'), { code: 'ECONNRESET' });
  }
}

function headerValue(headers: Headers, name: string): string | null {
  const value = headers[name.toLowerCase()];
  return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
}
