/** OCI descriptors, manifests and indexes. {@link https://github.com/opencontainers/image-spec/tree/v1.1.1} */
import { type Digest, digestOf, isDigest } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { goJson, isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

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

/** The media types of manifests and indexes, and of the empty config. */
export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerManifestList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.oci.image.config.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

/** Every media type {@link parseManifest} reads, in the order of preference for `Accept`. */
export const manifestMediaTypes: readonly string[] = [
  mediaTypes.manifest,
  mediaTypes.index,
  mediaTypes.dockerManifest,
  mediaTypes.dockerManifestList,
];

/** The content of an empty config: `{}`. */
export const emptyConfigBytes: Uint8Array = utf8('{}');

/**
 * The descriptor of an empty config.
 * {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidance-for-an-empty-descriptor}
 */
export const emptyConfigDescriptor: Descriptor = {
  mediaType: mediaTypes.empty,
  digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  size: 2,
};

/** The annotation an image layout and other tools know a tag by. */
export const refNameAnnotation = 'org.opencontainers.image.ref.name';

/** Whether `mediaType` is that of an index or a docker manifest list. */
export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === mediaTypes.index || mediaType === mediaTypes.dockerManifestList;
}

/** A media type as compared: lower case, without parameters. */
export function bareMediaType(text: string): string {
  return (text.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** The descriptor of `bytes`. */
export function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/**
 * The manifest or index that `bytes` are. `mediaType` is what the `Content-Type` or a descriptor says; when it is one
 * of {@link manifestMediaTypes}, the content must agree. Content that could be read both as manifest and as index is
 * refused (CVE-2021-41190). Unknown fields are tolerated. Throws `ERR_MANIFEST_INVALID` and what `parseJson` throws.
 * {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md}
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType?: string,
  what: string = 'the manifest',
): Manifest | Index {
  const json = parseJson(bytes, { what, maxBytes: limits.manifestBytes });
  if (!isJsonObject(json)) throw invalid(what, 'is not a JSON object');
  if (json['schemaVersion'] !== 2) {
    throw invalid(what, `has schemaVersion ${JSON.stringify(json['schemaVersion'])}, not 2`);
  }
  const type = agreedMediaType(json, mediaType, what);
  const hasIndexParts = json['manifests'] !== undefined;
  const hasManifestParts = json['config'] !== undefined || json['layers'] !== undefined;
  if (hasIndexParts && hasManifestParts) {
    throw invalid(what, 'could be read both as a manifest and as an index');
  }
  const isIndex = type === undefined ? hasIndexParts : isIndexMediaType(type);
  if (json['fsLayers'] !== undefined) throw invalid(what, 'is of the old docker schema 1');
  return isIndex
    ? parseIndex(json, type ?? mediaTypes.index, what)
    : parseImageManifest(json, type ?? mediaTypes.manifest, what);
}

/** The media type that header and content agree on; undefined when neither says one. */
function agreedMediaType(json: JsonObject, hint: string | undefined, what: string): string | undefined {
  const inside = optionalText(json, 'mediaType', what);
  const outside = hint === undefined ? undefined : bareMediaType(hint);
  const known = outside !== undefined && manifestMediaTypes.includes(outside) ? outside : undefined;
  if (inside === undefined || inside === '') return known;
  if (!manifestMediaTypes.includes(inside)) {
    throw invalid(what, `has the media type ${quoted(inside)}, which is no manifest or index`);
  }
  if (known !== undefined && known !== inside) {
    throw invalid(what, `was announced as ${known} and says it is ${inside}`);
  }
  return inside;
}

function parseIndex(json: JsonObject, mediaType: string, what: string): Index {
  return {
    kind: 'index',
    mediaType,
    manifests: parseDescriptors(json['manifests'], `${what}: manifests`),
    ...commonParts(json, what),
  };
}

function parseImageManifest(json: JsonObject, mediaType: string, what: string): Manifest {
  return {
    kind: 'manifest',
    mediaType,
    config: parseDescriptor(json['config'], `${what}: config`),
    layers: parseDescriptors(json['layers'], `${what}: layers`),
    ...commonParts(json, what),
  };
}

function commonParts(
  json: JsonObject,
  what: string,
): { artifactType?: string; subject?: Descriptor; annotations?: Annotations } {
  const artifactType = optionalText(json, 'artifactType', what);
  const subject = json['subject'];
  const annotations = parseAnnotations(json['annotations'], what);
  return {
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined || subject === null
      ? {}
      : { subject: parseDescriptor(subject, `${what}: subject`) }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function parseDescriptors(value: Json | undefined, what: string): readonly Descriptor[] {
  // Go programs write an empty list as null.
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalid(what, 'is not a list');
  return value.map((entry: Json, index) => parseDescriptor(entry, `${what}[${index}]`));
}

/**
 * The descriptor that `value` is. Throws `ERR_MANIFEST_INVALID` naming `what`.
 * {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#properties}
 */
export function parseDescriptor(value: Json | undefined, what: string): Descriptor {
  if (!isJsonObject(value)) throw invalid(what, 'is not a descriptor');
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string' || mediaType === '' || mediaType.length > 255) {
    throw invalid(what, 'has no media type');
  }
  if (typeof digest !== 'string' || !isDigest(digest)) throw invalid(what, 'has no valid digest');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(what, 'has no valid size');
  }
  const artifactType = optionalText(value, 'artifactType', what);
  const annotations = parseAnnotations(value['annotations'], what);
  const platform = parsePlatform(value['platform'], what);
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform }),
  };
}

