/** From what a registry holds beside an image to signed entities: discover, then decode. */
import type { Digest } from '../core/digest.ts';
import { digestOf } from '../core/digest.ts';
import { type BoltsealError, wrapError } from '../core/errors.ts';
import type { Descriptor } from '../formats/oci.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { type DiscoveredCandidate, discoverSignatures, type PlaceReport } from '../registry/discover.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';
import {
  type EntityOrigin,
  entityFromBundle,
  entityFromSignatureLayer,
  type SignedEntity,
} from '../verify/entity.ts';
import type { Refusal } from '../verify/verdict.ts';

/** Everything found for one image. */
export interface Candidates {
  readonly places: readonly PlaceReport[];
  readonly entities: readonly SignedEntity[];
  /** What was there but could not be fetched or decoded. */
  readonly refused: readonly Refusal[];
}

/** Finds and decodes every signature candidate of `digest`, all places at once. Throws nothing: failures are in the result. */
export async function findCandidates(
  signatures: Repository,
  digest: Digest,
  dockerReference: string,
  options: CallOptions,
): Promise<Candidates> {
  // A payload without annotations can be told from its digest: one request less for most signatures.
  const expected = encodeSimpleSigning(dockerReference, digest, {});
  const known = new Map([[digestOf(expected), expected]]);
  const { places, candidates } = await discoverSignatures(signatures, digest, { ...options, known });
  const entities: SignedEntity[] = [];
  const refused: Refusal[] = [];
  for (const candidate of candidates) {
    const decoded = decode(candidate);
    if ('error' in decoded) refused.push(decoded);
    else entities.push(decoded);
  }
  return { places, entities, refused };
}

function decode(candidate: DiscoveredCandidate): SignedEntity | Refusal {
  const { format, place, manifest, layer } = candidate;
  const origin: EntityOrigin = { format, place, manifest, content: layer?.digest ?? manifest };
  if (candidate.error) return { origin, error: candidate.error };
  try {
    return format === 'bundle'
      ? entityFromBundle(candidate.content, { place, manifest })
      : entityFromSignatureLayer(layer as Descriptor, candidate.content, { place, manifest });
  } catch (error) {
    return {
      origin,
      error: wrapError(error, 'ERR_VERIFY_UNSUPPORTED', `${origin.content} cannot be decoded`),
    };
  }
}

/**
 * The errors that leave open whether there is a good signature: of places that could not be read to their end, whatever
 * the reason, and of candidates that could not be fetched. Content that was fetched and is bad is not among them.
 */
export function readFailures(found: Pick<Candidates, 'places' | 'refused'>): readonly BoltsealError[] {
  const unfetched = found.refused.filter(
    ({ error }) => error.code.startsWith('ERR_REGISTRY_') || error.code === 'ERR_INTERRUPTED',
  );
  return [
    ...found.places.flatMap(({ error }) => (error ? [error] : [])),
    ...unfetched.map(({ error }) => error),
  ];
}
