/** {@link Repository} for a repository in a registry. {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md} */

import { backoff } from '../core/backoff.ts';
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../core/digest.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { announcedLength, discard, readBody } from '../core/response-body.ts';
import type { Runtime } from '../core/runtime.ts';
import { bareMediaType, type Descriptor, manifestMediaTypes, parseManifest } from '../formats/oci.ts';
import { isTag, type RegistryReference } from '../formats/reference.ts';
import { blobOperations, type RepositoryContext } from './blobs.ts';
import type { RegistryResponse } from './exchange.ts';
import { listReferrers, listTags, type ReferrersSupport } from './referrers.ts';
import type {
  CallOptions,
  PutManifestOptions,
  PutManifestResult,
  Repository,
  StoredManifest,
} from './repository.ts';
import { refusedResponse } from './response.ts';
import type { Transport } from './transport.ts';

/** What {@link createRemoteRepository} is made of. */
export interface RemoteRepositoryOptions {
  readonly runtime: Runtime;
  readonly transport: Transport;
  readonly reference: RegistryReference;
  /** Whether the caller will push: then the first token is asked for that, and no second one is needed. */
  readonly push: boolean;
  readonly speculativeFallback: boolean;
  readonly support: ReferrersSupport;
}

const accept = [...manifestMediaTypes, '*/*;q=0.1'].join(', ');

/** The repository that `options.reference` names. Nothing is asked of the registry yet. */
export function createRemoteRepository(options: RemoteRepositoryOptions): Repository {
  const { reference, transport, runtime, support } = options;
  const name = `${reference.registry}/${reference.repository}`;
  const { repository } = reference;
  const context: RepositoryContext = {
    transport,
    repository,
    name,
    scope: { repository, push: options.push },
    knownBlobs: new Set(),
  };
  const getTagged = (tag: string, call: CallOptions): Promise<StoredManifest | undefined> =>
    getManifest(context, tag, call);
  const ports = { runtime, support, speculative: options.speculativeFallback, getManifest: getTagged };
  return {
    name,
    dockerReference: name,
    resolve: (target = 'latest', call) => resolve(context, target, call),
    getManifest: (target = 'latest', call) => getManifest(context, target, call),
    putManifest: async (bytes, mediaType, call) => {
      const result = await putPatiently(runtime, call?.signal, () =>
        putManifest(context, bytes, mediaType, call),
      );
      if (result.subjectIndexed && support.api === 'unknown') support.api = 'works';
      return result;
    },
    deleteManifest: (target, call) => deleteManifest(context, target, call),
    referrers: (subject, call) => listReferrers(context, ports, subject, call),
    tags: (call) => listTags(context, call),
    ...blobOperations(context),
  };
}

/** A tag or digest as the end of a path; nothing else ever becomes one. */
function manifestPath(context: RepositoryContext, target: string): string {
  if (isDigest(target) || isTag(target)) return `/v2/${context.repository}/manifests/${target}`;
  throw new BoltsealError(
    'ERR_REFERENCE_INVALID',
    `${JSON.stringify(target.slice(0, 160))} is neither tag nor digest`,
  );
}

function shown(context: RepositoryContext, target: string): string {
  return `${context.name}${isDigest(target) ? '@' : ':'}${target}`;
}

async function resolve(
  context: RepositoryContext,
  target: string,
  options: CallOptions = {},
): Promise<Descriptor | undefined> {
  const what = `resolving ${shown(context, target)}`;
  const answer = await context.transport.send(
    {
      method: 'HEAD',
      target: manifestPath(context, target),
      what,
      scope: context.scope,
      headers: { accept },
      follow: true,
      signal: options.signal,
    },
    async (response): Promise<{ descriptor: Descriptor } | 'absent' | 'ask again'> => {
      await discard(response);
      if (response.status === 404) return 'absent';
      if (response.status === 200) {
        const descriptor = headerDescriptor(response, target);
        return descriptor === undefined ? 'ask again' : { descriptor };
      }
      if ([400, 405, 406, 501].includes(response.status)) return 'ask again';
      throw await refusedResponse(response, what);
    },
  );
  if (answer === 'absent') return undefined;
  if (answer !== 'ask again') return answer.descriptor;
  return (await getManifest(context, target, options))?.descriptor;
}

/** The descriptor the headers of a HEAD response tell, when they tell all of it. */
function headerDescriptor(response: RegistryResponse, target: string): Descriptor | undefined {
  const digest = response.headers.get('docker-content-digest') ?? '';
  const mediaType = bareMediaType(response.headers.get('content-type') ?? '');
  const size = announcedLength(response);
  if (!isDigest(digest) || size === undefined || size === 0 || !manifestMediaTypes.includes(mediaType))
    return undefined;
  if (isDigest(target) && digest !== target) return undefined;
  return { mediaType, digest, size };
}

