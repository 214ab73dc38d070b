/**
 * AlgorithmIdentifiers of signatures, as certificates and CMS write them.
 * {@link https://www.rfc-editor.org/rfc/rfc5758#section-3.2 RFC 5758 (ECDSA)},
 * {@link https://www.rfc-editor.org/rfc/rfc8017#appendix-A.2.4 RFC 8017 (RSA)},
 * {@link https://www.rfc-editor.org/rfc/rfc8410#section-3 RFC 8410 (Ed25519)}
 */
import { type KeyObject, verify } from 'node:crypto';
import { derNull, derOid, derSequence } from '../core/der.ts';
import { equalBytes } from '../core/encoding.ts';
import type { KeyType } from './public-key.ts';

/** A signature algorithm. */
export interface SignatureAlgorithm {
  /** Dotted. */
  readonly oid: string;
  /** The family of keys it takes, as Node names it. */
  readonly family: 'ec' | 'rsa' | 'ed25519';
  /** The hash, as Node names it; null when the algorithm has its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  /** AlgorithmIdentifier, DER. ECDSA and Ed25519 have no parameters, RSA has NULL. */
  readonly identifier: Uint8Array;
}

function algorithm(
  oid: string,
  family: SignatureAlgorithm['family'],
  hash: SignatureAlgorithm['hash'],
): SignatureAlgorithm {
  const identifier = family === 'rsa' ? derSequence(derOid(oid), derNull()) : derSequence(derOid(oid));
  return { oid, family, hash, identifier };
}

/** The names of the signature algorithms that are understood. */
export type SignatureAlgorithmName =
  | 'ecdsaSha256'
  | 'ecdsaSha384'
  | 'ecdsaSha512'
  | 'rsaSha256'
  | 'rsaSha384'
  | 'rsaSha512'
  | 'ed25519';

/** Every signature algorithm that is understood. */
export const signatureAlgorithms: Readonly<Record<SignatureAlgorithmName, SignatureAlgorithm>> = {
  ecdsaSha256: algorithm('1.2.840.10045.4.3.2', 'ec', 'sha256'),
  ecdsaSha384: algorithm('1.2.840.10045.4.3.3', 'ec', 'sha384'),
  ecdsaSha512: algorithm('1.2.840.10045.4.3.4', 'ec', 'sha512'),
  rsaSha256: algorithm('1.2.840.113549.1.1.11', 'rsa', 'sha256'),
  rsaSha384: algorithm('1.2.840.113549.1.1.12', 'rsa', 'sha384'),
  rsaSha512: algorithm('1.2.840.113549.1.1.13', 'rsa', 'sha512'),
  ed25519: algorithm('1.3.101.112', 'ed25519', null),
};

const all: readonly SignatureAlgorithm[] = Object.values(signatureAlgorithms);

/** What a signer of a key type signs with: SHA-256 for every ECDSA and RSA key. */
export function signatureAlgorithmOf(type: KeyType): SignatureAlgorithm {
  if (type === 'ed25519') return signatureAlgorithms.ed25519;
  return type.startsWith('rsa') ? signatureAlgorithms.rsaSha256 : signatureAlgorithms.ecdsaSha256;
}

/** The algorithm that AlgorithmIdentifier DER names, or undefined when it is not understood. */
export function readSignatureAlgorithm(identifier: Uint8Array): SignatureAlgorithm | undefined {
  return all.find((one) => equalBytes(one.identifier, identifier));
}

/**
 * Whether `signature` over `message` verifies with `key`. False too when the key is of another family than the
 * algorithm, and for signatures that cannot be read.
 */
export function verifiesWith(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (key.asymmetricKeyType !== algorithm.family) return false;
  try {
    return verify(algorithm.hash, message, key, signature);
  } catch {
    return false;
  }
}
