import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodePem } from '../formats/pem.ts';
import { importKeyPair } from './import.ts';
import { openPrivateKey } from './private-key.ts';

const accepted = vectorNames('imported')
  .filter((name) => name.endsWith('.pub'))
  .map((name) => name.replace(/^imported\/(.*)\.pub$/, '$1'));
const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;

describe('key import', () => {
  for (const name of accepted) {
    it(`takes ${name}, as cosign does`, async () => {
      const pair = await importKeyPair(vector(`import/${name}.pem`), utf8('pw'), name);
      assert.equal(pair.publicKeyPem, fromUtf8(vector(`imported/${name}.pub`), name));
      const signer = await openPrivateKey(utf8(pair.privateKeyPem), async () => [utf8('pw')], name);
      assert.equal(signer.publicKey.pem, pair.publicKeyPem);
    });
  }

  const refused = vectorNames('import').filter(
    (name) => !accepted.includes(name.replace(/^import\/(.*)\.pem$/, '$1')),
  );
  for (const name of refused) {
    it(`refuses ${name}, as cosign does_fail`, async () => {
      await assert.rejects(importKeyPair(vector(name), utf8('pw'), name), code('ERR_KEY_UNSUPPORTED'));
    });
  }
  it('has both kinds of vectors', () => {
    assert.ok(accepted.length >= 10 && refused.length >= 8);
  });

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const cases: Readonly<Record<string, readonly [() => Uint8Array, string]>> = {
    'a public key': [() => vector('keys/signing.pub'), 'ERR_KEY_PUBLIC_GIVEN'],
    'an imported key': [() => vector('keys/signing.key'), 'ERR_KEY_UNSUPPORTED'],
    'an OpenSSH key': [
      () => utf8(encodePem('OPENSSH PRIVATE KEY', new Uint8Array(9))),
      'ERR_KEY_UNSUPPORTED',
    ],
    'a legacy encrypted key': [
      () =>
        utf8(
          privateKey
            .export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
            .toString(),
        ),
      'ERR_KEY_UNSUPPORTED',
    ],
    'no key inside': [() => utf8(encodePem('EC PRIVATE KEY', utf8('hello'))), 'ERR_KEY_INVALID'],
    'an empty file': [() => utf8('\n'), 'ERR_KEY_EMPTY'],
    'a DER file': [() => privateKey.export({ type: 'pkcs8', format: 'der' }), 'ERR_KEY_INVALID'],
  };
  for (const [name, [bytes, expected]] of Object.entries(cases)) {
    it(`${name}_fail`, async () => {
      await assert.rejects(importKeyPair(bytes(), utf8('pw'), 'x'), code(expected));
    });
  }

  it('refuses a private key with the public half of another', async () => {
    const der = (): Buffer =>
      generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({
        type: 'pkcs8',
        format: 'der',
      });
    const [one, other] = [der(), der()];
    // The public point is the end of the structure.
    const mixed = Buffer.concat([one.subarray(0, -64), other.subarray(-64)]);
    assert.doesNotThrow(() => createPrivateKey({ key: mixed, format: 'der', type: 'pkcs8' }));
    await assert.rejects(
      importKeyPair(utf8(encodePem('PRIVATE KEY', mixed)), utf8('pw'), 'x'),
      code('ERR_KEY_INVALID'),
    );
  });
});
