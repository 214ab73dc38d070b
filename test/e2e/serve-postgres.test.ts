/** Several processes of one private Sigstore on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCheckpoint } from '../../src/formats/checkpoint.ts';
import { verifyConsistency } from '../../src/formats/merkle.ts';
import { startPostgres } from '../support/postgres.ts';
import { addRekorEntry } from '../support/rekor-entry.ts';
import { runInProcess } from '../support/run-cli.ts';
import { serve } from '../support/serve.ts';
import { temporaryDirectory } from '../support/temporary.ts';

test('two processes share logs and trust root, and one goes on without the other', async (t) => {
  const database = await startPostgres(t, t);
  if (database === undefined) return;
  const folder = await temporaryDirectory(t);
  const start = async (name: string) => {
    const config = join(folder, `${name}.yaml`);
    const settings = { data: join(folder, name), storage: { type: 'postgres', url: 'env://DATABASE' } };
    await writeFile(config, JSON.stringify(settings));
    const serving = await serve(t, ['--config', config, '--listen', '127.0.0.1:0'], {
      BOLTSEAL_PASSWORD: '',
      DATABASE: database.url,
    });
    assert.ok(serving.url !== undefined, serving.printed().stderr);
    return { ...serving, url: serving.url };
  };
  const first = await start('first');
  await mkdir(join(folder, 'second'));
  await cp(join(folder, 'first', 'sigstore'), join(folder, 'second', 'sigstore'), { recursive: true });
  const second = await start('second');

  const adding = Array.from({ length: 40 }, (_, index) =>
    addRekorEntry(index % 2 === 0 ? first.url : second.url),
  );
  const entries = await Promise.all(adding);
  assert.deepEqual(
    entries.map(({ logIndex }) => logIndex).sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, index) => index),
  );
  for (const { id } of entries.slice(0, 4)) {
    for (const { url } of [first, second]) {
      assert.equal((await fetch(`${url}/rekor/api/v1/log/entries/${id}`)).status, 200);
    }
  }
  const timestamps = await Promise.all(
    [first, second].map(async ({ url }) => (await fetch(`${url}/tuf/timestamp.json`)).text()),
  );
  assert.equal(timestamps[0], timestamps[1]);

  const before = await checkpoint(first.url);
  await first.stop();
  await addRekorEntry(second.url);
  const after = await checkpoint(second.url);
  assert.equal(after.size, 41);
  const proof = await fetch(
    `${second.url}/rekor/api/v1/log/proof?firstSize=${before.size}&lastSize=${after.size}`,
  );
  const { hashes } = (await proof.json()) as { hashes: readonly string[] };
  const nodes = hashes.map((hash) => new Uint8Array(Buffer.from(hash, 'hex')));
  verifyConsistency(before.size, after.size, nodes, before.root, after.root);
  await second.stop();

  const rotated = await runInProcess(['serve', 'rotate', 'rekor', '--config', join(folder, 'second.yaml')], {
    env: { BOLTSEAL_PASSWORD: '', DATABASE: database.url },
  });
  assert.equal(rotated.code, 0, rotated.stderr);
  const third = await start('second');
  assert.equal((await addRekorEntry(third.url)).logIndex, 41);
});

async function checkpoint(url: string): Promise<ReturnType<typeof parseCheckpoint>> {
  const info = (await (await fetch(`${url}/rekor/api/v1/log`)).json()) as { signedTreeHead: string };
  return parseCheckpoint(info.signedTreeHead);
}
