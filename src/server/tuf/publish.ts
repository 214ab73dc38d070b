/** Puts a new state of a repository into its storage, in an order in which a reader never sees half of it. */

import { currentNames, type TufContents } from './load.ts';
import type { SupersededFile, TufMemory, TufRecord, TufVersions } from './memory.ts';
import { checkSigned, type TufDocument, type TufRole, tufRoles } from './metadata.ts';
import type { TufFiles } from './storage.ts';

/** The versions that `contents` consist of. */
export function versionsOf(contents: TufContents): TufVersions {
  const versionOf = (role: TufRole): number => contents[role].metadata.signed.version;
  return {
    root: versionOf('root'),
    targets: versionOf('targets'),
    snapshot: versionOf('snapshot'),
    timestamp: versionOf('timestamp'),
  };
}

/**
 * The next version of targets, snapshot or timestamp: the seconds since 1970, or one more than the largest there was if
 * that is larger. Taken from the clock, versions go on growing even when a backup was put back that does not know the
 * last ones. Those of roots must grow by one (TUF section 5.3.4).
 */
export function nextVersion(
  role: Exclude<TufRole, 'root'>,
  now: Date,
  record: TufRecord | undefined,
): number {
  const largest = Math.max(0, record?.published?.[role] ?? 0, record?.next?.[role] ?? 0);
  return Math.max(largest + 1, Math.floor(now.getTime() / 1_000));
}

/** Throws `ERR_TUF_METADATA_INVALID` unless a client that knows the first of its roots would accept `contents`. */
export function checkContents(contents: TufContents): void {
  const { root, roots } = contents;
  const before = roots.at(-2);
  if (before !== undefined) checkSigned(before, 'root', root, 'the new root');
  for (const role of tufRoles) checkSigned(root, role, contents[role], `the new ${role} metadata`);
}

/** What is public until now. */
export interface Before {
  /** Undefined before the first publication. */
  readonly contents: TufContents | undefined;
  readonly record: TufRecord | undefined;
  /** Files that are in the storage, though nothing names them now. */
  readonly extra: ReadonlyMap<string, Uint8Array>;
}

/** What {@link writeContents} works with. */
export interface Publication {
  readonly storage: TufFiles;
  readonly memory: TufMemory;
  readonly before: Before;
  readonly now: Date;
}

/**
 * Writes what is new in `contents`, the timestamp last: what a client reads before that is the old state, whole. First of
 * all the memory learns which versions are to come. Returns the record that was written in the end.
 */
export async function writeContents(contents: TufContents, publication: Publication): Promise<TufRecord> {
  const { storage, memory, before, now } = publication;
  const { contents: old, record } = before;
  const next = versionsOf(contents);
  const left = old === undefined ? new Map<string, Uint8Array>() : leftBehind(old, contents);
  await memory.write({ published: record?.published, next, superseded: record?.superseded ?? [] });
  for (const [name, bytes] of newFiles(contents, before)) await storage.write(name, bytes);
  await storage.write('timestamp.json', contents.timestamp.bytes);
  const superseded = supersededFiles(contents, record, left, now);
  const written = { published: next, next: undefined, superseded };
  await memory.write(written);
  return written;
}

/** Files of `old` that `contents` do not name, with their bytes. */
export function leftBehind(old: TufContents, contents: TufContents): Map<string, Uint8Array> {
  const named = currentNames(contents);
  const files: [string, Uint8Array][] = [
    ...old.files,
    [`${old.targets.metadata.signed.version}.targets.json`, old.targets.bytes],
    [`${old.snapshot.metadata.signed.version}.snapshot.json`, old.snapshot.bytes],
  ];
  return new Map(files.filter(([name]) => !named.has(name)));
}

/** Files to be written, in order: what is named before what names it. */
function newFiles(contents: TufContents, before: Before): [string, Uint8Array][] {
  const old = before.contents;
  const files = [...contents.files].filter(([name]) => !old?.files.has(name) && !before.extra.has(name));
  const add = (
    name: string,
    document: TufDocument<TufRole>,
    known: TufDocument<TufRole> | undefined,
  ): void => {
    if (document !== known) files.push([name, document.bytes]);
  };
  const { targets, snapshot, root } = contents;
  add(`${targets.metadata.signed.version}.targets.json`, targets, old?.targets);
  add(`${snapshot.metadata.signed.version}.snapshot.json`, snapshot, old?.snapshot);
  add(`${root.metadata.signed.version}.root.json`, root, old?.root);
  return files;
}

function supersededFiles(
  contents: TufContents,
  record: TufRecord | undefined,
  left: ReadonlyMap<string, Uint8Array>,
  now: Date,
): SupersededFile[] {
  const named = currentNames(contents);
  const kept = (record?.superseded ?? []).filter(({ name }) => !named.has(name) && !left.has(name));
  return [...kept, ...[...left.keys()].map((name) => ({ name, since: now }))];
}
