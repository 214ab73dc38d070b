import type { HttpRequest, HttpResponse } from '../../../src/core/http.ts';
import { type ListenOptions, listen } from '../../../src/node/http-server.ts';
import type { RegistryServer } from '../../../src/server/index.ts';
import { createEmbeddedRegistry, type EmbeddedRegistryOptions } from '../../support/embedded-registry.ts';
import type { PushTarget } from '../../support/small-image.ts';
import type { Releases } from '../../support/temporary.ts';

/** One request as a server saw it. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** The Host header. */
  readonly host: string;
  readonly authorization: string | null;
}

/** Answers in the registry's place; undefined lets the registry answer, `proceed` changes what it would have said. */
export type Interference = (
  request: SeenRequest,
  proceed: () => Promise<HttpResponse>,
  raw: HttpRequest,
) => Promise<HttpResponse | undefined> | HttpResponse | undefined;

/** A registry that can be told to lie. */
export interface HostileRegistry extends PushTarget {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly registry: RegistryServer;
  /** What was asked, in order. */
  readonly seen: SeenRequest[];
  /** Honest while undefined. */
  interfere: Interference | undefined;
  stop(): Promise<void>;
}

/** What a hostile registry is started with. */
export interface HostileRegistryOptions extends EmbeddedRegistryOptions {
  readonly tls?: ListenOptions['tls'];
}

/** The embedded registry behind somebody who reads and changes everything; ended when the test is over. */
export async function useHostileRegistry(
  releases: Releases,
  options: HostileRegistryOptions = {},
): Promise<HostileRegistry> {
  const { tls, ...rest } = options;
  const registry = createEmbeddedRegistry({ validateManifests: false, ...rest });
  const seen: SeenRequest[] = [];
  const answer = async (request: HttpRequest): Promise<HttpResponse> => {
    const url = new URL(request.url);
    const one: SeenRequest = {
      method: request.method,
      path: `${url.pathname}${url.search}`,
      host: url.host,
      authorization: request.headers.get('authorization'),
    };
    seen.push(one);
    const proceed = (): Promise<HttpResponse> => registry.answer(request);
    return (await hostile.interfere?.(one, proceed, request)) ?? (await proceed());
  };
  const listener = await listen({ answer }, { closeTime: 0, ...(tls === undefined ? {} : { tls }) });
  let stopped: Promise<void> | undefined;
  const hostile: HostileRegistry = {
    host: `127.0.0.1:${listener.port}`,
    url: listener.url,
    registry,
    seen,
    interfere: undefined,
    stop() {
      stopped ??= listener.close().then(() => registry.close());
      return stopped;
    },
  };
  releases.after(() => hostile.stop());
  return hostile;
}

/** The whole body of a response. */
export async function bodyOf(response: HttpResponse): Promise<Buffer> {
  if (response.body === null) return Buffer.alloc(0);
  if (response.body instanceof Uint8Array) return Buffer.from(response.body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `response` with another body, and the headers that describe bodies made to fit. */
export function withBody(response: HttpResponse, body: Uint8Array): HttpResponse {
  return { ...response, headers: { ...response.headers, 'content-length': String(body.length) }, body };
}

/** A body of JSON. */
export function jsonAnswer(
  status: number,
  json: string | object,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const body = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}
