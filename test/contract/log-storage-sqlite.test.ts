/** What only the SQLite storage of logs does. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { utf8 } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { emptyRoot } from '../../src/formats/merkle.ts';
import { noteSigner } from '../../src/formats/note-keys.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import { type OpenLog, openLog } from '../../src/server/log/engine.ts';
import type { NewEntry } from '../../src/server/log/log.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const empty = { size: 0, root: emptyRoot, time: 0, checkpoint: '' };
const inUse = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_DATA');

function entry(text: string): NewEntry {
  const body = utf8(text);
  return { placeless: true, build: () => ({ leaf: body, body }) };
}

/** A log in `folder`, and a way to its database behind its back. */
async function openIn(t: TestContext, folder: string) {
  const key = noteSigner('log.example', localSigner(generateKeyPairSync('ed25519').privateKey, 'the key'));
  let close = async (): Promise<void> => undefined;
  const reopen = async (): Promise<OpenLog> => {
    const storage = await sqliteStorage({ folder });
    try {
      const log = await openLog(createRuntime(), { storage, id: 'log', origin: 'log.example', key });
      close = async () => {
        await log.close();
        await storage.close();
      };
      return log;
    } catch (error) {
      await storage.close();
      throw error;
    }
  };
  t.after(() => close());
  const sql = async (text: string): Promise<void> => {
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(join(folder, 'log.sqlite'));
    database.exec(text);
    database.close();
  };
  return { log: await reopen(), sql, reopen, close: () => close() };
}

/** A process that has `folder` open. */
async function holder(folder: string): Promise<ChildProcess> {
  const module = new URL('../../src/server/log/storage/sqlite.ts', import.meta.url).href;
  const script = `const { sqliteStorage } = await import(${JSON.stringify(module)});
    const storage = await sqliteStorage({ folder: ${JSON.stringify(folder)} });
    await storage.log('log');
    process.stdout.write('open');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout ?? child, 'data');
  return child;
}

describe('SQLite', () => {
  it('keeps a folder for one process, until that ends', async (t) => {
    const folder = await temporaryDirectory(t);
    const child = await holder(folder);
    t.after(async () => {
      child.kill('SIGKILL');
    });
    await assert.rejects(sqliteStorage({ folder }), inUse);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    const storage = await sqliteStorage({ folder });
    await assert.rejects(sqliteStorage({ folder }), inUse);
    await storage.close();
    await (await sqliteStorage({ folder })).close();
  });

  it('opens a log once', async (t) => {
    const storage = await sqliteStorage({ folder: await temporaryDirectory(t) });
    const store = await storage.log('log');
    await assert.rejects(storage.log('log'), inUse);
    await store.close();
    await (await storage.log('log')).close();
    await storage.close();
  });

  it('keeps logs in memory', async () => {
    const storage = await sqliteStorage('memory');
    const [one, two] = [await storage.log('one'), await storage.log('two')];
    await one.create(empty);
    assert.equal((await one.heads())?.head.size, 0);
    assert.equal(await two.heads(), undefined);
    await one.close();
    await two.close();
    await storage.close();
  });

  it('refuses what is no database, and one of a newer version', async (t) => {
    const folder = await temporaryDirectory(t);
    writeFileSync(
      join(folder, 'bad.sqlite'),
      'not a database, but long enough to be taken for one'.repeat(100),
    );
    const { DatabaseSync } = await import('node:sqlite');
    const newer = new DatabaseSync(join(folder, 'newer.sqlite'));
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    const storage = await sqliteStorage({ folder });
    await assert.rejects(storage.log('bad'), inUse);
    await assert.rejects(storage.log('newer'), inUse);
    await storage.close();
  });

  it('stops while it cannot write, and goes on when it can', async (t) => {
    const folder = await temporaryDirectory(t);
    const { log, sql } = await openIn(t, folder);
    await log.add(entry('first'));
    await sql(
      "CREATE TRIGGER broken BEFORE INSERT ON entry BEGIN SELECT RAISE (ABORT, 'the disk broke'); END",
    );
    const stopped = (error: unknown): boolean => isBoltsealError(error, 'ERR_LOG_STOPPED');
    await assert.rejects(log.add(entry('second')), stopped);
    assert.equal((await log.add(entry('first'))).existing, true);
    await assert.rejects(log.add(entry('second')), stopped);
    await sql('DROP TRIGGER broken');
    const { index, existing } = await log.add(entry('second'));
    assert.deepEqual([index, existing], [1, false]);
    assert.equal(log.isStopped, false);
  });

  it('notices damage', async (t) => {
    const folder = await temporaryDirectory(t);
    const { log, sql, close, reopen } = await openIn(t, folder);
    await Promise.all(Array.from({ length: 700 }, (_, n) => log.add(entry(`entry ${n}`))));
    await close();
    await sql('UPDATE tile SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 0');
    const damaged = await reopen();
    await assert.rejects(damaged.inclusionProof(3, 700), inUse);
    await assert.rejects(damaged.tile(0, 0, 256), inUse);
    assert.equal((await damaged.inclusionProof(300, 700)).length > 0, true);
    await close();
    await sql('UPDATE entry SET hash = zeroblob(32) WHERE idx = 699');
    await assert.rejects(reopen(), inUse);
    await sql('DELETE FROM entry WHERE idx = 699');
    await assert.rejects(reopen(), inUse);
    await sql('DELETE FROM tile WHERE level = 1');
    await assert.rejects(reopen(), inUse);
  });

  it('leaves one file of a log behind when it is closed', async (t) => {
    const folder = await temporaryDirectory(t);
    const storage = await sqliteStorage({ folder });
    const store = await storage.log('log');
    await store.create(empty);
    assert.ok((await readdir(folder)).includes('log.sqlite-wal'), 'a write-ahead log');
    await store.close();
    await storage.close();
    assert.deepEqual((await readdir(folder)).sort(), ['lock', 'log.sqlite']);
  });
});
