import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { vector, vectorImage, vectorNames } from '../../test/vectors/vectors.ts';
import { parseDigest } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import {
  encodeSimpleSigning,
  parseSimpleSigning,
  simpleSigningAnnotations,
  simpleSigningType,
} from './simple-signing.ts';

const image = parseDigest(vectorImage);

describe('simple signing', () => {
  it('is written byte for byte as cosign writes it', () => {
    const names = vectorNames().filter((name) => /^(c2-sig|c3-oldsig).*layer|payload/.test(name));
    assert.ok(names.length >= 6);
    for (const name of names) {
      const payload = parseSimpleSigning(vector(name), name);
      assert.equal(payload.type, simpleSigningType);
      const again = encodeSimpleSigning(
        payload.dockerReference,
        payload.digest,
        simpleSigningAnnotations(payload),
      );
      assert.equal(fromUtf8(again, name), fromUtf8(vector(name), name));
    }
  });

  it('reads back what it writes', () => {
    const text = fc.string({ unit: 'grapheme' });
    const annotated = fc.dictionary(text, text, { noNullPrototype: true });
    fc.assert(
      fc.property(text, annotated, (reference, annotations) => {
        const payload = parseSimpleSigning(encodeSimpleSigning(reference, image, annotations), 'x');
        assert.equal(payload.dockerReference, reference);
        assert.equal(payload.digest, image);
        assert.deepEqual(simpleSigningAnnotations(payload), annotations);
      }),
    );
  });

  it('takes the numbers skopeo signs, which are no annotations', () => {
    const text = fromUtf8(encodeSimpleSigning('r', image, {}), 'x').replace(
      'null',
      '{"creator":"c","timestamp":1}',
    );
    const payload = parseSimpleSigning(utf8(text), 'x');
    assert.deepEqual(payload.optional, { creator: 'c', timestamp: 1 });
    assert.deepEqual(simpleSigningAnnotations(payload), { creator: 'c' });
  });

  const critical = {
    identity: { 'docker-reference': 'r' },
    image: { 'docker-manifest-digest': vectorImage },
    type: simpleSigningType,
  };
  const cases: Readonly<Record<string, unknown>> = {
    'no critical': { optional: null },
    'another top field': { critical, optional: null, more: 1 },
    'another critical field': { critical: { ...critical, more: 1 } },
    'another identity': { critical: { ...critical, identity: { 'docker-reference': 'r', x: 1 } } },
    'no digest': { critical: { ...critical, image: {} } },
    'not a digest': { critical: { ...critical, image: { 'docker-manifest-digest': 'sha256:1' } } },
    'no type': { critical: { ...critical, type: undefined } },
    'reference as number': { critical: { ...critical, identity: { 'docker-reference': 1 } } },
    'optional as list': { critical, optional: [] },
    'a list': [],
  };
  for (const [name, document] of Object.entries(cases)) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => parseSimpleSigning(utf8(JSON.stringify(document)), 'x'),
        (error) => isBoltsealError(error, 'ERR_PAYLOAD_INVALID'),
      );
    });
  }

  it('refuses a digest that stands there twice, and a giant', () => {
    const twice = `{"critical":{"image":{"docker-manifest-digest":"${vectorImage}","docker-manifest-digest":"x"}}}`;
    assert.throws(
      () => parseSimpleSigning(utf8(twice), 'x'),
      (error) => isBoltsealError(error, 'ERR_JSON_INVALID'),
    );
    assert.throws(
      () => parseSimpleSigning(new Uint8Array(1_048_577), 'x'),
      (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
    );
  });
});
