import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable } from './printable.ts';

test('text from outside is made fit for a line', () => {
  assert.equal(printable('a\nb\x1b[31mc\u202ed'), 'a b [31mc d');
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.equal(printable(`no ${digest}`), `no ${digest}`);
  assert.equal(printable(`token ${'eyJ'.repeat(30)}`), 'token …');
  assert.ok(printable('x y '.repeat(500)).length <= 300);
});
