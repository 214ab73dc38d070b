/** Reads a repository back, and finds out whether it is whole, unchanged and the newest there was. */
import { hash } from 'node:crypto';
import type { Targets } from '@tufjs/models';
import { BoltsealError } from '../../core/errors.ts';
import type { TufMemory, TufRecord } from './memory.ts';
import { checkSigned, missingSignatures, parseMetadata, type TufDocument } from './metadata.ts';
import type { TufFiles } from './storage.ts';

/** A repository as it is public, or is to be made public. */
export interface TufContents {
  /** Every root there was, the newest last. */
  readonly roots: readonly TufDocument<'root'>[];
  readonly root: TufDocument<'root'>;
  readonly targets: TufDocument<'targets'>;
  readonly snapshot: TufDocument<'snapshot'>;
  readonly timestamp: TufDocument<'timestamp'>;
  /** The files that `targets` names, by their name in the repository: `targets/HASH.name`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** What was found in a storage. */
export type Found =
  /** Nothing was ever public; perhaps a first root is there. */
  | { readonly state: 'empty'; readonly firstRoot: Uint8Array | undefined }
  | {
      readonly state: 'whole' | 'unfinished';
      /** When `unfinished`, the timestamp is not that of the others and must be signed again. */
      readonly contents: TufContents;
      readonly record: TufRecord | undefined;
      /** Files that nothing names, nor the record; with their bytes. */
      readonly orphans: ReadonlyMap<string, Uint8Array>;
      /** Files that the record calls superseded; with their bytes. */
      readonly superseded: ReadonlyMap<string, Uint8Array>;
    };

/** The name of a target file in the repository, which has consistent snapshots. */
export function targetFileName(sha256: string, name: string): string {
  return `targets/${sha256}.${name}`;
}

/**
 * Reads the repository in `storage`. Every signature and hash is verified. A publication that was cut off is either not
 * to be seen, or `unfinished`: then everything but its timestamp was written. Throws `ERR_SERVER_DATA` when files are
 * missing or changed, or when they are older than what `memory` knows to have been public.
 */
export async function loadRepository(
  storage: Pick<TufFiles, 'list' | 'read'>,
  memory: Pick<TufMemory, 'read'>,
): Promise<Found> {
  const [names, record] = await Promise.all([storage.list(), memory.read()]);
  const timestampBytes = await storage.read('timestamp.json');
  if (timestampBytes === undefined && record?.published === undefined) {
    return { state: 'empty', firstRoot: await storage.read('1.root.json') };
  }
  try {
    const roots = await readRoots(storage, names);
    const root = roots.at(-1);
    if (root === undefined || timestampBytes === undefined) throw damaged('its root or timestamp is missing');
    const timestamp = parseMetadata('timestamp', timestampBytes, 'timestamp.json');
    checkNotOlder(record, root, timestamp);
    checkTimestamp(roots, timestamp, record);
    const { rest, state } = await readRest(storage, root, timestamp, record);
    const contents = { roots, root, timestamp, ...rest };
    const others = await readOthers(storage, names, contents, record);
    return { state, contents, record, ...others };
  } catch (cause) {
    if (cause instanceof BoltsealError && cause.code === 'ERR_TUF_METADATA_INVALID')
      throw damaged(cause.message, cause);
    throw cause;
  }
}

function damaged(why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_SERVER_DATA', `the TUF repository cannot be used: ${why}`, {
    cause,
    hint: 'Bring back the whole folder from the newest backup.',
  });
}

async function readRoots(
  storage: Pick<TufFiles, 'list' | 'read'>,
  names: readonly string[],
): Promise<TufDocument<'root'>[]> {
  const count = names.filter((name) => /^[1-9]\d*\.root\.json$/.test(name)).length;
  const roots: TufDocument<'root'>[] = [];
  for (let version = 1; version <= count; version++) {
    const name = `${version}.root.json`;
    const bytes = await storage.read(name);
    if (bytes === undefined) throw damaged(`${name} is missing`);
    const root = parseMetadata('root', bytes, name);
    const before = roots.at(-1);
    if (root.metadata.signed.version !== version) throw damaged(`${name} has another version`);
    if (before !== undefined) checkSigned(before, 'root', root, name);
    checkSigned(root, 'root', root, name);
    roots.push(root);
  }
  return roots;
}

function checkNotOlder(
  record: TufRecord | undefined,
  root: TufDocument<'root'>,
  timestamp: TufDocument<'timestamp'>,
): void {
  if (record?.published === undefined) return;
  for (const [role, document] of [
    ['root', root],
    ['timestamp', timestamp],
  ] as const) {
    const { version } = document.metadata.signed;
    const known = record.published[role];
    if (version >= known) continue;
    throw new BoltsealError(
      'ERR_SERVER_DATA',
      `the TUF repository was put back: its ${role} is version ${version}, and version ${known} was public`,
      {
        hint:
          role === 'root'
            ? 'Clients that know the newer root can never follow an older one: bring back its file.'
            : 'Bring back the newest backup. If there is none, remove state.json: new versions are taken from the clock and are larger than every old one.',
      },
    );
  }
}

