/** What a verification returns: evidence for what was accepted, a reason for what was not. Never a boolean. */
import type { Digest } from '../core/digest.ts';
import type { BoltsealError } from '../core/errors.ts';
import type { Certificate } from '../formats/certificate.ts';
import type { SignatureHash } from './authenticate.ts';
import type { Claim, EntityOrigin, SignedEntity } from './entity.ts';
import type { CertificateIdentity } from './identity.ts';

/** A moment at which the signature existed for certain, and who says so. */
export interface ProvenTime {
  /** An RFC 3161 timestamp, or the signed entry timestamp of a log. */
  readonly source: 'timestamp' | 'log';
  readonly time: Date;
  /** The URI of the timestamp authority, or the base URL of the log. */
  readonly authority: string;
}

/** A log entry that was verified, in every part that it has. */
export interface VerifiedLogEntry {
  /** The base URL of the log. */
  readonly log: string;
  readonly logIndex: bigint;
  /** When the log says it was added; of logs that sign no time it is not there. */
  readonly integratedTime?: Date;
}

/** What stands behind a signature beside the signature itself: all of it verified. */
export interface VerifiedMaterial {
  /** Each proven time; a certificate was valid at every one of them. Empty when none was required and none was there. */
  readonly times: readonly ProvenTime[];
  /** Empty when no trusted root was given, or none was there and none required. */
  readonly logEntries: readonly VerifiedLogEntry[];
}

/** Who signed: a trusted key, or somebody with an identity that a trusted authority certified. */
export type SignedBy =
  | { readonly kind: 'key'; readonly hint: string; readonly hash: SignatureHash | 'pure' }
  | {
      readonly kind: 'certificate';
      /** As the certificate says it, and as it was required. */
      readonly identity: CertificateIdentity;
      readonly certificate: Certificate;
      readonly hash: SignatureHash | 'pure';
    };

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
  readonly signedBy: SignedBy;
  /** What proves when it was made and that it is public. */
  readonly material: VerifiedMaterial;
}

/** One candidate that was refused, and why. */
export interface Refusal {
  readonly origin: EntityOrigin;
  readonly error: BoltsealError;
}
