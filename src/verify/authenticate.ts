/** The cryptographic step: do these bytes, this signature and one of these keys belong together? */
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { VerificationMaterial } from '../formats/verification-material.ts';
import type { SignedEntity } from './entity.ts';
import { type SignatureHash, verifiedHash } from './signature.ts';

export type { SignatureHash };

/** Which key verified a signature, and over which hash (`pure` for Ed25519, which has none of its own choosing). */
export interface Authentication {
  readonly key: PublicKey;
  readonly hash: SignatureHash | 'pure';
}

/**
 * Verifies the one signature of `entity` with `keys`: ECDSA in strict DER, RSA PKCS#1 v1.5, Ed25519 pure. With `hash`
 * exactly that hash is tried (Ed25519 has no choice of hash). The key hint only decides which key is tried first. A
 * certificate beside the signature is not looked at: trust comes from `keys`. Throws `ERR_VERIFY_SIGNATURE`, or
 * `ERR_VERIFY_KEY_MISMATCH` when the signature is a certificate's and no key verifies it.
 */
export function authenticate(
  entity: SignedEntity,
  keys: readonly PublicKey[],
  hash?: SignatureHash,
): Authentication {
  const { signedBytes, signature, material } = entity;
  const found = findKey(byHint(keys, material.publicKeyHint), signedBytes, signature, hash);
  if (found !== undefined) return found;
  throw unauthenticated(`the signature in ${entity.origin.content}`, material, keys);
}

/** The one of `keys` that verifies `signature` over `message`; undefined when none does. */
export function findKey(
  keys: readonly PublicKey[],
  message: Uint8Array,
  signature: Uint8Array,
  only: SignatureHash | undefined,
): Authentication | undefined {
  for (const key of keys) {
    const hash = verifiedHash(key, message, signature, only);
    if (hash !== undefined) return { key, hash };
  }
  return undefined;
}

/** `keys`, the one that is hinted at first. */
export function byHint(keys: readonly PublicKey[], hint: string | undefined): readonly PublicKey[] {
  if (keys.length < 2) return keys;
  return [...keys].sort((a, b) => Number(b.hint === hint) - Number(a.hint === hint));
}

/** Why no key verifies the signature that `what` names: `ERR_VERIFY_SIGNATURE` or `ERR_VERIFY_KEY_MISMATCH`. */
export function unauthenticated(
  what: string,
  { publicKeyHint: hinted, certificates }: VerificationMaterial,
  keys: readonly PublicKey[],
): BoltsealError {
  if (certificates !== undefined) {
    return new BoltsealError(
      'ERR_VERIFY_KEY_MISMATCH',
      `${what} was made with a certificate, and the key given does not verify it`,
      {
        hint: 'Verify it by identity (--certificate-identity, --certificate-oidc-issuer) instead of by key.',
      },
    );
  }
  return new BoltsealError('ERR_VERIFY_SIGNATURE', `${what} does not verify with the key given`, {
    hint: mismatchHint(hinted, keys),
    details: { hint: hinted?.slice(0, 100), keys: keys.map((key) => key.hint) },
  });
}

function mismatchHint(hinted: string | undefined, keys: readonly PublicKey[]): string {
  if (hinted === undefined || hinted === '')
    return 'It was made with another key, or what was signed was changed.';
  if (keys.some((key) => key.hint === hinted))
    return 'It says it was made with this key: what was signed was changed.';
  // Whoever wrote the bundle chose this text.
  const theirs = /^[A-Za-z0-9+/]{43}=$/.test(hinted)
    ? `the one whose SHA-256 is ${hinted}`
    : 'one that is not named';
  const ours = keys.map((key) => key.hint).join(', ');
  return `It says it was made with another key: ${theirs}. The SHA-256 of the key given is ${ours}.`;
}
