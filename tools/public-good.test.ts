import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import * as data from '../src/services/public-good-data.ts';
import { renderPublicGood } from './public-good.ts';

test('what is embedded of the public Sigstore is as the tool writes it', async () => {
  const file = new URL('../src/services/public-good-data.ts', import.meta.url);
  assert.equal(await readFile(file, 'utf8'), renderPublicGood({ ...data }));
});

test('a document that would end its template is not written', () => {
  for (const text of ['`', `\${1}`, '\r'])
    assert.throws(() => renderPublicGood({ ...data, trustedRoot: text }), /cannot be written/);
});
