/** Opening what a user named: the image's repository, and the repository its signatures live in. */
import type { Digest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { type Descriptor, isIndexMediaType, parseManifest } from '../formats/oci.ts';
import { parseReference, type Reference, referenceName, referenceTarget } from '../formats/reference.ts';
import { createRegistryClient, type RegistryClient } from '../registry/client.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';

/** Options of every flow that looks at an image. */
export interface ImageOptions extends CallOptions {
  /** Opens repositories: credentials, connections and what was learnt about registries. Anonymous when absent. */
  readonly registry?: RegistryClient | undefined;
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
export async function openImage(
  text: string,
  options: ImageOptions,
  runtime: Runtime,
  push = false,
): Promise<OpenedImage> {
  const reference = parseReference(text);
  const client = options.registry ?? createRegistryClient(runtime);
  const { signatureRepository } = options;
  if (signatureRepository === undefined) {
    const repository = await client.open(reference, { push });
    return { reference, repository, signatures: repository };
  }
  const elsewhere = parseReference(signatureRepository);
  if (elsewhere.digest !== undefined || signatureRepository.endsWith(`:${elsewhere.tag}`)) {
    throw new BoltsealError(
      'ERR_USAGE',
      `the signature repository ${signatureRepository} has a tag or digest`,
      {
        hint: `Name the repository alone: ${referenceName(elsewhere)}`,
      },
    );
  }
  const [repository, signatures] = await Promise.all([
    client.open(reference),
    client.open(elsewhere, { push }),
  ]);
  return { reference, repository, signatures };
}

/** `name@digest`, as it is printed and typed. */
export function pinned(image: OpenedImage, digest: Digest): string {
  return `${referenceName(image.reference)}@${digest}`;
}

/** The manifest of the image, by its digest or by resolving its tag once. Throws `ERR_IMAGE_NOT_FOUND`. */
export async function resolveImage(image: OpenedImage, options: CallOptions): Promise<Descriptor> {
  const descriptor = await image.repository.resolve(referenceTarget(image.reference), {
    signal: options.signal,
  });
  if (!descriptor) throw noSuchImage(image, referenceTarget(image.reference));
  return descriptor;
}

/** Every manifest of the image: itself, and with `recursive` all that an index lists, each once, parents first. */
export async function listManifests(
  image: OpenedImage,
  options: CallOptions & { readonly recursive?: boolean | undefined },
): Promise<readonly Descriptor[]> {
  const top = await resolveImage(image, options);
  const found = new Map([[top.digest, top]]);
  if (options.recursive) await walk(image, top, found, 0, { signal: options.signal });
  return [...found.values()];
}

async function walk(
  image: OpenedImage,
  parent: Descriptor,
  found: Map<Digest, Descriptor>,
  depth: number,
  options: CallOptions,
): Promise<void> {
  if (!isIndexMediaType(parent.mediaType)) return;
  const stored = await image.repository.getManifest(parent.digest, options);
  if (!stored) throw noSuchImage(image, parent.digest);
  const index = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (index.kind !== 'index') return;
  const children = index.manifests.filter((child) => isPlatformImage(child) && !found.has(child.digest));
  for (const { mediaType, digest, size } of children) found.set(digest, { mediaType, digest, size });
  // The bound is on all of them together: indexes within indexes multiply.
  if (depth >= limits.indexDepth || found.size > limits.indexManifests + 1) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the index ${parent.digest} is nested too deep or lists too much`,
    );
  }
  await Promise.all(children.map((child) => walk(image, child, found, depth + 1, options)));
}

/**
 * Whether an entry of an index is an image that somebody runs. BuildKit adds attestation manifests with the platform
 * `unknown/unknown`, which nobody pulls. {@link https://docs.docker.com/build/metadata/attestations/attestation-storage/}
 */
function isPlatformImage(entry: Descriptor): boolean {
  return !(entry.platform?.os === 'unknown' && entry.platform.architecture === 'unknown');
}

function noSuchImage(
  image: OpenedImage,
  target: string | undefined = referenceTarget(image.reference),
): BoltsealError {
  const name = referenceName(image.reference);
  return new BoltsealError('ERR_IMAGE_NOT_FOUND', `there is no image ${target ?? 'latest'} in ${name}`, {
    hint: 'Check the spelling, and that the image was pushed; some registries also answer so when a login is missing.',
    details: { repository: name, reference: target },
  });
}
