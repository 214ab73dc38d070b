import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { utf8 } from './encoding.ts';
import { BoltsealError } from './errors.ts';
import { goJson, type Json, parseJson } from './json.ts';

const options = { what: 'the test document', maxBytes: 100_000 };
const parse = (text: string): Json => parseJson(utf8(text), options);

test('what JSON.parse reads without duplicate keys comes out the same', () => {
  fc.assert(
    fc.property(fc.json(), fc.boolean(), (text, spaced) => {
      const value = JSON.parse(text) as unknown;
      const document = spaced ? JSON.stringify(value, null, '\t') : text;
      // fast-check may write a key twice; our refusal of that is the next test's business.
      fc.pre(JSON.stringify(JSON.parse(text)).length === text.replaceAll(/\s/g, '').length || spaced);
      assert.deepEqual(parse(document), JSON.parse(document));
    }),
  );
});

test('a key that is there twice is refused, however it is spelt and wherever it stands', () => {
  const documents = [
    '{"a":1,"a":2}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '[{"x":{"a" : 1 , "a":2}}]',
    '{"a":{"b":1},"c":[],"a":0}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
    // Quotes behind backslashes, which do or do not end the string.
    String.raw`{"a\\":1,"a\\":2}`,
    String.raw`{"a\"":"\\","a\"":2}`,
    String.raw`{"x":"\\\"{","a":1,"y":"\\\\","a":2}`,
  ];
  for (const text of documents) assert.throws(() => parse(text), { code: 'ERR_JSON_INVALID' }, text);
});

test('the same key in different objects, and a key as a value, are fine', () => {
  assert.deepEqual(parse('[{"a":"a"},{"a":["a","a"]},{"b":{"a":1},"a":2}]'), [
    { a: 'a' },
    { a: ['a', 'a'] },
    { b: { a: 1 }, a: 2 },
  ]);
});

test('braces and quotes inside of strings are text', () => {
  for (const text of [String.raw`["\"","\\",{"\\\"{":"}]"}]`, String.raw`{"a":"\",\"a\":1","b":"a"}`]) {
    assert.deepEqual(parse(text), JSON.parse(text));
  }
  const strings = fc.array(fc.string({ unit: fc.constantFrom('\\', '"', '{', '}', 'a', ':') }));
  fc.assert(
    fc.property(strings, (parts) => {
      const value = Object.fromEntries(parts.map((part, index) => [`${index}${part}`, parts]));
      assert.deepEqual(parse(JSON.stringify(value)), value);
    }),
  );
});

test('an error quotes nothing of the text', () => {
  for (const text of ['open-sesame', '{"token":open-sesame', '{"token":"open-sesame"x}', '"open-sesame']) {
    assert.throws(
      () => parse(text),
      (error: BoltsealError) => {
        assert.equal(error.code, 'ERR_JSON_INVALID');
        assert.ok(!`${error.message} ${error.stack} ${error.cause}`.includes('sesame'));
        return true;
      },
    );
  }
});

test('nesting, size and encoding are bounded before parsing', () => {
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  assert.throws(() => parse(deep), { code: 'ERR_LIMIT_EXCEEDED' });
  assert.throws(() => parse(`"${'x'.repeat(options.maxBytes)}"`), { code: 'ERR_LIMIT_EXCEEDED' });
  assert.throws(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]), options), {
    code: 'ERR_ENCODING_INVALID',
  });
  assert.doesNotThrow(() => parse(`"${'['.repeat(10_000)}"`));
});

test('anything at all is parsed or refused with an error of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        parseJson(bytes, options);
      } catch (error) {
        assert.ok(error instanceof BoltsealError);
      }
    }),
  );
});

test('goJson escapes as Go does', () => {
  assert.equal(goJson({ a: '<&>\u2028' }), '{"a":"\\u003c\\u0026\\u003e\\u2028"}');
});
