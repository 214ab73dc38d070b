/** Finding what may be a signature of an image. */
import { type Digest, digestOf } from '../core/digest.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { type DiscoveredSignatures, type DiscoverOptions, discoverSignatures } from '../registry/discover.ts';
import type { CallOptions } from '../registry/repository.ts';
import type { OpenedImage } from './image.ts';

/** Everything that may be a signature of `digest`, all places at once. Failures are in the result. */
export function findCandidates(
  image: OpenedImage,
  digest: Digest,
  { signal, predicateTypes }: CallOptions & Pick<DiscoverOptions, 'predicateTypes'>,
): Promise<DiscoveredSignatures> {
  // A payload without annotations can be told from its digest: one request less for most signatures.
  const expected = encodeSimpleSigning(image.repository.dockerReference, digest, {});
  const known = new Map([[digestOf(expected), expected]]);
  return discoverSignatures(image.signatures, digest, { signal, known, predicateTypes });
}
