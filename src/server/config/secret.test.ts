import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { readSecret } from './secret.ts';

test('a secret is in a variable or a file', async (t) => {
  const folder = await temporaryDirectory({ after: (release) => t.after(release) });
  const path = join(folder, 'passphrase');
  await writeFile(path, 'two lines\nand a break\r\n');
  assert.equal(await readSecret(path, {}, 'the passphrase'), 'two lines\nand a break');
  assert.equal(await readSecret('env://A', { A: 'x\n' }, 'the passphrase'), 'x\n');
});

test('a missing, empty or endless secret is refused_fail', async (t) => {
  const folder = await temporaryDirectory({ after: (release) => t.after(release) });
  const path = join(folder, 'passphrase');
  await writeFile(path, '\n');
  const refused = { code: 'ERR_SERVER_CONFIG' };
  await assert.rejects(readSecret(path, {}, 'it'), refused);
  await assert.rejects(readSecret(join(folder, 'missing'), {}, 'it'), refused);
  await assert.rejects(readSecret('env://A', {}, 'it'), refused);
  await assert.rejects(readSecret('env://toString', {}, 'it'), refused);
  if (process.platform !== 'win32') await assert.rejects(readSecret('/dev/zero', {}, 'it'), refused);
});
