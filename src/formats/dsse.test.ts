import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { base64, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodeEnvelope, parseEnvelope, preAuthEncoding } from './dsse.ts';

const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;

describe('DSSE', () => {
  it('encodes the example of the protocol', () => {
    const encoded = preAuthEncoding('http://example.com/HelloWorld', utf8('hello world'));
    assert.equal(fromUtf8(encoded, 'x'), 'DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  it('counts bytes, not characters', () => {
    assert.equal(fromUtf8(preAuthEncoding('é', utf8('😀')), 'x'), 'DSSEv1 2 é 4 😀');
  });

  it('reads stored envelopes, and writes them byte for byte as cosign 3 does', () => {
    const names = vectorNames('attest').filter((name) => /old[23]\.layer1/.test(name));
    assert.ok(names.length >= 4);
    for (const name of names) {
      const envelope = parseEnvelope(vector(name), name);
      const written = encodeEnvelope(envelope);
      assert.deepEqual(parseEnvelope(written, name), envelope);
      if (name.includes('old3')) assert.equal(fromUtf8(written, name), fromUtf8(vector(name), name));
    }
  });

  it('reads back every envelope it writes', () => {
    const signature = fc
      .tuple(fc.uint8Array({ minLength: 1 }), fc.string({ minLength: 1 }))
      .map(([bytes, keyId]) => ({ signature: bytes, keyId }));
    fc.assert(
      fc.property(
        fc.record({
          payload: fc.uint8Array(),
          payloadType: fc.string({ minLength: 1 }),
          signatures: fc.array(signature, { minLength: 1, maxLength: 4 }),
        }),
        (envelope) => {
          assert.deepEqual(parseEnvelope(encodeEnvelope(envelope), 'x'), { ...envelope });
        },
      ),
    );
  });

  const good = { payloadType: 't', payload: '', signatures: [{ sig: 'AA==', keyid: 'k' }] };
  const cases: Readonly<Record<string, readonly [unknown, string]>> = {
    'no signature': [{ ...good, signatures: [] }, 'ERR_ENVELOPE_INVALID'],
    'empty signature': [{ ...good, signatures: [{ sig: '' }] }, 'ERR_ENVELOPE_INVALID'],
    'no type': [{ ...good, payloadType: undefined }, 'ERR_ENVELOPE_INVALID'],
    'URL-safe base64': [{ ...good, payload: '_w==' }, 'ERR_ENVELOPE_INVALID'],
    'base64 without padding': [{ ...good, payload: '/w' }, 'ERR_ENVELOPE_INVALID'],
    'unknown field': [{ ...good, extra: 1 }, 'ERR_ENVELOPE_INVALID'],
    'both spellings': [{ ...good, payload_type: 't' }, 'ERR_ENVELOPE_INVALID'],
    'a list': [[], 'ERR_ENVELOPE_INVALID'],
    'too many': [{ ...good, signatures: Array(33).fill(good.signatures[0]) }, 'ERR_LIMIT_EXCEEDED'],
  };
  for (const [name, [document, expected]] of Object.entries(cases)) {
    it(`${name}_fail`, () => {
      assert.throws(() => parseEnvelope(utf8(JSON.stringify(document)), 'x'), code(expected));
    });
  }

  it('accepts both names of a field, and null as absent', () => {
    const text = JSON.stringify({
      payload_type: 't',
      payload: base64(utf8('p')),
      signatures: [{ sig: 'AA==', keyid: null }],
    });
    assert.deepEqual(parseEnvelope(utf8(text), 'x'), {
      payloadType: 't',
      payload: utf8('p'),
      signatures: [{ signature: new Uint8Array(1) }],
    });
  });
});
