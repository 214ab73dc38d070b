/**
 * Signatures verified over a digest, without the message: what Rekor's hashedrekord entries need, and everyone who is
 * given a digest instead of a file.
 *
 * Node signs and verifies whole messages only. RSA is taken apart with the public key; Ed25519ph is `@noble/curves`;
 * and ECDSA is verified by OpenSSL, by moving the generator:
 *
 * A signature (r, s) of the digest z by the key Q is valid when r and s are in [1, n-1] and the point
 * (z/s)·G + (r/s)·Q is not infinity and has the x-coordinate r mod n (FIPS 186-5 section 6.4.2). OpenSSL computes z
 * itself, from a message. So it is given the empty message, whose hash is the constant h, and a generator that makes
 * up for it: with t = z/h mod n and G' = t·G,
 *
 *     (h/s)·G' + (r/s)·Q  =  (h·t/s)·G + (r/s)·Q  =  (z/s)·G + (r/s)·Q
 *
 * the same point, hence the same answer for every r, s, z and Q. n is prime, so that G' has the order n, as a
 * generator must, unless t is 0; h is not 0 mod n, so that t is 0 only when z is. The curve, n and the cofactor stay
 * what they are; OpenSSL takes such a group as explicit parameters (RFC 3279 section 2.3.5) and refuses a Q that is
 * not on the curve. What it will not import, z = 0 among it, is left to `@noble/curves`. No arithmetic of the curve is
 * ours: t is one multiplication mod n, t·G is OpenSSL's (`ECDH`). docs/decisions/0009-ecdsa-over-a-digest.md has the
 * alternatives and the measurements.
 *
 * Nothing here is secret, so that nothing has to take constant time.
 */
