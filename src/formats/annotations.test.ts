import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { annotationsJson } from './annotations.ts';

it('sorts keys by their UTF-8 bytes, also those that look like numbers', () => {
  const annotations = { '😀': '5', '10': '1', '9': '2', a: '3', ﬁ: '4' };
  assert.equal(annotationsJson(annotations, false), '{"10":"1","9":"2","a":"3","ﬁ":"4","😀":"5"}');
});

it('escapes for HTML only when asked', () => {
  assert.equal(annotationsJson({ k: '<&>\u2028' }, true), '{"k":"\\u003c\\u0026\\u003e\\u2028"}');
  assert.equal(annotationsJson({ k: '<&>\u2028' }, false), '{"k":"<&>\u2028"}');
});

it('writes JSON that reads back', () => {
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(fc.dictionary(text, text, { noNullPrototype: true }), fc.boolean(), (annotations, html) => {
      assert.deepEqual(JSON.parse(annotationsJson(annotations, html)), annotations);
    }),
  );
});

it('refuses what is not Unicode, and too many', () => {
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`k${index}`, 'v']));
  for (const [annotations, expected] of [
    [{ k: '\ud800' }, 'ERR_USAGE'],
    [{ '\udc00': 'v' }, 'ERR_USAGE'],
    [many, 'ERR_LIMIT_EXCEEDED'],
  ] as const) {
    assert.throws(
      () => annotationsJson(annotations, true),
      (error) => isBoltsealError(error, expected),
    );
  }
});
