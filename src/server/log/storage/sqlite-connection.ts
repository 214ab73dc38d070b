/** A connection to the database of one log in SQLite: tables, settings, statements, rows. */
import { randomBytes } from 'node:crypto';
import { closeSync, fdatasync, openSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { BoltsealError, isBoltsealError } from '../../../core/errors.ts';
import type { Batch, EntryRow, StoredHead, StoredHeads } from '../storage.ts';
import { keyLength, RecentKeys, word } from './recent-keys.ts';
import { indexSchema, KeyIndex } from './sqlite-index.ts';

/** `node:sqlite`, which not every Node has. */
export type Sqlite = typeof import('node:sqlite');

/** The version of the tables below. */
const schemaVersion = 1;

/** The path of a database that is in memory. */
export const memory = ':memory:';

const syncData = promisify(fdatasync);

/** Search keys stand in the entry, one after another, so that those of the last entries are found again. */
const schema = `
CREATE TABLE head (
  which TEXT PRIMARY KEY CHECK (which IN ('head', 'published')),
  size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, checkpoint TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
  idx INTEGER PRIMARY KEY, time INTEGER NOT NULL, hash BLOB NOT NULL, keys BLOB NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE tile (level INTEGER NOT NULL, idx INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, idx)) STRICT;
${indexSchema}
PRAGMA user_version = ${schemaVersion};
`;

interface Statements {
  readonly heads: StatementSync;
  readonly setHead: StatementSync;
  readonly moveHead: StatementSync;
  readonly insertEntry: StatementSync;
  readonly putTile: StatementSync;
  readonly entry: StatementSync;
  readonly entries: StatementSync;
  readonly hashes: StatementSync;
  readonly keys: StatementSync;
  readonly tile: StatementSync;
}

/** An open database. */
export interface Connection extends Statements {
  readonly database: DatabaseSync;
  /**
   * Makes everything that was committed durable. SQLite itself writes a commit into the write-ahead log and does not sync
   * that (`synchronous=NORMAL`; it still syncs around checkpoints): doing it here, in libuv's threads, is what
   * `synchronous=FULL` would do with every request of the process waiting.
   * {@link https://www.sqlite.org/pragma.html#pragma_synchronous}
   */
  sync(): Promise<void>;
  close(): void;
  /** Entries by the first bytes of their leaf hash. */
  readonly leaves: KeyIndex;
  /** Entries by their search keys. */
  readonly searches: KeyIndex;
}

/** Opens a database file. Throws `ERR_SERVER_DATA`. */
export function openDatabase(sqlite: Sqlite, path: string): DatabaseSync {
  try {
    return new sqlite.DatabaseSync(path);
  } catch (cause) {
    throw new BoltsealError('ERR_SERVER_DATA', `the database ${path} cannot be opened`, { cause });
  }
}

/** Opens the database of a log and creates what is missing. Everything in it is durable then. Throws `ERR_SERVER_DATA`. */
export function connect(sqlite: Sqlite, path: string): Connection {
  const database = openDatabase(sqlite, path);
  try {
    prepareDatabase(database, path);
    const statements = prepareStatements(database);
    const recent = (): RecentKeys => new RecentKeys(word(randomBytes(4), 0));
    const leaves = new KeyIndex(database, 0, true, recent());
    const searches = new KeyIndex(database, 1, false, recent());
    for (const row of statements.keys.iterate(leaves.covered)) {
      addKeys(leaves, searches, row['idx'] as number, row['hash'] as Uint8Array, row['keys'] as Uint8Array);
    }
    let log = path === memory ? undefined : openSync(`${path}-wal`, 'r+');
    return {
      database,
      ...statements,
      leaves,
      searches,
      sync: async () => (log === undefined ? undefined : syncData(log)),
      close() {
        // Once alone: the number may soon be another file's.
        if (log !== undefined) closeSync(log);
        log = undefined;
        database.close();
      },
    };
  } catch (error) {
    database.close();
    throw damaged(error, path);
  }
}

function prepareDatabase(database: DatabaseSync, path: string): void {
  database.exec(
    'PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4096;',
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
    insertEntry: prepare('INSERT INTO entry (idx, time, hash, keys, body) VALUES (?, ?, ?, ?, ?)'),
    putTile: prepare(
      `INSERT INTO tile (level, idx, hashes) VALUES (?, ?, ?)
       ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes`,
    ),
    entry: prepare('SELECT idx, time, hash, body FROM entry WHERE idx = ?'),
    entries: prepare('SELECT idx, time, hash, body FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx'),
    hashes: prepare('SELECT hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx'),
    keys: prepare('SELECT idx, hash, keys FROM entry WHERE idx >= ? ORDER BY idx'),
    tile: prepare('SELECT hashes FROM tile WHERE level = ? AND idx = ?'),
  };
}

function addKeys(
  leaves: KeyIndex,
  searches: KeyIndex,
  index: number,
  hash: Uint8Array,
  keys: Uint8Array,
): void {
  leaves.add(hash, index);
  for (let offset = 0; offset < keys.length; offset += keyLength) {
    searches.add(keys.subarray(offset, offset + keyLength), index);
  }
}

/** What goes wrong in a read is damage of the database. */
export function damaged(error: unknown, path: string): unknown {
  if (isBoltsealError(error)) return error;
  return new BoltsealError('ERR_SERVER_DATA', `the database ${path} cannot be read`, { cause: error });
}

type Row = Record<string, unknown>;

/** A row of the entry table. */
export function entryRow(row: Row): EntryRow {
  return {
    index: row['idx'] as number,
    time: row['time'] as number,
    leafHash: row['hash'] as Uint8Array,
    body: row['body'] as Uint8Array,
  };
}

/** The rows of the head table, or undefined when it is empty. */
export function headsOf(rows: readonly Row[]): StoredHeads | undefined {
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

/** The entry with a leaf hash. */
export function entryByHash({ leaves, entry }: Connection, leafHash: Uint8Array): EntryRow | undefined {
  for (const index of leaves.find(leafHash, 16)) {
    const row = entry.get(index);
    if (row !== undefined && Buffer.compare(row['hash'] as Uint8Array, leafHash) === 0) return entryRow(row);
  }
  return undefined;
}

/** With so many entries, or search keys of them, in memory a run is written; those of one batch come on top. */
const mostRecent = { entries: 31_744, searches: 126_976 } as const;

/** Writes a batch; must be in a transaction. Call what is returned once that is committed. */
export function writeBatch(connection: Connection, before: StoredHead, batch: Batch): () => void {
  const { leaves, searches } = connection;
  const applied: (() => void)[] = [];
  if (leaves.recent >= mostRecent.entries || searches.recent >= mostRecent.searches) {
    for (const index of [leaves, searches]) applied.push(index.writeRun(before.size - 1));
  }
  const { head, time } = batch;
  for (const [place, { leafHash, body, keys }] of batch.entries.entries()) {
    connection.insertEntry.run(before.size + place, time, leafHash, Buffer.concat(keys), body);
  }
  for (const { level, index, hashes } of batch.tiles) connection.putTile.run(level, index, hashes);
  const { size, root, checkpoint } = head;
  const moved = connection.moveHead.run(size, root, head.time, checkpoint, before.size, before.root);
  if (moved.changes !== 1) throw new Error('the head of the log was moved by someone else');
  if (batch.publish) connection.setHead.run('published', size, root, head.time, checkpoint);
  return () => {
    for (const apply of applied) apply();
    for (const [place, { leafHash, keys }] of batch.entries.entries()) {
      const index = before.size + place;
      leaves.add(leafHash, index);
      for (const key of keys) searches.add(key, index);
    }
  };
}
