/** ECDSA signatures as tokens and some services write them: r and s, one after the other. */
import { derInteger, derSequence } from '../core/der.ts';
import { BoltsealError } from '../core/errors.ts';
import type { KeyType } from '../formats/public-key.ts';

/** Bytes of r, and of s, by curve. */
const sizes: Readonly<Partial<Record<KeyType, number>>> = {
  'ecdsa-p256': 32,
  'ecdsa-p384': 48,
  'ecdsa-p521': 66,
};

/**
 * `SEQUENCE { INTEGER r, INTEGER s }` in DER, of r and s in as many bytes as the curve of `type` has. `what` names whoever
 * wrote it. Throws `ERR_SIGNING_FAILED` for another length.
 * {@link https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3}
 */
export function derEcdsaSignature(raw: Uint8Array, type: KeyType, what: string): Uint8Array {
  const size = sizes[type];
  if (size === undefined || raw.length !== 2 * size) {
    throw new BoltsealError(
      'ERR_SIGNING_FAILED',
      `${what} returned ${raw.length} bytes, and an ${type} signature has ${2 * (size ?? 0)}`,
    );
  }
  return derSequence(derInteger(raw.subarray(0, size)), derInteger(raw.subarray(size)));
}
