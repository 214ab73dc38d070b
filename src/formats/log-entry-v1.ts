/**
 * Entries of Rekor v1: their canonical bodies, and the requests that propose them.
 *
 * A body is JSON in the canonical form of RFC 8785 and its shape is fixed, so that it is written as text: keys in order,
 * values that need no escaping but the payload type. The leaf hash is that of the body.
 *
 *     hashedrekord 0.0.1  spec.data.hash.{algorithm,value} spec.signature.{content,publicKey.content}
 *     dsse         0.0.1  spec.{envelopeHash,payloadHash}.{algorithm,value} spec.signatures[].{signature,verifier}
 *     intoto       0.0.2  spec.content.envelope.{payloadType,signatures[].{keyid,publicKey,sig}}
 *                         spec.content.{hash,payloadHash}.{algorithm,value}
 *
 * {@link https://github.com/sigstore/rekor/tree/v1.5.3/pkg/types}
 */
import { base64, fromBase64, hex, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Envelope } from './dsse.ts';

/** The hashes a hashedrekord entry may name. */
export type EntryHash = 'sha256' | 'sha384' | 'sha512';

/** A signature over a digest. */
export interface HashedRekordV1 {
  readonly kind: 'hashedrekord';
  readonly hash: EntryHash;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
  /** Who signed: PEM. */
  readonly verifier: Uint8Array;
}

/** An envelope, of which only hashes and signatures are logged. */
export interface DsseV1 {
  readonly kind: 'dsse';
  /** SHA-256 of the envelope's JSON as it was sent. */
  readonly envelopeHash: Uint8Array;
  /** SHA-256 of the payload. */
  readonly payloadHash: Uint8Array;
  readonly signatures: readonly { readonly signature: Uint8Array; readonly verifier: Uint8Array }[];
}

/** An envelope as the older kind logs it, with its payload type. */
export interface IntotoV2 {
  readonly kind: 'intoto';
  readonly payloadType: string;
  readonly signatures: readonly {
    readonly signature: Uint8Array;
    readonly verifier: Uint8Array;
    readonly keyId?: string;
  }[];
  /** SHA-256 of the envelope as the client computed it; nobody can check it. */
  readonly envelopeHash: Uint8Array;
  readonly payloadHash: Uint8Array;
}

/** What a log of the first version holds. */
export type EntryV1 = HashedRekordV1 | DsseV1 | IntotoV2;

/** A proposed entry. */
export type EntryRequestV1 =
  | HashedRekordV1
  /** The envelope's JSON as text, and who signed it in any order: PEM. */
  | { readonly kind: 'dsse'; readonly envelope: string; readonly verifiers: readonly Uint8Array[] }
  | {
      readonly kind: 'intoto';
      readonly envelope: Envelope;
      /** Who made the signature at the same place: PEM. */
      readonly verifiers: readonly Uint8Array[];
      readonly envelopeHash: Uint8Array;
    }
  /** A body as it is logged, of an entry whose envelope is not there any more; only to be searched for. */
  | DsseV1
  | IntotoV2;

/** Lengths of digests in bytes. */
const digestLengths: Readonly<Record<EntryHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** The version of each kind that is understood. */
export const entryVersionsV1: Readonly<Record<EntryV1['kind'], string>> = {
  hashedrekord: '0.0.1',
  dsse: '0.0.1',
  intoto: '0.0.2',
};

/** The canonical body of an entry. */
export function encodeEntryV1(entry: EntryV1): Uint8Array {
  return utf8(
    `{"apiVersion":"${entryVersionsV1[entry.kind]}","kind":"${entry.kind}","spec":{${specFields(entry)}}}`,
  );
}

/** The JSON of a proposed entry, as {@link parseEntryRequestV1} reads it: of a signature over a digest, or an envelope. */
export function encodeEntryRequestV1(
  request: HashedRekordV1 | Extract<EntryRequestV1, { readonly envelope: string }>,
): Uint8Array {
  if (request.kind === 'hashedrekord') return encodeEntryV1(request);
  const { envelope, verifiers } = request;
  const proposedContent = { envelope, verifiers: verifiers.map(base64) };
  return utf8(JSON.stringify({ apiVersion: entryVersionsV1.dsse, kind: 'dsse', spec: { proposedContent } }));
}

