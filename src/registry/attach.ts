/** Attaching signatures to an image so that neither they nor anybody else's get lost. */
import type { Digest } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { goJson, type Json } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { signatureManifest, signatureTag } from '../formats/cosign-layer.ts';
import {
  type Descriptor,
  descriptorJson,
  emptyConfigBytes,
  encodeIndex,
  mediaTypes,
  parseDescriptor,
  parseManifest,
} from '../formats/oci.ts';
import { bundleAnnotations, referrersTag } from '../formats/referrer-manifest.ts';
import { readFallbackIndex } from './referrers.ts';
import type { CallOptions, Repository, StoredManifest } from './repository.ts';
import { addToSharedList, type ListState, type SharedList } from './shared-list.ts';
import { findList, replaceList } from './splice.ts';

/** A referrer to attach. */
export interface ReferrerToAttach {
  /** The manifest, whose `subject` is the image. Its blobs are already stored. */
  readonly manifest: Uint8Array;
  /** Its descriptor as a list of referrers has it: with artifact type and annotations. */
  readonly descriptor: Descriptor;
  /** The image. */
  readonly subject: Digest;
}

/** Where {@link attachReferrer} attached. */
export interface AttachedReferrer {
  readonly place: 'referrers-api' | 'fallback-tag';
}

/**
 * Stores a manifest as referrer of its subject, and resolves only when a reader finds it: in the registry's own list, or,
 * where the registry has none, in the list under the fallback tag, which is extended. Throws `ERR_ATTACH_CONFLICT` when it does not,
 * and `ERR_REGISTRY_UNSUPPORTED` when the tag holds something that must not be overwritten.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject}
 */
export async function attachReferrer(
  repository: Repository,
  referrer: ReferrerToAttach,
  runtime: Runtime,
  options: CallOptions = {},
): Promise<AttachedReferrer> {
  const { manifest, descriptor, subject } = referrer;
  const stored = await repository.putManifest(manifest, descriptor.mediaType, options);
  if (stored.subjectIndexed && (await isListed(repository, referrer, runtime, options))) {
    return { place: 'referrers-api' };
  }
  const list = fallbackList(repository, subject, runtime, options);
  const ours = new Map<string, string>([[descriptor.digest, goJson(descriptorJson(descriptor))]]);
  await addToSharedList(list, ours, runtime, options.signal);
  return { place: 'fallback-tag' };
}

/**
 * Whether the registry really lists what it acknowledged with `OCI-Subject`. Some list it a moment later; some send the
 * header and have no referrers API, and then the fallback tag must be kept.
 */
async function isListed(
  repository: Repository,
  { descriptor, subject }: ReferrerToAttach,
  runtime: Runtime,
  options: CallOptions,
): Promise<boolean> {
  for (let wait = 100; ; wait *= 2) {
    const { source, descriptors, problem } = await repository.referrers(subject, options);
    if (source !== 'api') return false;
    // Of a list that is too long to be read whole, the registry's word has to do.
    if (problem !== undefined || descriptors.some(({ digest }) => digest === descriptor.digest)) return true;
    if (wait > limits.listingTime) return false;
    await runtime.sleep(wait, options.signal);
  }
}

/** A list that is a manifest: what was read of it. */
interface ManifestState extends ListState {
  readonly stored: StoredManifest | undefined;
}

function fallbackList(
  repository: Repository,
  subject: Digest,
  runtime: Runtime,
  options: CallOptions,
): SharedList<ManifestState> {
  const tag = referrersTag(subject);
  const name = `${repository.name}:${tag}`;
  const put = conditionalPut(repository, tag, mediaTypes.index, options);
  return {
    name,
    async read(): Promise<ManifestState> {
      const stored = await repository.getManifest(tag, options);
      if (stored === undefined)
        return { stored, version: undefined, entries: new Map(), hasRecentEntry: false };
      const { problem, fallbackIndex } = readFallbackIndex(stored, subject, name);
      if (problem !== undefined && fallbackIndex === undefined) throw problem;
      const descriptors = entriesOf(stored, 'manifests', name, ({ digest }) => digest);
      return {
        stored,
        version: stored.descriptor.digest,
        entries: new Map(descriptors.map(({ key, text }) => [key, text])),
        hasRecentEntry: descriptors.some(({ descriptor }) => isRecent(descriptor, runtime)),
      };
    },
    async write({ stored }, added): Promise<string> {
      const empty = encodeIndex({ mediaType: mediaTypes.index, manifests: [] });
      return put(
        stored,
        extended(stored?.bytes ?? empty, 'manifests', added, name, ({ digest }) => digest),
      );
    },
  };
}

/** A layer to append to the `.sig` manifest. */
export interface SignatureLayerToAttach {
  /** The layer with its annotations. Its blob is already stored. */
  readonly layer: Descriptor;
  /** The image. */
  readonly subject: Digest;
  /** Before the tag: cosign's `--attachment-tag-prefix`. */
  readonly tagPrefix?: string | undefined;
}

/** Where {@link attachSignatureLayer} attached. */
export interface AttachedSignatureLayer {
  /** The digest of the `.sig` manifest as last read; others may add to it later, which changes the digest. */
  readonly manifest: Digest;
  /** The layer as the registry returns it. */
  readonly layer: Descriptor;
}

