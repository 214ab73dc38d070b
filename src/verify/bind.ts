/** The binding step: what does an authenticated payload claim, and is it about this image? */
import type { Digest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { inTotoPayloadType } from '../formats/dsse.ts';
import type { Annotations } from '../formats/oci.ts';
import {
  parseSimpleSigning,
  simpleSigningAnnotations,
  simpleSigningMediaType,
  simpleSigningType,
} from '../formats/simple-signing.ts';
import { parseStatement, signPredicateType } from '../formats/statement.ts';
import type { Claim, ClaimSubject, SignedEntity } from './entity.ts';

/** What a claim must say. */
export interface ClaimRequirements {
  /** The digest of the image. */
  readonly digest: Digest;
  /** Annotations that must have been signed, with these values. */
  readonly annotations?: Annotations | undefined;
}

/**
 * What the payload of `entity` claims; only for an entity whose signature was verified. The payload type decides how it
 * is read: a DSSE payload is an in-toto statement, a raw one is simple signing, and nothing else is accepted.
 * `predicateTypes` are the accepted statement types; a simple-signing payload counts as the type of image signatures.
 * Throws `ERR_VERIFY_PAYLOAD_TYPE`, `ERR_VERIFY_PREDICATE_TYPE`, and what the parsers throw.
 */
export function readClaim(
  entity: SignedEntity,
  predicateTypes: readonly string[] = [signPredicateType],
): Claim {
  const what = `the payload of ${entity.origin.content}`;
  const required = entity.encoding === 'dsse' ? inTotoPayloadType : simpleSigningMediaType;
  if (entity.payloadType !== required) {
    const found = JSON.stringify(entity.payloadType.slice(0, 100));
    throw new BoltsealError('ERR_VERIFY_PAYLOAD_TYPE', `${what} is of type ${found}, not ${required}`);
  }
  if (entity.encoding === 'dsse') {
    const statement = parseStatement(entity.payload, what);
    requirePredicateType(statement.predicateType, predicateTypes, what);
    const subjects = statement.subjects.flatMap(({ digests, annotations }) =>
      digests.map((digest): ClaimSubject => ({ digest, annotations })),
    );
    return { type: statement.predicateType, subjects };
  }
  if (!predicateTypes.includes(signPredicateType))
    requirePredicateType(signPredicateType, predicateTypes, what);
  const payload = parseSimpleSigning(entity.payload, what);
  requirePredicateType(payload.type, [simpleSigningType], what);
  return {
    type: payload.type,
    subjects: [{ digest: payload.digest, annotations: simpleSigningAnnotations(payload) }],
    dockerReference: payload.dockerReference,
  };
}

/** Throws `ERR_VERIFY_PREDICATE_TYPE` when `found` is not among `accepted`. */
export function requirePredicateType(found: string, accepted: readonly string[], what: string): void {
  if (accepted.includes(found)) return;
  throw new BoltsealError(
    'ERR_VERIFY_PREDICATE_TYPE',
    `${what} is of type ${JSON.stringify(found.slice(0, 200))}, not ${accepted.join(' or ')}`,
    {
      hint: accepted.includes(signPredicateType)
        ? 'An attestation is not a signature of the image; sign the image itself.'
        : 'It says something else about the image than what is asked for.',
      details: { found: found.slice(0, 200), accepted },
    },
  );
}

/**
 * The subject of `claim` that is the image with the required annotations. When several subjects have the digest, one
 * with the annotations is enough. Throws `ERR_VERIFY_DIGEST` or `ERR_VERIFY_ANNOTATIONS`.
 */
export function bindClaim(claim: Claim, required: ClaimRequirements): ClaimSubject {
  const about = claim.subjects.filter((subject) => subject.digest === required.digest);
  if (about.length === 0) {
    const found = claim.subjects.map((subject) => subject.digest).slice(0, 10);
    throw new BoltsealError(
      'ERR_VERIFY_DIGEST',
      `what was signed is about ${found.join(', ') || 'no image'}, not about ${required.digest}`,
      {
        hint: 'The signature belongs to another image, or was copied here from one.',
        details: { found, expected: required.digest },
      },
    );
  }
  const wanted = Object.entries(required.annotations ?? {});
  const matching = about.find(({ annotations }) =>
    wanted.every(([key, value]) => Object.hasOwn(annotations, key) && annotations[key] === value),
  );
  if (matching !== undefined) return matching;
  const missing = wanted
    .filter(([key, value]) => about.every(({ annotations }) => annotations[key] !== value))
    .map(([key, value]) => `${key}=${value}`);
  throw new BoltsealError(
    'ERR_VERIFY_ANNOTATIONS',
    `what was signed does not have the required annotations: ${missing.slice(0, 10).join(', ')}`,
    { hint: `${signedWith(about)} Require those with -a, or sign again.`, details: { missing } },
  );
}

/** What was signed instead. Values are quoted: they may hold anything. */
function signedWith(about: readonly ClaimSubject[]): string {
  const pairs = about.flatMap(({ annotations }) => Object.entries(annotations));
  if (pairs.length === 0) return 'It was signed without annotations.';
  const shown = pairs.slice(0, 10).map(([key, value]) => JSON.stringify(`${key}=${value}`.slice(0, 100)));
  return `It was signed with ${shown.join(', ')}${pairs.length > 10 ? ' and more' : ''}.`;
}
