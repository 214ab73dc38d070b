/**
 * Logs in SQLite, one file each, in a folder that one process uses at a time. `node:sqlite` is synchronous: a commit
 * holds the event loop for as long as the disk takes, and nothing can come between its statements.
 *
 * `synchronous=FULL` syncs the write-ahead log in every commit; with less, the last commits may be lost with the power,
 * and a log that answered would fork. {@link https://www.sqlite.org/pragma.html#pragma_synchronous}
 */
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BoltsealError, isBoltsealError } from '../../../core/errors.ts';
import {
  type AppendTransaction,
  type Batch,
  type EntryRow,
  isLogId,
  LeafHashTaken,
  type LogStorage,
  type LogStore,
  type StoredHead,
  type StoredHeads,
} from '../storage.ts';

type Sqlite = typeof import('node:sqlite');

/** Where logs are kept: a folder, made when it is not there, or memory, for tests. */
export type SqlitePlace = { readonly folder: string } | 'memory';

/** The version of the tables below. */
const schemaVersion = 1;

const schema = `
CREATE TABLE head (
  which TEXT PRIMARY KEY CHECK (which IN ('head', 'published')),
  size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, checkpoint TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
  idx INTEGER PRIMARY KEY, time INTEGER NOT NULL, hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL
) STRICT;
CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, idx)) STRICT;
CREATE TABLE search (key BLOB NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (key, idx)) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${schemaVersion};
`;

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
      const store = sqliteLog(
        sqlite,
        place === 'memory' ? ':memory:' : join(place.folder, `${id}.sqlite`),
        () => open.delete(id),
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

function openDatabase(sqlite: Sqlite, path: string): DatabaseSync {
  try {
    return new sqlite.DatabaseSync(path);
  } catch (cause) {
    throw new BoltsealError('ERR_SERVER_DATA', `the database ${path} cannot be opened`, { cause });
  }
}

interface Statements {
  readonly heads: StatementSync;
  readonly setHead: StatementSync;
  readonly moveHead: StatementSync;
  readonly insertEntry: StatementSync;
  readonly insertKey: StatementSync;
  readonly putTile: StatementSync;
  readonly entry: StatementSync;
  readonly entryByHash: StatementSync;
  readonly entries: StatementSync;
  readonly hashes: StatementSync;
  readonly search: StatementSync;
  readonly tile: StatementSync;
}

interface Connection extends Statements {
  readonly database: DatabaseSync;
}

function connect(sqlite: Sqlite, path: string): Connection {
  const database = openDatabase(sqlite, path);
  try {
    prepareDatabase(database, path);
    return { database, ...prepareStatements(database) };
  } catch (error) {
    database.close();
    throw damaged(error, path);
  }
}

function prepareDatabase(database: DatabaseSync, path: string): void {
  database.exec(
    'PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;',
  );
  // A killed process may have written a commit without syncing it. It is visible now, so it must be durable now: this
  // writes it into the database and syncs that.
  const result = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  if (result?.['busy'] !== 0) {
    throw new BoltsealError('ERR_SERVER_DATA', `the database ${path} is being read by another program`);
  }
  const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version > schemaVersion) {
    throw new BoltsealError('ERR_SERVER_DATA', `the database ${path} was written by a newer Boltseal`);
  }
  if (version === 0) database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT;`);
}

function prepareStatements(database: DatabaseSync): Statements {
  const prepare = (text: string): StatementSync => database.prepare(text);
  return {
    heads: prepare('SELECT which, size, root, time, checkpoint FROM head'),
    setHead: prepare(
      `INSERT INTO head (which, size, root, time, checkpoint) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (which) DO UPDATE SET size = excluded.size, root = excluded.root, time = excluded.time,
         checkpoint = excluded.checkpoint WHERE excluded.size >= head.size`,
    ),
    moveHead: prepare(
      `UPDATE head SET size = ?, root = ?, time = ?, checkpoint = ? WHERE which = 'head' AND size = ? AND root = ?`,
    ),
    insertEntry: prepare('INSERT INTO entry (idx, time, hash, body) VALUES (?, ?, ?, ?)'),
    insertKey: prepare('INSERT OR IGNORE INTO search (key, idx) VALUES (?, ?)'),
    putTile: prepare(
      `INSERT INTO tile (level, idx, hashes) VALUES (?, ?, ?)
       ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes`,
    ),
    entry: prepare('SELECT idx, time, hash, body FROM entry WHERE idx = ?'),
    entryByHash: prepare('SELECT idx, time, hash, body FROM entry WHERE hash = ?'),
    entries: prepare('SELECT idx, time, hash, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx'),
    hashes: prepare('SELECT hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx'),
    search: prepare('SELECT idx FROM search WHERE key = ? ORDER BY idx LIMIT ?'),
    tile: prepare('SELECT hashes FROM tile WHERE level = ? AND idx = ?'),
  };
}

function damaged(error: unknown, path: string): unknown {
  if (isBoltsealError(error)) return error;
  return new BoltsealError('ERR_SERVER_DATA', `the database ${path} cannot be read`, { cause: error });
}

/** https://www.sqlite.org/rescode.html#constraint_unique */
const uniqueViolation = 2_067;

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === uniqueViolation;
}

type Row = Record<string, unknown>;

function entryRow(row: Row): EntryRow {
  return {
    index: row['idx'] as number,
    time: row['time'] as number,
    leafHash: row['hash'] as Uint8Array,
    body: row['body'] as Uint8Array,
  };
}

function headsOf(rows: readonly Row[]): StoredHeads | undefined {
  const of = (which: string): StoredHead | undefined => {
    const row = rows.find((one) => one['which'] === which);
    return (
      row && {
        size: row['size'] as number,
        root: row['root'] as Uint8Array,
        time: row['time'] as number,
        checkpoint: row['checkpoint'] as string,
      }
    );
  };
  const head = of('head');
  const published = of('published');
  return head === undefined || published === undefined ? undefined : { head, published };
}

function writeBatch(connection: Connection, before: StoredHead, batch: Batch): void {
  const { head, time } = batch;
  for (const [place, { leafHash, body, keys }] of batch.entries.entries()) {
    const index = before.size + place;
    connection.insertEntry.run(index, time, leafHash, body);
    for (const key of keys) connection.insertKey.run(key, index);
  }
  for (const { level, index, hashes } of batch.tiles) connection.putTile.run(level, index, hashes);
  const { size, root, checkpoint } = head;
  const moved = connection.moveHead.run(size, root, head.time, checkpoint, before.size, before.root);
  if (moved.changes !== 1) throw new Error('the head of the log was moved by someone else');
  if (batch.publish) connection.setHead.run('published', size, root, head.time, checkpoint);
}

function sqliteLog(sqlite: Sqlite, path: string, closed: () => void): LogStore {
  let connection = connect(sqlite, path);
  // Set when a commit failed in a way that says nothing about what is on the disk.
  let broken = false;

  const inTransaction = (work: () => void): void => {
    const { database } = connection;
    database.exec('BEGIN IMMEDIATE');
    try {
      work();
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };
  const reopen = (): void => {
    if (path === ':memory:') throw new BoltsealError('ERR_SERVER_DATA', 'a log in memory was damaged');
    try {
      connection.database.close();
    } catch {
      // It may be closed already by an attempt to open it again that failed.
    }
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

  const heads = (): StoredHeads | undefined => read(() => headsOf(connection.heads.all() as Row[]));
  const hashes = (start: number, end: number): Uint8Array[] =>
    read(() => connection.hashes.all(start, end).map((row) => row['hash'] as Uint8Array));
  const byHash = (leafHash: Uint8Array): EntryRow | undefined =>
    read(() => {
      const row = connection.entryByHash.get(leafHash);
      return row && entryRow(row);
    });

  return {
    async create(head) {
      if (heads() !== undefined) return;
      const { size, root, time, checkpoint } = head;
      inTransaction(() => {
        for (const which of ['head', 'published'])
          connection.setHead.run(which, size, root, time, checkpoint);
      });
      if (path !== ':memory:') syncFolder(join(path, '..'));
    },
    heads: async () => heads(),
    async begin(known, leafHashes): Promise<AppendTransaction> {
      if (broken) reopen();
      const found = heads();
      if (found === undefined) throw new BoltsealError('ERR_SERVER_DATA', `the log in ${path} is gone`);
      const existing = leafHashes.map(byHash).filter((row) => row !== undefined);
      const added = found.head.size - known > mostAdded ? undefined : hashes(known, found.head.size);
      return {
        view: { heads: found, existing, added },
        async commit(batch) {
          try {
            inTransaction(() => writeBatch(connection, found.head, batch));
          } catch (error) {
            if (isUniqueViolation(error))
              throw new LeafHashTaken('a leaf hash is there already', { cause: error });
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
    entryByHash: async (leafHash) => byHash(leafHash),
    entries: async (start, end) => read(() => connection.entries.all(start, end).map(entryRow)),
    leafHashes: async (start, end) => hashes(start, end),
    search: async (key, most) =>
      read(() => connection.search.all(key, most).map((row) => row['idx'] as number)),
    tile: async (level, index) =>
      read(() => connection.tile.get(level, index)?.['hashes'] as Uint8Array | undefined),
    async close() {
      if (connection.database.isOpen) connection.database.close();
      closed();
    },
  };
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
