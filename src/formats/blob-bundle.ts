/**
 * The blob bundle of cosign 1 and 2 (and of 3 with `--new-bundle-format=false`): what `sign-blob --bundle` and
 * `attest-blob --bundle` wrote before there were Sigstore bundles. What was signed is not in it, but for an envelope.
 *
 *     {"base64Signature":"…","cert":"base64 of PEM","rekorBundle":{"SignedEntryTimestamp":"…","Payload":{…}}}
 *
 * `base64Signature` is a signature, or a whole DSSE envelope; `cert` is a certificate, or, by cosign 3 with a key, its
 * public key; by cosign 2 with a key it is not there.
 * {@link https://github.com/sigstore/cosign/blob/v2.5.0/pkg/cosign/fetch.go}
 */
import { fromBase64, fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type Envelope, parseEnvelope } from './dsse.ts';
import { parsePem } from './pem.ts';
import { readRekorBundle } from './rekor-bundle.ts';
import type { LogEntry } from './verification-material.ts';

/** A blob bundle, decoded. Nothing about it is verified. */
export interface BlobBundle {
  readonly content: BlobBundleContent;
  /** Who signed; absent when it does not say. */
  readonly signer?: BlobBundleSigner;
  /** An entry of Rekor v1 with its signed entry timestamp and no inclusion proof. */
  readonly logEntry?: LogEntry;
}

/** A signature over the blob itself, or an envelope with a statement about it. */
export type BlobBundleContent =
  | { readonly kind: 'signature'; readonly signature: Uint8Array }
  | {
      readonly kind: 'envelope';
      readonly envelope: Envelope;
      /** The envelope's JSON as it was signed and logged: the log keeps its hash. */
      readonly text: string;
    };

/** Certificates, leaf first, or a public key; DER each. */
export type BlobBundleSigner =
  | { readonly kind: 'certificates'; readonly certificates: readonly Uint8Array[] }
  | { readonly kind: 'publicKey'; readonly spki: Uint8Array };

/** Whether a document is meant to be a blob bundle: it has the one member that none is without. */
export function isBlobBundle(document: Json): document is JsonObject {
  return isJsonObject(document) && document['base64Signature'] !== undefined;
}

/**
 * The blob bundle that `bytes` are. Strict: no unknown member, standard base64; at most `limits.bundleBytes`. Throws
 * `ERR_BUNDLE_INVALID` and what `parseJson` throws.
 */
export function parseBlobBundle(bytes: Uint8Array, what: string): BlobBundle {
  const document = parseJson(bytes, { what, maxBytes: limits.bundleBytes });
  if (!isJsonObject(document)) throw invalid(what, 'it is not an object');
  for (const name of Object.keys(document)) {
    if (!members.includes(name)) {
      throw invalid(what, `it has the unknown member ${JSON.stringify(name.slice(0, 80))}`);
    }
  }
  const { base64Signature, cert, rekorBundle } = document;
  return {
    content: readBlobContent(base64Signature, what),
    ...(isAbsent(cert) ? {} : { signer: readBlobSigner(cert, what) }),
    ...(isAbsent(rekorBundle) ? {} : { logEntry: readBlobLogEntry(rekorBundle, what) }),
  };
}

const members: readonly string[] = ['base64Signature', 'cert', 'rekorBundle'];

/** Go leaves out what is empty, and some write null. */
function isAbsent(value: Json | undefined): value is undefined | null | '' {
  return value === undefined || value === null || value === '';
}

function invalid(what: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_BUNDLE_INVALID', `${what} is not valid: ${why}`, { cause });
}

/** Runs `read`; whatever is malformed is an `ERR_BUNDLE_INVALID`. */
function within<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof BoltsealError) || cause.code === 'ERR_LIMIT_EXCEEDED') throw cause;
    throw invalid(what, cause.message, cause);
  }
}

/** The member `base64Signature`. Throws `ERR_BUNDLE_INVALID`, `ERR_LIMIT_EXCEEDED`. */
export function readBlobContent(value: Json | undefined, what: string): BlobBundleContent {
  if (typeof value !== 'string' || value === '') throw invalid(what, 'base64Signature is missing or no text');
  return within(what, () => {
    const signature = fromBase64(value, 'base64Signature');
    // No signature is a JSON text but by a chance that does not happen; cosign tells them apart the same way.
    if (signature[0] !== 0x7b || !isJson(signature)) return { kind: 'signature', signature };
    const envelope = parseEnvelope(signature, 'the envelope in base64Signature');
    return { kind: 'envelope', envelope, text: fromUtf8(signature, 'the envelope') };
  });
}

function isJson(bytes: Uint8Array): boolean {
  try {
    parseJson(bytes, { what: 'the signature', maxBytes: limits.bundleBytes });
    return true;
  } catch {
    return false;
  }
}

/** The member `cert`: PEM in base64, or as it is. Throws `ERR_BUNDLE_INVALID`, `ERR_LIMIT_EXCEEDED`. */
export function readBlobSigner(value: Json | undefined, what: string): BlobBundleSigner {
  if (typeof value !== 'string') throw invalid(what, 'cert is no text');
  return within(what, () => {
    const pem = value.startsWith('-----BEGIN ') ? utf8(value) : fromBase64(value, 'cert');
    const blocks = parsePem(pem, 'cert', limits.manifestBytes);
    const [first] = blocks;
    if (first?.label === 'PUBLIC KEY' && blocks.length === 1) return { kind: 'publicKey', spki: first.der };
    if (first === undefined || blocks.some(({ label }) => label !== 'CERTIFICATE')) {
      throw invalid(what, 'cert is neither certificates nor a public key');
    }
    return { kind: 'certificates', certificates: blocks.map(({ der }) => der) };
  });
}

/** The member `rekorBundle`. Throws `ERR_BUNDLE_INVALID`, `ERR_LIMIT_EXCEEDED`. */
export function readBlobLogEntry(value: Json | undefined, what: string): LogEntry {
  return within(what, () => readRekorBundle(value, 'ERR_BUNDLE_INVALID'));
}
