/** Appending to a log in PostgreSQL: the lock, the batch, the commit. */
import type { PoolClient, QueryResult } from 'pg';
import { BoltsealError } from '../../../core/errors.ts';
import {
  type AppendTransaction,
  type AppendView,
  type Batch,
  LeafHashTaken,
  type StoredHead,
} from '../storage.ts';
import {
  buffer,
  bytes,
  codeOf,
  databaseError,
  entryRow,
  headColumns,
  headsOf,
  type Row,
} from './postgres-rows.ts';
import type { Tables } from './postgres-schema.ts';

/** Milliseconds that a transaction may wait for the lock, a statement may take, and a transaction may stand still. */
const times = { lock: 10_000, statement: 15_000, idle: 15_000 } as const;

/** Hashes of entries by others that are read at once in a transaction. */
const mostAdded = 16_384;

const uniqueViolation = '23505';

/** Waits until everything that is visible is as durable as the database makes it: what a commit of its own waits for. */
export async function prove(client: PoolClient, { log }: Tables, number: number): Promise<void> {
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

/**
 * Waits for the lock of the log with this number and reads what is needed to append to it. Takes over the connection.
 * `setUnproved` is called when the outcome of a commit is not known. Throws what the database throws.
 */
export async function beginOn(
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
    const heads = headsOf(row);
    view = { heads, ...(await readBatch(client, tables, log, known, heads.head, leafHashes)) };
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
