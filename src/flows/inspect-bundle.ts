/**
 * What is in a file with signatures, in every form that signatures are kept in. It is for people who look at something
 * that does not verify, so that a part that is broken is told in its place and the rest is still shown.
 */
import { digestOf } from '../core/digest.ts';
import { base64, fromBase64, hex } from '../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import {
  isBlobBundle,
  parseBlobBundle,
  readBlobContent,
  readBlobLogEntry,
  readBlobSigner,
} from '../formats/blob-bundle.ts';
import { bundleVersion, parseBundle } from '../formats/bundle.ts';
import {
  isSignatureLayer,
  parseCertificateText,
  parseRekorBundleText,
  parseTimestampText,
  signatureAnnotations,
} from '../formats/cosign-layer.ts';
import { type Envelope, inTotoPayloadType, parseEnvelope, readEnvelope } from '../formats/dsse.ts';
import { type Annotations, parseDescriptor } from '../formats/oci.ts';
import { type ProtoReader, protoReader } from '../formats/proto-json.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import {
  parseSimpleSigning,
  simpleSigningAnnotations,
  simpleSigningMediaType,
} from '../formats/simple-signing.ts';
import { parseStatement } from '../formats/statement.ts';
import { readTransparencyLogEntry } from '../formats/transparency-log-entry.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { inspectCertificate } from './inspect-certificate.ts';
import { type InspectedSignature, inspectLogEntry, inspectTimestamp } from './inspect-evidence.ts';
import {
  type BrokenPart,
  type BundleInspection,
  type ContentInspection,
  isBroken,
  type LogEntryInspection,
  type Part,
  partOf,
  type SignatureInspection,
  type SignerInspection,
  type StatementInspection,
  type TimestampInspection,
} from './inspection.ts';

/**
 * What is in `bytes`: a Sigstore bundle of any version, cosign's blob bundle, a DSSE envelope, the manifest of a `.sig`
 * tag, or a line of `download signature`. Nothing is verified and nothing is trusted. Throws what `parseJson` throws for
 * what is no JSON, and `ERR_BUNDLE_INVALID` for what is none of these.
 */
export function inspectBundle(bytes: Uint8Array, what: string): BundleInspection {
  const document = parseJson(bytes, { what, maxBytes: limits.bundleBytes });
  const kind = kindOf(document, what);
  const verified = false;
  switch (kind) {
    case 'bundle':
      return { kind, verified, ...inspectSigstoreBundle(document as JsonObject, bytes, what) };
    case 'blob-bundle': {
      const problem = problemOf(() => parseBlobBundle(bytes, what));
      return { kind, verified, ...problem, signatures: [inspectBlobBundle(document as JsonObject, what)] };
    }
    case 'envelope': {
      const problem = problemOf(() => parseEnvelope(bytes, what));
      const reader = protoReader('ERR_ENVELOPE_INVALID', what);
      const signer = { kind: 'unnamed' } as const;
      const content = partOf(() => describeEnvelope(readEnvelope(document, reader, 'the envelope'), what));
      return {
        kind,
        verified,
        ...problem,
        signatures: [{ content, signer, logEntries: [], timestamps: [] }],
      };
    }
    case 'signature-manifest':
      return { kind, verified, signatures: inspectManifest(document as JsonObject, what) };
    case 'downloaded-signature':
      return { kind, verified, signatures: [inspectDownloaded(document as JsonObject, what)] };
  }
}

/**
 * The payload that was signed, of a bundle or blob bundle with an envelope, an envelope, or a line of `download
 * signature`. Throws `ERR_USAGE` when what was signed is not inside, and what the parsers throw.
 */
export function payloadOfBundle(bytes: Uint8Array, what: string): Uint8Array {
  const document = parseJson(bytes, { what, maxBytes: limits.bundleBytes });
  const kind = kindOf(document, what);
  if (kind === 'envelope') return parseEnvelope(bytes, what).payload;
  if (kind === 'blob-bundle') {
    const { content } = parseBlobBundle(bytes, what);
    if (content.kind === 'envelope') return content.envelope.payload;
  }
  if (kind === 'bundle') {
    const { content } = parseBundle(bytes, what);
    if (content.kind === 'envelope') return content.envelope.payload;
  }
  if (kind === 'downloaded-signature') {
    const { Payload: payload } = document as JsonObject;
    if (typeof payload === 'string' && payload !== '') return fromBase64(payload, `the Payload of ${what}`);
  }
  throw new BoltsealError('ERR_USAGE', `what was signed is not in ${what}`, {
    hint:
      kind === 'signature-manifest'
        ? 'A .sig manifest holds only the digest of the payload; `boltseal download signature IMAGE` fetches it.'
        : 'It signs a file, which is kept elsewhere.',
  });
}

