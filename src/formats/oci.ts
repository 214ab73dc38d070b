/** OCI descriptors, manifests and indexes. {@link https://github.com/opencontainers/image-spec/tree/v1.1.1} */
import type { Digest } from '../core/digest.ts';

/** Annotations: free text by key. */
export type Annotations = Readonly<Record<string, string>>;

/** A pointer to content. {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md} */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
  readonly platform?: Platform;
}

/** The platform an image of an index runs on. */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
}

/** An image manifest, or the manifest of an artifact. */
export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

/** An image index (a multi-platform image, or a list of referrers). */
export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}
