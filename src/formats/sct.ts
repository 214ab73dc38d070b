/**
 * Signed certificate timestamps: a log's promise, embedded in a certificate, that it has the certificate.
 *
 *     SCT:     00 | SHA-256 of the log's key (32) | u64 time | u16-vector of extensions | u8 hash | u8 algorithm | u16-vector
 *     list:    u16-vector of u16-vectors
 *     signed:  the MerkleTreeLeaf of the entry, which for a certificate that holds timestamps is its precertificate's
 *
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-3.2 RFC 6962 sections 3.2} and 3.3
 */
import { derExplicit, derNull, derOctetString, derOid, derSequence, derTags, parseDer } from '../core/der.ts';
import { concatBytes, equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Certificate, Extension } from './certificate.ts';
import { type CtEntry, encodeCtEntry, encodeMerkleTreeLeaf } from './ct-entry.ts';
import { encodeExtension } from './extensions.ts';
import { sha256 } from './merkle.ts';
import type { KeyType, PublicKey } from './public-key.ts';
import { signatureAlgorithms, verifiesWith } from './signature-algorithm.ts';
import { tlsNumber, tlsReader, tlsVector } from './tls-encoding.ts';

/** A signed certificate timestamp of version 1. */
export interface SignedCertificateTimestamp {
  /** SHA-256 of the log's SubjectPublicKeyInfo. */
  readonly logId: Uint8Array;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** CtExtensions without their length. */
  readonly extensions: Uint8Array;
  readonly signature: Uint8Array;
  /** What the log's key must be. */
  readonly algorithm: 'ecdsa' | 'rsa';
}

/** The extension that holds timestamps. */
export const sctListOid = '1.3.6.1.4.1.11129.2.4.2';

const sctListType = derOid(sctListOid);

/** The extension that keeps a precertificate from being used as a certificate. */
export const poisonOid = '1.3.6.1.4.1.11129.2.4.3';

/** The poison extension, DER. */
export const poisonExtension: Uint8Array = encodeExtension(poisonOid, derNull(), true);

/** SignatureAndHashAlgorithm of TLS 1.2: SHA-256 with ECDSA or RSA (RFC 5246 section 7.4.1.4.1). */
const algorithmBytes = { ecdsa: Uint8Array.of(4, 3), rsa: Uint8Array.of(4, 1) } as const;

/** What a log with a key of `type` signs with, or undefined when such a key cannot sign timestamps. */
export function sctAlgorithmOf(type: KeyType): SignedCertificateTimestamp['algorithm'] | undefined {
  if (type === 'ecdsa-p256') return 'ecdsa';
  return type.startsWith('rsa') ? 'rsa' : undefined;
}

/** The identifier of a log: SHA-256 of its SubjectPublicKeyInfo. */
export function ctLogId(spki: Uint8Array): Uint8Array {
  return sha256(spki);
}

/** A signature with its algorithm, as `digitally-signed` writes it. */
export function encodeDigitallySigned(
  algorithm: SignedCertificateTimestamp['algorithm'],
  signature: Uint8Array,
): Uint8Array {
  return concatBytes(algorithmBytes[algorithm], tlsVector(2, signature));
}

/** SCT bytes. */
export function encodeSct(sct: SignedCertificateTimestamp): Uint8Array {
  return concatBytes(
    Uint8Array.of(0),
    sct.logId,
    tlsNumber(sct.time, 8),
    tlsVector(2, sct.extensions),
    encodeDigitallySigned(sct.algorithm, sct.signature),
  );
}

