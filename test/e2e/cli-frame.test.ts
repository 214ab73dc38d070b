import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { commands } from '../../src/cli/commands/table.ts';
import { flagName, flags, globalFlags } from '../../src/cli/flags.ts';
import { version } from '../../src/cli/version.ts';
import { runInProcess } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary.ts';

for (const command of commands) {
  test(`help of ${command.name}: three ways, the same, with every flag and an example`, async () => {
    const words = command.name.split(' ');
    const [long, short, help] = await Promise.all([
      runInProcess([...words, '--help']),
      runInProcess(['-h', ...words]),
      runInProcess(['help', ...words]),
    ]);
    assert.equal(long.code, 0);
    assert.equal(long.stderr, '');
    assert.equal(long.stdout, short.stdout);
    assert.equal(long.stdout, help.stdout);
    for (const id of [...command.flags, ...globalFlags]) {
      assert.ok(long.stdout.includes(`--${flagName(id)}`), id);
      if (flags[id].short !== undefined) assert.ok(long.stdout.includes(`-${flags[id].short}, --`), id);
    }
    for (const { command: line } of command.examples) assert.ok(long.stdout.includes(line), line);
    const longest = long.stdout.split('\n').filter((line) => !line.startsWith('  boltseal '));
    assert.deepEqual(
      longest.filter((line) => line.length > 100),
      [],
    );
  });
}

test('without a command, and with only a part of one, the commands are listed', async () => {
  const all = await runInProcess([]);
  assert.equal(all.code, 0);
  for (const { name } of commands) assert.ok(all.stdout.includes(name));
  assert.equal((await runInProcess(['help'])).stdout, all.stdout);
  assert.equal((await runInProcess(['--help'])).stdout, all.stdout);
  const download = await runInProcess(['download']);
  assert.ok(download.stdout.includes('download signature'));
  assert.ok(!download.stdout.includes('generate-key-pair'));
});

test('flags without a command are an error', async () => {
  const { code, stdout, stderr } = await runInProcess(['--verbose']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /ERR_USAGE/);
});

test('version', async () => {
  for (const words of [['version'], ['--version']]) {
    const { code, stdout } = await runInProcess(words);
    assert.equal(code, 0);
    assert.ok(stdout.startsWith(`boltseal ${version} `));
  }
  for (const words of [
    ['version', '-o', 'json'],
    ['version', '--json'],
    ['version', '--output=json'],
  ]) {
    const document = JSON.parse((await runInProcess(words)).stdout);
    assert.equal(document.schema, 'boltseal.version/1');
    assert.equal(document.version, version);
  }
  const byVariable = await runInProcess(['version'], { env: { BOLTSEAL_OUTPUT: 'json' } });
  assert.equal(JSON.parse(byVariable.stdout).version, version);
});

test('an error is a message, a code and a hint on standard error, and nothing on standard output', async () => {
  const { code, stdout, stderr } = await runInProcess(['sgn', 'x']);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^error: .*\(ERR_USAGE\)\n {2}hint: .*boltseal sign/);
});

test('with --output json, standard output is one document, of an error too', async () => {
  for (const words of [
    ['env', '--output', 'json', '--nonsense'],
    ['nonsense', '-o', 'json'],
    ['env', '--output=json', '--timeout', 'never'],
  ]) {
    const { code, stdout, stderr } = await runInProcess(words);
    assert.equal(code, 2);
    const document = JSON.parse(stdout);
    assert.equal(document.schema, 'boltseal.error/1');
    assert.equal(document.code, 'ERR_USAGE');
    assert.equal(typeof document.message, 'string');
    assert.ok('details' in document && Array.isArray(document.causes));
    assert.match(stderr, /^error: /);
  }
});

