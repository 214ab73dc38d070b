import type { Digest } from '../../core/digest.ts';
import { utf8 } from '../../core/encoding.ts';
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import { type Descriptor, mediaTypes } from '../../formats/oci.ts';
import type { Context } from './context.ts';
import { jsonResponse, Refusal } from './refusal.ts';

/** Bytes of a page that are kept free for what is around the descriptors. */
const pageMargin = 1_024;
const referrersPage = 1_000;

/** A page of sorted texts. {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags} */
export async function listTags(
  context: Context,
  name: string,
  query: URLSearchParams,
): Promise<HttpResponse> {
  const repository = await context.contents.find(name);
  if (repository === undefined) throw new Refusal('NAME_UNKNOWN', 'the registry has no such repository');
  const page = pageOf([...repository.tags.keys()].sort(), query, context.limits.pageEntries);
  return jsonResponse(200, { name, tags: page.entries }, next(`/v2/${name}/tags/list`, page));
}

/** The repositories: docker-registry's extension, which tools look for. */
export async function listRepositories(context: Context, query: URLSearchParams): Promise<HttpResponse> {
  const names = await context.contents.names();
  const page = pageOf(names, query, context.limits.pageEntries);
  return jsonResponse(200, { repositories: page.entries }, next('/v2/_catalog', page));
}

/**
 * The manifests whose subject is `digest`, oldest first; also when the subject, or the repository, is not there.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers}
 */
export async function listReferrers(
  context: Context,
  name: string,
  digest: Digest,
  query: URLSearchParams,
): Promise<HttpResponse> {
  // As a registry from before version 1.1: clients must use the fallback tag.
  if (!context.referrers) throw new Refusal('UNSUPPORTED', 'no such end point', { status: 404 });
  const filter = query.get('artifactType');
  const limit = Math.min(pageLimit(query, context.limits.pageEntries), referrersPage);
  const after = cursor(query.get('after'));
  const all = (await context.contents.find(name))?.referrers.get(digest)?.values() ?? [];
  const descriptors: Descriptor[] = [];
  let bytes = pageMargin;
  let last: number | undefined;
  let hasMore = false;
  for (const { sequence, descriptor } of all) {
    if (sequence <= after || (filter !== null && descriptor.artifactType !== filter)) continue;
    bytes += utf8(JSON.stringify(descriptor)).length + 1;
    hasMore = descriptors.length >= limit || (descriptors.length > 0 && bytes > limits.referrersBytes);
    if (hasMore) break;
    descriptors.push(descriptor);
    last = sequence;
  }
  const body = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: descriptors };
  return jsonResponse(200, body, {
    'content-type': mediaTypes.index,
    ...(filter === null ? {} : { 'oci-filters-applied': 'artifactType' }),
    ...(hasMore && last !== undefined ? referrersLink(name, digest, query, last) : {}),
  });
}

function referrersLink(
  name: string,
  digest: Digest,
  query: URLSearchParams,
  last: number,
): Record<string, string> {
  const follow = new URLSearchParams(query);
  follow.set('after', String(last));
  return { link: `</v2/${name}/referrers/${digest}?${follow}>; rel="next"` };
}

interface Page {
  readonly entries: readonly string[];
  readonly limit: number;
  readonly hasMore: boolean;
}

function pageOf(sorted: readonly string[], query: URLSearchParams, maxEntries: number): Page {
  const limit = pageLimit(query, maxEntries);
  const last = query.get('last');
  const start = last === null ? 0 : firstAfter(sorted, last);
  const entries = sorted.slice(start, start + limit);
  return { entries, limit, hasMore: limit > 0 && start + limit < sorted.length };
}

function firstAfter(sorted: readonly string[], last: string): number {
  const index = sorted.findIndex((text) => text > last);
  return index < 0 ? sorted.length : index;
}

function next(path: string, page: Page): Record<string, string> {
  if (!page.hasMore) return {};
  const follow = new URLSearchParams({ n: String(page.limit), last: page.entries.at(-1) ?? '' });
  return { link: `<${path}?${follow}>; rel="next"` };
}

function pageLimit(query: URLSearchParams, maxEntries: number): number {
  const asked = query.get('n');
  if (asked === null) return maxEntries;
  if (!/^\d{1,15}$/.test(asked)) throw new Refusal('PAGINATION_NUMBER_INVALID', 'n is not a number');
  return Math.min(Number(asked), maxEntries);
}

function cursor(text: string | null): number {
  if (text === null) return 0;
  if (!/^\d{1,15}$/.test(text)) throw new Refusal('PAGINATION_NUMBER_INVALID', 'the page is not known');
  return Number(text);
}