function specFields(entry: EntryV1): string {
  switch (entry.kind) {
    case 'hashedrekord':
      return (
        `"data":{${hashField('hash', entry.hash, entry.digest)}},` +
        `"signature":{"content":"${base64(entry.signature)}","publicKey":{"content":"${base64(entry.verifier)}"}}`
      );
    case 'dsse': {
      // In the order of the base64, which is not that of the bytes.
      const signatures = entry.signatures
        .map(({ signature, verifier }) => ({ signature: base64(signature), verifier: base64(verifier) }))
        .sort((a, b) => (a.signature < b.signature ? -1 : a.signature > b.signature ? 1 : 0))
        .map(({ signature, verifier }) => `{"signature":"${signature}","verifier":"${verifier}"}`);
      return (
        `${hashField('envelopeHash', 'sha256', entry.envelopeHash)},` +
        `${hashField('payloadHash', 'sha256', entry.payloadHash)},"signatures":[${signatures.join(',')}]`
      );
    }
    case 'intoto': {
      const signatures = entry.signatures.map(({ signature, verifier, keyId }) => {
        const id = keyId === undefined ? '' : `"keyid":${JSON.stringify(keyId)},`;
        return `{${id}"publicKey":"${base64(verifier)}","sig":"${base64(utf8(base64(signature)))}"}`;
      });
      return (
        `"content":{"envelope":{"payloadType":${JSON.stringify(entry.payloadType)},` +
        `"signatures":[${signatures.join(',')}]},${hashField('hash', 'sha256', entry.envelopeHash)},` +
        `${hashField('payloadHash', 'sha256', entry.payloadHash)}}`
      );
    }
  }
}

function hashField(name: string, algorithm: EntryHash, digest: Uint8Array): string {
  return `"${name}":{"algorithm":"${algorithm}","value":"${hex(digest)}"}`;
}

/**
 * The entry that a logged body is. Throws `ERR_LOG_ENTRY_INVALID`, also for kinds and versions that are not understood
 * here, and what `parseJson` throws.
 */
export function parseEntryV1(body: Uint8Array, what: string): EntryV1 {
  const request = parseEntryRequestV1(parseJson(body, { what, maxBytes: limits.logEntryBytes }), what);
  if (request.kind === 'hashedrekord' || 'payloadHash' in request) return request;
  throw invalid(what, 'it is a proposal, not an entry');
}

