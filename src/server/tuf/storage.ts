/** Where the files of a TUF repository are. */
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** The files of one repository. Names are those of the repository, with slashes: `1.root.json`, `targets/HASH.name`. */
export interface TufFiles {
  /** The names of all files. */
  list(): Promise<readonly string[]>;
  read(name: string): Promise<Uint8Array | undefined>;
  /** Puts a file into place whole; when it resolves, the file survives a loss of power. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** Does nothing when there is no such file. */
  remove(name: string): Promise<void>;
}

/** Where the files of one repository are, for reading; they are written in {@link TufStorage.exclusive}. */
export interface TufStorage extends Pick<TufFiles, 'list' | 'read'> {
  /** Whether other processes may write too. If not, the storage belongs to one process at a time. */
  readonly isShared: boolean;
  /**
   * Runs `work` while nobody else writes. What it writes to a shared storage is there when this resolves, and none of it
   * when this rejects, unless the end is not known.
   */
  exclusive<T>(work: (files: TufFiles) => Promise<T>): Promise<T>;
}

const namePattern = /^(?:targets\/)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;
/** Files that are being written. */
const temporarySuffix = '.new';

/** Throws `ERR_INTERNAL` for what cannot be the name of a file. */
export function checkFileName(name: string): void {
  if (namePattern.test(name) && !name.endsWith(temporarySuffix)) return;
  throw new BoltsealError('ERR_INTERNAL', `not a name of a TUF file: ${JSON.stringify(name.slice(0, 100))}`);
}

/**
 * A storage in the folder at `path`, which is made when something is written:
 *
 *     1.root.json 2.root.json …    timestamp.json N.snapshot.json N.targets.json    targets/HASH.name
 *
 * It can be served as it is by any web server. Throws `ERR_FILE_READ` and `ERR_FILE_WRITE`.
 */
export function folderTufStorage(path: string): TufStorage {
  const place = (name: string): string => {
    checkFileName(name);
    return join(path, ...name.split('/'));
  };
  const files: TufFiles = {
    async list() {
      const [top, targets] = await Promise.all([names(path), names(join(path, 'targets'))]);
      return [...top, ...targets.map((name) => `targets/${name}`)].filter(
        (name) => namePattern.test(name) && !name.endsWith(temporarySuffix),
      );
    },
    read: (name) => readWhole(place(name)),
    write: (name, bytes) => writeWhole(place(name), bytes),
    remove: (name) => rm(place(name), { force: true }),
  };
  return { isShared: false, list: files.list, read: files.read, exclusive: (work) => work(files) };
}

async function names(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return [];
    throw new BoltsealError('ERR_FILE_READ', `cannot read the folder ${folder}`, { cause });
  }
}

async function readWhole(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    throw new BoltsealError('ERR_FILE_READ', `cannot read ${path}`, { cause });
  }
  try {
    const { size } = await file.stat();
    if (size > limits.tufTargetBytes) {
      throw new BoltsealError(
        'ERR_LIMIT_EXCEEDED',
        `${path} has ${size} bytes; the limit is ${limits.tufTargetBytes}`,
      );
    }
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(path);
  const temporary = `${path}${temporarySuffix}`;
  try {
    await makeFolder(folder);
    const file = await open(temporary, 'w', 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new BoltsealError('ERR_FILE_WRITE', `cannot write ${path}`, { cause });
  }
}

/** Makes a folder and what it is in, and all of their names durable. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Makes a rename durable; Windows cannot open folders, and keeps renames by itself. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(folder, 'r');
  } catch (error) {
    if (hasCode(error, 'EISDIR', 'EPERM', 'EACCES')) return;
    throw error;
  }
  try {
    await handle.sync();
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'EINVAL', 'EISDIR')) throw error;
  } finally {
    await handle.close();
  }
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
