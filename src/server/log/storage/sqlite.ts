/**
 * Logs in SQLite, one file each, in a folder that one process uses at a time. `node:sqlite` is synchronous: a commit
 * holds the event loop for as long as the disk takes, and nothing can come between its statements.
 *
 * `synchronous=FULL` syncs the write-ahead log in every commit; with less, the last commits may be lost with the power,
 * and a log that answered would fork. {@link https://www.sqlite.org/pragma.html#pragma_synchronous}
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { BoltsealError } from '../../../core/errors.ts';
import {
  type AppendTransaction,
  type Batch,
  isLogId,
  LeafHashTaken,
  type LogStorage,
  type LogStore,
  type StoredHeads,
} from '../storage.ts';
import {
  type Connection,
  connect,
  damaged,
  entryByHash,
  entryRow,
  headsOf,
  memory,
  openDatabase,
  type Sqlite,
  writeBatch,
} from './sqlite-connection.ts';

/** Where logs are kept: a folder, made when it is not there, or memory, for tests. */
export type SqlitePlace = { readonly folder: string } | 'memory';

/** Hashes of one batch that are read back at most; a store of one process is never further ahead. */
const mostAdded = 65_536;

/**
 * Opens a folder of logs. Throws `ERR_SERVER_CONFIG` where Node has no SQLite, and `ERR_SERVER_DATA` when another process
 * uses the folder: the lock is one of the operating system, and gone with the process however it ends.
 */
export async function sqliteStorage(place: SqlitePlace): Promise<LogStorage> {
  const sqlite = await loadSqlite();
  let lock = place === 'memory' ? undefined : lockFolder(sqlite, place.folder);
  const open = new Set<string>();
  return {
    shared: false,
    async log(id) {
      if (!isLogId(id))
        throw new BoltsealError('ERR_SERVER_CONFIG', `not an id of a log: ${JSON.stringify(id)}`);
      if (open.has(id)) throw new BoltsealError('ERR_SERVER_DATA', `the log ${id} is open already`);
      const store = sqliteLog(sqlite, place === 'memory' ? memory : join(place.folder, `${id}.sqlite`), () =>
        open.delete(id),
      );
      open.add(id);
      return store;
    },
    async close() {
      lock?.close();
      lock = undefined;
    },
  };
}

async function loadSqlite(): Promise<Sqlite> {
  try {
    return await import('node:sqlite');
  } catch (cause) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'this version of Node has no SQLite', {
      cause,
      hint: 'Use Node 22.13 or newer, or keep the logs in PostgreSQL.',
    });
  }
}

function lockFolder(sqlite: Sqlite, folder: string): DatabaseSync {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = openDatabase(sqlite, join(folder, 'lock'));
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock.close();
    throw new BoltsealError('ERR_SERVER_DATA', `the folder ${folder} is in use by another process`, {
      cause,
    });
  }
  return lock;
}

function sqliteLog(sqlite: Sqlite, path: string, closed: () => void): LogStore {
  let connection: Connection = connect(sqlite, path);
  // Set when a commit failed in a way that says nothing about what is on the disk.
  let broken = false;
  // Set when the disk did not confirm a commit. What the system still shows of it may be in memory alone, and asking
  // again proves nothing: only a new process, which reads the disk, can say what is there.
  let unconfirmed: unknown;

  const inTransaction = <T>(work: () => T): T => {
    const { database } = connection;
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (error) {
      try {
        database.exec('ROLLBACK');
      } catch {
        // Some errors have rolled it back already.
      }
      throw error;
    }
  };
  /** Resolves when what was committed is on the disk. */
  const confirm = async (): Promise<void> => {
    try {
      await connection.sync();
    } catch (error) {
      unconfirmed = error;
      throw error;
    }
  };
  const throwUnconfirmed = (): void => {
    if (unconfirmed === undefined) return;
    throw new BoltsealError('ERR_LOG_STOPPED', `the disk did not confirm what was written to ${path}`, {
      cause: unconfirmed,
      hint: 'Look after the disk, then start again.',
    });
  };
  const reopen = (): void => {
    if (path === memory) throw new BoltsealError('ERR_SERVER_DATA', 'a log in memory was damaged');
    // It may be closed already by an attempt to open it again that failed.
    closeDatabase(connection);
    connection = connect(sqlite, path);
    broken = false;
  };
  /** What goes wrong in a read is told as damage of the database. */
  const read = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw damaged(error, path);
    }
  };

  const heads = (): StoredHeads | undefined => read(() => headsOf(connection.heads.all()));
  const hashes = (start: number, end: number): Uint8Array[] =>
    read(() => connection.hashes.all(start, end).map((row) => row['hash'] as Uint8Array));

  return {
    async create(head) {
      if (heads() !== undefined) return;
      const { size, root, time, checkpoint } = head;
      inTransaction(() => {
        for (const which of ['head', 'published'])
          connection.setHead.run(which, size, root, time, checkpoint);
      });
      await confirm();
      if (path !== memory) syncFolder(join(path, '..'));
    },
    heads: async () => heads(),
    async begin(known, leafHashes): Promise<AppendTransaction> {
      throwUnconfirmed();
      if (broken) reopen();
      const found = heads();
      if (found === undefined) throw new BoltsealError('ERR_SERVER_DATA', `the log in ${path} is gone`);
      const existing = read(() => leafHashes.map((leafHash) => entryByHash(connection, leafHash))).filter(
        (row) => row !== undefined,
      );
      const added = found.head.size - known > mostAdded ? undefined : hashes(known, found.head.size);
      return {
        view: { heads: found, existing, added },
        async commit(batch) {
          refuseTwice(connection, batch);
          try {
            const written = inTransaction(() => writeBatch(connection, found.head, batch));
            await confirm();
            written();
          } catch (error) {
            broken = true;
            throw error;
          }
        },
        release: async () => undefined,
      };
    },
    async publish({ size, root, time, checkpoint }) {
      try {
        connection.setHead.run('published', size, root, time, checkpoint);
        await confirm();
      } catch (error) {
        broken = true;
        throw damaged(error, path);
      }
    },
    entry: async (index) =>
      read(() => {
        const row = connection.entry.get(index);
        return row && entryRow(row);
      }),
    entryByHash: async (leafHash) => read(() => entryByHash(connection, leafHash)),
    entries: async (start, end) => read(() => connection.entries.all(start, end).map(entryRow)),
    leafHashes: async (start, end) => hashes(start, end),
    search: async (key, most) => read(() => connection.searches.find(key, most)),
    tile: async (level, index) =>
      read(() => connection.tile.get(level, index)?.['hashes'] as Uint8Array | undefined),
    async close() {
      closeDatabase(connection);
      closed();
    },
  };
}

function closeDatabase(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}

/** Throws {@link LeafHashTaken} when a leaf hash of the batch is in the log, or in the batch before. */
function refuseTwice(connection: Connection, { entries }: Batch): void {
  const seen = new Set<string>();
  for (const { leafHash } of entries) {
    const text = Buffer.from(leafHash.buffer, leafHash.byteOffset, leafHash.length).toString('latin1');
    if (seen.has(text) || entryByHash(connection, leafHash) !== undefined) {
      throw new LeafHashTaken('a leaf hash is there already');
    }
    seen.add(text);
  }
}

/** Makes the names of new files durable, where the platform can. */
function syncFolder(folder: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(folder, 'r');
  } catch {
    return;
  }
  try {
    fsyncSync(descriptor);
  } catch {
    // Windows has no such thing.
  } finally {
    closeSync(descriptor);
  }
}
