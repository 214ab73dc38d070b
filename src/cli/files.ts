/** Files that appear whole or not at all. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs';
import { constants, copyFile, link, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { BoltsealError } from '../core/errors.ts';

/** One file to write. */
export interface FileToWrite {
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits; Windows has none. */
  readonly mode: number;
  /** False: an existing file makes the whole call fail with `ERR_FILE_EXISTS`. */
  readonly overwrite?: boolean;
}

/** A file on its way: written beside its place, what stood there kept until all is done. */
interface Staged {
  readonly file: FileToWrite;
  /** Where it really goes: a link leads to the file it names. */
  readonly path: string;
  readonly temporary: string;
  readonly backup: string;
  placed: 'no' | 'new' | 'replaced';
}

/**
 * Writes all of `files` or none: each is written beside its place and synced, and only when all of them are on disk do
 * they take their names. Pipes, terminals and devices such as `/dev/stdout` are written to as they are, last. Throws
 * `ERR_FILE_WRITE` or `ERR_FILE_EXISTS`, with nothing left behind and what stood there before standing there again.
 */
export async function writeFiles(files: readonly FileToWrite[]): Promise<void> {
  const staged: Staged[] = [];
  const streams: FileToWrite[] = [];
  let current = files[0]?.path ?? '';
  try {
    for (const file of files) {
      current = file.path;
      if (await isStream(file)) {
        streams.push(file);
        continue;
      }
      const one = await stage(file);
      staged.push(one);
      await writeSynced(one.temporary, file);
    }
    for (const one of staged) {
      current = one.file.path;
      await place(one);
    }
    for (const file of streams) {
      current = file.path;
      await writeThrough(file);
    }
  } catch (cause) {
    for (const one of staged) await undo(one);
    throw writeError(current, cause);
  } finally {
    await removeAll(staged.flatMap(({ temporary, backup }) => [temporary, backup]));
  }
}

/** Whether the file is one that cannot be replaced, only written to: another one in its place would break the machine. */
async function isStream({ path, overwrite }: FileToWrite): Promise<boolean> {
  if (overwrite === false) return false;
  if (openDescriptor(path) !== undefined) return true;
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && !found.isFile() && !found.isDirectory();
}

/** The descriptor that `/dev/stdout`, `/dev/fd/3` and their like name: sockets cannot be opened by that name. */
function openDescriptor(path: string): number | undefined {
  const match = /^\/(?:dev\/(?:(stdout)|(stderr)|fd\/(\d{1,4}))|proc\/self\/fd\/(\d{1,4}))$/.exec(path);
  if (match === null) return undefined;
  return match[1] === undefined ? (match[2] === undefined ? Number(match[3] ?? match[4]) : 2) : 1;
}

async function writeThrough({ path, content }: FileToWrite): Promise<void> {
  const descriptor = openDescriptor(path);
  if (descriptor !== undefined) {
    await promisify(writeFile)(descriptor, content);
    return;
  }
  const handle = await open(path, 'w');
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

async function stage(file: FileToWrite): Promise<Staged> {
  const path = file.overwrite === false ? file.path : await realpath(file.path).catch(() => file.path);
  // A name of its own: what a killed process left behind must not stand in the way.
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  return { file, path, temporary: `${beside}.tmp`, backup: `${beside}.old`, placed: 'no' };
}

async function writeSynced(temporary: string, file: FileToWrite): Promise<void> {
  const handle = await open(temporary, 'wx', file.mode);
  try {
    await handle.writeFile(file.content);
    await handle.chmod(file.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function place(one: Staged): Promise<void> {
  const { file, path, temporary, backup } = one;
  if (file.overwrite === false) {
    await linkOrRename(temporary, path);
    one.placed = 'new';
    return;
  }
  const isKept = await keep(path, backup);
  await rename(temporary, path);
  one.placed = isKept ? 'replaced' : 'new';
}

/** Gives what stands at `path` a second name until everything is in place; false when nothing stands there. */
async function keep(path: string, backup: string): Promise<boolean> {
  try {
    await link(path, backup);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
  }
  // A file system without links.
  await copyFile(path, backup, constants.COPYFILE_EXCL);
  return true;
}

/** A link fails where a file appeared meanwhile, which a rename would replace. Some file systems have no links. */
async function linkOrRename(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL);
  }
}

async function undo({ path, backup, placed }: Staged): Promise<void> {
  if (placed === 'new') await removeAll([path]);
  if (placed === 'replaced') await rename(backup, path).catch(() => {});
}

async function removeAll(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => rm(path, { force: true }).catch(() => {})));
}

function writeError(path: string, cause: unknown): BoltsealError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'EEXIST') {
    return new BoltsealError('ERR_FILE_EXISTS', `${path} already exists`, {
      cause,
      hint: 'Nothing was written. Choose another name, or --yes to overwrite.',
    });
  }
  const reason = typeof code === 'string' ? writeHints[code] : undefined;
  const hint = reason === undefined ? 'Nothing was written.' : `${reason} Nothing was written.`;
  return new BoltsealError('ERR_FILE_WRITE', `cannot write ${path}`, { cause, hint });
}

const writeHints: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full.',
  EDQUOT: 'The disk quota is used up.',
  EFBIG: 'The file would be larger than this process may write (ulimit -f).',
  ENOENT: 'Does its folder exist?',
  ENOTDIR: 'A part of its path is no folder.',
  EISDIR: 'A folder of that name is there.',
  EACCES: 'The user that runs this may not write there.',
  EPERM: 'The user that runs this may not write there.',
  EROFS: 'That file system can only be read.',
};
