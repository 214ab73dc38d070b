import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { encodeTar } from './tar.ts';

/** A manifest in a registry. */
export interface PushedManifest {
  /** The repository's name without the registry. */
  readonly repository: string;
  /** `host/repository@digest`. */
  readonly reference: string;
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

/** An index, its images in order, and the attestation manifest that build tools put beside them. */
export interface PushedIndex extends PushedManifest {
  readonly children: readonly PushedManifest[];
  readonly attestation: PushedManifest;
}

/** Where and how to push. */
export interface PushTarget {
  /** `http://host:port`. */
  readonly url: string;
  /** An Authorization header, if the registry asks for one. */
  readonly authorization?: string;
}

/** What the image is. */
export interface SmallImageOptions {
  /** A tag beside the digest; none unless told. */
  readonly tag?: string;
  /** The text of the one file in the image: another text, another digest. */
  readonly content?: string;
  readonly architecture?: string;
}

/** A descriptor of the OCI image specification. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

const imageManifestType = 'application/vnd.oci.image.manifest.v1+json';
const imageIndexType = 'application/vnd.oci.image.index.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** Pushes an image of one platform with one small layer, by plain HTTP requests; under 1 KB in all. */
export async function pushSmallImage(
  target: PushTarget,
  repository: string,
  options: SmallImageOptions = {},
): Promise<PushedManifest> {
  const architecture = options.architecture ?? 'amd64';
  const content = Buffer.from(options.content ?? 'A small image for tests.\n');
  const tar = encodeTar([{ name: 'small.txt', type: 'file', content, mode: 0o644 }]);
  const config = {
    architecture,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  };
  const [configDescriptor, layer] = await Promise.all([
    pushBlob(target, repository, configType, jsonBytes(config)),
    pushBlob(target, repository, layerType, gzipSync(tar)),
  ]);
  const manifest = {
    schemaVersion: 2,
    mediaType: imageManifestType,
    config: configDescriptor,
    layers: [layer],
  };
  return pushManifest(target, repository, imageManifestType, manifest, options.tag);
}

/** Pushes an index of two platforms and one `unknown/unknown` attestation manifest, as BuildKit writes it. */
export async function pushSmallIndex(
  target: PushTarget,
  repository: string,
  options: Omit<SmallImageOptions, 'architecture'> = {},
): Promise<PushedIndex> {
  const architectures = ['amd64', 'arm64'];
  const text = options.content ?? 'A small image for tests.\n';
  const children = await Promise.all(
    architectures.map((architecture) =>
      pushSmallImage(target, repository, { content: `${architecture}: ${text}`, architecture }),
    ),
  );
  const subject = children[0];
  if (subject === undefined) throw new Error('an index without children');
  const attestation = await pushAttestation(target, repository, subject);
  const index = {
    schemaVersion: 2,
    mediaType: imageIndexType,
    manifests: [
      ...children.map((child, i) => ({
        ...descriptorOf(child),
        platform: { architecture: architectures[i], os: 'linux' },
      })),
      {
        ...descriptorOf(attestation),
        annotations: {
          'vnd.docker.reference.digest': subject.digest,
          'vnd.docker.reference.type': 'attestation-manifest',
        },
        platform: { architecture: 'unknown', os: 'unknown' },
      },
    ],
  };
  const pushed = await pushManifest(target, repository, imageIndexType, index, options.tag);
  return { ...pushed, children, attestation };
}

/** Uploads a blob in one piece and returns its descriptor. */
export async function pushBlob(
  target: PushTarget,
  repository: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const digest = digestOf(bytes);
  const uploads = `${target.url}/v2/${repository}/blobs/uploads/`;
  const begun = await request(target, 'POST', uploads, 202);
  const location = new URL(begun.headers.get('location') ?? '', uploads);
  location.searchParams.set('digest', digest);
  await request(target, 'PUT', location.href, 201, bytes, 'application/octet-stream');
  return { mediaType, digest, size: bytes.length };
}

/** Uploads a manifest (an object is encoded as JSON, bytes are sent as they are) under its digest or a tag. */
export async function pushManifest(
  target: PushTarget,
  repository: string,
  mediaType: string,
  manifest: Uint8Array | object,
  tag?: string,
): Promise<PushedManifest> {
  const bytes = manifest instanceof Uint8Array ? manifest : jsonBytes(manifest);
  const digest = digestOf(bytes);
  const url = `${target.url}/v2/${repository}/manifests/${tag ?? digest}`;
  await request(target, 'PUT', url, 201, bytes, mediaType);
  const reference = `${new URL(target.url).host}/${repository}@${digest}`;
  return { repository, reference, digest, mediaType, size: bytes.length };
}

async function pushAttestation(
  target: PushTarget,
  repository: string,
  subject: PushedManifest,
): Promise<PushedManifest> {
  const statement = {
    _type: 'https://in-toto.io/Statement/v0.1',
    predicateType: 'https://slsa.dev/provenance/v0.2',
    subject: [{ name: repository, digest: { sha256: subject.digest.slice('sha256:'.length) } }],
    predicate: {},
  };
  const bytes = jsonBytes(statement);
  const config = {
    architecture: 'unknown',
    os: 'unknown',
    config: {},
    rootfs: { type: 'layers', diff_ids: [digestOf(bytes)] },
  };
  const [configDescriptor, layer] = await Promise.all([
    pushBlob(target, repository, configType, jsonBytes(config)),
    pushBlob(target, repository, 'application/vnd.in-toto+json', bytes),
  ]);
  const manifest = {
    schemaVersion: 2,
    mediaType: imageManifestType,
    config: configDescriptor,
    layers: [{ ...layer, annotations: { 'in-toto.io/predicate-type': statement.predicateType } }],
  };
  return pushManifest(target, repository, imageManifestType, manifest);
}

async function request(
  target: PushTarget,
  method: string,
  url: string,
  expected: number,
  body?: Uint8Array,
  contentType?: string,
): Promise<Response> {
  const headers = new Headers();
  if (contentType !== undefined) headers.set('content-type', contentType);
  if (target.authorization !== undefined) headers.set('authorization', target.authorization);
  const response = await fetch(url, {
    method,
    headers,
    ...(body === undefined ? {} : { body: Buffer.from(body) }),
  });
  const text = await response.text();
  if (response.status !== expected) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return response;
}

function descriptorOf({ mediaType, digest, size }: PushedManifest): Descriptor {
  return { mediaType, digest, size };
}

function jsonBytes(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
