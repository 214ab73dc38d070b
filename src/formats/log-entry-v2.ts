/**
 * Entries of Rekor v2: their canonical bodies, the requests that propose them, and the answer, a TransparencyLogEntry.
 * Requests are proto JSON; a body is proto JSON in the canonical form of RFC 8785, and its leaf hash is that of the
 * body.
 *
 *     hashedrekord 0.0.2  spec.hashedRekordV002.{data.{algorithm,digest},signature.{content,verifier}}
 *     dsse         0.0.2  spec.dsseV002.{payloadHash.{algorithm,digest},signatures[].{content,verifier}}
 *     verifier            {keyDetails, publicKey.rawBytes or x509Certificate.rawBytes}
 *
 * {@link https://github.com/sigstore/rekor-tiles/tree/v2.3.0/api/proto/rekor/v2}
 */
import { base64, utf8 } from '../core/encoding.ts';
import { type Json, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type Envelope, readEnvelope } from './dsse.ts';
import type { EntryHash } from './log-entry-v1.ts';
import type { EntryVerifier } from './log-entry-verifier.ts';
import { type ProtoReader, protoReader } from './proto-json.ts';
import type { KeyType } from './public-key.ts';

/** Key details that may sign entries, by the numbers of the protocol. Pure Ed25519 signs no digest: only its variant ph. */
const keyDetails = {
  PKIX_ECDSA_P256_SHA_256: 5,
  PKIX_ED25519_PH: 8,
  PKIX_RSA_PKCS1V15_2048_SHA256: 9,
  PKIX_RSA_PKCS1V15_3072_SHA256: 10,
  PKIX_RSA_PKCS1V15_4096_SHA256: 11,
  PKIX_ECDSA_P384_SHA_384: 12,
  PKIX_ECDSA_P521_SHA_512: 13,
} as const;

/** A kind of key and what it signs with. */
export type EntryKeyDetails = keyof typeof keyDetails;

/** The key and the hash that each kind is of. */
export const entryAlgorithms: Readonly<
  Record<EntryKeyDetails, { readonly type: KeyType; readonly hash: EntryHash }>
> = {
  PKIX_ECDSA_P256_SHA_256: { type: 'ecdsa-p256', hash: 'sha256' },
  PKIX_ECDSA_P384_SHA_384: { type: 'ecdsa-p384', hash: 'sha384' },
  PKIX_ECDSA_P521_SHA_512: { type: 'ecdsa-p521', hash: 'sha512' },
  PKIX_ED25519_PH: { type: 'ed25519', hash: 'sha512' },
  PKIX_RSA_PKCS1V15_2048_SHA256: { type: 'rsa-2048', hash: 'sha256' },
  PKIX_RSA_PKCS1V15_3072_SHA256: { type: 'rsa-3072', hash: 'sha256' },
  PKIX_RSA_PKCS1V15_4096_SHA256: { type: 'rsa-4096', hash: 'sha256' },
};

const hashNames = { sha256: 'SHA2_256', sha384: 'SHA2_384', sha512: 'SHA2_512' } as const;
const hashNumbers = { SHA2_256: 1, SHA2_384: 2, SHA2_512: 3 } as const;

/** Who signed: a certificate or a bare key, DER, and what it signs with. */
export interface VerifierV2 {
  readonly kind: EntryVerifier['kind'];
  readonly der: Uint8Array;
  readonly keyDetails: EntryKeyDetails;
}

/** A signature and who made it. */
export interface SignatureV2 {
  readonly signature: Uint8Array;
  readonly verifier: VerifierV2;
}

/** A signature over a digest of the hash that goes with the key. */
export interface HashedRekordV2 extends SignatureV2 {
  readonly kind: 'hashedrekord';
  readonly digest: Uint8Array;
}

/** An envelope, of which only the payload's hash and the signatures are logged. Go clients cannot read this kind. */
export interface DsseV2 {
  readonly kind: 'dsse';
  /** SHA-256 of the payload. */
  readonly payloadHash: Uint8Array;
  readonly signatures: readonly SignatureV2[];
}

/** What a log of the second version holds. */
export type EntryV2 = HashedRekordV2 | DsseV2;

/** A proposed entry. */
export type EntryRequestV2 =
  | HashedRekordV2
  | { readonly kind: 'dsse'; readonly envelope: Envelope; readonly verifiers: readonly VerifierV2[] };

/** The version of every kind. */
export const entryVersionV2 = '0.0.2';

/** The canonical body of an entry. */
export function encodeEntryV2(entry: EntryV2): Uint8Array {
  return utf8(
    `{"apiVersion":"${entryVersionV2}","kind":"${entry.kind}","spec":{${entry.kind === 'dsse' ? dsseField(entry) : hashedRekordField(entry)}}}`,
  );
}

