/**
 * Image references: docker's grammar with docker's defaults, and `oci:` references to image layouts on disk.
 * Names are normalised as cosign does it, because they are compared as text in payloads.
 */
import { type Digest, isDigest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** An image in a registry. */
export interface RegistryReference {
  readonly kind: 'registry';
  /** `host` or `host:port`, lower case; Docker Hub is always `index.docker.io`. */
  readonly registry: string;
  /** The repository with its namespace: `library/nginx`. */
  readonly repository: string;
  /** As written, or `latest` when there is neither tag nor digest. With a digest it is information only. */
  readonly tag?: string;
  /** Wins over the tag. */
  readonly digest?: Digest;
}

/** An image in an OCI image layout on disk: `oci:DIR[:tag][@digest]`. */
export interface LayoutReference {
  readonly kind: 'layout';
  /** The folder, as written. */
  readonly path: string;
  /** The `org.opencontainers.image.ref.name` of an entry of `index.json`; without it the only image is meant. */
  readonly tag?: string;
  /** Wins over the tag. */
  readonly digest?: Digest;
}

/** A place an image can be named in. */
export type Reference = RegistryReference | LayoutReference;

/** The name of Docker Hub in references, payloads and credentials. */
export const dockerHubRegistry = 'index.docker.io';

const repositoryPattern =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const domainPattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const addressPattern = /^\[[0-9a-f:.]{2,45}\]$/;
const repositoryLength = 255;

/** Whether `text` is a tag. {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests} */
export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

/**
 * Whether `text` is a repository name without registry.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests}
 */
export function isRepositoryName(text: string): boolean {
  return text.length <= repositoryLength && repositoryPattern.test(text);
}

/** Whether `text` is a registry: a host name or address, with an optional port. */
export function isRegistryName(text: string): boolean {
  const match = /^(.+?)(?::([0-9]{1,5}))?$/.exec(text);
  const host = match?.[1] ?? '';
  const port = match?.[2];
  if (text.length > 261 || (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))) return false;
  return domainPattern.test(host) || (addressPattern.test(host) && URL.canParse(`http://${host}`));
}

/**
 * The reference that `text` is. Throws `ERR_REFERENCE_INVALID` with a hint for the usual slips.
 * {@link https://pkg.go.dev/github.com/distribution/reference#pkg-overview}
 */
export function parseReference(text: string): Reference {
  if (text.length > limits.referenceLength) {
    throw invalid(
      `${withoutPassword(text).slice(0, 80)}…`,
      `it is longer than ${limits.referenceLength} characters`,
    );
  }
  if (text === '') throw invalid(text, 'it is empty', 'Name an image, such as ghcr.io/acme/app@sha256:….');
  if (/[\s\0-\x1f\x7f]/.test(text) && !text.startsWith('oci:')) {
    throw invalid(text, 'it contains white space or control characters');
  }
  return text.startsWith('oci:') ? parseLayout(text) : parseRegistry(text);
}

/** `reference` as text that {@link parseReference} reads back to the same. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${referenceName(reference)}${tag}${digest}`;
}

/** `reference` without tag and digest: `index.docker.io/library/nginx`, or `oci:path`. */
export function referenceName(reference: Reference): string {
  return reference.kind === 'layout'
    ? `oci:${reference.path}`
    : `${reference.registry}/${reference.repository}`;
}

/** What to ask the repository for: the digest where there is one, else the tag; undefined for a layout's only image. */
export function referenceTarget(reference: Reference): string | undefined {
  return reference.digest ?? reference.tag;
}

function parseRegistry(text: string): RegistryReference {
  refuseScheme(text);
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : parseDigestPart(text, text.slice(at + 1));
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(':');
  const tagged = colon > named.lastIndexOf('/');
  const tag = tagged ? named.slice(colon + 1) : undefined;
  const name = tagged ? named.slice(0, colon) : named;
  if (tag !== undefined && !isTag(tag)) {
    throw invalid(text, tag === '' ? 'there is no tag after the colon' : `${quote(tag)} is not a tag`);
  }
  const place = splitName(text, name);
  if (digest !== undefined) return { ...place, ...(tag === undefined ? {} : { tag }), digest };
  return { ...place, tag: tag ?? 'latest' };
}