import { constants, createECDH, type KeyObject, publicDecrypt, verify } from 'node:crypto';
import {
  cursor,
  derBitString,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derTags,
  parseDer,
  readInteger,
} from '../core/der.ts';
import { concatBytes, equalBytes, hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { KeyType } from '../formats/public-key.ts';
import type { SignatureHash } from './authenticate.ts';
import { importSpki, keyPoint, type VerificationKey } from './verification-key.ts';

/** The key and the hash that a signature over a digest was verified with. */
export interface DigestAuthentication {
  readonly key: VerificationKey;
  readonly hash: SignatureHash;
}

/** The length of a digest in bytes. */
export const digestLengths: Readonly<Record<SignatureHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/**
 * Verifies `signature` over `digest`, which is one of `hash`: ECDSA in strict DER (of a longer digest the leftmost bits
 * count, as FIPS 186-5 section 6.4.2 says), RSA PKCS#1 v1.5 with DigestInfo compared in full, Ed25519ph over SHA-512.
 * The costly part runs outside of the main thread where OpenSSL does it. Rejects with `ERR_VERIFY_SIGNATURE` when it
 * does not verify, `ERR_VERIFY_UNSUPPORTED` for Ed25519 with another hash, `ERR_DIGEST_INVALID` when the digest has not
 * the length of its hash, and `ERR_KEY_INVALID` for a key that is none.
 */
export async function verifyDigestSignature(
  key: VerificationKey,
  hash: SignatureHash,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<DigestAuthentication> {
  if (digest.length !== digestLengths[hash]) {
    throw new BoltsealError('ERR_DIGEST_INVALID', `a ${hash} digest has ${digestLengths[hash]} bytes`);
  }
  if (!(await verifies(key, hash, digest, signature))) {
    throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'the signature does not verify with the key');
  }
  return { key, hash };
}

function verifies(
  key: VerificationKey,
  hash: SignatureHash,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean | Promise<boolean> {
  switch (key.type) {
    case 'ecdsa-p256':
    case 'ecdsa-p384':
    case 'ecdsa-p521':
      return verifiesEcdsa(curves[key.type], key, digest, signature);
    case 'ed25519':
      return verifiesEd25519ph(key, hash, digest, signature);
    default:
      return verifiesRsa(key, hash, digest, signature);
  }
}

/** A curve as it is needed to move its generator. */
interface Curve {
  /** As OpenSSL names it. */
  readonly name: 'prime256v1' | 'secp384r1' | 'secp521r1';
  /** Bytes of a coordinate. */
  readonly size: number;
  /** The order of the generator, a prime. */
  readonly order: bigint;
  /** 1 / SHA-256("") mod the order. */
  readonly inverse: bigint;
  /** ECParameters (RFC 3279 section 2.3.5) before and after the generator, DER. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

const noMessage = new Uint8Array(0);
/** SHA-256(""). */
const emptyHash = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855n;
const ecPublicKey = derOid('1.2.840.10045.2.1');
const primeField = derOid('1.2.840.10045.1.1');

/** The curves of NIST SP 800-186 section 3.2.1: y² = x³ - 3x + b over the prime field p, order n, cofactor 1. */
const curves = {
  'ecdsa-p256': curveOf('prime256v1', {
    p: 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff',
    b: '5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b',
    n: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  }),
  'ecdsa-p384': curveOf('secp384r1', {
    p: `${'f'.repeat(63)}effffffff${'0'.repeat(16)}ffffffff`,
    b: 'b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef',
    n: `${'f'.repeat(48)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`,
  }),
  'ecdsa-p521': curveOf('secp521r1', {
    p: `01${'f'.repeat(130)}`,
    b:
      '0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109' +
      'e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00',
    n: `01${'f'.repeat(64)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`,
  }),
} as const satisfies Partial<Record<KeyType, Curve>>;

function curveOf(
  name: Curve['name'],
  domain: { readonly p: string; readonly b: string; readonly n: string },
): Curve {
  const prime = BigInt(`0x${domain.p}`);
  const order = BigInt(`0x${domain.n}`);
  const size = domain.p.length / 2;
  return {
    name,
    size,
    order,
    inverse: inverseOf(emptyHash, order),
    before: concatBytes(
      derInteger(1),
      derSequence(primeField, derInteger(prime)),
      derSequence(derOctetString(numberBytes(prime - 3n, size)), derOctetString(fromHex(domain.b))),
    ),
    after: concatBytes(derInteger(order), derInteger(1)),
  };
}

/** 1 / value mod a prime, by Euclid's algorithm. */
function inverseOf(value: bigint, prime: bigint): bigint {
  let [left, right, result, next] = [value % prime, prime, 1n, 0n];
  while (right !== 0n) {
    const quotient = left / right;
    [left, right] = [right, left - quotient * right];
    [result, next] = [next, result - quotient * next];
  }
  return ((result % prime) + prime) % prime;
}

async function verifiesEcdsa(
  curve: Curve,
  key: VerificationKey,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const point = keyPoint(key);
  const pair = parseEcdsaSignature(signature, curve.order);
  if (pair === undefined) return false;
  const verdict = await verifiesMoved(curve, point, digest, signature);
  if (verdict !== undefined) return verdict;
  // OpenSSL did not import the group, or could not come to an answer.
  importSpki(key.spki);
  const { p256, p384, p521 } = await import('@noble/curves/nist.js');
  const scheme = { prime256v1: p256, secp384r1: p384, secp521r1: p521 }[curve.name];
  const compact = concatBytes(numberBytes(pair.r, curve.size), numberBytes(pair.s, curve.size));
  return scheme.verify(compact, digest, point, { prehash: false, lowS: false });
}

/**
 * The two numbers of an ECDSA signature: `SEQUENCE { INTEGER r, INTEGER s }` in DER, each from 1 to n-1; undefined when
 * it is anything else.
 * {@link https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3}
 */
function parseEcdsaSignature(
  signature: Uint8Array,
  order: bigint,
): { readonly r: bigint; readonly s: bigint } | undefined {
  const what = 'the signature';
  try {
    const parts = cursor(parseDer(signature, what, derTags.sequence), what);
    const r = readInteger(parts.next(derTags.integer).content, what);
    const s = readInteger(parts.next(derTags.integer).content, what);
    parts.end();
    return r > 0n && r < order && s > 0n && s < order ? { r, s } : undefined;
  } catch {
    return undefined;
  }
}

/** OpenSSL's answer with the moved generator; undefined when there is none. */
function verifiesMoved(
  curve: Curve,
  point: Uint8Array,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    try {
      const key = movedKey(curve, point, digest);
      verify('sha256', noMessage, key, signature, (error, verdict) => {
        resolve(error === null ? verdict : undefined);
      });
    } catch {
      resolve(undefined);
    }
  });
}

/** The key `point` in the group whose generator is (z/h)·G. Throws what OpenSSL throws when it refuses a part. */
function movedKey(curve: Curve, point: Uint8Array, digest: Uint8Array): KeyObject {
  // The leftmost bits of the digest, as many as the order has: whole bytes, because no digest is longer than P-521.
  const z = BigInt(`0x${hex(digest.subarray(0, curve.size))}`);
  const generator = createECDH(curve.name);
  // Throws for 0, which is no private key.
  generator.setPrivateKey(numberBytes((z * curve.inverse) % curve.order, curve.size));
  const parameters = derSequence(curve.before, derOctetString(generator.getPublicKey()), curve.after);
  return importSpki(derSequence(derSequence(ecPublicKey, parameters), derBitString(point)));
}

/** `value` in `size` bytes, big-endian. */
function numberBytes(value: bigint, size: number): Uint8Array {
  return fromHex(value.toString(16).padStart(size * 2, '0'));
}

function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** What PKCS#1 v1.5 puts before the digest. {@link https://www.rfc-editor.org/rfc/rfc8017#section-9.2} */
const digestInfos: Readonly<Record<SignatureHash, Uint8Array>> = {
  sha256: fromHex('3031300d060960864801650304020105000420'),
  sha384: fromHex('3041300d060960864801650304020205000430'),
  sha512: fromHex('3051300d060960864801650304020305000440'),
};

const modulusBytes: Readonly<Partial<Record<KeyType, number>>> = {
  'rsa-2048': 256,
  'rsa-3072': 384,
  'rsa-4096': 512,
};

/**
 * RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2). The padding is checked by OpenSSL; what it leaves is compared in full with
 * the one DigestInfo there is for the digest, never parsed, so that nothing can hide in it.
 */
function verifiesRsa(
  key: VerificationKey,
  hash: SignatureHash,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const object = importSpki(key.spki);
  if (object.asymmetricKeyType !== 'rsa')
    throw new BoltsealError('ERR_KEY_INVALID', 'the public key is not an RSA key');
  if (signature.length !== modulusBytes[key.type]) return false;
  let found: Uint8Array;
  try {
    found = publicDecrypt({ key: object, padding: constants.RSA_PKCS1_PADDING }, signature);
  } catch {
    return false;
  }
  return equalBytes(found, concatBytes(digestInfos[hash], digest));
}

/** Ed25519ph (RFC 8032 section 5.1): dom2(1, "") stands before all that is hashed, and the message is its digest. */
async function verifiesEd25519ph(
  key: VerificationKey,
  hash: SignatureHash,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (hash !== 'sha512') {
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', 'Ed25519 verifies over SHA-512 digests only');
  }
  if (signature.length !== 64) return false;
  const [{ eddsa }, { ed25519 }, { sha512 }] = await Promise.all([
    import('@noble/curves/abstract/edwards.js'),
    import('@noble/curves/ed25519.js'),
    import('@noble/hashes/sha2.js'),
  ]);
  const scheme = eddsa(ed25519.Point, sha512, {
    domain: (message: Uint8Array) => concatBytes(ed25519phDomain, message),
    // The message is hashed already.
    prehash: (message: Uint8Array) => message,
    zip215: false,
  });
  return scheme.verify(signature, digest, keyPoint(key));
}

const ed25519phDomain = concatBytes(Buffer.from('SigEd25519 no Ed25519 collisions'), Uint8Array.of(1, 0));
