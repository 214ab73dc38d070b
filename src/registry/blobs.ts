/** Blobs of a repository in a registry: verified downloads, monolithic uploads, mounts. */
import { createHash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex, digestOf } from '../core/digest.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { announcedLength, discard, readBody } from '../core/response-body.ts';
import { type Descriptor, describe, emptyConfigBytes, emptyConfigDescriptor } from '../formats/oci.ts';
import type { Scope } from './auth.ts';
import type { RegistryRequest, RegistryResponse } from './exchange.ts';
import type { CallOptions, PendingUpload, PutBlobOptions, Repository } from './repository.ts';
import { refusedResponse } from './response.ts';
import type { Transport } from './transport.ts';

/** What the parts of one repository share. */
export interface RepositoryContext {
  readonly transport: Transport;
  readonly repository: string;
  /** `host/repository`, for messages. */
  readonly name: string;
  readonly scope: Scope;
  /** Blobs known to be there, so that nothing is asked or sent twice. */
  readonly knownBlobs: Set<Digest>;
}

/** The blob part of {@link Repository}. */
export type BlobOperations = Pick<
  Repository,
  'getBlob' | 'readBlob' | 'hasBlob' | 'putBlob' | 'writeBlob' | 'mountBlob' | 'beginUpload'
>;

const uploadType = 'application/octet-stream';
const uploadTries = 3;

/** {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs} */
export function blobOperations(context: RepositoryContext): BlobOperations {
  return {
    getBlob: (descriptor, options) => getBlob(context, descriptor, options),
    readBlob: (descriptor, options) => readBlob(context, descriptor, options),
    hasBlob: (digest, options) => hasBlob(context, digest, options),
    putBlob: (bytes, options) => putBlob(context, bytes, options),
    writeBlob: (descriptor, content, options) => writeBlob(context, descriptor, content, options),
    mountBlob: (digest, from, options) => mountBlob(context, digest, from, options),
    beginUpload: (options) => beginUpload(context, options),
  };
}

function downloadRequest(context: RepositoryContext, digest: Digest, options: CallOptions): RegistryRequest {
  return {
    method: 'GET',
    target: `/v2/${context.repository}/blobs/${digest}`,
    what: `getting the blob ${digest} of ${context.name}`,
    scope: context.scope,
    follow: true,
    signal: options.signal,
  };
}

