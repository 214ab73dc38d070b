/** The built action: one small file, the same each time, with nothing to fetch. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { inputSpecs } from '../../src/action/inputs.ts';
import { buildAction } from '../../tools/build-action.ts';
import { temporaryDirectory } from '../support/temporary.ts';

test('one file, small, reproducible, and started soon', async (t) => {
  const folders = [await temporaryDirectory(t), await temporaryDirectory(t)] as const;
  const name = await buildAction(folders[0]);
  await buildAction(folders[1]);
  const [path, again] = folders.map((folder) => join(folder, name)) as [string, string];
  assert.deepEqual((await readdir(folders[0])).sort(), ['LICENSES.txt', name]);
  assert.ok((await readFile(path)).equals(await readFile(again)), 'whoever builds it gets the same bytes');
  const { size } = await stat(path);
  assert.ok(size < 2_000_000, `${size} bytes`);

  const text = await readFile(path, 'utf8');
  for (const { name: input } of inputSpecs) assert.ok(text.includes(input), input);
  // What it requires is of Node.js; the libraries of key services are looked for when such a key is used.
  const required = [...text.matchAll(/\brequire\(["'`]([^"'`]+)["'`]\)/g)].map(([, one = '']) =>
    one.replace(/^node:/, ''),
  );
  const builtIn = new Set(builtinModules);
  const others = [...new Set(required)].filter((one) => !builtIn.has(one));
  assert.deepEqual(others, ['supports-color'], 'which the package debug does without when it is not there');
  assert.ok(!text.includes(process.cwd()), 'no path of the machine that built it');

  const times = { bare: [] as number[], action: [] as number[] };
  const env = { GITHUB_EVENT_NAME: 'pull_request' };
  for (let run = 0; run < 5; run++) {
    let start = performance.now();
    execFileSync(process.execPath, ['-e', '0'], { env });
    times.bare.push(performance.now() - start);
    start = performance.now();
    const { status } = spawnSync(process.execPath, [path], { env });
    times.action.push(performance.now() - start);
    assert.equal(status, 0);
  }
  const middle = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[2] ?? Number.NaN;
  t.diagnostic(
    `${size} bytes; a run that skips takes ${Math.round(middle(times.action))} ms, a bare node ${Math.round(middle(times.bare))} ms`,
  );
});
