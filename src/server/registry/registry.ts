import { isBoltsealError } from '../../core/errors.ts';
import type { HttpRequest, HttpResponse, HttpService } from '../../core/http.ts';
import type { FetchInit, Runtime } from '../../core/runtime.ts';
import { type Access, createGate, type RegistryAuth } from './access.ts';
import { answerBlob, answerUpload, beginUpload } from './blobs.ts';
import { type RegistryLimits, registryLimits } from './bounds.ts';
import { openContents } from './contents.ts';
import type { Context } from './context.ts';
import { listReferrers, listRepositories, listTags } from './listings.ts';
import { deleteManifest, pullManifest, pushManifest } from './manifests.ts';
import { emptyResponse, jsonResponse, Refusal, refusalResponse } from './refusal.ts';
import { parseRoute, parseTarget, type Route } from './routes.ts';
import type { RegistryStorage } from './storage.ts';
import { openUploads } from './uploads.ts';

/**
 * What a registry needs of its host: a clock for what expires, random bytes for session ids and token keys, and a log
 * that is told of failures that are not the client's (`registry.failure`).
 */
export type RegistryRuntime = Pick<Runtime, 'monotonic' | 'random' | 'log'>;

/** What a registry is made of. */
export interface RegistryOptions {
  /** `memoryStorage()` or `folderStorage(path)`; used by this registry alone. */
  readonly storage: RegistryStorage;
  /**
   * Whether it has the referrers API of OCI 1.1; yes unless told. Without it answers as registries of before do (404,
   * no `OCI-Subject`), and clients use the fallback tag.
   */
  readonly referrers?: boolean;
  /** Who may use it; everyone unless told. */
  readonly auth?: RegistryAuth | undefined;
  /** Whether manifests, tags and blobs may be deleted; yes unless told. */
  readonly allowDelete?: boolean;
  /**
   * Whether pushed manifests must be well-formed and everything they point to must be there; yes unless told. Without
   * it the registry takes any bytes: for tests of what clients do with those.
   */
  readonly validateManifests?: boolean;
  readonly limits?: Partial<RegistryLimits>;
}

/** A registry. */
export interface RegistryServer extends HttpService {
  /**
   * Answers a standard request with a standard response; never rejects. Called with a URL like the global `fetch`, it
   * is a network in itself: with `createRuntime({ fetch: registry.fetch })` every host name is this registry.
   */
  fetch(request: Request | string, init?: FetchInit): Promise<Response>;
  /** The same without the standard classes: faster, and what `listen` of `boltseal/node` uses. */
  answer(request: HttpRequest): Promise<HttpResponse>;
  /** Uploads that were begun and neither completed nor cancelled. */
  readonly uploadsUnderWay: number;
  /** Ends the use of the storage; uploads under way are given up. */
  close(): Promise<void>;
}

/**
 * An OCI registry: the distribution specification 1.1 (pull, push, content discovery, content management) as a pure
 * function from request to response. With no socket at all in a test, or on a port:
 *
 *     import { createRegistry, memoryStorage } from 'boltseal/server';
 *     import { createRuntime, listen } from 'boltseal/node';
 *
 *     const registry = createRegistry(createRuntime(), { storage: memoryStorage() });
 *     const server = await listen(registry);
 *     console.log(server.url); // http://127.0.0.1:41234
 *     await server.close();
 *     await registry.close();
 *
 * Blobs are streamed, digests are verified before anything becomes visible, and requests may come in parallel.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md}
 */
