/**
 * Certificate extensions that every certificate of a Sigstore has.
 *
 *     Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc5280#section-4.2 RFC 5280 section 4.2}
 */
import { hash } from 'node:crypto';
import {
  children,
  cursor,
  type DerElement,
  derBoolean,
  derError,
  derExplicit,
  derImplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTags,
  encodeDer,
  parseDer,
  readBitString,
  readBoolean,
  readOid,
  readSmallInteger,
} from '../core/der.ts';
import { utf8 } from '../core/encoding.ts';

/** Object identifiers of extensions (RFC 5280 section 4.2.1). */
export const extensionOids = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** Purposes of the extended key usage extension (RFC 5280 section 4.2.1.12). */
export const keyPurposes = {
  codeSigning: '1.3.6.1.5.5.7.3.3',
  timeStamping: '1.3.6.1.5.5.7.3.8',
} as const;

/** What a key may be used for, in the order of the bits (RFC 5280 section 4.2.1.3). */
export const keyUsages = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

/** One use of a key. */
export type KeyUsage = (typeof keyUsages)[number];

/** The basic constraints of a certificate (RFC 5280 section 4.2.1.9). */
export interface BasicConstraints {
  readonly ca: boolean;
  /** How many CA certificates may stand between this one and the last of a chain; no limit when undefined. */
  readonly pathLength: number | undefined;
}

/** One alternative name of a subject (RFC 5280 section 4.2.1.6). */
export type GeneralName =
  | { readonly type: 'email' | 'dns' | 'uri'; readonly value: string }
  | { readonly type: 'ip'; readonly value: Uint8Array }
  /** `value` is the DER of the one element inside `[0]`. */
  | { readonly type: 'other'; readonly oid: string; readonly value: Uint8Array }
  /** Any other kind, whole. */
  | { readonly type: 'unread'; readonly tag: number; readonly bytes: Uint8Array };

const encodedOids: ReadonlyMap<string, Uint8Array> = new Map(
  Object.values(extensionOids).map((oid) => [oid, derOid(oid)]),
);

/** DER of an extension around DER of its value. */
export function encodeExtension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  const type = encodedOids.get(oid) ?? derOid(oid);
  const wrapped = derOctetString(value);
  return critical ? derSequence(type, derBoolean(true), wrapped) : derSequence(type, wrapped);
}

/** The basic constraints extension, critical. */
export function encodeBasicConstraints(constraints: BasicConstraints): Uint8Array {
  const parts: Uint8Array[] = [];
  if (constraints.ca) parts.push(derBoolean(true));
  if (constraints.pathLength !== undefined) parts.push(derInteger(constraints.pathLength));
  return encodeExtension(extensionOids.basicConstraints, derSequence(...parts), true);
}

/** The key usage extension, critical. */
export function encodeKeyUsage(uses: readonly KeyUsage[]): Uint8Array {
  let bits = 0;
  for (const use of uses) bits |= 0x8000 >>> keyUsages.indexOf(use);
  const length = (bits & 0xff) === 0 ? 1 : 2;
  // A named bit list ends with its last bit that is set (X.690 section 11.2.2).
  let unused = 0;
  while (unused < 7 && ((bits >>> (16 - length * 8)) & (1 << unused)) === 0) unused++;
  const content = Uint8Array.of(unused, bits >>> 8, bits & 0xff).subarray(0, 1 + length);
  return encodeExtension(extensionOids.keyUsage, encodeDer(derTags.bitString, content), true);
}

/** The extended key usage extension. A timestamping certificate's must be critical (RFC 3161 section 2.3). */
export function encodeExtendedKeyUsage(purposes: readonly string[], critical = false): Uint8Array {
  return encodeExtension(extensionOids.extendedKeyUsage, derSequence(...purposes.map(derOid)), critical);
}

/** The subject key identifier extension. */
export function encodeSubjectKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return encodeExtension(extensionOids.subjectKeyIdentifier, derOctetString(identifier));
}

/** The authority key identifier extension, with the key identifier alone. */
export function encodeAuthorityKeyIdentifier(identifier: Uint8Array): Uint8Array {
  return encodeExtension(extensionOids.authorityKeyIdentifier, derSequence(derImplicit(0, identifier)));
}

/** The subject alternative name extension. It is critical when the subject is empty (RFC 5280 section 4.2.1.6). */
export function encodeSubjectAltName(names: readonly GeneralName[], critical: boolean): Uint8Array {
  return encodeExtension(
    extensionOids.subjectAltName,
    derSequence(...names.map(encodeGeneralName)),
    critical,
  );
}

function encodeGeneralName(name: GeneralName): Uint8Array {
  switch (name.type) {
    case 'other':
      return derExplicit(0, derOid(name.oid), derExplicit(0, name.value));
    case 'email':
      return derImplicit(1, utf8(name.value));
    case 'dns':
      return derImplicit(2, utf8(name.value));
    case 'uri':
      return derImplicit(6, utf8(name.value));
    case 'ip':
      return derImplicit(7, name.value);
    case 'unread':
      return name.bytes;
  }
}

