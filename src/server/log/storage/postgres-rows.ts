/** Rows, values and errors of PostgreSQL. */
import { BoltsealError, isBoltsealError, wrapError } from '../../../core/errors.ts';
import type { EntryRow, StoredHead, StoredHeads } from '../storage.ts';

/** The code of a database error, https://www.postgresql.org/docs/current/errcodes-appendix.html, or of a socket error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Classes of errors that say that the database is not as it must be, rather than that it is busy or away. */
const lasting = /^(?:22|23|28|3D|3F|42|58|F0|P0|XX)/;

/** What a database error is for the engine: `ERR_SERVER_DATA` when it lasts, `ERR_SERVER_BUSY` when it may pass. */
export function databaseError(error: unknown): BoltsealError {
  if (error instanceof TypeError || error instanceof RangeError) {
    return wrapError(error, 'ERR_INTERNAL', 'the database answered something that was not foreseen');
  }
  if (isBoltsealError(error)) return error;
  const code = codeOf(error);
  if (/^[0-9A-Z]{5}$/.test(code) && lasting.test(code)) {
    return new BoltsealError('ERR_SERVER_DATA', `the database refuses (${code})`, { cause: error });
  }
  return new BoltsealError('ERR_SERVER_BUSY', 'the database cannot be reached or is busy', { cause: error });
}

/** The bytes of a `bytea`. */
export function bytes(value: unknown): Uint8Array {
  const { buffer, byteOffset, length } = value as Buffer;
  return new Uint8Array(buffer, byteOffset, length);
}

/** A row as `pg` answers it. */
export type Row = Record<string, unknown>;

/** A row of the entry table. */
export function entryRow(row: Row): EntryRow {
  return {
    index: Number(row['idx']),
    time: Number(row['time']),
    leafHash: bytes(row['hash']),
    body: bytes(row['body']),
  };
}

function headOf(row: Row, prefix: '' | 'published_'): StoredHead {
  return {
    size: Number(row[`${prefix}size`]),
    root: bytes(row[`${prefix}root`]),
    time: Number(row[`${prefix}time`]),
    checkpoint: row[`${prefix}checkpoint`] as string,
  };
}

/** A row of the log table. */
export function headsOf(row: Row): StoredHeads {
  return { head: headOf(row, ''), published: headOf(row, 'published_') };
}

/** The columns of {@link headsOf}. */
export const headColumns: string =
  'size, root, time, checkpoint, published_size, published_root, published_time, published_checkpoint';

/** `pg` sends buffers in binary, and other arrays of bytes as JSON. */
export function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
