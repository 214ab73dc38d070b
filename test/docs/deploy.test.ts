/** The files of `deploy/`: what they configure is what the programs take, and they fit together. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { parseConfig } from '../../src/server/config/parse.ts';
import { runProgram } from '../support/programs.ts';

const folder = fileURLToPath(new URL('../../deploy', import.meta.url));
const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
const configOf = async (name: string) =>
  parseConfig(await readFile(join(folder, name)), `/etc/boltseal/${name}`);

test('boltseal.yaml: also with everything that is commented out', async () => {
  const config = await configOf('boltseal.yaml');
  assert.equal(config.publicUrl, 'https://sigstore.example.com');
  const text = (await read('boltseal.yaml')).replace(/^( *)#(?! \S)/gm, '$1');
  assert.notEqual(text, await read('boltseal.yaml'));
  const all = parseConfig(Buffer.from(text), 'boltseal.yaml');
  assert.equal(all.metaIssuers.length, 1);
  assert.equal(all.issuers.length, 3);
  assert.notEqual(all.tls, undefined);
});

test('compose.yaml: every volume, secret and path is declared and mounted where the configuration looks', async () => {
  const config = await configOf('compose.boltseal.yaml');
  const compose = parse(await read('compose.yaml'), { strict: true, uniqueKeys: true });
  const { sigstore, database } = compose.services;
  const mounted = new Map(
    [...sigstore.volumes, ...database.volumes].map((volume: string) => {
      const [from = '', to = ''] = volume.split(':');
      return [to, from];
    }),
  );
  for (const [to, from] of mounted) {
    if (from.startsWith('./')) await read(from);
    else assert.ok(from in compose.volumes, `${from} at ${to}`);
  }
  assert.ok(mounted.has(config.data ?? ''));
  assert.ok(mounted.has(config.pins ?? ''));
  for (const secret of [...sigstore.secrets, ...database.secrets])
    assert.ok(secret in compose.secrets, secret);
  assert.ok(sigstore.secrets.includes(config.keysPassword?.replace('/run/secrets/', '')));
  assert.equal(config.storage.type, 'postgres');
  if (config.storage.type === 'postgres') {
    assert.ok(sigstore.secrets.includes(config.storage.url.replace('/run/secrets/', '')));
  }
  const dockerfile = await read('Dockerfile');
  assert.ok(dockerfile.includes(`127.0.0.1:${config.admin?.port}/healthz`));
  assert.ok(dockerfile.includes(`EXPOSE ${config.listen.port} ${config.admin?.port}`));
  assert.ok(sigstore.ports.every((port: string) => port.startsWith('127.0.0.1:')));
});

test('boltseal.service is one, to systemd', async (t) => {
  const path = '/usr/bin/systemd-analyze';
  if (!existsSync(path)) return t.skip('skipped: systemd-analyze not found');
  const unit = join(folder, 'boltseal.service');
  const { code, stdout, stderr } = await runProgram(path, ['verify', '--man=no', unit]);
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(code, 0);
});
