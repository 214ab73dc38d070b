/** ECDSA over a digest, as HSMs do it: node:crypto hashes whatever it is given. */
import type { KeyObject } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';

const curves = { prime256v1: p256, secp384r1: p384, secp521r1: p521, secp256k1 } as const;

/** r and s, one after the other, over `digest` of whatever length (FIPS 186-5 section 6.4.1). */
export function signEcdsaDigest(key: KeyObject, digest: Uint8Array): Uint8Array {
  const curve = curves[key.asymmetricKeyDetails?.namedCurve as keyof typeof curves];
  const { d = '' } = key.export({ format: 'jwk' });
  const size = curve.lengths.secretKey ?? 0;
  const secret = new Uint8Array(size);
  const bytes = Buffer.from(d, 'base64url');
  secret.set(bytes, size - bytes.length);
  return curve.sign(digest, secret, { prehash: false, lowS: false });
}
