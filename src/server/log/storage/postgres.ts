/**
 * Logs in PostgreSQL, shared by any number of processes. Each may add to a log: who does is decided by the lock on the
 * log's row, which waits in a queue and is gone with the connection of whoever holds it. The row is then only moved on
 * if it is still the one that was read, so that not even a process that was thought dead can write over others.
 *
 * Everything is qualified with the schema and set for one transaction, so that a pooler may stand in between.
 */
import type { Pool, PoolClient, QueryResult } from 'pg';
import { BoltsealError, isBoltsealError, wrapError } from '../../../core/errors.ts';
import {
  type AppendTransaction,
  type AppendView,
  type Batch,
  type EntryRow,
  isLogId,
  LeafHashTaken,
  type LogStorage,
  type LogStore,
  type StoredHead,
  type StoredHeads,
} from '../storage.ts';
import { createTables, type Tables, tablesIn } from './postgres-schema.ts';

/** A database to keep logs in. */
export interface PostgresOptions {
  /**
   * `postgresql://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE`.
   * {@link https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS}
   */
  readonly url: string;
  /** The schema its tables are in, `boltseal` unless told; made when it is not there. */
  readonly schema?: string | undefined;
  /** Connections for reading, 8 unless told; as many as there are logs come on top for writing. */
  readonly connections?: number | undefined;
}

/** Milliseconds that a transaction may wait for the lock, a statement may take, and a transaction may stand still. */
const times = { lock: 10_000, statement: 15_000, idle: 15_000, connect: 10_000 } as const;

/** Logs that one process adds to at once, at most. */
const writers = 8;

/** Hashes of entries by others that are read at once in a transaction. */
const mostAdded = 16_384;

interface Database {
  readonly readers: Pool;
  readonly writers: Pool;
  readonly tables: Tables;
}

/**
 * Opens a database and creates what is missing. Throws `ERR_SERVER_CONFIG` when it does not make commits durable or the
 * URL is not one, `ERR_SERVER_BUSY` when it cannot be reached, `ERR_SERVER_DATA` when it belongs to a newer Boltseal.
 */
export async function postgresStorage(options: PostgresOptions): Promise<LogStorage> {
  const tables = tablesIn(options.schema ?? 'boltseal');
  const { default: pg } = await import('pg');
  const poolOf = (max: number): Pool => {
    const pool = new pg.Pool({
      connectionString: options.url,
      max,
      connectionTimeoutMillis: times.connect,
      keepAlive: true,
      application_name: 'boltseal',
    });
    // Without listeners a connection that breaks between two statements would end the process.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    return pool;
  };
  let database: Database;
  try {
    database = { readers: poolOf(options.connections ?? 8), writers: poolOf(writers), tables };
  } catch (cause) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'the URL of the database is not one of PostgreSQL', {
      cause,
    });
  }
  let closing: Promise<unknown> | undefined;
  const close = async (): Promise<void> => {
    closing ??= Promise.all([database.readers.end(), database.writers.end()]);
    await closing;
  };
  try {
    await withClient(database.writers, (client) => createTables(client, tables));
  } catch (error) {
    await close();
    throw databaseError(error);
  }
  return {
    shared: true,
    async log(id) {
      if (!isLogId(id))
        throw new BoltsealError('ERR_SERVER_CONFIG', `not an id of a log: ${JSON.stringify(id)}`);
      return postgresLog(database, id);
    },
    close,
  };
}

async function withClient<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    const result = await work(client);
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** The code of a database error, https://www.postgresql.org/docs/current/errcodes-appendix.html, or of a socket error. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const uniqueViolation = '23505';

/** Classes of errors that say that the database is not as it must be, rather than that it is busy or away. */
const lasting = /^(?:22|23|28|3D|3F|42|58|F0|P0|XX)/;

