/** What is true of a trial, found out without the code that is tested. Differences are explained with nothing else. */
import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { equalBytes } from '../../../src/core/encoding.ts';
import type { Document } from './build.ts';
import { type CertificateFacts, certificateFacts, type TimestampFacts, timestampFacts } from './der-form.ts';
import { derBytes } from './der-tree.ts';
import { bundleShape, hasKeyTwice, type Misspelling, respell, rootShape } from './spelling.ts';
import type { Trial } from './trial.ts';

/** A log of a trusted root. */
export interface LogFacts {
  readonly baseUrl: string;
  readonly logId: Uint8Array;
  readonly keyBytes: Uint8Array;
  readonly keyDetails: string;
  readonly key: KeyObject | undefined;
  readonly start: number;
  readonly end: number;
}

/** An authority of a trusted root. */
export interface AuthorityFacts {
  readonly chain: readonly CertificateFacts[];
  readonly start: number;
  readonly end: number;
}

/** A log entry of a bundle. */
export interface EntryFacts {
  readonly logIndex: string;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  readonly integratedTime: string;
  readonly promise: Uint8Array | undefined;
  readonly proof:
    | {
        readonly logIndex: string;
        readonly rootHash: Uint8Array;
        readonly treeSize: string;
        readonly hashes: number;
        readonly checkpoint: string;
      }
    | undefined;
  readonly bodyText: string;
  readonly body: Document;
}

/** What a bundle and a trusted root say, as `@sigstore/protobuf-specs` reads them. */
export interface Facts {
  readonly trial: Trial;
  readonly misspellings: ReadonlySet<Misspelling>;
  readonly rootMisspellings: ReadonlySet<Misspelling>;
  readonly document: Document;
  readonly root: Document;
  readonly entries: readonly EntryFacts[];
  readonly timestamps: readonly TimestampFacts[];
  /** Of the signer; then those beside it. */
  readonly certificates: readonly CertificateFacts[];
  readonly logs: readonly LogFacts[];
  readonly certificateLogs: readonly LogFacts[];
  readonly authorities: readonly AuthorityFacts[];
  readonly timestampAuthorities: readonly AuthorityFacts[];
  readonly signature: Uint8Array;
  /** What the signature covers; undefined when only its digest is known. */
  readonly message: Uint8Array | undefined;
  readonly envelope: { readonly payload: Uint8Array; readonly payloadType: string } | undefined;
  /** The key that must have signed. */
  readonly key: KeyObject | undefined;
}

function bytes(value: unknown): Uint8Array {
  return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : new Uint8Array(0);
}

function parse(content: Uint8Array): Document {
  try {
    const document = JSON.parse(Buffer.from(content).toString()) as Document;
    return typeof document === 'object' && document !== null && !Array.isArray(document) ? document : {};
  } catch {
    return {};
  }
}

/** The public key that bytes are, however they are spelled. */
export function keyOf(content: Uint8Array, type: 'spki' | 'pkcs1' = 'spki'): KeyObject | undefined {
  try {
    const buffer = Buffer.from(content);
    return buffer.subarray(0, 5).toString() === '-----'
      ? createPublicKey(buffer)
      : createPublicKey({ key: buffer, format: 'der', type });
  } catch {
    return undefined;
  }
}

/** Everything that is true of a trial. */
export function factsOf(trial: Trial): Facts {
  const read = respell(parse(trial.bundle), bundleShape);
  const readRoot = respell(parse(trial.root), rootShape);
  const { verificationMaterial: material = {}, messageSignature, dsseEnvelope } = read.document;
  const chain =
    material.x509CertificateChain?.certificates ?? (material.certificate ? [material.certificate] : []);
  const stamps: Document[] = material.timestampVerificationData?.rfc3161Timestamps ?? [];
  const certificates = chain.map(({ rawBytes }: Document) => certificateFacts(bytes(rawBytes)));
  const envelope =
    dsseEnvelope === undefined || messageSignature !== undefined
      ? undefined
      : { payload: bytes(dsseEnvelope.payload), payloadType: String(dsseEnvelope.payloadType ?? '') };
  return {
    trial,
    misspellings: withTwice(read.found, trial.bundle),
    rootMisspellings: withTwice(readRoot.found, trial.root),
    document: read.document,
    root: readRoot.document,
    entries: (material.tlogEntries ?? []).map(entryFacts),
    timestamps: stamps.map(({ signedTimestamp }) => timestampFacts(bytes(signedTimestamp))),
    certificates,
    logs: (readRoot.document.tlogs ?? []).map(logFacts),
    certificateLogs: (readRoot.document.ctlogs ?? []).map(logFacts),
    authorities: (readRoot.document.certificateAuthorities ?? []).map(authorityFacts),
    timestampAuthorities: (readRoot.document.timestampAuthorities ?? []).map(authorityFacts),
    signature: bytes(messageSignature?.signature ?? dsseEnvelope?.signatures?.[0]?.sig),
    message: messageOf(trial, envelope),
    envelope,
    key:
      trial.signer.kind === 'key'
        ? keyOf(trial.signer.key)
        : keyOf(certificates[0]?.publicKey ?? new Uint8Array(0)),
  };
}

function withTwice(found: ReadonlySet<Misspelling>, content: Uint8Array): ReadonlySet<Misspelling> {
  return hasKeyTwice(Buffer.from(content).toString()) ? new Set([...found, 'key twice' as const]) : found;
}

function messageOf({ artifact }: Trial, envelope: Facts['envelope']): Uint8Array | undefined {
  if (envelope === undefined) return artifact.kind === 'bytes' ? artifact.bytes : undefined;
  const type = Buffer.from(envelope.payloadType);
  const { payload } = envelope;
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}

