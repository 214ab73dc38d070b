/** The artifact that a blob signature is about: its bytes, or what is known of them. */

/** Digests of an artifact that is not at hand. With more of them more signatures can be judged. */
export interface ArtifactDigests {
  /** 32 bytes. */
  readonly sha256: Uint8Array;
  /** 48 bytes. */
  readonly sha384?: Uint8Array | undefined;
  /** 64 bytes. */
  readonly sha512?: Uint8Array | undefined;
}

/** An artifact: its bytes, or its digests. */
export type Artifact = Uint8Array | ArtifactDigests;
