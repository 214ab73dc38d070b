/**
 * {@link Repository} for an OCI image layout on disk, readable and signable exactly like a registry. Its referrers
 * are the manifests whose `subject` says so: those in `index.json`, those in indexes it lists, and those that lie among
 * the blobs without being listed, as `cosign save` leaves them.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../core/digest.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import {
  type Descriptor,
  describe,
  descriptorJson,
  type Index,
  isIndexMediaType,
  type Manifest,
  manifestMediaTypes,
  parseDescriptor,
  parseManifest,
  refNameAnnotation,
} from '../formats/oci.ts';
import { isTag } from '../formats/reference.ts';
import { layoutBlobs } from './layout-blobs.ts';
import {
  blobPath,
  changeIndexFile,
  createLayoutFolder,
  type LayoutFolder,
  openBlob,
  readBlobFile,
  readIndexFile,
  writeBlobFile,
} from './layout-files.ts';
import type { PutManifestResult, ReferrersList, Repository, StoredManifest } from './repository.ts';

/** The annotation by which `cosign save` tells image, signatures and attestations apart. */
const kindAnnotation = 'kind';
const signaturesKind = 'dev.cosignproject.cosign/sigs';
/** Blobs looked at in the search for manifests that no index lists. */
const scannedBlobs = 10_000;
const scannedBlobBytes = 262_144;

/** Makes an empty layout in the folder `path`, which may exist; an existing layout is left as it is. */
export async function createLayout(path: string, runtime: Runtime): Promise<Repository> {
  await createLayoutFolder({ root: path, runtime });
  return openLayout(path, runtime);
}

/** The layout in the folder `path`. Nothing is read yet; every call throws `ERR_LAYOUT_INVALID` when it is none. */
export function openLayout(path: string, runtime: Runtime): Repository {
  const folder: LayoutFolder = { root: path, runtime };
  const name = `oci:${path}`;
  return {
    name,
    dockerReference: name,
    resolve: (target) => resolve(folder, target),
    getManifest: (target) => getManifest(folder, target),
    putManifest: (bytes, mediaType, call) => putManifest(folder, bytes, mediaType, call?.tag),
    deleteManifest: (target) => deleteManifest(folder, target),
    referrers: (subject) => referrers(folder, subject),
    tags: () => tags(folder),
    ...layoutBlobs(folder),
  };
}

/** An entry of `index.json`: as written, and as understood. */
interface Entry {
  readonly json: JsonObject;
  readonly descriptor: Descriptor;
}

function entriesOf(index: JsonObject, root: string): readonly Entry[] {
  const list = index['manifests'] ?? [];
  if (!Array.isArray(list))
    throw new BoltsealError('ERR_LAYOUT_INVALID', `${root}: index.json lists no manifests`);
  return list.map((json: Json, at) => {
    const descriptor = parseDescriptor(json, `${root}: entry ${at} of index.json`);
    return { json: isJsonObject(json) ? json : {}, descriptor };
  });
}

async function readEntries(folder: LayoutFolder): Promise<readonly Entry[]> {
  return entriesOf(await readIndexFile(folder), folder.root);
}

function refName(entry: Entry): string | undefined {
  return entry.descriptor.annotations?.[refNameAnnotation];
}

async function soleImage(folder: LayoutFolder): Promise<Descriptor | undefined> {
  const images = new Map<Digest, Entry>();
  const children = new Set<Digest>();
  for (const entry of await readEntries(folder)) {
    const manifest = await readImage(folder, entry);
    if (manifest === undefined) continue;
    images.set(entry.descriptor.digest, entry);
    if (manifest.kind === 'index') for (const { digest } of manifest.manifests) children.add(digest);
  }
  // The platforms of a multi-platform image are parts of it, also where they are listed beside it without a name.
  const tops = [...images.values()].filter(
    (entry) => refName(entry) !== undefined || !children.has(entry.descriptor.digest),
  );
  const [only, second] = tops;
  if (second === undefined) return only && resolved(folder, only.descriptor);
  const names = tops.map((entry) => refName(entry) ?? `@${entry.descriptor.digest}`);
  throw new BoltsealError(
    'ERR_REFERENCE_INVALID',
    `the image layout ${folder.root} holds ${tops.length} images`,
    {
      hint: `Name one: oci:${folder.root}:TAG or oci:${folder.root}@DIGEST; there are ${names.slice(0, 10).join(', ')}.`,
      details: { images: names.slice(0, 100) },
    },
  );
}

/**
 * The manifest of an entry that is an image. Signatures, attestations, lists of referrers and whatever else refers to
 * something are not what someone means who names a layout without a tag.
 */
