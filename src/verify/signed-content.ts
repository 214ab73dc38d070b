/** What was signed, as log entries tell of it: a message or an envelope, its digests and the signature. */
import { hash } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import type { Certificate } from '../formats/certificate.ts';
import { sha256 } from '../formats/merkle.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { SignatureHash } from './authenticate.ts';

/** What was signed, and the signature. */
export interface SignedContent {
  readonly signature: Uint8Array;
  /** What the signature covers has this digest; undefined when it is not known. */
  digest(hash: SignatureHash): Uint8Array | undefined;
  /** When an envelope was signed: what is in it. What the signature covers is its pre-authentication encoding. */
  readonly envelope?: { readonly payload: Uint8Array; readonly payloadType: string } | undefined;
  /** The envelope with the signature, when it is stored by itself: then its timestamps may be of these bytes. */
  readonly storedEnvelope?: Uint8Array | undefined;
}

/** Who signed: what a log entry must name. */
export type EntrySigner =
  | { readonly kind: 'certificate'; readonly certificate: Certificate; readonly key: PublicKey }
  | { readonly kind: 'key'; readonly key: PublicKey };

/** The digests of `bytes`, each computed once and when it is asked for. */
export function digestsOf(bytes: Uint8Array): (hash: SignatureHash) => Uint8Array {
  const known: Partial<Record<SignatureHash, Uint8Array>> = {};
  return (name) => {
    known[name] ??= name === 'sha256' ? sha256(bytes) : hash(name, bytes, 'buffer');
    return known[name];
  };
}

/** What is known of an artifact that is not at hand. Throws `ERR_DIGEST_INVALID` when a digest has not the length of its hash. */
export function knownDigests(
  digests: Readonly<Partial<Record<SignatureHash, Uint8Array | undefined>>>,
): (hash: SignatureHash) => Uint8Array | undefined {
  for (const name of ['sha256', 'sha384', 'sha512'] as const) {
    const length = digests[name]?.length ?? 0;
    if (length === 0 && digests[name] === undefined) continue;
    if (length * 8 === Number(name.slice(3))) continue;
    throw new BoltsealError('ERR_DIGEST_INVALID', `a ${name} digest of the artifact has ${length} bytes`);
  }
  return (name) => digests[name];
}
