import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { HttpResponse } from '../../src/core/http.ts';
import { pushSmallImage } from '../support/small-image.ts';
import { type Releases, removeDirectory, temporaryDirectory } from '../support/temporary.ts';
import {
  assertNoSecrets,
  assertRefused,
  type KeyBench,
  openKeyBench,
  releasesOfFile,
  verifyJson,
} from './support/bad-input-bench.ts';
import { entry, startCli } from './support/cli-process.ts';
import { useHostileRegistry } from './support/hostile-registry.ts';

const posix = process.platform === 'win32' ? 'POSIX only' : false;
const full = existsSync('/dev/full') ? false : '/dev/full not found';
const terminal =
  process.platform === 'linux' && existsSync('/usr/bin/script') ? false : 'skipped: script not found';
const linux = process.platform === 'linux' ? false : 'Linux only';
const nobody = 65_534;
const root = process.getuid?.() === 0;

const releases = releasesOfFile();
let bench: KeyBench;

before(async () => {
  bench = await openKeyBench(releases);
});

/** What a process gets: the environment of the bench and where programs are. */
function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', ...bench.env, ...more };
}

/** A file system of one page; undefined where nobody may mount one. */
async function tinyDisk(to: Releases): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-'));
  const mounted = await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', folder]).then(
    () => true,
    () => false,
  );
  to.after(async () => {
    if (mounted) await promisify(execFile)('umount', [folder]);
    await removeDirectory(folder);
  });
  return mounted ? folder : undefined;
}

describe('disk full_fail', () => {
  it('while keys are written: neither file, or both as before', { skip: posix }, async (t) => {
    const folder = await temporaryDirectory(t);
    const wrapper = ['bash', '-c', 'ulimit -f 0 && exec "$@"', 'bash'];
    for (const [words, before] of [
      [['generate-key-pair'], []],
      [
        ['generate-key-pair', '--yes'],
        ['cosign.key', 'cosign.pub'],
      ],
      [['public-key', '--key', bench.file('a.key'), '--outfile', 'cosign.pub'], ['cosign.pub']],
      [['env', '--output-file', 'env.txt'], []],
    ] as const) {
      const cwd = join(folder, `${words[0]}-${before.length}`);
      await mkdir(cwd);
      for (const name of before) await writeFile(join(cwd, name), 'mine');
      const result = await startCli(t, words, { cwd, env: environment(), wrapper }).ended();
      assertNoSecrets(result, bench.secrets);
      assertRefused(result, 'ERR_FILE_WRITE', 1);
      assert.deepEqual((await readdir(cwd)).sort(), before);
      for (const name of before) assert.equal(await readFile(join(cwd, name), 'utf8'), 'mine');
    }
  });

  it('when the first file fits and the second does not', async (t) => {
    const folder = await tinyDisk(t);
    if (folder === undefined) return t.skip('skipped: no permission to mount');
    const make = ['generate-key-pair', '--output-key-prefix', join(folder, 'k')];
    assertRefused(await bench.run(make), 'ERR_FILE_WRITE', 1);
    assert.deepEqual(await readdir(folder), []);
    await writeFile(join(folder, 'k.key'), '');
    assertRefused(await bench.run([...make, '--yes']), 'ERR_FILE_WRITE', 1);
    assert.deepEqual(await readdir(folder), ['k.key']);
    assert.equal(await readFile(join(folder, 'k.key'), 'utf8'), '');
    const hostile = await useHostileRegistry(t);
    const image = await pushSmallImage(hostile, 'acme/app');
    await writeFile(join(folder, 'filler'), Buffer.alloc(4_096));
    const words = ['sign', '--key', bench.file('a.key'), '--bundle', join(folder, 'b'), '--no-upload'];
    assertRefused(await bench.run([...words, image.reference]), 'ERR_FILE_WRITE', 1);
    assert.deepEqual((await readdir(folder)).sort(), ['filler', 'k.key']);
    assert.equal(hostile.registry.uploadsUnderWay, 0);
  });

  it('a device that is full, a device that takes everything', { skip: full || posix }, async () => {
    for (const words of [
      ['public-key', '--key', bench.file('a.key'), '--outfile', '/dev/full'],
      ['env', '--output-file', '/dev/full'],
    ]) {
      assertRefused(await bench.run(words), 'ERR_FILE_WRITE', 1);
    }
    const words = ['public-key', '--key', bench.file('a.key'), '--outfile', '/dev/null'];
    assert.equal((await bench.run(words)).code, 0);
    for (const device of ['/dev/full', '/dev/null']) {
      assert.equal(spawnSync('test', ['-c', device]).status, 0, 'a device stays a device');
    }
  });
});