/**
 * Appends a layer to the image's `.sig` manifest, which is made when there is none; everything in it is kept as it is.
 * Resolves only when the layer stays there. Throws `ERR_ATTACH_CONFLICT` when it does not.
 */
export async function attachSignatureLayer(
  repository: Repository,
  attached: SignatureLayerToAttach,
  runtime: Runtime,
  options: CallOptions = {},
): Promise<AttachedSignatureLayer> {
  const tag = signatureTag(attached.subject, attached.tagPrefix);
  const list = signatureList(repository, tag, options);
  const { layer } = attached;
  const ours = new Map([[layerKey(layer), goJson(descriptorJson(layer))]]);
  const state = await addToSharedList(list, ours, runtime, options.signal);
  const { stored } = state;
  const found =
    stored && entriesOf(stored, 'layers', list.name, layerKey).find(({ key }) => key === layerKey(layer));
  if (stored === undefined || found === undefined) {
    throw new BoltsealError('ERR_ATTACH_CONFLICT', `the signature did not stay in ${list.name}`);
  }
  return { manifest: stored.descriptor.digest, layer: found.descriptor };
}

function signatureList(repository: Repository, tag: string, options: CallOptions): SharedList<ManifestState> {
  const name = `${repository.name}:${tag}`;
  return {
    name,
    async read(): Promise<ManifestState> {
      const stored = await repository.getManifest(tag, options);
      if (stored === undefined)
        return { stored, version: undefined, entries: new Map(), hasRecentEntry: false };
      const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType, name);
      if (manifest.kind !== 'manifest') {
        throw new BoltsealError(
          'ERR_REGISTRY_UNSUPPORTED',
          `the tag ${name} holds an index, not signatures`,
          {
            hint: 'Delete that tag, or keep signatures in another repository with --signature-repository.',
          },
        );
      }
      const entries = entriesOf(stored, 'layers', name, layerKey).map(
        ({ key, text }) => [key, text] as const,
      );
      return { stored, version: stored.descriptor.digest, entries: new Map(entries), hasRecentEntry: false };
    },
    async write({ stored }, added): Promise<string> {
      if (stored === undefined) await repository.putBlob(emptyConfigBytes, options);
      const base = stored?.bytes ?? signatureManifest([]);
      const put = conditionalPut(
        repository,
        tag,
        stored?.descriptor.mediaType ?? mediaTypes.manifest,
        options,
      );
      return put(stored, extended(base, 'layers', added, name, layerKey));
    },
  };
}

/** Two signatures over one payload are two layers with one digest: the annotations tell them apart. */
function layerKey({ digest, annotations = {} }: Descriptor): string {
  const sorted = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${digest} ${JSON.stringify(sorted)}`;
}

interface EntryText {
  readonly key: string;
  readonly text: string;
  readonly descriptor: Descriptor;
}

function entriesOf(
  stored: StoredManifest,
  member: 'manifests' | 'layers',
  name: string,
  keyOf: (descriptor: Descriptor) => string,
): EntryText[] {
  const list = findList(fromUtf8(stored.bytes, name), member);
  return (list?.elements ?? []).map((text, at) => {
    const descriptor = parseDescriptor(JSON.parse(text) as Json, `${name}: ${member}[${at}]`);
    return { key: keyOf(descriptor), text, descriptor };
  });
}

/** `base` with the entries `added` at the end of its list, each identity once, and every other byte as it was. */
function extended(
  base: Uint8Array,
  member: 'manifests' | 'layers',
  added: readonly string[],
  name: string,
  keyOf: (descriptor: Descriptor) => string,
): Uint8Array {
  const text = fromUtf8(base, name);
  const unique = new Map<string, string>();
  for (const element of [...(findList(text, member)?.elements ?? []), ...added]) {
    const key = keyOf(parseDescriptor(JSON.parse(element) as Json, name));
    if (!unique.has(key)) unique.set(key, element);
  }
  const bytes = utf8(replaceList(text, member, [...unique.values()]));
  if (bytes.length <= limits.manifestBytes) return bytes;
  throw new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `${name} would be larger than ${limits.manifestBytes} bytes`,
    {
      hint: 'Keep new signatures in another repository with --signature-repository.',
    },
  );
}

/** Stores a version of a list under its tag; with `If-Match` while the registry does not misunderstand it. */
function conditionalPut(
  repository: Repository,
  tag: string,
  mediaType: string,
  options: CallOptions,
): (current: StoredManifest | undefined, bytes: Uint8Array) => Promise<string> {
  let refusedEtag: string | undefined;
  return async (current, bytes) => {
    const etag = current?.etag;
    // A registry that refuses a tag it has just sent compares something else: then it is left out.
    const ifMatch = etag === undefined || etag === refusedEtag ? {} : { ifMatch: etag };
    refusedEtag = etag;
    const { descriptor } = await repository.putManifest(bytes, mediaType, { ...options, ...ifMatch, tag });
    refusedEtag = undefined;
    return descriptor.digest;
  };
}

/** Seconds since an entry was made within which its writer may still be settling. */
const recentSeconds = 2;

function isRecent(descriptor: Descriptor, runtime: Runtime): boolean {
  const created = Date.parse(descriptor.annotations?.[bundleAnnotations.created] ?? '');
  return Math.abs(runtime.now().getTime() - created) < recentSeconds * 1000;
}
