/** The transit engine of the tests, driven by hvac, a client of Vault that others wrote: what it is told is as it expects. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listen } from '../../src/node/http-server.ts';
import { cleanEnvironment, needPrograms, runProgram } from '../support/programs.ts';
import { runInProcess } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { createTestTransit } from '../support/vault-transit.ts';

/** What the client prints. */
interface Told {
  readonly key: {
    readonly type: string;
    readonly latest_version: number;
    readonly keys: Readonly<Record<string, { readonly public_key: string }>>;
  };
  readonly signed: { readonly signature: string; readonly key_version: number };
}

test('a client of Vault and Boltseal make keys and sign with those of each other', async (t) => {
  const programs = needPrograms(t, 'moto-python');
  if (programs === undefined) return;
  const [folder, vault] = await Promise.all([
    temporaryDirectory(t),
    listen(createTestTransit({ token: 'hvs.test' })),
  ]);
  t.after(() => vault.close());
  const env = {
    ...(await cleanEnvironment(folder)),
    HOME: folder,
    VAULT_ADDR: vault.url,
    VAULT_TOKEN: 'hvs.test',
  };
  const file = join(folder, 'file');
  const content = 'what is signed';
  await writeFile(file, content);
  const digest = createHash('sha256').update(content).digest('base64');
  const hvac = async (name: string, type = ''): Promise<Told> => {
    const words = [fileURLToPath(new URL('vault-client.py', import.meta.url)), name, type, digest];
    const { code, stdout, stderr } = await runProgram(programs['moto-python'], words, { cwd: folder, env });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const boltseal = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(words, { env });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  for (const type of ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048']) {
    const [theirs, ours] = [`theirs-${type}`, `ours-${type}`];
    const make = ['generate-key-pair', '--kms', `hashivault://${ours}`, '--key-type', type];
    await boltseal(...make, '--output-key-prefix', join(folder, ours));
    for (const [name, told] of [
      [theirs, await hvac(theirs, type)],
      [ours, await hvac(ours)],
    ] as const) {
      assert.equal(told.key.type, type);
      const pem = told.key.keys[String(told.key.latest_version)]?.public_key ?? '';
      const signature = Buffer.from(told.signed.signature.replace(/^vault:v1:/, ''), 'base64');
      assert.ok(verify('sha256', Buffer.from(content), createPublicKey(pem), signature), name);
      const reference = `hashivault://${name}`;
      const shown = await boltseal('public-key', '--key', reference);
      assert.equal(createPublicKey(shown).export({ type: 'spki', format: 'pem' }), shown);
      assert.ok(createPublicKey(shown).equals(createPublicKey(pem)));
      const bundle = join(folder, `${name}.json`);
      await boltseal('sign-blob', '--key', reference, '--bundle', bundle, file);
      await boltseal('verify-blob', '--key', reference, '--bundle', bundle, file);
    }
  }
});
