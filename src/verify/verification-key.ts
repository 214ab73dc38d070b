/**
 * The public key of whoever signed, as servers take it in at high rates: its bytes and its type. Making a `PublicKey`
 * of it costs more than verifying with it does.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  checkInteger,
  cursor,
  derNull,
  derOid,
  derSequence,
  derTags,
  parseDer,
  readBitString,
  readInteger,
} from '../core/der.ts';
import { base64, equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { KeyType } from '../formats/public-key.ts';

/** A public key to verify with; a `PublicKey` is one. */
export interface VerificationKey {
  readonly type: KeyType;
  /** SubjectPublicKeyInfo, DER. A point of an elliptic curve is uncompressed. */
  readonly spki: Uint8Array;
}

const ecPublicKey = derOid('1.2.840.10045.2.1');

/** AlgorithmIdentifiers and lengths of the keys that have one (RFC 5480 section 2.1.1, RFC 8410 section 3). */
const fixed: readonly { readonly type: KeyType; readonly identifier: Uint8Array; readonly length: number }[] =
  [
    { type: 'ecdsa-p256', identifier: derSequence(ecPublicKey, derOid('1.2.840.10045.3.1.7')), length: 65 },
    { type: 'ecdsa-p384', identifier: derSequence(ecPublicKey, derOid('1.3.132.0.34')), length: 97 },
    { type: 'ecdsa-p521', identifier: derSequence(ecPublicKey, derOid('1.3.132.0.35')), length: 133 },
    { type: 'ed25519', identifier: derSequence(derOid('1.3.101.112')), length: 32 },
  ];

const rsaEncryption = derSequence(derOid('1.2.840.113549.1.1.1'), derNull());
const moduli: Readonly<Record<number, KeyType>> = { 2048: 'rsa-2048', 3072: 'rsa-3072', 4096: 'rsa-4096' };

/**
 * The key that SubjectPublicKeyInfo DER is: the types of `KeyType`, each in its one encoding, as `parsePublicKey` takes
 * them. Whether a point is on its curve is seen when the key is used. Throws `ERR_KEY_INVALID` for what is no key, and
 * `ERR_KEY_UNSUPPORTED` for other types and sizes.
 */
export function parseVerificationKey(spki: Uint8Array, what: string): VerificationKey {
  const { identifier, bits } = readSpki(spki, what);
  for (const { type, identifier: expected, length } of fixed) {
    if (!equalBytes(identifier, expected)) continue;
    if (bits.length === length && (type === 'ed25519' || bits[0] === 0x04)) return { type, spki };
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not an uncompressed point of its curve`);
  }
  if (equalBytes(identifier, rsaEncryption)) return { type: rsaType(bits, what), spki };
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is of an unsupported type`);
}

/**
 * The bits of a key of a curve: its point. Throws `ERR_KEY_INVALID`, also when the key is not of the type it says.
 */
export function keyPoint(key: VerificationKey): Uint8Array {
  const { type, spki } = parseVerificationKey(key.spki, 'the public key');
  const length = fixed.find((one) => one.type === type)?.length;
  if (type === key.type && length !== undefined) return spki.subarray(-length);
  throw new BoltsealError('ERR_KEY_INVALID', 'the public key is of another type');
}

function readSpki(
  spki: Uint8Array,
  what: string,
): { readonly identifier: Uint8Array; readonly bits: Uint8Array } {
  try {
    const parts = cursor(parseDer(spki, what, derTags.sequence), what);
    const identifier = parts.next(derTags.sequence).bytes;
    const bits = readBitString(parts.next(derTags.bitString).content, what);
    parts.end();
    return { identifier, bits };
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a public key`, { cause });
  }
}

/** RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 appendix A.1.1) */
function rsaType(bits: Uint8Array, what: string): KeyType {
  let modulus: Uint8Array;
  let exponent: bigint;
  try {
    const parts = cursor(parseDer(bits, what, derTags.sequence), what);
    modulus = parts.next(derTags.integer).content;
    checkInteger(modulus, what);
    exponent = readInteger(parts.next(derTags.integer).content, what);
    parts.end();
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not an RSA key`, { cause });
  }
  // A modulus of full length has its first bit set, and so a 00 in front.
  const isFull = modulus[0] === 0 && (modulus[1] ?? 0) >= 0x80;
  const type = isFull ? moduli[(modulus.length - 1) * 8] : undefined;
  if (type !== undefined && exponent >= 3n && exponent % 2n === 1n) return type;
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is an RSA key of an unsupported size`);
}

/** A key object of SubjectPublicKeyInfo DER. Throws `ERR_KEY_INVALID`. */
export function importSpki(spki: Uint8Array): KeyObject {
  try {
    // As PEM it takes OpenSSL a third of the time that it needs for DER.
    return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${base64(spki)}\n-----END PUBLIC KEY-----\n`);
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', 'the public key is not valid', { cause });
  }
}
