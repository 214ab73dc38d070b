/**
 * The files of a TUF repository in PostgreSQL, for several processes behind one address: whichever a client asks, it
 * finds the same metadata, and a publication is one transaction.
 */
import type { Pool, PoolClient } from 'pg';
import { BoltsealError } from '../../core/errors.ts';
import { buffer, bytes, databaseError, type Row } from '../log/storage/postgres-rows.ts';
import { tablesIn } from '../log/storage/postgres-schema.ts';
import { checkFileName, type TufFiles, type TufStorage } from './storage.ts';

/** The database of a {@link postgresTufStorage}; the same as that of the logs. */
export interface PostgresTufOptions {
  /** A connection URI, as the logs have it. */
  readonly url: string;
  /** The schema the table is in, `boltseal` unless told; made when it is not there. */
  readonly schema?: string | undefined;
}

/** A storage that holds connections. */
export interface PostgresTufStorage extends TufStorage {
  close(): Promise<void>;
}

/** Milliseconds that a connection, waiting for another process, a statement, and signing may take. */
const times = { connect: 10_000, lock: 30_000, statement: 15_000, idle: 60_000 } as const;

/** The numbers are arbitrary: the first is that of the logs, which make the schema under it too. */
const locks = { create: 7_310_579_623n, write: 7_310_579_624n } as const;

const beginning = `BEGIN;
  SET LOCAL lock_timeout = ${times.lock};
  SET LOCAL statement_timeout = ${times.statement};
  SET LOCAL idle_in_transaction_session_timeout = ${times.idle};
  SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END;`;

/**
 * Opens a database and makes the table unless it is there. Throws `ERR_SERVER_CONFIG` for a URL or schema that cannot
 * be, `ERR_SERVER_BUSY` when the database cannot be reached, and `ERR_SERVER_DATA` when it refuses.
 */
export async function postgresTufStorage(options: PostgresTufOptions): Promise<PostgresTufStorage> {
  const { schema } = tablesIn(options.schema ?? 'boltseal');
  const table = `${schema}.tuf_file`;
  const pool = await openPool(options.url);
  try {
    await inTransaction(pool, locks.create, (query) => createTable(query, schema, table));
  } catch (error) {
    await pool.end();
    throw error;
  }
  const reader = filesIn(table, (text, values) => queryOn(pool, text, values));
  return {
    isShared: true,
    list: reader.list,
    read: reader.read,
    exclusive: (work) => inTransaction(pool, locks.write, (query) => work(filesIn(table, query))),
    close: () => pool.end(),
  };
}

async function openPool(url: string): Promise<Pool> {
  const { default: pg } = await import('pg');
  try {
    const pool = new pg.Pool({
      connectionString: url,
      max: 3,
      connectionTimeoutMillis: times.connect,
      keepAlive: true,
      application_name: 'boltseal',
    });
    // Without listeners a connection that breaks between two statements would end the process.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    return pool;
  } catch (cause) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'the URL of the database is not one of PostgreSQL', {
      cause,
    });
  }
}

type Query = (text: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

async function queryOn(
  client: Pool | PoolClient,
  text: string,
  values?: readonly unknown[],
): Promise<readonly Row[]> {
  try {
    return (await client.query<Row>(text, values === undefined ? undefined : [...values])).rows;
  } catch (error) {
    throw databaseError(error);
  }
}

/** Runs `work` in a transaction that waits for the others that hold `lock`. Throws what `work` and the database throw. */
async function inTransaction<T>(pool: Pool, lock: bigint, work: (query: Query) => Promise<T>): Promise<T> {
  let client: PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw databaseError(error);
  }
  try {
    await queryOn(client, `${beginning} SELECT pg_advisory_xact_lock(${lock})`);
    const result = await work((text, values) => queryOn(client, text, values));
    await commitOn(client);
    client.release();
    return result;
  } catch (error) {
    // The transaction ends with the connection.
    client.release(true);
    throw error;
  }
}

/** A transaction in which a statement has failed is answered with another word. */
async function commitOn(client: PoolClient): Promise<void> {
  let command: string;
  try {
    ({ command } = await client.query('COMMIT'));
  } catch (error) {
    throw databaseError(error);
  }
  if (command !== 'COMMIT') {
    throw new BoltsealError('ERR_SERVER_DATA', `the database answered ${command} to COMMIT`);
  }
}

async function createTable(query: Query, schema: string, table: string): Promise<void> {
  const found = await query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema.slice(1, -1)]);
  if (found.length === 0) await query(`CREATE SCHEMA ${schema}`);
  await query(`CREATE TABLE IF NOT EXISTS ${table} (name text PRIMARY KEY, content bytea NOT NULL)`);
}

function filesIn(table: string, query: Query): TufFiles {
  return {
    async list() {
      const rows = await query(`SELECT name FROM ${table} ORDER BY name`);
      return rows.map((row) => String(row['name']));
    },
    async read(name) {
      const [row] = await query(`SELECT content FROM ${table} WHERE name = $1`, [name]);
      return row && bytes(row['content']);
    },
    async write(name, content) {
      checkFileName(name);
      await query(
        `INSERT INTO ${table} (name, content) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET content = EXCLUDED.content`,
        [name, buffer(content)],
      );
    },
    async remove(name) {
      await query(`DELETE FROM ${table} WHERE name = $1`, [name]);
    },
  };
}
