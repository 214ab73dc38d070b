/**
 * The one listener of a private Sigstore as a function from request to response: finds the service, admits, reads the
 * body within its limits, and logs and measures what became of it.
 */
import type { HttpRequest, HttpResponse, HttpResponseHeaders, HttpService } from '../../core/http.ts';
import type { Runtime } from '../../core/runtime.ts';
import {
  busy,
  jsonAnswer,
  readBody,
  type Service,
  ServiceRefusal,
  type ServiceRequest,
} from '../http/service.ts';
import { describeFailure } from './failure.ts';
import type { CountedEvent, Metrics } from './metrics.ts';
import { addressGroup, createRateLimiter, type RateLimiter, tooMany } from './rate-limit.ts';
import type { RequestScope } from './request-scope.ts';
import { createRouter, type Endpoint, type Match, type Miss, type Mount, type Router } from './router.ts';

/** A server that is no {@link Service}, such as the embedded registry: it gets requests as they are. */
export interface OtherMount {
  /** Its name in metrics and logs. */
  readonly name: string;
  /** `/v2`: this path and everything below it. */
  readonly prefix: string;
  readonly server: HttpService;
}

/** What an app is made of. */
export interface AppOptions {
  readonly mounts: readonly Mount[];
  readonly others?: readonly OtherMount[];
  readonly metrics?: Metrics | undefined;
  /** What a good answer of a route counts as, by service and route: `{ tsa: { timestamp: 'timestamp' } }`. */
  readonly counts?: Readonly<Record<string, Readonly<Record<string, CountedEvent>>>>;
  /** Requests under way at once; further ones are answered with 503. Health is always answered. No bound unless told. */
  readonly inFlight?: number;
  /** Milliseconds in which the body of a request must have arrived; 20 seconds unless told. */
  readonly bodyTime?: number;
  /** POST requests of one address in a minute; 0, unless told, is no limit. */
  readonly writesPerMinute?: number;
  /** Does the work of each request under its id, so that what services log has it. */
  readonly scope?: Pick<RequestScope, 'run'> | undefined;
  /** Whether each request is an event of the runtime's log; yes unless told. Failures are in any case. */
  readonly logRequests?: boolean;
}

/** A running app. */
export interface App extends HttpService {
  /** Requests under way. */
  readonly inFlight: number;
}

interface Context {
  readonly runtime: Pick<Runtime, 'monotonic' | 'random' | 'log'>;
  readonly options: AppOptions;
  readonly router: Router;
  readonly writes: RateLimiter | undefined;
  readonly nextId: () => string;
  inFlight: number;
}

/** One request on its way. */
interface Exchange {
  readonly request: HttpRequest;
  readonly id: string;
  readonly started: number;
  service: string;
  route: string;
  cors: boolean;
  /** Why it was refused, for the log. */
  reason: string | undefined;
}

/** Addresses whose rate is remembered. */
const mostAddresses = 20_000;
/** Services whose requests are always answered, and only logged when someone looks for details. */
const quiet: ReadonlySet<string> = new Set(['health', 'admin']);

/** Puts services together. The answer is always a response, and has the header `x-request-id`. */
export function createApp(runtime: Pick<Runtime, 'monotonic' | 'random' | 'log'>, options: AppOptions): App {
  const { writesPerMinute = 0, mounts, metrics } = options;
  const context: Context = {
    runtime,
    options,
    router: createRouter(mounts),
    writes: writesPerMinute === 0 ? undefined : createRateLimiter(runtime, writesPerMinute, mostAddresses),
    nextId: requestIds(runtime),
    inFlight: 0,
  };
  metrics?.watchInFlight(() => context.inFlight);
  return {
    get inFlight() {
      return context.inFlight;
    },
    answer: (request) => answer(context, request),
  };
}

/** Identifiers that differ within a process by a number, and between processes by chance. */
function requestIds(runtime: Pick<Runtime, 'random'>): () => string {
  const start = Buffer.from(runtime.random(6)).toString('hex');
  let count = 0;
  return () => `${start}-${(++count).toString(36)}`;
}