function kindOf(document: Json, what: string): BundleInspection['kind'] {
  if (isBlobBundle(document)) return 'blob-bundle';
  if (isJsonObject(document)) {
    const has = (...names: readonly string[]): boolean => names.some((name) => document[name] !== undefined);
    if (has('Base64Signature')) return 'downloaded-signature';
    if (has('schemaVersion', 'layers')) return 'signature-manifest';
    if (has('verificationMaterial', 'verification_material', 'dsseEnvelope', 'messageSignature'))
      return 'bundle';
    if (has('payload', 'payloadType', 'signatures')) return 'envelope';
    if (has('mediaType', 'media_type')) return 'bundle';
  }
  throw new BoltsealError('ERR_BUNDLE_INVALID', `${what} is none of the forms that signatures are kept in`, {
    hint: 'Sigstore bundles, cosign’s blob bundles, DSSE envelopes and manifests of .sig tags are understood.',
  });
}

/** Why a verifier refuses the whole; nothing when it reads it. */
function problemOf(parse: () => unknown): { readonly problem?: BrokenPart['broken'] } {
  try {
    parse();
    return {};
  } catch (error) {
    if (!isBoltsealError(error)) throw error;
    return { problem: { code: error.code, message: error.message } };
  }
}

/** A field under either of its names; null is absence. */
function fieldOf(object: Json | undefined, name: string): Json | undefined {
  if (!isJsonObject(object)) return undefined;
  const original = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return object[name] ?? object[original] ?? undefined;
}

/** The items of a list; one broken part when it is none, or too long. */
function itemsOf<T>(
  reader: ProtoReader,
  value: Json | undefined,
  where: string,
  read: (item: Json, where: string) => T,
): readonly Part<T>[] {
  const list = partOf(() => ({ items: reader.list(value, where, limits.bundleItems) }));
  if (isBroken(list)) return [list];
  return list.items.map((item, index) => partOf(() => read(item, `${where}[${index}]`)));
}

function inspectSigstoreBundle(
  document: JsonObject,
  bytes: Uint8Array,
  what: string,
): Omit<BundleInspection, 'kind' | 'verified'> {
  const reader = protoReader('ERR_BUNDLE_INVALID', what);
  const mediaType = fieldOf(document, 'mediaType');
  const version = typeof mediaType === 'string' ? bundleVersion(mediaType) : undefined;
  const material = fieldOf(document, 'verificationMaterial');
  const content = partOf(() => readContent(document, reader, what));
  const signer = partOf(() => readSigner(material, reader));
  const about = aboutOf(isBroken(content) ? undefined : content.signature, signer);
  const times = fieldOf(fieldOf(material, 'timestampVerificationData'), 'rfc3161Timestamps');
  return {
    ...(typeof mediaType === 'string' ? { mediaType } : {}),
    ...(version === undefined ? {} : { version }),
    ...problemOf(() => parseBundle(bytes, what)),
    signatures: [
      {
        content: isBroken(content) ? content : content.described,
        signer: isBroken(signer) ? signer : signer.described,
        logEntries: itemsOf(reader, fieldOf(material, 'tlogEntries'), 'tlogEntries', (item, where) =>
          inspectLogEntry(readTransparencyLogEntry(item, reader, where), about, where),
        ),
        timestamps: itemsOf(reader, times, 'rfc3161Timestamps', (item, where) => {
          const { signedTimestamp } = reader.message(item, where, ['signedTimestamp']);
          return inspectTimestamp(reader.bytes(signedTimestamp, `${where}.signedTimestamp`), about, where);
        }),
      },
    ],
  };
}

/** A content with the bytes of its signature, which entries and timestamps are compared with. */
interface ReadContent {
  readonly described: ContentInspection;
  readonly signature: Uint8Array | undefined;
}

