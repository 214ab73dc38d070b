import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { predicateOf, predicateTypeOf } from './predicate-type.ts';
import { encodeAttestation, parseStatement } from './statement.ts';

const digest = 'sha256:5d94a5c274ca159e5a000e4b63db163bd27b55a023a277efde18598e04724d51';
const now = new Date('2026-11-22T07:52:37.512Z');
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (of: string): Uint8Array => Buffer.from(of);

test('an attestation of the type custom is what cosign 3 signs, byte for byte', () => {
  const statement = encodeAttestation({
    name: '127.0.0.1:5102/att/custom-new',
    digest,
    predicateType: predicateTypeOf('custom'),
    predicate: predicateOf('custom', bytes('{"a":1}\n'), now),
  });
  assert.equal(
    text(statement),
    '{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"127.0.0.1:5102/att/custom-new","digest":{"sha256":"5d94a5c274ca159e5a000e4b63db163bd27b55a023a277efde18598e04724d51"}}],"predicateType":"https://cosign.sigstore.dev/attestation/v1","predicate":{"Data":"{\\"a\\":1}\\n","Timestamp":"2026-11-22T07:52:37Z"}}',
  );
});

test('any other predicate is signed as it stands in the file', () => {
  const file = bytes('\n{ "bomFormat": "CycloneDX",\n  "big": 12345678901234567890 }\n');
  const statement = encodeAttestation({
    name: 'ghcr.io/acme/app',
    digest,
    predicateType: predicateTypeOf('cyclonedx'),
    predicate: predicateOf('cyclonedx', file, now),
  });
  assert.ok(text(statement).endsWith(`"predicate":${text(file).trim()}}`));
  const { subjects, predicateType } = parseStatement(statement, 'the statement');
  assert.equal(predicateType, 'https://cyclonedx.org/bom');
  assert.deepEqual(subjects, [{ name: 'ghcr.io/acme/app', digests: [digest], annotations: {} }]);
});

test('SPDX in its own form is text, as cosign 2 attests it', () => {
  const predicate = predicateOf('spdx', bytes('SPDXVersion: SPDX-2.3\n"x"\n'), now);
  assert.equal(text(predicate), '"SPDXVersion: SPDX-2.3\\n\\"x\\"\\n"');
});

test('short names, URIs, and what is neither', () => {
  assert.equal(predicateTypeOf('spdxjson'), 'https://spdx.dev/Document');
  assert.equal(predicateTypeOf('spdx'), 'https://spdx.dev/Document');
  assert.equal(predicateTypeOf('https://example.com/my/v1'), 'https://example.com/my/v1');
  for (const word of [
    '',
    'constructor',
    'sbom',
    'https://a b',
    `https://${'a'.repeat(limits.issuerUrlLength)}`,
  ]) {
    assert.throws(
      () => predicateTypeOf(word),
      (error) => isBoltsealError(error, 'ERR_USAGE'),
      word,
    );
  }
});

test('predicates that are none', () => {
  const refused = (file: Uint8Array, word = 'vuln'): unknown => {
    try {
      predicateOf(word, file, now);
    } catch (error) {
      return isBoltsealError(error) ? error.code : error;
    }
    return undefined;
  };
  assert.equal(refused(bytes('[]')), 'ERR_USAGE');
  assert.equal(refused(bytes('{')), 'ERR_JSON_INVALID');
  // What closes the statement early must not pass for a predicate.
  assert.equal(refused(bytes('{}},"predicateType":"https://x.example/y"}')), 'ERR_JSON_INVALID');
  assert.equal(refused(bytes('{"a":1,"a":2}')), 'ERR_JSON_INVALID');
  assert.equal(refused(Buffer.from([0xff]), 'custom'), 'ERR_ENCODING_INVALID');
  assert.equal(refused(Buffer.alloc(limits.predicateBytes + 1, 0x20)), 'ERR_LIMIT_EXCEEDED');
});