function entryFacts(entry: Document): EntryFacts {
  const { inclusionProof: proof, inclusionPromise: promise, kindVersion } = entry;
  const body = Buffer.from(bytes(entry.canonicalizedBody));
  return {
    logIndex: String(entry.logIndex ?? 0),
    logId: bytes(entry.logId?.keyId),
    kind: String(kindVersion?.kind ?? ''),
    version: String(kindVersion?.version ?? ''),
    integratedTime: String(entry.integratedTime ?? 0),
    promise: promise === undefined ? undefined : bytes(promise.signedEntryTimestamp),
    proof:
      proof === undefined
        ? undefined
        : {
            logIndex: String(proof.logIndex ?? 0),
            rootHash: bytes(proof.rootHash),
            treeSize: String(proof.treeSize ?? 0),
            hashes: (proof.hashes ?? []).length,
            checkpoint: String(proof.checkpoint?.envelope ?? ''),
          },
    bodyText: body.toString(),
    body: parse(body),
  };
}

function periodOf(range: Document): { readonly start: number; readonly end: number } {
  const time = (value: unknown, usual: number): number =>
    typeof value === 'string' ? Date.parse(value) : usual;
  return {
    start: time(range?.start, Number.NEGATIVE_INFINITY),
    end: time(range?.end, Number.POSITIVE_INFINITY),
  };
}

function logFacts(log: Document): LogFacts {
  const keyBytes = bytes(log.publicKey?.rawBytes);
  const keyDetails = String(log.publicKey?.keyDetails ?? '');
  return {
    baseUrl: String(log.baseUrl ?? ''),
    logId: bytes(log.logId?.keyId),
    keyBytes,
    keyDetails,
    key: keyOf(keyBytes, keyDetails.startsWith('PKCS1_') ? 'pkcs1' : 'spki'),
    ...periodOf(log.publicKey?.validFor),
  };
}

function authorityFacts(authority: Document): AuthorityFacts {
  const list: Document[] = authority.certChain?.certificates ?? [];
  return {
    chain: list.map(({ rawBytes }) => certificateFacts(bytes(rawBytes))),
    ...periodOf(authority.validFor),
  };
}

/** Whether an entry is of a kind of Rekor v2. */
export function isSecond({ kind, version }: EntryFacts): boolean {
  return version === '0.0.2' && kind !== 'intoto';
}

/** The logs that an entry names. */
export function logsOf(facts: Facts, { logId }: EntryFacts): readonly LogFacts[] {
  return facts.logs.filter((log) => equalBytes(log.logId, logId));
}

/** The timestamp authorities whose first certificate a timestamp names. */
export function authoritiesOf(facts: Facts, { signer }: TimestampFacts): readonly AuthorityFacts[] {
  return facts.timestampAuthorities.filter(({ chain: [first] }) => {
    if (first === undefined || signer === undefined) return false;
    if (signer.tag === 0x80) {
      const identifier = first.extensions.find(({ oid }) => oid === '2.5.29.14')?.value;
      return identifier !== undefined && equalBytes(identifier.subarray(2), signer.content);
    }
    const [issuer, serial] = signer.parts ?? [];
    if (issuer === undefined || serial === undefined) return false;
    return equalBytes(derBytes(issuer), first.issuer) && equalBytes(derBytes(serial), first.serial);
  });
}

/** What a key signs with beside SHA-256: the hash of its curve; null for Ed25519, which has none. */
export function hashesOf(key: KeyObject | undefined): readonly (string | null)[] {
  const curve = key?.asymmetricKeyDetails?.namedCurve;
  if (key?.asymmetricKeyType === 'ed25519') return [null];
  if (curve === 'secp384r1') return ['sha256', 'sha384'];
  return curve === 'secp521r1' ? ['sha256', 'sha512'] : ['sha256'];
}

/** Whether a signature verifies; never throws. */
export function verifies(
  hash: string | null,
  message: Uint8Array,
  key: KeyObject | undefined,
  signature: Uint8Array,
): boolean {
  try {
    return key !== undefined && verify(hash, message, key, signature);
  } catch {
    return false;
  }
}

/** The hash of the key's own with which the signature of a trial verifies. */
export function ownHash({ key, message, signature }: Facts): string | null | undefined {
  return message === undefined
    ? undefined
    : hashesOf(key).find((hash) => verifies(hash, message, key, signature));
}

/** Extended key usages of a certificate, as OpenSSL reads them; undefined when there is no such extension. */
export function purposesOf({ der }: CertificateFacts): readonly string[] | undefined {
  try {
    return new X509Certificate(der).keyUsage;
  } catch {
    return undefined;
  }
}

/** Bits of a certificate's key usage; undefined when there is no such extension. */
export function usesOf({ extensions }: CertificateFacts): number | undefined {
  const value = extensions.find(({ oid }) => oid === '2.5.29.15')?.value;
  return value === undefined ? undefined : ((value[3] ?? 0) << 8) | (value[4] ?? 0);
}

/** Whether the basic constraints of a certificate say that it is an authority. */
export function isAuthority({ extensions }: CertificateFacts): boolean {
  const value = extensions.find(({ oid }) => oid === '2.5.29.19')?.value;
  return value !== undefined && value[2] === 0x01 && value[4] === 0xff;
}

/** Critical extensions that a verifier of Sigstore's certificates does not know. */
export function unknownCritical({ extensions }: CertificateFacts): readonly string[] {
  const known = ['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.37'];
  return extensions.filter(({ critical, oid }) => critical && !known.includes(oid)).map(({ oid }) => oid);
}

/** Hex of SHA-256. */
export function sha256Of(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
