/**
 * {@link Repository} for an OCI image layout on disk, readable and signable exactly like a registry. Its referrers
 * are the manifests whose `subject` says so: those in `index.json`, those in indexes it lists, and those that lie among
 * the blobs without being listed, as `cosign save` leaves them.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex, digestOf, isDigest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
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
import { verified } from './blobs.ts';
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
    ...blobOperations(folder),
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

/** A descriptor as a registry would give it: without the annotations that belong to the layout's index. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

async function soleImage(folder: LayoutFolder): Promise<Descriptor | undefined> {
  const images = new Map<Digest, Entry>();
  for (const entry of await readEntries(folder)) {
    if (await isImage(folder, entry)) images.set(entry.descriptor.digest, entry);
  }
  if (images.size <= 1) {
    const [only] = images.values();
    return only === undefined ? undefined : plain(only.descriptor);
  }
  const names = [...images.values()].map((entry) => refName(entry) ?? `@${entry.descriptor.digest}`);
  throw new BoltsealError(
    'ERR_REFERENCE_INVALID',
    `the image layout ${folder.root} holds ${images.size} images`,
    {
      hint: `Name one: oci:${folder.root}:TAG or oci:${folder.root}@DIGEST; there are ${names.slice(0, 10).join(', ')}.`,
      details: { images: names.slice(0, 100) },
    },
  );
}

/** Signatures, attestations and lists of referrers are not what someone means who names a layout without a tag. */
async function isImage(folder: LayoutFolder, entry: Entry): Promise<boolean> {
  const { descriptor } = entry;
  const kind = descriptor.annotations?.[kindAnnotation] ?? '';
  if (kind.startsWith('dev.cosignproject.cosign/') && !kind.endsWith('/image')) return false;
  if (/^sha(?:256|512)-[0-9a-f]+(?:\.[a-z]+)?$/.test(refName(entry) ?? '')) return false;
  if (!manifestMediaTypes.includes(descriptor.mediaType)) return false;
  const manifest = await readManifest(folder, descriptor.digest);
  return manifest !== undefined && manifest.subject === undefined;
}

async function resolve(folder: LayoutFolder, target: string | undefined): Promise<Descriptor | undefined> {
  if (target === undefined) return soleImage(folder);
  const entries = await readEntries(folder);
  if (isDigest(target)) {
    const listed = entries.find(({ descriptor }) => descriptor.digest === target);
    return listed === undefined ? (await getByDigest(folder, target))?.descriptor : plain(listed.descriptor);
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
  if (found !== undefined) return plain(found);
  // `cosign save` keeps the signatures of its one image without their tag.
  if (!/^sha256-[0-9a-f]{64}\.sig$/.test(target)) return undefined;
  const saved = entries.filter(
    ({ descriptor }) => descriptor.annotations?.[kindAnnotation] === signaturesKind,
  );
  return saved.length === 1 && saved[0] !== undefined ? plain(saved[0].descriptor) : undefined;
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
  const type =
    mediaType ?? parseManifest(bytes, undefined, `the manifest ${digest} in ${folder.root}`).mediaType;
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
  let isTooMany = false;
  for await (const digest of manifestDigests(folder)) {
    const stored = await getByDigest(folder, digest).catch(() => undefined);
    const manifest = stored && readLeniently(stored);
    if (stored === undefined || manifest?.subject?.digest !== subject) continue;
    if (found.size >= limits.referrersCount) {
      isTooMany = true;
      break;
    }
    found.set(digest, referrerDescriptor(stored, manifest));
  }
  const list: ReferrersList = { source: 'api', descriptors: [...found.values()] };
  if (!isTooMany) return list;
  const message = `there are more than ${limits.referrersCount} referrers of ${subject} in ${folder.root}`;
  return { ...list, problem: new BoltsealError('ERR_LIMIT_EXCEEDED', message) };
}

function readLeniently(stored: StoredManifest): Manifest | Index | undefined {
  try {
    return parseManifest(stored.bytes, stored.descriptor.mediaType);
  } catch {
    // Not every blob is a manifest.
    return undefined;
  }
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

/** Every manifest: listed ones first, then those among the blobs. Each once, and only so many of them. */
async function* manifestDigests(folder: LayoutFolder): AsyncGenerator<Digest, void, undefined> {
  const seen = new Set<Digest>();
  const queue = (await readEntries(folder)).map(({ descriptor }) => descriptor);
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.has(next.digest) || seen.size >= scannedBlobs) continue;
    seen.add(next.digest);
    yield next.digest;
    if (!isIndexMediaType(next.mediaType)) continue;
    const index = await readManifest(folder, next.digest).catch(() => undefined);
    if (index?.kind === 'index') queue.push(...index.manifests);
  }
  const names = await readdir(join(folder.root, 'blobs', 'sha256')).catch(() => []);
  for (const name of names) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest) || seen.has(digest) || seen.size >= scannedBlobs) continue;
    seen.add(digest);
    if (await mayBeManifest(folder, digest)) yield digest;
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

type BlobPart = Pick<
  Repository,
  'getBlob' | 'readBlob' | 'hasBlob' | 'putBlob' | 'writeBlob' | 'mountBlob' | 'beginUpload'
>;

function blobOperations(folder: LayoutFolder): BlobPart {
  const putBlob = async (bytes: Uint8Array): Promise<Descriptor> => {
    const descriptor = describe('application/octet-stream', bytes);
    await writeBlobFile(folder, descriptor.digest, bytes);
    return descriptor;
  };
  return {
    putBlob,
    getBlob: (descriptor, options) => getBlob(folder, descriptor, options.maxBytes),
    readBlob: (descriptor) => readBlob(folder, descriptor),
    hasBlob: (digest) => hasBlob(folder, digest),
    writeBlob: (descriptor, content) =>
      writeBlobFile(
        folder,
        descriptor.digest,
        verified(content(), descriptor, `storing ${descriptor.digest}`),
      ),
    mountBlob: async () => false,
    beginUpload: async () => ({ complete: putBlob, cancel: async () => undefined }),
  };
}

async function hasBlob(folder: LayoutFolder, digest: Digest): Promise<boolean> {
  const opened = await openBlob(folder, digest);
  await opened?.file.close();
  return opened !== undefined;
}

async function getBlob(folder: LayoutFolder, descriptor: Descriptor, maxBytes: number): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > maxBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the blob ${digest} has ${size} bytes; the limit is ${maxBytes}`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of readBlob(folder, descriptor)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

async function* readBlob(
  folder: LayoutFolder,
  descriptor: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  const what = `reading the blob ${digestHex(descriptor.digest).slice(0, 12)}… of ${folder.root}`;
  const opened = await openBlob(folder, descriptor.digest);
  if (opened === undefined) throw new BoltsealError('ERR_BLOB_NOT_FOUND', `${what}: it is not there`);
  const content = opened.file.createReadStream() as AsyncIterable<Uint8Array>;
  yield* verified(content, descriptor, what);
}
