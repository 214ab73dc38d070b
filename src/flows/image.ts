/** Opening what a user named: the image's repository, and the repository its signatures live in. */
import type { Digest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { type Descriptor, parseManifest } from '../formats/oci.ts';
import { parseReference, type Reference, referenceName, referenceTarget } from '../formats/reference.ts';
import { openRepository, type RegistryOptions } from '../registry/open.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';

/** Options of every flow that looks at an image. */
export interface ImageOptions extends CallOptions {
  /** Credentials, TLS and the like. */
  readonly registry?: RegistryOptions | undefined;
  /** Where signatures are stored and looked for, when not beside the image: a reference without tag or digest. */
  readonly signatureRepository?: string | undefined;
}

/** An image that was named, with the repositories to ask. */
export interface OpenedImage {
  readonly reference: Reference;
  /** Holds the image. */
  readonly repository: Repository;
  /** Holds its signatures; the same object unless a signature repository was named. */
  readonly signatures: Repository;
}

/** Opens the repositories of `text`; asks nothing yet. Throws `ERR_REFERENCE_INVALID`. */
export function openImage(text: string, options: ImageOptions, runtime: Runtime, push = false): OpenedImage {
  const reference = parseReference(text);
  const { registry = {}, signatureRepository } = options;
  if (signatureRepository === undefined) {
    const repository = openRepository(reference, runtime, { ...registry, push });
    return { reference, repository, signatures: repository };
  }
  const elsewhere = parseReference(signatureRepository);
  if (elsewhere.digest !== undefined || signatureRepository.endsWith(`:${elsewhere.tag}`)) {
    throw new BoltsealError('ERR_USAGE', `the signature repository ${signatureRepository} has a tag or digest`, {
      hint: `Name the repository alone: ${referenceName(elsewhere)}`,
    });
  }
  return {
    reference,
    repository: openRepository(reference, runtime, registry),
    signatures: openRepository(elsewhere, runtime, { ...registry, push }),
  };
}

/** `name@digest`, as it is printed and typed. */
export function pinned(image: OpenedImage, digest: Digest): string {
  return `${referenceName(image.reference)}@${digest}`;
}

/** The manifest of the image, by its digest or by resolving its tag once. Throws `ERR_IMAGE_NOT_FOUND`. */
export async function resolveImage(image: OpenedImage, options: CallOptions): Promise<Descriptor> {
  const target = referenceTarget(image.reference);
  const descriptor = await image.repository.resolve(target, options);
  if (!descriptor) throw noSuchImage(image);
  return descriptor;
}

/** Every manifest of the image: itself, and with `recursive` all that an index lists, each once, parents first. */
export async function listManifests(
  image: OpenedImage,
  options: CallOptions & { readonly recursive?: boolean | undefined },
): Promise<readonly Descriptor[]> {
  if (!options.recursive) return [await resolveImage(image, options)];
  const found = new Map<Digest, Descriptor>();
  await walk(image, referenceTarget(image.reference), found, 0, options);
  return [...found.values()];
}

async function walk(
  image: OpenedImage,
  target: string | undefined,
  found: Map<Digest, Descriptor>,
  depth: number,
  options: CallOptions,
): Promise<void> {
  const stored = await image.repository.getManifest(target, options);
  if (!stored) throw noSuchImage(image, target);
  if (found.has(stored.descriptor.digest)) return;
  found.set(stored.descriptor.digest, stored.descriptor);
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (manifest.kind !== 'index') return;
  if (depth >= limits.indexDepth || manifest.manifests.length > limits.indexManifests) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the index ${stored.descriptor.digest} is too deep or too long`);
  }
  for (const child of manifest.manifests.filter(isPlatformImage)) {
    await walk(image, child.digest, found, depth + 1, options);
  }
}

/**
 * Whether an entry of an index is an image that somebody runs. BuildKit adds attestation manifests with the platform
 * `unknown/unknown`, which nobody pulls. {@link https://docs.docker.com/build/metadata/attestations/attestation-storage/}
 */
function isPlatformImage(entry: Descriptor): boolean {
  return !(entry.platform?.os === 'unknown' && entry.platform.architecture === 'unknown');
}

function noSuchImage(image: OpenedImage, target: string | undefined = referenceTarget(image.reference)): BoltsealError {
  const name = referenceName(image.reference);
  return new BoltsealError('ERR_IMAGE_NOT_FOUND', `there is no image ${target ?? 'latest'} in ${name}`, {
    hint: 'Check the spelling, and that the image was pushed; some registries also answer so when a login is missing.',
    details: { repository: name, reference: target },
  });
}
