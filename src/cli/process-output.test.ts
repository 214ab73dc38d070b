import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';

const source = new URL('./process-output.ts', import.meta.url).href;
const posix = process.platform === 'win32' ? 'POSIX only' : false;

/**
 * A process that does `body` with standard output as `out`, then tells on standard error whether it failed and whether
 * Node's stream was made, and ends with the exit code 7. Its output is not read before somebody listens.
 */
function program(body: string, wrapper: readonly string[] = []): ChildProcess {
  const script = `
    import { processOutput } from ${JSON.stringify(source)};
    import { writeSync } from 'node:fs';
    let opened = false;
    const out = processOutput(1, () => { opened = true; return process.stdout; });
    const told = (word) => writeSync(2, word + '\\n');
    ${body}
    await out.flushed();
    told('failure ' + out.failure?.code + ', stream ' + opened);
    process.exit(7);`;
  const [command = '', ...words] = [...wrapper, process.execPath, '--input-type=module', '-e', script];
  return spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Everything that comes from a stream, `slowly` with a pause between pieces. */
async function all(stream: NodeJS.ReadableStream | null, slowly = false): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) {
    text += String(chunk);
    if (slowly) await new Promise((resolve) => setImmediate(resolve));
  }
  return text;
}

/** What a process wrote and how it ended. */
async function ended(child: ChildProcess, slowly = false): Promise<readonly [string, string, unknown]> {
  const exit = once(child, 'exit');
  const [stdout, stderr] = await Promise.all([all(child.stdout, slowly), all(child.stderr)]);
  const [code] = await exit;
  return [stdout, stderr, code];
}

test('a little text needs no stream, and a pipe is no terminal', async () => {
  const child = program(
    `out.write('one '); out.write(Buffer.from('two')); out.write(''); told(String(out.isTTY));`,
  );
  const [stdout, stderr, code] = await ended(child);
  assert.equal(stdout, 'one two');
  assert.equal(stderr, 'false\nfailure undefined, stream false\n');
  assert.equal(code, 7);
});

test('much text arrives whole, however slowly it is read, and in order', async () => {
  const child = program(`
    for (let line = 0; line < 2000; line++) out.write(line + '\\n');
    out.write('x'.repeat(3_000_000));
    out.write('\\nend');`);
  const [stdout, stderr, code] = await ended(child, true);
  const lines = stdout.split('\n');
  assert.deepEqual(lines.slice(0, 2000).map(Number), [...Array(2000).keys()]);
  assert.equal(lines[2000]?.length, 3_000_000);
  assert.deepEqual(lines.slice(2001), ['end']);
  assert.equal(stderr, 'failure undefined, stream true\n');
  assert.equal(code, 7);
});

test('a pipe that is full and does not wait', { skip: posix }, async () => {
  // Its reader begins when it is told to: until then the pipe stays full.
  const reader = 'exec 3<&0; set -o pipefail; "$@" < /dev/null | { read -r _ <&3; cat; }';
  // Node makes it one that does not wait when it makes its stream; whoever shares it may have done so too.
  const child = program(
    `
    process.stdout.write('a'.repeat(1_000_000));
    out.write('é and the end');
    told('written');`,
    ['bash', '-c', reader, 'bash'],
  );
  const [first] = await once(child.stderr ?? child, 'data');
  child.stdin?.end('\n');
  const [stdout, stderr, code] = await ended(child);
  assert.ok(stdout === `${'a'.repeat(1_000_000)}é and the end`, 'it is not what was written');
  assert.equal(`${first}${stderr}`, 'written\nfailure undefined, stream true\n');
  assert.equal(code, 7);
});

for (const [size, stream] of [
  [10, false],
  [100_000, true],
] as const) {
  test(`a reader that went away, of ${size} bytes`, { skip: posix }, async () => {
    const child = program(`
      for await (const _ of process.stdin);
      for (let count = 0; count < 3; count++) {
        out.write('x'.repeat(${size}));
        await new Promise((resolve) => setImmediate(resolve));
      }`);
    child.stdout?.destroy();
    await once(child.stdout ?? child, 'close');
    child.stdin?.end();
    const exit = once(child, 'exit');
    assert.equal(await all(child.stderr), `failure undefined, stream ${stream}\n`);
    assert.deepEqual(await exit, [7, null]);
  });
}

test('a file that takes no more is a failure_fail', { skip: posix }, async (t) => {
  const file = join(await temporaryDirectory(t), 'file');
  const wrapper = ['bash', '-c', `ulimit -f 1 && exec "$@" > '${file}'`, 'bash'];
  const child = program(`out.write('x'.repeat(1000)); out.write('y'.repeat(300));`, wrapper);
  const [, stderr, code] = await ended(child);
  assert.equal(stderr, 'failure EFBIG, stream false\n');
  assert.equal(code, 7);
  assert.equal((await readFile(file, 'utf8')).slice(0, 1000), 'x'.repeat(1000));
});
