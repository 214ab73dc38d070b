/**
 * Distinguished Encoding Rules: the strict subset of ASN.1 that certificates, timestamps and signatures are written in.
 * {@link https://www.itu.int/rec/T-REC-X.690 X.690}
 *
 * Reading keeps slices of the bytes received, so that what was signed is what is verified. Writing takes parts that are
 * DER already and joins them.
 */
import { concatBytes, unwritten, utf8 } from './encoding.ts';
import { BoltsealError } from './errors.ts';
import { limits } from './limits.ts';

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

/** An element that is sliced when it is asked for: slicing costs more than finding it, and few need both slices. */
class Element implements DerElement {
  readonly tag: number;
  readonly #input: Uint8Array;
  readonly #offset: number;
  readonly #start: number;
  readonly #end: number;

  constructor(tag: number, input: Uint8Array, offset: number, start: number, end: number) {
    this.tag = tag;
    this.#input = input;
    this.#offset = offset;
    this.#start = start;
    this.#end = end;
  }

  get content(): Uint8Array {
    return this.#input.subarray(this.#start, this.#end);
  }

  get bytes(): Uint8Array {
    return this.#input.subarray(this.#offset, this.#end);
  }

  /** A cursor over what is inside. */
  open(what: string): DerCursor {
    return new Cursor(this.#input, this.#start, this.#end, what);
  }

  /** Where it ends in its input. */
  get end(): number {
    return this.#end;
  }
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
  return elementAt(input, offset, input.length, what);
}

function elementAt(input: Uint8Array, offset: number, limit: number, what: string): Element {
  const end = endOf(input, offset, limit, what);
  return new Element(input[offset] as number, input, offset, startOf(input, offset), end);
}

/** Where the element at `offset` ends, which must be at most `limit`. */
function endOf(input: Uint8Array, offset: number, limit: number, what: string): number {
  if (offset + 2 > limit) throw derError(what, 'it ends too early');
  const tag = input[offset] as number;
  if ((tag & 0x1f) === 0x1f) throw derError(what, 'it has a tag of several bytes');
  // X.690 section 8.1.5: it ends contents of no length, which DER has not.
  if ((tag & 0xdf) === 0) throw derError(what, 'it has the tag 0, which is of no type');
  let start = offset + 2;
  let length = input[offset + 1] as number;
  if (length >= 0x80) {
    const count = length & 0x7f;
    if (count === 0 || count > 4) throw derError(what, 'it has a length that DER does not allow');
    if (start + count > limit) throw derError(what, 'it ends too early');
    length = 0;
    for (let index = 0; index < count; index++) length = length * 256 + (input[start + index] as number);
    start += count;
    if (length < 0x80 || length < 256 ** (count - 1)) throw derError(what, 'a length is longer than needed');
  }
  const end = start + length;
  if (end > limit) throw derError(what, 'it ends too early');
  return end;
}

/** Where the content of the element at `offset` starts, whose length is known to be well-formed. */
function startOf(input: Uint8Array, offset: number): number {
  const first = input[offset + 1] as number;
  return first < 0x80 ? offset + 2 : offset + 2 + (first & 0x7f);
}

/** The one element that `input` is; throws `ERR_DER_INVALID` when something follows, or it has another tag. */
export function parseDer(input: Uint8Array, what: string, tag?: number): DerElement {
  const element = elementAt(input, 0, input.length, what);
  if (element.end !== input.length) throw derError(what, 'something follows it');
  if (tag !== undefined && element.tag !== tag) throw derError(what, 'it has another type');
  return element;
}

/**
 * Checks that `element` is DER all the way down: what is constructed consists of whole elements, also where nobody reads
 * it. What primitive elements hold is not looked at. Throws `ERR_DER_INVALID`, also for more than `limits.derDepth` levels.
 */
export function checkElements(element: DerElement, what: string): void {
  const { bytes } = element;
  checkRange(bytes, 0, bytes.length, what, 0);
}

/** The same of the elements from `start` to `end`, without making an object of each. */
function checkRange(input: Uint8Array, start: number, end: number, what: string, depth: number): void {
  for (let offset = start; offset < end; ) {
    const next = endOf(input, offset, end, what);
    if (((input[offset] as number) & 0x20) !== 0) {
      if (depth === limits.derDepth) throw derError(what, 'it is nested too deep');
      checkRange(input, startOf(input, offset), next, what, depth + 1);
    }
    offset = next;
  }
}

/** The elements inside a constructed one. Throws `ERR_DER_INVALID`. */
export function children(element: DerElement, what: string): DerElement[] {
  const found: DerElement[] = [];
  const parts = cursor(element, what);
  while (parts.peek !== undefined) found.push(parts.next());
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

class Cursor implements DerCursor {
  readonly #input: Uint8Array;
  #offset: number;
  readonly #end: number;
  readonly #what: string;

  constructor(input: Uint8Array, offset: number, end: number, what: string) {
    this.#input = input;
    this.#offset = offset;
    this.#end = end;
    this.#what = what;
  }

  next(tag?: number): DerElement {
    const found = elementAt(this.#input, this.#offset, this.#end, this.#what);
    if (tag !== undefined && found.tag !== tag) throw derError(this.#what, 'a part has another type');
    this.#offset = found.end;
    return found;
  }

  optional(tag: number): DerElement | undefined {
    return this.peek === tag ? this.next(tag) : undefined;
  }

  get peek(): number | undefined {
    return this.#offset < this.#end ? this.#input[this.#offset] : undefined;
  }

  end(): void {
    if (this.#offset !== this.#end) throw derError(this.#what, 'it has a part too many');
  }
}

/** A cursor over the elements inside `element`. */
export function cursor(element: DerElement, what: string): DerCursor {
  if (element instanceof Element) return element.open(what);
  const { content } = element;
  return new Cursor(content, 0, content.length, what);
}

/** The dotted form of an OBJECT IDENTIFIER's content. Throws `ERR_DER_INVALID`. */
export function readOid(content: Uint8Array, what: string): string {
  if (content.length === 0 || content.length > 64 || (content[content.length - 1] ?? 0) >= 0x80) {
    throw derError(what, 'an object identifier is malformed');
  }
  let text = '';
  let value = 0;
  let isFirst = true;
  for (const byte of content) {
    if (isFirst && byte === 0x80) throw derError(what, 'an object identifier is malformed');
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) throw derError(what, 'an object identifier is too large');
    isFirst = byte < 0x80;
    if (!isFirst) continue;
    if (text === '') {
      const top = Math.min(Math.floor(value / 40), 2);
      text = `${top}.${value - top * 40}`;
    } else text += `.${value}`;
    value = 0;
  }
  return text;
}

/** A non-negative INTEGER's content as a number. Throws `ERR_DER_INVALID`, also when it is not a safe integer. */
export function readSmallInteger(content: Uint8Array, what: string): number {
  checkInteger(content, what);
  let value = 0;
  for (const byte of content) value = value * 256 + byte;
  if (isNegative(content) || value > Number.MAX_SAFE_INTEGER)
    throw derError(what, 'a number is out of range');
  return value;
}

/** An INTEGER's content. Throws what {@link checkInteger} throws. */
export function readInteger(content: Uint8Array, what: string): bigint {
  checkInteger(content, what);
  const value = BigInt(
    `0x${Buffer.from(content.buffer, content.byteOffset, content.length).toString('hex')}`,
  );
  return isNegative(content) ? value - (1n << BigInt(content.length * 8)) : value;
}

/** Throws `ERR_DER_INVALID` when an INTEGER's content is empty, longer than needed or longer than 1 KiB. */
export function checkInteger(content: Uint8Array, what: string): void {
  const first = content[0];
  const second = content[1];
  if (first === undefined || content.length > 1_024) throw derError(what, 'a number is malformed');
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw derError(what, 'a number is longer than needed');
  }
}

/** Whether the number of an INTEGER's content is below 0. */
export function isNegative(content: Uint8Array): boolean {
  return (content[0] ?? 0) >= 0x80;
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
  const { tag, content } = element;
  const yearDigits = tag === derTags.utcTime ? 2 : tag === derTags.generalizedTime ? 4 : undefined;
  if (yearDigits === undefined || content.length !== yearDigits + 11 || content[yearDigits + 10] !== 0x5a) {
    throw derError(what, 'a time is malformed');
  }
  return readDateTime(content, yearDigits, what);
}

/**
 * The date and time that `content` begins with, to the second: `YYMMDDHHMMSS`, of the years from 1950 to 2049, or with
 * four digits for the year. Throws `ERR_DER_INVALID`.
 */
export function readDateTime(content: Uint8Array, yearDigits: 2 | 4, what: string): Date {
  const first = twoDigitsAt(content, 0);
  const century = first >= 50 ? 1900 : 2000;
  const year = yearDigits === 4 ? first * 100 + twoDigitsAt(content, 2) : first + century;
  const month = twoDigitsAt(content, yearDigits);
  const day = twoDigitsAt(content, yearDigits + 2);
  const hour = twoDigitsAt(content, yearDigits + 4);
  const minute = twoDigitsAt(content, yearDigits + 6);
  const second = twoDigitsAt(content, yearDigits + 8);
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  // An impossible day rolls over into the next month; then it is not what was written.
  const isDay = time.getUTCMonth() === month - 1 && time.getUTCDate() === day;
  if (!(isDay && hour <= 23 && minute <= 59 && second <= 59)) throw derError(what, 'a time is malformed');
  time.setUTCHours(hour, minute, second);
  return time;
}

/** The number of two digits; NaN, which equals nothing, for anything else. */
function twoDigitsAt(content: Uint8Array, index: number): number {
  const tens = (content[index] ?? 0) - 0x30;
  const units = (content[index + 1] ?? 0) - 0x30;
  return tens >= 0 && tens <= 9 && units >= 0 && units <= 9 ? tens * 10 + units : Number.NaN;
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
  pushArc(bytes, top * 40 + second);
  for (const arc of rest) pushArc(bytes, arc);
  return encodeDer(derTags.objectIdentifier, new Uint8Array(bytes));
}

/** Base 128, the most significant digit first; all but the last have their high bit set. */
function pushArc(bytes: number[], arc: number): void {
  let unit = 1;
  while (unit * 128 <= arc) unit *= 128;
  for (; unit > 1; unit /= 128) bytes.push((Math.floor(arc / unit) % 128) + 128);
  bytes.push(arc % 128);
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
