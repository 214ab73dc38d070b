import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { base64, fromBase64, fromUtf8 } from './encoding.ts';
import { isBoltsealError } from './errors.ts';

/** What Node makes of a text, when writing it again gives the same text. */
function theirs(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined;
}

function ours(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(fromBase64(text, 'x'));
  } catch (error) {
    assert.ok(isBoltsealError(error, 'ERR_ENCODING_INVALID'));
    return undefined;
  }
}

it('base64 of any bytes is read back, in every length', () => {
  for (let length = 0; length < 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 151 + length) & 0xff);
    assert.deepEqual(ours(base64(bytes)), bytes);
  }
});

it('base64 that is not strict is refused, in every length', () => {
  const wrong = [
    'A',
    'AA',
    'AAA',
    'AA=',
    'A===',
    '====',
    '=',
    'AAA=A',
    'AA==AAAA',
    'AB==',
    'AAB=',
    'AA A',
    'AAA\n',
    'AA-_',
    'AAé=',
  ];
  for (const text of wrong) {
    assert.equal(ours(text), undefined, text);
    assert.equal(ours('AAAA'.repeat(30) + text), undefined, text);
  }
});

it('base64 is read as Node writes it, whatever the text', () => {
  const character = fc.constantFrom(...'ABCQgwxyz0189+/=-_ \n', 'é', '😀');
  fc.assert(
    fc.property(fc.array(character, { maxLength: 130 }), (characters) => {
      const text = characters.join('');
      assert.deepEqual(ours(text), theirs(text));
    }),
    { numRuns: 3_000, seed: 1 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), character, (bytes, at, other) => {
      const text = base64(bytes);
      const index = text.length === 0 ? 0 : at % text.length;
      const changed = text.slice(0, index) + other + text.slice(index + 1);
      assert.deepEqual(ours(changed), theirs(changed));
    }),
    { numRuns: 3_000, seed: 2 },
  );
});

it('UTF-8 is read as a strict decoder reads it, whatever the bytes', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const check = (bytes: Uint8Array): void => {
    let expected: string | undefined;
    try {
      expected = strict.decode(bytes);
    } catch {
      expected = undefined;
    }
    if (expected !== undefined) assert.equal(fromUtf8(bytes, 'it'), expected);
    else
      assert.throws(
        () => fromUtf8(bytes, 'it'),
        (error) => isBoltsealError(error, 'ERR_ENCODING_INVALID'),
      );
  };
  // A byte order mark, the replacement character itself, overlong forms, surrogates, beyond the last, cut short.
  for (const text of [
    '',
    'efbbbf41',
    'efbfbd',
    'c080',
    'c1bf',
    'e08080',
    'eda080',
    'f4908080',
    'f0808080',
    'e282',
    'ff',
    '80',
  ]) {
    check(new Uint8Array(Buffer.from(text, 'hex')));
  }
  for (let lead = 0x7f; lead < 0x100; lead++) {
    for (const next of [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
      check(Uint8Array.of(0x41, lead, next, 0x80, 0xbf, 0x42));
      check(Uint8Array.of(lead, next, 0x80));
      check(Uint8Array.of(lead, next));
    }
  }
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.string({ unit: 'binary', maxLength: 6 }).map((text) => new Uint8Array(Buffer.from(text))),
  );
  fc.assert(fc.property(fc.array(part), (parts) => check(new Uint8Array(Buffer.concat(parts)))));
});
