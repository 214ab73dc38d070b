/**
 * The chains of a trusted root: of certificate authorities and of timestamp authorities. Everything about them that no
 * time changes is checked when they are opened.
 * {@link https://www.rfc-editor.org/rfc/rfc5280#section-6.1 RFC 5280 section 6.1}
 */
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, certificateKey, checkIssuedBy, parseCertificate } from '../formats/certificate.ts';
import { extensionOids, keyPurposes } from '../formats/extensions.ts';
import type { PublicKey } from '../formats/public-key.ts';
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
  /** What two instances of one authority have in common: thresholds count it once. */
  readonly authority: string;
  /** When every certificate of the chain is valid, in milliseconds, both ends included. */
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

/** The chain of a certificate authority, or why it cannot be used. */
export function openCertificateAuthority(trusted: TrustedAuthority): Authority | BoltsealError {
  return openAuthority(trusted, 'the certificate authority', (chain, what) => {
    for (const [below, { certificate }] of chain.entries()) {
      checkAuthorityCertificate(certificate, below, keyPurposes.codeSigning, what);
    }
  });
}

/** The chain of a timestamp authority, or why it cannot be used. It begins with the certificate that signs. */
export function openTimestampAuthority(trusted: TrustedAuthority): Authority | BoltsealError {
  return openAuthority(trusted, 'the timestamp authority', (chain, what) => {
    const [signer, ...issuers] = chain;
    if (signer !== undefined) checkTimestampCertificate(signer.certificate, what);
    for (const [below, { certificate }] of issuers.entries()) {
      checkAuthorityCertificate(certificate, below, keyPurposes.timeStamping, what);
    }
  });
}

function openAuthority(
  trusted: TrustedAuthority,
  kind: string,
  check: (chain: readonly TrustedCertificate[], what: string) => void,
): Authority | BoltsealError {
  const what = `${kind} ${JSON.stringify((trusted.uri || trusted.commonName).slice(0, 200))}`;
  try {
    const [first, ...rest] = trusted.chain.map((der) => {
      const certificate = parseCertificate(der, `a certificate of ${what}`);
      return { certificate, key: certificateKey(certificate, `a certificate of ${what}`) };
    });
    if (first === undefined) throw unusable('has no certificate');
    const chain: Authority['chain'] = [first, ...rest];
    checkLinks(chain, what);
    check(chain, what);
    return {
      trusted,
      chain,
      authority: trusted.uri || Buffer.from((chain.at(-1) ?? first).certificate.der).toString('hex'),
      notBefore: Math.max(...chain.map(({ certificate }) => certificate.notBefore.getTime())),
      notAfter: Math.min(...chain.map(({ certificate }) => certificate.notAfter.getTime())),
    };
  } catch (cause) {
    const why = cause instanceof BoltsealError ? `: ${cause.message}` : '';
    return new BoltsealError('ERR_TRUST', `${what} cannot be used${why}`, { cause });
  }
}

/** Each certificate is issued by the next one. The last is trusted as it is. */
function checkLinks(chain: Authority['chain'], what: string): void {
  for (const [index, { certificate }] of chain.entries()) {
    const issuer = chain[index + 1];
    if (issuer === undefined) continue;
    checkIssuedBy(
      certificate,
      { subject: issuer.certificate.subject, key: issuer.key },
      `a certificate of ${what}`,
    );
  }
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
