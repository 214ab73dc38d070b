import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { formatPkcs11Uri, type Pkcs11Uri, parsePkcs11Uri } from './pkcs11-uri.ts';

describe('PKCS#11 URIs', () => {
  it('of cosign, and the examples of RFC 7512 that name a key', () => {
    const cosign =
      'pkcs11:token=lab;slot-id=7;id=%01%fF;object=my%20key?module-path=/usr/lib/softhsm.so&pin-value=12%2634';
    assert.deepEqual(parsePkcs11Uri(cosign), {
      token: 'lab',
      slotId: 7,
      id: Uint8Array.of(1, 255),
      object: 'my key',
      modulePath: '/usr/lib/softhsm.so',
      pinValue: '12&34',
    });
    const rfc =
      'pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=public;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin';
    const read = parsePkcs11Uri(rfc.replace('serial=', 'serial=1'));
    assert.equal(read.token, 'The Software PKCS#11 Softtoken');
    assert.equal(read.manufacturer, 'Snake Oil, Inc.');
    assert.equal(Buffer.from(read.id ?? []).toString('hex'), '69953e5cf4bdec91');
    assert.equal(read.pinSource, 'file:/etc/token_pin');
    // Blanks are not written as plus signs.
    assert.equal(parsePkcs11Uri('pkcs11:object=a+b').object, 'a+b');
    assert.deepEqual(parsePkcs11Uri('pkcs11:'), {});
    assert.deepEqual(parsePkcs11Uri('pkcs11:library-version=3;object=a?module-path=/a;pin-value=1'), {
      object: 'a',
      modulePath: '/a',
      pinValue: '1',
    });
  });

  const refused: Readonly<Record<string, string>> = {
    'another scheme': 'pkcs12:object=a',
    'two questions': 'pkcs11:object=a?pin-value=SECRET?x=y',
    'an attribute twice': 'pkcs11:object=a;object=b',
    'an attribute that is not known': 'pkcs11:object=a;colour=red',
    'a vendor attribute': 'pkcs11:object=a;x-muhkuh=SECRET',
    'a query attribute that is not known': 'pkcs11:object=a?x-pin=SECRET',
    'a path attribute in the query': 'pkcs11:object=a?token=b',
    'a PIN in the path': 'pkcs11:object=a;pin-value=SECRET',
    'two places for the PIN': 'pkcs11:object=a?pin-value=SECRET&pin-source=/x',
    'a module by its name': 'pkcs11:object=a?module-name=softhsm',
    'no value': 'pkcs11:object',
    'no name': 'pkcs11:=SECRET',
    'an empty attribute': 'pkcs11:object=a;;token=b',
    'a percent sign alone': 'pkcs11:object=%',
    'half an escape': 'pkcs11:object=%4;pin-value=SECRET',
    'a slot that is no number': 'pkcs11:slot-id=SECRET',
    'a negative slot': 'pkcs11:slot-id=-1',
    'a secret key': 'pkcs11:object=a;type=secret-key',
    'too long': `pkcs11:object=${'a'.repeat(5_000)}`,
    'a name of Object': 'pkcs11:constructor=a',
  };
  for (const [name, text] of Object.entries(refused)) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => parsePkcs11Uri(text),
        (error) => {
          assert.ok(isBoltsealError(error, 'ERR_USAGE'), String(error));
          assert.ok(!`${error.message}${error.hint}`.includes('SECRET'));
          return true;
        },
      );
    });
  }

  it('text that is not UTF-8_fail', () => {
    assert.throws(
      () => parsePkcs11Uri('pkcs11:object=%ff'),
      (error) => isBoltsealError(error, 'ERR_ENCODING_INVALID'),
    );
  });

  it('are read as they were written, without the PIN', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const uris = fc.record(
      {
        token: text,
        manufacturer: text,
        serial: text,
        model: text,
        slotId: fc.nat(),
        object: text,
        id: fc.uint8Array({ minLength: 1, maxLength: 20 }),
        modulePath: text,
        pinValue: fc.constant('1234'),
      },
      { requiredKeys: ['object'] },
    );
    fc.assert(
      fc.property(uris, (uri: Pkcs11Uri) => {
        const { pinValue: _, ...rest } = uri;
        assert.deepEqual(parsePkcs11Uri(formatPkcs11Uri(uri)), rest);
        assert.match(
          formatPkcs11Uri(uri),
          /^pkcs11:[A-Za-z0-9._~%;=-]*(?:\?module-path=[A-Za-z0-9._~%/-]*)?$/,
        );
      }),
    );
  });

  it('that are anything else end in an error of ours', () => {
    const words = ['object=', 'id=', 'token', ';', '?', '&', '%', '%41', 'pin-value=', 'slot-id=', '1', 'é'];
    const pieces = fc.array(fc.oneof(fc.constantFrom(...words), fc.string()), { maxLength: 12 });
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parsePkcs11Uri(`pkcs11:${parts.join('')}`);
        } catch (error) {
          assert.ok(isBoltsealError(error), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
