import { type Digest, digestAlgorithm, digestOf } from '../../core/digest.ts';
import { concatBytes } from '../../core/encoding.ts';
import type { HttpRequest, HttpResponse } from '../../core/http.ts';
import { isTag } from '../../formats/reference.ts';
import { announcedLength } from './bounds.ts';
import type { ManifestRecord, RepositoryContents } from './contents.ts';
import { type Context, requireDelete } from './context.ts';
import { type CheckedManifest, checkManifest, describeManifest, mediaTypeOf } from './manifest-check.ts';
import { emptyResponse, Refusal } from './refusal.ts';
import type { ManifestReference } from './routes.ts';

/**
 * `GET` and `HEAD` of a manifest. `If-None-Match` answers 304; an `Accept` header that does not cover the stored type
 * answers 404 as docker-registry does, and none at all accepts everything.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests}
 */
export async function pullManifest(
  context: Context,
  request: HttpRequest,
  name: string,
  reference: ManifestReference,
): Promise<HttpResponse> {
  const { digest, record } = await lookUp(context, name, reference);
  if (!accepts(request.headers.get('accept'), record.mediaType)) {
    throw new Refusal(
      'MANIFEST_UNKNOWN',
      `the manifest is of the type ${record.mediaType}, which Accept lacks`,
    );
  }
  const headers = { 'docker-content-digest': digest, etag: `"${digest}"` };
  if (matchesTag(request.headers.get('if-none-match'), digest)) {
    return { status: 304, headers, body: null };
  }
  const about = { ...headers, 'content-type': record.mediaType, 'content-length': String(record.size) };
  if (request.method === 'HEAD') return { status: 200, headers: about, body: null };
  const body = await context.storage.read(digest, 0, record.size);
  if (body === undefined) throw unknownManifest(reference);
  return { status: 200, headers: about, body };
}

/**
 * `PUT` of a manifest: stored byte for byte under its digest, and under the tag (or the `tag` parameters of a push by
 * digest). `If-Match` and `If-None-Match: *` on a tag make the push conditional (412), so that writers of a fallback
 * index need not lose each other's entries.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests}
 */
export async function pushManifest(
  context: Context,
  request: HttpRequest,
  name: string,
  reference: ManifestReference,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const tags = askedTags(reference, query, context.limits.tagsPerPush);
  const bytes = await readManifest(request, context.limits.manifestBytes);
  const algorithm = reference.digest === undefined ? 'sha256' : digestAlgorithm(reference.digest);
  const digest = digestOf(bytes, algorithm);
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new Refusal('DIGEST_INVALID', 'the manifest does not have this digest', { detail: { digest } });
  }
  const contentType = mediaTypeOf(request.headers.get('content-type'));
  const checked = context.validateManifests
    ? checkManifest(bytes, contentType, context.limits.manifestBytes)
    : describeManifest(bytes, contentType);
  const isCurrent = await context.contents.exclusively(name, async () => {
    const repository = await context.contents.find(name);
    if (!meetsConditions(request, reference, repository)) return false;
    if (context.validateManifests) checkLinks(checked, repository);
    await context.contents.addManifest(name, digest, bytes, checked);
    for (const tag of tags) await context.contents.setTag(name, tag, digest);
    return true;
  });
  if (!isCurrent) return emptyResponse(412);
  return emptyResponse(201, {
    location: `/v2/${name}/manifests/${digest}`,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    ...(context.referrers && checked.subject !== undefined ? { 'oci-subject': checked.subject } : {}),
    ...(reference.digest !== undefined && tags.length > 0 ? { 'oci-tag': tags.join(', ') } : {}),
  });
}

/** `DELETE` of a tag, or of a manifest with every tag on it. */
export async function deleteManifest(
  context: Context,
  name: string,
  reference: ManifestReference,
): Promise<HttpResponse> {
  requireDelete(context);
  if ((await context.contents.find(name)) === undefined) throw unknownName();
  const isRemoved = await context.contents.exclusively(name, () =>
    reference.digest === undefined
      ? context.contents.removeTag(name, reference.tag)
      : context.contents.removeManifest(name, reference.digest),
  );
  if (isRemoved) return emptyResponse(202);
  throw unknownManifest(reference);
}

