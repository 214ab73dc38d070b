/** The cryptographic step: do these bytes, this signature and one of these keys belong together? */
import { verify } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { SignedEntity } from './entity.ts';

/** The hashes a signature may be over. */
export type SignatureHash = 'sha256' | 'sha384' | 'sha512';

/** Which key verified a signature, and over which hash (`pure` for Ed25519, which has none of its own choosing). */
export interface Authentication {
  readonly key: PublicKey;
  readonly hash: SignatureHash | 'pure';
}

/**
 * The hashes tried for a key type, in order. cosign signs P-384 and P-521 with SHA-256 (version 2) or with the hash of
 * the curve (version 3), and verifies with SHA-256 alone unless told otherwise.
 */
const defaultHashes: Readonly<Record<PublicKey['type'], readonly (SignatureHash | 'pure')[]>> = {
  'ecdsa-p256': ['sha256'],
  'ecdsa-p384': ['sha256', 'sha384'],
  'ecdsa-p521': ['sha256', 'sha512'],
  ed25519: ['pure'],
  'rsa-2048': ['sha256'],
  'rsa-3072': ['sha256'],
  'rsa-4096': ['sha256'],
};

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
  const hinted = entity.material.publicKeyHint;
  const ordered = [...keys].sort((a, b) => Number(b.hint === hinted) - Number(a.hint === hinted));
  for (const key of ordered) {
    const hashes = hash === undefined || key.type === 'ed25519' ? defaultHashes[key.type] : [hash];
    for (const candidate of hashes) {
      if (verifies(entity, key, candidate)) return { key, hash: candidate };
    }
  }
  const what = `the signature in ${entity.origin.content}`;
  if (entity.material.certificates !== undefined) {
    throw new BoltsealError(
      'ERR_VERIFY_KEY_MISMATCH',
      `${what} was made with a certificate, and the key given does not verify it`,
      {
        hint: 'Verify it by identity (--certificate-identity, --certificate-oidc-issuer) instead of by key.',
      },
    );
  }
  throw new BoltsealError('ERR_VERIFY_SIGNATURE', `${what} does not verify with the key given`, {
    hint: mismatchHint(hinted, keys),
    details: { hint: hinted?.slice(0, 100), keys: keys.map((key) => key.hint) },
  });
}

function verifies(entity: SignedEntity, key: PublicKey, hash: SignatureHash | 'pure'): boolean {
  try {
    return verify(hash === 'pure' ? null : hash, entity.signedBytes, key.key, entity.signature);
  } catch {
    // OpenSSL reports some malformed signatures as errors and some as false: both mean no.
    return false;
  }
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