async function answer(context: Context, request: HttpRequest): Promise<HttpResponse> {
  const given = request.headers.get('x-request-id');
  const exchange: Exchange = {
    request,
    id: given !== null && /^[\w.:-]{1,64}$/.test(given) ? given : context.nextId(),
    started: context.runtime.monotonic(),
    service: 'none',
    route: 'none',
    cors: false,
    reason: undefined,
  };
  context.inFlight++;
  try {
    const { scope } = context.options;
    const response = await (scope === undefined
      ? dispatch(context, exchange)
      : scope.run(exchange.id, () => dispatch(context, exchange)));
    record(context, exchange, response.status);
    return { status: response.status, headers: headersOf(exchange, response.headers), body: response.body };
  } finally {
    context.inFlight--;
  }
}

async function dispatch(context: Context, exchange: Exchange): Promise<HttpResponse> {
  const { request } = exchange;
  const { host, path, query } = splitUrl(request.url);
  const other = context.options.others?.find(
    ({ prefix }) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/'),
  );
  if (other !== undefined) return passOn(context, exchange, other);
  if (request.method === 'OPTIONS') return preflight(context, exchange, host, path);
  const found = context.router.find(request.method === 'HEAD' ? 'GET' : request.method, host, path);
  const response =
    found.endpoint === undefined
      ? refuseMiss(context, exchange, found)
      : await answerMatch(context, exchange, found, query);
  return request.method === 'HEAD' ? { ...response, body: null } : response;
}

async function passOn(context: Context, exchange: Exchange, other: OtherMount): Promise<HttpResponse> {
  exchange.service = other.name;
  exchange.route = 'any';
  try {
    return await other.server.answer(exchange.request);
  } catch (error) {
    return brokenAnswer(context, exchange, error);
  }
}

async function answerMatch(
  context: Context,
  exchange: Exchange,
  { endpoint, path, params }: Match,
  query: string,
): Promise<HttpResponse> {
  const { request } = exchange;
  const { service, route } = endpoint;
  enter(exchange, endpoint);
  try {
    admit(context, exchange);
    const body =
      request.body === null
        ? empty
        : await bodyWithin(request, route.bodyBytes ?? 0, context.options.bodyTime ?? 20_000);
    const served: ServiceRequest = {
      method: request.method,
      path,
      params,
      headers: request.headers,
      body,
      // Made when they are asked for: most routes ask for neither.
      get query() {
        return new URLSearchParams(query);
      },
      get signal() {
        return request.signal;
      },
    };
    return await route.answer(served);
  } catch (error) {
    return refuse(context, exchange, service, error);
  }
}

const empty = new Uint8Array(0);

function enter(exchange: Exchange, { service, route, cors }: Endpoint): void {
  exchange.service = service.name;
  exchange.route = route.name;
  exchange.cors = cors;
}

/** Throws {@link ServiceRefusal} when the request must not be worked on now. */
function admit(context: Context, { service, request }: Exchange): void {
  if (quiet.has(service)) return;
  if (context.inFlight > (context.options.inFlight ?? Number.POSITIVE_INFINITY)) throw busy();
  if (context.writes === undefined || request.method !== 'POST' || request.peer === undefined) return;
  const wait = context.writes.take(addressGroup(request.peer));
  if (wait > 0) throw tooMany(wait, 'requests from this address');
}

/** {@link readBody} with an end: 408 for a client that sends too slowly, whose connection is not kept. */
function bodyWithin(request: HttpRequest, limit: number, time: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const headers = { connection: 'close' };
      reject(new ServiceRefusal(408, `the body did not arrive within ${time / 1_000} seconds`, { headers }));
    }, time);
    readBody(request, limit)
      .then(resolve, (error: unknown) => reject(asClientError(error)))
      .finally(() => clearTimeout(timer));
  });
}

/** What breaks while a body is read is the connection, and no failure of this server. */
function asClientError(error: unknown): unknown {
  if (error instanceof ServiceRefusal) return error;
  return new ServiceRefusal(400, 'the body ended early', { cause: error, reason: 'the connection broke' });
}

function refuseMiss(context: Context, exchange: Exchange, miss: Miss): HttpResponse {
  exchange.cors = miss.cors;
  if (miss.service !== undefined) exchange.service = miss.service.name;
  return miss.service === undefined
    ? jsonAnswer(
        miss.refusal.status,
        { code: miss.refusal.status, message: miss.refusal.message },
        miss.refusal.headers,
      )
    : refuse(context, exchange, miss.service, miss.refusal);
}

