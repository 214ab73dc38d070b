/** Signatures as logs and timestamp authorities take them, and which of them a log takes at all. */
import { BoltsealError } from '../core/errors.ts';
import { type EntryVerifier, verifierOf } from '../formats/log-entry-verifier.ts';
import { sha256 } from '../formats/merkle.ts';
import type { KeyType, PublicKey } from '../formats/public-key.ts';

/** A signature that can be recorded, with who made it and over what. ECDSA and RSA are over SHA-256, Ed25519 is pure. */
export type RecordableSignature = RecordableFields &
  (
    | {
        /** Exactly what the signature covers; of an envelope its pre-authentication encoding. */
        readonly signedBytes: Uint8Array;
      }
    | {
        /** The SHA-256 of what the signature covers, where that is too large to keep. */
        readonly digest: Uint8Array;
      }
  );

interface RecordableFields {
  readonly signature: Uint8Array;
  /** What timestamps are of, when that is not the signature. */
  readonly stampedBytes?: Uint8Array | undefined;
  /** The envelope's parts, when what was signed is one. */
  readonly envelope?: { readonly payload: Uint8Array; readonly payloadType: string } | undefined;
  readonly publicKey: PublicKey;
  /** The leaf certificate of the key, DER. */
  readonly certificate?: Uint8Array | undefined;
}

/** What a signature is over: an envelope, or anything else. */
export type RecordableContent = 'envelope' | 'message';

/** Versions of Rekor. */
export type RekorVersion = 1 | 2;

/** What a signature is over. */
export function contentOf(signature: RecordableSignature): RecordableContent {
  return signature.envelope === undefined ? 'message' : 'envelope';
}

/** The SHA-256 of what a signature covers. */
export function signedDigest(signature: RecordableSignature): Uint8Array {
  return 'digest' in signature ? signature.digest : sha256(signature.signedBytes);
}

/** Who made a signature, as entries name them. Throws `ERR_CERTIFICATE_INVALID`. */
export function verifierOfSignature({ certificate, publicKey }: RecordableSignature): EntryVerifier {
  return certificate === undefined
    ? verifierOf('publicKey', publicKey.spki, 'the public key')
    : verifierOf('certificate', certificate, 'the certificate');
}

/** Why a log does not take a digest signed by such a key: the hash it wants is not the one that is signed with here. */
const misfits: Readonly<Partial<Record<KeyType, string>>> = {
  'ecdsa-p384': 'takes signatures by P-384 keys only over SHA-384',
  'ecdsa-p521': 'takes signatures by P-521 keys only over SHA-512',
  ed25519: 'takes signatures by Ed25519 keys only over a SHA-512 digest (Ed25519ph)',
};

/**
 * Throws `ERR_SIGNING_CONFIG` when a log does not take signatures by `publicKey` as they are made here, before anything is
 * sent to it. Both versions verify entries of the kind hashedrekord over the digest alone, with the one hash that goes
 * with the key: P-384 and P-521 with SHA-256, which every cosign verifies, and pure Ed25519 are refused. Envelopes in a
 * log of the first version are verified whole, over SHA-256, by any key.
 * {@link https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md}
 */
export function requireLoggable(
  version: RekorVersion,
  publicKey: PublicKey,
  content: RecordableContent,
): void {
  const misfit = misfits[publicKey.type];
  if (misfit === undefined || (version === 1 && content === 'envelope')) return;
  const what = content === 'envelope' ? 'an envelope' : 'a file or payload';
  const otherLog =
    content === 'envelope' ? ' Or choose a log of Rekor v1, which takes envelopes by any key.' : '';
  throw new BoltsealError(
    'ERR_SIGNING_CONFIG',
    `a signature by an ${publicKey.type} key over ${what} cannot be logged: Rekor v${version} ${misfit}`,
    { hint: `Sign with an ECDSA P-256 or RSA key, or without a log.${otherLog}` },
  );
}
