import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { encodeEntryBundle, parseEntryBundle } from './log-entry-bundle.ts';

const anyBodies = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256, size: 'max' });

describe('an entry bundle', () => {
  it('is read as what was written', () => {
    fc.assert(
      fc.property(anyBodies, (bodies) => {
        assert.deepEqual(parseEntryBundle(encodeEntryBundle(bodies), bodies.length), bodies);
      }),
      { numRuns: 50 },
    );
    assert.deepEqual(
      encodeEntryBundle([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)]),
      Uint8Array.of(0, 1, 1, 0, 0, 0, 2, 2, 3),
    );
    assert.equal(encodeEntryBundle([new Uint8Array(65_535)]).length, 65_537);
  });

  it('has as many entries as are asked for, whole ones_fail', () => {
    const bundle = encodeEntryBundle([Uint8Array.of(1), Uint8Array.of(2, 3)]);
    for (const width of [0, 1, 3, 257]) {
      assert.throws(() => parseEntryBundle(bundle, width), { code: 'ERR_TILE_INVALID' });
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 0, max: 300 }), (bytes, width) => {
        try {
          assert.deepEqual(encodeEntryBundle(parseEntryBundle(bytes, width)), bytes);
        } catch (error) {
          assert.ok(isBoltsealError(error, 'ERR_TILE_INVALID'));
        }
      }),
    );
  });

  it('has no entry of more than 65,535 bytes_fail', () => {
    assert.throws(() => encodeEntryBundle([new Uint8Array(65_536)]), { code: 'ERR_LIMIT_EXCEEDED' });
  });
});
