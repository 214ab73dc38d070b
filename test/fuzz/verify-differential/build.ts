/**
 * Bundles of every kind, made with the keys of a whole Sigstore at hand, so that any part can be made wrong and all that
 * depends on it made right again: what is changed before it is signed has valid signatures around it.
 */
import { createHash } from 'node:crypto';
import { base64 } from '../../../src/core/encoding.ts';
import { inTotoPayloadType, preAuthEncoding } from '../../../src/formats/dsse.ts';
import { type EntryHash, encodeEntryV1 } from '../../../src/formats/log-entry-v1.ts';
import { type DsseV2, encodeEntryV2 } from '../../../src/formats/log-entry-v2.ts';
import { sha256 } from '../../../src/formats/merkle.ts';
import { encodePem } from '../../../src/formats/pem.ts';
import { transparencyLogEntryJson } from '../../../src/formats/transparency-log-entry.ts';
import { encodeTrustedRoot, type TrustedRoot } from '../../../src/formats/trusted-root.ts';
import type { LogEntry } from '../../../src/formats/verification-material.ts';
import {
  identity,
  issuerUrl,
  statementFor,
  type TimestampChoices,
  type World,
} from '../../support/sigstore-world.ts';
import { type LeafChoices, newKey, type TestKey } from '../../support/test-certificates.ts';
import { hashedRekordV2, type LogChoices } from '../../support/test-logs.ts';
import type { Artifact, Trial, TrialSigner } from './trial.ts';

/** JSON that is changed. */
// biome-ignore lint/suspicious/noExplicitAny: documents of every shape are made, and made wrong
export type Document = any;

/** The kinds of log entries. */
export const entryKinds = [
  'hashedrekord 0.0.1',
  'dsse 0.0.1',
  'intoto 0.0.2',
  'hashedrekord 0.0.2',
  'dsse 0.0.2',
] as const;

/** One of {@link entryKinds}. */
export type EntryKind = (typeof entryKinds)[number];

/** A kind of bundle. */
export interface Recipe {
  readonly name: string;
  readonly world: World;
  readonly version: '0.1' | '0.2' | '0.3';
  readonly content: 'message' | 'envelope';
  readonly entries: readonly EntryKind[];
  /** How entries of Rekor v1 are proven. */
  readonly proven?: 'promise' | 'proof' | 'both';
  readonly timestamps: number;
  readonly signer: 'certificate' | 'key';
  readonly key?: Parameters<typeof newKey>[0];
  /** What is signed with; SHA-256 unless told. */
  readonly hash?: EntryHash;
}

/** What is made differently. */
export interface Changes {
  readonly key?: TestKey;
  /** What the certificate is made with; or the whole of it, for a key. */
  readonly leaf?: LeafChoices;
  readonly certificate?: (key: TestKey) => Uint8Array;
  readonly payload?: Uint8Array;
  readonly payloadType?: string;
  readonly hash?: EntryHash;
  /** Bodies before they are logged. */
  readonly body?: (body: Uint8Array, kind: EntryKind) => Uint8Array;
  readonly logged?: Partial<LogChoices>;
  /** Entries after they were logged. */
  readonly entry?: (entry: LogEntry) => LogEntry;
  readonly stamp?: TimestampChoices;
  /** A timestamp of a signature in place of the usual one. */
  readonly timestamp?: (signature: Uint8Array) => Uint8Array;
  readonly root?: (root: TrustedRoot) => TrustedRoot;
  /** The document at the end. */
  readonly document?: (document: Document) => void;
}

/** What everything signs. */
export const artifact: Uint8Array = new Uint8Array(Buffer.from('an artifact\n'));

/** What is not ASCII is longer in bytes than in characters. */
const predicateType = 'https://example.com/prädikat/文/v1';

const digestNames = { sha256: 'SHA2_256', sha384: 'SHA2_384', sha512: 'SHA2_512' } as const;

/** Media types by version. */
export const mediaTypes = {
  '0.1': 'application/vnd.dev.sigstore.bundle+json;version=0.1',
  '0.2': 'application/vnd.dev.sigstore.bundle+json;version=0.2',
  '0.3': 'application/vnd.dev.sigstore.bundle.v0.3+json',
} as const;

/** Who signed, as everything that names them needs it. */
interface Signed {
  readonly message: Uint8Array;
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signature: Uint8Array;
  readonly key: TestKey;
  readonly certificate: Uint8Array | undefined;
  readonly hash: EntryHash;
}

/** A bundle of this kind with these changes, and the rest of what verifies it. */
export function build(recipe: Recipe, changes: Changes = {}): Trial {
  const { world } = recipe;
  const signed = signedBy(recipe, changes);
  const root = changes.root?.(world.trustedRoot);
  const document: Document = {
    mediaType: mediaTypes[recipe.version],
    verificationMaterial: {
      ...signerJson(recipe, signed),
      tlogEntries: recipe.entries.map((kind) => entryJson(recipe, kind, signed, changes)),
      timestampVerificationData: { rfc3161Timestamps: timestampsJson(recipe, signed, changes) },
    },
    ...contentJson(recipe, signed),
  };
  changes.document?.(document);
  const signer: TrialSigner =
    recipe.signer === 'key'
      ? { kind: 'key', key: signed.key.publicKey.spki }
      : { kind: 'identity', subject: { kind: 'exact', value: identity }, issuer: issuerUrl };
  return {
    bundle: bytesOf(document),
    root: root === undefined ? rootBytes(world) : encodeTrustedRoot(root),
    artifact: artifactBytes,
    signer,
    logEntries: recipe.entries.length === 0 ? 0 : 1,
  };
}

const artifactBytes: Artifact = { kind: 'bytes', bytes: artifact };