/** Reads an SCT. Throws `ERR_CERTIFICATE_INVALID`, also for another version or algorithm. */
export function parseSct(
  bytes: Uint8Array,
  what = 'the signed certificate timestamp',
): SignedCertificateTimestamp {
  const reader = tlsReader(bytes, what, 'ERR_CERTIFICATE_INVALID');
  if (reader.number(1) !== 0) throw refused(what, 'its version is unknown');
  const logId = reader.bytes(32);
  const time = reader.number(8);
  const extensions = reader.vector(2);
  const pair = reader.bytes(2);
  const algorithm = (['ecdsa', 'rsa'] as const).find((name) => equalBytes(algorithmBytes[name], pair));
  if (algorithm === undefined) throw refused(what, 'its algorithm is not supported');
  const signature = reader.vector(2);
  reader.end();
  return { logId, time, extensions, signature, algorithm };
}

function refused(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_CERTIFICATE_INVALID', `${what} is not valid: ${why}`);
}

/** The extension that embeds SCTs, each as {@link encodeSct} wrote it; it is the last of a certificate. */
export function encodeSctExtension(scts: readonly Uint8Array[]): Uint8Array {
  const list = tlsVector(2, ...scts.map((sct) => tlsVector(2, sct)));
  return derSequence(sctListType, derOctetString(derOctetString(list)));
}

/**
 * The SCTs embedded in a certificate; none without the extension. Throws `ERR_CERTIFICATE_INVALID` and
 * `ERR_LIMIT_EXCEEDED`.
 */
export function embeddedScts(
  certificate: Pick<Certificate, 'extensions'>,
  what = 'the certificate',
): readonly SignedCertificateTimestamp[] {
  const extension = certificate.extensions.get(sctListOid);
  if (extension === undefined) return [];
  const name = `the list of timestamps of ${what}`;
  let content: Uint8Array;
  try {
    content = parseDer(extension.value, name, derTags.octetString).content;
  } catch (cause) {
    throw new BoltsealError('ERR_CERTIFICATE_INVALID', `${name} is not valid`, { cause });
  }
  const outer = tlsReader(content, name, 'ERR_CERTIFICATE_INVALID');
  const list = tlsReader(outer.vector(2), name, 'ERR_CERTIFICATE_INVALID');
  outer.end();
  const found: SignedCertificateTimestamp[] = [];
  while (!list.isAtEnd) {
    if (found.length === limits.sctCount) {
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${name} has more than ${limits.sctCount} timestamps`);
    }
    found.push(parseSct(list.vector(2), `a timestamp of ${what}`));
  }
  if (found.length === 0) throw refused(name, 'it is empty');
  return found;
}

/**
 * The entry that a log has of a certificate with embedded timestamps, or of a precertificate: its TBSCertificate
 * without them and without the poison, every other byte as it is. `issuerSpki` is the key of its issuer.
 */
export function precertificateEntry(
  certificate: Pick<Certificate, 'tbsStart' | 'extensions'>,
  issuerSpki: Uint8Array,
): CtEntry & { readonly kind: 'precertificate' } {
  const kept: Extension[] = [];
  for (const extension of certificate.extensions.values()) {
    if (extension.oid !== sctListOid && extension.oid !== poisonOid) kept.push(extension);
  }
  const list = derSequence(...kept.map(({ bytes }) => bytes));
  const tbs =
    kept.length === 0
      ? derSequence(certificate.tbsStart)
      : derSequence(certificate.tbsStart, derExplicit(3, list));
  return { kind: 'precertificate', issuerKeyHash: ctLogId(issuerSpki), tbs };
}

/**
 * Checks that `sct` is by the log with `key` and for `entry`. Throws `ERR_VERIFY_SIGNATURE`.
 */
export function verifySct(sct: SignedCertificateTimestamp, entry: CtEntry, key: PublicKey): void {
  const signed = encodeMerkleTreeLeaf(encodeCtEntry(entry), sct.time, sct.extensions);
  const algorithm =
    sct.algorithm === 'ecdsa' ? signatureAlgorithms.ecdsaSha256 : signatureAlgorithms.rsaSha256;
  if (!equalBytes(ctLogId(key.spki), sct.logId)) {
    throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'a certificate timestamp is by another log');
  }
  if (!verifiesWith(algorithm, key.key, signed, sct.signature)) {
    throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'a certificate timestamp does not verify');
  }
}
