/**
 * The certificates of a private Sigstore's authorities: root and intermediate of the certificate authority, root and
 * leaf of the timestamp authority.
 *
 * Clients check them: the intermediate must be for code signing (Fulcio refuses to start otherwise), the timestamp
 * leaf's extended key usage must be critical and timestamping alone (RFC 3161 section 2.3).
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md}
 */
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, encodeTbs, signCertificate } from './certificate.ts';
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifier,
  keyPurposes,
} from './extensions.ts';
import { encodeName, type NameParts } from './name.ts';
import type { PublicKey } from './public-key.ts';
import { signatureAlgorithmOf } from './signature-algorithm.ts';

/** What signs certificates; a `Signer` of the key providers is one. */
export interface CertificateSigner {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** What is chosen for each certificate. */
export interface CertificateOptions {
  readonly name: NameParts;
  /** Unsigned big-endian bytes, from `serialNumber`. */
  readonly serial: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** An authority that issues: its certificate and its key, which must belong together. */
export interface Issuer {
  readonly certificate: Pick<Certificate, 'subject' | 'subjectKeyIdentifier' | 'spki'>;
  readonly signer: CertificateSigner;
}

/** A self-signed root, for either authority: certificate DER. */
export async function createRootCertificate(
  signer: CertificateSigner,
  options: CertificateOptions,
): Promise<Uint8Array> {
  const name = encodeName(options.name);
  return issue(signer, name, options, signer.publicKey.spki, [
    encodeKeyUsage(['keyCertSign', 'cRLSign']),
    encodeBasicConstraints({ ca: true, pathLength: undefined }),
    encodeSubjectKeyIdentifier(keyIdentifier(signer.publicKey.spki)),
  ]);
}

/** The intermediate that issues signing certificates: certificate DER. */
export async function createIntermediateCertificate(
  issuer: Issuer,
  subject: PublicKey,
  options: CertificateOptions,
): Promise<Uint8Array> {
  return issue(issuer.signer, issuer.certificate.subject, options, subject.spki, [
    encodeKeyUsage(['keyCertSign', 'cRLSign']),
    encodeExtendedKeyUsage([keyPurposes.codeSigning]),
    encodeBasicConstraints({ ca: true, pathLength: 0 }),
    encodeSubjectKeyIdentifier(keyIdentifier(subject.spki)),
    encodeAuthorityKeyIdentifier(issuerKeyIdentifier(issuer)),
  ]);
}

/** The certificate whose key signs timestamps: certificate DER. */
export async function createTimestampCertificate(
  issuer: Issuer,
  subject: PublicKey,
  options: CertificateOptions,
): Promise<Uint8Array> {
  return issue(issuer.signer, issuer.certificate.subject, options, subject.spki, [
    encodeKeyUsage(['digitalSignature']),
    encodeExtendedKeyUsage([keyPurposes.timeStamping], true),
    encodeSubjectKeyIdentifier(keyIdentifier(subject.spki)),
    encodeAuthorityKeyIdentifier(issuerKeyIdentifier(issuer)),
  ]);
}

/** The identifier that certificates name their issuer by: the one in the issuer's certificate, which need not be by method 1. */
export function issuerKeyIdentifier(issuer: Pick<Issuer, 'certificate'>): Uint8Array {
  return issuer.certificate.subjectKeyIdentifier ?? keyIdentifier(issuer.certificate.spki);
}

async function issue(
  signer: CertificateSigner,
  issuer: Uint8Array,
  options: CertificateOptions,
  spki: Uint8Array,
  extensions: readonly Uint8Array[],
): Promise<Uint8Array> {
  const { serial, notBefore, notAfter } = options;
  if (notAfter.getTime() < notBefore.getTime()) {
    throw new BoltsealError('ERR_CERTIFICATE_INVALID', 'a certificate must not end before it begins');
  }
  const { identifier } = signatureAlgorithmOf(signer.publicKey.type);
  const subject = encodeName(options.name);
  const tbs = encodeTbs({
    serial,
    signatureAlgorithm: identifier,
    issuer,
    notBefore,
    notAfter,
    subject,
    spki,
    extensions,
  });
  return signCertificate(tbs, identifier, (message) => signer.sign(message));
}
