/** What only the PostgreSQL storage of logs does: several processes, connections that break, commits nobody hears of. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import pg from 'pg';
import { utf8 } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { verifyConsistency, verifyInclusion } from '../../src/formats/merkle.ts';
import { noteSigner } from '../../src/formats/note-keys.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { openLog } from '../../src/server/log/engine.ts';
import type { AddedEntry, NewEntry, TransparencyLog } from '../../src/server/log/log.ts';
import { postgresStorage } from '../../src/server/log/storage/postgres.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const origin = 'log.example.com';
const key = noteSigner(origin, localSigner(generateKeyPairSync('ed25519').privateKey, 'the key'));

let server: PostgresServer | undefined;
const ends: (() => Promise<void>)[] = [];
let schemas = 0;

function entry(text: string): NewEntry {
  const body = utf8(text);
  return { placeless: true, build: () => ({ leaf: body, body }) };
}

/** An entry that is another one at every place. */
function placed(text: string): NewEntry {
  return {
    placeless: false,
    build: ({ index, time }) => ({ leaf: utf8(`${text} ${index} ${time}`), body: utf8(text) }),
  };
}

/** Opens the log in `schema` as a process of its own would. */
async function open(t: TestContext, schema: string, url = server?.url ?? ''): Promise<TransparencyLog> {
  const storage = await postgresStorage({ url, schema });
  const log = await openLog(createRuntime(), { storage, id: 'log', origin, key });
  t.after(async () => {
    await log.close();
    await storage.close();
  });
  return log;
}

async function sql(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server?.url });
  await client.connect();
  try {
    const result = await client.query(text);
    return result.rows;
  } finally {
    await client.end();
  }
}

async function checkAdded(log: TransparencyLog, { index, leafHash, head }: AddedEntry): Promise<void> {
  verifyInclusion(leafHash, index, head.size, await log.inclusionProof(index, head.size), head.root);
}

/** How a proxy treats what passes. */
interface Proxy {
  readonly url: string;
  /** The next COMMIT reaches the server, and its answer nobody: or not even the server. */
  cut(when: 'before commit' | 'after commit'): void;
  readonly cuts: () => number;
}