function readContent(document: JsonObject, reader: ProtoReader, what: string): ReadContent {
  const envelope = fieldOf(document, 'dsseEnvelope');
  if (envelope !== undefined) {
    const read = readEnvelope(envelope, reader, 'dsseEnvelope');
    return { described: describeEnvelope(read, what), signature: read.signatures[0]?.signature };
  }
  const message = fieldOf(document, 'messageSignature');
  if (message === undefined) throw reader.invalid('it does not say what was signed');
  const signature = reader.bytes(fieldOf(message, 'signature'), 'messageSignature.signature');
  const digest = fieldOf(message, 'messageDigest');
  if (digest === undefined) return { described: { kind: 'file', signature: base64(signature) }, signature };
  const algorithm = reader.text(fieldOf(digest, 'algorithm'), 'messageSignature.messageDigest.algorithm');
  const value = reader.bytes(fieldOf(digest, 'digest'), 'messageSignature.messageDigest.digest');
  const text = `${algorithm.toLowerCase().replace(/^sha2_/, 'sha')}:${hex(value)}`;
  return { described: { kind: 'file', digest: text, signature: base64(signature) }, signature };
}

function describeEnvelope(envelope: Envelope, what: string): ContentInspection {
  const { payload, payloadType, signatures } = envelope;
  return {
    kind: 'envelope',
    payloadType,
    payloadBytes: payload.length,
    payloadDigest: digestOf(payload),
    ...(payloadType === inTotoPayloadType
      ? { statement: partOf(() => describeStatement(payload, what)) }
      : {}),
    signatures: signatures.map(({ signature, keyId }) => ({
      signature: base64(signature),
      ...(keyId === undefined ? {} : { keyId }),
    })),
  };
}

function describeStatement(payload: Uint8Array, what: string): StatementInspection {
  const { type, predicateType, subjects } = parseStatement(payload, `the payload of ${what}`);
  return { type, predicateType, subjects };
}

/** A signer with what entries are compared with. */
interface ReadSigner {
  readonly described: SignerInspection;
  readonly certificate?: Uint8Array;
  readonly keyHint?: string;
}

function aboutOf(signature: Uint8Array | undefined, signer: Part<ReadSigner>): InspectedSignature {
  return isBroken(signer)
    ? { signature }
    : { signature, certificate: signer.certificate, keyHint: signer.keyHint };
}

function readSigner(material: Json | undefined, reader: ProtoReader): ReadSigner {
  const certificate = fieldOf(material, 'certificate');
  const chain = fieldOf(material, 'x509CertificateChain');
  const key = fieldOf(material, 'publicKey');
  if (certificate === undefined && chain === undefined) {
    if (key === undefined) return { described: { kind: 'unnamed' } };
    const hint = reader.text(fieldOf(key, 'hint'), 'publicKey.hint');
    return { described: { kind: 'key', ...(hint === '' ? {} : { hint }) }, keyHint: hint };
  }
  const list =
    certificate === undefined
      ? reader.list(fieldOf(chain, 'certificates'), 'x509CertificateChain.certificates', limits.bundleItems)
      : [certificate];
  const ders = list.map((item, index) =>
    partOf(() => reader.bytes(fieldOf(item, 'rawBytes'), `certificate ${index + 1}`)),
  );
  return describeCertificates(ders);
}

function describeCertificates(ders: readonly Part<Uint8Array>[]): ReadSigner {
  const certificates = ders.map((der, index) =>
    isBroken(der) ? der : partOf(() => inspectCertificate(der, `certificate ${index + 1}`)),
  );
  const [leaf] = ders;
  const isKnown = leaf !== undefined && !isBroken(leaf);
  return { described: { kind: 'certificate', certificates }, ...(isKnown ? { certificate: leaf } : {}) };
}

function inspectBlobBundle(document: JsonObject, what: string): SignatureInspection {
  const read = partOf(() => readBlobContent(document['base64Signature'], what));
  const signer = partOf((): ReadSigner => {
    const { cert = null } = document;
    if (cert === null || cert === '') return { described: { kind: 'unnamed' } };
    const found = readBlobSigner(cert, what);
    if (found.kind === 'certificates') return describeCertificates(found.certificates);
    const { type, hint } = parsePublicKey(found.spki, `the key in ${what}`);
    return { described: { kind: 'key', type, hint }, keyHint: hint };
  });
  const signature = isBroken(read)
    ? undefined
    : read.kind === 'signature'
      ? read.signature
      : read.envelope.signatures[0]?.signature;
  const { rekorBundle = null } = document;
  return {
    content: isBroken(read)
      ? read
      : read.kind === 'signature'
        ? { kind: 'file', signature: base64(read.signature) }
        : describeEnvelope(read.envelope, what),
    signer: isBroken(signer) ? signer : signer.described,
    logEntries:
      rekorBundle === null
        ? []
        : [partOf(() => logEntryOf(readBlobLogEntry(rekorBundle, what), aboutOf(signature, signer)))],
    timestamps: [],
  };
}

