/**
 * X.509 certificates: a strict reader that keeps the bytes it read, and a writer.
 *
 *     Certificate    ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 *     TBSCertificate ::= SEQUENCE { version [0], serialNumber, signature, issuer, validity, subject,
 *                                   subjectPublicKeyInfo, issuerUniqueID [1], subjectUniqueID [2], extensions [3] }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc5280#section-4.1 RFC 5280 section 4.1}
 */
import {
  checkElements,
  checkInteger,
  cursor,
  type DerCursor,
  type DerElement,
  derBitString,
  derError,
  derExplicit,
  derInteger,
  derSequence,
  derTags,
  derTime,
  isNegative,
  parseDer,
  readBitString,
  readBoolean,
  readOid,
  readSmallInteger,
  readTime,
} from '../core/der.ts';
import { concatBytes, equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type BasicConstraints,
  extensionOids,
  type GeneralName,
  type KeyUsage,
  parseAuthorityKeyIdentifier,
  parseBasicConstraints,
  parseExtendedKeyUsage,
  parseKeyUsage,
  parseSubjectAltName,
  parseSubjectKeyIdentifier,
} from './extensions.ts';
import { parseName } from './name.ts';
import { parsePem } from './pem.ts';
import { type PublicKey, parsePublicKey } from './public-key.ts';
import { readSignatureAlgorithm, verifiesWith } from './signature-algorithm.ts';

/** An extension as it stands in a certificate. */
export interface Extension {
  /** Dotted. */
  readonly oid: string;
  readonly critical: boolean;
  /** What the OCTET STRING holds. */
  readonly value: Uint8Array;
  /** The whole Extension, DER. */
  readonly bytes: Uint8Array;
}

/**
 * A certificate. Every byte string is a slice of the input, never encoded again. Names are Name DER; they are equal
 * when their bytes are.
 */
export interface Certificate {
  /** The whole certificate, DER. */
  readonly der: Uint8Array;
  /** The whole TBSCertificate, DER: what is signed. */
  readonly tbs: Uint8Array;
  /** What stands in the TBSCertificate before the extensions: its content up to `[3]`. */
  readonly tbsStart: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** The content of the INTEGER: big-endian, with a leading 00 when the first bit is set. */
  readonly serial: Uint8Array;
  /** AlgorithmIdentifier, DER, the same inside and outside of what is signed. */
  readonly signatureAlgorithm: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Both ends belong to the validity, in whole seconds. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** In the order of the certificate, each at most once. */
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly signature: Uint8Array;

  readonly basicConstraints: BasicConstraints | undefined;
  readonly keyUsage: ReadonlySet<KeyUsage> | undefined;
  /** Purposes, dotted. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  /** Subject alternative names; empty without the extension. */
  readonly subjectAltName: readonly GeneralName[];
}

/** What is signed in a certificate that is made. */
export interface CertificateFields {
  /** Unsigned big-endian bytes. */
  readonly serial: Uint8Array;
  /** AlgorithmIdentifier, DER. */
  readonly signatureAlgorithm: Uint8Array;
  /** Name DER. */
  readonly issuer: Uint8Array;
  /** Milliseconds are dropped, here and below. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Name DER. */
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Extension DER each, in order. */
  readonly extensions: readonly Uint8Array[];
}

const version3 = derExplicit(0, derInteger(2));

/** The TBSCertificate of a v3 certificate, DER. */
export function encodeTbs(fields: CertificateFields): Uint8Array {
  return joinTbs(encodeTbsStart(fields), fields.extensions);
}

/** What stands in a TBSCertificate before its extensions, for certificates that differ only in these. */
export function encodeTbsStart(fields: Omit<CertificateFields, 'extensions'>): Uint8Array {
  return concatBytes(
    version3,
    derInteger(fields.serial),
    fields.signatureAlgorithm,
    fields.issuer,
    derSequence(derTime(fields.notBefore), derTime(fields.notAfter)),
    fields.subject,
    fields.spki,
  );
}

/** A TBSCertificate of its start and its extensions. */
export function joinTbs(start: Uint8Array, extensions: readonly Uint8Array[]): Uint8Array {
  return derSequence(start, derExplicit(3, derSequence(...extensions)));
}

/** Certificate DER of a TBSCertificate and its signature. */
export function encodeCertificate(
  tbs: Uint8Array,
  signatureAlgorithm: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return derSequence(tbs, signatureAlgorithm, derBitString(signature));
}

