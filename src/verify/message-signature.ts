/** Signatures over whole messages, verified outside of the main thread. */
import { verify } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import type { SignatureHash } from './authenticate.ts';
import { importSpki, type VerificationKey } from './verification-key.ts';

/** The key and the hash that a signature was verified with. */
export interface MessageAuthentication {
  readonly key: VerificationKey;
  readonly hash: SignatureHash | 'pure';
}

/**
 * Verifies `signature` over `message`: ECDSA in strict DER, RSA PKCS#1 v1.5, Ed25519 pure whatever `hash` says.
 * Rejects with `ERR_VERIFY_SIGNATURE` when it does not verify, and `ERR_KEY_INVALID` for a key that is none.
 */
export async function verifyMessageSignature(
  key: VerificationKey,
  hash: SignatureHash,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<MessageAuthentication> {
  const object = importSpki(key.spki);
  const isPure = key.type === 'ed25519';
  const isValid = await new Promise<boolean>((resolve) => {
    // OpenSSL reports some malformed signatures as errors and some as false: both mean no.
    verify(isPure ? null : hash, message, object, signature, (error, verdict) => {
      resolve(error === null && verdict);
    });
  });
  if (!isValid) {
    throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'the signature does not verify with the key');
  }
  return { key, hash: isPure ? 'pure' : hash };
}