async function getBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  options: CallOptions & { readonly maxBytes: number },
): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > options.maxBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the blob ${digest} of ${context.name} has ${size} bytes; the limit is ${options.maxBytes}`,
    );
  }
  if (digest === emptyConfigDescriptor.digest && size === emptyConfigDescriptor.size) return emptyConfigBytes;
  const request = downloadRequest(context, digest, options);
  return context.transport.send(request, async (response) => {
    await checkDownload(response, descriptor, request.what);
    const bytes = await readBody(response, size, request.what).catch((error: unknown) => {
      throw isBoltsealError(error, 'ERR_LIMIT_EXCEEDED')
        ? wrongSize(descriptor, request.what, 'more')
        : error;
    });
    if (bytes.length !== size) throw wrongSize(descriptor, request.what, bytes.length);
    if (digestOf(bytes, digestAlgorithm(digest)) !== digest) throw wrongDigest(descriptor, request.what);
    return bytes;
  });
}

async function* readBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  options: CallOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const request = downloadRequest(context, descriptor.digest, options);
  const body = await context.transport.send(request, async (response) => {
    await checkDownload(response, descriptor, request.what);
    return response.body;
  });
  yield* verified(body ?? emptyBody(), descriptor, request.what);
}

async function* emptyBody(): AsyncGenerator<Uint8Array, void, undefined> {
  // Nothing: a response without a body.
}

async function checkDownload(
  response: RegistryResponse,
  descriptor: Descriptor,
  what: string,
): Promise<void> {
  if (response.status === 404) {
    await discard(response);
    throw new BoltsealError('ERR_BLOB_NOT_FOUND', `${what}: the registry does not have it`);
  }
  if (response.status !== 200) throw await refusedResponse(response, what);
  const announced = announcedLength(response);
  if (announced !== undefined && announced !== descriptor.size) {
    await discard(response);
    throw wrongSize(descriptor, what, announced);
  }
}

/** `content` unchanged; throws at its end when it is not what `descriptor` says, and at once when it is too long. */
export async function* verified(
  content: AsyncIterable<Uint8Array>,
  descriptor: Descriptor,
  what: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { digest, size } = descriptor;
  const hash = createHash(digestAlgorithm(digest));
  let seen = 0;
  for await (const chunk of content) {
    seen += chunk.length;
    if (seen > size) throw wrongSize(descriptor, what, 'more');
    hash.update(chunk);
    yield chunk;
  }
  if (seen !== size) throw wrongSize(descriptor, what, seen);
  if (hash.digest('hex') !== digestHex(digest)) throw wrongDigest(descriptor, what);
}

function wrongSize(descriptor: Descriptor, what: string, found: number | 'more'): BoltsealError {
  return new BoltsealError(
    'ERR_SIZE_MISMATCH',
    `${what}: it has ${found === 'more' ? 'more' : found} bytes; its descriptor says ${descriptor.size}`,
  );
}

function wrongDigest(descriptor: Descriptor, what: string): BoltsealError {
  return new BoltsealError(
    'ERR_DIGEST_MISMATCH',
    `${what}: its content does not have the digest ${descriptor.digest}`,
  );
}

async function hasBlob(
  context: RepositoryContext,
  digest: Digest,
  options: CallOptions = {},
): Promise<boolean> {
  if (context.knownBlobs.has(digest)) return true;
  const what = `looking for the blob ${digest} in ${context.name}`;
  const found = await context.transport.send(
    {
      method: 'HEAD',
      target: `/v2/${context.repository}/blobs/${digest}`,
      what,
      scope: context.scope,
      follow: true,
      signal: options.signal,
    },
    async (response) => {
      if (response.status === 200 || response.status === 404) {
        await discard(response);
        return response.status === 200;
      }
      throw await refusedResponse(response, what);
    },
  );
  if (found) context.knownBlobs.add(digest);
  return found;
}

async function putBlob(
  context: RepositoryContext,
  bytes: Uint8Array,
  options: PutBlobOptions = {},
): Promise<Descriptor> {
  const descriptor = describe(uploadType, bytes);
  if (context.knownBlobs.has(descriptor.digest)) return descriptor;
  if (options.fresh !== true && (await hasBlob(context, descriptor.digest, options))) return descriptor;
  await upload(context, descriptor, bytes, options);
  return descriptor;
}

async function writeBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  content: () => AsyncIterable<Uint8Array>,
  options: CallOptions = {},
): Promise<void> {
  const what = `uploading the blob ${descriptor.digest} to ${context.name}`;
  await upload(context, descriptor, () => verified(content(), descriptor, what), options);
}

/** Opens a session and sends the content; a session that broke is not trusted again, a new one is opened. */
async function upload(
  context: RepositoryContext,
  descriptor: Descriptor,
  content: Uint8Array | (() => AsyncIterable<Uint8Array>),
  options: CallOptions,
  opened?: Promise<URL>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const location = await (attempt === 1 && opened !== undefined ? opened : openUpload(context, options));
      await finishUpload(context, location, descriptor, content, options);
      break;
    } catch (error) {
      const worthAnother = isBoltsealError(error, 'ERR_REGISTRY_NETWORK', 'ERR_REGISTRY_RESPONSE');
      if (!worthAnother || attempt === uploadTries || options.signal?.aborted) throw error;
      // The answer may have been lost after the content arrived.
      if (await hasBlob(context, descriptor.digest, options)) break;
    }
  }
  context.knownBlobs.add(descriptor.digest);
}

function openUpload(context: RepositoryContext, options: CallOptions, query = ''): Promise<URL> {
  const what = `starting an upload to ${context.name}`;
  return context.transport.send(
    {
      method: 'POST',
      target: `/v2/${context.repository}/blobs/uploads/${query}`,
      what,
      scope: context.scope,
      body: new Uint8Array(0),
      signal: options.signal,
    },
    async (response) => {
      if (response.status !== 202) throw await refusedResponse(response, what);
      await discard(response);
      return uploadLocation(response, what);
    },
  );
}

/**
 * Where to send the content: only ever the registry's own origin, because the authorization goes with it
 * (CVE-2026-50151). A registry behind a TLS proxy may write its own URL with `http:` and without the port; of such a
 * location the path is used on the origin that is really spoken to.
 */
function uploadLocation(response: RegistryResponse, what: string): URL {
  const text = response.headers.get('location');
  const { url: origin } = response;
  if (text === null || !URL.canParse(text, origin.href)) {
    throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the registry names no upload location`);
  }
  const location = new URL(text, origin);
  const isOwnPort = location.port === origin.port || location.port === '';
  const isHttp = location.protocol === 'https:' || location.protocol === 'http:';
  if (!isHttp || location.hostname !== origin.hostname || !isOwnPort) {
    throw new BoltsealError(
      'ERR_REGISTRY_REDIRECT',
      `${what}: the registry sends the upload to another host, ${location.host || location.protocol}`,
      { hint: 'Use the name the registry is really served under.', details: { location: location.host } },
    );
  }
  return new URL(`${location.pathname}${location.search}`, origin);
}

