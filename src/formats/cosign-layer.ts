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
import { encodePem, parsePem } from './pem.ts';
import { readRekorBundle, rekorBundleJson } from './rekor-bundle.ts';
import { simpleSigningMediaType } from './simple-signing.ts';
import type { LogEntry, VerificationMaterial } from './verification-material.ts';

/** The annotations of a layer: the signature, and what proves it. */
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

/**
 * The descriptor of a signature's layer, byte for byte as cosign writes it; `payload` is the content to upload. What the
 * format has no place for is left out: the hint of a key, and inclusion proofs. It holds one log entry, which must be of
 * Rekor v1, and one timestamp; throws `ERR_USAGE` for others or more, and what {@link rekorBundleJson} throws.
 *
 * Certificates should be the whole chain, root last: skopeo and podman take the intermediate from here. With the leaf
 * alone the chain is an empty text, as cosign 3 writes it, and those programs refuse the signature.
 */
export function signatureLayer(
  payload: Uint8Array,
  signature: Uint8Array,
  material?: VerificationMaterial,
): Descriptor {
  return {
    mediaType: simpleSigningMediaType,
    digest: digestOf(payload),
    size: payload.length,
    annotations: {
      [signatureAnnotations.signature]: base64(signature),
      ...(material === undefined ? {} : materialAnnotations(material)),
    },
  };
}

/** What is beside a signature as annotations of its layer. Throws what {@link signatureLayer} throws. */
export function materialAnnotations(material: VerificationMaterial): Readonly<Record<string, string>> {
  const { certificates: [leaf, ...authorities] = [], timestamps, logEntries } = material;
  const [entry] = logEntries;
  const [timestamp] = timestamps;
  if (logEntries.length > 1 || timestamps.length > 1) {
    const many = logEntries.length > 1 ? 'log entry' : 'timestamp';
    throw new BoltsealError('ERR_USAGE', `a signature in the cosign format holds no more than one ${many}`, {
      hint: 'Write a bundle (--format bundle), or use one log and one timestamp authority.',
    });
  }
  // In this order: Go sorts the keys of annotations.
  return {
    ...(entry === undefined ? {} : { [signatureAnnotations.bundle]: goJson(rekorBundleJson(entry)) }),
    ...(leaf === undefined
      ? {}
      : {
          [signatureAnnotations.certificate]: encodePem('CERTIFICATE', leaf),
          [signatureAnnotations.chain]: chainText(authorities),
        }),
    ...(timestamp === undefined ? {} : { [signatureAnnotations.timestamp]: timestampText(timestamp) }),
  };
}

/** As cosign 2 keeps what Fulcio answers: without a line break at the end. */
function chainText(authorities: readonly Uint8Array[]): string {
  return authorities
    .map((der) => encodePem('CERTIFICATE', der))
    .join('')
    .trimEnd();
}

/** `{"SignedRFC3161Timestamp":"…"}`, also of the file that cosign's `--rfc3161-timestamp` names. */
export function timestampText(der: Uint8Array): string {
  return goJson(timestampJson(der));
}

/** The same as JSON. */
export function timestampJson(der: Uint8Array): JsonObject {
  return { SignedRFC3161Timestamp: base64(der) };
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

/**
 * What {@link materialAnnotations} writes; a key has an empty hint. Throws `ERR_SIGNATURE_LAYER_INVALID`, and what the
 * parsers of each part throw.
 */
export function readMaterial(annotations: Readonly<Record<string, string>>): VerificationMaterial {
  const { certificate, chain, bundle, timestamp } = signatureAnnotations;
  const certificates = [
    ...parseCertificateText(annotations[certificate] ?? '', certificate),
    ...parseCertificateText(annotations[chain] ?? '', chain),
  ];
  const time = annotations[timestamp] ?? '';
  const log = annotations[bundle] ?? '';
  return {
    ...(certificates.length === 0 ? { publicKeyHint: '' } : { certificates }),
    timestamps: time === '' ? [] : [parseTimestampText(time)],
    logEntries: log === '' ? [] : [readRekorBundle(readJson(log, bundle), 'ERR_SIGNATURE_LAYER_INVALID')],
  };
}

/** The certificates of the annotation `what`, DER; none of an empty text. Throws `ERR_SIGNATURE_LAYER_INVALID`, and what `parsePem` throws. */
export function parseCertificateText(text: string, what: string): Uint8Array[] {
  if (text === '') return [];
  const blocks = parsePem(utf8(text), what, limits.manifestBytes);
  if (blocks.length === 0 || blocks.some((block) => block.label !== 'CERTIFICATE')) {
    throw malformed(`${what} holds something that is not a certificate`);
  }
  return blocks.map((block) => block.der);
}

/** The log entry of the annotation. Throws `ERR_SIGNATURE_LAYER_INVALID`, and what decoding base64 and JSON throws. */
export function parseRekorBundleText(text: string): LogEntry {
  return readRekorBundle(readJson(text, signatureAnnotations.bundle), 'ERR_SIGNATURE_LAYER_INVALID');
}

/** What {@link timestampText} writes. Throws `ERR_SIGNATURE_LAYER_INVALID`, and what decoding base64 and JSON throws. */
export function parseTimestampText(text: string): Uint8Array {
  const document = readJson(text, signatureAnnotations.timestamp);
  const encoded = document['SignedRFC3161Timestamp'];
  if (typeof encoded !== 'string' || encoded === '') {
    throw malformed('SignedRFC3161Timestamp is missing or no text');
  }
  return fromBase64(encoded, 'SignedRFC3161Timestamp');
}

function readJson(text: string, what: string): JsonObject {
  const document: Json = parseJson(utf8(text), { what, maxBytes: limits.manifestBytes });
  if (!isJsonObject(document)) throw malformed(`${what} is not an object`);
  return document;
}

function malformed(why: string): BoltsealError {
  return new BoltsealError('ERR_SIGNATURE_LAYER_INVALID', why);
}

/** The tag under which cosign keeps signatures of `digest`: `sha256-<hex>.sig`, after an optional prefix. */
export function signatureTag(digest: Digest, prefix = ''): string {
  return `${prefix}${digest.replace(':', '-')}.sig`;
}
