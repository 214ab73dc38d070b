import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { findProgram, needPrograms, runProgram } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';

function setEnvironment(t: TestContext, name: string, value: string | undefined): void {
  const before = process.env[name];
  const set = (to: string | undefined): void => {
    if (to === undefined) delete process.env[name];
    else process.env[name] = to;
  };
  t.after(() => set(before));
  set(value);
}

test('the cache folder comes before PATH', async (t) => {
  const cache = await temporaryDirectory(t);
  const path = await temporaryDirectory(t);
  setEnvironment(t, 'BOLTSEAL_PROGRAMS', cache);
  setEnvironment(t, 'PATH', path);
  assert.equal(findProgram('crane'), undefined);
  await writeFile(join(path, 'crane'), 'not executable');
  assert.equal(findProgram('crane'), undefined);
  await chmod(join(path, 'crane'), 0o755);
  assert.equal(findProgram('crane'), join(path, 'crane'));
  await mkdir(join(cache, 'bin'));
  await writeFile(join(cache, 'bin', 'crane'), '', { mode: 0o755 });
  assert.equal(findProgram('crane'), join(cache, 'bin', 'crane'));
});

test('a missing program skips the test, and fails it on CI', async (t) => {
  setEnvironment(t, 'BOLTSEAL_PROGRAMS', await temporaryDirectory(t));
  setEnvironment(t, 'PATH', '');
  const skips: unknown[] = [];
  const context = { skip: (message?: string) => skips.push(message) };
  setEnvironment(t, 'CI', undefined);
  assert.equal(needPrograms(context, 'cosign3', 'libsofthsm2.so'), undefined);
  assert.match(String(skips), /^skipped: cosign3, libsofthsm2\.so not found/);
  setEnvironment(t, 'CI', 'true');
  assert.throws(() => needPrograms(context, 'cosign3'), /cosign3 not found: tools\/programs\.sh/);
});

test('a program gets its input and a clean home, and any exit code resolves', async () => {
  const script = 'cat; echo "$HOME" >&2; test ! -e "$HOME/.docker" || exit 1; exit 7';
  const result = await runProgram('/bin/sh', ['-c', script], { input: 'text in' });
  assert.equal(result.code, 7);
  assert.equal(result.stdout, 'text in');
  assert.notEqual(result.stderr.trim(), process.env['HOME']);
});

test('a program that reads none of a long input still resolves', async () => {
  const { code } = await runProgram('/bin/sh', ['-c', 'exit 3'], { input: new Uint8Array(1_000_000) });
  assert.equal(code, 3);
});

test('a program that hangs is killed, its children’s open pipes notwithstanding', async () => {
  const run = runProgram('/bin/sh', ['-c', 'echo begun; sleep 30; true'], { timeout: 200 });
  await assert.rejects(run, /still running after 200 ms.*begun/s);
});

test('a program that does not exist rejects', async () => {
  await assert.rejects(runProgram('/no/such/program', []), { code: 'ENOENT' });
});
