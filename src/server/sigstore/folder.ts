/**
 * The data folder of a private Sigstore:
 *
 *     sigstore/state.json      what it is (state.ts)
 *     sigstore/keys/*.key      private keys, encrypted with a passphrase; *.pub beside them
 *     logs/                    the entries of the three logs, unless they are in PostgreSQL
 *     pins/                    the last public checkpoint of each log
 *     tuf/                     the TUF repository
 *     registry/                the content of the development registry
 *
 * `sigstore/` appears whole, by a rename, at the first start.
 */
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BoltsealError } from '../../core/errors.ts';
import { encodeState, parseState, type SigstoreState } from './state.ts';

/** Paths in a data folder. */
export interface DataFolder {
  readonly path: string;
  readonly sigstore: string;
  readonly state: string;
  readonly logs: string;
  readonly pins: string;
  readonly tuf: string;
  readonly registry: string;
}

/** The paths of the data folder at `path`. */
export function dataFolder(path: string): DataFolder {
  return {
    path,
    sigstore: join(path, 'sigstore'),
    state: join(path, 'sigstore', 'state.json'),
    logs: join(path, 'logs'),
    pins: join(path, 'pins'),
    tuf: join(path, 'tuf'),
    registry: join(path, 'registry'),
  };
}

/** The state in a data folder, or undefined before the first start. Throws `ERR_SERVER_DATA` or `ERR_FILE_READ`. */
export async function readState(folder: DataFolder): Promise<SigstoreState | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(folder.state);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new BoltsealError('ERR_FILE_READ', `cannot read ${folder.state}`, { cause });
  }
  return parseState(bytes, folder.state);
}

/** A file of the first start, below `sigstore/`. */
export interface NewFile {
  /** With slashes: `keys/ca-1.key`. */
  readonly name: string;
  readonly content: Uint8Array;
  readonly mode: number;
}

/**
 * Puts the state and `files` into place, all at once. Throws `ERR_SERVER_DATA` when there is a state already, and
 * `ERR_FILE_WRITE`; then nothing is left behind.
 */
export async function createSigstoreFolder(
  folder: DataFolder,
  state: SigstoreState,
  files: readonly NewFile[],
  suffix: string,
): Promise<void> {
  const staging = `${folder.sigstore}.${suffix}.new`;
  try {
    await mkdir(folder.path, { recursive: true, mode: 0o700 });
    await mkdir(join(staging, 'keys'), { recursive: true, mode: 0o700 });
    for (const file of [...files, { name: 'state.json', content: encodeState(state), mode: 0o644 }]) {
      await writeSynced(join(staging, file.name), file.content, file.mode);
    }
    await syncFolder(join(staging, 'keys'));
    await syncFolder(staging);
    await rename(staging, folder.sigstore);
    await syncFolder(folder.path);
  } catch (cause) {
    await rm(staging, { recursive: true, force: true }).catch(() => {});
    if (isCode(cause, 'ENOTEMPTY', 'EEXIST')) {
      throw new BoltsealError('ERR_SERVER_DATA', `${folder.sigstore} was made by another process meanwhile`, {
        cause,
        hint: 'Start again.',
      });
    }
    throw new BoltsealError('ERR_FILE_WRITE', `cannot write to ${folder.path}`, { cause });
  }
}

/** Adds key files and then replaces the state, in this order, each whole. Throws `ERR_FILE_WRITE`. */
export async function replaceState(
  folder: DataFolder,
  state: SigstoreState,
  files: readonly NewFile[],
  suffix: string,
): Promise<void> {
  const temporary = `${folder.state}.${suffix}.new`;
  try {
    for (const file of files) await writeSynced(join(folder.sigstore, file.name), file.content, file.mode);
    await syncFolder(join(folder.sigstore, 'keys'));
    await writeSynced(temporary, encodeState(state), 0o644);
    await rename(temporary, folder.state);
    await syncFolder(folder.sigstore);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new BoltsealError('ERR_FILE_WRITE', `cannot write to ${folder.sigstore}`, { cause });
  }
}

async function writeSynced(path: string, content: Uint8Array, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const handle = await open(path, 'wx', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(path, mode);
}

/** Makes names in a folder durable; Windows cannot, and does not need to. */
async function syncFolder(path: string): Promise<void> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isCode(error, 'EISDIR', 'EPERM', 'EACCES')) return;
    throw error;
  }
  try {
    await handle.sync();
  } catch (error) {
    if (!isCode(error, 'EPERM', 'EINVAL', 'EISDIR')) throw error;
  } finally {
    await handle.close();
  }
}

function isMissing(error: unknown): boolean {
  return isCode(error, 'ENOENT');
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
