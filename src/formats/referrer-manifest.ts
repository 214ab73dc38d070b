/**
 * The bundle format in a registry: an untagged manifest whose only layer is a bundle and whose subject is the image,
 * byte for byte as cosign 3 writes it.
 * {@link https://github.com/sigstore/cosign/blob/v3.0.2/specs/BUNDLE_SPEC.md}
 */
import { type Digest, digestAlgorithm, digestHex, digestOf } from '../core/digest.ts';
import { bundleMediaType, bundleMediaTypePrefix } from './bundle.ts';
import {
  type Annotations,
  type Descriptor,
  emptyConfigDescriptor,
  encodeManifest,
  type Manifest,
  mediaTypes,
} from './oci.ts';

/** The annotations of a bundle's manifest. */
export const bundleAnnotations = {
  content: 'dev.sigstore.bundle.content',
  predicateType: 'dev.sigstore.bundle.predicateType',
  created: 'org.opencontainers.image.created',
} as const;

/**
 * The predicate type that a bundle's manifest, or its entry in a list of referrers, says its statement has; undefined when
 * it says none. What is signed decides in the end: this is not.
 */
export function announcedPredicateType({
  annotations,
}: {
  readonly annotations?: Annotations;
}): string | undefined {
  return annotations?.[bundleAnnotations.predicateType] || undefined;
}

/** What a bundle's manifest says. */
export interface BundleManifestParts {
  readonly bundle: Uint8Array;
  /** The image. Only its media type, size and digest are written. */
  readonly subject: Descriptor;
  readonly predicateType: string;
  readonly created: Date;
}

/** A manifest to store, and how a list of referrers describes it. */
export interface BundleManifest {
  readonly bytes: Uint8Array;
  /** With artifact type and annotations, as the specification wants fallback entries. */
  readonly descriptor: Descriptor;
}

/** The manifest for a bundle. Its config is the empty one, `emptyConfigBytes`, which must be stored too. */
export function bundleManifest(parts: BundleManifestParts): BundleManifest {
  const { bundle, subject } = parts;
  const annotations: Annotations = {
    [bundleAnnotations.content]: 'dsse-envelope',
    [bundleAnnotations.predicateType]: parts.predicateType,
    [bundleAnnotations.created]: `${parts.created.toISOString().slice(0, 19)}Z`,
  };
  const bytes = encodeManifest({
    mediaType: mediaTypes.manifest,
    // cosign's `clean` finds its manifests by the artifact type of the config's descriptor.
    config: { ...emptyConfigDescriptor, artifactType: bundleMediaType },
    layers: [{ mediaType: bundleMediaType, digest: digestOf(bundle), size: bundle.length }],
    annotations,
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    artifactType: bundleMediaType,
  });
  return {
    bytes,
    descriptor: {
      mediaType: mediaTypes.manifest,
      digest: digestOf(bytes),
      size: bytes.length,
      artifactType: bundleMediaType,
      annotations,
    },
  };
}

/** The layer that holds the bundle, or undefined when the manifest is of something else. */
export function bundleLayer(manifest: Manifest): Descriptor | undefined {
  const [layer, ...others] = manifest.layers;
  return layer !== undefined && others.length === 0 && layer.mediaType.startsWith(bundleMediaTypePrefix)
    ? layer
    : undefined;
}

/**
 * The tag that lists the referrers of `digest` where a registry has no referrers API.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema}
 */
export function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest).slice(0, 32)}-${digestHex(digest).slice(0, 64)}`;
}
