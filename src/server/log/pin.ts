/**
 * The pin of a log: its last public checkpoint, kept in a file outside the database. A database that was restored from
 * a backup is older than its pin, and a log that went on from there would contradict what it had signed.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BoltsealError } from '../../core/errors.ts';
import { parseCheckpoint, type SignedCheckpoint } from '../../formats/checkpoint.ts';

/** The pin of one log. */
export interface Pin {
  /** The checkpoint last written, or undefined when there is none. Throws `ERR_SERVER_DATA` when it cannot be read. */
  read(): SignedCheckpoint | undefined;
  /**
   * Replaces it. There is no sync: a pin that is older after a power failure, while the database is not, refuses nothing.
   * Throws `ERR_FILE_WRITE`.
   */
  write(checkpoint: string): void;
}

/**
 * The pin of the log `id` in `folder`, which is made when it is not there. The file is written in place, in one write
 * that covers what was there: to replace it with another takes milliseconds on some file systems, for every batch.
 */
export function filePin(folder: string, id: string): Pin {
  const path = join(folder, `${id}.checkpoint`);
  return {
    read() {
      const text = readPin(path)?.replace(/\0+$/, '');
      // Empty is what a power failure may leave of a file that was not synced.
      if (text === undefined || text === '') return undefined;
      try {
        return parseCheckpoint(text, `the pinned checkpoint ${path}`);
      } catch (cause) {
        throw new BoltsealError('ERR_SERVER_DATA', `the pinned checkpoint ${path} is damaged`, {
          cause,
          hint: 'If you are sure that the database is the newest there is, delete this file.',
        });
      }
    },
    write(checkpoint) {
      try {
        overwrite(folder, path, checkpoint);
      } catch (cause) {
        throw new BoltsealError('ERR_FILE_WRITE', `the pinned checkpoint ${path} cannot be written`, {
          cause,
        });
      }
    },
  };
}

function readPin(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (isNotThere(cause)) return undefined;
    throw new BoltsealError('ERR_SERVER_DATA', `the pinned checkpoint ${path} cannot be read`, { cause });
  }
}

function overwrite(folder: string, path: string, text: string): void {
  const descriptor = openPin(folder, path);
  try {
    const content = Buffer.from(text);
    const padded = Buffer.alloc(Math.max(content.length, fstatSync(descriptor).size));
    content.copy(padded);
    const written = writeSync(descriptor, padded, 0, padded.length, 0);
    if (written !== padded.length) throw new Error(`only ${written} bytes were written`);
  } finally {
    closeSync(descriptor);
  }
}

function openPin(folder: string, path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if (!isNotThere(error)) throw error;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return openSync(path, 'w', 0o600);
  }
}

function isNotThere(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
