/**
 * What comes with a signature so that it can be verified, the same for every signature format. Decoded, never verified
 * here, and never trusted by itself.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto}
 */

/** The verification material of one signature. */
export interface VerificationMaterial {
  /** The hint of a public key, as written; present (perhaps empty) when the signature is by a bare key. */
  readonly publicKeyHint?: string;
  /** Certificates, leaf first, DER. */
  readonly certificates?: readonly Uint8Array[];
  /** RFC 3161 timestamps, DER. */
  readonly timestamps: readonly Uint8Array[];
  /** Transparency log entries, as written. */
  readonly logEntries: readonly LogEntry[];
}

/** A transparency log entry, decoded but not verified. */
export interface LogEntry {
  readonly logIndex: bigint;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  /** Seconds since 1970; meaningful only with a verified signed entry timestamp. */
  readonly integratedTime?: bigint;
  readonly signedEntryTimestamp?: Uint8Array;
  readonly inclusionProof?: InclusionProof;
  readonly canonicalizedBody: Uint8Array;
}

/** A proof that an entry is in a tree, and the signed tree head it leads to. */
export interface InclusionProof {
  readonly logIndex: bigint;
  readonly rootHash: Uint8Array;
  readonly treeSize: bigint;
  readonly hashes: readonly Uint8Array[];
  /** A signed note, as text. */
  readonly checkpoint: string;
}
