import type { Runtime } from '../core/runtime.ts';
import { signatureTag } from '../formats/cosign-layer.ts';
import { referrersTag } from '../formats/referrer-manifest.ts';
import { type ImageOptions, openImage, pinned, resolveImage } from './image.ts';

/** What {@link triangulateImage} can compute: cosign's tags, the fallback tag of referrers, or the pinned image. */
export const triangulateTypes = ['signature', 'attestation', 'sbom', 'digest', 'referrers'] as const;

/** One of {@link triangulateTypes}. */
export type TriangulateType = (typeof triangulateTypes)[number];

const suffixes = { signature: '.sig', attestation: '.att', sbom: '.sbom' } as const;

/**
 * The reference at which something about an image is stored, whether or not it is there. Asks the registry only to
 * resolve a tag. Throws `ERR_IMAGE_NOT_FOUND`.
 */
export async function triangulateImage(
  reference: string,
  type: TriangulateType,
  options: ImageOptions,
  runtime: Runtime,
): Promise<string> {
  const image = await openImage(reference, options, runtime);
  const digest = image.reference.digest ?? (await resolveImage(image, options)).digest;
  if (type === 'digest') return pinned(image, digest);
  if (type === 'referrers') return `${image.signatures.name}:${referrersTag(digest)}`;
  return `${image.signatures.name}:${signatureTag(digest).slice(0, -'.sig'.length)}${suffixes[type]}`;
}