async function getManifest(
  context: RepositoryContext,
  target: string,
  options: CallOptions = {},
): Promise<StoredManifest | undefined> {
  const what = `getting the manifest ${shown(context, target)}`;
  const request = {
    method: 'GET' as const,
    target: manifestPath(context, target),
    what,
    scope: context.scope,
    headers: { accept },
    follow: true,
    signal: options.signal,
  };
  return context.transport.send(request, async (response) => {
    if (response.status === 404) {
      await discard(response);
      return undefined;
    }
    if (response.status !== 200) throw await refusedResponse(response, what);
    const bytes = await readBody(response, limits.manifestBytes, what);
    return toStoredManifest(response, bytes, target, what);
  });
}

function toStoredManifest(
  response: RegistryResponse,
  bytes: Uint8Array,
  target: string,
  what: string,
): StoredManifest {
  const said = response.headers.get('docker-content-digest') ?? '';
  const expected = isDigest(target) ? target : isDigest(said) ? said : undefined;
  const digest = digestOf(bytes, expected === undefined ? 'sha256' : digestAlgorithm(expected));
  if (expected !== undefined && digest !== expected) {
    throw new BoltsealError(
      'ERR_DIGEST_MISMATCH',
      `${what}: the content does not have the digest ${expected}`,
    );
  }
  const announced = bareMediaType(response.headers.get('content-type') ?? '');
  const mediaType = manifestMediaTypes.includes(announced)
    ? announced
    : parseManifest(bytes, undefined, what).mediaType;
  const etag = response.headers.get('etag') ?? '';
  const isStrong = /^"[\x21\x23-\x7e]+"$/.test(etag);
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes, ...(isStrong ? { etag } : {}) };
}

/** Tries of a manifest whose parts the registry says it does not have. */
const putTries = 6;

/**
 * A registry may not see blobs that it has just taken: docker-registry rewrites the files that say so in place while
 * several clients upload the same blob, and others answer before all of their nodes know. Then a manifest is refused
 * although all its parts are there, and a moment later it is not.
 */
async function putPatiently<T>(
  runtime: Runtime,
  signal: AbortSignal | undefined,
  put: () => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await put();
    } catch (error) {
      const problems = isBoltsealError(error, 'ERR_REGISTRY_RESPONSE')
        ? error.details['problems']
        : undefined;
      const isMissing = Array.isArray(problems) && problems.some((code) => missingPart.test(code));
      if (!isMissing || attempt + 1 >= putTries) throw error;
      await runtime.sleep(backoff(runtime, attempt, null), signal);
    }
  }
}

const missingPart = /^(?:MANIFEST_BLOB_UNKNOWN|BLOB_UNKNOWN|MANIFEST_UNKNOWN|DIGEST_INVALID)$/;

async function putManifest(
  context: RepositoryContext,
  bytes: Uint8Array,
  mediaType: string,
  options: PutManifestOptions = {},
): Promise<PutManifestResult> {
  const digest = digestOf(bytes);
  const target = options.tag ?? digest;
  const what = `storing the manifest ${shown(context, target)}`;
  const subject = parseManifest(bytes, mediaType, 'the manifest to store').subject?.digest;
  const request = {
    method: 'PUT' as const,
    target: manifestPath(context, target),
    what,
    scope: context.scope,
    headers: {
      'content-type': mediaType,
      ...(options.ifMatch === undefined ? {} : { 'if-match': options.ifMatch }),
    },
    body: bytes,
    signal: options.signal,
  };
  return context.transport.send(request, async (response) => {
    if (response.status === 412) {
      await discard(response);
      throw new BoltsealError('ERR_ATTACH_CONFLICT', `${what}: another writer was faster`);
    }
    if (![200, 201, 202, 204].includes(response.status)) throw await refusedResponse(response, what);
    await discard(response);
    checkStoredDigest(response, digest, what);
    const indexed = subject !== undefined && response.headers.get('oci-subject') === subject;
    return { descriptor: { mediaType, digest, size: bytes.length }, subjectIndexed: indexed };
  });
}

function checkStoredDigest(response: RegistryResponse, digest: Digest, what: string): void {
  const stored = response.headers.get('docker-content-digest');
  if (stored === null || !isDigest(stored) || digestAlgorithm(stored) !== 'sha256' || stored === digest)
    return;
  throw new BoltsealError('ERR_DIGEST_MISMATCH', `${what}: the registry stored something else, ${stored}`);
}

async function deleteManifest(
  context: RepositoryContext,
  target: string,
  options: CallOptions = {},
): Promise<boolean> {
  const what = `deleting ${shown(context, target)}`;
  const request = {
    method: 'DELETE' as const,
    target: manifestPath(context, target),
    what,
    scope: { ...context.scope, push: true, remove: true },
    signal: options.signal,
  };
  return context.transport.send(request, async (response) => {
    if ([200, 202, 204, 404].includes(response.status)) {
      await discard(response);
      return response.status !== 404;
    }
    throw await refusedResponse(response, what);
  });
}
