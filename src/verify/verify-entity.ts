/** The verification of one signed entity, from bytes to evidence. Pure: no clock, no network, no files. */
import type { Digest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Annotations } from '../formats/oci.ts';
import { findKey } from './authenticate.ts';
import { bindClaim, readClaim } from './bind.ts';
import type { SignedEntity } from './entity.ts';
import { digestsOf, type SignedContent } from './signed-content.ts';
import { expectSigner, type SignatureRequirements } from './signer.ts';
import type { Evidence } from './verdict.ts';

/** What an entity must satisfy. */
export interface EntityRequirements extends SignatureRequirements {
  /** The digest of the image. */
  readonly digest: Digest;
  /** Annotations that must have been signed, with these values. */
  readonly annotations?: Annotations | undefined;
  /** Accepted predicate types; by default only that of image signatures. */
  readonly predicateTypes?: readonly string[] | undefined;
  /**
   * False accepts a valid signature by a trusted key whatever image it names (cosign's `--check-claims=false`): a replay
   * of a signature of another image passes. Payload type and predicate type are required all the same.
   */
  readonly checkClaims?: boolean | undefined;
}

/**
 * Evidence that `entity` is a signature of exactly this image by one of those who are required, or an error that says
 * why not. The payload is not parsed before its signature verifies and all that is beside it was judged. Throws what
 * `expectSigner` and what it returns throw, and what `readClaim` and `bindClaim` throw.
 */
export function verifyEntity(entity: SignedEntity, required: EntityRequirements): Evidence {
  const claimsChecked = required.checkClaims !== false;
  if (!claimsChecked && Object.keys(required.annotations ?? {}).length > 0) {
    throw new BoltsealError('ERR_USAGE', 'annotations are required, and the check of claims is turned off', {
      hint: 'Annotations are claims: leave out one of the two.',
    });
  }
  const expected = expectSigner(entity.material, required, entity.origin.format === 'bundle');
  const found = findKey(expected.keys, entity.signedBytes, entity.signature, required.hash);
  if (found === undefined) throw expected.refuse(`the signature in ${entity.origin.content}`);
  const verdict = expected.conclude(found, contentOf(entity));
  const claim = readClaim(entity, required.predicateTypes);
  const subject = claimsChecked
    ? bindClaim(claim, required)
    : claim.subjects.find(({ digest }) => digest === required.digest);
  return {
    entity,
    claim,
    digest: required.digest,
    annotations: subject?.annotations ?? {},
    claimsChecked,
    ...verdict,
  };
}

function contentOf(entity: SignedEntity): SignedContent {
  const { encoding, signature, signedBytes, payload, payloadType, storedEnvelope } = entity;
  const envelope = encoding === 'dsse' ? { payload, payloadType } : undefined;
  return { signature, digest: digestsOf(signedBytes), envelope, storedEnvelope };
}
