import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vector, vectorImage } from '../../test/vectors/vectors.ts';
import { parseDigest } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { parseBundle } from './bundle.ts';
import { parseEnvelope } from './dsse.ts';
import {
  encodeSignStatement,
  parseStatement,
  signPredicateType,
  statementType,
  statementTypeV01,
} from './statement.ts';

const image = parseDigest(vectorImage);
const sha512 = parseDigest(`sha512:${'ab'.repeat(64)}`);

function payloadOf(name: string): Uint8Array {
  const { content } = parseBundle(vector(name), name);
  assert.ok(content.kind === 'envelope');
  return content.envelope.payload;
}

describe('statements', () => {
  it('of image signatures are written byte for byte as cosign writes them', () => {
    const written = (payload: Uint8Array) => {
      const [subject] = parseStatement(payload, 'x').subjects;
      assert.ok(subject?.digests[0] !== undefined);
      return fromUtf8(encodeSignStatement(subject.digests[0], subject.annotations), 'x');
    };
    for (const name of [
      'c3-sign-notlog-oci11.layer1.json',
      'keyless-sc-v1.bundle.json',
      'c3-odd-annotations.bundle.json',
    ]) {
      assert.equal(written(payloadOf(name)), fromUtf8(payloadOf(name), name), name);
    }
  });

  it('are read: v1 with annotations, v0.1 with names', () => {
    const signed = parseStatement(payloadOf('keyless-sc-v1.bundle.json'), 'x');
    assert.deepEqual(signed, {
      type: statementType,
      subjects: [{ digests: [image], annotations: { env: 'prod' } }],
      predicateType: signPredicateType,
      predicate: {},
    });
    const envelope = parseEnvelope(vector('attest/attest-custom-old2.layer1.json'), 'x');
    const attested = parseStatement(envelope.payload, 'x');
    assert.equal(attested.type, statementTypeV01);
    assert.deepEqual(attested.subjects, [
      { name: '127.0.0.1:5102/att/custom-old2', digests: [image], annotations: {} },
    ]);
  });

  it('may be about a SHA-512 digest', () => {
    assert.deepEqual(parseStatement(encodeSignStatement(sha512, {}), 'x').subjects[0]?.digests, [sha512]);
  });

  const hexDigest = vectorImage.slice(7);
  const good = { _type: statementType, subject: [{ digest: { sha256: hexDigest } }], predicateType: 't' };
  it('may lack a predicate and annotations, and have other digests and fields', () => {
    const statement = {
      ...good,
      extra: 1,
      subject: [{ digest: { gitCommit: 'x', sha256: hexDigest }, uri: '' }],
    };
    const parsed = parseStatement(utf8(JSON.stringify(statement)), 'x');
    assert.deepEqual(parsed.subjects, [{ digests: [image], annotations: {} }]);
    assert.equal(parsed.predicate, undefined);
  });

  const subject = (change: object) => ({ ...good, subject: [{ ...good.subject[0], ...change }] });
  const cases: Readonly<Record<string, readonly [unknown, string]>> = {
    'other type': [{ ...good, _type: 'https://in-toto.io/Statement/v2' }, 'ERR_STATEMENT_INVALID'],
    'no subject': [{ ...good, subject: [] }, 'ERR_STATEMENT_INVALID'],
    'subject missing': [{ ...good, subject: undefined }, 'ERR_STATEMENT_INVALID'],
    'subject as object': [{ ...good, subject: good.subject[0] }, 'ERR_STATEMENT_INVALID'],
    'no predicate type': [{ ...good, predicateType: '' }, 'ERR_STATEMENT_INVALID'],
    'no digest': [subject({ digest: {} }), 'ERR_STATEMENT_INVALID'],
    'upper-case digest': [subject({ digest: { sha256: hexDigest.toUpperCase() } }), 'ERR_STATEMENT_INVALID'],
    'short digest': [subject({ digest: { sha256: 'ab' } }), 'ERR_STATEMENT_INVALID'],
    'digest with prefix': [subject({ digest: { sha256: vectorImage } }), 'ERR_STATEMENT_INVALID'],
    'digest as number': [subject({ digest: { sha256: 1 } }), 'ERR_STATEMENT_INVALID'],
    'annotation as number': [subject({ annotations: { a: 1 } }), 'ERR_STATEMENT_INVALID'],
    'annotations as list': [subject({ annotations: ['a'] }), 'ERR_STATEMENT_INVALID'],
    'name as number': [subject({ name: 1 }), 'ERR_STATEMENT_INVALID'],
    'too many subjects': [{ ...good, subject: Array(10_001).fill(good.subject[0]) }, 'ERR_LIMIT_EXCEEDED'],
    'too many annotations': [
      subject({ annotations: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, ''])) }),
      'ERR_LIMIT_EXCEEDED',
    ],
    'a list': [[], 'ERR_STATEMENT_INVALID'],
  };
  for (const [name, [document, expected]] of Object.entries(cases)) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => parseStatement(utf8(JSON.stringify(document)), 'x'),
        (error) => isBoltsealError(error) && error.code === expected,
      );
    });
  }
});