describe('standard output and error_fail', { skip: posix }, () => {
  it('a reader that went away, and outputs that are full or closed', { skip: full }, async (t) => {
    const hostile = await useHostileRegistry(t);
    const image = await pushSmallImage(hostile, 'acme/app');
    const signed = await bench.run(['sign', '--key', bench.file('a.key'), image.reference]);
    assert.equal(signed.code, 0, signed.stderr);
    const verify = `"$@" verify --key '${bench.file('a.pub')}' ${image.reference}`;
    const run = (script: string) =>
      startCli(t, [], {
        env: environment({ R: image.reference }),
        wrapper: ['bash', '-c', script, 'bash'],
      }).ended();
    const closed = await run(`${verify} | head -c 0; exit \${PIPESTATUS[0]}`);
    assert.equal(closed.code, 0, closed.stderr);
    assert.doesNotMatch(closed.stderr, /EPIPE|at /);
    assert.equal((await run(`${verify} >&-`)).code, 0, 'closed by whoever wants no output');
    for (const words of [verify, '"$@" version', '"$@" env', '"$@" help', '"$@" version -o json']) {
      const result = await run(`${words} > /dev/full`);
      assertRefused(result, 'ERR_FILE_WRITE', 1);
      assert.doesNotMatch(result.stderr, /^ {4}at /m);
    }
    assert.equal((await run(`${verify} 2> /dev/full`)).code, 0);
    assert.equal((await run(`"$@" nonsense 2> /dev/full`)).code, 2);
    assert.equal((await run(`"$@" nonsense 2>&-`)).code, 2);
  });

  it('files named /dev/stdout are standard output', async (t) => {
    const pem = await readFile(bench.file('a.pub'), 'utf8');
    const words = ['public-key', '--key', bench.file('a.pub'), '--outfile', '/dev/stdout'];
    const piped = await startCli(t, words, { env: environment() }).ended();
    assert.equal(piped.stdout, pem, piped.stderr);
    const file = bench.file('redirected');
    const wrapper = ['bash', '-c', `echo first > '${file}'; "$@" >> '${file}'`, 'bash'];
    await startCli(t, words, { env: environment(), wrapper }).ended();
    assert.equal(await readFile(file, 'utf8'), `first\n${pem}`);
  });
});

describe('Ctrl-C_fail', { skip: posix }, () => {
  const held = {
    'while the image is resolved': /^HEAD .*\/manifests\//,
    'while an upload begins': /^POST .*\/uploads\//,
    'while a blob is stored': /^PUT .*\/uploads\//,
    'while a manifest is stored': /^PUT .*\/manifests\/sha256:/,
    'while a list is read': /^GET .*\/manifests\/sha256-/,
    'while a list is stored': /^PUT .*\/manifests\/sha256-/,
  };
  for (const [name, pattern] of Object.entries(held)) {
    it(`during sign, ${name}`, async (t) => {
      const hostile = await useHostileRegistry(t, { referrers: false });
      const image = await pushSmallImage(hostile, 'acme/app');
      const cwd = await temporaryDirectory(t);
      const reached = new Promise<void>((resolve) => {
        hostile.interfere = ({ method, path }, _, raw): Promise<HttpResponse> | undefined => {
          if (!pattern.test(`${method} ${path}`)) return undefined;
          resolve();
          // Held until the client goes away.
          return new Promise((answer) => {
            const gone = (): void => answer({ status: 503, headers: {}, body: null });
            if (raw.signal.aborted) gone();
            else raw.signal.addEventListener('abort', gone);
          });
        };
      });
      const words = ['sign', '--key', bench.file('a.key'), '--bundle', 'out.bundle', image.reference];
      const run = startCli(t, words, { cwd, env: environment() });
      await reached;
      run.child.kill('SIGINT');
      const result = await run.ended();
      assertNoSecrets(result, bench.secrets);
      assertRefused(result, 'ERR_INTERRUPTED', 130);
      assert.deepEqual(await readdir(cwd), []);

      hostile.interfere = undefined;
      const found = await verifyJson(bench, image.reference);
      assert.deepEqual([found.refused, found.places], [[], []], 'no entry is half-written');
      const again = await bench.run(['sign', '--key', bench.file('a.key'), image.reference]);
      assert.equal(again.code, 0, again.stderr);
      // The two formats are stored side by side, so the `.sig` may have been complete before the signal came, and
      // signing again with the same key does not store it twice.
      assert.ok(found.accepted <= 1, 'the held format is not complete');
      assert.equal((await verifyJson(bench, image.reference)).accepted, 2);
    });
  }

  it('SIGTERM, a second Ctrl-C, and a run out of time', async (t) => {
    const hostile = await useHostileRegistry(t);
    const image = await pushSmallImage(hostile, 'acme/app');
    const reached: (() => void)[] = [];
    hostile.interfere = () => {
      for (const resolve of reached.splice(0)) resolve();
      return new Promise<never>(() => {});
    };
    const words = ['verify', '--key', bench.file('a.pub'), image.reference];
    for (const [signals, exit] of [
      [['SIGTERM'], 143],
      [['SIGINT', 'SIGINT'], 130],
    ] as const) {
      const asked = new Promise<void>((resolve) => reached.push(resolve));
      const run = startCli(t, words, { env: environment() });
      await asked;
      for (const signal of signals) run.child.kill(signal);
      assert.equal((await run.ended()).code, exit);
    }
    assertRefused(await bench.run([...words, '--timeout', '50ms']), 'ERR_TIMEOUT', 21);
    const json = await bench.run([...words, '--timeout', '50ms', '-o', 'json']);
    assert.equal(json.code, 21);
    assert.equal(JSON.parse(json.stdout).images[0].error.code, 'ERR_TIMEOUT');
  });

  it('while a password is awaited on a pipe', { skip: linux }, async (t) => {
    const cwd = await temporaryDirectory(t);
    const { COSIGN_PASSWORD: _, ...env } = environment();
    const run = startCli(t, ['generate-key-pair', '--verbose'], { cwd, env, stdin: 'pipe' });
    run.child.stdin?.write('half a password');
    await waitsForInput(run.child.pid ?? 0);
    run.child.kill('SIGINT');
    const result = await run.ended();
    assertNoSecrets(result, ['half a password']);
    assertRefused(result, 'ERR_INTERRUPTED', 130);
    assert.deepEqual(await readdir(cwd), []);
  });

  it('at a prompt: by signals, by --timeout; the terminal is left as it was', {
    skip: terminal,
  }, async (t) => {
    const { COSIGN_PASSWORD: _, ...env } = environment({ TERM: 'xterm' });
    for (const [signal, exit] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      [undefined, 21],
    ] as const) {
      const cwd = await temporaryDirectory(t);
      const timeout = signal === undefined ? ' --timeout 2s' : '';
      const script = `sh -c 'echo pid=$$; exec "${process.execPath}" "${entry}" generate-key-pair${timeout}'; echo exit=$?; stty -a`;
      const command = ['script', '-qec', script, '/dev/null'];
      const run = startCli(t, [], { cwd, env, command, stdin: 'pipe' });
      const [, pid] = await run.shows(/pid=(\d+)/);
      await run.shows(/Enter password/);
      if (signal !== undefined) process.kill(Number(pid), signal);
      const { stdout } = await run.ended();
      assert.equal(/exit=(\d+)/.exec(stdout)?.[1], String(exit), stdout);
      assert.match(stdout.slice(stdout.indexOf('exit=')), /[^-]icanon.*[^-]echo\b/s);
      assert.deepEqual(await readdir(cwd), []);
    }
  });
});

