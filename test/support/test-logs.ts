/** Entries of transparency logs made at once, with every part that a test wants. */
import { createHash } from 'node:crypto';
import { parseCertificate } from '../../src/formats/certificate.ts';
import { encodeCheckpointBody, encodeNote, type NoteSignature } from '../../src/formats/checkpoint.ts';
import { type EntryHash, type EntryV1, encodeEntryV1 } from '../../src/formats/log-entry-v1.ts';
import { type EntryKeyDetails, type EntryV2, encodeEntryV2 } from '../../src/formats/log-entry-v2.ts';
import { encodeVerifierPem } from '../../src/formats/log-entry-verifier.ts';
import { hashLeaf, inclusionRanges, rootFromInclusion, sha256 } from '../../src/formats/merkle.ts';
import { logIdOf } from '../../src/formats/note-keys.ts';
import type { InclusionProof, LogEntry } from '../../src/formats/verification-material.ts';
import type { TestKey, TestSigner } from './test-certificates.ts';

/** How an entry is logged. */
export interface LogChoices {
  readonly key: TestKey;
  readonly origin: string;
  readonly name: string;
  readonly time: Date;
  /** In the tree. */
  readonly index: number;
  readonly size: number;
  /** What the index of Rekor v1 counts beside that in the tree. */
  readonly offset: number;
  readonly promise: boolean;
  readonly proof: boolean;
  readonly kind: string | undefined;
  readonly version: string | undefined;
  /** More signature lines, before and behind that of the log. */
  readonly before: readonly NoteSignature[];
  readonly behind: readonly NoteSignature[];
}

/** A checkpoint, signed. */
export function testCheckpoint(
  size: number,
  root: Uint8Array,
  { origin, name, key, before, behind }: Pick<LogChoices, 'origin' | 'name' | 'key' | 'before' | 'behind'>,
): string {
  const body = encodeCheckpointBody({ origin, size, root, extensions: [] });
  const keyId = logIdOf(name, key.publicKey).subarray(0, 4);
  const own = { name, keyId, signature: key.sign(Buffer.from(body)) };
  return encodeNote(body, [...before, own, ...behind]);
}

/** A proof in a tree whose other nodes nobody knows the leaves of. */
export function testProof(body: Uint8Array, choices: LogChoices): InclusionProof {
  const { index, size } = choices;
  const hashes = inclusionRanges(index, size).map(({ start }) => sha256(Buffer.from(`node ${start}`)));
  const rootHash = rootFromInclusion(hashLeaf(body), index, size, hashes);
  return {
    logIndex: BigInt(index),
    treeSize: BigInt(size),
    rootHash,
    hashes,
    checkpoint: testCheckpoint(size, rootHash, choices),
  };
}

/** What a signed entry timestamp signs. */
export function promiseText(
  entry: Pick<LogEntry, 'canonicalizedBody' | 'logId' | 'logIndex'>,
  seconds: number,
): string {
  const [body, logId] = [Buffer.from(entry.canonicalizedBody), Buffer.from(entry.logId)];
  return `{"body":"${body.toString('base64')}","integratedTime":${seconds},"logID":"${logId.toString('hex')}","logIndex":${entry.logIndex}}`;
}

/** An entry of Rekor v1; a body may be anything. */
export function logV1(content: EntryV1 | Uint8Array, choices: LogChoices): LogEntry {
  const body = content instanceof Uint8Array ? content : encodeEntryV1(content);
  const { key, index, offset, time } = choices;
  const seconds = Math.floor(time.getTime() / 1_000);
  const entry = {
    logIndex: BigInt(index + offset),
    logId: sha256(key.publicKey.spki),
    ...kindOf(body, choices),
    integratedTime: BigInt(seconds),
    canonicalizedBody: body,
  };
  return {
    ...entry,
    ...(choices.promise ? { signedEntryTimestamp: key.sign(Buffer.from(promiseText(entry, seconds))) } : {}),
    ...(choices.proof ? { inclusionProof: testProof(body, choices) } : {}),
  };
}

/** An entry of Rekor v2; a body may be anything. */
export function logV2(content: EntryV2 | Uint8Array, choices: LogChoices): LogEntry {
  const body = content instanceof Uint8Array ? content : encodeEntryV2(content);
  return {
    logIndex: BigInt(choices.index),
    logId: logIdOf(choices.name, choices.key.publicKey),
    ...kindOf(body, choices),
    ...(choices.proof ? { inclusionProof: testProof(body, choices) } : {}),
    canonicalizedBody: body,
  };
}

function kindOf(body: Uint8Array, choices: LogChoices): { readonly kind: string; readonly version: string } {
  let found: { readonly kind?: string; readonly apiVersion?: string } = {};
  try {
    found = JSON.parse(Buffer.from(body).toString()) as typeof found;
  } catch {
    // A body that is no JSON is a test's own wish.
  }
  return { kind: choices.kind ?? found.kind ?? '', version: choices.version ?? found.apiVersion ?? '' };
}

/** The signer as Rekor v1 logs it. */
export function verifierPem({ key, certificate }: TestSigner): Uint8Array {
  const { spki } = key.publicKey;
  return encodeVerifierPem(
    certificate === undefined
      ? { kind: 'publicKey', der: spki, spki }
      : { kind: 'certificate', der: certificate, spki, certificate: parseCertificate(certificate) },
  );
}

/** What Rekor v1 logs of a signature over `message`. */
export function hashedRekordV1(
  message: Uint8Array,
  signature: Uint8Array,
  signer: TestSigner,
  hash: EntryHash = 'sha256',
): EntryV1 & { readonly kind: 'hashedrekord' } {
  const digest = createHash(hash).update(message).digest();
  return { kind: 'hashedrekord', hash, digest, signature, verifier: verifierPem(signer) };
}

/** What Rekor v1 logs of an envelope. */
export function dsseV1(
  payload: Uint8Array,
  signature: Uint8Array,
  signer: TestSigner,
): EntryV1 & { readonly kind: 'dsse' } {
  return {
    kind: 'dsse',
    envelopeHash: sha256(Buffer.from('the envelope as it was sent')),
    payloadHash: sha256(payload),
    signatures: [{ signature, verifier: verifierPem(signer) }],
  };
}

/** What each kind of key is called in an entry of Rekor v2, and the hash it signs with. */
const detailsV2: Readonly<Record<string, readonly [EntryKeyDetails, EntryHash]>> = {
  'ecdsa-p256': ['PKIX_ECDSA_P256_SHA_256', 'sha256'],
  'ecdsa-p384': ['PKIX_ECDSA_P384_SHA_384', 'sha384'],
  'ecdsa-p521': ['PKIX_ECDSA_P521_SHA_512', 'sha512'],
  ed25519: ['PKIX_ED25519_PH', 'sha512'],
  'rsa-2048': ['PKIX_RSA_PKCS1V15_2048_SHA256', 'sha256'],
};

/** What Rekor v2 logs of a signature over `message`. */
export function hashedRekordV2(
  message: Uint8Array,
  signature: Uint8Array,
  signer: TestSigner,
): EntryV2 & { readonly kind: 'hashedrekord' } {
  const [keyDetails, hash] = detailsV2[signer.key.publicKey.type] ?? ['PKIX_ECDSA_P256_SHA_256', 'sha256'];
  const { certificate, key } = signer;
  return {
    kind: 'hashedrekord',
    digest: createHash(hash).update(message).digest(),
    signature,
    verifier: {
      kind: certificate === undefined ? 'publicKey' : 'certificate',
      der: certificate ?? key.publicKey.spki,
      keyDetails,
    },
  };
}
