import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
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

async function run(
  folder: string,
  env: Readonly<Record<string, string>> = {},
  expression = 'require("./main.cjs").say()',
  words: readonly string[] = [],
): Promise<string> {
  const script =
    `import { useCodeCache } from ${JSON.stringify(source)}; import { createRequire } from 'node:module';` +
    `useCodeCache(${JSON.stringify(folder)}, ${JSON.stringify(words)});` +
    `const require = createRequire(${JSON.stringify(join(folder, 'entry.cjs'))});` +
    `console.log(${expression});`;
  const result = await runProgram(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    env,
  });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim();
}

async function cached(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const at = join(folder, '.code-cache', `${process.version}-${process.arch}`);
  const names = (await readdir(at).catch(() => [])).filter((name) => name.endsWith('.bin'));
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

test('files are loaded as Node loads them: once, in circles, with packages, anew when they failed', async (t) => {
  const folder = await temporaryDirectory(t);
  await writeFile(join(folder, 'one.cjs'), 'exports.early = 1; exports.seen = require("./two.cjs").seen;');
  await writeFile(join(folder, 'two.cjs'), 'exports.seen = Object.keys(require("./one.cjs")).join();');
  await writeFile(
    join(folder, 'broken.cjs'),
    'throw new Error("attempt " + (globalThis.tries = (globalThis.tries ?? 0) + 1));',
  );
  await mkdir(join(folder, 'node_modules', 'other'), { recursive: true });
  await writeFile(
    join(folder, 'node_modules', 'other', 'index.js'),
    'exports.name = __dirname.split(/[\\\\/]/).at(-1);',
  );
  await writeFile(join(folder, 'user.cjs'), 'exports.name = require("other").name;');
  const attempt = '(() => { try { require("./broken.cjs") } catch (error) { return error.message } })()';
  const words = [
    'require("./one.cjs").seen',
    'require("./one.cjs") === require("./one.cjs")',
    attempt,
    attempt,
    'require("./user.cjs").name',
  ];
  for (const env of [{}, {}, { NODE_DISABLE_COMPILE_CACHE: '1' }]) {
    assert.equal(
      await run(folder, env, `[${words.join()}].join(" ")`),
      'early true attempt 1 attempt 2 other',
    );
  }
});

test('the first run of each kind adds the functions that it calls, and its kind tells no secrets', async (t) => {
  const folder = await temporaryDirectory(t);
  const body = (text: string): string =>
    `{ return ${JSON.stringify(text)} + [${[...Array(500).keys()].join()}].length; }`;
  await writeFile(
    join(folder, 'main.cjs'),
    `exports.one = () => ${body('1')}; exports.two = () => ${body('2')};`,
  );
  const sizeAfter = async (call: 'one' | 'two', ...words: string[]): Promise<number> => {
    await run(folder, {}, `require("./main.cjs").${call}()`, words);
    return [...(await cached(folder)).values()][0]?.length ?? 0;
  };
  const first = await sizeAfter('one', 'sign', '--key', 'one');
  const known = await sizeAfter('two', 'sign', '--key=two', 'secret', '--', '--other-secret');
  const second = await sizeAfter('two', 'sign', '--key', 'k', '--yes', 'a');
  const again = await sizeAfter('one', 'sign', '--yes', '--key=k');
  assert.equal(known, first);
  assert.ok(second > first, `${second} > ${first}`);
  assert.equal(again, second);
  await sizeAfter('one', '/secret', 'x');
  const names = await readdir(join(folder, '.code-cache', `${process.version}-${process.arch}`));
  assert.deepEqual(names.sort(), ['main.cjs.bin', 'other.run', 'sign.key.run', 'sign.key.yes.run']);
});

test('a run that fails adds nothing', async (t) => {
  const folder = await temporaryDirectory(t);
  await program(folder);
  await run(folder, {}, 'require("./main.cjs").say()', ['sign']);
  const before = await readdir(join(folder, '.code-cache', `${process.version}-${process.arch}`));
  const script =
    `import { useCodeCache } from ${JSON.stringify(source)}; import { createRequire } from 'node:module';` +
    `useCodeCache(${JSON.stringify(folder)}, ['verify']);` +
    `createRequire(${JSON.stringify(join(folder, 'entry.cjs'))})('./main.cjs').say(); process.exit(3);`;
  const result = await runProgram(process.execPath, ['--input-type=module', '-e', script], { cwd: folder });
  assert.equal(result.code, 3);
  assert.deepEqual(await readdir(join(folder, '.code-cache', `${process.version}-${process.arch}`)), before);
});
