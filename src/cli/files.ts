/** Files that appear whole or not at all. */
import { constants, copyFile, link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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
  readonly temporary: string;
  readonly backup: string;
  placed: 'no' | 'new' | 'replaced';
}

/**
 * Writes all of `files` or none: each is written beside its place and synced, and only when all of them are on disk do
 * they take their names. Throws `ERR_FILE_WRITE` or `ERR_FILE_EXISTS`, with nothing left behind and what stood there
 * before standing there again.
 */
export async function writeFiles(files: readonly FileToWrite[]): Promise<void> {
  const staged = files.map((file, index): Staged => {
    const beside = join(dirname(file.path), `.${basename(file.path)}.${process.pid}-${index}`);
    return { file, temporary: `${beside}.tmp`, backup: `${beside}.old`, placed: 'no' };
  });
  let current = files[0]?.path ?? '';
  try {
    for (const { file, temporary } of staged) {
      current = file.path;
      await writeSynced(temporary, file);
    }
    for (const one of staged) {
      current = one.file.path;
      await place(one);
    }
  } catch (cause) {
    for (const one of staged) await undo(one);
    throw writeError(current, cause);
  } finally {
    await removeAll(staged.flatMap(({ temporary, backup }) => [temporary, backup]));
  }
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
  const { file, temporary, backup } = one;
  if (file.overwrite === false) {
    await linkOrRename(temporary, file.path);
    one.placed = 'new';
    return;
  }
  // The old file keeps a second name until everything is in place; a file system without links goes without.
  const kept = await link(file.path, backup).then(
    () => true,
    () => false,
  );
  await rename(temporary, file.path);
  one.placed = kept ? 'replaced' : 'no';
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

async function undo({ file, backup, placed }: Staged): Promise<void> {
  if (placed === 'new') await removeAll([file.path]);
  if (placed === 'replaced') await rename(backup, file.path).catch(() => {});
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
  return new BoltsealError('ERR_FILE_WRITE', `cannot write ${path}`, {
    cause,
    hint:
      code === 'ENOSPC'
        ? 'The disk is full. Nothing was written.'
        : code === 'ENOENT'
          ? 'Does its folder exist? Nothing was written.'
          : 'Nothing was written.',
  });
}
