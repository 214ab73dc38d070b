/**
 * Sigstore bundles: a signature and everything needed to verify it, in one JSON document. All versions are read
 * (v0.1, v0.2, v0.3); v0.3 is written, byte for byte as cosign 3 writes it.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto}
 */
import { base64, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type Envelope, envelopeJson, readEnvelope } from './dsse.ts';
import { type ProtoReader, protoReader } from './proto-json.ts';
import { readTransparencyLogEntry, transparencyLogEntryJson } from './transparency-log-entry.ts';
import type { VerificationMaterial } from './verification-material.ts';

/** The media type of a bundle v0.3: of the document, of the layer that holds it, and the artifact type of its manifest. */
export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** What every bundle's media type begins with. */
export const bundleMediaTypePrefix = 'application/vnd.dev.sigstore.bundle';

/** The versions that exist. */
export type BundleVersion = '0.1' | '0.2' | '0.3';

const versions: Readonly<Record<string, BundleVersion>> = {
  [bundleMediaType]: '0.3',
  'application/vnd.dev.sigstore.bundle+json;version=0.1': '0.1',
  'application/vnd.dev.sigstore.bundle+json;version=0.2': '0.2',
  'application/vnd.dev.sigstore.bundle+json;version=0.3': '0.3',
};

/** The hash algorithms of a message digest. */
export type MessageHash = 'SHA2_256' | 'SHA2_384' | 'SHA2_512' | 'SHA3_256' | 'SHA3_384';

const messageHashes: Readonly<Record<MessageHash, number>> = {
  SHA2_256: 1,
  SHA2_384: 2,
  SHA2_512: 3,
  SHA3_256: 4,
  SHA3_384: 5,
};

/** A bundle, decoded. */
export interface Bundle {
  readonly mediaType: string;
  readonly version: BundleVersion;
  readonly material: VerificationMaterial;
  readonly content: BundleContent;
}

/** What was signed: an envelope that is inside (it has exactly one signature), or a message that is elsewhere. */
export type BundleContent =
  | { readonly kind: 'envelope'; readonly envelope: Envelope }
  | {
      readonly kind: 'message';
      readonly signature: Uint8Array;
      /** A hint which message it is; never trusted by itself. */
      readonly digest?: { readonly algorithm: MessageHash; readonly digest: Uint8Array };
    };

/** The version a media type stands for, or undefined when it is no bundle of a known version. */
export function bundleVersion(mediaType: string): BundleVersion | undefined {
  return Object.hasOwn(versions, mediaType) ? versions[mediaType] : undefined;
}

/**
 * The bundle that `bytes` are. Strict proto JSON (see `proto-json.ts`), and the rules between versions: a single
 * certificate from v0.3 on; with log entries, an inclusion promise in v0.1 and an inclusion proof with checkpoint
 * later; exactly one signature. Nothing is verified. Throws `ERR_BUNDLE_INVALID`, `ERR_VERIFY_UNSUPPORTED` for a
 * version that is not known, and what `parseJson` throws.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto}
 */
export function parseBundle(bytes: Uint8Array, what: string): Bundle {
  const document = parseJson(bytes, { what, maxBytes: limits.bundleBytes });
  const reader = protoReader('ERR_BUNDLE_INVALID', what);
  const fields = reader.message(document, 'the bundle', [
    'mediaType',
    'verificationMaterial',
    'messageSignature',
    'dsseEnvelope',
  ]);
  const mediaType = reader.text(fields.mediaType, 'mediaType');
  const version = bundleVersion(mediaType);
  if (version === undefined) {
    const shown = JSON.stringify(mediaType.slice(0, 100));
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', `${what} has the media type ${shown}`, {
      hint: 'Bundles of version 0.1, 0.2 and 0.3 are supported.',
    });
  }
  const material = readMaterial(fields.verificationMaterial, reader, version);
  return { mediaType, version, material, content: readContent(fields, reader) };
}

function readContent(
  fields: { readonly messageSignature?: Json; readonly dsseEnvelope?: Json },
  reader: ProtoReader,
): BundleContent {
  if ((fields.messageSignature === undefined) === (fields.dsseEnvelope === undefined)) {
    throw reader.invalid('it must have either messageSignature or dsseEnvelope');
  }
  if (fields.dsseEnvelope !== undefined) {
    const envelope = readEnvelope(fields.dsseEnvelope, reader, 'dsseEnvelope');
    if (envelope.signatures.length !== 1) {
      throw reader.invalid(`dsseEnvelope has ${envelope.signatures.length} signatures, not one`);
    }
    return { kind: 'envelope', envelope };
  }
  const message = reader.message(fields.messageSignature, 'messageSignature', ['messageDigest', 'signature']);
  const signature = reader.bytes(message.signature, 'messageSignature.signature');
  if (signature.length === 0) throw reader.invalid('messageSignature.signature is empty');
  if (message.messageDigest === undefined) return { kind: 'message', signature };
  const where = 'messageSignature.messageDigest';
  const parts = reader.message(message.messageDigest, where, ['algorithm', 'digest']);
  const algorithm = reader.enumName(parts.algorithm, `${where}.algorithm`, messageHashes);
  if (algorithm === undefined) throw reader.invalid(`${where} has no algorithm`);
  return { kind: 'message', signature, digest: { algorithm, digest: reader.bytes(parts.digest, where) } };
}

