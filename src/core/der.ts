/**
 * Distinguished Encoding Rules: the strict subset of ASN.1 that certificates, timestamps and signatures are written in.
 * {@link https://www.itu.int/rec/T-REC-X.690 X.690}
 *
 * Reading keeps slices of the bytes received, so that what was signed is what is verified. Writing takes parts that are
 * DER already and joins them.
 */
import { concatBytes, unwritten, utf8 } from './encoding.ts';
import { BoltsealError } from './errors.ts';

/** Universal tags as they stand in the identifier octet, constructed bit included. */
export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its identifier octet, its content, and all of its bytes. Both are slices of the input. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Identifier, length and content. */
  readonly bytes: Uint8Array;
}

/** The error for DER that is not what it must be. */
export function derError(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_DER_INVALID', `${what} is not valid: ${why}`);
}

/**
 * The element that starts at `offset`. Only DER is read: definite lengths in their shortest form, one-byte tags.
 * Throws `ERR_DER_INVALID`.
 */
export function readElement(input: Uint8Array, offset: number, what: string): DerElement {
  const tag = input[offset];
  const first = input[offset + 1];
  if (tag === undefined || first === undefined) throw derError(what, 'it ends too early');
  if ((tag & 0x1f) === 0x1f) throw derError(what, 'it has a tag of several bytes');
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw derError(what, 'it has a length that DER does not allow');
    length = 0;
    for (let index = 0; index < count; index++) {
      const byte = input[start + index];
      if (byte === undefined) throw derError(what, 'it ends too early');
      length = length * 256 + byte;
    }
    start += count;
    if (length < 0x80 || length < 256 ** (count - 1)) throw derError(what, 'a length is longer than needed');
  }
  const end = start + length;
  if (end > input.length) throw derError(what, 'it ends too early');
  return { tag, content: input.subarray(start, end), bytes: input.subarray(offset, end) };
}

/** The one element that `input` is; throws `ERR_DER_INVALID` when something follows, or it has another tag. */
export function parseDer(input: Uint8Array, what: string, tag?: number): DerElement {
  const element = readElement(input, 0, what);
  if (element.bytes.length !== input.length) throw derError(what, 'something follows it');
  if (tag !== undefined && element.tag !== tag) throw derError(what, 'it has another type');
  return element;
}

/** The elements inside a constructed one. Throws `ERR_DER_INVALID`. */
export function children(element: DerElement, what: string): DerElement[] {
  const { content } = element;
  const found: DerElement[] = [];
  for (let offset = 0; offset < content.length; ) {
    const child = readElement(content, offset, what);
    found.push(child);
    offset += child.bytes.length;
  }
  return found;
}

/** Reads the elements of a constructed one in order, as a schema asks for them. */
export interface DerCursor {
  /** The next element, which must be there and have `tag` when one is given. */
  next(tag?: number): DerElement;
  /** The next element when there is one with `tag`. */
  optional(tag: number): DerElement | undefined;
  /** The tag of the next element, or undefined at the end. */
  readonly peek: number | undefined;
  /** Throws when elements are left. */
  end(): void;
}

/** A cursor over the elements inside `element`. */
export function cursor(element: DerElement, what: string): DerCursor {
  const { content } = element;
  let offset = 0;
  const next = (tag?: number): DerElement => {
    const found = readElement(content, offset, what);
    if (tag !== undefined && found.tag !== tag) throw derError(what, 'a part has another type');
    offset += found.bytes.length;
    return found;
  };
  return {
    next,
    optional: (tag) => (content[offset] === tag ? next(tag) : undefined),
    get peek() {
      return content[offset];
    },
    end() {
      if (offset !== content.length) throw derError(what, 'it has a part too many');
    },
  };
}

/** The dotted form of an OBJECT IDENTIFIER's content. Throws `ERR_DER_INVALID`. */
export function readOid(content: Uint8Array, what: string): string {
  if (content.length === 0 || content.length > 64 || (content[content.length - 1] ?? 0) >= 0x80) {
    throw derError(what, 'an object identifier is malformed');
  }
  const arcs: number[] = [];
  let value = 0;
  let isFirst = true;
  for (const byte of content) {
    if (isFirst && byte === 0x80) throw derError(what, 'an object identifier is malformed');
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) throw derError(what, 'an object identifier is too large');
    isFirst = byte < 0x80;
    if (!isFirst) continue;
    if (arcs.length === 0) {
      const top = Math.min(Math.floor(value / 40), 2);
      arcs.push(top, value - top * 40);
    } else arcs.push(value);
    value = 0;
  }
  return arcs.join('.');
}

/** A non-negative INTEGER's content as a number. Throws `ERR_DER_INVALID`, also when it is not a safe integer. */
export function readSmallInteger(content: Uint8Array, what: string): number {
  const value = readInteger(content, what);
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw derError(what, 'a number is out of range');
  return Number(value);
}

/** An INTEGER's content. Throws `ERR_DER_INVALID` when it is empty, longer than needed or longer than 1 KiB. */
export function readInteger(content: Uint8Array, what: string): bigint {
  const [first, second] = content;
  if (first === undefined || content.length > 1_024) throw derError(what, 'a number is malformed');
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw derError(what, 'a number is longer than needed');
  }
  const value = BigInt(
    `0x${Buffer.from(content.buffer, content.byteOffset, content.length).toString('hex')}`,
  );
  return first >= 0x80 ? value - (1n << BigInt(content.length * 8)) : value;
}

/** A BOOLEAN's content; DER allows 00 and ff. Throws `ERR_DER_INVALID`. */
export function readBoolean(content: Uint8Array, what: string): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
    throw derError(what, 'a truth value is malformed');
  }
  return content[0] === 0xff;
}

