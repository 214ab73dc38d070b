import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodeTilePath, parseTileLevel, parseTilePath } from './tile-path.ts';

test('paths of tiles are those of the specification', () => {
  assert.deepEqual(parseTilePath('x001/x234/067'), { index: 1_234_067, width: 256 });
  assert.deepEqual(parseTilePath('000.p/1'), { index: 0, width: 1 });
  assert.equal(encodeTilePath({ index: 1_234_067, width: 112 }), 'x001/x234/067.p/112');
  assert.deepEqual(['0', '5', '63', '64', '00', '-1', '1.0', ''].map(parseTileLevel), [
    0,
    5,
    63,
    ...Array.from({ length: 5 }, () => undefined),
  ]);
});

test('paths of tiles survive', () => {
  fc.assert(
    fc.property(fc.nat(10 ** 15 - 1), fc.integer({ min: 1, max: 256 }), (index, width) =>
      assert.deepEqual(parseTilePath(encodeTilePath({ index, width })), { index, width }),
    ),
  );
});

for (const path of [
  '',
  '0',
  '1234',
  'x000/067',
  'x001/x234',
  '001/234',
  '000.p/0',
  '000.p/256',
  '000.p/01',
  '000.p/',
  '000.p',
  '../000',
  'x001/../067',
  'x001/x234/x567/x890/x123/456',
  '000/',
  '%30%30%30',
]) {
  test(`refused: the path ${JSON.stringify(path)}`, () => assert.equal(parseTilePath(path), undefined));
}

test('noise is refused, or is the one spelling', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[x0-9./p]{0,24}$/), (path) => {
      const place = parseTilePath(path);
      if (place !== undefined) assert.equal(encodeTilePath(place), path);
    }),
  );
});
