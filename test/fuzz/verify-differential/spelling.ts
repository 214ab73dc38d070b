/**
 * How bundles and trusted roots are spelled, and how `@sigstore/protobuf-specs` reads what is spelled in another way:
 * a document can be spelled anew so that it says the same to it.
 */
import type { Document } from './build.ts';

/** Ways in which a document departs from the one spelling of proto JSON. */
export type Misspelling =
  /** A field that the message has not. */
  | 'unknown field'
  /** A field under its original name, with underscores. */
  | 'original name'
  /** Bytes in the URL-safe alphabet, or without padding. */
  | 'other base64'
  /** Bytes with characters, padding or bits that no base64 has. */
  | 'no base64'
  /** A number that is written as no number is. */
  | 'number'
  /** A text where there is a number, a list where there is a message, and so on. */
  | 'type'
  /** Two fields of one choice. */
  | 'choice'
  /** A time that is none of RFC 3339. */
  | 'time'
  /** An algorithm that is not named, or of no kind. */
  | 'algorithm'
  | 'media type'
  /** The same key twice in an object. */
  | 'key twice';

type Shape =
  | { readonly kind: 'text' | 'bytes' | 'int64' | 'any' }
  /** A time; when it is none, no time lies within a period that has it. */
  | { readonly kind: 'time'; readonly never: string }
  | { readonly kind: 'enum'; readonly names: readonly string[] }
  | { readonly kind: 'list'; readonly of: Shape }
  | {
      readonly kind: 'message';
      readonly fields: Readonly<Record<string, Shape>>;
      /** Fields of which there may be one; the first one counts. */
      readonly choice?: readonly string[];
    };

const text: Shape = { kind: 'text' };
const bytes: Shape = { kind: 'bytes' };
const int64: Shape = { kind: 'int64' };
const list = (of: Shape): Shape => ({ kind: 'list', of });
const message = (fields: Readonly<Record<string, Shape>>, choice?: readonly string[]): Shape =>
  choice === undefined ? { kind: 'message', fields } : { kind: 'message', fields, choice };

const hashes: Shape = {
  kind: 'enum',
  names: ['HASH_ALGORITHM_UNSPECIFIED', 'SHA2_256', 'SHA2_384', 'SHA2_512', 'SHA3_256', 'SHA3_384'],
};
const id = message({ keyId: bytes });
const certificate = message({ rawBytes: bytes });
const certificates = message({ certificates: list(certificate) });

const entry = message({
  logIndex: int64,
  logId: id,
  kindVersion: message({ kind: text, version: text }),
  integratedTime: int64,
  inclusionPromise: message({ signedEntryTimestamp: bytes }),
  inclusionProof: message({
    logIndex: int64,
    rootHash: bytes,
    treeSize: int64,
    hashes: list(bytes),
    checkpoint: message({ envelope: text }),
  }),
  canonicalizedBody: bytes,
});

/** A bundle (protobuf-specs, sigstore_bundle.proto). */
export const bundleShape: Shape = message(
  {
    mediaType: text,
    verificationMaterial: message(
      {
        publicKey: message({ hint: text }),
        x509CertificateChain: certificates,
        certificate,
        tlogEntries: list(entry),
        timestampVerificationData: message({
          rfc3161Timestamps: list(message({ signedTimestamp: bytes })),
        }),
      },
      ['publicKey', 'x509CertificateChain', 'certificate'],
    ),
    messageSignature: message({
      messageDigest: message({ algorithm: hashes, digest: bytes }),
      signature: bytes,
    }),
    dsseEnvelope: message({
      payload: bytes,
      payloadType: text,
      signatures: list(message({ sig: bytes, keyid: text })),
    }),
  },
  ['messageSignature', 'dsseEnvelope'],
);

const period = message({
  start: { kind: 'time', never: '9999-12-31T23:59:59Z' },
  end: { kind: 'time', never: '0001-01-01T00:00:00Z' },
});
const log = message({
  baseUrl: text,
  hashAlgorithm: hashes,
  publicKey: message({ rawBytes: bytes, keyDetails: { kind: 'any' }, validFor: period }),
  logId: id,
  checkpointKeyId: id,
  operator: text,
});
const authority = message({
  subject: message({ organization: text, commonName: text }),
  uri: text,
  certChain: certificates,
  validFor: period,
  operator: text,
});

/** A trusted root (protobuf-specs, sigstore_trustroot.proto). */
export const rootShape: Shape = message({
  mediaType: text,
  tlogs: list(log),
  certificateAuthorities: list(authority),
  ctlogs: list(log),
  timestampAuthorities: list(authority),
});

/** A document in its one spelling, and what was spelled otherwise. */
export interface Respelled {
  readonly document: Document;
  readonly found: ReadonlySet<Misspelling>;
}

/** `document` as `@sigstore/protobuf-specs` reads it. Names with underscores are read by it as unknown. */
export function respell(document: Document, shape: Shape): Respelled {
  const found = new Set<Misspelling>();
  return { document: read(document, shape, found), found };
}