async function readImage(folder: LayoutFolder, entry: Entry): Promise<Manifest | Index | undefined> {
  const { descriptor } = entry;
  const kind = descriptor.annotations?.[kindAnnotation] ?? '';
  if (kind.startsWith('dev.cosignproject.cosign/') && !kind.endsWith('/image')) return undefined;
  if (/^sha(?:256|512)-[0-9a-f]+(?:\.[a-z]+)?$/.test(refName(entry) ?? '')) return undefined;
  if (!manifestMediaTypes.includes(descriptor.mediaType)) return undefined;
  const manifest = await readManifest(folder, descriptor.digest);
  return manifest?.subject === undefined ? manifest : undefined;
}

/** What an entry of `index.json` stands for, as a registry would give it: judged by the content, which must be there. */
async function resolved(folder: LayoutFolder, entry: Descriptor): Promise<Descriptor | undefined> {
  const stored = await getByDigest(folder, entry.digest, entry.mediaType);
  if (stored === undefined || stored.descriptor.size === entry.size) return stored?.descriptor;
  throw new BoltsealError(
    'ERR_SIZE_MISMATCH',
    `the manifest ${entry.digest} in ${folder.root} has ${stored.descriptor.size} bytes; index.json says ${entry.size}`,
  );
}

async function resolve(folder: LayoutFolder, target: string | undefined): Promise<Descriptor | undefined> {
  if (target === undefined) return soleImage(folder);
  const entries = await readEntries(folder);
  if (isDigest(target)) {
    const listed = entries.find(({ descriptor }) => descriptor.digest === target);
    return listed === undefined
      ? (await getByDigest(folder, target))?.descriptor
      : resolved(folder, listed.descriptor);
  }
  if (!isTag(target)) {
    throw new BoltsealError(
      'ERR_REFERENCE_INVALID',
      `${JSON.stringify(target.slice(0, 160))} is neither tag nor digest`,
    );
  }
  const named = new Map(
    entries
      .filter((entry) => refName(entry) === target)
      .map((entry) => [entry.descriptor.digest, entry.descriptor]),
  );
  if (named.size > 1) {
    throw new BoltsealError(
      'ERR_LAYOUT_INVALID',
      `the image layout ${folder.root} has the tag ${target} ${named.size} times`,
      {
        hint: `Name the image by digest: ${[...named.keys()].slice(0, 3).join(' or ')}.`,
      },
    );
  }
  const [found] = named.values();
  if (found !== undefined) return resolved(folder, found);
  // `cosign save` keeps the signatures of its one image without their tag.
  if (!/^sha256-[0-9a-f]{64}\.sig$/.test(target)) return undefined;
  const saved = entries.filter(
    ({ descriptor }) => descriptor.annotations?.[kindAnnotation] === signaturesKind,
  );
  return saved.length === 1 && saved[0] !== undefined ? resolved(folder, saved[0].descriptor) : undefined;
}

async function getManifest(
  folder: LayoutFolder,
  target: string | undefined,
): Promise<StoredManifest | undefined> {
  if (target !== undefined && isDigest(target)) return getByDigest(folder, target);
  const descriptor = await resolve(folder, target);
  return descriptor === undefined ? undefined : getByDigest(folder, descriptor.digest, descriptor.mediaType);
}

async function getByDigest(
  folder: LayoutFolder,
  digest: Digest,
  mediaType?: string,
): Promise<StoredManifest | undefined> {
  const bytes = await readBlobFile(folder, digest, limits.manifestBytes);
  if (bytes === undefined) return undefined;
  if (digestOf(bytes, digestAlgorithm(digest)) !== digest) {
    throw new BoltsealError(
      'ERR_DIGEST_MISMATCH',
      `the manifest ${digest} in ${folder.root} has another content`,
    );
  }
  const type = parseManifest(bytes, mediaType, `the manifest ${digest} in ${folder.root}`).mediaType;
  return { descriptor: { mediaType: type, digest, size: bytes.length }, bytes };
}

async function readManifest(folder: LayoutFolder, digest: Digest): Promise<Manifest | Index | undefined> {
  const stored = await getByDigest(folder, digest);
  return stored && parseManifest(stored.bytes, stored.descriptor.mediaType, `the manifest ${digest}`);
}

async function putManifest(
  folder: LayoutFolder,
  bytes: Uint8Array,
  mediaType: string,
  tag: string | undefined,
): Promise<PutManifestResult> {
  const manifest = parseManifest(bytes, mediaType, 'the manifest to store');
  if (tag !== undefined && !isTag(tag)) {
    throw new BoltsealError('ERR_REFERENCE_INVALID', `${JSON.stringify(tag.slice(0, 160))} is not a tag`);
  }
  const descriptor = describe(mediaType, bytes);
  await writeBlobFile(folder, descriptor.digest, bytes);
  const { artifactType } = manifest;
  await changeIndexFile(folder, (index) => {
    const entries = entriesOf(index, folder.root);
    const listed = { ...descriptor, ...(artifactType === undefined ? {} : { artifactType }) };
    const isListed = entries.some(
      (entry) =>
        entry.descriptor.digest === descriptor.digest && (tag === undefined || refName(entry) === tag),
    );
    if (isListed) return undefined;
    // A tag has one manifest; one that only has a digest needs no second entry when it gets its first tag.
    const kept = entries.filter(
      (entry) =>
        (tag === undefined || refName(entry) !== tag) &&
        !(entry.descriptor.digest === descriptor.digest && refName(entry) === undefined),
    );
    const named = tag === undefined ? listed : { ...listed, annotations: { [refNameAnnotation]: tag } };
    return { ...index, manifests: [...kept.map((entry) => entry.json), descriptorJson(named)] };
  });
  return { descriptor, subjectIndexed: manifest.subject !== undefined };
}