/**
 * The identifier of a key: SHA-1 over the bits of its SubjectPublicKeyInfo (RFC 5280 section 4.2.1.2, method 1).
 * Throws `ERR_DER_INVALID`.
 */
export function keyIdentifier(spki: Uint8Array): Uint8Array {
  const parts = cursor(parseDer(spki, 'a public key', derTags.sequence), 'a public key');
  parts.next(derTags.sequence);
  const bits = readBitString(parts.next(derTags.bitString).content, 'a public key');
  parts.end();
  // As a string of bytes it takes half of the time that a Buffer takes.
  const digest = hash('sha1', bits, 'binary');
  const identifier = new Uint8Array(digest.length);
  for (let index = 0; index < digest.length; index++) identifier[index] = digest.charCodeAt(index);
  return identifier;
}

/** Reads the value of a basic constraints extension. Throws `ERR_DER_INVALID`. */
export function parseBasicConstraints(value: Uint8Array, what: string): BasicConstraints {
  const parts = cursor(parseDer(value, what, derTags.sequence), what);
  const flag = parts.optional(derTags.boolean);
  const ca = flag !== undefined && readBoolean(flag.content, what);
  const length = parts.optional(derTags.integer);
  parts.end();
  if (length !== undefined && !ca) throw derError(what, 'it limits a chain without being a CA');
  return { ca, pathLength: length === undefined ? undefined : readSmallInteger(length.content, what) };
}

/** Reads the value of a key usage extension. Throws `ERR_DER_INVALID`. */
export function parseKeyUsage(value: Uint8Array, what: string): ReadonlySet<KeyUsage> {
  const { content } = parseDer(value, what, derTags.bitString);
  const [unused = 8, first = 0, second = 0] = content;
  const last = content.length > 1 ? (content[content.length - 1] ?? 0) : 0;
  if (unused > 7 || content.length > 3 || (content.length === 1 && unused !== 0)) {
    throw derError(what, 'a bit string is malformed');
  }
  if ((last & ((1 << unused) - 1)) !== 0) throw derError(what, 'a bit string is malformed');
  const bits = (first << 8) | second;
  return new Set(keyUsages.filter((_, index) => (bits & (0x8000 >>> index)) !== 0));
}

/** Reads the value of an extended key usage extension: purposes, dotted. Throws `ERR_DER_INVALID`. */
export function parseExtendedKeyUsage(value: Uint8Array, what: string): readonly string[] {
  const purposes = children(parseDer(value, what, derTags.sequence), what);
  if (purposes.length === 0) throw derError(what, 'it has no purpose');
  return purposes.map((purpose) => {
    if (purpose.tag !== derTags.objectIdentifier) throw derError(what, 'a part has another type');
    return readOid(purpose.content, what);
  });
}

/** Reads the value of a subject key identifier extension. Throws `ERR_DER_INVALID`. */
export function parseSubjectKeyIdentifier(value: Uint8Array, what: string): Uint8Array {
  return parseDer(value, what, derTags.octetString).content;
}

/** Reads the key identifier of an authority key identifier extension, if it has one. Throws `ERR_DER_INVALID`. */
export function parseAuthorityKeyIdentifier(value: Uint8Array, what: string): Uint8Array | undefined {
  const parts = cursor(parseDer(value, what, derTags.sequence), what);
  const identifier = parts.optional(0x80)?.content;
  parts.optional(0xa1);
  parts.optional(0x82);
  parts.end();
  return identifier;
}

/** Reads the value of a subject alternative name extension: at least one name. Throws `ERR_DER_INVALID`. */
export function parseSubjectAltName(value: Uint8Array, what: string): readonly GeneralName[] {
  const names = children(parseDer(value, what, derTags.sequence), what);
  if (names.length === 0) throw derError(what, 'it has no name');
  return names.map((name) => parseGeneralName(name, what));
}

function parseGeneralName(element: DerElement, what: string): GeneralName {
  const { tag, content, bytes } = element;
  switch (tag) {
    case 0xa0: {
      const parts = cursor(element, what);
      const oid = readOid(parts.next(derTags.objectIdentifier).content, what);
      const outer = parts.next(0xa0);
      parts.end();
      const inner = cursor(outer, what);
      const value = inner.next().bytes;
      inner.end();
      return { type: 'other', oid, value };
    }
    case 0x81:
      return { type: 'email', value: ia5(content, what) };
    case 0x82:
      return { type: 'dns', value: ia5(content, what) };
    case 0x86:
      return { type: 'uri', value: ia5(content, what) };
    case 0x87:
      return { type: 'ip', value: content };
    case 0xa3:
    case 0xa4:
    case 0xa5:
    case 0x88:
      return { type: 'unread', tag, bytes };
    default:
      throw derError(what, 'a name has an unknown type');
  }
}

/** The text of an IA5String: seven bits a character. */
function ia5(content: Uint8Array, what: string): string {
  if (content.some((byte) => byte >= 0x80)) throw derError(what, 'a text has characters of another type');
  return Buffer.from(content.buffer, content.byteOffset, content.length).toString('latin1');
}
