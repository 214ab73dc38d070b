/**
 * Distinguished names. Names are compared as bytes and kept as they came; taking one apart serves only to show it.
 *
 *     Name ::= SEQUENCE OF RelativeDistinguishedName     RelativeDistinguishedName ::= SET OF SEQUENCE { type, value }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.4 RFC 5280 section 4.1.2.4}
 */
import {
  children,
  cursor,
  type DerElement,
  derError,
  derOid,
  derSequence,
  derSetOf,
  derTags,
  derUtf8,
  parseDer,
  readOid,
} from '../core/der.ts';
import { fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';

/** What names made here consist of. */
export interface NameParts {
  readonly organization?: string | undefined;
  readonly commonName?: string | undefined;
}

/** One attribute of a name that was read. */
export interface NameAttribute {
  /** The type, dotted: `2.5.4.3` is the common name. */
  readonly type: string;
  /** The text; undefined when it is not of a text type that is read here. */
  readonly value: string | undefined;
}

const organization = '2.5.4.10';
const commonName = '2.5.4.3';

/** How attribute types are written in text (RFC 4514 section 3). */
const shortNames: Readonly<Record<string, string>> = {
  [commonName]: 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  [organization]: 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.25': 'DC',
};

/** A name without attributes: the subject of every certificate that a Sigstore CA issues to a signer. */
export const emptyName: Uint8Array = derSequence();

/**
 * Name DER of an organisation and a common name, in this order, as UTF8String. Each has 1 to 64 characters (RFC 5280
 * appendix A.1); throws `ERR_CERTIFICATE_INVALID` otherwise.
 */
export function encodeName(parts: NameParts): Uint8Array {
  const attributes: Uint8Array[] = [];
  for (const [type, text] of [
    [organization, parts.organization],
    [commonName, parts.commonName],
  ] as const) {
    if (text === undefined) continue;
    if (text.length === 0 || text.length > 64) {
      throw new BoltsealError('ERR_CERTIFICATE_INVALID', 'a part of a name must have 1 to 64 characters');
    }
    attributes.push(derSetOf(derSequence(derOid(type), derUtf8(text))));
  }
  return derSequence(...attributes);
}

/** The attributes of Name DER, in order. Throws `ERR_DER_INVALID` naming `what`. */
export function parseName(der: Uint8Array, what: string): readonly NameAttribute[] {
  const found: NameAttribute[] = [];
  for (const set of children(parseDer(der, what, derTags.sequence), what)) {
    if (set.tag !== derTags.set || set.content.length === 0) throw derError(what, 'a part has another type');
    for (const pair of children(set, what)) {
      if (pair.tag !== derTags.sequence) throw derError(what, 'a part has another type');
      const parts = cursor(pair, what);
      const type = readOid(parts.next(derTags.objectIdentifier).content, what);
      const value = attributeText(parts.next(), what);
      parts.end();
      found.push({ type, value });
    }
  }
  return found;
}

function attributeText(element: DerElement, what: string): string | undefined {
  const { tag, content } = element;
  if (tag === derTags.utf8String) return fromUtf8(content, what);
  if (tag === derTags.printableString || tag === derTags.ia5String) {
    if (content.some((byte) => byte >= 0x80)) throw derError(what, 'a text has characters of another type');
    return Buffer.from(content).toString('latin1');
  }
  return undefined;
}

/** Organisation and common name of Name DER, as trusted roots show them. Throws `ERR_DER_INVALID` naming `what`. */
export function nameParts(der: Uint8Array, what: string): NameParts {
  const attributes = parseName(der, what);
  const textOf = (type: string): string | undefined => attributes.find((one) => one.type === type)?.value;
  return { organization: textOf(organization), commonName: textOf(commonName) };
}

/** Name DER for people: `O=example, CN=root`. Throws `ERR_DER_INVALID` naming `what`. */
export function nameText(der: Uint8Array, what: string): string {
  return parseName(der, what)
    .map(({ type, value }) => `${shortNames[type] ?? type}=${value ?? '…'}`)
    .join(', ');
}
