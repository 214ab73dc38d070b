/**
 * A place that holds one image's manifests and blobs: a repository in a registry, or an OCI image layout on disk.
 * Everything above this port treats the two alike.
 */
import type { Digest } from '../core/digest.ts';
import type { BoltsealError } from '../core/errors.ts';
import type { Descriptor } from '../formats/oci.ts';

/** A manifest or index exactly as received: the digest is over `bytes`. */
export interface StoredManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** The strong entity tag it came with, for {@link PutManifestOptions.ifMatch}. */
  readonly etag?: string;
}

/** What a registry said to the upload of a manifest. */
export interface PutManifestResult {
  readonly descriptor: Descriptor;
  /** Whether the registry itself now lists the manifest as referrer of its subject (`OCI-Subject` was answered). */
  readonly subjectIndexed: boolean;
}

/** Where a list of referrers came from. */
export type ReferrersSource = 'api' | 'fallback-tag';

/** The referrers of one digest, as found. */
export interface ReferrersList {
  readonly source: ReferrersSource;
  /** Each referrer once. Of a fallback index, its entries as they are: other tools write them without a type. */
  readonly descriptors: readonly Descriptor[];
  /** The fallback index behind the list, when there is one: its raw content, for a merge that keeps all of it. */
  readonly fallbackIndex?: StoredManifest;
  /**
   * Why there may be more than the list shows: more referrers exist than are looked at, or the fallback tag holds
   * something that is no list of referrers. To be reported; what is listed can still be used.
   */
  readonly problem?: BoltsealError;
}

/** Options of every call that goes to the outside. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link Repository.putBlob}. */
export interface PutBlobOptions extends CallOptions {
  /** True for content that cannot be there yet (a fresh signature): the question whether it is there is saved. */
  readonly fresh?: boolean;
}

/** An upload that was announced before its content is known, so that its first round trip runs beside other work. */
export interface PendingUpload {
  /** Sends the content; the blob is there when this resolves. */
  complete(bytes: Uint8Array, options?: CallOptions): Promise<Descriptor>;
  /** Gives the upload up. Never throws. */
  cancel(): Promise<void>;
}

/** Options of {@link Repository.putManifest}. */
export interface PutManifestOptions extends CallOptions {
  /** Stores it under this tag too. */
  readonly tag?: string;
  /**
   * Stores it only while the tag still has this entity tag; else `ERR_ATTACH_CONFLICT`. Most registries do not look at
   * it, so that success proves nothing (RFC 9110 section 13.1.1).
   */
  readonly ifMatch?: string;
}

/** One repository. Not found is `undefined` where the result says so; every other failure throws. */
export interface Repository {
  /** For people and payloads: `ghcr.io/acme/app`, or `oci:path`. Without tag or digest. */
  readonly name: string;
  /** The name to write into payloads: the docker reference without tag and digest (`index.docker.io/library/x` form as cosign writes it). */
  readonly dockerReference: string;

  /**
   * The descriptor behind a tag or digest (a HEAD request, or a GET where HEAD says too little). Without a reference:
   * `latest`, and of an image layout its only image (`ERR_REFERENCE_INVALID` naming the tags when it has several).
   */
  resolve(reference: string | undefined, options?: CallOptions): Promise<Descriptor | undefined>;
  /** The manifest behind a tag or digest, or without a reference as {@link resolve}; by digest it is verified. */
  getManifest(reference: string | undefined, options?: CallOptions): Promise<StoredManifest | undefined>;
  /** Stores a manifest by its digest, and under `tag` when one is given. */
  putManifest(bytes: Uint8Array, mediaType: string, options?: PutManifestOptions): Promise<PutManifestResult>;
  /** Deletes a manifest by digest, or a tag. False when it was not there; `ERR_REGISTRY_UNSUPPORTED` when not allowed. */
  deleteManifest(reference: string, options?: CallOptions): Promise<boolean>;

  /** A whole blob, digest and size verified; `maxBytes` is checked before the download. `ERR_BLOB_NOT_FOUND`. */
  getBlob(descriptor: Descriptor, options: CallOptions & { readonly maxBytes: number }): Promise<Uint8Array>;
  /** A blob as a stream that throws at its end when digest or size are wrong: use nothing of it before then. */
  readBlob(descriptor: Descriptor, options?: CallOptions): AsyncIterable<Uint8Array>;
  hasBlob(digest: Digest, options?: CallOptions): Promise<boolean>;
  putBlob(bytes: Uint8Array, options?: PutBlobOptions): Promise<Descriptor>;
  /** Stores a large blob from a stream that can be started again; `descriptor` is verified while it is sent. */
  writeBlob(
    descriptor: Descriptor,
    content: () => AsyncIterable<Uint8Array>,
    options?: CallOptions,
  ): Promise<void>;
  /** Makes a blob of another repository of the same registry appear here; false when the registry does not. */
  mountBlob(digest: Digest, from: string, options?: CallOptions): Promise<boolean>;
  /** Announces an upload. */
  beginUpload(options?: CallOptions): Promise<PendingUpload>;

  /**
   * The referrers of `subject`: the referrers API where it works, else the fallback tag. Throws when neither answer
   * can be trusted; an error never turns into an empty list.
   * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers}
   */
  referrers(subject: Digest, options?: CallOptions): Promise<ReferrersList>;
  /** The tags, in the order of the registry. */
  tags(options?: CallOptions): AsyncIterable<string>;
}
