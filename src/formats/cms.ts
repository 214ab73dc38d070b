/**
 * Cryptographic Message Syntax, as far as timestamps need it: signed data with its content inside and one signer.
 *
 *     ContentInfo ::= SEQUENCE { contentType id-signedData, content [0] EXPLICIT SignedData }
 *     SignedData  ::= SEQUENCE { version, digestAlgorithms SET OF, encapContentInfo SEQUENCE { eContentType,
 *                                eContent [0] EXPLICIT OCTET STRING }, certificates [0], crls [1], signerInfos SET OF }
 *     SignerInfo  ::= SEQUENCE { version, sid, digestAlgorithm, signedAttrs [0], signatureAlgorithm, signature,
 *                                unsignedAttrs [1] }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc5652#section-5 RFC 5652 section 5}
 */
import { hash } from 'node:crypto';
import {
  checkInteger,
  children,
  cursor,
  type DerElement,
  derConcat,
  derError,
  derExplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derSetOf,
  derTags,
  derTime,
  encodeDer,
  parseDer,
  readOid,
  readSmallInteger,
  readTime,
} from '../core/der.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Hash algorithms of digests in CMS, timestamps and certificates' identifiers, dotted (RFC 5754 section 2). */
export const hashOids = {
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
} as const;

/** A hash algorithm, as Node names it. */
export type HashName = keyof typeof hashOids;

/** The hash algorithm a dotted identifier names, or undefined when it is not one that is trusted here. */
export function hashNameOf(oid: string): HashName | undefined {
  return (Object.keys(hashOids) as HashName[]).find((name) => hashOids[name] === oid);
}

const signedDataOid = '1.2.840.113549.1.7.2';

/** Attributes that are signed (RFC 5652 section 11, RFC 2634 section 5.4, RFC 5035 section 3). */
const attributeOids = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

const knownAttributes: ReadonlySet<string> = new Set(Object.values(attributeOids));

/** The identifier of the certificate that a signature was made with: of what is signed, so it cannot be exchanged. */
export interface SigningCertificate {
  /** The hash algorithm, dotted; SHA-1 in the first version of the attribute. */
  readonly hashAlgorithm: string;
  /** The hash of the whole certificate. */
  readonly certificateHash: Uint8Array;
}

/** Who signed: issuer and serial number of the certificate, or its subject key identifier. */
export type SignerIdentifier =
  | {
      /** Name DER. */
      readonly issuer: Uint8Array;
      /** The content of the INTEGER. */
      readonly serial: Uint8Array;
    }
  | { readonly keyIdentifier: Uint8Array };

