/**
 * Logs in PostgreSQL, shared by any number of processes. Each may add to a log: who does is decided by the lock on the
 * log's row, which waits in a queue and is gone with the connection of whoever holds it. The row is then only moved on
 * if it is still the one that was read, so that not even a process that was thought dead can write over others.
 *
 * Everything is qualified with the schema and set for one transaction, so that a pooler may stand in between.
 */
import type { Pool, PoolClient } from 'pg';
import { BoltsealError } from '../../../core/errors.ts';
import { isLogId, type LogStorage, type LogStore } from '../storage.ts';
import { beginOn, prove } from './postgres-append.ts';
import { buffer, bytes, databaseError, entryRow, headColumns, headsOf, type Row } from './postgres-rows.ts';
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

/** Milliseconds that making a connection may take. */
const connectTime = 10_000;

/** Logs that one process adds to at once, at most. */
const writers = 8;

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
      connectionTimeoutMillis: connectTime,
      idleTimeoutMillis: 60_000,
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
