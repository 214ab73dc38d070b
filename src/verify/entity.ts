/**
 * The neutral signed entity: what every signature format is decoded to, so that there is one verification for all.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto}
 */
import type { Digest } from '../core/digest.ts';
import type { Annotations } from '../formats/oci.ts';

/** The signature formats that exist. */
export type SignatureFormat = 'bundle' | 'cosign';

/** Where a candidate was found, for reports. */
export interface EntityOrigin {
  readonly format: SignatureFormat;
  /** `referrers-api`, `fallback-tag`, `signature-tag` (`sha256-….sig`) or `file`. */
  readonly place: 'referrers-api' | 'fallback-tag' | 'signature-tag' | 'file';
  /** The digest of the manifest that carries it. */
  readonly manifest?: Digest;
  /** The digest of the bytes that hold it: the bundle, or the simple-signing payload. */
  readonly content: Digest;
}

/** One thing that was signed, and every signature over it. */
export interface SignedEntity {
  readonly origin: EntityOrigin;
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
}

/** The verification material of an entity. */
export interface VerificationMaterial {
  /** The hint of a public key, as written. */
  readonly publicKeyHint?: string;
  /** Certificates, leaf first, DER. */
  readonly certificates?: readonly Uint8Array[];
  /** RFC 3161 timestamps, DER. */
  readonly timestamps: readonly Uint8Array[];
  /** Transparency log entries, as written. */
  readonly logEntries: readonly LogEntry[];
}

/** A transparency log entry of a bundle, decoded but not verified. */
export interface LogEntry {
  readonly logIndex: bigint;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  /** Seconds since 1970; meaningful only with a verified signed entry timestamp. */
  readonly integratedTime?: bigint;
  readonly signedEntryTimestamp?: Uint8Array;
  readonly inclusionProof?: {
    readonly logIndex: bigint;
    readonly rootHash: Uint8Array;
    readonly treeSize: bigint;
    readonly hashes: readonly Uint8Array[];
    readonly checkpoint: string;
  };
  readonly canonicalizedBody: Uint8Array;
}

/** What a payload claims, once decoded: which images, under which type, with which annotations. */
export interface Claim {
  /** The predicate type of a statement, or `critical.type` of a simple-signing payload. */
  readonly type: string;
  /** Each subject: its digest and the annotations that were signed with it. */
  readonly subjects: readonly ClaimSubject[];
  /** `critical.identity.docker-reference` of a simple-signing payload. */
  readonly dockerReference?: string;
}

/** One subject of a claim. */
export interface ClaimSubject {
  readonly digest: Digest;
  readonly annotations: Annotations;
}
