import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findList, replaceList } from './splice.ts';

test('elements are found as they are written', () => {
  const text = ' {"a" : "[1]", "l": [ {"n":1.0,"s":"]}\\""} ,2, [3 ] , "x"], "z":null}';
  assert.deepEqual(findList(text, 'l')?.elements, ['{"n":1.0,"s":"]}\\""}', '2', '[3 ]', '"x"']);
  assert.equal(replaceList(text, 'l', ['1']), ' {"a" : "[1]", "l": [1], "z":null}');
  assert.equal(replaceList(text, 'z', ['1', '2']), text.replace('null', '[1,2]'));
  assert.equal(findList(text, 'a'), undefined);
  assert.deepEqual(findList('{"\\u006c":[1]}', 'l')?.elements, ['1']);
  assert.equal(replaceList('{}', 'l', ['1']), '{"l":[1]}');
  assert.equal(replaceList('{"a":1 }', 'l', []), '{"a":1 ,"l":[]}');
  assert.deepEqual(findList('{"l":[]}', 'l')?.elements, []);
});

test('any list of any object: elements joined again are the same text', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 });
  const indent = fc.constantFrom(undefined, 1, '\t');
  fc.assert(
    fc.property(object, fc.array(fc.jsonValue()), indent, (others, list, space) => {
      const { l: _, ...rest } = others;
      const value = { ...rest, l: list };
      const text = JSON.stringify(value, null, space);
      const found = findList(text, 'l');
      const plain = JSON.parse(text) as { l: unknown[] };
      assert.deepEqual(
        found?.elements.map((element) => JSON.parse(element)),
        plain.l,
      );
      const extended = JSON.parse(replaceList(text, 'l', [...(found?.elements ?? []), '{"new":1}']));
      assert.deepEqual(extended, { ...plain, l: [...plain.l, { new: 1 }] });
      assert.deepEqual(JSON.parse(replaceList(JSON.stringify(rest), 'l', ['7'])), {
        ...JSON.parse(JSON.stringify(rest)),
        l: [7],
      });
    }),
  );
});
