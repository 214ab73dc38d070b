import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { createRuntime } from '../node/runtime.ts';
import { actionCredentials, containerRegistry } from './credentials.ts';
import { runInfo } from './run-info.ts';
import { readSettings } from './settings.ts';
import { createToolkit } from './toolkit.ts';

async function sourceFor(
  t: Parameters<typeof temporaryDirectory>[0],
  env: Readonly<Record<string, string>>,
  references: readonly string[],
  auths: object = {},
): Promise<ReturnType<typeof actionCredentials>> {
  const home = await temporaryDirectory(t);
  await mkdir(join(home, '.docker'));
  await writeFile(join(home, '.docker', 'config.json'), JSON.stringify({ auths }));
  const io = {
    env,
    platform: process.platform,
    stdout: { write: () => true },
    signal: new AbortController().signal,
  };
  const settings = readSettings(io, createToolkit(io));
  return actionCredentials({ settings, run: runInfo(io), runtime: createRuntime({ env, home }) }, references);
}

const token = { 'INPUT_GITHUB-TOKEN': 'ghs_x', GITHUB_ACTOR: 'octocat' };

test('the token of the run goes to the container registry of its GitHub alone', async (t) => {
  const source = await sourceFor(t, token, ['ghcr.io/acme/app']);
  const found = await source('ghcr.io', 'acme/app');
  assert.deepEqual(found, { kind: 'basic', username: 'octocat', password: 'ghs_x', origin: 'github-token' });
  for (const host of [
    'ghcr.io.evil.example',
    'evil-ghcr.io',
    'ghcr.io:444',
    'index.docker.io',
    'containers.ghe.example',
  ])
    assert.equal(await source(host, 'acme/app'), undefined, host);
});

test('on a server of one’s own it is another registry, and never that of github.com', async (t) => {
  for (const [server, registry] of [
    ['https://github.example.com', 'containers.github.example.com'],
    ['https://acme.ghe.com', 'containers.acme.ghe.com'],
  ] as const) {
    const source = await sourceFor(t, { ...token, GITHUB_SERVER_URL: server }, ['x/y']);
    assert.equal(containerRegistry(server), registry);
    assert.notEqual(await source(registry, 'acme/app'), undefined);
    assert.equal(await source('ghcr.io', 'acme/app'), undefined);
  }
});

test('what docker stored comes before the token, and inputs before both', async (t) => {
  const auths = { 'ghcr.io': { auth: Buffer.from('me:stored').toString('base64') } };
  const stored = await sourceFor(t, token, ['ghcr.io/acme/app'], auths);
  assert.equal((await stored('ghcr.io', 'acme/app'))?.kind, 'basic');
  assert.match(JSON.stringify(await stored('ghcr.io', 'acme/app')), /"stored"/);
  const given = { ...token, 'INPUT_REGISTRY-USERNAME': 'you', 'INPUT_REGISTRY-PASSWORD': 'given' };
  const source = await sourceFor(t, given, ['quay.example/acme/app'], auths);
  assert.match(JSON.stringify(await source('quay.example', 'acme/app')), /"given"/);
  assert.match(JSON.stringify(await source('ghcr.io', 'acme/app')), /"stored"/, 'for no other registry');
});

test('credentials for several registries cannot be told apart_fail', async (t) => {
  const given = { 'INPUT_REGISTRY-USERNAME': 'you', 'INPUT_REGISTRY-PASSWORD': 'given' };
  await assert.rejects(sourceFor(t, given, ['a.example/x', 'b.example/x']), { code: 'ERR_USAGE' });
  await assert.rejects(sourceFor(t, { 'INPUT_REGISTRY-USERNAME': 'you' }, ['a.example/x']), {
    code: 'ERR_USAGE',
  });
});