/** Resolves when a process waits for its standard input: before that, it may not have come to handle signals. */
async function waitsForInput(pid: number): Promise<void> {
  for (;;) {
    for (const name of await readdir(`/proc/${pid}/fdinfo`)) {
      // What an epoll instance watches is listed with it.
      const watched = await readFile(`/proc/${pid}/fdinfo/${name}`, 'utf8').catch(() => '');
      if (/^tfd:\s+0 /m.test(watched)) return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('no permission_fail', { skip: posix }, () => {
  it('to read a key, to write one', async (t) => {
    const folder = await temporaryDirectory(t);
    await chmod(folder, 0o755);
    const locked = join(folder, 'locked');
    await mkdir(locked, { mode: 0o555 });
    for (const name of ['a.key', 'a.pub']) {
      await cp(bench.file(name), join(folder, name));
      await chmod(join(folder, name), 0);
    }
    if (root && !worldReadable(entry)) return t.skip('skipped: another user cannot read the program');
    const uid = root ? { uid: nobody } : {};
    const image = '127.0.0.1:1/acme/app:v1';
    for (const [words, code] of [
      [['sign', '--key', join(folder, 'a.key'), image], 'ERR_FILE_READ'],
      [['verify', '--key', join(folder, 'a.pub'), image], 'ERR_FILE_READ'],
      [['import-key-pair', '--key', join(folder, 'a.key')], 'ERR_FILE_READ'],
      [['generate-key-pair', '--output-key-prefix', join(locked, 'k')], 'ERR_FILE_WRITE'],
    ] as const) {
      const run = startCli(t, words, { cwd: folder, env: environment(), ...uid });
      assertRefused(await run.ended(), code, 1);
    }
    assert.deepEqual(await readdir(locked), []);
  });
});

/** Whether every folder above `path` and the program itself may be used by everyone. */
function worldReadable(path: string): boolean {
  try {
    const script = `require('node:fs').accessSync(${JSON.stringify(path)}, ${constants.R_OK})`;
    const { status } = spawnSync(process.execPath, ['-e', script], { uid: nobody, gid: nobody, cwd: '/' });
    accessSync(path);
    return status === 0;
  } catch {
    return false;
  }
}