function databaseError(error: unknown): BoltsealError {
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

function bytes(value: unknown): Uint8Array {
  const { buffer, byteOffset, length } = value as Buffer;
  return new Uint8Array(buffer, byteOffset, length);
}

type Row = Record<string, unknown>;

function entryRow(row: Row): EntryRow {
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

function headsOf(row: Row): StoredHeads {
  return { head: headOf(row, ''), published: headOf(row, 'published_') };
}

const headColumns =
  'size, root, time, checkpoint, published_size, published_root, published_time, published_checkpoint';

function postgresLog({ readers, writers, tables }: Database, id: string): LogStore {
  const { log, entry, tile, search } = tables;
  // The number that stands for the log in the other tables.
  let number: number | undefined;
  // Set when the outcome of a commit is not known: it may be visible, and not yet where it must be to be durable.
  let unproved = false;

  const query = async (text: string, values: readonly unknown[]): Promise<Row[]> => {
    try {
      return (await readers.query<Row>(text, [...values])).rows;
    } catch (error) {
      throw databaseError(error);
    }
  };
  const read = async (text: string, ...values: readonly unknown[]): Promise<Row[]> => {
    number ??= await findNumber();
    return number === undefined ? [] : query(text, [number, ...values]);
  };
  const findNumber = async (): Promise<number | undefined> => {
    const [row] = await query(`SELECT id FROM ${log} WHERE name = $1`, [id]);
    return row === undefined ? undefined : Number(row['id']);
  };

  return {
    async create({ size, root, time, checkpoint }) {
      await query(
        `INSERT INTO ${log} (name, ${headColumns}) VALUES ($1, $2, $3, $4, $5, $2, $3, $4, $5)
         ON CONFLICT (name) DO NOTHING`,
        [id, size, buffer(root), time, checkpoint],
      );
    },
    async heads() {
      const [row] = await query(`SELECT ${headColumns} FROM ${log} WHERE name = $1`, [id]);
      return row && headsOf(row);
    },
    async begin(known, leafHashes) {
      number ??= await findNumber();
      if (number === undefined) throw new BoltsealError('ERR_SERVER_DATA', `the database has no log ${id}`);
      const log = number;
      try {
        if (unproved) await withClient(writers, (client) => prove(client, tables, log));
        unproved = false;
        const client = await writers.connect();
        return await beginOn(client, tables, log, known, leafHashes, () => {
          unproved = true;
        });
      } catch (error) {
        throw databaseError(error);
      }
    },
    async publish({ size, root, time, checkpoint }) {
      await query(
        `UPDATE ${log} SET published_size = $2, published_root = $3, published_time = $4, published_checkpoint = $5
         WHERE name = $1 AND published_size <= $2 AND size >= $2`,
        [id, size, buffer(root), time, checkpoint],
      );
    },
    async entry(index) {
      const [row] = await read(`SELECT * FROM ${entry} WHERE log = $1 AND idx = $2`, index);
      return row && entryRow(row);
    },
    async entryByHash(leafHash) {
      const [row] = await read(`SELECT * FROM ${entry} WHERE log = $1 AND hash = $2`, buffer(leafHash));
      return row && entryRow(row);
    },
    async entries(start, end) {
      const range = 'log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx';
      return (await read(`SELECT * FROM ${entry} WHERE ${range}`, start, end)).map(entryRow);
    },
    async leafHashes(start, end) {
      const range = 'log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx';
      return (await read(`SELECT hash FROM ${entry} WHERE ${range}`, start, end)).map((row) =>
        bytes(row['hash']),
      );
    },
    async search(key, most) {
      const where = 'log = $1 AND key = $2 ORDER BY idx LIMIT $3';
      return (await read(`SELECT idx FROM ${search} WHERE ${where}`, buffer(key), most)).map((row) =>
        Number(row['idx']),
      );
    },
    async tile(level, index) {
      const [row] = await read(
        `SELECT hashes FROM ${tile} WHERE log = $1 AND level = $2 AND idx = $3`,
        level,
        index,
      );
      return row && bytes(row['hashes']);
    },
    close: async () => undefined,
  };
}

/** `pg` sends buffers in binary, and other arrays of bytes as JSON. */
function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Waits until everything that is visible is as durable as the database makes it: what a commit of its own waits for. */
async function prove(client: PoolClient, { log }: Tables, number: number): Promise<void> {
  await client.query(`${beginning} UPDATE ${log} SET size = size WHERE id = ${number}; ${untimed}`);
  await commitOn(client);
}

/**
 * A commit must not be cut off: while it waits for a standby it has happened already, and would be reported as a success.
 */
const untimed = 'SET LOCAL statement_timeout = 0';

const beginning = `BEGIN;
  SET LOCAL lock_timeout = ${times.lock};
  SET LOCAL statement_timeout = ${times.statement};
  SET LOCAL idle_in_transaction_session_timeout = ${times.idle};
  SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END;`;

/** Commits. Throws also when the database warns: then the commit may not be where it must be. */
async function commitOn(client: PoolClient): Promise<void> {
  const warnings: string[] = [];
  const listen = (notice: {
    readonly severity?: string | undefined;
    readonly message?: string | undefined;
  }): void => {
    if (notice.severity === 'WARNING') warnings.push(notice.message ?? '');
  };
  client.on('notice', listen);
  try {
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error(`the database answered ${command} to COMMIT`);
    if (warnings.length > 0) throw new Error(`the database warned: ${warnings.join('; ')}`);
  } finally {
    client.removeListener('notice', listen);
  }
}

async function beginOn(
  client: PoolClient,
  tables: Tables,
  log: number,
  known: number,
  leafHashes: readonly Uint8Array[],
  setUnproved: () => void,
): Promise<AppendTransaction> {
  let isOpen = true;
  const end = (destroy: boolean): void => {
    if (isOpen) client.release(destroy);
    isOpen = false;
  };
  let view: AppendView;
  try {
    const results = (await client.query(
      `${beginning} SELECT ${headColumns} FROM ${tables.log} WHERE id = ${log} FOR UPDATE`,
    )) as unknown as QueryResult<Row>[];
    const row = results.at(-1)?.rows[0];
    if (row === undefined) throw new BoltsealError('ERR_SERVER_DATA', 'the log is gone from the database');
    view = {
      heads: headsOf(row),
      ...(await readBatch(client, tables, log, known, headOf(row, ''), leafHashes)),
    };
  } catch (error) {
    end(true);
    throw error;
  }
  return {
    view,
    async commit(batch) {
      let isCommitting = false;
      try {
        await writeBatch(client, tables, log, view.heads.head, batch);
        isCommitting = true;
        await commitOn(client);
        end(false);
      } catch (error) {
        if (isCommitting) setUnproved();
        end(true);
        if (codeOf(error) === uniqueViolation) {
          throw new LeafHashTaken('a leaf hash is there already', { cause: error });
        }
        throw databaseError(error);
      }
    },
    async release() {
      if (!isOpen) return;
      try {
        await client.query('ROLLBACK');
        end(false);
      } catch {
        end(true);
      }
    },
  };
}

async function readBatch(
  client: PoolClient,
  { entry }: Tables,
  log: number,
  known: number,
  head: StoredHead,
  leafHashes: readonly Uint8Array[],
): Promise<Pick<AppendView, 'existing' | 'added'>> {
  const isFar = head.size - known > mostAdded;
  const parts: string[] = [];
  const values: unknown[] = [log];
  if (leafHashes.length > 0) {
    parts.push(
      `SELECT idx, time, hash, body FROM ${entry} WHERE log = $1 AND hash = ANY($${values.length + 1})`,
    );
    values.push(leafHashes.map(buffer));
  }
  if (head.size > known && !isFar) {
    const [from, to] = [values.length + 1, values.length + 2];
    parts.push(
      `SELECT idx, NULL::bigint AS time, hash, NULL::bytea AS body FROM ${entry} WHERE log = $1 AND idx >= $${from} AND idx < $${to}`,
    );
    values.push(known, head.size);
  }
  if (parts.length === 0) return { existing: [], added: isFar ? undefined : [] };
  const { rows } = await client.query<Row>(parts.join(' UNION ALL '), values);
  const isWhole = (row: Row): boolean => row['time'] !== null;
  const added = rows.filter((row) => !isWhole(row)).sort((a, b) => Number(a['idx']) - Number(b['idx']));
  return {
    existing: rows.filter(isWhole).map(entryRow),
    added: isFar ? undefined : added.map((row) => bytes(row['hash'])),
  };
}

async function writeBatch(
  client: PoolClient,
  { log, entry, tile, search }: Tables,
  number: number,
  before: StoredHead,
  { entries, tiles, head, time, publish }: Batch,
): Promise<void> {
  const keys = entries.flatMap((row, place) => row.keys.map((key) => ({ key, index: before.size + place })));
  const published = publish
    ? `, published_size = $11, published_root = $12, published_time = $3, published_checkpoint = $13`
    : '';
  const { rows } = await client.query<Row>(
    `WITH timing AS (SELECT set_config('statement_timeout', '0', true)),
     entries AS (INSERT INTO ${entry} (log, idx, time, hash, body)
       SELECT $1::integer, $2::bigint + place - 1, $3::bigint, hash, body
       FROM unnest($4::bytea[], $5::bytea[]) WITH ORDINALITY AS new (hash, body, place)),
     keys AS (INSERT INTO ${search} (log, key, idx) SELECT $1::integer, key, idx
       FROM unnest($6::bytea[], $7::bigint[]) AS new (key, idx)),
     tiles AS (INSERT INTO ${tile} (log, level, idx, hashes) SELECT $1::integer, level, idx, hashes
       FROM unnest($8::integer[], $9::bigint[], $10::bytea[]) AS new (level, idx, hashes)
       ON CONFLICT (log, level, idx) DO UPDATE SET hashes = excluded.hashes)
     UPDATE ${log} SET size = $11, root = $12, time = $3, checkpoint = $13 ${published}
     WHERE id = $1 AND size = $2 AND root = $14 RETURNING (SELECT set_config FROM timing)`,
    [
      number,
      before.size,
      time,
      entries.map((row) => buffer(row.leafHash)),
      entries.map((row) => buffer(row.body)),
      keys.map(({ key }) => buffer(key)),
      keys.map(({ index }) => index),
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => buffer(hashes)),
      head.size,
      buffer(head.root),
      head.checkpoint,
      buffer(before.root),
    ],
  );
  if (rows.length !== 1) throw new Error('the head of the log was moved by someone else');
}
