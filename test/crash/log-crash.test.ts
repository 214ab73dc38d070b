/** The short form of the crash tests; `tools/crash.ts` runs the long one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPostgres } from '../support/postgres.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { crashPostgres, crashSqlite } from './crash.ts';

test('a log on SQLite whose process is killed under load loses nothing it acknowledged', async (t) => {
  const summary = await crashSqlite({ folder: await temporaryDirectory(t), kills: 6 });
  assert.ok(summary.answers > 100 && summary.entries > 100, JSON.stringify(summary));
});

test('a log on PostgreSQL goes on when a writer or the server is killed, and loses nothing', async (t) => {
  const server = await startPostgres(t, t);
  if (server === undefined) return;
  const folder = await temporaryDirectory(t);
  const summary = await crashPostgres({ folder, server, kills: 4, writers: 2, serverEvery: 2 });
  assert.equal(summary.serverKills, 2);
  assert.ok(summary.answers > 100 && summary.entries > 100, JSON.stringify(summary));
});
