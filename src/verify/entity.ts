/**
 * The neutral signed entity: what every signature format is decoded to, so that there is one verification for all.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto}
 */
import { type Digest, digestOf } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { parseAttestationLayer } from '../formats/attestation-layer.ts';
import { parseBundle } from '../formats/bundle.ts';
import { parseSignatureLayer } from '../formats/cosign-layer.ts';
import { preAuthEncoding } from '../formats/dsse.ts';
import type { Annotations, Descriptor } from '../formats/oci.ts';
import type { LogEntry, VerificationMaterial } from '../formats/verification-material.ts';

export type { LogEntry, VerificationMaterial };

/** The signature formats that exist. */
export type SignatureFormat = 'bundle' | 'cosign';

/** Where a candidate was found, for reports. */
export interface EntityOrigin {
  readonly format: SignatureFormat;
  /** `referrers-api`, `fallback-tag`, `signature-tag` (`sha256-….sig`), `attestation-tag` (`….att`) or `file`. */
  readonly place: 'referrers-api' | 'fallback-tag' | 'signature-tag' | 'attestation-tag' | 'file';
  /** The digest of the manifest that carries it. */
  readonly manifest?: Digest;
  /** The digest of the bytes that hold it: the bundle, the simple-signing payload, or the envelope of a layer. */
  readonly content: Digest;
}

/** One thing that was signed, and every signature over it. */
export interface SignedEntity {
  readonly origin: EntityOrigin;
  /** How the payload was signed: as it is, or in the pre-authentication encoding of DSSE. */
  readonly encoding: 'raw' | 'dsse';
  /** The exact bytes that the signature covers: the payload itself, or the DSSE pre-authentication encoding of it. */
  readonly signedBytes: Uint8Array;
  /** The payload as received. */
  readonly payload: Uint8Array;
  /** The DSSE payload type; the media type of the layer for a simple-signing payload. */
  readonly payloadType: string;
  /** The signature, raw. Exactly one per entity. */
  readonly signature: Uint8Array;
  /** What the signer says verifies it; never trusted by itself. */
  readonly material: VerificationMaterial;
  /**
   * The envelope with its signature as it is stored, when it is stored by itself. cosign has these bytes timestamped, and
   * not the signature; cosign 3 makes timestamps of the signature there too, which it does not accept itself.
   */
  readonly storedEnvelope?: Uint8Array;
}

/** What a payload claims, once decoded: which images, under which type, with which annotations. */
export interface Claim {
  /** The predicate type of a statement, or `critical.type` of a simple-signing payload. */
  readonly type: string;
  /** Each subject: its digest and the annotations that were signed with it. A subject with two digests is here twice. */
  readonly subjects: readonly ClaimSubject[];
  /** `critical.identity.docker-reference` of a simple-signing payload. */
  readonly dockerReference?: string;
}

/** One subject of a claim. */
export interface ClaimSubject {
  readonly digest: Digest;
  readonly annotations: Annotations;
}

/** Where an entity comes from; the rest of its origin is known from its bytes. */
export interface EntitySource {
  readonly place: EntityOrigin['place'];
  readonly manifest?: Digest;
}

/**
 * The entity a bundle holds. Nothing is verified. Throws what `parseBundle` throws, and `ERR_VERIFY_UNSUPPORTED` for a
 * bundle without an envelope: it signs a blob, and cannot be the signature of an image.
 */
export function entityFromBundle(bytes: Uint8Array, source: EntitySource): SignedEntity {
  const content = digestOf(bytes);
  const what = `the bundle ${content}`;
  const bundle = parseBundle(bytes, what);
  if (bundle.content.kind !== 'envelope') {
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', `${what} signs a blob and holds no envelope`);
  }
  const { payload, payloadType, signatures } = bundle.content.envelope;
  const [only] = signatures;
  if (only === undefined) throw new BoltsealError('ERR_BUNDLE_INVALID', `${what} has no signature`);
  return {
    origin: { format: 'bundle', ...source, content },
    encoding: 'dsse',
    signedBytes: preAuthEncoding(payloadType, payload),
    payload,
    payloadType,
    signature: only.signature,
    material: bundle.material,
  };
}

/**
 * The entity a layer of a `.sig` manifest holds; `payload` is the layer's content, whose digest the caller has verified.
 * Nothing is verified here. Throws what `parseSignatureLayer` throws.
 */
export function entityFromSignatureLayer(
  layer: Descriptor,
  payload: Uint8Array,
  source: EntitySource,
): SignedEntity {
  const { signature, payloadType, material } = parseSignatureLayer(
    layer,
    payload,
    `the layer ${layer.digest}`,
  );
  return {
    origin: { format: 'cosign', ...source, content: layer.digest },
    encoding: 'raw',
    signedBytes: payload,
    payload,
    payloadType,
    signature,
    material,
  };
}

/**
 * The entity a layer of an `.att` manifest holds; `content` is the layer's content, whose digest the caller has verified.
 * Nothing is verified here. Throws what `parseAttestationLayer` throws, and `ERR_VERIFY_UNSUPPORTED` for an envelope with
 * several signatures: it would not be clear whose the material is.
 */
export function entityFromAttestationLayer(
  layer: Descriptor,
  content: Uint8Array,
  source: EntitySource,
): SignedEntity {
  const what = `the layer ${layer.digest}`;
  const { envelope, material } = parseAttestationLayer(layer, content, what);
  const { payload, payloadType, signatures } = envelope;
  const [only, ...others] = signatures;
  if (only === undefined || others.length > 0) {
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', `${what} has ${signatures.length} signatures, not one`);
  }
  return {
    origin: { format: 'cosign', ...source, content: layer.digest },
    encoding: 'dsse',
    signedBytes: preAuthEncoding(payloadType, payload),
    payload,
    payloadType,
    signature: only.signature,
    material,
    storedEnvelope: content,
  };
}