/** The JSON of a proposed entry over a digest, as {@link parseEntryRequestV2} reads it. */
export function encodeEntryRequestV2(entry: HashedRekordV2): Uint8Array {
  return utf8(
    `{"hashedRekordRequestV002":{"digest":"${base64(entry.digest)}","signature":${signatureJson(entry)}}}`,
  );
}

function hashedRekordField(entry: HashedRekordV2): string {
  const { hash } = entryAlgorithms[entry.verifier.keyDetails];
  return `"hashedRekordV002":{"data":${hashJson(hash, entry.digest)},"signature":${signatureJson(entry)}}`;
}

function dsseField(entry: DsseV2): string {
  // In the order of the bytes.
  const signatures = [...entry.signatures]
    .sort((a, b) => Buffer.compare(a.signature, b.signature))
    .map(signatureJson);
  return `"dsseV002":{"payloadHash":${hashJson('sha256', entry.payloadHash)},"signatures":[${signatures.join(',')}]}`;
}

function hashJson(hash: EntryHash, digest: Uint8Array): string {
  return `{"algorithm":"${hashNames[hash]}","digest":"${base64(digest)}"}`;
}

function signatureJson({ signature, verifier }: SignatureV2): string {
  const field = verifier.kind === 'certificate' ? 'x509Certificate' : 'publicKey';
  return (
    `{"content":"${base64(signature)}","verifier":{"keyDetails":"${verifier.keyDetails}",` +
    `"${field}":{"rawBytes":"${base64(verifier.der)}"}}}`
  );
}

/**
 * The entry that a logged body is. Throws `ERR_LOG_ENTRY_INVALID`, also for kinds and versions that are not understood
 * here, and what `parseJson` throws.
 */
export function parseEntryV2(body: Uint8Array, what: string): EntryV2 {
  const reader = protoReader('ERR_LOG_ENTRY_INVALID', what);
  const value = parseJson(body, { what, maxBytes: limits.logEntryBytes });
  const top = reader.message(value, 'the entry', ['apiVersion', 'kind', 'spec']);
  const kind = reader.text(top.kind, 'kind');
  if (reader.text(top.apiVersion, 'apiVersion') !== entryVersionV2)
    throw reader.invalid('its version is not 0.0.2');
  const spec = reader.message(top.spec, 'spec', ['hashedRekordV002', 'dsseV002']);
  if (kind === 'hashedrekord' && spec.dsseV002 === undefined) {
    const where = 'spec.hashedRekordV002';
    const fields = reader.message(spec.hashedRekordV002, where, ['data', 'signature']);
    const signature = readSignature(fields.signature, reader, `${where}.signature`);
    const { hash } = entryAlgorithms[signature.verifier.keyDetails];
    return { kind, digest: readHash(fields.data, hash, reader, `${where}.data`), ...signature };
  }
  if (kind === 'dsse' && spec.hashedRekordV002 === undefined) {
    const where = 'spec.dsseV002';
    const fields = reader.message(spec.dsseV002, where, ['payloadHash', 'signatures']);
    return {
      kind,
      payloadHash: readHash(fields.payloadHash, 'sha256', reader, `${where}.payloadHash`),
      signatures: readList(fields.signatures, reader, `${where}.signatures`).map((item, index) =>
        readSignature(item, reader, `${where}.signatures[${index}]`),
      ),
    };
  }
  throw reader.invalid('its kind is not hashedrekord or dsse, or not that of its spec');
}

function readHash(value: Json | undefined, hash: EntryHash, reader: ProtoReader, where: string): Uint8Array {
  const fields = reader.message(value, where, ['algorithm', 'digest']);
  if (reader.enumName(fields.algorithm, `${where}.algorithm`, hashNumbers) !== hashNames[hash]) {
    throw reader.invalid(`${where}.algorithm is not ${hashNames[hash]}`);
  }
  return digestBytes(fields.digest, hash, reader, `${where}.digest`);
}

function digestBytes(
  value: Json | undefined,
  hash: EntryHash,
  reader: ProtoReader,
  where: string,
): Uint8Array {
  const digest = reader.bytes(value, where);
  const length = Number(hash.slice(3)) / 8;
  if (digest.length !== length) {
    throw reader.invalid(
      `${where} has ${digest.length} bytes, and a ${hashNames[hash]} digest has ${length}`,
    );
  }
  return digest;
}

/**
 * A proposed entry, as a client posts it, or undefined when it is of no kind there is. At most
 * `limits.logEntryVerifiers` signatures and verifiers. Throws `ERR_LOG_ENTRY_INVALID`, `ERR_LIMIT_EXCEEDED`.
 */
