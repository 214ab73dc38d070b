/** Lists that are members of a manifest under a tag: read and extended without touching anybody else's entries. */
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type Descriptor, parseDescriptor } from '../formats/oci.ts';
import type { CallOptions, Repository, StoredManifest } from './repository.ts';
import type { ListState } from './shared-list.ts';
import { findList, replaceList } from './splice.ts';

/** A list that is a manifest: what was read of it. */
export interface ManifestState extends ListState {
  readonly stored: StoredManifest | undefined;
}

/** An entry as it stands in the document. */
export interface EntryText {
  readonly key: string;
  readonly text: string;
  readonly descriptor: Descriptor;
}

/** The entries of a list in a manifest, each with the text it has there. Throws `ERR_MANIFEST_INVALID`. */
export function entriesOf(
  stored: StoredManifest,
  member: 'manifests' | 'layers',
  name: string,
  keyOf: (descriptor: Descriptor) => string,
): EntryText[] {
  const list = findList(fromUtf8(stored.bytes, name), member);
  return (list?.elements ?? []).map((text, at) => {
    const descriptor = parseDescriptor(JSON.parse(text) as Json, `${name}: ${member}[${at}]`);
    return { key: keyOf(descriptor), text, descriptor };
  });
}

/** `base` with the entries `added` at the end of its list, each identity once, and every other byte as it was. */
export function extended(
  base: Uint8Array,
  member: 'manifests' | 'layers',
  added: readonly string[],
  name: string,
  keyOf: (descriptor: Descriptor) => string,
): Uint8Array {
  const text = fromUtf8(base, name);
  const unique = new Map<string, string>();
  for (const element of [...(findList(text, member)?.elements ?? []), ...added]) {
    const key = keyOf(parseDescriptor(JSON.parse(element) as Json, name));
    if (!unique.has(key)) unique.set(key, element);
  }
  const bytes = utf8(replaceList(text, member, [...unique.values()]));
  // What is beyond these limits no reader of ours would look at.
  const most = member === 'manifests' ? limits.referrersCount : limits.signatureLayers;
  if (bytes.length <= limits.manifestBytes && unique.size <= most) return bytes;
  throw new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `${name} would have ${unique.size} entries in ${bytes.length} bytes; the limits are ${most} and ${limits.manifestBytes}`,
    { hint: 'Keep new signatures in another repository with --signature-repository.' },
  );
}

/** Stores a version of a list under its tag; with `If-Match` while the registry does not misunderstand it. */
export function conditionalPut(
  repository: Repository,
  tag: string,
  options: CallOptions,
): (current: StoredManifest | undefined, bytes: Uint8Array, mediaType: string) => Promise<string> {
  let refusedEtag: string | undefined;
  return async (current, bytes, mediaType) => {
    const etag = current?.etag;
    // A registry that refuses a tag it has just sent compares something else: then it is left out.
    const ifMatch = etag === undefined || etag === refusedEtag ? {} : { ifMatch: etag };
    refusedEtag = etag;
    const { descriptor } = await repository.putManifest(bytes, mediaType, { ...options, ...ifMatch, tag });
    refusedEtag = undefined;
    return descriptor.digest;
  };
}