function splitName(text: string, name: string): { kind: 'registry'; registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasRegistry = slash >= 0 && (first === 'localhost' || /[.:]/.test(first));
  const written = hasRegistry ? first.toLowerCase() : dockerHubRegistry;
  const registry = written === 'docker.io' ? dockerHubRegistry : written;
  if (!isRegistryName(registry)) throw invalid(text, `${quote(first)} is not a registry host`);
  const rest = hasRegistry ? name.slice(slash + 1) : name;
  checkRepository(text, rest);
  const repository = registry === dockerHubRegistry && !rest.includes('/') ? `library/${rest}` : rest;
  return { kind: 'registry', registry, repository };
}

function checkRepository(text: string, repository: string): void {
  if (isRepositoryName(repository)) return;
  if (repository.length > repositoryLength) {
    throw invalid(text, `its repository name is longer than ${repositoryLength} characters`);
  }
  if (repository === '') throw invalid(text, 'it names no repository');
  if (repository.endsWith('/'))
    throw invalid(text, 'it ends with a slash', 'Leave out the slash at the end.');
  if (isRepositoryName(repository.toLowerCase())) {
    throw invalid(
      text,
      'repository names are lower case',
      `Registries accept lower case only: ${quote(repository.toLowerCase())}.`,
    );
  }
  throw invalid(text, `${quote(repository)} is not a repository name`);
}

function refuseScheme(text: string): void {
  const scheme = /^([a-z][a-z0-9+-]*):\/\//i.exec(text);
  if (scheme === null) {
    // Other transports of skopeo, such as docker-archive:x.tar, would otherwise read as odd tags.
    if (/^(?:docker-archive|oci-archive|docker-daemon|dir|containers-storage):/.test(text)) {
      throw invalid(
        text,
        'this transport is not supported',
        'Use a registry reference, or oci:DIR for an OCI image layout.',
      );
    }
    return;
  }
  throw invalid(
    text,
    `a reference has no ${quote(scheme[0])} in front`,
    `Leave it out: ${quote(text.slice(scheme[0].length).slice(0, 120))}.`,
  );
}

function parseLayout(text: string): LayoutReference {
  const rest = text.slice(4);
  const at = /@sha(?:256|512):[^@/\\]*$/.exec(rest);
  const digest = at === null ? undefined : parseDigestPart(text, at[0].slice(1));
  const named = at === null ? rest : rest.slice(0, at.index);
  // A colon starts a tag unless what follows cannot be one: `C:\images` keeps its drive letter.
  const colon = named.lastIndexOf(':');
  const last = colon < 0 ? '' : named.slice(colon + 1);
  const tagged = colon >= 0 && isTag(last);
  const path = tagged ? named.slice(0, colon) : named;
  if (path === '') throw invalid(text, 'it names no folder', 'Write oci:DIR, oci:DIR:tag or oci:DIR@digest.');
  if (path.includes('\0')) throw invalid(text, 'its path contains a zero byte');
  if (!tagged && /[^/\\]:$/.test(path)) throw invalid(text, 'there is no tag after the colon');
  return {
    kind: 'layout',
    path,
    ...(tagged ? { tag: last } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}

function parseDigestPart(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest;
  throw invalid(
    text,
    `${quote(digest)} is not a digest`,
    'A digest is sha256: and 64 lower-case hexadecimal digits, after one @.',
  );
}

function quote(text: string): string {
  const shown = withoutPassword(text);
  return JSON.stringify(shown.length > 120 ? `${shown.slice(0, 120)}…` : shown);
}

/**
 * What was typed for a reference, for messages: as it is, but for a password in front of the host (`user:password@host`),
 * which no reference has and people type all the same.
 */
export function withoutPassword(text: string): string {
  return text.replace(
    /^((?:[a-z][a-z0-9+.-]*:\/\/)?[^/@:\s]*:)[^@/]*(?=@(?!(?:sha256|sha512|sha1|md5):))/i,
    '$1…',
  );
}

function invalid(text: string, why: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_REFERENCE_INVALID', `${quote(text)} is not an image reference: ${why}`, {
    hint: hint ?? 'References look like registry.example/team/app:tag, …@sha256:…, or oci:DIR[:tag].',
  });
}
