import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInProcess } from '../support/run-cli.ts';
import { softHsm } from '../support/softhsm.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const entry = fileURLToPath(new URL('../../src/cli/entry.ts', import.meta.url));
const posix = process.platform === 'win32' ? 'POSIX only' : false;
const terminal = process.platform === 'linux' && existsSync('/usr/bin/script') ? false : 'script not found';

/** What a child printed on both streams; kept up to date. */
function watch(child: ChildProcess): { text: string } {
  const seen = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => (seen.text += String(chunk)));
  return seen;
}

/** Resolves when `child` has printed `words`. */
async function printed(child: ChildProcess, seen: { text: string }, words: string): Promise<void> {
  while (!seen.text.includes(words)) {
    await Promise.race([once(child.stdout ?? child, 'data'), once(child, 'exit')]);
    if (child.exitCode !== null && !seen.text.includes(words))
      assert.fail(`ended without ${words}: ${seen.text}`);
  }
}

test('a reader that goes away ends nothing and prints nothing', { skip: posix }, () => {
  const program = `'${process.execPath}' '${entry}' env | true; exit \${PIPESTATUS[0]}`;
  const { status, stderr } = spawnSync('bash', ['-c', program], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
});

test('a real Ctrl-C while a registry is silent', { skip: posix }, async (t) => {
  const folder = await temporaryDirectory(t);
  const env = { ...process.env, COSIGN_PASSWORD: '' };
  const prefix = join(folder, 'k');
  await runInProcess(['generate-key-pair', '--output-key-prefix', prefix], { env: { COSIGN_PASSWORD: '' } });
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const words = [
    'sign',
    '--key',
    `${prefix}.key`,
    '--bundle',
    join(folder, 'x.bundle'),
    `127.0.0.1:${address.port}/a/b:c`,
  ];
  const child = spawn(process.execPath, [entry, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const seen = watch(child);
  const [socket] = await once(server, 'connection');
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  socket.destroy();
  assert.equal(code, 130, seen.text);
  assert.match(seen.text, /ERR_INTERRUPTED/);
  assert.ok(!existsSync(join(folder, 'x.bundle')));
});

/** A command on a terminal of its own. */
function onTerminal(words: readonly string[], cwd: string): ChildProcess {
  const line = [process.execPath, entry, ...words].map((word) => `'${word}'`).join(' ');
  const { COSIGN_PASSWORD: _a, BOLTSEAL_PASSWORD: _b, ...env } = process.env;
  return spawn('script', ['-qec', line, '/dev/null'], { cwd, env: { ...env, TERM: 'xterm' }, stdio: 'pipe' });
}

test('passwords are asked for twice and not shown; Ctrl-C ends it', { skip: terminal }, async (t) => {
  const folder = await temporaryDirectory(t);
  const child = onTerminal(['generate-key-pair'], folder);
  const seen = watch(child);
  await printed(child, seen, 'Enter password for private key:');
  child.stdin?.write('typed secret\r');
  await printed(child, seen, 'Enter password for private key again:');
  child.stdin?.write('typed secret\r');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0, seen.text);
  assert.doesNotMatch(seen.text, /typed|secret/);
  const key = ['public-key', '--key', join(folder, 'cosign.key')];
  const { stdout } = await runInProcess(key, { env: { COSIGN_PASSWORD: 'typed secret' } });
  assert.equal(stdout, await readFile(join(folder, 'cosign.pub'), 'utf8'));

  const second = onTerminal(['generate-key-pair'], folder);
  const refused = watch(second);
  await printed(second, refused, 'Overwrite?');
  second.stdin?.write('n');
  assert.equal((await once(second, 'exit'))[0], 1, refused.text);
  assert.match(refused.text, /ERR_FILE_EXISTS/);

  const third = onTerminal(['generate-key-pair', '--yes'], folder);
  const mismatch = watch(third);
  await printed(third, mismatch, 'Enter password for private key:');
  third.stdin?.write('one\r');
  await printed(third, mismatch, 'again:');
  third.stdin?.write('two\r');
  assert.equal((await once(third, 'exit'))[0], 2, mismatch.text);

  const fourth = onTerminal(['generate-key-pair', '--yes'], folder);
  const cancelled = watch(fourth);
  await printed(fourth, cancelled, 'Enter password for private key:');
  fourth.stdin?.write('\u0003');
  assert.equal((await once(fourth, 'exit'))[0], 130, cancelled.text);
});

test('the PIN of a token is asked for and not shown; a wrong one ends it', { skip: terminal }, async (t) => {
  const hsm = await softHsm(t);
  if (hsm === undefined) return;
  await hsm.addToken('release');
  const folder = await temporaryDirectory(t);
  const uri = `pkcs11:token=release;object=key?module-path=${hsm.module}`;
  const env = { COSIGN_PKCS11_PIN: '1234' };
  const words = ['generate-key-pair', '--kms', uri, '--output-key-prefix', join(folder, 'key')];
  assert.equal((await runInProcess(words, { env })).code, 0);
  await writeFile(join(folder, 'file'), 'what is signed');
  const sign = ['sign-blob', '--key', uri, '--bundle', join(folder, 'bundle'), join(folder, 'file')];
  for (const [pin, code] of [
    ['1234', 0],
    ['98765', 20],
  ] as const) {
    const child = onTerminal(sign, folder);
    const seen = watch(child);
    await printed(child, seen, 'PIN of the token release:');
    child.stdin?.write(`${pin}\r`);
    assert.equal((await once(child, 'exit'))[0], code, seen.text);
    assert.ok(!seen.text.includes(pin), seen.text);
  }
  const verified = ['verify-blob', '--key', join(folder, 'key.pub'), '--bundle', join(folder, 'bundle')];
  assert.equal((await runInProcess([...verified, join(folder, 'file')])).code, 0);
});