async function lookUp(
  context: Context,
  name: string,
  reference: ManifestReference,
): Promise<{ digest: Digest; record: ManifestRecord }> {
  const repository = await context.contents.find(name);
  if (repository === undefined) throw unknownName();
  const digest = reference.digest ?? repository.tags.get(reference.tag);
  const record = digest === undefined ? undefined : repository.manifests.get(digest);
  if (digest === undefined || record === undefined) throw unknownManifest(reference);
  return { digest, record };
}

async function readManifest(request: HttpRequest, maxBytes: number): Promise<Uint8Array> {
  const announced = announcedLength(request);
  if (announced !== undefined && announced > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  if (request.signal.aborted || (announced !== undefined && announced !== size)) {
    throw new Refusal('SIZE_INVALID', 'the body does not have the announced length');
  }
  return concatBytes(...chunks);
}

function askedTags(reference: ManifestReference, query: URLSearchParams, limit: number): string[] {
  if (reference.tag !== undefined) return [reference.tag];
  const tags = query.getAll('tag');
  if (tags.length > limit) {
    throw new Refusal('TAG_INVALID', `a push may set at most ${limit} tags`, { status: 414 });
  }
  for (const tag of tags) if (!isTag(tag)) throw new Refusal('TAG_INVALID', 'a tag is not valid');
  return tags;
}

/** What a manifest points to must be there first, with the size it says; its subject may come later. */
function checkLinks(checked: CheckedManifest, repository: RepositoryContents | undefined): void {
  const check = (digest: Digest, size: number, found: number | undefined): void => {
    if (found === undefined) {
      throw new Refusal('MANIFEST_BLOB_UNKNOWN', 'the repository lacks what the manifest points to', {
        detail: { digest },
      });
    }
    if (found !== size) {
      throw new Refusal('MANIFEST_INVALID', 'a descriptor does not have the size of its content', {
        detail: { digest },
      });
    }
  };
  for (const { digest, size } of checked.blobs) check(digest, size, repository?.blobs.get(digest));
  for (const { digest, size } of checked.manifests) {
    // Build caches are indexes of blobs.
    const found = repository?.manifests.get(digest)?.size ?? repository?.blobs.get(digest);
    check(digest, size, found);
  }
}

function meetsConditions(
  request: HttpRequest,
  reference: ManifestReference,
  repository: RepositoryContents | undefined,
): boolean {
  if (reference.tag === undefined) return true;
  const current = repository?.tags.get(reference.tag);
  const wanted = request.headers.get('if-match');
  if (wanted !== null && (current === undefined || !matchesTag(wanted, current))) return false;
  const unwanted = request.headers.get('if-none-match');
  return unwanted === null || current === undefined || !matchesTag(unwanted, current);
}

/** Whether an `If-Match` or `If-None-Match` header names `digest`; some clients leave the quotes out. */
function matchesTag(header: string | null, digest: Digest): boolean {
  if (header === null) return false;
  const names = header.split(',').map((part) => part.trim().replace(/^W\//, '').replaceAll('"', ''));
  return names.includes(digest) || names.includes('*');
}

function accepts(header: string | null, mediaType: string): boolean {
  if (header === null || header.trim() === '') return true;
  const group = `${mediaType.slice(0, mediaType.indexOf('/'))}/*`;
  return header.split(',').some((part) => {
    const type = part.split(';', 1)[0]?.trim().toLowerCase();
    return type === mediaType.toLowerCase() || type === '*/*' || type === group;
  });
}

function tooLarge(maxBytes: number): Refusal {
  return new Refusal('SIZE_INVALID', `a manifest may have at most ${maxBytes} bytes`, { status: 413 });
}

function unknownName(): Refusal {
  return new Refusal('NAME_UNKNOWN', 'the registry has no such repository');
}

function unknownManifest(reference: ManifestReference): Refusal {
  return new Refusal('MANIFEST_UNKNOWN', 'the repository has no such manifest', { detail: reference });
}