/** A timestamp is signed by the newest root's key, or, if a new root was just being published, by that of the one before. */
function checkTimestamp(
  roots: readonly TufDocument<'root'>[],
  timestamp: TufDocument<'timestamp'>,
  record: TufRecord | undefined,
): void {
  const root = roots.at(-1);
  const before = roots.at(-2);
  if (root !== undefined && missingSignatures(root, 'timestamp', timestamp) === 0) return;
  const isNewRoot = (record?.published?.root ?? 0) < (root?.metadata.signed.version ?? 0);
  if (isNewRoot && before !== undefined && missingSignatures(before, 'timestamp', timestamp) === 0) return;
  throw damaged('timestamp.json is not signed by the keys of its root');
}

type Rest = Pick<TufContents, 'targets' | 'snapshot' | 'files'>;

async function readRest(
  storage: Pick<TufFiles, 'list' | 'read'>,
  root: TufDocument<'root'>,
  timestamp: TufDocument<'timestamp'>,
  record: TufRecord | undefined,
): Promise<{ readonly rest: Rest; readonly state: 'whole' | 'unfinished' }> {
  const { version, snapshotMeta } = timestamp.metadata.signed;
  const { next, published } = record ?? {};
  if (next !== undefined && next.timestamp > version) {
    try {
      return { rest: await readSnapshot(storage, root, next.snapshot), state: 'unfinished' };
    } catch (error) {
      // It was cut off before everything was written, so nobody has seen any of it.
      if (!(error instanceof BoltsealError)) throw error;
    }
  }
  if (published !== undefined && snapshotMeta.version < published.snapshot) {
    throw damaged(
      `its snapshot is version ${snapshotMeta.version}, and version ${published.snapshot} was public`,
    );
  }
  const rest = await readSnapshot(storage, root, snapshotMeta.version);
  const isWhole = missingSignatures(root, 'timestamp', timestamp) === 0;
  return { rest, state: isWhole ? 'whole' : 'unfinished' };
}

/** A snapshot and all it names, verified. Throws `ERR_SERVER_DATA` and `ERR_TUF_METADATA_INVALID`. */
async function readSnapshot(
  storage: Pick<TufFiles, 'list' | 'read'>,
  root: TufDocument<'root'>,
  version: number,
): Promise<Rest> {
  const snapshot = await readVersion(storage, 'snapshot', version);
  checkSigned(root, 'snapshot', snapshot, `${version}.snapshot.json`);
  const targetsVersion = snapshot.metadata.signed.meta['targets.json']?.version;
  if (targetsVersion === undefined) throw damaged(`${version}.snapshot.json names no targets`);
  const targets = await readVersion(storage, 'targets', targetsVersion);
  checkSigned(root, 'targets', targets, `${targetsVersion}.targets.json`);
  return { snapshot, targets, files: await readFiles(storage, targets.metadata.signed) };
}

async function readVersion<Role extends 'snapshot' | 'targets'>(
  storage: Pick<TufFiles, 'list' | 'read'>,
  role: Role,
  version: number,
): Promise<TufDocument<Role>> {
  const name = `${version}.${role}.json`;
  const bytes = await storage.read(name);
  if (bytes === undefined) throw damaged(`${name} is missing`);
  const document = parseMetadata(role, bytes, name);
  if (document.metadata.signed.version !== version) throw damaged(`${name} has another version`);
  return document;
}

async function readFiles(
  storage: Pick<TufFiles, 'list' | 'read'>,
  targets: Targets,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const [name, { hashes, length }] of Object.entries(targets.targets)) {
    const fileName = targetFileName(hashes['sha256'] ?? '', name);
    const bytes = await storage.read(fileName);
    if (bytes?.length !== length || hash('sha256', bytes, 'hex') !== hashes['sha256']) {
      throw damaged(`${fileName} is missing or changed`);
    }
    files.set(fileName, bytes);
  }
  return files;
}

async function readOthers(
  storage: Pick<TufFiles, 'list' | 'read'>,
  names: readonly string[],
  contents: TufContents,
  record: TufRecord | undefined,
): Promise<{ orphans: Map<string, Uint8Array>; superseded: Map<string, Uint8Array> }> {
  const named = currentNames(contents);
  const known = new Set(record?.superseded.map(({ name }) => name));
  const orphans = new Map<string, Uint8Array>();
  const superseded = new Map<string, Uint8Array>();
  for (const name of names) {
    if (named.has(name) || !/^(?:\d+\.(?:snapshot|targets)\.json|targets\/.*)$/.test(name)) continue;
    const bytes = await storage.read(name);
    if (bytes !== undefined) (known.has(name) ? superseded : orphans).set(name, bytes);
  }
  return { orphans, superseded };
}

/** The names of the files that a repository is made of now, but for its roots and its timestamp. */
export function currentNames({ snapshot, targets, files }: Omit<TufContents, 'timestamp'>): Set<string> {
  return new Set([
    `${snapshot.metadata.signed.version}.snapshot.json`,
    `${targets.metadata.signed.version}.targets.json`,
    ...files.keys(),
  ]);
}
