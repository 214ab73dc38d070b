/** A certificate in words. Nothing is verified. */
import { hash } from 'node:crypto';
import { cursor, derTags, parseDer, readOid } from '../core/der.ts';
import { fromUtf8, hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Certificate, certificateKey, parseCertificate } from '../formats/certificate.ts';
import { readLeafIndex } from '../formats/ct-entry.ts';
import { extensionOids, type GeneralName, keyPurposes } from '../formats/extensions.ts';
import { listFulcioExtensions, usernameOid } from '../formats/fulcio-extensions.ts';
import { nameText } from '../formats/name.ts';
import { embeddedScts, sctListOid } from '../formats/sct.ts';
import { readSignatureAlgorithm } from '../formats/signature-algorithm.ts';
import { type CertificateInspection, type CertificateTimestampInspection, partOf } from './inspection.ts';

/** What certificate DER says. Throws what `parseCertificate` throws, and `ERR_DER_INVALID` for malformed names. */
export function inspectCertificate(der: Uint8Array, what: string): CertificateInspection {
  const certificate = parseCertificate(der, what);
  const identity = listFulcioExtensions(certificate);
  const told = new Set<string>([
    ...identity.map(({ oid }) => oid),
    sctListOid,
    ...Object.values(toldElsewhere),
  ]);
  return {
    subjects: certificate.subjectAltName.map((name) => describeName(name, what)),
    subjectName: nameText(certificate.subject, `the subject of ${what}`),
    issuerName: nameText(certificate.issuer, `the issuer of ${what}`),
    serial: serialText(certificate.serial),
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    publicKey: partOf(() => {
      const { type, hint } = certificateKey(certificate, what);
      return { type, hint };
    }),
    signatureAlgorithm: algorithmText(certificate.signatureAlgorithm, what),
    fingerprint: hash('sha256', der, 'hex'),
    isAuthority: certificate.basicConstraints?.ca ?? false,
    keyUsage: [...(certificate.keyUsage ?? [])],
    extendedKeyUsage: (certificate.extendedKeyUsage ?? []).map((oid) => purposes[oid] ?? oid),
    identity: identity.map(({ oid, name, text }) => ({
      oid,
      ...(name === undefined ? {} : { name }),
      ...(text === undefined ? {} : { text }),
    })),
    certificateTimestamps: partOf(() => describeScts(certificate, what)),
    otherExtensions: [...certificate.extensions.values()]
      .filter(({ oid }) => !told.has(oid))
      .map(({ oid, critical, value }) => ({ oid, critical, bytes: value.length })),
  };
}

const {
  subjectKeyIdentifier,
  authorityKeyIdentifier,
  keyUsage,
  extendedKeyUsage,
  subjectAltName,
  basicConstraints,
} = extensionOids;

/** Extensions with fields of their own, or that only link certificates. */
const toldElsewhere = {
  subjectKeyIdentifier,
  authorityKeyIdentifier,
  keyUsage,
  extendedKeyUsage,
  subjectAltName,
  basicConstraints,
};

const purposes: Readonly<Record<string, string>> = {
  [keyPurposes.codeSigning]: 'codeSigning',
  [keyPurposes.timeStamping]: 'timeStamping',
};

/** A serial number without the zero that only keeps it positive. */
export function serialText(content: Uint8Array): string {
  return hex(content[0] === 0 && content.length > 1 ? content.subarray(1) : content);
}

/** The time of milliseconds since 1970. Throws `ERR_LIMIT_EXCEEDED` for one that no calendar has. */
export function timeText(milliseconds: number, what: string): string {
  const time = new Date(milliseconds);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the time of ${what} is out of range`);
}

function algorithmText(identifier: Uint8Array, what: string): string {
  const known = readSignatureAlgorithm(identifier);
  if (known === undefined) {
    return readOid(cursor(parseDer(identifier, what), what).next(derTags.objectIdentifier).content, what);
  }
  const family = known.family === 'ec' ? 'ecdsa' : known.family;
  return known.hash === null ? family : `${family} ${known.hash}`;
}

function describeName(name: GeneralName, what: string): CertificateInspection['subjects'][number] {
  switch (name.type) {
    case 'email':
    case 'uri':
    case 'dns':
      return { type: name.type, value: name.value };
    case 'ip':
      return { type: name.type, value: hex(name.value) };
    case 'other':
      return name.oid === usernameOid
        ? { type: 'username', value: usernameText(name.value, what) }
        : { type: name.oid, value: hex(name.value) };
    case 'unread':
      return { type: `name ${name.tag & 0x1f}`, value: hex(name.bytes) };
  }
}

function usernameText(value: Uint8Array, what: string): string {
  return fromUtf8(parseDer(value, `the user name of ${what}`, derTags.utf8String).content, what);
}

function describeScts(certificate: Certificate, what: string): readonly CertificateTimestampInspection[] {
  return embeddedScts(certificate, what).map(({ logId, time, extensions }) => {
    const timestamp = `a certificate timestamp of ${what}`;
    const leafIndex = extensions.length === 0 ? undefined : readLeafIndex(extensions, timestamp);
    return {
      logId: hex(logId),
      time: timeText(time, timestamp),
      ...(leafIndex === undefined ? {} : { leafIndex }),
    };
  });
}
