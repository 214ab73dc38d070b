/** Signatures whose log could not be reached, finished later by `boltseal log submit`: the real programs take them then. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { checkSection, observations, table } from './page.ts';
import { keyPair, newImage, verifyImage } from './sigstore-image-peers.ts';
import { blobPeers, type LogVersion, signingConfigOf } from './sigstore-peers.ts';
import { email, initialized, type SigstoreSession, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
const found = observations();

/** A signing configuration whose log is one that nobody answers for. */
async function downConfig(open: SigstoreSession, log: LogVersion): Promise<string> {
  const text = await readFile(await signingConfigOf(open, log), 'utf8');
  const url = `${open.server.url}/${log === 'Rekor v1' ? 'rekor' : 'rekor2'}`;
  assert.ok(text.includes(url));
  return open.file(`down-${log}.json`, text.replaceAll(url, 'http://127.0.0.1:1/rekor'));
}

test('the first entry of the log, which cosign 2 takes for missing, is nobody’s here', async (t) => {
  const open = await session(t);
  if (open !== undefined) await blobPeers.Boltseal.sign(open, 'Rekor v1', 'blob');
});

describe('a log that is down', { concurrency: 3 }, () => {
  for (const log of ['Rekor v1', 'Rekor v2'] as const) {
    const imageRow = found.expect(`\`boltseal sign --defer-log FILE\`, then \`log submit FILE\`, ${log}`);
    const blobRow = found.expect(`the same with \`sign-blob\`, ${log}`);
    const readers = log === 'Rekor v1' ? (['cosign 3', 'cosign 2'] as const) : (['cosign 3'] as const);
    test(`images and files, ${log}`, async (t) => {
      const open = await session(t);
      if (open === undefined) return;
      await initialized(open);
      const { boltseal } = open.clients;
      const image = await newImage(open);
      const deferred = join(open.folder, `deferred-${log}.json`);
      const defer = ['--signing-config', await downConfig(open, log), '--defer-log', deferred];
      const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
      await boltseal.must(['sign', ...defer, '-a', 'env=prod', image.reference], token);
      const blob = await open.file(`later-${log}`, `signed while ${log} was down\n`);
      const bundle = join(open.folder, `later-${log}.bundle`);
      await boltseal.must(['sign-blob', ...defer, '--bundle', bundle, blob], token);

      const before = await verifyImage(open, 'cosign 3', image, { who: 'identity' });
      assert.match(before?.message ?? '', /no signatures found/);
      const unlogged = await blobPeers['cosign 3'].verify(open, 'blob', { blob, bundle });
      assert.match(unlogged.message, /not enough verified log entries|no such file/);

      await boltseal.must(['log', 'submit', '--signing-config', await signingConfigOf(open, log), deferred]);
      for (const reader of ['Boltseal', ...readers] as const) {
        const verified = await verifyImage(open, reader, image, { who: 'identity' });
        assert.ok(verified?.ok, `${reader}: ${verified?.message}`);
        const { ok, message } = await blobPeers[reader].verify(open, 'blob', { blob, bundle });
        assert.ok(ok, `${reader}: ${message}`);
      }
      const all = ['Boltseal', ...readers].join(', ');
      imageRow.observed(`nothing is published before; then ${all} verify it`);
      blobRow.observed(`refused for want of an entry before; then ${all} verify it`);
    });
  }

  const row = found.expect('the same with a key, `sign --key K --log private --defer-log FILE`');
  test('an image signed with a key', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    await initialized(open);
    const { boltseal } = open.clients;
    const { key } = await keyPair(open);
    const image = await newImage(open);
    const deferred = join(open.folder, 'deferred-key.json');
    const defer = ['--signing-config', await downConfig(open, 'Rekor v1'), '--defer-log', deferred];
    const signing = ['sign', '--key', key, ...defer, '-a', 'env=prod', image.reference];
    await boltseal.must(signing, { COSIGN_PASSWORD: '' });
    await boltseal.must(['log', 'submit', deferred]);
    for (const reader of [
      'Boltseal',
      'cosign 3',
      'cosign 2',
      'skopeo',
      'sigstore-go',
      'npm sigstore',
    ] as const) {
      const verified = await verifyImage(open, reader, image, { who: 'key' });
      assert.ok(verified?.ok, `${reader}: ${verified?.message}`);
    }
    row.observed('Boltseal, cosign 3, cosign 2, skopeo, sigstore-go and npm sigstore verify it');
  });
});

describe('an attestation', () => {
  const row = found.expect('the same with `attest`, Rekor v1');
  test('of an image', async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    await initialized(open);
    const { boltseal, cosign3, cosign2 } = open.clients;
    const image = await newImage(open);
    const deferred = join(open.folder, 'deferred-attestation.json');
    const defer = ['--signing-config', await downConfig(open, 'Rekor v1'), '--defer-log', deferred];
    const said = ['--predicate', await open.file('note.txt', 'reviewed\n'), '--type', 'custom'];
    const token = { SIGSTORE_ID_TOKEN: await open.server.token(email) };
    await boltseal.must(['attest', ...defer, ...said, image.reference], token);
    const who = ['--certificate-identity', email, '--certificate-oidc-issuer', open.server.url];
    const verify = ['verify-attestation', ...who, '--type', 'custom'];
    assert.equal((await boltseal.run([...verify, image.reference])).code, 10);
    await boltseal.must(['log', 'submit', deferred]);
    await boltseal.must([...verify, image.reference]);
    await cosign3.must([...verify, image.reference]);
    await cosign2.must([...verify, '--rekor-url', `${open.server.url}/rekor`, image.reference]);
    row.observed('nothing is published before; then Boltseal, cosign 3, cosign 2 verify it');
  });
});

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  const text = 'Signed while the log cannot be reached, and logged later:';
  await checkSection('later', `${text}\n\n${table(['Command', 'Outcome'], found.rows())}`);
});
