/** What is refused here and accepted by `@sigstore/verify`, in certificates of signers and their timestamps. */
import { createHash } from 'node:crypto';
import { equalBytes } from '../../../src/core/encoding.ts';
import type { CertificateFacts } from './der-form.ts';
import { derTree } from './der-tree.ts';
import { type Difference, links } from './difference.ts';
import { isAuthority, type LogFacts, purposesOf, unknownCritical, usesOf } from './facts.ts';
import { codeSigning, forbidden, isSaidKey, refused, sctsOf } from './refusal.ts';

function isSelfIssued({ issuer, subject }: CertificateFacts): boolean {
  return equalBytes(issuer, subject);
}

function leafIs(test: (leaf: CertificateFacts) => boolean): Difference['applies'] {
  return ({ certificates: [leaf], trial }) =>
    trial.signer.kind === 'identity' && leaf !== undefined && test(leaf);
}

/** Whether a certificate log has a key that RFC 6962 lets it have. */
function isCtKey({ key }: LogFacts): boolean {
  return key?.asymmetricKeyDetails?.namedCurve === 'prime256v1' || key?.asymmetricKeyType === 'rsa';
}

/** Differences in certificates of signers and their timestamps. */
export const certificateDifferences: readonly Difference[] = [
  forbidden(
    'anchor-in-bundle',
    'It does not look at certificates beside that of the signer.',
    'Signers must not include root certificates in bundles',
    links.bundleProto,
    ({ certificates: [_, ...others] }) => others.some(isSelfIssued),
  ),
  forbidden(
    'chain-in-bundle',
    'It does not look at certificates beside that of the signer.',
    'What is listed as a certificate is one, in the form of RFC 5280',
    `${links.x509}#section-4.1`,
    ({ certificates: [_, ...others] }) => others.some(({ faults }) => faults.length > 0),
  ),
  forbidden(
    'certificate-form',
    'It reads what it needs of a certificate at its place, and nothing else of it.',
    'A certificate is DER in the form of RFC 5280: each part of its type, each extension once and with a value of its form, one signature algorithm inside and outside',
    `${links.x509}#section-4.1`,
    leafIs(({ faults }) => faults.length > 0),
  ),
  forbidden(
    'certificate-version',
    'It does not look at the version of a certificate.',
    'With extensions a certificate is of version 3',
    `${links.x509}#section-4.1.2.1`,
    leafIs(({ version }) => version !== 3),
  ),
  forbidden(
    'certificate-purpose',
    'It does not look at the extended key usage.',
    'A certificate of a signer is for code signing',
    links.fulcio,
    leafIs((leaf) => purposesOf(leaf)?.includes(codeSigning) !== true),
  ),
  forbidden(
    'certificate-use',
    'It does not look at the key usage of a signer.',
    'A certificate of a signer is for digital signatures',
    links.fulcio,
    leafIs((leaf) => ((usesOf(leaf) ?? 0) & 0x8000) === 0),
  ),
  forbidden(
    'certificate-authority',
    'It accepts the signature of an authority itself.',
    'A certificate of a signer is for digital signatures alone, and no authority',
    links.fulcio,
    leafIs((leaf) => isAuthority(leaf) || ((usesOf(leaf) ?? 0) & 0x0400) !== 0),
  ),
  forbidden(
    'critical-extension',
    'It does not look at critical extensions.',
    'A certificate with a critical extension that is not known must be rejected',
    `${links.x509}#section-4.2`,
    leafIs((leaf) => unknownCritical(leaf).length > 0),
  ),
  forbidden(
    'precertificate',
    'It accepts a certificate with the extension that marks a precertificate.',
    'With this extension it is none: it is there so that a precertificate cannot be used',
    `${links.ct}#section-3.1`,
    leafIs(({ extensions }) => extensions.some(({ oid }) => oid === '1.3.6.1.4.1.11129.2.4.3')),
  ),
  forbidden(
    'certificate-names',
    'It takes the first URI or, failing that, the first address of a certificate as its identity.',
    'A certificate of a signer has exactly one subject alternative name',
    links.fulcio,
    leafIs(({ extensions }) => {
      const value = extensions.find(({ oid }) => oid === '2.5.29.17')?.value;
      return value === undefined || derTree(value)?.parts?.length !== 1;
    }),
  ),
  forbidden(
    'issuer-twice',
    'It takes the newer of the two extensions that name the issuer, and does not compare them.',
    'Both name the one issuer of the token',
    links.oids,
    leafIs(({ extensions }) => {
      const first = extensions.find(({ oid }) => oid === '1.3.6.1.4.1.57264.1.1')?.value;
      const second = extensions.find(({ oid }) => oid === '1.3.6.1.4.1.57264.1.8')?.value;
      return first !== undefined && second !== undefined && !equalBytes(first, second.subarray(2));
    }),
  ),
  forbidden(
    'certificate-key',
    'It takes every key that OpenSSL reads.',
    'A signer has a P-256, P-384, P-521, Ed25519 or RSA key of a size that is in use, in its one spelling',
    links.algorithms,
    ({ key, certificates: [leaf], trial }) => {
      const kind = key?.asymmetricKeyDetails?.namedCurve ?? key?.asymmetricKeyType ?? '';
      if (!['prime256v1', 'secp384r1', 'secp521r1', 'ed25519', 'rsa'].includes(kind)) return true;
      const written = key?.export({ type: 'spki', format: 'der' }) ?? new Uint8Array(0);
      return trial.signer.kind === 'identity' && leaf !== undefined && !equalBytes(written, leaf.publicKey);
    },
  ),
  forbidden(
    'certificate-timestamps',
    'It reads the list of certificate timestamps as far as it needs it, and takes every hash.',
    'The list is as long as it says, not empty, and each timestamp is over SHA-256',
    `${links.ct}#section-3.3`,
    leafIs((leaf) => {
      const scts = sctsOf(leaf);
      return scts === undefined || scts.some(({ algorithm }) => algorithm !== '0403' && algorithm !== '0401');
    }),
  ),
  refused(
    'certificate-log-key',
    'It does not look at what a trusted root says of the key of a certificate log, and takes every kind.',
    'A certificate log signs with ECDSA over P-256 or with RSA, and is of the kind that the trusted root names',
    `${links.ct}#section-2.1.4`,
    ({ certificates: [leaf], certificateLogs }) =>
      leaf !== undefined &&
      (sctsOf(leaf) ?? []).some(({ log }) =>
        certificateLogs.some((one) => equalBytes(one.logId, log) && !(isSaidKey(one) && isCtKey(one))),
      ),
  ),
  refused(
    'certificate-log-identifier',
    'It takes the identifier of a certificate log as the trusted root says it.',
    'It is the SHA-256 of the key of the log',
    `${links.ct}#section-3.2`,
    ({ certificateLogs }) =>
      certificateLogs.some(
        ({ keyBytes, logId }) => !equalBytes(createHash('sha256').update(keyBytes).digest(), logId),
      ),
  ),
];