async function deleteManifest(folder: LayoutFolder, target: string): Promise<boolean> {
  let isFound = false;
  await changeIndexFile(folder, (index) => {
    const entries = entriesOf(index, folder.root);
    const kept = entries.filter((entry) =>
      isDigest(target) ? entry.descriptor.digest !== target : refName(entry) !== target,
    );
    const isThere = kept.length < entries.length;
    isFound ||= isThere;
    return isThere ? { ...index, manifests: kept.map((entry) => entry.json) } : undefined;
  });
  if (!isDigest(target)) return isFound;
  const stored = await openBlob(folder, target);
  await stored?.file.close();
  if (stored !== undefined) await rm(blobPath(folder, target), { force: true });
  return isFound || stored !== undefined;
}

async function referrers(folder: LayoutFolder, subject: Digest): Promise<ReferrersList> {
  const found = new Map<Digest, Descriptor>();
  let problem: BoltsealError | undefined;
  for await (const { digest, isListed } of manifestDigests(folder)) {
    if (digest === undefined || found.size >= limits.referrersCount) {
      const message = `not everything in ${folder.root} was looked at for referrers of ${subject}: there is too much`;
      problem = new BoltsealError('ERR_LIMIT_EXCEEDED', message);
      break;
    }
    try {
      const stored = await getByDigest(folder, digest);
      const manifest = stored && parseManifest(stored.bytes, stored.descriptor.mediaType);
      if (stored !== undefined && manifest?.subject?.digest === subject)
        found.set(digest, referrerDescriptor(stored, manifest));
    } catch (error) {
      // Not every blob is a manifest; but what is listed is meant to be one, and may be a referrer that cannot be read.
      if (isListed && isDamage(error)) problem ??= error;
    }
  }
  const list: ReferrersList = { source: 'api', descriptors: [...found.values()] };
  return problem === undefined ? list : { ...list, problem };
}

/** Whether a manifest could not be read, rather than being something else: build caches list blobs in indexes. */
function isDamage(error: unknown): error is BoltsealError {
  return isBoltsealError(error, 'ERR_DIGEST_MISMATCH', 'ERR_FILE_READ', 'ERR_LAYOUT_INVALID');
}

/** {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers} */
function referrerDescriptor(stored: StoredManifest, manifest: Manifest | Index): Descriptor {
  const artifactType =
    manifest.artifactType ?? (manifest.kind === 'manifest' ? manifest.config.mediaType : undefined);
  return {
    ...stored.descriptor,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  };
}

/** A manifest, and whether an index lists it; without a digest where the search was cut off. */
interface FoundManifest {
  readonly digest: Digest | undefined;
  readonly isListed: boolean;
}

/** Every manifest: listed ones first, then those among the blobs. Each once, and only so many of them. */
async function* manifestDigests(folder: LayoutFolder): AsyncGenerator<FoundManifest, void, undefined> {
  const seen = new Set<Digest>();
  const queue = (await readEntries(folder)).map(({ descriptor }) => descriptor);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.has(next.digest)) continue;
    if (seen.size >= scannedBlobs) return yield { digest: undefined, isListed: true };
    seen.add(next.digest);
    yield { digest: next.digest, isListed: true };
    if (!isIndexMediaType(next.mediaType)) continue;
    const index = await readManifest(folder, next.digest).catch(() => undefined);
    if (index?.kind === 'index') queue.push(...index.manifests);
  }
  const names = await readdir(join(folder.root, 'blobs', 'sha256')).catch(() => []);
  for (const name of names) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest) || seen.has(digest)) continue;
    if (seen.size >= scannedBlobs) return yield { digest: undefined, isListed: false };
    seen.add(digest);
    if (await mayBeManifest(folder, digest)) yield { digest, isListed: false };
  }
}

async function mayBeManifest(folder: LayoutFolder, digest: Digest): Promise<boolean> {
  const opened = await openBlob(folder, digest).catch(() => undefined);
  if (opened === undefined) return false;
  try {
    if (opened.size > scannedBlobBytes) return false;
    const { buffer, bytesRead } = await opened.file.read(new Uint8Array(1), 0, 1, 0);
    return bytesRead === 1 && buffer[0] === 0x7b;
  } finally {
    await opened.file.close();
  }
}

async function* tags(folder: LayoutFolder): AsyncGenerator<string, void, undefined> {
  for (const entry of await readEntries(folder)) {
    const tag = refName(entry);
    if (tag !== undefined) yield tag;
  }
}