/** `document` with names that have underscores in lowerCamelCase; both are the same field. */
export function renamed(document: Document, shape: Shape): Document {
  if (document === null || document === undefined) return document;
  if (shape.kind === 'list' && Array.isArray(document))
    return document.map((item) => renamed(item, shape.of));
  if (shape.kind !== 'message' || typeof document !== 'object' || Array.isArray(document)) return document;
  const copy: Document = {};
  for (const [key, value] of Object.entries(document)) {
    const name = Object.keys(shape.fields).find((one) => one === key || underscored(one) === key) ?? key;
    const below = shape.fields[name];
    copy[name] = below === undefined ? value : renamed(value, below);
  }
  return copy;
}

function underscored(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function read(value: Document, shape: Shape, found: Set<Misspelling>): Document {
  switch (shape.kind) {
    case 'any':
      return value;
    case 'text':
      if (typeof value !== 'string') found.add('type');
      return String(value);
    case 'bytes':
      return readBytes(value, found);
    case 'int64':
      return readNumber(value, found);
    case 'time':
      return readTime(value, shape.never, found);
    case 'enum':
      if (value === 0 || value === shape.names[0]) found.add('algorithm');
      return value;
    case 'list':
      if (Array.isArray(value)) return value.map((item) => read(item, shape.of, found));
      found.add('type');
      return [];
    case 'message':
      return readMessage(value, shape, found);
  }
}

function readMessage(
  value: Document,
  { fields, choice = [] }: Shape & { readonly kind: 'message' },
  found: Set<Misspelling>,
): Document {
  if (typeof value !== 'object' || Array.isArray(value)) {
    found.add('type');
    return {};
  }
  const copy: Document = {};
  for (const [key, content] of Object.entries(value as Record<string, unknown>)) {
    const shape = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (shape !== undefined) {
      if (content !== null && content !== undefined) copy[key] = read(content, shape, found);
    } else if (Object.keys(fields).some((name) => underscored(name) === key)) found.add('original name');
    else found.add('unknown field');
  }
  const [_, ...more] = choice.filter((name) => copy[name] !== undefined);
  if (more.length > 0) found.add('choice');
  for (const name of more) delete copy[name];
  return copy;
}

function readBytes(value: Document, found: Set<Misspelling>): string {
  const decoded = Buffer.from(value as string, 'base64').toString('base64');
  if (decoded === value) return decoded;
  if (typeof value !== 'string') found.add('type');
  else if (
    value.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '') === decoded.replace(/=+$/, '')
  ) {
    found.add(
      /={3,}$/.test(value) || (value.endsWith('=') && value.length % 4 !== 0) ? 'no base64' : 'other base64',
    );
  } else found.add('no base64');
  return decoded;
}

/** As `BigInt` and `Number` read a number, which is what becomes of its text. */
function readNumber(value: Document, found: Set<Misspelling>): Document {
  if (typeof value === 'string' && /^(?:0|-?[1-9][0-9]{0,18})$/.test(value) && isInt64(BigInt(value)))
    return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  found.add(typeof value === 'string' || typeof value === 'number' ? 'number' : 'type');
  const written = String(value).trim();
  if (/^[+-]?[0-9]+$/.test(written)) {
    const whole = BigInt(written.replace('+', ''));
    return isInt64(whole) ? String(whole) : '9223372036854775807';
  }
  const number = Number(written);
  return Number.isFinite(number) ? String(Math.trunc(number)) : '0';
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function readTime(value: Document, never: string, found: Set<Misspelling>): Document {
  // What is no text is read as a message with seconds and nanoseconds.
  const read = typeof value === 'string' ? new Date(value) : new Date((Number(value?.seconds) || 0) * 1_000);
  if (typeof value === 'string' && rfc3339.test(value) && isDay(value, read)) return value;
  found.add('time');
  return Number.isNaN(read.getTime()) ? never : read.toISOString();
}

/** Whether a day that is written exists: JavaScript takes the 30th of February for the 1st of March. */
function isDay(written: string, read: Date): boolean {
  if (Number.isNaN(read.getTime())) return false;
  const [year = 0, month = 0, day = 0] = written.slice(0, 10).split('-').map(Number);
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** Whether an object in the text has a key twice: what was read would be written shorter. */
export function hasKeyTwice(text: string): boolean {
  let twice = false;
  const count = (value: unknown): number => {
    if (typeof value !== 'object' || value === null) return 0;
    const values = Object.values(value);
    return (
      (Array.isArray(value) ? 0 : values.length) + values.reduce<number>((sum, one) => sum + count(one), 0)
    );
  };
  try {
    let keys = 0;
    // A key is a string with a colon behind it; strings are taken whole.
    for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:)?/g)) if (match[1] !== undefined) keys++;
    twice = keys > count(JSON.parse(text));
  } catch {
    // No JSON at all.
  }
  return twice;
}