/** The bytes of a BIT STRING's content, of which all bits must be used. Throws `ERR_DER_INVALID`. */
export function readBitString(content: Uint8Array, what: string): Uint8Array {
  if (content[0] !== 0) throw derError(what, 'a bit string is malformed');
  return content.subarray(1);
}

/** A UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 allows them: in seconds, in UTC. Throws `ERR_DER_INVALID`. */
export function readTime(element: DerElement, what: string): Date {
  const text = Buffer.from(element.content).toString('latin1');
  const match =
    element.tag === derTags.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : element.tag === derTags.generalizedTime
        ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
        : null;
  if (match === null) throw derError(what, 'a time is malformed');
  const [, year = '', ...rest] = match;
  const full = year.length === 4 ? year : `${Number(year) >= 50 ? 19 : 20}${year}`;
  const [month, day, hour, minute, second] = rest;
  const iso = `${full}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const time = new Date(iso);
  // An impossible day rolls over into the next month; then the text is not what it began with.
  if (Number.isNaN(time.getTime()) || time.toISOString() !== iso) throw derError(what, 'a time is malformed');
  return time;
}

/** An element with `tag` around `parts`. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x10000 ? 4 : 5;
  const out = unwritten(head + length);
  out[0] = tag;
  if (head === 2) out[1] = length;
  else {
    out[1] = 0x80 + head - 2;
    for (let index = 2; index < head; index++) out[index] = length >>> ((head - 1 - index) * 8);
  }
  let offset = head;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** SEQUENCE. */
export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeDer(derTags.sequence, ...parts);
}

/** SET OF: sorted, as DER requires (X.690 section 11.6). */
export function derSetOf(...parts: readonly Uint8Array[]): Uint8Array {
  return encodeDer(derTags.set, ...[...parts].sort(Buffer.compare));
}

/** A context-specific element around whole elements: `[number] EXPLICIT`, or IMPLICIT of a constructed type. */
export function derExplicit(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return encodeDer(0xa0 + number, ...parts);
}

/** A context-specific primitive element: `[number] IMPLICIT` of a primitive type. */
export function derImplicit(number: number, content: Uint8Array): Uint8Array {
  return encodeDer(0x80 + number, content);
}

/** INTEGER of a number, a bigint, or unsigned big-endian bytes (a serial number). */
export function derInteger(value: number | bigint | Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) {
    let start = 0;
    while (start < value.length - 1 && value[start] === 0) start++;
    const bytes = value.subarray(start);
    return (bytes[0] ?? 0x80) >= 0x80
      ? encodeDer(derTags.integer, new Uint8Array(1), bytes)
      : encodeDer(derTags.integer, bytes);
  }
  const number = BigInt(value);
  if (number < 0n) throw new BoltsealError('ERR_INTERNAL', 'negative integers are not written');
  const text = number.toString(16);
  return derInteger(new Uint8Array(Buffer.from(text.length % 2 === 0 ? text : `0${text}`, 'hex')));
}

/** OBJECT IDENTIFIER of a dotted form. */
export function derOid(dotted: string): Uint8Array {
  const [top = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [];
  for (const arc of [top * 40 + second, ...rest]) {
    const part = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      part.unshift((left % 128) + 128);
    bytes.push(...part);
  }
  return encodeDer(derTags.objectIdentifier, Uint8Array.from(bytes));
}

/** BOOLEAN. */
export function derBoolean(value: boolean): Uint8Array {
  return Uint8Array.of(derTags.boolean, 1, value ? 0xff : 0);
}

/** NULL. */
export function derNull(): Uint8Array {
  return Uint8Array.of(derTags.null, 0);
}

/** OCTET STRING. */
export function derOctetString(bytes: Uint8Array): Uint8Array {
  return encodeDer(derTags.octetString, bytes);
}

/** BIT STRING of whole bytes, or with `unused` bits at its end. */
export function derBitString(bytes: Uint8Array, unused = 0): Uint8Array {
  return encodeDer(derTags.bitString, Uint8Array.of(unused), bytes);
}

/** UTF8String. */
export function derUtf8(text: string): Uint8Array {
  return encodeDer(derTags.utf8String, utf8(text));
}

/** UTCTime until 2049 and GeneralizedTime later, as RFC 5280 section 4.1.2.5 requires; milliseconds are dropped. */
export function derTime(time: Date): Uint8Array {
  const text = timeText(time);
  return time.getUTCFullYear() < 2050
    ? encodeDer(derTags.utcTime, utf8(text.slice(2)))
    : encodeDer(derTags.generalizedTime, utf8(text));
}

/** GeneralizedTime in whole seconds; milliseconds are dropped. */
export function derGeneralizedTime(time: Date): Uint8Array {
  return encodeDer(derTags.generalizedTime, utf8(timeText(time)));
}

/** Numbers in two digits. */
const twoDigits: readonly string[] = Array.from({ length: 60 }, (_, number) =>
  String(number).padStart(2, '0'),
);

function timeText(time: Date): string {
  const year = String(time.getUTCFullYear()).padStart(4, '0');
  const date = `${twoDigits[time.getUTCMonth() + 1]}${twoDigits[time.getUTCDate()]}`;
  const clock = `${twoDigits[time.getUTCHours()]}${twoDigits[time.getUTCMinutes()]}${twoDigits[time.getUTCSeconds()]}`;
  return `${year}${date}${clock}Z`;
}

/** Elements joined, without anything around them. */
export const derConcat: (...parts: readonly Uint8Array[]) => Uint8Array = concatBytes;