function parseAnnotations(value: Json | undefined, what: string): Annotations | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw invalid(what, 'has annotations that are no object');
  const entries = Object.entries(value);
  if (entries.length > limits.annotations) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${entries.length} annotations; the limit is ${limits.annotations}`,
    );
  }
  for (const [key, text] of entries) {
    if (typeof text !== 'string') throw invalid(what, `has the annotation ${quoted(key)} that is no text`);
  }
  return value as Annotations;
}

function parsePlatform(value: Json | undefined, what: string): Platform | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw invalid(what, 'has a platform that is no object');
  const { architecture, os, variant } = value;
  if (typeof architecture !== 'string' || typeof os !== 'string') {
    throw invalid(what, 'has a platform without architecture or os');
  }
  return typeof variant === 'string' ? { architecture, os, variant } : { architecture, os };
}

function optionalText(json: JsonObject, key: string, what: string): string | undefined {
  const value = json[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalid(what, `has ${key} that is no text`);
  return value;
}

/** A descriptor as JSON, in the key order Go writes. */
export function descriptorJson(descriptor: Descriptor): JsonObject {
  const { mediaType, size, digest, annotations, artifactType, platform } = descriptor;
  return {
    mediaType,
    size,
    digest,
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform: { ...platform } }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** `manifest` as cosign writes it: compact, Go's key order and escapes. */
export function encodeManifest(manifest: Omit<Manifest, 'kind'>): Uint8Array {
  return utf8(
    goJson({
      schemaVersion: 2,
      mediaType: manifest.mediaType,
      config: descriptorJson(manifest.config),
      layers: manifest.layers.map(descriptorJson),
      ...trailingParts(manifest),
    }),
  );
}

/** `index` as cosign writes it: compact, Go's key order and escapes. */
export function encodeIndex(index: Omit<Index, 'kind'>): Uint8Array {
  return utf8(
    goJson({
      schemaVersion: 2,
      mediaType: index.mediaType,
      manifests: index.manifests.map(descriptorJson),
      ...trailingParts(index),
    }),
  );
}

function trailingParts(content: {
  readonly annotations?: Annotations;
  readonly subject?: Descriptor;
  readonly artifactType?: string;
}): JsonObject {
  return {
    ...(content.annotations === undefined ? {} : { annotations: content.annotations }),
    ...(content.subject === undefined ? {} : { subject: descriptorJson(content.subject) }),
    ...(content.artifactType === undefined ? {} : { artifactType: content.artifactType }),
  };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 120));
}

function invalid(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_MANIFEST_INVALID', `${what} ${why}`);
}
