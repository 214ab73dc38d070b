import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { derBitString, derOid, derSequence } from '../core/der.ts';
import { concatBytes, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodePem } from './pem.ts';
import { parsePublicKey } from './public-key.ts';

const ecPublicKey = '1.2.840.10045.2.1';
const curves: Readonly<Record<string, string>> = {
  'P-256': '1.2.840.10045.3.1.7',
  'P-384': '1.3.132.0.34',
  'P-521': '1.3.132.0.35',
};
const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;
const spki = (key: KeyObject): Uint8Array => key.export({ type: 'spki', format: 'der' });

describe('public keys', () => {
  it('are read and written byte for byte as cosign writes them', () => {
    const names = [...vectorNames('keys'), ...vectorNames('imported')].filter((name) =>
      name.endsWith('.pub'),
    );
    const types = new Set<string>();
    for (const name of names) {
      const key = parsePublicKey(vector(name), name);
      assert.equal(key.pem, fromUtf8(vector(name), name));
      assert.deepEqual(parsePublicKey(key.spki, name).pem, key.pem);
      types.add(key.type);
    }
    assert.deepEqual([...types].sort(), [
      'ecdsa-p256',
      'ecdsa-p384',
      'ecdsa-p521',
      'ed25519',
      'rsa-2048',
      'rsa-3072',
      'rsa-4096',
    ]);
  });

  it('must be points of their curve', () => {
    for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
      const der = Uint8Array.from(spki(generateKeyPairSync('ec', { namedCurve }).publicKey));
      assert.deepEqual(parsePublicKey(der).spki, der);
      der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
      assert.throws(() => parsePublicKey(der), code('ERR_KEY_INVALID'));
    }
  });

  it('are points that are not compressed, nor in the hybrid form_fail', () => {
    for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
      const der = spki(generateKeyPairSync('ec', { namedCurve }).publicKey);
      const { x, y } = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' }).export({
        format: 'jwk',
      });
      assert.ok(x !== undefined && y !== undefined);
      const parity = (Buffer.from(y, 'base64url').at(-1) ?? 0) & 1;
      const algorithm = derSequence(derOid(ecPublicKey), derOid(curves[namedCurve] ?? ''));
      const written = (form: number, ...numbers: string[]): Uint8Array =>
        derSequence(
          algorithm,
          derBitString(
            concatBytes(Uint8Array.of(form), ...numbers.map((one) => Buffer.from(one, 'base64url'))),
          ),
        );
      assert.deepEqual(parsePublicKey(written(4, x, y)).spki, Uint8Array.from(der));
      assert.throws(() => parsePublicKey(written(2 + parity, x)), code('ERR_KEY_INVALID'));
      assert.throws(() => parsePublicKey(written(6 + parity, x, y)), code('ERR_KEY_INVALID'));
    }
  });

  it('have the hint cosign puts into bundles', () => {
    const key = parsePublicKey(vector('keys/signing.pub'), 'x');
    assert.equal(key.hint, 'R0YTNgRLyGwG1ci7BkzhWdwFWp9wtSr40stmH4+Gtnw=');
    assert.equal(key.hint, createHash('sha256').update(key.spki).digest('base64'));
  });

  it('are read from PKCS#1, and become SubjectPublicKeyInfo', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pkcs1 = publicKey.export({ type: 'pkcs1', format: 'pem' });
    assert.equal(
      parsePublicKey(utf8(pkcs1.toString()), 'x').pem,
      publicKey.export({ type: 'spki', format: 'pem' }),
    );
  });

  it('are read with text before them and Windows line ends', () => {
    const text = fromUtf8(vector('keys/signing.pub'), 'x').replaceAll('\n', '\r\n');
    assert.equal(parsePublicKey(utf8(`# my key\r\n${text}`), 'x').type, 'ecdsa-p256');
  });

  describe('are refused', () => {
    const pem = fromUtf8(vector('keys/signing.pub'), 'x');
    const cases: Readonly<Record<string, readonly [() => Uint8Array, string]>> = {
      'an encrypted private key': [() => vector('keys/signing.key'), 'ERR_KEY_PRIVATE_GIVEN'],
      'a plain private key': [() => vector('import/ec-prime256v1-pkcs8.pem'), 'ERR_KEY_PRIVATE_GIVEN'],
      nothing: [() => new Uint8Array(0), 'ERR_KEY_EMPTY'],
      'white space': [() => utf8(' \r\n\t'), 'ERR_KEY_EMPTY'],
      text: [() => utf8('hello'), 'ERR_KEY_INVALID'],
      'two keys': [() => utf8(pem + pem), 'ERR_KEY_INVALID'],
      'lost line breaks': [() => utf8(pem.replaceAll('\n', ' ')), 'ERR_KEY_INVALID'],
      'written line breaks': [() => utf8(pem.replaceAll('\n', '\\n')), 'ERR_KEY_INVALID'],
      'base64 of PEM': [() => utf8(Buffer.from(pem).toString('base64')), 'ERR_KEY_INVALID'],
      'a truncated block': [() => utf8(pem.slice(0, 80)), 'ERR_KEY_INVALID'],
      'other DER': [() => utf8(encodePem('PUBLIC KEY', new Uint8Array([0x30, 0]))), 'ERR_KEY_INVALID'],
      'bytes after the key': [
        () =>
          utf8(encodePem('PUBLIC KEY', concatBytes(parsePublicKey(utf8(pem), 'x').spki, new Uint8Array(1)))),
        'ERR_KEY_INVALID',
      ],
      'a certificate': [
        () => utf8(encodePem('CERTIFICATE', new Uint8Array([0x30, 0]))),
        'ERR_KEY_UNSUPPORTED',
      ],
      'too many bytes': [() => new Uint8Array(70_000), 'ERR_LIMIT_EXCEEDED'],
      'P-224': [
        () => spki(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey),
        'ERR_KEY_UNSUPPORTED',
      ],
      secp256k1: [
        () => spki(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
        'ERR_KEY_UNSUPPORTED',
      ],
      Ed448: [() => spki(generateKeyPairSync('ed448').publicKey), 'ERR_KEY_UNSUPPORTED'],
      X25519: [() => spki(generateKeyPairSync('x25519').publicKey), 'ERR_KEY_UNSUPPORTED'],
      'RSA-1024': [
        () => spki(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
        'ERR_KEY_UNSUPPORTED',
      ],
      'RSA-PSS': [
        () => spki(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey),
        'ERR_KEY_UNSUPPORTED',
      ],
    };
    for (const [name, [bytes, expected]] of Object.entries(cases)) {
      it(`${name}_fail`, () => {
        assert.throws(() => parsePublicKey(bytes(), 'x'), code(expected));
      });
    }
    it('with an even exponent', () => {
      const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
      const der = Uint8Array.from(spki(key));
      assert.deepEqual([...der.slice(-5)], [2, 3, 1, 0, 1]);
      // 65537 becomes 65536.
      der[der.length - 1] = 0;
      assert.throws(() => parsePublicKey(der, 'x'), code('ERR_KEY_UNSUPPORTED'));
    });
  });

  it('never say what the file holds', () => {
    const secret = 'VERYSECRETTEXT';
    try {
      parsePublicKey(utf8(`-----BEGIN PRIVATE KEY----- ${secret} -----END PRIVATE KEY-----`), 'x');
      assert.fail('must be refused');
    } catch (error) {
      assert.ok(isBoltsealError(error, 'ERR_KEY_INVALID'));
      assert.ok(
        !JSON.stringify([error.message, error.hint, error.details, String(error.cause)]).includes(secret),
      );
    }
  });
});
