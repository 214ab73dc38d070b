import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { RegistryAuth } from '../../src/server/index.ts';
import { useEmbeddedRegistry } from '../support/embedded-registry.ts';
import { runInProcess } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const account = { username: 'acme', password: 'of a test' };
const kinds: readonly RegistryAuth[] = [
  { kind: 'basic', ...account },
  { kind: 'bearer', ...account },
];

for (const auth of kinds) {
  test(`login and logout at a registry that asks for ${auth.kind} authentication`, async (t) => {
    const { host } = await useEmbeddedRegistry(t, { auth });
    const folder = await temporaryDirectory(t);
    const config = join(folder, 'config.json');
    const env = { DOCKER_CONFIG: folder };
    const login = ['login', host, '-u', account.username, '--password-stdin', '-o', 'json'];

    const wrong = await runInProcess(login, { env, stdin: 'wrong' });
    assert.equal(wrong.code, 20, wrong.stderr);
    assert.equal(JSON.parse(wrong.stdout).code, 'ERR_REGISTRY_UNAUTHORIZED');
    await assert.rejects(readFile(config), { code: 'ENOENT' }, 'nothing is stored that does not work');

    const right = await runInProcess(login, { env, stdin: `${account.password}\n` });
    assert.equal(right.code, 0, right.stderr);
    assert.equal(JSON.parse(right.stdout).storedIn, config);
    assert.ok(!`${right.stdout}${right.stderr}`.includes(account.password));
    if (process.platform !== 'win32') assert.equal((await stat(config)).mode & 0o777, 0o600);
    assert.ok(host in JSON.parse(await readFile(config, 'utf8')).auths);

    const image = await runInProcess(['tree', `${host}/demo/none:v1`], { env });
    assert.equal(image.code, 11, `the stored login is used: ${image.stderr}`);
    const anonymous = await runInProcess(['tree', `${host}/demo/none:v1`], {
      env: { DOCKER_CONFIG: join(folder, 'x') },
    });
    assert.equal(anonymous.code, 20);
    const byFlags = ['tree', '--registry-username', account.username, `${host}/demo/none:v1`];
    const flags = await runInProcess(byFlags, {
      env: { DOCKER_CONFIG: join(folder, 'x'), COSIGN_REGISTRY_PASSWORD: account.password },
    });
    assert.equal(flags.code, 11, flags.stderr);

    assert.equal((await runInProcess(['logout', host], { env })).code, 0);
    assert.ok(!(await readFile(config, 'utf8')).includes(host));
    const again = await runInProcess(['logout', host, '-o', 'json'], { env });
    assert.deepEqual(JSON.parse(again.stdout).removedFrom, []);
  });
}

test('login needs a name, a password and a registry', async () => {
  for (const [words, code] of [
    [['login', 'r.example'], 2],
    [['login', 'r.example', '-u', 'me'], 20],
    [['login', 'r.example', '-u', 'me', '--password-stdin'], 20],
    [['login', 'r.example', '-u', 'me', '-p', 'x', '--password-stdin'], 2],
    [['login', 'https://r.example', '-u', 'me', '-p', 'x'], 2],
    [['login', 'r.example/repository', '-u', 'me', '-p', 'x'], 2],
  ] as const) {
    assert.equal((await runInProcess(words)).code, code, words.join(' '));
  }
});
