/** The ports of keys: what signs, what verifies, and where passwords come from. */
import type { KeyObject } from 'node:crypto';

/** A key type and size, named as RFC 5480 / FIPS 186-5 curves and RSA moduli. */
export type KeyType =
  | 'ecdsa-p256'
  | 'ecdsa-p384'
  | 'ecdsa-p521'
  | 'ed25519'
  | 'rsa-2048'
  | 'rsa-3072'
  | 'rsa-4096';

/** A public key, parsed once. */
export interface PublicKey {
  readonly type: KeyType;
  readonly key: KeyObject;
  /** SubjectPublicKeyInfo, DER (RFC 5280 section 4.1). */
  readonly spki: Uint8Array;
  /** SubjectPublicKeyInfo, PEM with label `PUBLIC KEY`, one final newline: byte for byte what cosign writes. */
  readonly pem: string;
  /** Standard base64 of SHA-256 over {@link spki}: cosign's key hint. */
  readonly hint: string;
}

/**
 * Something that signs. ECDSA signatures are ASN.1 DER over SHA-256 (for every curve, because that is what every
 * cosign verifies by default), RSA is PKCS#1 v1.5 with SHA-256, Ed25519 is pure. A remote signer's result is checked
 * with its public key before it is used (`ERR_SIGNING_FAILED`).
 */
export interface Signer {
  readonly publicKey: PublicKey;
  /** Signs a whole message. */
  sign(message: Uint8Array, options?: { readonly signal?: AbortSignal | undefined }): Promise<Uint8Array>;
}

/**
 * Passwords to try, in order: piped input gives the raw bytes first, then those without the final newline.
 * Called once, and only when a key is really encrypted. Throws `ERR_PASSWORD_MISSING` when there is no source.
 */
export type PasswordSource = () => Promise<readonly Uint8Array[]>;
