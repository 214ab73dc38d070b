import assert from 'node:assert/strict';
import test from 'node:test';
import { outdatedPages } from './docs.ts';

test('the reference pages are what the tables say', async () => {
  assert.deepEqual(await outdatedPages(), [], 'run `npm run docs` and commit docs/reference');
});
