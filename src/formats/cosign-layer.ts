/**
 * The cosign format: one image manifest under the tag `sha256-<hex>.sig`, one layer per signature. The layer's content
 * is the simple-signing payload; the signature over it and everything else are annotations of its descriptor.
 * {@link https://github.com/sigstore/cosign/blob/v2.5.0/specs/SIGNATURE_SPEC.md}
 */
import { type Digest, digestOf } from '../core/digest.ts';
import { base64, fromBase64, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { goJson, isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type Descriptor, describe, encodeManifest, mediaTypes } from './oci.ts';
import { parsePem } from './pem.ts';
import { simpleSigningMediaType } from './simple-signing.ts';
import type { LogEntry, VerificationMaterial } from './verification-material.ts';

/** The annotations of a signature layer. */
export const signatureAnnotations = {
  signature: 'dev.cosignproject.cosign/signature',
  bundle: 'dev.sigstore.cosign/bundle',
  certificate: 'dev.sigstore.cosign/certificate',
  chain: 'dev.sigstore.cosign/chain',
  timestamp: 'dev.sigstore.cosign/rfc3161timestamp',
} as const;

/** One signature in the cosign format, decoded from its layer. */
export interface CosignSignature {
  /** The media type of the layer. */
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly material: VerificationMaterial;
}

/** The descriptor of a key-signed layer: `payload` is the content to upload. */
export function signatureLayer(payload: Uint8Array, signature: Uint8Array): Descriptor {
  return {
    mediaType: simpleSigningMediaType,
    digest: digestOf(payload),
    size: payload.length,
    annotations: { [signatureAnnotations.signature]: base64(signature) },
  };
}

/** Whether a layer of a `.sig` manifest holds a signature of this format: others may stand beside it. */
export function isSignatureLayer(layer: Descriptor): boolean {
  return layer.annotations?.[signatureAnnotations.signature] !== undefined;
}

/**
 * The image configuration of a `.sig` manifest whose layers have the digests `layers`, byte for byte as cosign writes it.
 * cosign refuses to add to a manifest that has another number of layers than its configuration has diff IDs; payloads are
 * stored uncompressed, so that a layer's diff ID is its digest.
 * {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties}
 */
export function signatureConfig(layers: readonly Digest[]): Uint8Array {
  const created = '0001-01-01T00:00:00Z';
  return utf8(
    goJson({
      architecture: '',
      created,
      history: layers.map(() => ({ created })),
      os: '',
      rootfs: { type: 'layers', diff_ids: layers },
      config: {},
    }),
  );
}

/** The descriptor of the {@link signatureConfig} of `layers`. */
export function signatureConfigDescriptor(layers: readonly Digest[]): Descriptor {
  return describe(mediaTypes.config, signatureConfig(layers));
}

/** A new `.sig` manifest with `layers`, byte for byte as cosign writes it. Its {@link signatureConfig} must be stored too. */
export function signatureManifest(layers: readonly Descriptor[]): Uint8Array {
  const config = signatureConfigDescriptor(layers.map(({ digest }) => digest));
  return encodeManifest({ mediaType: mediaTypes.manifest, config, layers });
}

/**
 * The signature that a layer is; `payload` is its content, whose digest the caller has verified. Strict base64; an empty
 * chain annotation counts as none, because cosign 3 writes one. Nothing is verified. Throws `ERR_VERIFY_UNSUPPORTED`
 * for a layer that is no signature, and `ERR_SIGNATURE_LAYER_INVALID`.
 */
export function parseSignatureLayer(layer: Descriptor, payload: Uint8Array, what: string): CosignSignature {
  const annotations = layer.annotations ?? {};
  const encoded = annotations[signatureAnnotations.signature];
  if (encoded === undefined || encoded === '') {
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', `${what} has no signature annotation`);
  }
  if (payload.length > limits.payloadBytes) {
    const counts = `${payload.length} bytes; the limit is ${limits.payloadBytes}`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the payload of ${what} has ${counts}`);
  }
  try {
    return {
      payloadType: layer.mediaType,
      payload,
      signature: fromBase64(encoded, 'the signature annotation'),
      material: readMaterial(annotations),
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new BoltsealError('ERR_SIGNATURE_LAYER_INVALID', `${what} is malformed: ${why}`, { cause });
  }
}

function readMaterial(annotations: Readonly<Record<string, string>>): VerificationMaterial {
  const { certificate, chain, bundle, timestamp } = signatureAnnotations;
  const certificates = [
    ...readCertificates(annotations[certificate], certificate),
    ...readCertificates(annotations[chain], chain),
  ];
  const time = annotations[timestamp] ?? '';
  const log = annotations[bundle] ?? '';
  return {
    ...(certificates.length === 0 ? { publicKeyHint: '' } : { certificates }),
    timestamps: time === '' ? [] : [readTimestamp(time)],
    logEntries: log === '' ? [] : [readLogBundle(log)],
  };
}

function readCertificates(text: string | undefined, what: string): Uint8Array[] {
  if (text === undefined || text === '') return [];
  const blocks = parsePem(utf8(text), what, limits.manifestBytes);
  if (blocks.length === 0 || blocks.some((block) => block.label !== 'CERTIFICATE')) {
    throw malformed(`${what} holds something that is not a certificate`);
  }
  return blocks.map((block) => block.der);
}

/** `{"SignedRFC3161Timestamp":"…"}` */
function readTimestamp(text: string): Uint8Array {
  const document = readJson(text, signatureAnnotations.timestamp);
  return fromBase64(textField(document, 'SignedRFC3161Timestamp'), 'SignedRFC3161Timestamp');
}

/** `{"SignedEntryTimestamp":"…","Payload":{"body":"…","integratedTime":1,"logIndex":2,"logID":"hex"}}` */
function readLogBundle(text: string): LogEntry {
  const document = readJson(text, signatureAnnotations.bundle);
  const payload = document['Payload'];
  if (!isJsonObject(payload)) throw malformed('the log entry has no Payload');
  const body = fromBase64(textField(payload, 'body'), 'the body of the log entry');
  const entry = parseJson(body, { what: 'the body of the log entry', maxBytes: limits.manifestBytes });
  if (!isJsonObject(entry)) throw malformed('the body of the log entry is not an object');
  const logId = textField(payload, 'logID');
  if (!/^(?:[0-9a-f]{2})+$/.test(logId)) throw malformed('logID is not hexadecimal');
  return {
    logIndex: integerField(payload, 'logIndex'),
    logId: new Uint8Array(Buffer.from(logId, 'hex')),
    kind: textField(entry, 'kind'),
    version: textField(entry, 'apiVersion'),
    integratedTime: integerField(payload, 'integratedTime'),
    signedEntryTimestamp: fromBase64(textField(document, 'SignedEntryTimestamp'), 'SignedEntryTimestamp'),
    canonicalizedBody: body,
  };
}

function readJson(text: string, what: string): JsonObject {
  const document: Json = parseJson(utf8(text), { what, maxBytes: limits.manifestBytes });
  if (!isJsonObject(document)) throw malformed(`${what} is not an object`);
  return document;
}

function textField(object: JsonObject, name: string): string {
  const value = object[name];
  if (typeof value !== 'string' || value === '') throw malformed(`${name} is missing or no text`);
  return value;
}

function integerField(object: JsonObject, name: string): bigint {
  const value = object[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw malformed(`${name} is missing or no whole number`);
  }
  return BigInt(value);
}

function malformed(why: string): BoltsealError {
  return new BoltsealError('ERR_SIGNATURE_LAYER_INVALID', why);
}

/** The tag under which cosign keeps signatures of `digest`: `sha256-<hex>.sig`, after an optional prefix. */
export function signatureTag(digest: Digest, prefix = ''): string {
  return `${prefix}${digest.replace(':', '-')}.sig`;
}
