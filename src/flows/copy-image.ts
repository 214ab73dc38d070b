import { mapConcurrent } from '../core/concurrent.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Descriptor, parseManifest } from '../formats/oci.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';

/** What {@link copyImage} did. */
export interface CopiedImage {
  /** The image or index that was copied. */
  readonly descriptor: Descriptor;
  /** Manifests and indexes written, the top one included. */
  readonly manifests: number;
  /** Blobs that were sent (those already there are not counted). */
  readonly blobs: number;
}

/**
 * Copies an image, or an index with every manifest under it, from one repository to another, by digest, byte for
 * byte; content that is already there is not sent again. Children come before their parents, so that a reader never
 * sees a manifest whose parts are missing. Signatures are not copied.
 *
 * `reference` is a tag or digest; undefined means the only image of a layout. Throws `ERR_IMAGE_NOT_FOUND`.
 */
export async function copyImage(
  from: Repository,
  to: Repository,
  reference: string | undefined,
  options: CallOptions & { readonly tag?: string } = {},
): Promise<CopiedImage> {
  const count = { manifests: 0, blobs: 0 };
  const descriptor = await copyManifest(from, to, reference, options, count, 0);
  return { descriptor, ...count };
}

async function copyManifest(
  from: Repository,
  to: Repository,
  reference: string | undefined,
  options: CallOptions & { readonly tag?: string },
  count: { manifests: number; blobs: number },
  depth: number,
): Promise<Descriptor> {
  const signal = { signal: options.signal };
  if (count.manifests >= limits.indexManifests) {
    const message = `an image in ${from.name} has more than ${limits.indexManifests} manifests`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', message);
  }
  const stored = await from.getManifest(reference, signal);
  if (!stored)
    throw new BoltsealError('ERR_IMAGE_NOT_FOUND', `${from.name} has no manifest ${reference ?? 'latest'}`);
  const manifest = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (manifest.kind === 'index') {
    if (depth >= limits.indexDepth) {
      throw new BoltsealError(
        'ERR_LIMIT_EXCEEDED',
        `an index in ${from.name} is nested deeper than ${limits.indexDepth} levels`,
      );
    }
    for (const child of manifest.manifests)
      await copyManifest(from, to, child.digest, signal, count, depth + 1);
  } else {
    await mapConcurrent([manifest.config, ...manifest.layers], limits.concurrentTransfers, (blob) =>
      copyBlob(from, to, blob, signal, count),
    );
  }
  const tag = options.tag === undefined ? {} : { tag: options.tag };
  await to.putManifest(stored.bytes, stored.descriptor.mediaType, { ...signal, ...tag });
  count.manifests++;
  return stored.descriptor;
}

async function copyBlob(
  from: Repository,
  to: Repository,
  blob: Descriptor,
  options: CallOptions,
  count: { manifests: number; blobs: number },
): Promise<void> {
  if (await to.hasBlob(blob.digest, options)) return;
  await to.writeBlob(blob, () => from.readBlob(blob, options), options);
  count.blobs++;
}
