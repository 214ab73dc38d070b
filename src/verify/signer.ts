/**
 * Who may have made a signature, and whether somebody did who is required: what comes before and after the cryptographic
 * step, for both kinds of signer.
 */
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, certificateKey } from '../formats/certificate.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { VerificationMaterial } from '../formats/verification-material.ts';
import { type Authentication, byHint, unauthenticated } from './authenticate.ts';
import type { Authority } from './authority.ts';
import { checkCertificateTimestamps } from './certificate-timestamps.ts';
import { identityOf, openIdentities } from './identity.ts';
import { type Thresholds, thresholdsOf, verifyMaterial } from './material.ts';
import type { MaterialRequirements, SignerRequirement } from './requirements.ts';
import type { SignedContent } from './signed-content.ts';
import {
  checkSigningCertificate,
  checkValidity,
  findIssuers,
  readSigningCertificate,
} from './signing-certificate.ts';
import type { Trust } from './trust.ts';
import type { SignedBy, VerifiedMaterial } from './verdict.ts';

/** What is required of a signature, whatever it is of. */
export interface SignatureRequirements extends MaterialRequirements {
  readonly signer: SignerRequirement;
}

/** Who signed, and what stands behind it. */
export interface Verdict {
  readonly signedBy: SignedBy;
  readonly material: VerifiedMaterial;
}

/** Whose signature is accepted, before any was verified. */
export interface ExpectedSigner {
  /** The keys, one of which must verify the signature; the likeliest first. */
  readonly keys: readonly PublicKey[];
  /** The error for a signature, called `what`, that none of the keys verifies. */
  refuse(what: string): BoltsealError;
  /**
   * Judges what is beside a signature that one of the keys verified. Throws what `verifyMaterial`, `checkValidity` and
   * `checkIdentity` throw, and `ERR_VERIFY_TIME`.
   */
  conclude(authentication: Authentication, content: SignedContent): Verdict;
}

/**
 * Whose signature is accepted with this material: by keys, anybody's who has one of them, and the material is only
 * looked at when there is a trusted root; by identities, that of the certificate in it, which a trusted authority must
 * have issued and published. `isStrict` refuses an anchor beside the certificate, as bundles must not have. Throws
 * `ERR_TRUST`, `ERR_USAGE`, `ERR_VERIFY_NO_CERTIFICATE`, `ERR_VERIFY_CERTIFICATE`, `ERR_VERIFY_SCT`, and what the
 * parsers throw.
 */
export function expectSigner(
  material: VerificationMaterial,
  required: SignatureRequirements,
  isStrict: boolean,
): ExpectedSigner {
  const { signer, trust } = required;
  const thresholds = thresholdsOf(required, signer.kind === 'identities');
  if (
    trust === undefined &&
    (signer.kind === 'identities' || thresholds.logEntries + thresholds.timestamps > 0)
  ) {
    throw new BoltsealError(
      'ERR_TRUST',
      'there is no trusted root to verify certificates, log entries and timestamps with',
    );
  }
  return signer.kind === 'keys'
    ? expectKeys(signer.keys, material, trust, thresholds)
    : expectIdentities(material, { ...required, signer, trust: trust as Trust }, thresholds, isStrict);
}

const nothing: VerifiedMaterial = { times: [], logEntries: [] };

function expectKeys(
  keys: readonly PublicKey[],
  material: VerificationMaterial,
  trust: Trust | undefined,
  thresholds: Thresholds,
): ExpectedSigner {
  return {
    keys: byHint(keys, material.publicKeyHint),
    refuse: (what) => unauthenticated(what, material, keys),
    conclude: ({ key, hash }, content) => ({
      signedBy: { kind: 'key', hint: key.hint, hash },
      material:
        trust === undefined
          ? nothing
          : verifyMaterial({ content, signer: { kind: 'key', key }, hash, material }, trust, thresholds),
    }),
  };
}

interface IdentityRequirements extends MaterialRequirements {
  readonly signer: SignerRequirement & { readonly kind: 'identities' };
  readonly trust: Trust;
}

function expectIdentities(
  material: VerificationMaterial,
  { signer, trust, fallbackTime }: IdentityRequirements,
  thresholds: Thresholds,
  isStrict: boolean,
): ExpectedSigner {
  const identities = openIdentities(signer.identities);
  if (material.certificates === undefined) {
    throw new BoltsealError(
      'ERR_VERIFY_NO_CERTIFICATE',
      'the signature was made by a bare key, and an identity is required',
      { hint: 'Verify it with that key (--key) when you have it and trust it.' },
    );
  }
  const certificate = readSigningCertificate(material.certificates, isStrict);
  checkSigningCertificate(certificate);
  const issuers = findIssuers(certificate, trust);
  checkCertificateTimestamps(
    certificate,
    issuers[0].chain[0].certificate.spki,
    trust,
    thresholds.certificateTimestamps,
  );
  const key = certificateKey(certificate, 'the certificate of the signer');
  return {
    keys: [key],
    refuse: (what) =>
      new BoltsealError('ERR_VERIFY_SIGNATURE', `${what} does not verify with its certificate`, {
        hint: 'What was signed was changed, or the signature or the certificate was replaced.',
      }),
    conclude({ hash }, content) {
      const entrySigner = { kind: 'certificate', certificate, key } as const;
      const verified = verifyMaterial({ content, signer: entrySigner, hash, material }, trust, thresholds);
      judgeTimes(certificate, issuers, material, verified, fallbackTime);
      const identity = identityOf(certificate);
      identities.check(identity);
      return { signedBy: { kind: 'certificate', identity, certificate, hash }, material: verified };
    },
  };
}

/** A certificate must have been valid when it signed, and something must prove when that was. */
function judgeTimes(
  certificate: Certificate,
  issuers: readonly [Authority, ...Authority[]],
  { timestamps }: VerificationMaterial,
  { times }: VerifiedMaterial,
  fallbackTime: Date | undefined,
): void {
  const proven = times.map(({ time }) => time);
  if (proven.length === 0 && fallbackTime !== undefined) proven.push(fallbackTime);
  if (proven.length === 0 && timestamps.length > 0) {
    throw new BoltsealError(
      'ERR_VERIFY_TIMESTAMP',
      'nothing proves when the signature was made: its timestamps are of authorities that are unknown',
      { hint: 'Verify with a trusted root that has the timestamp authority (--trusted-root).' },
    );
  }
  if (proven.length === 0) {
    throw new BoltsealError('ERR_VERIFY_TIME', 'nothing proves when the signature was made', {
      hint: 'A certificate is valid for minutes: a timestamp, or a log entry with a signed time, must tell that it signed then. A log of version 2 signs no time.',
    });
  }
  checkValidity(certificate, issuers, proven);
}