function invalid(what: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is not valid: ${why}`, { cause });
}

/**
 * A proposed entry, as a client posts it. Strict: only the fields of its kind; null is absence, as Go writes it. At most
 * `limits.logEntryVerifiers` signatures and verifiers. Throws `ERR_LOG_ENTRY_INVALID`.
 */
export function parseEntryRequestV1(value: Json, what: string): EntryRequestV1 {
  const top = fields(value, what, ['apiVersion', 'kind', 'spec']);
  const kind = top['kind'];
  if (kind !== 'hashedrekord' && kind !== 'dsse' && kind !== 'intoto') {
    const shown = typeof kind === 'string' ? JSON.stringify(kind.slice(0, 80)) : 'none';
    throw invalid(what, `its kind must be hashedrekord, dsse or intoto, not ${shown}`);
  }
  if (top['apiVersion'] !== entryVersionsV1[kind]) {
    throw invalid(what, `the version of ${kind} must be ${entryVersionsV1[kind]}`);
  }
  if (kind === 'hashedrekord') return readHashedRekord(top['spec'], `${what} spec`);
  return kind === 'dsse' ? readDsse(top['spec'], `${what} spec`) : readIntoto(top['spec'], `${what} spec`);
}

function readHashedRekord(value: Json | undefined, what: string): HashedRekordV1 {
  const { data, signature } = fields(value, what, ['data', 'signature']);
  const { hash: named } = fields(data, `${what}.data`, ['hash']);
  const { algorithm, value: digest } = fields(named, `${what}.data.hash`, ['algorithm', 'value']);
  if (algorithm !== 'sha256' && algorithm !== 'sha384' && algorithm !== 'sha512') {
    throw invalid(`${what}.data.hash.algorithm`, 'it must be sha256, sha384 or sha512');
  }
  const { content, publicKey } = fields(signature, `${what}.signature`, ['content', 'publicKey']);
  const { content: verifier } = fields(publicKey, `${what}.signature.publicKey`, ['content']);
  return {
    kind: 'hashedrekord',
    hash: algorithm,
    digest: digestBytes(digest, algorithm, `${what}.data.hash.value`),
    signature: bytes(content, `${what}.signature.content`),
    verifier: bytes(verifier, `${what}.signature.publicKey.content`),
  };
}

function readDsse(value: Json | undefined, what: string): EntryRequestV1 {
  const names = ['proposedContent', 'envelopeHash', 'payloadHash', 'signatures'] as const;
  const { proposedContent, envelopeHash, payloadHash, signatures } = fields(value, what, names);
  if (proposedContent === undefined) {
    return {
      kind: 'dsse',
      envelopeHash: sha256Value(envelopeHash, `${what}.envelopeHash`),
      payloadHash: sha256Value(payloadHash, `${what}.payloadHash`),
      signatures: list(signatures, `${what}.signatures`).map((item, index) => {
        const where = `${what}.signatures[${index}]`;
        const { signature, verifier } = fields(item, where, ['signature', 'verifier']);
        return {
          signature: bytes(signature, `${where}.signature`),
          verifier: bytes(verifier, `${where}.verifier`),
        };
      }),
    };
  }
  if (envelopeHash !== undefined || payloadHash !== undefined || signatures !== undefined) {
    throw invalid(
      what,
      'either proposedContent or envelopeHash, payloadHash and signatures must be present but not both',
    );
  }
  const where = `${what}.proposedContent`;
  const { envelope, verifiers } = fields(proposedContent, where, ['envelope', 'verifiers']);
  return {
    kind: 'dsse',
    envelope: text(envelope, `${where}.envelope`),
    verifiers: list(verifiers, `${where}.verifiers`).map((item, index) =>
      bytes(item, `${where}.verifiers[${index}]`),
    ),
  };
}

function readIntoto(value: Json | undefined, what: string): EntryRequestV1 {
  const { content } = fields(value, what, ['content']);
  const parts = fields(content, `${what}.content`, ['envelope', 'hash', 'payloadHash']);
  const where = `${what}.content.envelope`;
  const { payload, payloadType, signatures } = fields(parts.envelope, where, [
    'payload',
    'payloadType',
    'signatures',
  ]);
  const read = list(signatures, `${where}.signatures`).map((item, index) =>
    readIntotoSignature(item, `${where}.signatures[${index}]`),
  );
  const type = text(payloadType, `${where}.payloadType`);
  const envelopeHash = sha256Value(parts.hash, `${what}.content.hash`);
  if (payload === undefined) {
    const payloadHash = sha256Value(parts.payloadHash, `${what}.content.payloadHash`);
    return { kind: 'intoto', payloadType: type, signatures: read, envelopeHash, payloadHash };
  }
  // What clients write there is computed anew from the payload.
  if (parts.payloadHash !== undefined) sha256Value(parts.payloadHash, `${what}.content.payloadHash`);
  return {
    kind: 'intoto',
    envelope: {
      // Twice in base64: an envelope's JSON has it once, and this field once more.
      payload: innerBytes(payload, `${where}.payload`),
      payloadType: type,
      signatures: read.map(({ signature, keyId }) =>
        keyId === undefined ? { signature } : { signature, keyId },
      ),
    },
    verifiers: read.map(({ verifier }) => verifier),
    envelopeHash,
  };
}

function readIntotoSignature(value: Json, where: string): IntotoV2['signatures'][number] {
  const { keyid, publicKey, sig } = fields(value, where, ['keyid', 'publicKey', 'sig']);
  const keyId = keyid === undefined || keyid === '' ? undefined : text(keyid, `${where}.keyid`);
  return {
    signature: innerBytes(sig, `${where}.sig`),
    verifier: bytes(publicKey, `${where}.publicKey`),
    ...(keyId === undefined ? {} : { keyId }),
  };
}

/** The fields of an object: only `names`, and those that are null are not there. */
function fields<Name extends string>(
  value: Json | undefined,
  what: string,
  names: readonly Name[],
): { readonly [name in Name]?: Json } {
  if (!isJsonObject(value)) throw invalid(what, 'it is not an object');
  const found: { [name in Name]?: Json } = {};
  for (const [key, content] of Object.entries(value as JsonObject)) {
    const name = names.find((candidate) => candidate === key);
    if (name === undefined)
      throw invalid(what, `it has the unknown field ${JSON.stringify(key.slice(0, 80))}`);
    if (content !== null && content !== undefined) found[name] = content;
  }
  return found;
}

function list(value: Json | undefined, what: string): readonly Json[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(what, 'it is not a list with something in it');
  if (value.length > limits.logEntryVerifiers) {
    throw invalid(what, `it has ${value.length} items; the limit is ${limits.logEntryVerifiers}`);
  }
  return value as readonly Json[];
}

function text(value: Json | undefined, what: string): string {
  // Half of a surrogate pair cannot be written as UTF-8 (RFC 8785 section 3.2.2.2).
  if (typeof value !== 'string' || value === '' || /\p{Surrogate}/u.test(value))
    throw invalid(what, 'it is not text');
  return value;
}

function bytes(value: Json | undefined, what: string): Uint8Array {
  if (typeof value !== 'string' || value === '') throw invalid(what, 'it is not base64 text');
  try {
    return fromBase64(value, what);
  } catch (cause) {
    throw invalid(what, 'it is not standard base64', cause);
  }
}

/** What base64 of base64 holds. */
function innerBytes(value: Json | undefined, what: string): Uint8Array {
  const outer = bytes(value, what);
  return bytes(Buffer.from(outer).toString('latin1'), what);
}

function sha256Value(value: Json | undefined, what: string): Uint8Array {
  const { algorithm, value: digest } = fields(value, what, ['algorithm', 'value']);
  if (algorithm !== 'sha256') throw invalid(`${what}.algorithm`, 'it must be sha256');
  return digestBytes(digest, 'sha256', `${what}.value`);
}

function digestBytes(value: Json | undefined, hash: EntryHash, what: string): Uint8Array {
  const length = digestLengths[hash] * 2;
  if (typeof value !== 'string' || value.length !== length || !/^[0-9a-f]+$/.test(value)) {
    throw invalid(what, `it is not ${length} lower-case hexadecimal digits`);
  }
  return new Uint8Array(Buffer.from(value, 'hex'));
}
