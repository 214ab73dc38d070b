import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { startPostgres } from '../../../test/support/postgres.ts';
import type { Releases } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import { localSigner } from '../../keys/local-signer.ts';
import { type PostgresTufStorage, postgresTufStorage } from './postgres-storage.ts';
import { openTufRepository } from './repository.ts';
import type { TufRepository } from './tuf-repository.ts';

const day = 86_400_000;
const signer = localSigner(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey, 'a test key');
const signers = { root: [signer], targets: [signer], snapshot: [signer], timestamp: [signer] };
const runtime = { now: () => new Date(), log: () => {} };

const target = (text: string) => [{ name: 'trusted_root.json', bytes: utf8(text) }];

function open(storage: PostgresTufStorage): Promise<TufRepository> {
  return openTufRepository(runtime, {
    storage,
    signers,
    expires: { root: 365 * day, targets: 180 * day, snapshot: 30 * day, timestamp: 7 * day },
    resignEvery: day,
  });
}

/** Storages of several processes in a schema of its own. */
async function storages(
  t: Releases,
  url: string,
  schema: string,
  count: number,
): Promise<PostgresTufStorage[]> {
  const list = await Promise.all(Array.from({ length: count }, () => postgresTufStorage({ url, schema })));
  t.after(async () => void (await Promise.all(list.map((storage) => storage.close()))));
  return list;
}

async function share(t: Releases, url: string): Promise<void> {
  const list = await storages(t, url, 'share', 3);
  const all = await Promise.all(list.map(open));
  const [one, two, three] = all;
  assert.ok(one && two && three);
  assert.deepEqual(one.file('1.root.json')?.bytes, two.file('1.root.json')?.bytes);

  await Promise.all(
    Array.from({ length: 12 }, (_, index) => all[index % 3]?.setTargets(target(`text ${index}`))),
  );
  const timestamps = await Promise.all(all.map(async (each) => (await each.find('timestamp.json'))?.bytes));
  assert.deepEqual(timestamps, [timestamps[0], timestamps[0], timestamps[0]]);
  const versions = all.map((each) => each.status().versions);
  assert.deepEqual(versions, [versions[0], versions[0], versions[0]]);
  assert.ok(await three.find(`${versions[0]?.snapshot}.snapshot.json`));
  assert.equal(await three.find('2.root.json'), undefined);
  await one.rotate({ roles: {} });
  assert.deepEqual((await three.find('2.root.json'))?.bytes, one.file('2.root.json')?.bytes);

  const again = await open(list[1] as PostgresTufStorage);
  assert.deepEqual(again.status().versions, one.status().versions);
}

async function die(t: Releases, url: string): Promise<void> {
  const [first, second] = await storages(t, url, 'die', 2);
  assert.ok(first && second);
  const [one, two] = [await open(first), await open(second)];
  await one.setTargets(target('old'));
  const before = one.status().versions;
  const { default: pg } = await import('pg');
  const admin = new pg.Client({ connectionString: url });
  admin.on('error', () => {});
  await admin.connect();
  t.after(() => admin.end());
  await assert.rejects(
    first.exclusive(async (files) => {
      await files.write('9.root.json', utf8('half'));
      await files.write('timestamp.json', utf8('half'));
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'boltseal' AND state = 'idle in transaction'`,
      );
      await files.write('state.json', utf8('half'));
    }),
    (error) => isBoltsealError(error, 'ERR_SERVER_BUSY', 'ERR_SERVER_DATA'),
  );
  assert.equal(await first.read('9.root.json'), undefined);
  for (const each of [one, two]) {
    await each.find('timestamp.json');
    assert.deepEqual(each.status().versions, before);
  }
  assert.deepEqual(await two.setTargets(target('new')), { status: 'published' });
  await assert.rejects(
    first.exclusive(async (files) => {
      await files.remove('timestamp.json');
      throw new Error('a signer failed');
    }),
    /a signer failed/,
  );
  await one.find('timestamp.json');
  assert.deepEqual(one.status().versions, two.status().versions);
}

test('a repository in PostgreSQL', async (t) => {
  const server = await startPostgres(t, t);
  if (server === undefined) return;
  await t.test('is shared by processes', (inner) => share(inner, server.url));
  await t.test('shows nothing of what a process had not committed when it died', (inner) =>
    die(inner, server.url),
  );
});

test('a database that cannot be', async () => {
  await assert.rejects(postgresTufStorage({ url: 'postgresql://u@localhost/x?host=/nowhere' }), (error) =>
    isBoltsealError(error, 'ERR_SERVER_BUSY'),
  );
  await assert.rejects(postgresTufStorage({ url: 'postgresql://u@localhost/x', schema: 'a"b' }), (error) =>
    isBoltsealError(error, 'ERR_SERVER_CONFIG'),
  );
});
