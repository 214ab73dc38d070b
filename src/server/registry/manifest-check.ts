import { type Digest, isDigest } from '../../core/digest.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { type Annotations, isIndexMediaType, mediaTypes } from '../../formats/oci.ts';
import { Refusal } from './refusal.ts';

/** Something a manifest points to. */
export interface ManifestLink {
  readonly digest: Digest;
  readonly size: number;
}

/** What a registry needs to know of a manifest. */
export interface CheckedManifest {
  readonly mediaType: string;
  readonly subject?: Digest;
  /** Of an image manifest without a type of its own, its config's media type. */
  readonly artifactType?: string;
  readonly annotations?: Annotations;
  /** Config and layers, without those that live elsewhere. */
  readonly blobs: readonly ManifestLink[];
  /** Entries of an index. */
  readonly manifests: readonly ManifestLink[];
}

const imageTypes: ReadonlySet<string> = new Set([mediaTypes.manifest, mediaTypes.dockerManifest]);

/** The media type of a `Content-Type` header, without parameters; undefined when there is none. */
export function mediaTypeOf(header: string | null): string | undefined {
  const type = header?.split(';', 1)[0]?.trim();
  return type === undefined || type === '' ? undefined : type;
}

/**
 * Reads a manifest or index that is being pushed with `contentType` and checks its shape: the media types agree, and
 * nothing is a manifest and an index at once (CVE-2021-41190). Throws a {@link Refusal}.
 * {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md}
 */
export function checkManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  maxBytes: number,
): CheckedManifest {
  const body = parseBody(bytes, maxBytes);
  const mediaType = agreedType(contentType, body['mediaType']);
  if (body['schemaVersion'] !== 2) throw invalid('schemaVersion is not 2');
  const isImage = imageTypes.has(mediaType);
  if (!isImage && !isIndexMediaType(mediaType)) throw invalid('the media type is not supported');
  const foreignKeys = isImage ? ['manifests', 'fsLayers'] : ['config', 'layers', 'fsLayers'];
  for (const key of foreignKeys) {
    if (body[key] !== undefined) throw invalid(`${key} does not belong into this media type`);
  }
  return {
    mediaType,
    ...aboutReferrer(body, isImage),
    blobs: isImage ? imageBlobs(body) : [],
    manifests: isImage ? [] : list(body['manifests'], 'manifests').map((entry) => link(entry, 'manifests')),
  };
}

/**
 * As much of {@link checkManifest} as can be had from any bytes: for a registry that takes everything. Never throws.
 */
export function describeManifest(bytes: Uint8Array, contentType: string | undefined): CheckedManifest {
  const nothing = { mediaType: contentType ?? 'application/octet-stream', blobs: [], manifests: [] };
  try {
    const body = parseBody(bytes, bytes.length);
    const declared = body['mediaType'];
    const mediaType = contentType ?? (typeof declared === 'string' ? declared : nothing.mediaType);
    return { ...nothing, mediaType, ...aboutReferrer(body, imageTypes.has(mediaType)) };
  } catch {
    return nothing;
  }
}

function parseBody(bytes: Uint8Array, maxBytes: number): JsonObject {
  let body: Json;
  try {
    body = parseJson(bytes, { what: 'the manifest', maxBytes });
  } catch (error) {
    if (error instanceof BoltsealError) throw invalid(error.message);
    throw error;
  }
  if (!isJsonObject(body)) throw invalid('the manifest is not a JSON object');
  return body;
}

function agreedType(contentType: string | undefined, declared: Json | undefined): string {
  if (declared !== undefined && typeof declared !== 'string') throw invalid('mediaType is not a text');
  const inBody = declared === '' ? undefined : declared;
  if (contentType !== undefined && inBody !== undefined && contentType !== inBody) {
    throw invalid('Content-Type and mediaType are not the same');
  }
  const mediaType = contentType ?? inBody;
  if (mediaType === undefined) throw invalid('there is neither a Content-Type nor a mediaType');
  return mediaType;
}

function aboutReferrer(
  body: JsonObject,
  isImage: boolean,
): Pick<CheckedManifest, 'subject' | 'artifactType' | 'annotations'> {
  const pointer = body['subject'] ?? undefined;
  const subject = pointer === undefined ? undefined : link(pointer, 'subject').digest;
  const annotations = checkAnnotations(body['annotations']);
  const own = body['artifactType'];
  if (own !== undefined && typeof own !== 'string') throw invalid('artifactType is not a text');
  const config = body['config'];
  const configType = isImage && isJsonObject(config) ? config['mediaType'] : undefined;
  const artifactType = own || (typeof configType === 'string' ? configType : undefined);
  return {
    ...(subject === undefined ? {} : { subject }),
    ...(artifactType === undefined || artifactType === '' ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function checkAnnotations(value: Json | undefined): Annotations | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isJsonObject(value)) throw invalid('annotations are not an object');
  const pairs = Object.entries(value);
  if (pairs.length > limits.annotations) throw invalid('there are too many annotations');
  for (const [, text] of pairs) if (typeof text !== 'string') throw invalid('an annotation is not a text');
  return value as Annotations;
}

function imageBlobs(body: JsonObject): ManifestLink[] {
  const blobs = [link(body['config'], 'config')];
  for (const layer of list(body['layers'], 'layers')) {
    const checked = link(layer, 'layers');
    if (!isElsewhere(layer)) blobs.push(checked);
  }
  return blobs;
}

/** Layers that must not be pushed, or that say from where they come, need not be here. */
function isElsewhere(layer: Json): boolean {
  if (!isJsonObject(layer)) return false;
  const { mediaType, urls } = layer;
  if (Array.isArray(urls) && urls.length > 0) return true;
  return typeof mediaType === 'string' && /\.(?:nondistributable|foreign)\./.test(mediaType);
}

function list(value: Json | undefined, what: string): readonly Json[] {
  // Go writes an empty list as null.
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${what} is not a list`);
  return value;
}

function link(value: Json | undefined, what: string): ManifestLink {
  if (!isJsonObject(value)) throw invalid(`${what} holds no descriptor`);
  const { mediaType, digest, size } = value;
  if (typeof mediaType !== 'string') throw invalid(`a descriptor of ${what} has no mediaType`);
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw invalid(`a descriptor of ${what} has no valid digest`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`a descriptor of ${what} has no valid size`);
  }
  return { digest, size };
}

function invalid(message: string): Refusal {
  return new Refusal('MANIFEST_INVALID', message);
}
