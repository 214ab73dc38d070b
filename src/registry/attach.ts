/** Attaching referrers to an image so that neither they nor anybody else's get lost. */
import type { Digest } from '../core/digest.ts';
import { goJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { type Descriptor, descriptorJson, encodeIndex, mediaTypes } from '../formats/oci.ts';
import { bundleAnnotations, referrersTag } from '../formats/referrer-manifest.ts';
import { conditionalPut, entriesOf, extended, type ManifestState } from './manifest-list.ts';
import { readFallbackIndex } from './referrers.ts';
import type { CallOptions, Repository } from './repository.ts';
import { addToSharedList, type SharedList } from './shared-list.ts';

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

function fallbackList(
  repository: Repository,
  subject: Digest,
  runtime: Runtime,
  options: CallOptions,
): SharedList<ManifestState> {
  const tag = referrersTag(subject);
  const name = `${repository.name}:${tag}`;
  const put = conditionalPut(repository, tag, options);
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
      const bytes = extended(stored?.bytes ?? empty, 'manifests', added, name, ({ digest }) => digest);
      return put(stored, bytes, mediaTypes.index);
    },
  };
}

/** Seconds since an entry was made within which its writer may still be settling. */
const recentSeconds = 2;

function isRecent(descriptor: Descriptor, runtime: Runtime): boolean {
  const created = Date.parse(descriptor.annotations?.[bundleAnnotations.created] ?? '');
  return Math.abs(runtime.now().getTime() - created) < recentSeconds * 1000;
}
