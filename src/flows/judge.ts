/** From candidates to a report: decode, authenticate, bind. Pure; loaded while the registry is still being asked. */
import { digestOf } from '../core/digest.ts';
import { wrapError } from '../core/errors.ts';
import { signatureLayer } from '../formats/cosign-layer.ts';
import type { DiscoveredCandidate } from '../registry/discover.ts';
import {
  type EntityOrigin,
  entityFromAttestationLayer,
  entityFromBundle,
  entityFromSignatureLayer,
  type SignedEntity,
} from '../verify/entity.ts';
import type { Evidence, Refusal } from '../verify/verdict.ts';
import { type EntityRequirements, verifyEntity } from '../verify/verify-entity.ts';
import type { GivenSignature } from './verify-image.ts';

/** What became of candidates. */
export interface Judgement {
  /** Proof for each accepted signature. */
  readonly accepted: readonly Evidence[];
  readonly refused: readonly Refusal[];
}

/** Judges candidates of a registry, in their order. */
export function judgeCandidates(
  candidates: readonly DiscoveredCandidate[],
  required: EntityRequirements,
): Judgement {
  return judge(candidates, required, decodeCandidate);
}

/** Judges signatures that the caller brought. */
export function judgeGiven(given: readonly GivenSignature[], required: EntityRequirements): Judgement {
  return judge(given, required, decodeGiven);
}

interface Decodable {
  readonly origin: EntityOrigin;
  /** Throws when it cannot be had. */
  decode(): SignedEntity;
}

function judge<T>(
  items: readonly T[],
  required: EntityRequirements,
  read: (item: T) => Decodable,
): Judgement {
  const accepted: Evidence[] = [];
  const refused: Refusal[] = [];
  for (const { origin, decode } of items.map(read)) {
    try {
      accepted.push(verifyEntity(decode(), required));
    } catch (error) {
      const what = `the signature in ${origin.content} cannot be verified`;
      refused.push({ origin, error: wrapError(error, 'ERR_VERIFY_UNSUPPORTED', what) });
    }
  }
  return { accepted, refused };
}

function decodeCandidate(candidate: DiscoveredCandidate): Decodable {
  const { format, place, manifest, layer } = candidate;
  return {
    origin: { format, place, manifest, content: layer?.digest ?? manifest },
    decode: () => entityOf(candidate),
  };
}

function entityOf(candidate: DiscoveredCandidate): SignedEntity {
  if (candidate.error) throw candidate.error;
  const { format, place, manifest, layer, content } = candidate;
  if (format === 'bundle') return entityFromBundle(content, { place, manifest });
  return place === 'attestation-tag'
    ? entityFromAttestationLayer(layer, content, { place, manifest })
    : entityFromSignatureLayer(layer, content, { place, manifest });
}

function decodeGiven(given: GivenSignature): Decodable {
  const place = 'file';
  const content = digestOf(given.format === 'bundle' ? given.bundle : given.payload);
  return {
    origin: { format: given.format, place, content },
    decode: () =>
      given.format === 'bundle'
        ? entityFromBundle(given.bundle, { place })
        : entityFromSignatureLayer(signatureLayer(given.payload, given.signature), given.payload, { place }),
  };
}
