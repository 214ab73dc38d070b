import { type Digest, isDigest } from '../../core/digest.ts';
import { isRepositoryName as followsGrammar, isTag } from '../../formats/reference.ts';
import { Refusal } from './refusal.ts';

/** What a request is about. Names, tags and digests in it are valid. */
export type Route =
  | { readonly kind: 'ping' }
  | { readonly kind: 'token' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: ManifestReference }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly name: string }
  | { readonly kind: 'upload'; readonly name: string; readonly session: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: Digest };

/** A tag or a digest. */
export type ManifestReference =
  | { readonly tag: string; readonly digest?: never }
  | { readonly digest: Digest; readonly tag?: never };

/** A request target taken apart. */
export interface Target {
  readonly path: string;
  readonly query: URLSearchParams;
}

const emptyQuery = new URLSearchParams();
const pathLimit = 4_096;
const nameLimit = 240;
const sessionPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether `name` is a repository name this registry takes (at most 240 characters). */
export function isRepositoryName(name: string): boolean {
  return name.length <= nameLimit && followsGrammar(name);
}

/**
 * Path and query of `url`. The path is percent-decoded once and not normalised: `..` in whatever spelling is left for
 * the grammar of names to refuse.
 */
export function parseTarget(url: string): Target {
  const authority = url.indexOf('://');
  const start = authority < 0 ? 0 : url.indexOf('/', authority + 3);
  const target = start < 0 ? '/' : url.slice(start);
  const end = target.search(/[?#]/);
  const raw = end < 0 ? target : target.slice(0, end);
  if (raw.length > pathLimit) throw new Refusal('NAME_INVALID', 'the path is too long', { status: 414 });
  const query = end < 0 ? emptyQuery : new URLSearchParams(target.slice(end).replace(/#.*/s, ''));
  if (!raw.includes('%')) return { path: raw, query };
  try {
    return { path: decodeURIComponent(raw), query };
  } catch {
    throw new Refusal('NAME_INVALID', 'the path is not valid percent-encoding');
  }
}

/** What `path` means; throws a {@link Refusal} for names, tags and digests that are none, and for unknown paths. */
export function parseRoute(path: string): Route {
  if (path === '/v2/' || path === '/v2') return { kind: 'ping' };
  if (path === '/v2/_catalog') return { kind: 'catalog' };
  if (path === '/token') return { kind: 'token' };
  if (!path.startsWith('/v2/')) throw new Refusal('UNSUPPORTED', 'no such end point', { status: 404 });
  const parts = path.slice(4).split('/');
  const last = parts.pop() ?? '';
  const place = parts.pop();
  if (place === 'manifests') return { kind: 'manifest', name: name(parts), reference: reference(last) };
  if (place === 'referrers') return { kind: 'referrers', name: name(parts), digest: digest(last) };
  if (place === 'tags' && last === 'list') return { kind: 'tags', name: name(parts) };
  if (place === 'uploads' && parts.at(-1) === 'blobs') {
    parts.pop();
    return last === '' ? { kind: 'uploads', name: name(parts) } : upload(name(parts), last);
  }
  if (place === 'blobs') {
    if (last === 'uploads') return { kind: 'uploads', name: name(parts) };
    return { kind: 'blob', name: name(parts), digest: digest(last) };
  }
  throw new Refusal('UNSUPPORTED', 'no such end point', { status: 404 });
}

function upload(repository: string, session: string): Route {
  if (sessionPattern.test(session)) return { kind: 'upload', name: repository, session };
  throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'no such upload');
}

function name(parts: readonly string[]): string {
  const text = parts.join('/');
  if (isRepositoryName(text)) return text;
  throw new Refusal('NAME_INVALID', 'the repository name is not valid');
}

function digest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Refusal('DIGEST_INVALID', 'not a sha256 or sha512 digest');
}

function reference(text: string): ManifestReference {
  // A tag has no colon, so that a broken digest is never taken for one.
  if (text.includes(':')) return { digest: digest(text) };
  if (isTag(text)) return { tag: text };
  throw new Refusal('TAG_INVALID', 'the tag is not valid');
}