/** A signer of signed data. Byte strings are slices of the input. */
export interface SignerInfo {
  readonly identifier: SignerIdentifier;
  /** The hash of the content, dotted. */
  readonly digestAlgorithm: string;
  /** The signed attributes as they are signed: with the tag of a SET. */
  readonly signedAttributes: Uint8Array;
  /** What the signed attributes say the content's type is, dotted. */
  readonly contentType: string;
  /** What the signed attributes say the content's hash is. */
  readonly messageDigest: Uint8Array;
  readonly signingTime: Date | undefined;
  /** The first is the signer's; empty when neither version of the attribute is there. */
  readonly signingCertificates: readonly SigningCertificate[];
  /** AlgorithmIdentifier, DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** Signed data, decoded and not verified. Byte strings are slices of the input. */
export interface SignedData {
  /** The type of the content, dotted. */
  readonly contentType: string;
  readonly content: Uint8Array;
  /** DER each, in the order of the message. */
  readonly certificates: readonly Uint8Array[];
  readonly signer: SignerInfo;
}

/**
 * Reads a ContentInfo that is signed data with content and exactly one signer, who signed attributes. Every other kind
 * of CMS is refused. Attributes that are not known are kept in the bytes and otherwise ignored. Throws
 * `ERR_DER_INVALID` naming `what`, and `ERR_LIMIT_EXCEEDED` for too many certificates.
 */
export function parseSignedData(der: Uint8Array, what: string): SignedData {
  const outer = cursor(parseDer(der, what, derTags.sequence), what);
  if (readOid(outer.next(derTags.objectIdentifier).content, what) !== signedDataOid) {
    throw derError(what, 'it is not signed data');
  }
  const inside = cursor(outer.next(0xa0), what);
  outer.end();
  const parts = cursor(inside.next(derTags.sequence), what);
  inside.end();

  const version = readSmallInteger(parts.next(derTags.integer).content, what);
  if (version < 1 || version > 5) throw derError(what, 'its version is unknown');
  parts.next(derTags.set);
  const encapsulated = cursor(parts.next(derTags.sequence), what);
  const contentType = readOid(encapsulated.next(derTags.objectIdentifier).content, what);
  const wrapped = cursor(encapsulated.next(0xa0), what);
  const { content } = wrapped.next(derTags.octetString);
  wrapped.end();
  encapsulated.end();
  const certificates = readCertificates(parts.optional(0xa0), what);
  parts.optional(0xa1);
  const signers = children(parts.next(derTags.set), what);
  parts.end();
  const [signer, ...others] = signers;
  if (signer === undefined || others.length > 0) throw derError(what, 'it does not have exactly one signer');
  return { contentType, content, certificates, signer: readSigner(signer, what) };
}

function readCertificates(element: DerElement | undefined, what: string): Uint8Array[] {
  if (element === undefined) return [];
  const list = children(element, what);
  if (list.length > limits.bundleItems) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${list.length} certificates; the limit is ${limits.bundleItems}`,
    );
  }
  return list.map(({ tag, bytes }) => {
    if (tag !== derTags.sequence) throw derError(what, 'a certificate is of an unknown kind');
    return bytes;
  });
}

function readSigner(element: DerElement, what: string): SignerInfo {
  if (element.tag !== derTags.sequence) throw derError(what, 'a part has another type');
  const parts = cursor(element, what);
  const version = readSmallInteger(parts.next(derTags.integer).content, what);
  const identifier = readIdentifier(parts.next(), what);
  // RFC 5652 section 5.3: the version says which kind of identifier it is.
  if (version !== ('issuer' in identifier ? 1 : 3)) throw derError(what, 'the version of a signer is wrong');
  const digestAlgorithm = readAlgorithm(parts.next(derTags.sequence), what);
  const attributes = parts.next(0xa0);
  const signatureAlgorithm = parts.next(derTags.sequence).bytes;
  const signature = parts.next(derTags.octetString).content;
  parts.optional(0xa1);
  parts.end();
  return {
    identifier,
    digestAlgorithm,
    // RFC 5652 section 5.4: the tag is changed for the signature, everything else is as it stands.
    signedAttributes: retag(attributes.bytes, derTags.set),
    ...readAttributes(attributes, what),
    signatureAlgorithm,
    signature,
  };
}

function retag(bytes: Uint8Array, tag: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[0] = tag;
  return copy;
}

function readIdentifier(element: DerElement, what: string): SignerIdentifier {
  if (element.tag === 0x80) return { keyIdentifier: element.content };
  if (element.tag !== derTags.sequence) throw derError(what, 'a part has another type');
  const parts = cursor(element, what);
  const issuer = parts.next(derTags.sequence).bytes;
  const serial = parts.next(derTags.integer).content;
  parts.end();
  checkInteger(serial, what);
  return { issuer, serial };
}

/**
 * The dotted name of an AlgorithmIdentifier whose parameters are absent or NULL, as those of hashes are (RFC 5754
 * section 2). Throws `ERR_DER_INVALID`.
 */
export function readAlgorithm(element: DerElement, what: string): string {
  const parts = cursor(element, what);
  const oid = readOid(parts.next(derTags.objectIdentifier).content, what);
  const parameters = parts.optional(derTags.null);
  if (parameters !== undefined && parameters.content.length > 0) throw derError(what, 'a NULL is not empty');
  parts.end();
  return oid;
}

type Attributes = Pick<SignerInfo, 'contentType' | 'messageDigest' | 'signingTime' | 'signingCertificates'>;

/** RFC 5652 section 11: each of these attributes is there at most once and has exactly one value. */
function readAttributes(element: DerElement, what: string): Attributes {
  const known = new Map<string, DerElement>();
  for (const attribute of children(element, what)) {
    if (attribute.tag !== derTags.sequence) throw derError(what, 'a part has another type');
    const parts = cursor(attribute, what);
    const oid = readOid(parts.next(derTags.objectIdentifier).content, what);
    const values = children(parts.next(derTags.set), what);
    parts.end();
    if (!knownAttributes.has(oid)) continue;
    const [value, ...others] = values;
    if (known.has(oid) || value === undefined || others.length > 0) {
      throw derError(what, `the signed attribute ${oid} does not have exactly one value`);
    }
    known.set(oid, value);
  }
  const contentType = known.get(attributeOids.contentType);
  const digest = known.get(attributeOids.messageDigest);
  if (contentType?.tag !== derTags.objectIdentifier || digest?.tag !== derTags.octetString) {
    throw derError(what, 'its signed attributes do not name the content');
  }
  const signingTime = known.get(attributeOids.signingTime);
  return {
    contentType: readOid(contentType.content, what),
    messageDigest: digest.content,
    signingTime: signingTime && readTime(signingTime, what),
    signingCertificates: readSigningCertificates(known, what),
  };
}

function readSigningCertificates(
  known: ReadonlyMap<string, DerElement>,
  what: string,
): readonly SigningCertificate[] {
  const second = known.get(attributeOids.signingCertificateV2);
  const value = second ?? known.get(attributeOids.signingCertificate);
  if (value === undefined) return [];
  if (value.tag !== derTags.sequence) throw derError(what, 'a part has another type');
  const parts = cursor(value, what);
  const identifiers = children(parts.next(derTags.sequence), what);
  parts.optional(derTags.sequence);
  parts.end();
  if (identifiers.length === 0 || identifiers.length > limits.bundleItems) {
    throw derError(what, 'it does not name the certificate of its signer');
  }
  return identifiers.map((one) => readCertificateIdentifier(one, second !== undefined, what));
}

/**
 *     ESSCertIDv2 ::= SEQUENCE { hashAlgorithm DEFAULT SHA-256, certHash OCTET STRING, issuerSerial OPTIONAL }
 *     ESSCertID   ::= SEQUENCE { certHash OCTET STRING, issuerSerial OPTIONAL }
 */
function readCertificateIdentifier(
  element: DerElement,
  hasAlgorithm: boolean,
  what: string,
): SigningCertificate {
  if (element.tag !== derTags.sequence) throw derError(what, 'a part has another type');
  const parts = cursor(element, what);
  const algorithm = hasAlgorithm ? parts.optional(derTags.sequence) : undefined;
  const certificateHash = parts.next(derTags.octetString).content;
  parts.optional(derTags.sequence);
  parts.end();
  const assumed = hasAlgorithm ? hashOids.sha256 : '1.3.14.3.2.26';
  return {
    hashAlgorithm: algorithm === undefined ? assumed : readAlgorithm(algorithm, what),
    certificateHash,
  };
}

/** What {@link signedDataEncoder} is made for. */
export interface SignedDataOptions {
  /** The type of the content, dotted. */
  readonly contentType: string;
  /** The signer's certificate: its DER, its issuer's Name DER and the content of its serial number's INTEGER. */
  readonly certificate: {
    readonly der: Uint8Array;
    readonly issuer: Uint8Array;
    readonly serial: Uint8Array;
  };
  /** AlgorithmIdentifier of the signature, DER. */
  readonly signatureAlgorithm: Uint8Array;
}

/** Writes signed data for one signer and one type of content. */
export interface SignedDataEncoder {
  /** The attributes to be signed for `content` at `time`, as they are signed: DER with the tag of a SET. */
  attributes(content: Uint8Array, time: Date): Uint8Array;
  /** ContentInfo DER of `content`, its signed attributes and the signature over them. */
  encode(
    content: Uint8Array,
    attributes: Uint8Array,
    signature: Uint8Array,
    withCertificate: boolean,
  ): Uint8Array;
}

/**
 * An encoder of signed data over SHA-256, with the signed attributes that RFC 3161 section 2.4.2 and RFC 5816 ask for:
 * content type, signing time, message digest and signing certificate. What is the same in every message is encoded
 * once.
 */
export function signedDataEncoder(options: SignedDataOptions): SignedDataEncoder {
  const { certificate, signatureAlgorithm } = options;
  const contentType = derOid(options.contentType);
  const issuerAndSerial = derSequence(certificate.issuer, encodeDer(derTags.integer, certificate.serial));
  const sha256 = derSequence(derOid(hashOids.sha256));
  const contentTypeAttribute = attribute(attributeOids.contentType, contentType);
  const certificateAttribute = attribute(
    attributeOids.signingCertificateV2,
    signingCertificateValue(certificate),
  );
  const signingTimeOid = derOid(attributeOids.signingTime);
  const messageDigestOid = derOid(attributeOids.messageDigest);
  const signedDataType = derOid(signedDataOid);
  const dataStart = derConcat(derInteger(3), derSetOf(sha256));
  const signerStart = derConcat(derInteger(1), issuerAndSerial, sha256);
  const certificates = derExplicit(0, certificate.der);
  const nothing = new Uint8Array(0);
  return {
    attributes: (content, time) =>
      derSetOf(
        contentTypeAttribute,
        derSequence(signingTimeOid, encodeDer(derTags.set, derTime(time))),
        derSequence(
          messageDigestOid,
          encodeDer(derTags.set, derOctetString(hash('sha256', content, 'buffer'))),
        ),
        certificateAttribute,
      ),
    encode(content, attributes, signature, withCertificate) {
      const signer = derSequence(
        signerStart,
        retag(attributes, 0xa0),
        signatureAlgorithm,
        derOctetString(signature),
      );
      const data = derSequence(
        dataStart,
        derSequence(contentType, derExplicit(0, derOctetString(content))),
        withCertificate ? certificates : nothing,
        encodeDer(derTags.set, signer),
      );
      return derSequence(signedDataType, derExplicit(0, data));
    },
  };
}

function attribute(oid: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), encodeDer(derTags.set, value));
}

/** The hash algorithm is left out, because SHA-256 is the default (RFC 5035 section 4). */
function signingCertificateValue(certificate: SignedDataOptions['certificate']): Uint8Array {
  const issuer = derSequence(derExplicit(4, certificate.issuer));
  const issuerSerial = derSequence(issuer, encodeDer(derTags.integer, certificate.serial));
  const digest = derOctetString(hash('sha256', certificate.der, 'buffer'));
  return derSequence(derSequence(derSequence(digest, issuerSerial)));
}
