/** What a verification returns: evidence for what was accepted, a reason for what was not. Never a boolean. */
import type { Digest } from '../core/digest.ts';
import type { BoltsealError } from '../core/errors.ts';
import type { Claim, EntityOrigin, SignedEntity } from './entity.ts';

/** Proof that one entity was accepted, and by what. Only the verifier makes these. */
export interface Evidence {
  readonly entity: SignedEntity;
  readonly claim: Claim;
  /** The subject that is the image; when the claims were not checked, the digest that was asked for. */
  readonly digest: Digest;
  /** The annotations signed with that subject. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether digest and annotations were compared with what was signed. False only when the caller said not to. */
  readonly claimsChecked: boolean;
  /** What authenticated it. */
  readonly signedBy: {
    readonly kind: 'key';
    readonly hint: string;
    readonly hash: 'sha256' | 'sha384' | 'sha512' | 'pure';
  };
}

/** One candidate that was refused, and why. */
export interface Refusal {
  readonly origin: EntityOrigin;
  readonly error: BoltsealError;
}
