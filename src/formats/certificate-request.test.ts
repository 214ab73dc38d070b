import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { derBitString, derExplicit, derInteger, derSequence } from '../core/der.ts';
import { concatBytes, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { parseCertificateRequest } from './certificate-request.ts';
import { emptyName, encodeName } from './name.ts';
import { encodePem } from './pem.ts';
import { signatureAlgorithms, verifiesWith } from './signature-algorithm.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = new Uint8Array(pair.publicKey.export({ type: 'spki', format: 'der' }));
const { identifier } = signatureAlgorithms.ecdsaSha256;

/** A request whose signed part has these members. */
function requestOf(...parts: readonly Uint8Array[]): Uint8Array {
  const info = derSequence(...parts);
  return derSequence(info, identifier, derBitString(new Uint8Array(sign('sha256', info, pair.privateKey))));
}

const name = encodeName({ commonName: 'x' });
const good = requestOf(derInteger(0), name, spki, derExplicit(0));
const pemOf = (der: Uint8Array, label = 'CERTIFICATE REQUEST'): Uint8Array => utf8(encodePem(label, der));

test('a request is read, and what is signed is a slice of it', () => {
  for (const der of [good, requestOf(derInteger(0), emptyName, spki)]) {
    for (const label of ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST']) {
      const request = parseCertificateRequest(pemOf(der, label));
      assert.deepEqual(request.spki, spki);
      assert.deepEqual(request.signatureAlgorithm, identifier);
      const { info, signature } = request;
      assert.ok(verifiesWith(signatureAlgorithms.ecdsaSha256, pair.publicKey, info, signature));
    }
  }
});

const broken: Readonly<Record<string, Uint8Array>> = {
  empty_fail: new Uint8Array(0),
  der_fail: good,
  label_fail: pemOf(good, 'CERTIFICATE'),
  version_fail: pemOf(requestOf(derInteger(1), name, spki, derExplicit(0))),
  no_key_fail: pemOf(requestOf(derInteger(0), name)),
  more_fail: pemOf(requestOf(derInteger(0), name, spki, derExplicit(0), derExplicit(0))),
  trailing_fail: pemOf(concatBytes(good, Uint8Array.of(0))),
  cut_fail: pemOf(good.subarray(0, -1)),
  bad_pem_fail: utf8('-----BEGIN CERTIFICATE REQUEST-----\nAAAA'),
};

for (const [what, pem] of Object.entries(broken)) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => parseCertificateRequest(pem),
      (error) => isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'),
    );
  });
}

test('a request that is too large is refused', () => {
  assert.throws(
    () => parseCertificateRequest(new Uint8Array(limits.certificateBytes + 1)),
    (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
  );
});

test('changed requests are read or refused, and never break the reader', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }), (changes) => {
      const der = Uint8Array.from(good);
      for (const [place, value] of changes) der[place % der.length] = value;
      try {
        parseCertificateRequest(pemOf(der));
      } catch (error) {
        assert.ok(isBoltsealError(error, 'ERR_CERTIFICATE_INVALID'), String(error));
      }
    }),
    { numRuns: 500 },
  );
});
