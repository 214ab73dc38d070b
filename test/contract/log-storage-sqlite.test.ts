/** What only the SQLite storage of logs does. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isBoltsealError } from '../../src/core/errors.ts';
import { emptyRoot } from '../../src/formats/merkle.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const empty = { size: 0, root: emptyRoot, time: 0, checkpoint: '' };
const inUse = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_DATA');

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
