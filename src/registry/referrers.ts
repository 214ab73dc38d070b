/** The referrers of a manifest: the referrers API where it works, else the fallback tag. */
import type { Digest } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { discard, readBody } from '../core/response-body.ts';
import type { Runtime } from '../core/runtime.ts';
import {
  bareMediaType,
  type Descriptor,
  isIndexMediaType,
  mediaTypes,
  parseManifest,
} from '../formats/oci.ts';
import { referrersTag } from '../formats/referrer-manifest.ts';
import type { RepositoryContext } from './blobs.ts';
import type { RegistryRequest, RegistryResponse } from './exchange.ts';
import { nextPage } from './link.ts';
import type { CallOptions, ReferrersList, StoredManifest } from './repository.ts';
import { readProblems, refusedResponse } from './response.ts';

/** What is known about the referrers API of one repository; it stays known for the client's life. */
export interface ReferrersSupport {
  api: 'unknown' | 'works' | 'absent';
}

/** What {@link listReferrers} needs beside its repository. */
export interface ReferrersPorts {
  readonly runtime: Runtime;
  readonly support: ReferrersSupport;
  /** Asks API and fallback tag at once while it is not known which one works: one hop less for one request more. */
  readonly speculative: boolean;
  readonly getManifest: (tag: string, options: CallOptions) => Promise<StoredManifest | undefined>;
}

/** {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers} */
export async function listReferrers(
  context: RepositoryContext,
  ports: ReferrersPorts,
  subject: Digest,
  options: CallOptions = {},
): Promise<ReferrersList> {
  const { support } = ports;
  if (support.api === 'absent') return fromFallbackTag(ports, context, subject, options);
  if (!ports.speculative || support.api === 'works') {
    const listed = await fromApi(context, ports, subject, options);
    return listed ?? fromFallbackTag(ports, context, subject, options);
  }
  const controller = new AbortController();
  const signal =
    options.signal === undefined ? controller.signal : AbortSignal.any([controller.signal, options.signal]);
  const fallback = fromFallbackTag(ports, context, subject, { signal });
  // It is awaited only when the API does not answer; a failure before that must not count as unhandled.
  fallback.catch(() => undefined);
  let isNeeded = false;
  try {
    const listed = await fromApi(context, ports, subject, options);
    isNeeded = listed === undefined;
    return listed ?? (await fallback);
  } finally {
    if (!isNeeded) controller.abort(new BoltsealError('ERR_INTERRUPTED', 'the referrers API answered'));
  }
}