function readMaterial(
  value: Json | undefined,
  reader: ProtoReader,
  version: BundleVersion,
): VerificationMaterial {
  const where = 'verificationMaterial';
  const fields = reader.message(value, where, [
    'publicKey',
    'x509CertificateChain',
    'certificate',
    'tlogEntries',
    'timestampVerificationData',
  ]);
  const logEntries = reader
    .list(fields.tlogEntries, `${where}.tlogEntries`, limits.bundleItems)
    .map((item, index) => readTransparencyLogEntry(item, reader, `${where}.tlogEntries[${index}]`));
  for (const entry of logEntries) {
    if (version === '0.1' && entry.signedEntryTimestamp === undefined) {
      throw reader.invalid('a log entry has no inclusion promise, which version 0.1 requires');
    }
    if (version !== '0.1' && (entry.inclusionProof === undefined || entry.inclusionProof.checkpoint === '')) {
      throw reader.invalid(`a log entry has no inclusion proof, which version ${version} requires`);
    }
  }
  return {
    ...readSigner(fields, reader, version),
    timestamps: readTimestamps(
      fields.timestampVerificationData,
      reader,
      `${where}.timestampVerificationData`,
    ),
    logEntries,
  };
}

function readSigner(
  fields: { readonly publicKey?: Json; readonly x509CertificateChain?: Json; readonly certificate?: Json },
  reader: ProtoReader,
  version: BundleVersion,
): { publicKeyHint: string } | { certificates: readonly Uint8Array[] } {
  const { publicKey, x509CertificateChain: chain, certificate } = fields;
  const given = [publicKey, chain, certificate].filter((field) => field !== undefined).length;
  if (given !== 1) {
    throw reader.invalid('it must name its signer once: publicKey, certificate or x509CertificateChain');
  }
  if (publicKey !== undefined) {
    const { hint } = reader.message(publicKey, 'publicKey', ['hint']);
    return { publicKeyHint: reader.text(hint, 'publicKey.hint') };
  }
  if (certificate !== undefined)
    return { certificates: [readCertificate(certificate, reader, 'certificate')] };
  if (version === '0.3') throw reader.invalid('version 0.3 allows a certificate and no chain');
  const { certificates } = reader.message(chain, 'x509CertificateChain', ['certificates']);
  const list = reader.list(certificates, 'x509CertificateChain.certificates', limits.bundleItems);
  if (list.length === 0) throw reader.invalid('x509CertificateChain is empty');
  return {
    certificates: list.map((item) => readCertificate(item, reader, 'x509CertificateChain.certificates')),
  };
}

function readCertificate(value: Json, reader: ProtoReader, where: string): Uint8Array {
  const { rawBytes } = reader.message(value, where, ['rawBytes']);
  const der = reader.bytes(rawBytes, `${where}.rawBytes`);
  if (der.length === 0) throw reader.invalid(`${where} is empty`);
  return der;
}

function readTimestamps(value: Json | undefined, reader: ProtoReader, where: string): Uint8Array[] {
  if (value === undefined) return [];
  const { rfc3161Timestamps } = reader.message(value, where, ['rfc3161Timestamps']);
  return reader.list(rfc3161Timestamps, where, limits.bundleItems).map((item) => {
    const { signedTimestamp } = reader.message(item, where, ['signedTimestamp']);
    return reader.bytes(signedTimestamp, `${where}.signedTimestamp`);
  });
}

/**
 * A v0.3 bundle as cosign 3 writes it: compact, fields in the order of the protocol, zero values left out. At most one
 * certificate is written, because v0.3 has no chains.
 */
export function encodeBundle(bundle: Omit<Bundle, 'mediaType' | 'version'>): Uint8Array {
  return utf8(
    JSON.stringify({
      mediaType: bundleMediaType,
      verificationMaterial: materialJson(bundle.material),
      ...contentJson(bundle.content),
    }),
  );
}

function contentJson(content: BundleContent): JsonObject {
  if (content.kind === 'envelope') return { dsseEnvelope: envelopeJson(content.envelope) };
  const { digest, signature } = content;
  return {
    messageSignature: {
      ...(digest === undefined
        ? {}
        : { messageDigest: { algorithm: digest.algorithm, digest: base64(digest.digest) } }),
      signature: base64(signature),
    },
  };
}

function materialJson(material: VerificationMaterial): JsonObject {
  const { publicKeyHint: hint, certificates, logEntries, timestamps } = material;
  const leaf = certificates?.[0];
  return {
    ...(hint === undefined ? {} : { publicKey: hint === '' ? {} : { hint } }),
    ...(leaf === undefined ? {} : { certificate: { rawBytes: base64(leaf) } }),
    ...(logEntries.length === 0 ? {} : { tlogEntries: logEntries.map(transparencyLogEntryJson) }),
    ...(timestamps.length === 0
      ? {}
      : {
          timestampVerificationData: {
            rfc3161Timestamps: timestamps.map((der) => ({ signedTimestamp: base64(der) })),
          },
        }),
  };
}
