import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChunkRange, parseRange } from './byte-range.ts';

test('ranges of any header and size lie within the content, and are never empty', () => {
  const number = fc.oneof(fc.nat(20), fc.nat(), fc.bigInt({ min: 0n, max: 10n ** 18n }));
  const header = fc.oneof(
    fc.string(),
    fc
      .tuple(fc.option(number, { nil: '' }), fc.option(number, { nil: '' }))
      .map(([a, b]) => `bytes=${a}-${b}`),
  );
  fc.assert(
    fc.property(header, fc.nat(30), (text, size) => {
      const range = parseRange(text, size);
      if (range === undefined || range === 'unsatisfiable') return;
      assert.ok(0 <= range.start && range.start < range.end && range.end <= size);
    }),
  );
});

test('a range means what RFC 9110 says', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(200), fc.integer({ min: 1, max: 100 }), (first, length, size) => {
      const last = first + length;
      const expected = first >= size ? 'unsatisfiable' : { start: first, end: Math.min(last + 1, size) };
      assert.deepEqual(parseRange(`bytes=${first}-${last}`, size), expected);
      assert.deepEqual(
        parseRange(`bytes=${first}-`, size),
        first >= size ? 'unsatisfiable' : { start: first, end: size },
      );
      const suffix = length === 0 ? 'unsatisfiable' : { start: Math.max(size - length, 0), end: size };
      assert.deepEqual(parseRange(`bytes=-${length}`, size), suffix);
    }),
  );
  assert.equal(parseRange('bytes=0-', 0), 'unsatisfiable');
  assert.equal(parseRange(null, 5), undefined);
});

test('chunk ranges in the spellings of OCI and HTTP', () => {
  for (const text of ['3-9', 'bytes 3-9/*', 'bytes=3-9', ' 3-9 ', 'bytes 3-9/20']) {
    assert.deepEqual(parseChunkRange(text), { first: 3, last: 9 }, text);
  }
  for (const text of ['', '3', '9-3', '-3', '3-', 'a-b', '3-9-12', '3-9/x', '1'.repeat(16)]) {
    assert.equal(parseChunkRange(text), undefined, text);
  }
});
