/** Which signatures a key may have made, and whether it made one. */
import { verify } from 'node:crypto';
import type { KeyType, PublicKey } from '../formats/public-key.ts';

/** The hashes a signature may be over. */
export type SignatureHash = 'sha256' | 'sha384' | 'sha512';

/**
 * The hashes tried for a key type, in order. cosign signs P-384 and P-521 with SHA-256 (version 2) or with the hash of
 * the curve (version 3), and verifies with SHA-256 alone unless told otherwise.
 */
const defaultHashes: Readonly<Record<KeyType, readonly (SignatureHash | 'pure')[]>> = {
  'ecdsa-p256': ['sha256'],
  'ecdsa-p384': ['sha256', 'sha384'],
  'ecdsa-p521': ['sha256', 'sha512'],
  ed25519: ['pure'],
  'rsa-2048': ['sha256'],
  'rsa-3072': ['sha256'],
  'rsa-4096': ['sha256'],
};

/** The hashes that a signature by a key of `type` may be over, in the order in which they are tried. */
export function signatureHashes(type: KeyType, only?: SignatureHash): readonly (SignatureHash | 'pure')[] {
  return only === undefined || type === 'ed25519' ? defaultHashes[type] : [only];
}

/**
 * The hash with which `signature` over `message` verifies with `key`: ECDSA in strict DER, RSA PKCS#1 v1.5, Ed25519
 * pure. Undefined when it does not. With `only` no other hash is tried; Ed25519 has no choice of hash.
 */
export function verifiedHash(
  { type, key }: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
  only?: SignatureHash,
): SignatureHash | 'pure' | undefined {
  return signatureHashes(type, only).find((hash) => {
    try {
      return verify(hash === 'pure' ? null : hash, message, key, signature);
    } catch {
      // OpenSSL reports some malformed signatures as errors and some as false: both mean no.
      return false;
    }
  });
}
