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
  return new Reader(input, what, code);
}

class Reader implements TlsReader {
  offset = 0;
  readonly #input: Uint8Array;
  readonly #what: string;
  readonly #code: ErrorCode;

  constructor(input: Uint8Array, what: string, code: ErrorCode) {
    this.#input = input;
    this.#what = what;
    this.#code = code;
  }

  #fail(why: string): BoltsealError {
    return new BoltsealError(this.#code, `${this.#what} is not valid: ${why}`);
  }

  #advance(length: number): number {
    const start = this.offset;
    if (length > this.#input.length - start) throw this.#fail('it ends too early');
    this.offset = start + length;
    return start;
  }

  number(width: number): number {
    const start = this.#advance(width);
    let value = 0;
    for (let index = start; index < this.offset; index++)
      value = value * 256 + (this.#input[index] as number);
    if (!Number.isSafeInteger(value)) throw this.#fail('a number is out of range');
    return value;
  }

  bytes(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#input.subarray(start, this.offset);
  }

  vector(width: number): Uint8Array {
    return this.bytes(this.number(width));
  }

  get isAtEnd(): boolean {
    return this.offset === this.#input.length;
  }

  end(): void {
    if (!this.isAtEnd) throw this.#fail('something follows it');
  }
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
