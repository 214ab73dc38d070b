/** The little of the protobuf wire format that a message of texts needs. {@link https://protobuf.dev/programming-guides/encoding/} */
import { BoltsealError } from '../core/errors.ts';

/** The longest varint: 64 bits, seven to a byte. */
const varintBytes = 10;

/** A field of wire type 2: text, bytes or a message. */
export function lengthDelimited(field: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

/**
 * The content of the first field `field` of wire type 2; undefined when there is none. The whole message is read. Throws
 * `ERR_SERVICE_RESPONSE` when it is malformed; groups, which nothing uses any more, count as that.
 */
export function firstField(message: Uint8Array, field: number): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  let offset = 0;
  while (offset < message.length) {
    const tag = readVarint(message, offset);
    const type = Number(tag.value & 7n);
    const content = readContent(message, tag.end, type);
    if (type === 2 && tag.value >> 3n === BigInt(field)) found ??= content.bytes;
    offset = content.end;
  }
  return found;
}

function readContent(
  message: Uint8Array,
  offset: number,
  type: number,
): { readonly bytes: Uint8Array; readonly end: number } {
  if (type === 0) return slice(message, offset, readVarint(message, offset).end - offset);
  if (type === 1) return slice(message, offset, 8);
  if (type === 5) return slice(message, offset, 4);
  if (type !== 2) throw malformed();
  const length = readVarint(message, offset);
  if (length.value > BigInt(message.length)) throw malformed();
  return slice(message, length.end, Number(length.value));
}

function slice(
  message: Uint8Array,
  offset: number,
  length: number,
): { readonly bytes: Uint8Array; readonly end: number } {
  const end = offset + length;
  if (end > message.length) throw malformed();
  return { bytes: message.subarray(offset, end), end };
}

function readVarint(message: Uint8Array, offset: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  for (let index = 0; index < varintBytes; index++) {
    const byte = message[offset + index];
    if (byte === undefined) break;
    value |= BigInt(byte & 127) << BigInt(7 * index);
    if (byte < 128) return { value, end: offset + index + 1 };
  }
  throw malformed();
}

function malformed(): BoltsealError {
  return new BoltsealError('ERR_SERVICE_RESPONSE', 'a protobuf message is malformed');
}
