import type { Digest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { Descriptor } from '../formats/oci.ts';
import { discoverSignatures, type SignaturePlace } from '../registry/discover.ts';
import { type ImageOptions, openImage, pinned, resolveImage } from './image.ts';

/** One signature as it is stored. */
export interface DownloadedSignature {
  readonly format: 'bundle' | 'cosign';
  readonly place: SignaturePlace;
  /** The manifest that carries it. */
  readonly manifest: Digest;
  /** Its layer; in the cosign format the annotations hold the signature. */
  readonly layer: Descriptor;
  /** The bundle, or the simple-signing payload. */
  readonly content: Uint8Array;
}

/** The signatures stored for one image, not verified. */
export interface DownloadedSignatures {
  /** `name@digest`. */
  readonly reference: string;
  readonly signatures: readonly DownloadedSignature[];
}

/**
 * Fetches every signature of an image, in both formats, exactly as it is stored. Nothing is verified: use `verifyImage`
 * for that. Throws `ERR_IMAGE_NOT_FOUND`, `ERR_NO_SIGNATURES`, and what the registry throws, also when only some of it
 * could be read.
 */
export async function downloadSignatures(
  reference: string,
  options: ImageOptions,
  runtime: Runtime,
): Promise<DownloadedSignatures> {
  const image = await openImage(reference, options, runtime);
  const digest = image.reference.digest ?? (await resolveImage(image, options)).digest;
  const { places, candidates } = await discoverSignatures(image.signatures, digest, {
    signal: options.signal,
  });
  const failure = [...places, ...candidates].find(({ error }) => error !== undefined)?.error;
  if (failure !== undefined) throw failure;
  const signatures = candidates.flatMap(({ format, place, manifest, layer, content }) =>
    layer && content ? [{ format, place, manifest, layer, content }] : [],
  );
  if (signatures.length > 0) return { reference: pinned(image, digest), signatures };
  throw new BoltsealError('ERR_NO_SIGNATURES', `no signature was found for ${pinned(image, digest)}`, {
    hint: '`boltseal tree` shows everything that is attached.',
  });
}
