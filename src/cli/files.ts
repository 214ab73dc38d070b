/** Files that appear whole or not at all. */
import { link, open, rename, rm } from 'node:fs/promises';
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

/**
 * Writes all of `files` or none: each is written beside its place and synced, and only when all of them are on disk do
 * they take their names. Throws `ERR_FILE_WRITE` or `ERR_FILE_EXISTS`, with nothing left behind.
 */
export async function writeFiles(files: readonly FileToWrite[]): Promise<void> {
  const staged: { readonly file: FileToWrite; readonly temporary: string }[] = [];
  const placed: FileToWrite[] = [];
  let current = files[0]?.path ?? '';
  try {
    for (const file of files) {
      current = file.path;
      const temporary = join(
        dirname(file.path),
        `.${basename(file.path)}.${process.pid}-${staged.length}.tmp`,
      );
      staged.push({ file, temporary });
      await writeSynced(temporary, file);
    }
    for (const { file, temporary } of staged) {
      current = file.path;
      await place(temporary, file);
      placed.push(file);
    }
  } catch (cause) {
    // What was new is taken away again; a file that was replaced with consent stays replaced, whole.
    await removeAll(placed.filter((file) => file.overwrite === false).map((file) => file.path));
    throw writeError(current, cause);
  } finally {
    await removeAll(staged.map(({ temporary }) => temporary));
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

async function place(temporary: string, file: FileToWrite): Promise<void> {
  if (file.overwrite !== false) await rename(temporary, file.path);
  // A link fails where a file appeared meanwhile; a rename would replace it.
  else await link(temporary, file.path);
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
