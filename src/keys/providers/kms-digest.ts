/** What a key management service is given to sign. */
import { hash } from 'node:crypto';
import { BoltsealError } from '../../core/errors.ts';

/** What the algorithms of services call the length of a digest, by its bytes. */
export type DigestLength = 32 | 48 | 64;

/**
 * What is sent instead of `message`: its SHA-256 digest, with zeros before it where the service insists on a longer one.
 *
 * Services tie curves to hashes: P-384 to SHA-384, P-521 to SHA-512. Verifiers do not, and all of them try SHA-256 first.
 * ECDSA signs a number: the digest, read as one, cut to as many bits as the order of the curve has (FIPS 186-5 section
 * 6.4.1). P-384 has 384 of them, and P-521 has 521, so that nothing is cut from 48 or 64 bytes there, and leading zeros
 * change no number. What comes back is therefore the signature over SHA-256 and no other. It is for ECDSA alone: RSA signs
 * the name of the hash, too.
 */
export function digestToSign(message: Uint8Array, length: DigestLength = 32): Uint8Array {
  const digest = new Uint8Array(length);
  digest.set(hash('sha256', message, 'buffer'), length - 32);
  return digest;
}

/**
 * `message`, which a pure Ed25519 signature needs whole, if it is no longer than the `most` bytes that a service takes.
 * Throws `ERR_LIMIT_EXCEEDED`.
 */
export function messageToSign(message: Uint8Array, most: number, what: string): Uint8Array {
  if (message.length <= most) return message;
  throw new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `${what} is an Ed25519 key: it signs at most ${most} bytes there, and these are ${message.length}`,
    { hint: 'Ed25519 signs the message itself. An ECDSA P-256 key signs a digest, of however much.' },
  );
}
