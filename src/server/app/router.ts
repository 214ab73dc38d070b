/** Which end point of which service a request is for: by host, prefix and the services' own tables of routes. */
import { type Route, type Service, ServiceRefusal } from '../http/service.ts';

/** A service and where it answers. */
export interface Mount {
  readonly service: Service;
  /** Empty, or a path that starts with a slash and does not end with one. Several services may share one. */
  readonly prefix: string;
  /** Only requests for this host (with its port when it is not the scheme's own); any host unless told. */
  readonly host?: string;
  /** Whether pages of other origins may read its answers; yes unless told. */
  readonly cors?: boolean;
}

/** An end point as the router keeps it. */
export interface Endpoint {
  readonly service: Service;
  readonly route: Route;
  readonly cors: boolean;
}

/** The end point of a request, and what its path matched. */
export interface Match {
  readonly endpoint: Endpoint;
  /** The path below the prefix. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
}

/** No end point: the refusal, and the service whose shape it gets, if any is near. */
export interface Miss {
  readonly endpoint: undefined;
  readonly service: Service | undefined;
  readonly refusal: ServiceRefusal;
  /** Whether a page of another origin may read the refusal, or be told that it may ask. */
  readonly cors: boolean;
}

/** A table of mounts that can be asked. */
export interface Router {
  /** `method` is GET for a HEAD request. */
  find(method: string, host: string, path: string): Match | Miss;
}

interface Pattern {
  readonly endpoint: Endpoint;
  readonly parts: readonly string[];
}

/** The services of one place. */
interface Place {
  readonly prefix: string;
  readonly host: string | undefined;
  readonly first: Mount;
  /** By `GET /path`. */
  readonly exact: Map<string, Endpoint>;
  readonly patterns: Pattern[];
}

const noParams: Readonly<Record<string, string>> = {};

/**
 * A router over `mounts`. The longest prefix is tried first, and in it the one of the request's host; when none of its
 * services has the route, the next. Of two routes of one place with the same path the earlier wins, and a route without
 * parameters before one with.
 */
export function createRouter(mounts: readonly Mount[]): Router {
  const places = placesOf(mounts);
  return {
    find(method, host, path) {
      for (const place of places) {
        const inner = within(place, host, path);
        if (inner === undefined) continue;
        const found = findIn(place, method, inner);
        if (found !== undefined) return found;
      }
      return missed(places, host, path);
    },
  };
}

function placesOf(mounts: readonly Mount[]): readonly Place[] {
  const places = new Map<string, Place>();
  for (const mount of mounts) {
    const { service, prefix, host, cors = true } = mount;
    const key = `${host ?? ''} ${prefix}`;
    const place: Place = places.get(key) ?? {
      prefix,
      host,
      first: mount,
      exact: new Map(),
      patterns: [],
    };
    places.set(key, place);
    for (const route of service.routes) {
      const endpoint = { service, route, cors };
      const name = `${route.method} ${route.path}`;
      if (/[:*]/.test(route.path)) place.patterns.push({ endpoint, parts: route.path.split('/') });
      else if (!place.exact.has(name)) place.exact.set(name, endpoint);
    }
  }
  return [...places.values()].sort(
    (a, b) =>
      b.prefix.length - a.prefix.length || Number(b.host !== undefined) - Number(a.host !== undefined),
  );
}

/** The path below the prefix of `place`, or undefined when the request is not for there. */
function within({ prefix, host: own }: Place, host: string, path: string): string | undefined {
  if (own !== undefined && own !== host) return undefined;
  if (prefix === '') return path;
  if (!path.startsWith(prefix)) return undefined;
  if (path.length === prefix.length) return '/';
  return path.charCodeAt(prefix.length) === 0x2f ? path.slice(prefix.length) : undefined;
}

function findIn({ exact, patterns }: Place, method: string, path: string): Match | undefined {
  const endpoint = exact.get(`${method} ${path}`);
  if (endpoint !== undefined) return { endpoint, path, params: noParams };
  if (patterns.length === 0) return undefined;
  const given = path.split('/');
  for (const { endpoint, parts } of patterns) {
    if (endpoint.route.method !== method) continue;
    const params = paramsOf(parts, given);
    if (params !== undefined) return { endpoint, path, params };
  }
  return undefined;
}

function paramsOf(wanted: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index];
    if (value === undefined) return undefined;
    if (part.startsWith('*')) {
      params[part.slice(1)] = given.slice(index).join('/');
      return params;
    }
    if (part.startsWith(':')) {
      const decoded = decodePart(value);
      if (decoded === undefined || decoded === '') return undefined;
      params[part.slice(1)] = decoded;
    } else if (part !== value) return undefined;
  }
  return wanted.length === given.length ? params : undefined;
}

function decodePart(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function missed(places: readonly Place[], host: string, path: string): Miss {
  let nearest: Mount | undefined;
  for (const place of places) {
    const inner = within(place, host, path);
    if (inner === undefined) continue;
    nearest ??= place.first;
    const others = (['GET', 'POST'] as const).flatMap((method) => findIn(place, method, inner) ?? []);
    const [first] = others;
    if (first === undefined) continue;
    const allow = others.flatMap(({ endpoint: { route } }) =>
      route.method === 'GET' ? ['GET', 'HEAD'] : [route.method],
    );
    const { service, cors } = first.endpoint;
    const refusal = new ServiceRefusal(405, 'the method is not allowed', {
      headers: { allow: allow.join(', ') },
    });
    return { endpoint: undefined, service, refusal, cors };
  }
  return {
    endpoint: undefined,
    service: nearest?.service,
    refusal: new ServiceRefusal(404, 'there is nothing at this path'),
    cors: false,
  };
}