/** Signs a TBSCertificate that names `signatureAlgorithm`: certificate DER. Throws what `sign` throws. */
export async function signCertificate(
  tbs: Uint8Array,
  signatureAlgorithm: Uint8Array,
  sign: (message: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  return encodeCertificate(tbs, signatureAlgorithm, await sign(tbs));
}

const serialLength = 20;

/**
 * A serial number of 20 bytes, positive and unpredictable, from a source of `length` random bytes (RFC 5280 section
 * 4.1.2.2). 158 bits are random: the first bit is clear so that it is positive, the second set so that it is 20 bytes.
 */
export function serialNumber(random: (length: number) => Uint8Array): Uint8Array {
  const serial = random(serialLength);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** As {@link serialNumber}, for many: asking for randomness costs more than the randomness. */
export function serialNumbers(random: (length: number) => Uint8Array): () => Uint8Array {
  const count = 64;
  let drawn = new Uint8Array(0);
  return () => {
    if (drawn.length === 0) drawn = Uint8Array.from(random(count * serialLength));
    const serial = serialNumber((length) => drawn.slice(0, length));
    drawn = drawn.subarray(serialLength);
    return serial;
  };
}

/**
 * Reads a certificate. `what` names it in errors. Throws `ERR_LIMIT_EXCEEDED` and `ERR_CERTIFICATE_INVALID`, the
 * latter for anything that is not DER of the schema, for an extension that is there twice, and for a known extension
 * whose value is malformed. It judges no time, key, purpose or signature.
 */
export function parseCertificate(der: Uint8Array, what = 'the certificate'): Certificate {
  if (der.length > limits.certificateBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${der.length} bytes; the limit is ${limits.certificateBytes}`,
    );
  }
  try {
    return readCertificate(der, what);
  } catch (cause) {
    if (!(cause instanceof BoltsealError) || cause.code === 'ERR_LIMIT_EXCEEDED') throw cause;
    throw new BoltsealError('ERR_CERTIFICATE_INVALID', cause.message, { cause });
  }
}

/**
 * The certificates of PEM text, in order; blocks with other labels are refused. Throws `ERR_LIMIT_EXCEEDED`,
 * `ERR_ENCODING_INVALID` and `ERR_CERTIFICATE_INVALID`, the latter also when there is none.
 */
export function parsePemCertificates(
  pem: Uint8Array,
  what = 'the certificate chain',
): readonly Certificate[] {
  const blocks = parsePem(pem, what, limits.certificateBytes * limits.pemBlocks);
  if (blocks.length === 0) {
    throw new BoltsealError('ERR_CERTIFICATE_INVALID', `${what} has no certificate`);
  }
  return blocks.map(({ label, der }) => {
    if (label !== 'CERTIFICATE') {
      throw new BoltsealError('ERR_CERTIFICATE_INVALID', `${what} holds a block labelled ${label}`);
    }
    return parseCertificate(der, blocks.length === 1 ? what : `a certificate of ${what}`);
  });
}

function readCertificate(der: Uint8Array, what: string): Certificate {
  const whole = parseDer(der, what, derTags.sequence);
  checkElements(whole, what);
  const outer = cursor(whole, what);
  const tbs = outer.next(derTags.sequence);
  const outerAlgorithm = outer.next(derTags.sequence).bytes;
  const signature = readBitString(outer.next(derTags.bitString).content, what);
  outer.end();

  const parts = cursor(tbs, what);
  const version = readVersion(parts, what);
  const serial = parts.next(derTags.integer).content;
  checkInteger(serial, what);
  if (isNegative(serial)) throw derError(what, 'its serial number is negative');
  const signatureAlgorithm = parts.next(derTags.sequence).bytes;
  if (!equalBytes(signatureAlgorithm, outerAlgorithm)) {
    throw derError(what, 'it names two signature algorithms');
  }
  const issuer = readName(parts, `the issuer of ${what}`);
  const validity = cursor(parts.next(derTags.sequence), what);
  const notBefore = readTime(validity.next(), what);
  const notAfter = readTime(validity.next(), what);
  validity.end();
  const subject = readName(parts, `the subject of ${what}`);
  const spki = readSpki(parts.next(derTags.sequence), what);
  // Unique identifiers, which nobody uses: BIT STRINGs, and only in version 2 and 3.
  const uniqueIdentifiers = [parts.optional(0x81), parts.optional(0x82)].some((one) => one !== undefined);
  if (uniqueIdentifiers && version === 1) throw derError(what, 'it has a part that its version does not');
  const list = parts.optional(0xa3);
  parts.end();
  if (list !== undefined && version !== 3) throw derError(what, 'it has a part that its version does not');
  const extensions = list === undefined ? new Map<string, Extension>() : readExtensions(list, what);
  const tbsStart = tbs.content.subarray(0, tbs.content.length - (list?.bytes.length ?? 0));
  return {
    der,
    tbs: tbs.bytes,
    tbsStart,
    version,
    serial,
    signatureAlgorithm,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    extensions,
    signature,
    ...readKnownExtensions(extensions, what),
  };
}

function readVersion(parts: DerCursor, what: string): 1 | 2 | 3 {
  const tagged = parts.optional(0xa0);
  if (tagged === undefined) return 1;
  const inner = cursor(tagged, what);
  const version = readSmallInteger(inner.next(derTags.integer).content, what);
  inner.end();
  // DER leaves out the default, which is version 1.
  if (version !== 1 && version !== 2) throw derError(what, 'its version is unknown');
  return version === 1 ? 2 : 3;
}

/** A name is compared by its bytes, and is one all the same. */
function readName(parts: DerCursor, what: string): Uint8Array {
  const { bytes } = parts.next(derTags.sequence);
  parseName(bytes, what);
  return bytes;
}

/** Judges the frame of a SubjectPublicKeyInfo; the key in it is read by whoever uses it. */
function readSpki(element: DerElement, what: string): Uint8Array {
  const parts = cursor(element, what);
  const algorithm = cursor(parts.next(derTags.sequence), what);
  readOid(algorithm.next(derTags.objectIdentifier).content, what);
  if (algorithm.peek !== undefined) algorithm.next();
  algorithm.end();
  readBitString(parts.next(derTags.bitString).content, what);
  parts.end();
  return element.bytes;
}

function readExtensions(element: DerElement, what: string): Map<string, Extension> {
  const outer = cursor(element, what);
  const list = cursor(outer.next(derTags.sequence), what);
  outer.end();
  const found = new Map<string, Extension>();
  while (list.peek !== undefined) {
    if (found.size === limits.certificateExtensions) {
      throw new BoltsealError(
        'ERR_LIMIT_EXCEEDED',
        `${what} has more than ${limits.certificateExtensions} extensions`,
      );
    }
    const item = list.next(derTags.sequence);
    const parts = cursor(item, what);
    const oid = readOid(parts.next(derTags.objectIdentifier).content, what);
    // A FALSE that is written out is not DER, but CAs write it, and OpenSSL and Go read it.
    const flag = parts.optional(derTags.boolean);
    const critical = flag !== undefined && readBoolean(flag.content, what);
    const value = parts.next(derTags.octetString).content;
    parts.end();
    if (found.has(oid)) throw derError(what, `it has the extension ${oid} twice`);
    found.set(oid, { oid, critical, value, bytes: item.bytes });
  }
  if (found.size === 0) throw derError(what, 'its list of extensions is empty');
  return found;
}

type KnownExtensions = Pick<
  Certificate,
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'subjectKeyIdentifier'
  | 'authorityKeyIdentifier'
  | 'subjectAltName'
>;

function readKnownExtensions(extensions: ReadonlyMap<string, Extension>, what: string): KnownExtensions {
  const read = <T>(
    oid: string,
    name: string,
    parse: (value: Uint8Array, what: string) => T,
  ): T | undefined => {
    const extension = extensions.get(oid);
    return extension && parse(extension.value, `${name} of ${what}`);
  };
  const {
    basicConstraints,
    keyUsage,
    extendedKeyUsage,
    subjectKeyIdentifier,
    authorityKeyIdentifier,
    subjectAltName,
  } = extensionOids;
  return {
    basicConstraints: read(basicConstraints, 'the basic constraints', parseBasicConstraints),
    keyUsage: read(keyUsage, 'the key usage', parseKeyUsage),
    extendedKeyUsage: read(extendedKeyUsage, 'the extended key usage', parseExtendedKeyUsage),
    subjectKeyIdentifier: read(subjectKeyIdentifier, 'the subject key identifier', parseSubjectKeyIdentifier),
    authorityKeyIdentifier: read(
      authorityKeyIdentifier,
      'the authority key identifier',
      parseAuthorityKeyIdentifier,
    ),
    subjectAltName: read(subjectAltName, 'the subject alternative name', parseSubjectAltName) ?? [],
  };
}

/**
 * The key of a certificate. Throws `ERR_KEY_UNSUPPORTED` and `ERR_KEY_INVALID`; one that is not in its one DER
 * spelling is refused too.
 */
export function certificateKey(certificate: Certificate, what = 'the certificate'): PublicKey {
  return parsePublicKey(certificate.spki, `the key of ${what}`);
}

/**
 * Checks that `issuer` is named by and signed `certificate`. It judges neither validity nor whether `issuer` may
 * issue. Throws `ERR_CERTIFICATE_INVALID`.
 */
export function checkIssuedBy(
  certificate: Certificate,
  issuer: Pick<Certificate, 'subject'> & { readonly key: PublicKey },
  what = 'the certificate',
): void {
  const refused = (why: string): BoltsealError =>
    new BoltsealError('ERR_CERTIFICATE_INVALID', `${what} ${why}`);
  if (!equalBytes(certificate.issuer, issuer.subject)) throw refused('names another issuer');
  const algorithm = readSignatureAlgorithm(certificate.signatureAlgorithm);
  if (algorithm === undefined) throw refused('is signed with an unsupported algorithm');
  if (!verifiesWith(algorithm, issuer.key.key, certificate.tbs, certificate.signature)) {
    throw refused('is not signed by its issuer');
  }
}