/** The list of the API; undefined when the registry does not have it. Other failures throw. */
async function fromApi(
  context: RepositoryContext,
  ports: ReferrersPorts,
  subject: Digest,
  options: CallOptions,
): Promise<ReferrersList | undefined> {
  const what = `listing the referrers of ${subject} in ${context.name}`;
  const descriptors = new Map<Digest, Descriptor>();
  const seen = new Set<string>();
  let bytes = 0;
  let target: string | URL | undefined = `/v2/${context.repository}/referrers/${subject}`;
  for (let pages = 0; target !== undefined; pages++) {
    const request: RegistryRequest = {
      method: 'GET',
      target,
      what,
      scope: context.scope,
      headers: { accept: mediaTypes.index },
      signal: options.signal,
    };
    const isFirst = pages === 0;
    const page: Page | undefined = await context.transport.send(request, (response) =>
      readPage(response, isFirst, what),
    );
    if (page === undefined) {
      ports.support.api = 'absent';
      return undefined;
    }
    bytes += page.bytes;
    if (bytes > limits.referrersTotalBytes) return tooMany([...descriptors.values()], what);
    for (const descriptor of page.descriptors) {
      if (descriptors.size < limits.referrersCount) descriptors.set(descriptor.digest, descriptor);
      else if (!descriptors.has(descriptor.digest)) return tooMany([...descriptors.values()], what);
    }
    target = page.next;
    if (target === undefined) break;
    if (seen.has(target.href)) {
      throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the pages of the list go round in a circle`);
    }
    seen.add(target.href);
    if (pages + 1 >= limits.pages) return tooMany([...descriptors.values()], what);
  }
  ports.support.api = 'works';
  return { source: 'api', descriptors: [...descriptors.values()] };
}

interface Page {
  readonly bytes: number;
  readonly descriptors: readonly Descriptor[];
  readonly next: URL | undefined;
}

async function readPage(
  response: RegistryResponse,
  isFirst: boolean,
  what: string,
): Promise<Page | undefined> {
  const { status } = response;
  if (isFirst && [400, 404, 405, 406, 501].includes(status)) {
    await discard(response);
    return undefined;
  }
  if (status !== 200) throw await refusedResponse(response, what);
  // Registries without the API have been seen to answer 200 with something else.
  if (isFirst && bareMediaType(response.headers.get('content-type') ?? '') !== mediaTypes.index) {
    await discard(response);
    return undefined;
  }
  const bytes = await readBody(response, limits.referrersBytes, what);
  const index = parseManifest(bytes, mediaTypes.index, 'the list of referrers');
  if (index.kind !== 'index')
    throw new BoltsealError('ERR_MANIFEST_INVALID', `${what}: the answer is not an index`);
  const next = nextPage(response.headers.get('link'), response.url, what);
  return { bytes: bytes.length, descriptors: index.manifests, next };
}

function tooMany(descriptors: readonly Descriptor[], what: string): ReferrersList {
  const problem = new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `${what}: there are more referrers than are looked at (${limits.referrersCount}); these are the first ones`,
  );
  return { source: 'api', descriptors: descriptors.slice(0, limits.referrersCount), problem };
}

async function fromFallbackTag(
  ports: ReferrersPorts,
  context: RepositoryContext,
  subject: Digest,
  options: CallOptions,
): Promise<ReferrersList> {
  const tag = referrersTag(subject);
  const stored = await ports.getManifest(tag, options);
  if (stored === undefined) return { source: 'fallback-tag', descriptors: [] };
  return readFallbackIndex(stored, subject, `${context.name}:${tag}`);
}

/**
 * The referrers in a fallback index. A tag that holds the subject itself or no index (`cosign copy` and some
 * registries make such ones) lists nothing and must never be overwritten: that is the list's `problem`.
 */
export function readFallbackIndex(stored: StoredManifest, subject: Digest, name: string): ReferrersList {
  const { digest, mediaType } = stored.descriptor;
  if (digest === subject || mediaType !== mediaTypes.index) {
    const found =
      digest === subject ? 'the image itself' : isIndexMediaType(mediaType) ? mediaType : 'no index';
    const problem = new BoltsealError(
      'ERR_REGISTRY_UNSUPPORTED',
      `the tag ${name} holds ${found}, not a list of referrers`,
      {
        hint: 'Delete that tag, or keep signatures in another repository with --signature-repository.',
      },
    );
    return { source: 'fallback-tag', descriptors: [], problem };
  }
  const index = parseManifest(stored.bytes, mediaType, `the list of referrers ${name}`);
  if (index.kind !== 'index') throw new BoltsealError('ERR_MANIFEST_INVALID', `${name} is not an index`);
  const unique = new Map(index.manifests.map((descriptor) => [descriptor.digest, descriptor]));
  const descriptors = [...unique.values()];
  const list: ReferrersList = { source: 'fallback-tag', descriptors, fallbackIndex: stored };
  if (descriptors.length <= limits.referrersCount) return list;
  return { ...tooMany(descriptors, `reading ${name}`), source: 'fallback-tag', fallbackIndex: stored };
}

/** The tags of the repository, page by page. */
export async function* listTags(
  context: RepositoryContext,
  options: CallOptions = {},
): AsyncGenerator<string, void, undefined> {
  const what = `listing the tags of ${context.name}`;
  const seen = new Set<string>();
  let target: string | URL | undefined = `/v2/${context.repository}/tags/list?n=1000`;
  let count = 0;
  for (let pages = 0; target !== undefined; pages++) {
    if (pages >= limits.pages)
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what}: more than ${limits.pages} pages`);
    const request: RegistryRequest = {
      method: 'GET',
      target,
      what,
      scope: context.scope,
      signal: options.signal,
    };
    const page: { tags: readonly string[]; next: URL | undefined } = await context.transport.send(
      request,
      (response) => readTagsPage(response, what),
    );
    for (const tag of page.tags) {
      if (++count > limits.tagsCount) {
        throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what}: more than ${limits.tagsCount} tags`);
      }
      yield tag;
    }
    target = page.next;
    if (target !== undefined && seen.has(target.href)) {
      throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the pages of the list go round in a circle`);
    }
    if (target !== undefined) seen.add(target.href);
  }
}

async function readTagsPage(
  response: RegistryResponse,
  what: string,
): Promise<{ tags: readonly string[]; next: URL | undefined }> {
  if (response.status === 404) {
    const problems = await readProblems(response);
    // A repository without anything in it is unknown to most registries.
    if (problems.some(({ code }) => code === 'NAME_UNKNOWN')) return { tags: [], next: undefined };
    throw new BoltsealError('ERR_IMAGE_NOT_FOUND', `${what}: the registry has no such repository`);
  }
  if (response.status !== 200) throw await refusedResponse(response, what);
  const bytes = await readBody(response, limits.referrersBytes, what);
  const json = parseJson(bytes, { what: 'the list of tags', maxBytes: limits.referrersBytes });
  const tags = isJsonObject(json) ? (json['tags'] ?? []) : undefined;
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) {
    throw new BoltsealError('ERR_REGISTRY_RESPONSE', `${what}: the answer is not a list of tags`);
  }
  return { tags, next: nextPage(response.headers.get('link'), response.url, what) };
}