export function createRegistry(runtime: RegistryRuntime, options: RegistryOptions): RegistryServer {
  const { storage } = options;
  const limits = { ...registryLimits, ...options.limits };
  const now = (): number => runtime.monotonic();
  const random = (length: number): Uint8Array => runtime.random(length);
  const uploads = openUploads({ storage, limits, now, random });
  const gate = createGate(options.auth, now, random);
  const context: Context = {
    storage,
    contents: openContents(storage),
    uploads,
    limits,
    referrers: options.referrers ?? true,
    allowDelete: options.allowDelete ?? true,
    validateManifests: options.validateManifests ?? true,
  };

  const dispatch = async (request: HttpRequest): Promise<HttpResponse> => {
    const { path, query } = parseTarget(request.url);
    const route = parseRoute(path);
    if (route.kind === 'token') return await gate.answerToken(request, query);
    return await answerRoute(context, request, route, query, gate.admit(request, route));
  };
  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    const response = await dispatch(request).catch((error) => failure(error, request, runtime));
    const headers = { 'docker-distribution-api-version': 'registry/2.0', ...response.headers };
    // Headers describe the body a GET would have had.
    return { ...response, headers, body: request.method === 'HEAD' ? null : response.body };
  };
  return {
    answer,
    async fetch(request, init) {
      return toStandard(await answer(typeof request === 'string' ? new Request(request, init) : request));
    },
    get uploadsUnderWay() {
      return uploads.count;
    },
    async close() {
      await uploads.discardAll();
      await storage.close();
    },
  };
}

async function answerRoute(
  context: Context,
  request: HttpRequest,
  route: Route,
  query: URLSearchParams,
  access: Access,
): Promise<HttpResponse> {
  const { method } = request;
  requireMethod(method, route);
  switch (route.kind) {
    case 'ping':
      return jsonResponse(200, {});
    case 'catalog':
      return listRepositories(context, query);
    case 'tags':
      return listTags(context, route.name, query);
    case 'referrers':
      return listReferrers(context, route.name, route.digest, query);
    case 'blob':
      return answerBlob(context, request, route.name, route.digest);
    case 'uploads':
      return beginUpload(context, request, route.name, query, access.mayRead);
    case 'upload':
      return answerUpload(context, request, route.name, route.session, query);
    case 'manifest': {
      if (method === 'PUT') return pushManifest(context, request, route.name, route.reference, query);
      if (method === 'DELETE') return deleteManifest(context, route.name, route.reference);
      return pullManifest(context, request, route.name, route.reference);
    }
    case 'token':
      throw new Refusal('UNSUPPORTED', 'no such end point', { status: 404 });
  }
}

const methods: Readonly<Record<Route['kind'], readonly string[]>> = {
  ping: ['GET', 'HEAD'],
  token: ['GET', 'POST'],
  catalog: ['GET', 'HEAD'],
  tags: ['GET', 'HEAD'],
  referrers: ['GET', 'HEAD'],
  manifest: ['GET', 'HEAD', 'PUT', 'DELETE'],
  blob: ['GET', 'HEAD', 'DELETE'],
  uploads: ['POST'],
  upload: ['GET', 'HEAD', 'PATCH', 'PUT', 'DELETE'],
};

function requireMethod(method: string, route: Route): void {
  const allowed = methods[route.kind];
  if (allowed.includes(method)) return;
  throw new Refusal('UNSUPPORTED', 'the method is not supported here', {
    headers: { allow: allowed.join(', ') },
  });
}

function failure(error: unknown, request: HttpRequest, runtime: RegistryRuntime): HttpResponse {
  if (error instanceof Refusal) return refusalResponse(error);
  // Nobody is there to read it; what came in so far was given up where it came in.
  if (request.signal.aborted) return emptyResponse(400);
  if (isBoltsealError(error, 'ERR_LIMIT_EXCEEDED')) {
    return refusalResponse(new Refusal('SIZE_INVALID', error.message, { status: 413 }));
  }
  const reason = error instanceof Error ? error.message : String(error);
  runtime.log({ level: 'warn', event: 'registry.failure', message: `${request.method} failed: ${reason}` });
  return refusalResponse(new Refusal('UNKNOWN', 'the registry failed'));
}

function toStandard(response: HttpResponse): Response {
  const headers = new Headers();
  for (const [name, value] of Object.entries(response.headers)) {
    for (const line of typeof value === 'string' ? [value] : value) headers.append(name, line);
  }
  return new Response(standardBody(response.body), { status: response.status, headers });
}

function standardBody(body: HttpResponse['body']): Uint8Array<ArrayBuffer> | ReadableStream | null {
  if (body === null) return null;
  return body instanceof Uint8Array ? new Uint8Array(body) : ReadableStream.from(body);
}