export function parseEntryRequestV2(value: Json, what: string): EntryRequestV2 | undefined {
  const reader = protoReader('ERR_LOG_ENTRY_INVALID', what);
  const top = reader.message(value, 'the request', ['hashedRekordRequestV002', 'dsseRequestV002']);
  if (top.hashedRekordRequestV002 !== undefined) {
    if (top.dsseRequestV002 !== undefined) throw reader.invalid('it proposes two entries');
    return readHashedRekord(top.hashedRekordRequestV002, reader);
  }
  return top.dsseRequestV002 === undefined ? undefined : readDsse(top.dsseRequestV002, reader);
}

function readHashedRekord(value: Json, reader: ProtoReader): HashedRekordV2 {
  const where = 'hashedRekordRequestV002';
  const fields = reader.message(value, where, ['digest', 'signature']);
  const signature = readSignature(fields.signature, reader, `${where}.signature`);
  const { hash } = entryAlgorithms[signature.verifier.keyDetails];
  return {
    kind: 'hashedrekord',
    digest: digestBytes(fields.digest, hash, reader, `${where}.digest`),
    ...signature,
  };
}

function readDsse(value: Json, reader: ProtoReader): EntryRequestV2 {
  const where = 'dsseRequestV002';
  const fields = reader.message(value, where, ['envelope', 'verifiers']);
  const envelope = readEnvelope(fields.envelope, reader, `${where}.envelope`);
  if (envelope.signatures.length > limits.logEntryVerifiers) {
    throw reader.invalid(`${where}.envelope has more than ${limits.logEntryVerifiers} signatures`);
  }
  const verifiers = readList(fields.verifiers, reader, `${where}.verifiers`);
  return {
    kind: 'dsse',
    envelope,
    verifiers: verifiers.map((item, index) => readVerifier(item, reader, `${where}.verifiers[${index}]`)),
  };
}

function readList(value: Json | undefined, reader: ProtoReader, where: string): readonly Json[] {
  const list = reader.list(value, where, limits.logEntryVerifiers);
  if (list.length === 0) throw reader.invalid(`${where} is empty`);
  return list;
}

function readSignature(value: Json | undefined, reader: ProtoReader, where: string): SignatureV2 {
  const fields = reader.message(value, where, ['content', 'verifier']);
  return {
    signature: filledBytes(fields.content, reader, `${where}.content`),
    verifier: readVerifier(fields.verifier, reader, `${where}.verifier`),
  };
}

function readVerifier(value: Json | undefined, reader: ProtoReader, where: string): VerifierV2 {
  const fields = reader.message(value, where, ['publicKey', 'x509Certificate', 'keyDetails']);
  const details = reader.enumName(fields.keyDetails, `${where}.keyDetails`, keyDetails);
  if (details === undefined) throw reader.invalid(`${where} has no keyDetails`);
  if ((fields.publicKey === undefined) === (fields.x509Certificate === undefined)) {
    throw reader.invalid(`${where} must have either a public key or a certificate`);
  }
  const kind = fields.publicKey === undefined ? 'certificate' : 'publicKey';
  const raw = reader.message(fields.publicKey ?? fields.x509Certificate, where, ['rawBytes']);
  return { kind, der: filledBytes(raw.rawBytes, reader, `${where}.rawBytes`), keyDetails: details };
}

function filledBytes(value: Json | undefined, reader: ProtoReader, where: string): Uint8Array {
  const bytes = reader.bytes(value, where);
  if (bytes.length === 0) throw reader.invalid(`${where} is empty`);
  return bytes;
}

/** What Rekor v2 answers: an entry with the proof that a checkpoint covers it. */
export interface TransparencyLogEntryFields {
  readonly logIndex: number;
  /** 32 bytes. */
  readonly logId: Uint8Array;
  readonly kind: EntryV2['kind'];
  readonly rootHash: Uint8Array;
  readonly treeSize: number;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: string;
  readonly canonicalizedBody: Uint8Array;
}

/**
 * A TransparencyLogEntry as Rekor v2 answers it: proto JSON with the fields that are not set. There is no time and no
 * promise, both come from elsewhere.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_rekor.proto}
 */
export function encodeTransparencyLogEntry(entry: TransparencyLogEntryFields): Uint8Array {
  const hashes = entry.hashes.map((hash) => `"${base64(hash)}"`).join(',');
  return utf8(
    `{"logIndex":"${entry.logIndex}","logId":{"keyId":"${base64(entry.logId)}"},` +
      `"kindVersion":{"kind":"${entry.kind}","version":"${entryVersionV2}"},"integratedTime":"0","inclusionPromise":null,` +
      `"inclusionProof":{"logIndex":"${entry.logIndex}","rootHash":"${base64(entry.rootHash)}",` +
      `"treeSize":"${entry.treeSize}","hashes":[${hashes}],"checkpoint":{"envelope":${JSON.stringify(entry.checkpoint)}}},` +
      `"canonicalizedBody":"${base64(entry.canonicalizedBody)}"}`,
  );
}