test('env hides secrets, and shows every variable of every flag', async () => {
  const env = { COSIGN_PASSWORD: 'hush', BOLTSEAL_REGISTRY_TOKEN: 'hush', COSIGN_KEY: 'cosign.key' };
  const { stdout } = await runInProcess(['env'], { env });
  assert.ok(!stdout.includes('hush'));
  assert.match(stdout, /^COSIGN_PASSWORD=\*+$/m);
  assert.match(stdout, /^BOLTSEAL_REGISTRY_TOKEN=\*+$/m);
  assert.match(stdout, /^COSIGN_KEY=cosign\.key$/m);
  assert.match(stdout, /^# /m);
  assert.doesNotMatch((await runInProcess(['env', '--show-descriptions=false'], { env })).stdout, /^#/m);
  const shown = await runInProcess(['env', '--show-sensitive-values'], { env });
  assert.match(shown.stdout, /^COSIGN_PASSWORD=hush$/m);
  const { schema, variables } = JSON.parse((await runInProcess(['env', '-o', 'json'], { env })).stdout);
  assert.equal(schema, 'boltseal.env/1');
  assert.ok(
    variables.some(
      (one: { name: string; value: string }) => one.name === 'COSIGN_KEY' && one.value === 'cosign.key',
    ),
  );
});

test('--output-file takes the data, whole', async (t) => {
  const folder = await temporaryDirectory(t);
  const file = join(folder, 'version.txt');
  const { code, stdout } = await runInProcess(['version', '--output-file', file]);
  assert.equal(code, 0);
  assert.equal(stdout, '');
  assert.match(await readFile(file, 'utf8'), /^boltseal /);
  const failed = await runInProcess(['version', '--output-file', join(folder, 'none', 'x')]);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /ERR_FILE_WRITE/);
});

test('key pairs: made, found encrypted, not overwritten, read back', async (t) => {
  const prefix = join(await temporaryDirectory(t), 'test');
  const env = { COSIGN_PASSWORD: 'of a test' };
  const make = ['generate-key-pair', '--output-key-prefix', prefix];
  const made = await runInProcess([...make, '-o', 'json'], { env });
  assert.equal(made.code, 0, made.stderr);
  const document = JSON.parse(made.stdout);
  assert.equal(document.schema, 'boltseal.generate-key-pair/1');
  assert.equal(document.publicKey, await readFile(`${prefix}.pub`, 'utf8'));
  const key = await readFile(`${prefix}.key`, 'utf8');
  assert.match(key, /^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----/);

  const again = await runInProcess(make, { env });
  assert.equal(again.code, 1);
  assert.match(again.stderr, /ERR_FILE_EXISTS/);
  assert.equal(await readFile(`${prefix}.key`, 'utf8'), key);

  const print = ['public-key', '--key', `${prefix}.key`];
  assert.equal((await runInProcess(print, { env })).stdout, document.publicKey);
  assert.equal(
    (await runInProcess(['public-key', '--key', 'env://K'], { env: { ...env, K: key } })).stdout,
    document.publicKey,
  );
  assert.equal(
    (await runInProcess(['public-key', '--key', '-'], { env, stdin: key })).stdout,
    document.publicKey,
  );
  assert.equal((await runInProcess(['public-key', '--key', `${prefix}.pub`])).stdout, document.publicKey);
  assert.equal(
    (await runInProcess(print, { stdin: 'of a test\n' })).stdout,
    document.publicKey,
    'piped, with a newline',
  );
  for (const [world, code] of [
    [{ env: { COSIGN_PASSWORD: 'wrong' } }, 'ERR_PASSWORD_WRONG'],
    [{}, 'ERR_PASSWORD_MISSING'],
  ] as const) {
    const failed = await runInProcess(print, world);
    assert.equal(failed.code, 20);
    assert.ok(failed.stderr.includes(code), failed.stderr);
  }

  assert.equal((await runInProcess([...make, '--yes'], { env })).code, 0);
  assert.notEqual(await readFile(`${prefix}.key`, 'utf8'), key);
});

test('import-key-pair refuses what is no plain private key', async (t) => {
  const folder = await temporaryDirectory(t);
  const file = join(folder, 'empty.pem');
  await writeFile(file, '');
  const prefix = join(folder, 'made');
  const words = ['import-key-pair', '--key', file, '--output-key-prefix', prefix];
  const failed = await runInProcess(words, { env: { COSIGN_PASSWORD: '' } });
  assert.equal(failed.code, 20);
  assert.match(failed.stderr, /ERR_KEY_EMPTY/);
  await rm(file);
  assert.match((await runInProcess(words, { env: { COSIGN_PASSWORD: '' } })).stderr, /ERR_KEY_NOT_FOUND/);
});

test('contradictions are found before anything is done', async () => {
  for (const words of [
    ['sign', '--key=k', '--identity-token=t', 'x'],
    ['sign', '--log=none', '--no-timestamp', 'x'],
    ['sign', '--log=none', '--tlog-upload', 'x'],
    ['sign', '--key=k', '--new-bundle-format=true', '--format=cosign', 'x'],
    ['sign', '--key=k', '--no-upload', 'x'],
    ['sign', '--key=k', '--bundle=f', 'x', 'y'],
    ['sign', '--key=k', '--bundle=f', '--format=cosign', 'x'],
    ['sign', '--key=k', '--output-payload=f', '-r', 'x'],
    ['sign', '--key=k', '-a', 'novalue', 'x'],
    ['sign', '--key=k', '-a', 'a=1', '-a', 'a=2', 'x'],
    ['sign', '--key=k', 'UPPER/case'],
    ['verify', '--key=k', '--payload=f', 'x'],
    ['verify', 'x'],
  ]) {
    const { code, stderr } = await runInProcess(words);
    assert.equal(code, 2, `${words.join(' ')}: ${stderr}`);
  }
});

test('a command that is cancelled says so, with the exit code of shells', async () => {
  const { interrupted } = await import('../../src/cli/report-error.ts');
  const signal = AbortSignal.abort(interrupted('SIGINT'));
  const { code, stderr } = await runInProcess(['env'], { signal });
  assert.equal(code, 130);
  assert.match(stderr, /ERR_INTERRUPTED/);
});

test('a password that never comes ends with the time allowed', async (t) => {
  const prefix = join(await temporaryDirectory(t), 'test');
  const { runCli } = await import('../../src/cli/main.ts');
  const stderr: string[] = [];
  const code = await runCli(['generate-key-pair', '--output-key-prefix', prefix, '--timeout', '20ms'], {
    stdin: { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) },
    stdout: { write: () => {} },
    stderr: { write: (text) => stderr.push(String(text)) },
    env: {},
    platform: process.platform,
  });
  assert.equal(code, 21);
  assert.match(stderr.join(''), /ERR_TIMEOUT/);
});

test('a command that ended leaves no timer behind, whatever it began', async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const words = ['verify-blob', '--key', 'none.pub', '--bundle', 'none.json', '--timeout', '1h', 'none.txt'];
  assert.equal((await runInProcess(words)).code, 1);
  // The key is read when the requests of other commands are on their way: here after the end.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(timers(), before);
});
