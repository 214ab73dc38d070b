import assert from 'node:assert/strict';
import test from 'node:test';
import { entryPoints, firstSentence } from './library.ts';

test('what is read from the sources is what the modules export', async () => {
  for (const { name, exports } of entryPoints()) {
    const folder = name.replace(/^boltseal\/?/, '');
    const path = new URL(`../src/${folder === '' ? '' : `${folder}/`}index.ts`, import.meta.url);
    const loaded = Object.keys(await import(path.href)).sort();
    const values = exports.filter(({ kind }) => kind !== 'type').map((one) => one.name);
    assert.deepEqual(values.sort(), loaded, name);
  }
});

test('every module and every export has a docstring', () => {
  const bare = entryPoints().flatMap(({ name, doc, exports }) => [
    ...(doc === '' ? [name] : []),
    ...exports.filter((one) => one.doc === '').map((one) => `${name}: ${one.name}`),
  ]);
  assert.deepEqual(bare, []);
});

test('a first sentence ends at its full stop', () => {
  assert.equal(firstSentence('Reads `a.b`, and more. Then stops.'), 'Reads `a.b`, and more.');
  assert.equal(firstSentence('Without an end'), 'Without an end');
});
