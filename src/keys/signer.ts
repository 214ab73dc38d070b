/** The ports of keys: what signs, what verifies, and where passwords come from. */
import type { KeyType, PublicKey } from '../formats/public-key.ts';

export type { KeyType, PublicKey };

/**
 * Something that signs. ECDSA signatures are ASN.1 DER over SHA-256 (for every curve, because that is what every
 * cosign verifies by default), RSA is PKCS#1 v1.5 with SHA-256, Ed25519 is pure. A remote signer's result is checked
 * with its public key before it is used (`ERR_SIGNING_FAILED`).
 */
export interface Signer {
  readonly publicKey: PublicKey;
  /** Of a key that is kept elsewhere: the reference to exactly this key, with its version pinned. */
  readonly reference?: string | undefined;
  /** Signs a whole message. */
  sign(message: Uint8Array, options?: { readonly signal?: AbortSignal | undefined }): Promise<Uint8Array>;
}

/** A password: text is taken as UTF-8. */
export type Password = string | Uint8Array;

/**
 * Passwords to try, in order: piped input gives the raw bytes first, then those without the final newline.
 * Called once, and only when a key is really encrypted. Throws `ERR_PASSWORD_MISSING` when there is no source.
 */
export type PasswordSource = () => Promise<readonly Uint8Array[]>;
