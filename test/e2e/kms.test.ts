/** Keys in a key management service from the command line, with the protocol of Vault on a server of this machine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { listen } from '../../src/node/http-server.ts';
import { useEmbeddedRegistry } from '../support/embedded-registry.ts';
import { cleanEnvironment } from '../support/programs.ts';
import { type CliResult, runInProcess } from '../support/run-cli.ts';
import { type PushedManifest, pushSmallImage } from '../support/small-image.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { createTestTransit, type TestTransit } from '../support/vault-transit.ts';
import { startCli } from './support/cli-process.ts';

const token = 'hvs.nobody-may-see-this';

interface Bench {
  readonly transit: TestTransit;
  readonly folder: string;
  run(...words: readonly string[]): Promise<CliResult>;
  push(): Promise<PushedManifest>;
}

async function open(t: TestContext): Promise<Bench> {
  const transit = createTestTransit({ token });
  const [folder, vault, registry] = await Promise.all([
    temporaryDirectory(t),
    listen(transit),
    useEmbeddedRegistry(t),
  ]);
  t.after(() => vault.close());
  let images = 0;
  const env = { VAULT_ADDR: vault.url, VAULT_TOKEN: token, HOME: folder };
  return {
    transit,
    folder,
    async run(...words) {
      const result = await runInProcess(words, { env });
      assert.ok(!`${result.stdout}${result.stderr}`.includes(token), result.stderr);
      return result;
    },
    push: () => pushSmallImage(registry, `acme/image${++images}`),
  };
}

function succeeded(result: CliResult): CliResult {
  assert.equal(result.code, 0, result.stderr);
  return result;
}

test('a key is made, signs, and verifies; the reference printed is that of its version', async (t) => {
  const { run, push, folder } = await open(t);
  const prefix = join(folder, 'release');
  const make = ['generate-key-pair', '--kms', 'hashivault://release', '--output-key-prefix', prefix];
  const made = succeeded(await run(...make));
  assert.equal(made.stdout, 'hashivault://release/1\n');
  const pem = await readFile(`${prefix}.pub`, 'utf8');
  assert.equal(succeeded(await run('public-key', '--key', 'hashivault://release')).stdout, pem);

  const image = await push();
  const signed = succeeded(await run('sign', '--key', 'hashivault://release', image.reference));
  assert.ok(signed.stderr.includes('signed with: hashivault://release/1\n'), signed.stderr);
  assert.ok(
    signed.stderr.includes(`verify with: boltseal verify --key hashivault://release ${image.reference}\n`),
  );
  for (const key of ['hashivault://release', 'hashivault://release/1', `${prefix}.pub`]) {
    succeeded(await run('verify', '--key', key, image.reference));
  }
  const json = succeeded(await run('sign', '--key', 'hashivault://release', '-o', 'json', image.reference));
  assert.equal(JSON.parse(json.stdout).keyReference, 'hashivault://release/1');

  const [artifact, bundle] = [join(folder, 'artifact'), join(folder, 'bundle')];
  await writeFile(artifact, 'what is signed');
  const blob = ['--key', 'hashivault://release', '--bundle', bundle, artifact];
  const file = succeeded(await run('sign-blob', ...blob));
  assert.ok(file.stderr.includes('signed with: hashivault://release/1\n'), file.stderr);
  succeeded(await run('verify-blob', ...blob));
});

test('a file that is there is overwritten only after a yes, and before a key is made', async (t) => {
  const { run, folder } = await open(t);
  const prefix = join(folder, 'release');
  const make = ['generate-key-pair', '--kms', 'hashivault://release', '--output-key-prefix', prefix];
  await writeFile(`${prefix}.pub`, 'something else');
  const refused = await run(...make);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /ERR_FILE_EXISTS/);
  const missing = await run('public-key', '--key', 'hashivault://release');
  assert.match(missing.stderr, /ERR_KEY_NOT_FOUND/);
  const made = succeeded(await run(...make, '--yes', '--key-type', 'ed25519', '-o', 'json'));
  const { schema, reference, keyType, publicKey, publicKeyFile } = JSON.parse(made.stdout);
  assert.deepEqual(
    [schema, reference, keyType, publicKeyFile],
    ['boltseal.generate-key-pair/1', 'hashivault://release/1', 'ed25519', `${prefix}.pub`],
  );
  assert.equal(await readFile(`${prefix}.pub`, 'utf8'), publicKey);
});

test('a key that was rotated still verifies what it signed before', async (t) => {
  const { run, push, transit } = await open(t);
  transit.make('release', 'ecdsa-p256');
  const [before, after] = [await push(), await push()];
  succeeded(await run('sign', '--key', 'hashivault://release', before.reference));
  transit.rotate('release');
  const signed = succeeded(await run('sign', '--key', 'hashivault://release', after.reference));
  assert.ok(signed.stderr.includes('signed with: hashivault://release/2\n'), signed.stderr);
  succeeded(await run('verify', '--key', 'hashivault://release', before.reference, after.reference));
  succeeded(await run('verify', '--key', 'hashivault://release/1', before.reference));
  const wrong = await run('verify', '--key', 'hashivault://release/1', after.reference);
  assert.equal(wrong.code, 12, wrong.stderr);
  // Taken back.
  transit.set('release', { min_decryption_version: 2 });
  assert.equal((await run('verify', '--key', 'hashivault://release', before.reference)).code, 12);
  succeeded(await run('verify', '--key', 'hashivault://release', after.reference));
});

test('places that make no keys_fail', async (t) => {
  const { run } = await open(t);
  for (const kms of ['env://KEY', 'cosign.key', '-', 'https://example.com/cosign.pub']) {
    const refused = await run('generate-key-pair', '--kms', kms);
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /ERR_USAGE/);
  }
  const versioned = await run('generate-key-pair', '--kms', 'hashivault://release/1');
  assert.match(versioned.stderr, /ERR_USAGE/);
});

test('a service that does not answer is given up with Ctrl-C', async (t) => {
  const home = await temporaryDirectory(t);
  const server = createServer();
  const asked = once(server, 'request');
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { ...(await cleanEnvironment(home)), VAULT_ADDR: url, VAULT_TOKEN: token };
  const cli = startCli(t, ['public-key', '--key', 'hashivault://release'], { env });
  await asked;
  cli.child.kill('SIGINT');
  const { code, stderr } = await cli.ended();
  assert.equal(code, 130, stderr);
  assert.ok(!stderr.includes(token));
});