function logEntryOf(entry: LogEntry, about: InspectedSignature): LogEntryInspection {
  return inspectLogEntry(entry, about, 'the log entry');
}

/** The signatures of a `.sig` manifest, each a layer; layers that are something else are left out. */
function inspectManifest(document: JsonObject, what: string): readonly Part<SignatureInspection>[] {
  const reader = protoReader('ERR_MANIFEST_INVALID', what);
  const layers = partOf(() => ({ list: reader.list(document['layers'], 'layers', limits.signatureLayers) }));
  if (isBroken(layers)) return [layers];
  return layers.list.flatMap((item, index): Part<SignatureInspection>[] => {
    const layer = partOf(() => parseDescriptor(item, `layers[${index}] of ${what}`));
    if (isBroken(layer)) return [layer];
    if (!isSignatureLayer(layer)) return [];
    const { mediaType, digest, size, annotations = {} } = layer;
    const payload = { payloadType: mediaType, payloadBytes: size, payloadDigest: digest };
    return [inspectAnnotations(annotations, payload)];
  });
}

/** What `download signature` prints of a signature in the cosign format. */
function inspectDownloaded(document: JsonObject, what: string): SignatureInspection {
  const text = (name: string): string => {
    const value = document[name] ?? '';
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  const annotations = {
    [signatureAnnotations.signature]: text('Base64Signature'),
    [signatureAnnotations.certificate]: text('Cert'),
    [signatureAnnotations.chain]: text('Chain'),
    [signatureAnnotations.bundle]: text('Bundle'),
    [signatureAnnotations.timestamp]: text('RFC3161Timestamp'),
  };
  const payload = partOf(() => fromBase64(text('Payload'), `the Payload of ${what}`));
  const { content, ...rest } = inspectAnnotations(
    annotations,
    describePayload(isBroken(payload) ? noPayload : payload, what),
  );
  return { content: isBroken(payload) ? payload : content, ...rest };
}

const noPayload = new Uint8Array(0);

/** A payload in the cosign format, without its signature. */
type DescribedPayload = Omit<ContentInspection & { readonly kind: 'image' }, 'kind' | 'signature'>;

function describePayload(payload: Uint8Array, what: string): DescribedPayload {
  return {
    payloadType: simpleSigningMediaType,
    payloadBytes: payload.length,
    payloadDigest: digestOf(payload),
    claim: partOf(() => {
      const claim = parseSimpleSigning(payload, `the payload of ${what}`);
      const { type, dockerReference, digest } = claim;
      return { type, dockerReference, digest, annotations: simpleSigningAnnotations(claim) };
    }),
  };
}

function inspectAnnotations(annotations: Annotations, payload: DescribedPayload): SignatureInspection {
  const text = (name: string): string => annotations[name] ?? '';
  const { certificate, chain, bundle, timestamp } = signatureAnnotations;
  const signature = partOf(() =>
    fromBase64(text(signatureAnnotations.signature), 'the signature annotation'),
  );
  const signer = partOf((): ReadSigner => {
    const ders = [
      ...parseCertificateText(text(certificate), certificate),
      ...parseCertificateText(text(chain), chain),
    ];
    return ders.length === 0 ? { described: { kind: 'unnamed' } } : describeCertificates(ders);
  });
  const about = aboutOf(isBroken(signature) ? undefined : signature, signer);
  const timestamps = (): TimestampInspection =>
    inspectTimestamp(parseTimestampText(text(timestamp)), about, 'the timestamp');
  return {
    content: isBroken(signature) ? signature : { kind: 'image', ...payload, signature: base64(signature) },
    signer: isBroken(signer) ? signer : signer.described,
    logEntries:
      text(bundle) === '' ? [] : [partOf(() => logEntryOf(parseRekorBundleText(text(bundle)), about))],
    timestamps: text(timestamp) === '' ? [] : [partOf(timestamps)],
  };
}
