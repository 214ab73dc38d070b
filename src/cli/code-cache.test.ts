import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { runProgram } from '../../test/support/programs.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';

const source = new URL('./code-cache.ts', import.meta.url).href;

/** A program in two files, of which the second is loaded late, as the command line is built. */
async function program(folder: string): Promise<void> {
  await writeFile(
    join(folder, 'main.cjs'),
    'exports.say = () => require("./late.cjs").text + " " + (__filename === module.filename);',
  );
  await writeFile(join(folder, 'late.cjs'), 'exports.text = "hello";');
}

async function run(folder: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const script =
    `import { useCodeCache } from ${JSON.stringify(source)}; import { createRequire } from 'node:module';` +
    `useCodeCache(${JSON.stringify(folder)});` +
    `console.log(createRequire(import.meta.url)(${JSON.stringify(join(folder, 'main.cjs'))}).say());`;
  const words = ['--input-type=module', '-e', script];
  const result = await runProgram(process.execPath, words, { cwd: folder, env });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
}

async function cached(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const at = join(folder, '.code-cache', `${process.version}-${process.arch}`);
  const names = await readdir(at).catch(() => []);
  return new Map(
    await Promise.all(names.map(async (name) => [join(at, name), await readFile(join(at, name))] as const)),
  );
}

test('the first run keeps what it compiled, the next one uses it', async (t) => {
  const folder = await temporaryDirectory(t);
  await program(folder);
  assert.equal(await run(folder), 'hello true');
  const first = await cached(folder);
  assert.deepEqual([...first.keys()].map((path) => path.split(/[\\/]/).at(-1)).sort(), [
    'late.cjs.bin',
    'main.cjs.bin',
  ]);
  const times = await Promise.all([...first.keys()].map(async (path) => (await stat(path)).mtimeMs));
  assert.equal(await run(folder), 'hello true');
  assert.deepEqual(
    await Promise.all([...first.keys()].map(async (path) => (await stat(path)).mtimeMs)),
    times,
  );
});

test('what is damaged, or of another source, is not used and replaced', async (t) => {
  const folder = await temporaryDirectory(t);
  await program(folder);
  await run(folder);
  const good = await cached(folder);
  for (const [path, content] of good) await writeFile(path, content.subarray(0, content.length / 2));
  assert.equal(await run(folder), 'hello true');
  for (const [path, content] of await cached(folder)) assert.equal(content.length, good.get(path)?.length);
  await writeFile(join(folder, 'late.cjs'), 'exports.text = "something else";');
  assert.equal(await run(folder), 'something else true');
});

test('turned off, nothing is kept', async (t) => {
  const folder = await temporaryDirectory(t);
  await program(folder);
  assert.equal(await run(folder, { NODE_DISABLE_COMPILE_CACHE: '1' }), 'hello true');
  assert.equal((await cached(folder)).size, 0);
});
