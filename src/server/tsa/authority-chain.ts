/**
 * The certificates of a timestamp authority, checked once before it starts: what a client would refuse must not be
 * served.
 */
import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import {
  type Certificate,
  certificateKey,
  checkIssuedBy,
  parseCertificate,
} from '../../formats/certificate.ts';
import { extensionOids, keyPurposes } from '../../formats/extensions.ts';
import type { PublicKey } from '../../formats/public-key.ts';

/** A chain that clients accept. */
export interface AuthorityChain {
  readonly leaf: Certificate;
  /** Leaf first. */
  readonly certificates: readonly Certificate[];
  /** The time in which every certificate is valid; both ends belong to it. */
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/**
 * Checks the chain of a timestamp authority whose key is `key`: leaf first, each issued by the next. The leaf must be
 * for timestamping alone, critically, and be no CA; the others must be CAs, and for timestamping if they name purposes
 * at all (RFC 3161 section 2.3 and what clients check). Throws `ERR_SERVER_CONFIG`.
 */
export function checkAuthorityChain(chain: readonly Uint8Array[], key: PublicKey): AuthorityChain {
  const certificates = chain.map((der, index) => parse(der, index));
  const [leaf, ...issuers] = certificates;
  if (leaf === undefined) throw refused('is empty');
  if (!equalBytes(leaf.spki, key.spki)) throw refused('begins with the certificate of another key');
  checkLeaf(leaf);
  for (const issuer of issuers) checkIssuer(issuer);
  for (const [index, certificate] of certificates.entries()) {
    const issuer = certificates[index + 1];
    if (issuer !== undefined) checkLink(certificate, issuer, index);
  }
  const starts = certificates.map(({ notBefore }) => notBefore.getTime());
  const ends = certificates.map(({ notAfter }) => notAfter.getTime());
  return {
    leaf,
    certificates,
    notBefore: new Date(Math.max(...starts)),
    notAfter: new Date(Math.min(...ends)),
  };
}

function refused(why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', `the certificate chain of the timestamp authority ${why}`, {
    cause,
  });
}

function parse(der: Uint8Array, index: number): Certificate {
  try {
    return parseCertificate(der, `certificate ${index + 1} of the timestamp authority`);
  } catch (cause) {
    throw refused(`has a certificate at place ${index + 1} that cannot be read`, cause);
  }
}

function checkLeaf(leaf: Certificate): void {
  const purposes = leaf.extendedKeyUsage ?? [];
  const critical = leaf.extensions.get(extensionOids.extendedKeyUsage)?.critical === true;
  if (!critical || purposes.length !== 1 || purposes[0] !== keyPurposes.timeStamping) {
    throw refused('begins with a certificate that is not, critically, for timestamping alone');
  }
  if (leaf.basicConstraints?.ca === true) throw refused('begins with a CA');
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.has('digitalSignature')) {
    throw refused('begins with a certificate that is not for signatures');
  }
}

function checkIssuer(issuer: Certificate): void {
  const purposes = issuer.extendedKeyUsage;
  const isCa = issuer.basicConstraints?.ca === true && issuer.keyUsage?.has('keyCertSign') !== false;
  if (!isCa) throw refused('has an issuer that is no CA');
  if (purposes !== undefined && !purposes.includes(keyPurposes.timeStamping)) {
    throw refused('has an issuer that is not for timestamping');
  }
}

function checkLink(certificate: Certificate, issuer: Certificate, index: number): void {
  try {
    checkIssuedBy(certificate, { subject: issuer.subject, key: certificateKey(issuer) });
  } catch (cause) {
    throw refused(`breaks after place ${index + 1}: the next certificate did not issue that one`, cause);
  }
}