async function finishUpload(
  context: RepositoryContext,
  location: URL,
  descriptor: Descriptor,
  content: Uint8Array | (() => AsyncIterable<Uint8Array>),
  options: CallOptions,
): Promise<void> {
  const what = `uploading the blob ${descriptor.digest} to ${context.name}`;
  // The location's query belongs to the registry and is kept byte for byte; only the digest is added.
  const target = new URL(location);
  target.search = `${location.search === '' ? '?' : `${location.search}&`}digest=${encodeURIComponent(descriptor.digest)}`;
  await context.transport.send(
    {
      method: 'PUT',
      target,
      what,
      scope: context.scope,
      repeatable: false,
      headers: { 'content-type': uploadType, 'content-length': String(descriptor.size) },
      body: content,
      signal: options.signal,
    },
    async (response) => {
      if (response.status !== 201 && response.status !== 204) throw await refusedResponse(response, what);
      await discard(response);
    },
  );
}

async function mountBlob(
  context: RepositoryContext,
  digest: Digest,
  from: string,
  options: CallOptions = {},
): Promise<boolean> {
  const what = `mounting the blob ${digest} of ${from} into ${context.name}`;
  const query = `?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
  return context.transport.send(
    {
      method: 'POST',
      target: `/v2/${context.repository}/blobs/uploads/${query}`,
      what,
      scope: { ...context.scope, alsoPull: from },
      body: new Uint8Array(0),
      signal: options.signal,
    },
    async (response) => {
      const { status } = response;
      // 202 opens an ordinary upload instead; registries that do not know mounts may also answer 404 or 405.
      if (status === 201 || status === 202 || status === 404 || status === 405) {
        await discard(response);
        if (status === 201) context.knownBlobs.add(digest);
        return status === 201;
      }
      throw await refusedResponse(response, what);
    },
  );
}

async function beginUpload(context: RepositoryContext, options: CallOptions = {}): Promise<PendingUpload> {
  const opened = openUpload(context, options);
  // Whoever completes the upload hears of the failure; until then it must not count as unhandled.
  opened.catch(() => undefined);
  let isOver = false;
  return {
    async complete(bytes, completeOptions = {}): Promise<Descriptor> {
      const descriptor = describe(uploadType, bytes);
      await upload(context, descriptor, bytes, completeOptions, opened);
      isOver = true;
      return descriptor;
    },
    async cancel(): Promise<void> {
      if (isOver) return;
      isOver = true;
      await opened.then((location) => abandon(context, location)).catch(() => undefined);
    },
  };
}

async function abandon(context: RepositoryContext, location: URL): Promise<void> {
  const what = `giving up an upload to ${context.name}`;
  const request = {
    method: 'DELETE',
    target: location,
    what,
    scope: context.scope,
    repeatable: false,
    // Whoever gives up does not want to wait for a registry that has gone silent.
    signal: AbortSignal.timeout(limits.abandonTime),
  } as const;
  await context.transport.send(request, discard);
}
