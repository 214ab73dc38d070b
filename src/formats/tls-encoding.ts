/**
 * The presentation language of TLS, in which Certificate Transparency writes its structures: fixed big-endian numbers,
 * and vectors behind their length in bytes. {@link https://www.rfc-editor.org/rfc/rfc8446#section-3 RFC 8446 section 3}
 */
import { concatBytes } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode } from '../core/errors.ts';

/** Reads a structure from its start to its end. Byte strings are slices of the input. */
export interface TlsReader {
  /** An unsigned number of `width` bytes, at most 8; it must be a safe integer. */
  number(width: number): number;
  /** `length` bytes. */
  bytes(length: number): Uint8Array;
  /** A vector whose length is written in `width` bytes. */
  vector(width: number): Uint8Array;
  /** How many bytes are read already. */
  readonly offset: number;
  readonly isAtEnd: boolean;
  /** Throws when something is left. */
  end(): void;
}

/** A reader that throws `code` naming `what` for whatever does not fit. */
export function tlsReader(input: Uint8Array, what: string, code: ErrorCode): TlsReader {
  let offset = 0;
  const fail = (why: string): BoltsealError => new BoltsealError(code, `${what} is not valid: ${why}`);
  const bytes = (length: number): Uint8Array => {
    if (length > input.length - offset) throw fail('it ends too early');
    offset += length;
    return input.subarray(offset - length, offset);
  };
  const number = (width: number): number => {
    let value = 0;
    for (const byte of bytes(width)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw fail('a number is out of range');
    return value;
  };
  return {
    number,
    bytes,
    vector: (width) => bytes(number(width)),
    get offset() {
      return offset;
    },
    get isAtEnd() {
      return offset === input.length;
    },
    end() {
      if (offset !== input.length) throw fail('something follows it');
    },
  };
}

/** An unsigned number in `width` bytes, at most 8. Throws `ERR_INTERNAL` when it does not fit. */
export function tlsNumber(value: number, width: number): Uint8Array {
  const out = new Uint8Array(width);
  let left = value;
  for (let index = width - 1; index >= 0; index--) {
    out[index] = left % 256;
    left = Math.floor(left / 256);
  }
  if (left !== 0 || value < 0 || !Number.isSafeInteger(value)) {
    throw new BoltsealError('ERR_INTERNAL', `${value} does not fit into ${width} bytes`);
  }
  return out;
}

/** A vector of `parts` behind its length in `width` bytes. Throws `ERR_INTERNAL` when it is too long. */
export function tlsVector(width: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  return concatBytes(tlsNumber(length, width), ...parts);
}