const roots = new WeakMap<World, Uint8Array>();

/** The trusted root of a world, the same bytes each time, so that verifiers read it once. */
function rootBytes(world: World): Uint8Array {
  const bytes = roots.get(world) ?? encodeTrustedRoot(world.trustedRoot);
  roots.set(world, bytes);
  return bytes;
}

/** JSON as bytes. */
export function bytesOf(document: Document): Uint8Array {
  return new Uint8Array(Buffer.from(JSON.stringify(document)));
}

function signedBy(recipe: Recipe, changes: Changes): Signed {
  const { world, content, hash: usual = 'sha256' } = recipe;
  const { hash = usual, payloadType = inTotoPayloadType } = changes;
  const key = changes.key ?? changes.leaf?.key ?? keyFor(recipe.key);
  const digest = createHash('sha256').update(artifact).digest('hex');
  const payload = changes.payload ?? statementFor(digest, predicateType);
  const message = content === 'message' ? artifact : preAuthEncoding(payloadType, payload);
  const certificate =
    recipe.signer === 'key'
      ? undefined
      : (changes.certificate?.(key) ?? world.issue({ ...changes.leaf, key }).certificate);
  return { message, payload, payloadType, signature: key.sign(message, hash), key, certificate, hash };
}

/** The one RSA key, made when it is needed: making one takes longer than everything else. */
const rsaKeys: TestKey[] = [];

/** A key of this kind; of RSA always the same. */
export function keyFor(kind: Parameters<typeof newKey>[0]): TestKey {
  if (kind !== 'rsa') return newKey(kind);
  const [known = newKey('rsa')] = rsaKeys;
  rsaKeys[0] = known;
  return known;
}

function signerJson({ version, world }: Recipe, { certificate, key }: Signed): Document {
  if (certificate === undefined) return { publicKey: { hint: key.publicKey.hint } };
  const leaf = { rawBytes: base64(certificate) };
  if (version === '0.3') return { certificate: leaf };
  const chain = version === '0.2' ? [leaf, { rawBytes: base64(world.ca.der) }] : [leaf];
  return { x509CertificateChain: { certificates: chain } };
}

function contentJson({ content }: Recipe, signed: Signed): Document {
  const { message, payload, payloadType, signature, hash } = signed;
  if (content === 'envelope') {
    const signatures = [{ sig: base64(signature) }];
    return { dsseEnvelope: { payload: base64(payload), payloadType, signatures } };
  }
  const digest = createHash(hash).update(message).digest('base64');
  return {
    messageSignature: {
      messageDigest: { algorithm: digestNames[hash], digest },
      signature: base64(signature),
    },
  };
}

function timestampsJson({ timestamps, world }: Recipe, { signature }: Signed, changes: Changes): Document[] {
  return Array.from({ length: timestamps }, () => {
    const der = changes.timestamp?.(signature) ?? world.timestamp(signature, changes.stamp);
    return { signedTimestamp: base64(der) };
  });
}

function entryJson(
  { world, proven = 'both', version }: Recipe,
  kind: EntryKind,
  signed: Signed,
  changes: Changes,
): Document {
  const usual = bodyOf(kind, signed);
  const body = changes.body?.(usual, kind) ?? usual;
  const [name = '', number = ''] = kind.split(' ');
  const names = { kind: name, version: number };
  const parts = { promise: proven !== 'proof', proof: proven !== 'promise' };
  const entry =
    number === '0.0.2' && name !== 'intoto'
      ? world.entryV2(body, { ...names, ...changes.logged })
      : world.entryV1(body, { ...names, ...parts, ...changes.logged });
  const document = transparencyLogEntryJson(changes.entry?.(entry) ?? entry);
  // Bundles of version 0.1 were written before there were proofs in them.
  if (version === '0.1' && proven === 'promise') return { ...document, inclusionProof: undefined };
  return document;
}

/** The signer as Rekor v1 logs it; the certificate need not be one. */
function verifierPem({ certificate, key }: Signed): Uint8Array {
  const pem = certificate === undefined ? key.publicKey.pem : encodePem('CERTIFICATE', certificate);
  return new Uint8Array(Buffer.from(pem));
}

function bodyOf(kind: EntryKind, signed: Signed): Uint8Array {
  const { message, payload, payloadType, signature, key, certificate, hash } = signed;
  const verifier = verifierPem(signed);
  const signatures = [{ signature, verifier }];
  const envelopeHash = sha256(payload);
  switch (kind) {
    case 'hashedrekord 0.0.1': {
      const digest = new Uint8Array(createHash(hash).update(message).digest());
      return encodeEntryV1({ kind: 'hashedrekord', hash, digest, signature, verifier });
    }
    case 'dsse 0.0.1':
      return encodeEntryV1({ kind: 'dsse', envelopeHash, payloadHash: sha256(payload), signatures });
    case 'intoto 0.0.2': {
      const payloadHash = sha256(payload);
      return encodeEntryV1({ kind: 'intoto', payloadType, signatures, envelopeHash, payloadHash });
    }
    case 'hashedrekord 0.0.2':
      return encodeEntryV2(hashedRekordV2(message, signature, signerOf(key, certificate)));
    case 'dsse 0.0.2': {
      const { verifier: named } = hashedRekordV2(message, signature, signerOf(key, certificate));
      const entry: DsseV2 = {
        kind: 'dsse',
        payloadHash: sha256(payload),
        signatures: [{ signature, verifier: named }],
      };
      return encodeEntryV2(entry);
    }
  }
}

function signerOf(key: TestKey, certificate: Uint8Array | undefined): Parameters<typeof hashedRekordV2>[2] {
  return certificate === undefined ? { key } : { key, certificate };
}
