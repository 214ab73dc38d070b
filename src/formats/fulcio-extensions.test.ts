import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { cursor, derUtf8, parseDer, readOid } from '../core/der.ts';
import { utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { type Extension, parsePemCertificates } from './certificate.ts';
import {
  encodeFulcioExtensions,
  type FulcioExtensions,
  fulcioExtensionNames,
  parseFulcioExtensions,
} from './fulcio-extensions.ts';

/** As a certificate holds them. */
function read(encoded: readonly Uint8Array[]): ReadonlyMap<string, Extension> {
  return new Map(
    encoded.map((bytes) => {
      const parts = cursor(parseDer(bytes, 'x'), 'x');
      const oid = readOid(parts.next().content, 'x');
      return [oid, { oid, critical: false, value: parts.next().content, bytes }];
    }),
  );
}

const extension = (oid: string, value: Uint8Array): [string, Extension] => [
  oid,
  { oid, critical: false, value, bytes: value },
];

test('the extensions of a recorded certificate are read and written as they are', () => {
  const [leaf] = parsePemCertificates(utf8(transcripts().get('fulcio v1 ok')?.response ?? ''));
  assert.ok(leaf);
  const values = parseFulcioExtensions(leaf);
  assert.deepEqual(values, { issuer: 'http://127.0.0.1:5301', subject: 'dev@lab.test' });
  const recorded = [...leaf.extensions.values()].filter(({ oid }) => oid.startsWith('1.3.6.1.4.1.57264.'));
  assert.deepEqual(
    encodeFulcioExtensions(values),
    recorded.map(({ bytes }) => bytes),
  );
});

test('every extension has its own number, and they stand in order', () => {
  const values = Object.fromEntries(fulcioExtensionNames.map((name) => [name, `of ${name}`]));
  const numbers = [...read(encodeFulcioExtensions(values)).keys()].map((oid) =>
    Number(oid.split('.').at(-1)),
  );
  assert.deepEqual(
    numbers,
    Array.from({ length: 24 }, (_, index) => index + 1).filter((number) => number !== 7),
  );
});

test('extensions survive; empty ones are left out', () => {
  const anyText = fc.string({ unit: 'grapheme', minLength: 0, maxLength: 20 });
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...fulcioExtensionNames), anyText), (values) => {
      const kept = Object.fromEntries(Object.entries(values).filter(([, text]) => text !== ''));
      const extensions = read(encodeFulcioExtensions(values as FulcioExtensions));
      assert.deepEqual({ ...parseFulcioExtensions({ extensions }) }, { ...kept });
    }),
  );
});

const issuerV1 = '1.3.6.1.4.1.57264.1.1';
const issuerV2 = '1.3.6.1.4.1.57264.1.8';

for (const [name, entries] of Object.entries({
  two_issuers_fail: [extension(issuerV1, utf8('a')), extension(issuerV2, derUtf8('b'))],
  not_utf8_fail: [extension(issuerV1, Uint8Array.of(0xff))],
  not_der_fail: [extension(issuerV2, utf8('https://example.com'))],
  trailing_fail: [extension(issuerV2, Uint8Array.of(0x0c, 1, 0x61, 0))],
})) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => parseFulcioExtensions({ extensions: new Map(entries) }),
      (error) => isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
    );
  });
}
