import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { SignedEntity } from '../verify/entity.ts';
import { findCandidates, readFailures } from './candidates.ts';
import { type ImageOptions, openImage, pinned, resolveImage } from './image.ts';

/** The signatures stored for one image, not verified. */
export interface DownloadedSignatures {
  /** `name@digest`. */
  readonly reference: string;
  /** In both formats, each decoded; a bundle's bytes are in `content`. */
  readonly signatures: readonly SignedEntity[];
}

/**
 * Fetches every signature of an image, in both formats. Nothing is verified: use `verifyImage` for that. Throws
 * `ERR_IMAGE_NOT_FOUND`, `ERR_NO_SIGNATURES`, and what the registry throws, also when only some of it could be read.
 */
export async function downloadSignatures(
  reference: string,
  options: ImageOptions,
  runtime: Runtime,
): Promise<DownloadedSignatures> {
  const image = await openImage(reference, options, runtime);
  const digest = image.reference.digest ?? (await resolveImage(image, options)).digest;
  const found = await findCandidates(image.signatures, digest, image.repository.dockerReference, options);
  const [failure] = readFailures(found);
  if (failure) throw failure;
  if (found.entities.length === 0) {
    throw new BoltsealError('ERR_NO_SIGNATURES', `no signature was found for ${pinned(image, digest)}`, {
      hint: 'Look at everything that is attached with: boltseal tree',
    });
  }
  return { reference: pinned(image, digest), signatures: found.entities };
}
