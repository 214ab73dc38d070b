import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { HttpService } from '../../src/core/http.ts';

/** What to send. */
export interface Call {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** What came back, whole. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by asserting it.
  readonly json: any;
  /** The code of the first error in the body. */
  readonly code: string | undefined;
}

/** Sends a request to a registry without a socket, the path exactly as it is given. */
export async function call(
  service: HttpService,
  method: string,
  path: string,
  options: Call = {},
): Promise<Reply> {
  const sent = typeof options.body === 'string' ? Buffer.from(options.body) : options.body;
  const headers = new Headers(options.headers);
  if (sent instanceof Uint8Array && !headers.has('content-length')) {
    headers.set('content-length', String(sent.length));
  }
  const signal = options.signal ?? new AbortController().signal;
  setMaxListeners(0, signal);
  const body = sent === undefined ? null : sent instanceof Uint8Array ? pieces(sent) : sent;
  const response = await service.answer({
    method,
    url: `http://registry.test${path}`,
    headers,
    body,
    signal,
  });
  const chunks: Uint8Array[] = [];
  if (response.body instanceof Uint8Array) chunks.push(response.body);
  else for await (const chunk of response.body ?? []) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const received: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) received[name] = String(value);
  return {
    status: response.status,
    headers: received,
    bytes,
    get json() {
      return JSON.parse(bytes.toString());
    },
    get code() {
      return JSON.parse(bytes.toString()).errors?.[0]?.code;
    },
  };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < bytes.length; index += 65_536) yield bytes.subarray(index, index + 65_536);
}

/** The digest of text or bytes. */
export function digestOf(content: string | Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;
}

/** A descriptor. */
export interface TestDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Pushes a blob in one request and returns its descriptor. */
export async function pushBlob(
  service: HttpService,
  repository: string,
  content: string | Uint8Array,
  mediaType = 'application/octet-stream',
): Promise<TestDescriptor> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const digest = digestOf(bytes);
  const path = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const reply = await call(service, 'POST', path, { body: bytes });
  assert.equal(reply.status, 201, reply.bytes.toString());
  return { mediaType, digest, size: bytes.length };
}

/** The media type of an OCI image manifest. */
export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
/** The media type of an OCI image index. */
export const indexType = 'application/vnd.oci.image.index.v1+json';
/** The descriptor of `{}`. */
export const emptyDescriptor: TestDescriptor = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf('{}'),
  size: 2,
};

/** Pushes a manifest, by digest unless a tag is given. */
export async function pushManifest(
  service: HttpService,
  repository: string,
  manifest: object,
  options: {
    readonly reference?: string;
    readonly mediaType?: string;
    readonly headers?: Record<string, string>;
  } = {},
): Promise<Reply & { readonly digest: string; readonly size: number }> {
  const body = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(body);
  const path = `/v2/${repository}/manifests/${options.reference ?? digest}`;
  const headers = { 'content-type': options.mediaType ?? manifestType, ...options.headers };
  const reply = await call(service, 'PUT', path, { headers, body });
  return Object.assign(reply, { digest, size: body.length });
}

/** An image manifest with the empty config, which must be there, and no layers. */
export function emptyManifest(more: object = {}): object {
  return { schemaVersion: 2, mediaType: manifestType, config: emptyDescriptor, layers: [], ...more };
}
