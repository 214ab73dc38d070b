import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { readWholeFile } from './read-file.ts';

it('files of every size, and none beyond the limit', async (t) => {
  const path = join(await temporaryDirectory(t), 'file');
  for (const size of [0, 5, 1 << 20, (1 << 20) + 1]) {
    const content = Buffer.alloc(size, 'x');
    await writeFile(path, content);
    assert.ok(content.equals((await readWholeFile(path, size)) ?? Buffer.from('nothing')), `${size}`);
    if (size > 0) assert.equal(await readWholeFile(path, size - 1), undefined);
  }
});

it('what cannot be read_fail', async (t) => {
  const folder = await temporaryDirectory(t);
  await assert.rejects(readWholeFile(join(folder, 'none'), 10), { code: 'ENOENT' });
  await assert.rejects(readWholeFile(folder, 1 << 20), { code: 'EISDIR' });
});

it('a pipe that nobody has written to yet holds nothing up', {
  skip: process.platform === 'win32' ? 'POSIX only' : false,
}, async (t) => {
  const path = join(await temporaryDirectory(t), 'pipe');
  assert.equal(spawnSync('mkfifo', [path]).status, 0);
  const content = readWholeFile(path, 10);
  await new Promise((resolve) => setImmediate(resolve));
  await writeFile(path, 'written later');
  assert.equal(String(await content), 'written later');
});
