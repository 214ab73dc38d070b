/**
 * What a client keeps of TUF repositories: one file each, replaced as a whole, so that any number of processes may read
 * and write without a lock. Nothing in it is believed: it is verified again from the pinned root each time it is read,
 * and what does not verify is as good as nothing. That it cannot be written never stops anybody.
 */
import { hash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { base64, fromBase64, hex, utf8 } from '../../core/encoding.ts';
import { isJsonObject, type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { invalidMetadata } from './document.ts';
import type { TufState } from './state.ts';

/** A repository as it was kept. */
export interface KeptState {
  readonly state: TufState;
  /** When the repository was asked. */
  readonly fetched: Date;
}

/** The part of a runtime that keeping needs. */
type CacheRuntime = Pick<Runtime, 'random' | 'log'>;

const schema = 'boltseal.tuf-cache/1';

/** The file in `folder` for the repository at `mirror`: its host, for people, and a digest of all of it. */
export function cachePath(folder: string, mirror: string): string {
  const host = new URL(mirror).host.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 100);
  return join(folder, 'cache', `${host}-${hash('sha256', mirror, 'hex').slice(0, 16)}.json`);
}

/** What was kept at `path`; undefined when there is nothing that `pinnedRoot` verifies. Never throws. */
export async function readCache(
  path: string,
  pinnedRoot: Uint8Array,
  runtime: CacheRuntime,
): Promise<KeptState | undefined> {
  try {
    if ((await stat(path)).size > limits.tufCacheBytes) throw new Error('it is too large');
    return await decodeState(new Uint8Array(await readFile(path)), pinnedRoot);
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isAbsent) debug(runtime, 'tuf.cache-unusable', `what was kept at ${path} is not used`, error);
    return undefined;
  }
}

/** Keeps a repository at `path`, unless what another process has kept there meanwhile is newer. Never throws. */
export async function writeCache(
  path: string,
  pinnedRoot: Uint8Array,
  kept: KeptState,
  runtime: CacheRuntime,
): Promise<void> {
  const found = await readCache(path, pinnedRoot, runtime);
  const versions = [found?.state, kept.state].map((state) => state?.versions.timestamp ?? 0);
  if ((versions[0] ?? 0) > (versions[1] ?? 0)) return;
  try {
    await replaceFile(path, encodeState(kept), runtime);
  } catch (error) {
    debug(runtime, 'tuf.cache-unwritten', `nothing can be kept at ${path}`, error);
  }
}

/** Notes beside `path` that the repository could not be asked at `time`. Never throws. */
export async function noteFailure(path: string, time: Date, runtime: CacheRuntime): Promise<void> {
  try {
    await replaceFile(failurePath(path), utf8(`${time.toISOString()}\n`), runtime);
  } catch (error) {
    debug(runtime, 'tuf.cache-unwritten', `nothing can be kept at ${path}`, error);
  }
}

/** When the repository was asked in vain, if it was not asked with success since. */
export async function lastFailure(path: string): Promise<Date | undefined> {
  const text = await readFile(failurePath(path), 'utf8').catch(() => '');
  const time = new Date(text.trim());
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** Forgets it. */
export async function forgetFailure(path: string): Promise<void> {
  await rm(failurePath(path), { force: true }).catch(() => undefined);
}

function failurePath(path: string): string {
  return path.replace(/\.json$/, '.failed');
}

function debug(runtime: CacheRuntime, event: string, what: string, error: unknown): void {
  const why = error instanceof Error ? error.message : String(error);
  runtime.log({ level: 'debug', event, message: `${what}: ${why}` });
}

/**
 * Puts a file in its place as a whole, readable by its owner alone; when `isLasting`, so that it survives a loss of power.
 * Folders are made. Throws what the system throws.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
  runtime: Pick<Runtime, 'random'>,
  isLasting = false,
): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = join(folder, `.${basename(path)}.${hex(runtime.random(6))}.tmp`);
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      if (isLasting) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** The bytes of a cache file. */
export function encodeState({ state, fetched }: KeptState): Uint8Array {
  const files = [...state.files].map(([name, bytes]) => [name, base64(bytes)]);
  const document = {
    schema,
    fetched: fetched.toISOString(),
    roots: state.roots.map(base64),
    timestamp: base64(state.timestamp),
    snapshot: base64(state.snapshot),
    targets: base64(state.targets),
    files: Object.fromEntries(files),
  };
  return utf8(`${JSON.stringify(document)}\n`);
}

/** Reads a cache file and verifies all of it, but not whether it has expired. Throws as `verifyRepository`. */
export async function decodeState(bytes: Uint8Array, pinnedRoot: Uint8Array): Promise<KeptState> {
  const what = 'the cache of a TUF repository';
  const document = parseJson(bytes, { what, maxBytes: limits.tufCacheBytes, maxDepth: 4 });
  if (!isJsonObject(document) || document['schema'] !== schema) throw invalidMetadata(what, 'its schema');
  const { roots, files } = document;
  if (!Array.isArray(roots) || roots.length > limits.tufRoots || !isJsonObject(files)) {
    throw invalidMetadata(what, 'its lists');
  }
  const part = (value: Json | undefined, name: string): Uint8Array => {
    if (typeof value !== 'string') throw invalidMetadata(what, `${name} is not text`);
    return fromBase64(value, name);
  };
  // The TUF library takes longer to load than all else here, and often nothing is kept.
  const { verifyRepository } = await import('./repository.ts');
  const state = await verifyRepository(pinnedRoot, {
    roots: (roots as readonly Json[]).map((root) => part(root, 'a root')),
    timestamp: part(document['timestamp'], 'timestamp'),
    snapshot: part(document['snapshot'], 'snapshot'),
    targets: part(document['targets'], 'targets'),
    files: new Map(Object.entries(files).map(([name, value]) => [name, part(value, name)])),
  });
  const fetched = new Date(String(document['fetched']));
  if (Number.isNaN(fetched.getTime())) throw invalidMetadata(what, 'fetched is no time');
  return { state, fetched };
}