/** A proxy in front of the server that breaks connections at commits. */
async function startProxy(t: TestContext): Promise<Proxy> {
  const folder = await temporaryDirectory(t);
  const target = join(new URL(server?.url ?? '').searchParams.get('host') ?? '', '.s.PGSQL.5432');
  let mode: 'before commit' | 'after commit' | undefined;
  let cuts = 0;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = createConnection(target);
    let isCut = false;
    sockets.add(client);
    client.on('close', () => upstream.destroy());
    client.on('error', () => undefined);
    upstream.on('error', () => undefined);
    upstream.on('close', () => client.destroy());
    client.on('data', (chunk) => {
      if (mode !== undefined && chunk.includes('COMMIT')) {
        cuts++;
        isCut = mode === 'after commit';
        const before = mode === 'before commit';
        mode = undefined;
        if (before) {
          client.destroy();
          return;
        }
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (isCut) client.destroy();
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(join(folder, '.s.PGSQL.5432'), resolve));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return {
    url: `postgresql://boltseal@localhost/postgres?host=${encodeURIComponent(folder)}`,
    cut: (when) => {
      mode = when;
    },
    cuts: () => cuts,
  };
}

describe('PostgreSQL', () => {
  before(async (t) => {
    server = await startPostgres(t as TestContext, { after: (end) => ends.push(end) });
  });
  after(async () => {
    for (const end of ends) await end();
  });

  it('is written by many processes at once', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `many_${++schemas}`;
    const logs = await Promise.all(Array.from({ length: 4 }, () => open(t, schema)));
    const added = await Promise.all(
      Array.from({ length: 1_200 }, async (_, n) => {
        const log = logs[n % logs.length] as TransparencyLog;
        // Every tenth is added by all of them.
        return { log, added: await log.add(entry(`entry ${n % 10 === 0 ? 'shared' : n}`)) };
      }),
    );
    for (const one of added) await checkAdded(one.log, one.added);
    const fresh = added.filter((one) => !one.added.existing);
    assert.equal(fresh.length, 1_081);
    assert.equal(new Set(fresh.map((one) => one.added.index)).size, 1_081);
    const heads = await Promise.all(logs.map((log) => log.head()));
    assert.deepEqual(
      heads.map(({ size }) => size),
      [1_081, 1_081, 1_081, 1_081],
    );
    // Every head that was given out is of the one log.
    const [first] = logs as [TransparencyLog];
    for (const { head } of added.map((one) => one.added)) {
      const proof = await first.consistencyProof(head.size, 1_081);
      verifyConsistency(head.size, 1_081, proof, head.root, heads[0]?.root ?? new Uint8Array());
    }
  });

  it('shows at once what another process wrote', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `seen_${++schemas}`;
    const [one, two] = [await open(t, schema), await open(t, schema)];
    for (let n = 0; n < 5; n++) {
      const { index, leafHash, head } = await one.add(entry(`entry ${n}`));
      assert.equal((await two.entry(index))?.index, index);
      assert.equal((await two.entryByHash(leafHash))?.index, index);
      assert.equal((await two.tile(0, 0, index + 1))?.length, (index + 1) * 32);
      assert.equal((await two.entries(index, index + 1)).length, 1);
      verifyInclusion(leafHash, index, head.size, await two.inclusionProof(index, head.size), head.root);
    }
    assert.deepEqual(await two.head(), await one.head());
  });

  it('follows a process that is far ahead', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `far_${++schemas}`;
    const [one, two, three] = [await open(t, schema), await open(t, schema), await open(t, schema)];
    await one.add(entry('first'));
    const [before] = await Promise.all([two.head(), three.head()]);
    for (let round = 0; round < 6; round++) {
      await Promise.all(Array.from({ length: 3_000 }, (_, n) => one.add(entry(`${round} ${n}`))));
    }
    const head = await two.head();
    assert.equal(head.size, 18_001);
    verifyConsistency(1, head.size, await two.consistencyProof(1, head.size), before.root, head.root);
    const added = await three.add(entry('last'));
    assert.equal(added.index, 18_001);
    await checkAdded(three, added);
  });

  for (const when of ['before commit', 'after commit'] as const) {
    it(`finds out what became of a commit whose connection broke ${when}`, async (t) => {
      if (server === undefined) return t.skip('skipped: no PostgreSQL');
      const schema = `cut_${++schemas}`;
      const proxy = await startProxy(t);
      const log = await open(t, schema, proxy.url);
      const other = await open(t, schema);
      await log.add(entry('first'));
      for (let round = 1; round <= 3; round++) {
        proxy.cut(when);
        const added = await Promise.all([log.add(entry(`a ${round}`)), log.add(placed(`b ${round}`))]);
        assert.equal(proxy.cuts(), round);
        assert.deepEqual(
          added.map(({ existing }) => existing),
          [false, false],
        );
        for (const one of added) await checkAdded(other, one);
        assert.equal((await other.head()).size, 1 + 2 * round);
      }
      assert.deepEqual(await log.head(), await other.head());
    });
  }

  it('takes over from a process that dies in the middle', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `dies_${++schemas}`;
    const log = await open(t, schema);
    const storage = await postgresStorage({ url: server.url, schema });
    t.after(() => storage.close());
    const held = await (await storage.log('log')).begin(0, []);
    let isAdded = false;
    const adding = log.add(entry('a')).then((added) => {
      isAdded = true;
      return added;
    });
    // It waits for the other's lock …
    await until(async () => (await waiting(schema)) > 0);
    assert.equal(isAdded, false);
    // … until that is gone.
    await sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'`);
    assert.equal((await adding).index, 0);
    await assert.rejects(
      held.commit({
        time: 1,
        entries: [],
        tiles: [],
        head: { size: 1, root: new Uint8Array(32), time: 1, checkpoint: 'forged' },
        publish: true,
      }),
    );
    await held.release();
    assert.equal((await log.head()).size, 1);
  });

  it('answers busy while the server is away, and goes on when it is back', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `away_${++schemas}`;
    const log = await open(t, schema);
    const first = await log.add(entry('first'));
    await server.kill();
    await assert.rejects(log.add(entry('lost')), (error) => isBoltsealError(error, 'ERR_SERVER_BUSY'));
    await assert.rejects(log.head(), (error) => isBoltsealError(error, 'ERR_SERVER_BUSY'));
    await server.start();
    const second = await log.add(entry('second'));
    assert.deepEqual([first.index, second.index], [0, 1]);
    await checkAdded(log, second);
  });

  it('stops when the database goes back', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `back_${++schemas}`;
    const [reader, writer] = [await open(t, schema), await open(t, schema)];
    await writer.add(entry('first'));
    await sql(`CREATE TABLE ${schema}.backup AS SELECT * FROM ${schema}.log`);
    await writer.add(entry('second'));
    assert.equal((await reader.head()).size, 2);
    const columns = ['size', 'root', 'time', 'checkpoint'].flatMap((name) => [name, `published_${name}`]);
    await sql(`UPDATE ${schema}.log SET ${columns.map((name) => `${name} = b.${name}`).join(', ')}
      FROM ${schema}.backup b; DELETE FROM ${schema}.entry WHERE idx > 0`);
    await assert.rejects(reader.head(), (error) => isBoltsealError(error, 'ERR_LOG_ROLLBACK'));
    await assert.rejects(writer.add(entry('third')), (error) => isBoltsealError(error, 'ERR_LOG_STOPPED'));
    await assert.rejects(writer.add(entry('third')), (error) => isBoltsealError(error, 'ERR_LOG_STOPPED'));
    await assert.rejects(writer.head(), (error) => isBoltsealError(error, 'ERR_LOG_ROLLBACK'));
    // Another log with as many entries is noticed too.
    const third = await open(t, schema);
    await third.add(entry('another second'));
    await assert.rejects(reader.head(), (error) => isBoltsealError(error, 'ERR_LOG_ROLLBACK'));
  });

  it('refuses a database that does not keep commits, and one of a newer version', async (t) => {
    if (server === undefined) return t.skip('skipped: no PostgreSQL');
    const schema = `newer_${++schemas}`;
    await (await postgresStorage({ url: server.url, schema })).close();
    await sql(`UPDATE ${schema}.version SET version = 99`);
    await assert.rejects(postgresStorage({ url: server.url, schema }), (error) =>
      isBoltsealError(error, 'ERR_SERVER_DATA'),
    );
    await assert.rejects(postgresStorage({ url: server.url, schema: 'a"b' }), (error) =>
      isBoltsealError(error, 'ERR_SERVER_CONFIG'),
    );
    await assert.rejects(postgresStorage({ url: `${server.url}-nowhere` }), (error) =>
      isBoltsealError(error, 'ERR_SERVER_BUSY'),
    );
  });
});

/** Transactions that wait for a lock of the log in `schema`. */
async function waiting(schema: string): Promise<number> {
  const [row] = await sql(
    `SELECT count(*) AS count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%${schema}%'`,
  );
  return Number(row?.['count']);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
