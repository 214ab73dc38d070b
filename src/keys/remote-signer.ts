/** Signers whose private key is in another place: a service, a token, another program. */
import { verify } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey, Signer } from './signer.ts';

/** What a signer in another place is made of. */
export interface RemoteSignerOptions {
  readonly publicKey: PublicKey;
  /** The reference to exactly this key, with its version pinned. */
  readonly reference: string;
  /** How the place is called in errors: `the AWS key alias/release`. */
  readonly what: string;
  /** Signs a whole message as {@link Signer} says: ECDSA in DER over SHA-256, RSA PKCS#1 v1.5 over SHA-256, Ed25519 pure. */
  readonly sign: (
    message: Uint8Array,
    options: { readonly signal?: AbortSignal | undefined },
  ) => Promise<Uint8Array>;
}

/**
 * A signer whose every signature is verified here, with its public key, before anybody gets it: a place that signs with
 * another key or hashes twice is found out at once. Its `sign` throws `ERR_SIGNING_FAILED` then, and what the place throws.
 */
export function remoteSigner({ publicKey, reference, what, sign }: RemoteSignerOptions): Signer {
  return {
    publicKey,
    reference,
    async sign(message, options = {}) {
      const signature = await sign(message, options);
      if (isValid(publicKey, message, signature)) return signature;
      throw new BoltsealError(
        'ERR_SIGNING_FAILED',
        `${what} returned a signature that its own public key does not verify`,
        { hint: 'Nothing was published. Was the key replaced, or is it another kind of key than it says?' },
      );
    },
  };
}

function isValid(publicKey: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(publicKey.type === 'ed25519' ? null : 'sha256', message, publicKey.key, signature);
  } catch {
    // OpenSSL reports some malformed signatures as errors.
    return false;
  }
}
