/**
 * The chains of a trusted root: of certificate authorities and of timestamp authorities. Everything about them that no
 * time changes is checked when they are opened.
 * {@link https://www.rfc-editor.org/rfc/rfc5280#section-6.1 RFC 5280 section 6.1}
 */
import { equalBytes, hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, certificateKey, parseCertificate } from '../formats/certificate.ts';
import { extensionOids, keyPurposes } from '../formats/extensions.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { readSignatureAlgorithm, verifiesWith } from '../formats/signature-algorithm.ts';
import { isWithin } from '../formats/time-range.ts';
import type { TrustedAuthority } from '../formats/trusted-root.ts';

/** A certificate of a trusted root and its key. */
export interface TrustedCertificate {
  readonly certificate: Certificate;
  readonly key: PublicKey;
}

/** An authority whose chain was checked. */
export interface Authority {
  readonly trusted: TrustedAuthority;
  /** What issues, or what signs timestamps; then upwards, the anchor last. */
  readonly chain: readonly [TrustedCertificate, ...TrustedCertificate[]];
  /** What two instances of one authority, or two of one operator, have in common: thresholds count it once. */
  readonly authority: string;
  /** When every certificate of the instance is valid, in milliseconds, both ends included. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Extensions that are understood here; every other that is critical makes a certificate unusable. */
const understood: ReadonlySet<string> = new Set([
  extensionOids.keyUsage,
  extensionOids.basicConstraints,
  extensionOids.subjectAltName,
  extensionOids.extendedKeyUsage,
]);

const anyPurpose = '2.5.29.37.0';

/**
 * The chains of a certificate authority, or why it cannot be used: one for each of its certificates, because each may
 * issue, from that one up to the anchor. The anchor is the last certificate, and the others may be in any order.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto CertificateAuthority}
 */
export function openCertificateAuthority(trusted: TrustedAuthority): readonly Authority[] | BoltsealError {
  return openAuthority(trusted, 'the certificate authority', (certificates, what) =>
    pathsOf(certificates).map((path) => {
      for (const [below, { certificate }] of path.entries()) {
        checkAuthorityCertificate(certificate, below, keyPurposes.codeSigning, what);
      }
      return path;
    }),
  );
}

/**
 * The chain of a timestamp authority, alone in a list, or why it cannot be used. Its first certificate is the one that
 * signs, the last is the anchor, which is an authority.
 */
export function openTimestampAuthority(trusted: TrustedAuthority): readonly Authority[] | BoltsealError {
  return openAuthority(trusted, 'the timestamp authority', (certificates, what) => {
    const [first] = certificates;
    const path = pathsOf(certificates).find(([signer]) => signer === first);
    const [signer, ...issuers] = path ?? [];
    if (path === undefined || signer === undefined || issuers.length === 0) {
      throw unusable('its first certificate was not issued by another one of its chain');
    }
    checkTimestampCertificate(signer.certificate, what);
    for (const [below, { certificate }] of issuers.entries()) {
      checkAuthorityCertificate(certificate, below, keyPurposes.timeStamping, what);
    }
    return [path];
  });
}

/** A certificate and those above it, the anchor last. */
type Path = Authority['chain'];

function openAuthority(
  trusted: TrustedAuthority,
  kind: string,
  check: (certificates: readonly TrustedCertificate[], what: string) => readonly Path[],
): readonly Authority[] | BoltsealError {
  const what = `${kind} ${JSON.stringify((trusted.uri || trusted.commonName).slice(0, 200))}`;
  try {
    const certificates = trusted.chain.map((der) => openCertificate(der, `a certificate of ${what}`));
    const paths = check(certificates, what);
    // As a whole it must be valid, whichever of its certificates issues.
    const period = {
      notBefore: Math.max(...certificates.map(({ certificate }) => certificate.notBefore.getTime())),
      notAfter: Math.min(...certificates.map(({ certificate }) => certificate.notAfter.getTime())),
    };
    const anchor = certificates.at(-1)?.certificate.der ?? new Uint8Array(0);
    const authority = trusted.operator || trusted.uri || hex(anchor);
    return paths.map((chain) => ({ trusted, chain, authority, ...period }));
  } catch (cause) {
    const why = cause instanceof BoltsealError ? `: ${cause.message}` : '';
    return new BoltsealError('ERR_TRUST', `${what} cannot be used${why}`, { cause });
  }
}

function openCertificate(der: Uint8Array, what: string): TrustedCertificate {
  const certificate = parseCertificate(der, what);
  return { certificate, key: certificateKey(certificate, what) };
}

/**
 * The way from each certificate, each of them once, to the last, which is trusted as it is. One without a way is not
 * trusted, and does no harm.
 */
function pathsOf(certificates: readonly TrustedCertificate[]): readonly Path[] {
  const anchor = certificates.at(-1);
  const distinct = certificates.filter(
    (one, index) => !certificates.slice(index + 1).some((later) => isSame(one, later)),
  );
  const paths: Path[] = [];
  for (const first of distinct) {
    const path: [TrustedCertificate, ...TrustedCertificate[]] = [first];
    let last: TrustedCertificate | undefined = first;
    while (last !== undefined && last !== anchor) {
      last = issuerOf(last, distinct, path);
      if (last !== undefined) path.push(last);
    }
    if (last !== undefined) paths.push(path);
  }
  return paths;
}

/** The one of `candidates`, beside those in `below`, that issued `certificate`. */
function issuerOf(
  { certificate }: TrustedCertificate,
  candidates: readonly TrustedCertificate[],
  below: readonly TrustedCertificate[],
): TrustedCertificate | undefined {
  const algorithm = readSignatureAlgorithm(certificate.signatureAlgorithm);
  if (algorithm === undefined) return undefined;
  return candidates.find(
    (one) =>
      !below.includes(one) &&
      equalBytes(certificate.issuer, one.certificate.subject) &&
      verifiesWith(algorithm, one.key.key, certificate.tbs, certificate.signature),
  );
}

function isSame(a: TrustedCertificate, b: TrustedCertificate): boolean {
  return equalBytes(a.certificate.der, b.certificate.der);
}

function unusable(why: string): BoltsealError {
  return new BoltsealError('ERR_CERTIFICATE_INVALID', why);
}

/**
 * A certificate that issues others: RFC 5280 sections 6.1.4 (k) to (o). `below` is the number of authorities between it
 * and what the chain is for. A purpose must be among its extended key usages when it has any; name constraints are not
 * supported, whatever they say.
 */
function checkAuthorityCertificate(
  certificate: Certificate,
  below: number,
  purpose: string,
  what: string,
): void {
  const { basicConstraints, keyUsage, extendedKeyUsage, extensions } = certificate;
  const refuse = (why: string): BoltsealError => unusable(`a certificate of ${what} ${why}`);
  if (basicConstraints?.ca !== true) throw refuse('is no authority');
  if (basicConstraints.pathLength !== undefined && basicConstraints.pathLength < below) {
    throw refuse('has too many authorities below it');
  }
  if (keyUsage !== undefined && !keyUsage.has('keyCertSign')) throw refuse('must not issue certificates');
  if (
    extendedKeyUsage !== undefined &&
    !extendedKeyUsage.includes(purpose) &&
    !extendedKeyUsage.includes(anyPurpose)
  ) {
    throw refuse('is for another purpose');
  }
  if (extensions.has(extensionOids.nameConstraints)) throw refuse('has name constraints');
  checkCriticalExtensions(certificate, refuse);
}

/** RFC 3161 section 2.3: the one purpose is timestamping, and critical. */
function checkTimestampCertificate(certificate: Certificate, what: string): void {
  const refuse = (why: string): BoltsealError => unusable(`the signing certificate of ${what} ${why}`);
  const { basicConstraints, keyUsage, extendedKeyUsage, extensions } = certificate;
  if (basicConstraints?.ca === true) throw refuse('is an authority');
  if (extendedKeyUsage?.length !== 1 || extendedKeyUsage[0] !== keyPurposes.timeStamping) {
    throw refuse('is not for timestamps alone');
  }
  if (extensions.get(extensionOids.extendedKeyUsage)?.critical !== true) {
    throw refuse('does not say critically what it is for');
  }
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature') && !keyUsage.has('contentCommitment')) {
    throw refuse('must not sign');
  }
  checkCriticalExtensions(certificate, refuse);
}

/** RFC 5280 section 4.2: a critical extension that is not understood makes a certificate unusable. */
export function checkCriticalExtensions(
  { extensions }: Pick<Certificate, 'extensions'>,
  refuse: (why: string) => BoltsealError,
): void {
  for (const { oid, critical } of extensions.values()) {
    if (critical && !understood.has(oid)) throw refuse(`has the critical extension ${oid}, which is unknown`);
  }
}

/** Whether the instance in the trusted root and every certificate of its chain are valid at `time`. */
export function isValidAt({ trusted, notBefore, notAfter }: Authority, time: Date): boolean {
  const moment = time.getTime();
  return isWithin(trusted.validFor, time) && moment >= notBefore && moment <= notAfter;
}
