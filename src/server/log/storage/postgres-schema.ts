/** The tables of logs in PostgreSQL. */
import type { PoolClient } from 'pg';
import { BoltsealError } from '../../../core/errors.ts';

/** The names of the tables, with their schema. */
export interface Tables {
  readonly schema: string;
  readonly log: string;
  readonly entry: string;
  readonly tile: string;
  readonly search: string;
  readonly version: string;
}

/** The version of the tables below. */
const schemaVersion = 1;

/** The tables in `schema`. Throws `ERR_SERVER_CONFIG` for a name that would have to be quoted. */
export function tablesIn(schema: string): Tables {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      `not a name of a schema: ${JSON.stringify(schema.slice(0, 100))}`,
      {
        hint: 'Lower-case letters, digits and underscores are allowed.',
      },
    );
  }
  const quoted = `"${schema}"`;
  return {
    schema: quoted,
    log: `${quoted}.log`,
    entry: `${quoted}.entry`,
    tile: `${quoted}.tile`,
    search: `${quoted}.search`,
    version: `${quoted}.version`,
  };
}

/**
 * Bodies up to 8 KB stay in their row and nothing is compressed: hashes cannot be, and bodies are mostly signatures. The
 * row of a log changes with every batch; the room left beside it lets PostgreSQL do that in place.
 */
function statements({ log, entry, tile, search }: Tables): string {
  return `
CREATE TABLE ${log} (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,
  size bigint NOT NULL, root bytea NOT NULL, time bigint NOT NULL, checkpoint text NOT NULL,
  published_size bigint NOT NULL, published_root bytea NOT NULL, published_time bigint NOT NULL,
  published_checkpoint text NOT NULL
) WITH (fillfactor = 10);
CREATE TABLE ${entry} (
  log integer NOT NULL, idx bigint NOT NULL, time bigint NOT NULL, hash bytea NOT NULL, body bytea NOT NULL,
  PRIMARY KEY (log, idx), UNIQUE (log, hash)
) WITH (toast_tuple_target = 8160);
ALTER TABLE ${entry} ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE ${tile} (
  log integer NOT NULL, level integer NOT NULL, idx bigint NOT NULL, hashes bytea NOT NULL,
  PRIMARY KEY (log, level, idx)
);
ALTER TABLE ${tile} ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE TABLE ${search} (
  log integer NOT NULL, key bytea NOT NULL, idx bigint NOT NULL, PRIMARY KEY (log, key, idx)
);`;
}

/**
 * Creates the tables unless they are there, one process at a time. Throws `ERR_SERVER_CONFIG` when the database does not
 * make commits durable, `ERR_SERVER_DATA` when the tables are of a newer Boltseal.
 */
export async function createTables(client: PoolClient, tables: Tables): Promise<void> {
  const { rows: settings } = await client.query<{ readonly fsync: string }>(
    "SELECT current_setting('fsync') AS fsync",
  );
  if (settings[0]?.fsync !== 'on') {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'the database runs with fsync = off', {
      hint: 'A log whose database loses commits contradicts what it signed. Set fsync = on.',
    });
  }
  // The number is arbitrary; it keeps two processes from creating the tables at once.
  await client.query('BEGIN; SELECT pg_advisory_xact_lock(7310579623)');
  const { rows } = await client.query<{ readonly version: string | null }>(
    'SELECT to_regclass($1)::text AS version',
    [tables.version],
  );
  if (rows[0]?.version === null) {
    const { rows: found } = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [
      tables.schema.slice(1, -1),
    ]);
    if (found.length === 0) await client.query(`CREATE SCHEMA ${tables.schema}`);
    await client.query(
      `CREATE TABLE ${tables.version} (version integer NOT NULL); INSERT INTO ${tables.version} VALUES (${schemaVersion});
       ${statements(tables)}`,
    );
  } else {
    const { rows: versions } = await client.query<{ readonly version: number }>(
      `SELECT version FROM ${tables.version}`,
    );
    if (versions[0]?.version !== schemaVersion) {
      throw new BoltsealError('ERR_SERVER_DATA', 'the database was written by a newer Boltseal');
    }
  }
  await client.query('COMMIT');
}