/** The answer to an error in the shape of its service. */
function refuse(context: Context, exchange: Exchange, service: Service, error: unknown): HttpResponse {
  let response: HttpResponse;
  try {
    response = service.refuse(error);
  } catch (unforeseen) {
    return brokenAnswer(context, exchange, unforeseen);
  }
  if (error instanceof ServiceRefusal) exchange.reason = error.reason;
  else if (response.status >= 500) logFailure(context, exchange, error);
  else exchange.reason = describeFailure(error).reason;
  // What only the dispatcher knows, such as that the connection ends, must reach the client whatever the shape.
  const extra = error instanceof ServiceRefusal ? error.headers : {};
  return { ...response, headers: { ...extra, ...response.headers } };
}

function brokenAnswer(context: Context, exchange: Exchange, error: unknown): HttpResponse {
  logFailure(context, exchange, error);
  return jsonAnswer(500, { code: 500, message: 'internal error' });
}

function logFailure({ runtime }: Context, exchange: Exchange, error: unknown): void {
  const { reason, ...fields } = describeFailure(error);
  const { id, service, route } = exchange;
  runtime.log({
    level: 'warn',
    event: 'http.failure',
    message: `${service} ${route}: ${reason}`,
    fields: { id, service, route, ...fields },
  });
}

/** Whether a page of another origin may send the request it announces (Fetch standard, section 3.2). */
function preflight(context: Context, exchange: Exchange, host: string, path: string): HttpResponse {
  const method = exchange.request.headers.get('access-control-request-method') ?? 'GET';
  const found = context.router.find(method === 'HEAD' ? 'GET' : method, host, path);
  if (found.endpoint === undefined) return refuseMiss(context, exchange, found);
  enter(exchange, found.endpoint);
  const { service, route, cors } = found.endpoint;
  const headers: HttpResponseHeaders = { allow: route.method === 'GET' ? 'GET, HEAD' : route.method };
  if (!cors) return refuse(context, exchange, service, new ServiceRefusal(405, 'not allowed', { headers }));
  return {
    status: 204,
    headers: {
      ...headers,
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers': 'authorization, content-type, x-request-id',
      'access-control-max-age': '86400',
    },
    body: null,
  };
}

function headersOf(exchange: Exchange, headers: HttpResponseHeaders): HttpResponseHeaders {
  const all: Record<string, string | readonly string[]> = {
    'x-request-id': exchange.id,
    'x-content-type-options': 'nosniff',
  };
  if (exchange.cors) {
    all['access-control-allow-origin'] = '*';
    all['access-control-expose-headers'] = 'etag, location, retry-after, sct, x-log-index, x-request-id';
  }
  for (const name in headers) all[name] = headers[name] as string;
  return all;
}

function record({ runtime, options }: Context, exchange: Exchange, status: number): void {
  const { request, id, service, route, started, reason } = exchange;
  const { metrics, counts, logRequests = true } = options;
  const time = runtime.monotonic() - started;
  if (metrics !== undefined) {
    metrics.answered(service, route, request.method, status, time / 1_000);
    const event = counts?.[service]?.[route];
    if (event !== undefined && status < 300) metrics.count(event);
    if (status === 429) metrics.count('rateLimited');
    if (status === 503 && !quiet.has(service)) metrics.count('overloaded');
  }
  if (!logRequests && status < 500) return;
  const level = quiet.has(service) ? 'debug' : status >= 500 ? 'warn' : 'info';
  const { method } = request;
  const shown = methods.has(method) ? method : 'OTHER';
  runtime.log({
    level,
    event: 'http.request',
    message: `${shown} ${service} ${route} ${status}`,
    fields: { id, service, route, method: shown, status, ms: Math.round(time * 100) / 100, reason },
  });
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Host, path and query of a URL; nothing of it is resolved, so that `..` and `//` stay what they are. */
function splitUrl(url: string): { readonly host: string; readonly path: string; readonly query: string } {
  const authority = url.indexOf('://') + 3;
  const start = url.indexOf('/', authority);
  if (start === -1) return { host: url.slice(authority).toLowerCase(), path: '/', query: '' };
  const mark = url.indexOf('?', start);
  return {
    host: url.slice(authority, start).toLowerCase(),
    path: mark === -1 ? url.slice(start) : url.slice(start, mark),
    query: mark === -1 ? '' : url.slice(mark + 1),
  };
}
