/**
 * Requests for timestamps.
 *
 *     TimeStampReq   ::= SEQUENCE { version INTEGER 1, messageImprint, reqPolicy OBJECT IDENTIFIER OPTIONAL,
 *                                   nonce INTEGER OPTIONAL, certReq BOOLEAN DEFAULT FALSE, extensions [0] OPTIONAL }
 *     MessageImprint ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, hashedMessage OCTET STRING }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc3161#section-2.4.1 RFC 3161 section 2.4.1}
 */
import {
  checkInteger,
  cursor,
  type DerElement,
  derBoolean,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derTags,
  encodeDer,
  parseDer,
  readBoolean,
  readOid,
  readSmallInteger,
} from '../core/der.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type HashName, hashOids, readAlgorithm } from './cms.ts';

/** What is timestamped: a hash. */
export interface MessageImprint {
  /** Dotted. */
  readonly hashAlgorithm: string;
  readonly digest: Uint8Array;
  /** The whole MessageImprint, DER; a timestamp repeats it byte for byte. */
  readonly bytes: Uint8Array;
}

/** A request. Byte strings are slices of the input. */
export interface TimestampRequest {
  readonly imprint: MessageImprint;
  /** The policy that is asked for, dotted. */
  readonly policy: string | undefined;
  /** The content of the INTEGER, which may be of any size and sign; a timestamp repeats it. */
  readonly nonce: Uint8Array | undefined;
  /** Whether the certificate of the authority is wanted in the timestamp. */
  readonly certificates: boolean;
  readonly hasExtensions: boolean;
}

/** What {@link encodeTimestampRequest} makes a request of. */
export interface TimestampRequestFields {
  readonly hash: HashName;
  readonly digest: Uint8Array;
  readonly policy?: string | undefined;
  /** Unsigned big-endian bytes. */
  readonly nonce?: Uint8Array | undefined;
  readonly certificates?: boolean | undefined;
}

/**
 * Reads a request. It judges neither the hash algorithm nor the length of the digest. Throws `ERR_LIMIT_EXCEEDED` and
 * `ERR_TIMESTAMP_INVALID`.
 */
export function parseTimestampRequest(der: Uint8Array, what = 'the timestamp request'): TimestampRequest {
  return timestampErrors(der, what, () => {
    const parts = cursor(parseDer(der, what, derTags.sequence), what);
    if (readSmallInteger(parts.next(derTags.integer).content, what) !== 1) {
      throw new BoltsealError('ERR_TIMESTAMP_INVALID', `${what} is of an unknown version`);
    }
    const imprint = readMessageImprint(parts.next(derTags.sequence), what);
    const policy = parts.optional(derTags.objectIdentifier);
    const nonce = parts.optional(derTags.integer);
    const flag = parts.optional(derTags.boolean);
    const extensions = parts.optional(0xa0);
    parts.end();
    if (nonce !== undefined) checkInteger(nonce.content, what);
    return {
      imprint,
      policy: policy && readOid(policy.content, what),
      nonce: nonce?.content,
      certificates: flag !== undefined && readBoolean(flag.content, what),
      hasExtensions: extensions !== undefined,
    };
  });
}

/** Request DER. */
export function encodeTimestampRequest(fields: TimestampRequestFields): Uint8Array {
  const parts = [derInteger(1), encodeMessageImprint(hashOids[fields.hash], fields.digest)];
  if (fields.policy !== undefined) parts.push(derOid(fields.policy));
  if (fields.nonce !== undefined) parts.push(derInteger(fields.nonce));
  if (fields.certificates === true) parts.push(derBoolean(true));
  return derSequence(...parts);
}

/** MessageImprint DER, with the NULL parameters that everybody writes. */
export function encodeMessageImprint(hashAlgorithm: string, digest: Uint8Array): Uint8Array {
  return derSequence(derSequence(derOid(hashAlgorithm), derNull()), derOctetString(digest));
}

/** Reads a MessageImprint. Throws `ERR_DER_INVALID`. */
export function readMessageImprint(element: DerElement, what: string): MessageImprint {
  const parts = cursor(element, what);
  const hashAlgorithm = readAlgorithm(parts.next(derTags.sequence), what);
  const digest = parts.next(derTags.octetString).content;
  parts.end();
  return { hashAlgorithm, digest, bytes: element.bytes };
}

/**
 * The content of an INTEGER for `value`, which may be negative: two's complement in as few bytes as possible.
 * {@link https://www.itu.int/rec/T-REC-X.690 X.690 section 8.3}
 */
export function integerContent(value: bigint): Uint8Array {
  let length = 1;
  while (BigInt.asIntN(length * 8, value) !== value) length++;
  const digits = BigInt.asUintN(length * 8, value)
    .toString(16)
    .padStart(length * 2, '0');
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** An INTEGER around its content. */
export function integerElement(content: Uint8Array): Uint8Array {
  return encodeDer(derTags.integer, content);
}

/** Runs a reader of `der`: its size is bounded first, and every error about DER becomes `ERR_TIMESTAMP_INVALID`. */
export function timestampErrors<T>(der: Uint8Array, what: string, read: () => T): T {
  if (der.length > limits.timestampBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${der.length} bytes; the limit is ${limits.timestampBytes}`,
    );
  }
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof BoltsealError) || cause.code === 'ERR_LIMIT_EXCEEDED') throw cause;
    throw new BoltsealError('ERR_TIMESTAMP_INVALID', cause.message, { cause });
  }
}
