/**
 * Entries of a Certificate Transparency log: what is hashed into its tree and what is stored and served.
 *
 *     TimestampedEntry: u64 time | u16 kind | body | u16-vector of extensions
 *       kind 0, body of a certificate:    u24-vector
 *       kind 1, body of a precertificate: SHA-256 of the issuer's key (32) | u24-vector of the TBSCertificate
 *     MerkleTreeLeaf:   00 | 00 | TimestampedEntry
 *     TileLeaf:         TimestampedEntry | (kind 1: u24-vector of the precertificate) | u16-vector of fingerprints
 *
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-3.4 RFC 6962 section 3.4},
 * {@link https://c2sp.org/static-ct-api C2SP static-ct-api}
 */
import { concatBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { tlsNumber, tlsReader, tlsVector } from './tls-encoding.ts';

/** What was logged, before it has a place in the log. */
export type CtEntry =
  | { readonly kind: 'certificate' /** DER. */; readonly certificate: Uint8Array }
  | {
      readonly kind: 'precertificate';
      /** SHA-256 of the issuer's SubjectPublicKeyInfo. */
      readonly issuerKeyHash: Uint8Array;
      /** TBSCertificate without poison and without timestamps, DER. */
      readonly tbs: Uint8Array;
    };

/** An entry at its place. */
export interface TimestampedEntry {
  readonly entry: CtEntry;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** CtExtensions without their length; empty, or the index of the leaf ({@link leafIndexExtension}). */
  readonly extensions: Uint8Array;
}

/** An entry as the log stores it. */
export interface TileLeaf extends TimestampedEntry {
  /** The precertificate that was submitted, DER; set when the entry is one. */
  readonly precertificate: Uint8Array | undefined;
  /** SHA-256 of each certificate of the submitted chain, the issuer's first. */
  readonly fingerprints: readonly Uint8Array[];
}

/** Version 1 and the type `timestamped_entry`; in a signed timestamp, version 1 and `certificate_timestamp`. */
const leafStart = Uint8Array.of(0, 0);

/**
 * What of an entry needs no place: its kind and body. Two submissions with equal ones are the same.
 */
export function encodeCtEntry(entry: CtEntry): Uint8Array {
  return entry.kind === 'certificate'
    ? concatBytes(tlsNumber(0, 2), tlsVector(3, entry.certificate))
    : concatBytes(tlsNumber(1, 2), entry.issuerKeyHash, tlsVector(3, entry.tbs));
}

/**
 * The MerkleTreeLeaf of an entry, from its `encodeCtEntry`. The same bytes are what a signed certificate timestamp
 * signs (RFC 6962 section 3.2).
 */
export function encodeMerkleTreeLeaf(encoded: Uint8Array, time: number, extensions: Uint8Array): Uint8Array {
  return concatBytes(leafStart, tlsNumber(time, 8), encoded, tlsVector(2, extensions));
}

/** The TileLeaf of an entry, from its MerkleTreeLeaf; `tail` is its {@link encodeTileLeafTail}. */
export function encodeTileLeaf(merkleTreeLeaf: Uint8Array, tail: Uint8Array): Uint8Array {
  return concatBytes(merkleTreeLeaf.subarray(leafStart.length), tail);
}

/** What follows the TimestampedEntry in a TileLeaf. */
export function encodeTileLeafTail(
  precertificate: Uint8Array | undefined,
  fingerprints: readonly Uint8Array[],
): Uint8Array {
  const chain = tlsVector(2, ...fingerprints);
  return precertificate === undefined ? chain : concatBytes(tlsVector(3, precertificate), chain);
}

/** CtExtensions, without their length, of a leaf at `index`, which must be below 2^40. */
export function leafIndexExtension(index: number): Uint8Array {
  return concatBytes(Uint8Array.of(0, 0, 5), tlsNumber(index, 5));
}

/**
 * The index that CtExtensions name, or undefined when they name none. Throws `ERR_LOG_ENTRY_INVALID` for extensions
 * that are malformed or there twice.
 */
export function readLeafIndex(extensions: Uint8Array, what = 'an entry'): number | undefined {
  const reader = tlsReader(extensions, `the extensions of ${what}`, 'ERR_LOG_ENTRY_INVALID');
  const seen = new Set<number>();
  let index: number | undefined;
  while (!reader.isAtEnd) {
    const type = reader.number(1);
    const data = reader.vector(2);
    if (seen.has(type) || (type === 0 && data.length !== 5)) {
      throw new BoltsealError('ERR_LOG_ENTRY_INVALID', `the extensions of ${what} are not valid`);
    }
    seen.add(type);
    if (type === 0) index = tlsReader(data, what, 'ERR_LOG_ENTRY_INVALID').number(5);
  }
  return index;
}

/** Reads the one TileLeaf that `bytes` are. Throws `ERR_LOG_ENTRY_INVALID`. */
export function parseTileLeaf(bytes: Uint8Array, what = 'an entry'): TileLeaf {
  const { leaf, rest } = readTileLeaf(bytes, what);
  if (rest.length > 0) {
    throw new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is not valid: something follows it`);
  }
  return leaf;
}

/** Reads the TileLeaves of a data tile. Throws `ERR_LOG_ENTRY_INVALID`. */
export function parseDataTile(bytes: Uint8Array, what = 'a data tile'): readonly TileLeaf[] {
  const leaves: TileLeaf[] = [];
  for (let left = bytes; left.length > 0; ) {
    const { leaf, rest } = readTileLeaf(left, what);
    leaves.push(leaf);
    left = rest;
  }
  return leaves;
}

function readTileLeaf(
  input: Uint8Array,
  what: string,
): { readonly leaf: TileLeaf; readonly rest: Uint8Array } {
  const reader = tlsReader(input, what, 'ERR_LOG_ENTRY_INVALID');
  const fail = (): BoltsealError => new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is not valid`);
  const time = reader.number(8);
  const kind = reader.number(2);
  if (kind > 1) throw fail();
  const entry: CtEntry =
    kind === 0
      ? { kind: 'certificate', certificate: reader.vector(3) }
      : { kind: 'precertificate', issuerKeyHash: reader.bytes(32), tbs: reader.vector(3) };
  const extensions = reader.vector(2);
  const precertificate = kind === 0 ? undefined : reader.vector(3);
  const chain = reader.vector(2);
  if (chain.length % 32 !== 0) throw fail();
  const fingerprints = Array.from({ length: chain.length / 32 }, (_, index) =>
    chain.subarray(index * 32, index * 32 + 32),
  );
  const leaf = { entry, time, extensions, precertificate, fingerprints };
  return { leaf, rest: input.subarray(reader.offset) };
}

/** The MerkleTreeLeaf of an entry that was read. */
export function merkleTreeLeafOf(leaf: TimestampedEntry): Uint8Array {
  return encodeMerkleTreeLeaf(encodeCtEntry(leaf.entry), leaf.time, leaf.extensions);
}

/**
 * The `extra_data` of an entry as `get-entries` returns it: the precertificate when it is one, and the chain, whole
 * certificates. {@link https://www.rfc-editor.org/rfc/rfc6962#section-4.6 RFC 6962 section 4.6}
 */
export function encodeExtraData(
  precertificate: Uint8Array | undefined,
  chain: readonly Uint8Array[],
): Uint8Array {
  const certificates = tlsVector(3, ...chain.map((certificate) => tlsVector(3, certificate)));
  return precertificate === undefined
    ? certificates
    : concatBytes(tlsVector(3, precertificate), certificates);
}
