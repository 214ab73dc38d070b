import { mapConcurrent } from '../core/concurrent.ts';
import type { Digest } from '../core/digest.ts';
import { type BoltsealError, wrapError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { signatureTag } from '../formats/cosign-layer.ts';
import { type Descriptor, parseManifest } from '../formats/oci.ts';
import { bundleAnnotations } from '../formats/referrer-manifest.ts';
import { type ImageOptions, openImage, pinned, resolveImage } from './image.ts';

/** One thing that is attached to an image. */
export interface Attachment {
  /** By tag (`signatures`, `attestations`, `sbom`), or as an OCI referrer. */
  readonly kind: 'signatures' | 'attestations' | 'sbom' | 'referrer';
  /** `name:tag` or `name@digest`. */
  readonly reference: string;
  /** The digest of its manifest. */
  readonly digest: Digest;
  /** What a referrer is: its artifact type. */
  readonly artifactType?: string;
  /** What a Sigstore bundle says it is about; as written, not verified. */
  readonly predicateType?: string;
  /** Its layers. */
  readonly content: readonly Descriptor[];
}

/** What is attached to one image. */
export interface ImageTree {
  /** `name@digest`. */
  readonly reference: string;
  readonly digest: Digest;
  readonly attachments: readonly Attachment[];
  /** What was listed or looked for and could not be read. */
  readonly failures: readonly BoltsealError[];
}

/** The tags beside an image that hold something about it, by the suffix cosign gives them. */
const tagKinds = [
  { kind: 'signatures', suffix: '.sig' },
  { kind: 'attestations', suffix: '.att' },
  { kind: 'sbom', suffix: '.sbom' },
] as const;

/**
 * Everything that is attached to an image: cosign's tags and OCI referrers, of whatever tool. Nothing is verified. What
 * cannot be read is in `failures`. Throws `ERR_IMAGE_NOT_FOUND` and what the registry throws for the image itself.
 */
export async function treeImage(
  reference: string,
  options: ImageOptions,
  runtime: Runtime,
): Promise<ImageTree> {
  const image = await openImage(reference, options, runtime);
  const { digest } = await resolveImage(image, options);
  const repository = image.signatures;
  const failures: BoltsealError[] = [];
  const absent = (error: unknown): undefined => {
    failures.push(wrapError(error, 'ERR_INTERNAL', `looking at what is attached to ${reference} failed`));
    return undefined;
  };
  const byTag = tagKinds.map(async ({ kind, suffix }): Promise<Attachment | undefined> => {
    const tag = `${signatureTag(digest).slice(0, -'.sig'.length)}${suffix}`;
    const stored = await repository.getManifest(tag, options);
    if (!stored) return undefined;
    const { digest: found, mediaType } = stored.descriptor;
    return {
      kind,
      reference: `${repository.name}:${tag}`,
      digest: found,
      content: layersOf(stored.bytes, mediaType),
    };
  });
  const referrers = repository.referrers(digest, options).then(({ descriptors, problem }) => {
    if (problem) failures.push(problem);
    return mapConcurrent(descriptors, limits.concurrentRequests, (descriptor) =>
      repository
        .getManifest(descriptor.digest, options)
        .then((stored) => describeReferrer(repository.name, descriptor, stored?.bytes))
        .catch(absent),
    );
  });
  const found = await Promise.all([...byTag.map((one) => one.catch(absent)), referrers.catch(absent)]);
  const attachments = found.flat().filter((one) => one !== undefined);
  return { reference: pinned(image, digest), digest, attachments, failures };
}

function describeReferrer(
  name: string,
  listed: Descriptor,
  bytes: Uint8Array | undefined,
): Attachment | undefined {
  if (!bytes) return undefined;
  const manifest = parseManifest(bytes, listed.mediaType);
  const artifactType =
    manifest.artifactType ?? (manifest.kind === 'manifest' ? manifest.config.mediaType : undefined);
  const predicateType = manifest.annotations?.[bundleAnnotations.predicateType];
  return {
    kind: 'referrer',
    reference: `${name}@${listed.digest}`,
    digest: listed.digest,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(predicateType === undefined ? {} : { predicateType }),
    content: manifest.kind === 'manifest' ? manifest.layers : manifest.manifests,
  };
}

function layersOf(bytes: Uint8Array, mediaType: string): readonly Descriptor[] {
  const manifest = parseManifest(bytes, mediaType);
  return manifest.kind === 'manifest' ? manifest.layers : manifest.manifests;
}
