import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { base64, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import {
  decodeEncryptedKey,
  decryptKey,
  type EncryptedKey,
  encodeEncryptedKey,
  encryptedKeyLabels,
  encryptKey,
  sharedDerivation,
} from './encrypted-key.ts';
import { type PemBlock, parsePem } from './pem.ts';
import { publicKeyOf } from './public-key.ts';

const code = (expected: string) => (error: unknown) => isBoltsealError(error) && error.code === expected;

const passwords: Readonly<Record<string, string>> = {
  'keys/signing.key': 'secret',
  'keys/gk2-cosign.key': 'secret',
  'keys/gk3-cosign.key': 'secret',
  'keys/gk2-empty.key': '',
  'keys/gk3-empty.key': '',
  'keys/gk2-pipe.key': 'pipepw\n',
  'keys/gk3-pipe.key': 'pipepw\n',
};
const keyFiles = [...vectorNames('keys'), ...vectorNames('imported')].filter((name) => name.endsWith('.key'));

function decode(name: string): EncryptedKey {
  const [block] = parsePem(vector(name), name);
  assert.ok(block !== undefined);
  return decodeEncryptedKey(block, name);
}

describe('encrypted keys', () => {
  it('are written byte for byte as cosign writes them', () => {
    assert.ok(keyFiles.length >= 14);
    for (const name of keyFiles) {
      assert.equal(encodeEncryptedKey(decode(name)), fromUtf8(vector(name), name), name);
    }
  });

  it('open with their password and hold the key of the .pub file', async () => {
    await Promise.all(
      keyFiles.map(async (name) => {
        const pkcs8 = await decryptKey(decode(name), [utf8(passwords[name] ?? 'pw')], name);
        const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
        const expected = fromUtf8(vector(name.replace(/key$/, 'pub')), name);
        assert.equal(publicKeyOf(key, name).pem, expected, name);
      }),
    );
  });

  it('try each password once, in order', async () => {
    const key = decode('keys/gk3-cosign.key');
    const plain = await decryptKey(key, [utf8('secret\n'), utf8('secret')], 'x');
    assert.ok(plain.length > 0);
    await assert.rejects(decryptKey(key, [utf8('x'), utf8('x')], 'x'), code('ERR_PASSWORD_WRONG'));
    await assert.rejects(decryptKey(key, [], 'x'), code('ERR_PASSWORD_WRONG'));
  });

  it('come back from encryption, fresh each time', async () => {
    const [a, b] = await Promise.all([
      encryptKey(utf8('content'), utf8('pw')),
      encryptKey(utf8('content'), utf8('pw')),
    ]);
    assert.notDeepEqual(a.salt, b.salt);
    assert.notDeepEqual(a.nonce, b.nonce);
    assert.equal(a.label, encryptedKeyLabels[0]);
    const [block] = parsePem(utf8(encodeEncryptedKey(a)), 'x');
    assert.ok(block !== undefined);
    const plain = await decryptKey(decodeEncryptedKey(block, 'x'), [utf8('pw')], 'x');
    assert.equal(fromUtf8(plain, 'x'), 'content');
  });

  it('share a derivation when they share a password, each with a nonce of its own', async () => {
    const derivation = sharedDerivation();
    const [a, b] = await Promise.all([
      encryptKey(utf8('one'), utf8('pw'), derivation),
      encryptKey(utf8('two'), utf8('pw'), derivation),
    ]);
    assert.deepEqual(a.salt, b.salt);
    assert.notDeepEqual(a.nonce, b.nonce);
    // With the derivation, with another one, and without: the same keys come out.
    assert.deepEqual(await decryptKey(a, [utf8('pw')], 'a', derivation), utf8('one'));
    derivation.forget();
    assert.deepEqual(await decryptKey(b, [utf8('no'), utf8('pw')], 'b', sharedDerivation()), utf8('two'));
    assert.deepEqual(await decryptKey(b, [utf8('pw')], 'b'), utf8('two'));
    await assert.rejects(decryptKey(a, [utf8('no')], 'a', derivation), code('ERR_PASSWORD_WRONG'));
  });

  it('open with every cost cosign accepts, under both labels', async () => {
    // Made with OpenSSL's scrypt and NaCl's secretbox by the same code path; the cost must survive the round trip.
    const fresh = await encryptKey(utf8('content'), utf8(''));
    for (const label of encryptedKeyLabels) {
      for (const cost of [32_768, 65_536, 131_072]) {
        const [block] = parsePem(utf8(encodeEncryptedKey({ ...fresh, label, cost })), 'x');
        assert.ok(block !== undefined);
        assert.equal(decodeEncryptedKey(block, 'x').cost, cost);
      }
    }
    // Another cost derives another key; at the highest one scrypt needs its memory limit raised.
    await assert.rejects(
      decryptKey({ ...fresh, cost: 131_072 }, [utf8('')], 'x'),
      code('ERR_PASSWORD_WRONG'),
    );
  });

  describe('are refused', () => {
    const good = {
      kdf: { name: 'scrypt', params: { N: 65_536, r: 8, p: 1 }, salt: base64(new Uint8Array(32)) },
      cipher: { name: 'nacl/secretbox', nonce: base64(new Uint8Array(24)) },
      ciphertext: base64(new Uint8Array(154)),
    };
    const block = (document: unknown): PemBlock => ({
      label: encryptedKeyLabels[0] ?? '',
      headers: [],
      der: utf8(typeof document === 'string' ? document : JSON.stringify(document)),
    });
    const params = (change: object) => ({
      ...good,
      kdf: { ...good.kdf, params: { ...good.kdf.params, ...change } },
    });
    const cases: Readonly<Record<string, readonly [unknown, string]>> = {
      'tiny N': [params({ N: 2 }), 'ERR_KEY_PARAMETERS'],
      'huge N': [params({ N: 2 ** 30 }), 'ERR_KEY_PARAMETERS'],
      'N as text': [params({ N: '65536' }), 'ERR_KEY_PARAMETERS'],
      'other r': [params({ r: 1 }), 'ERR_KEY_PARAMETERS'],
      'other p': [params({ p: 1000 }), 'ERR_KEY_PARAMETERS'],
      'other kdf': [{ ...good, kdf: { ...good.kdf, name: 'pbkdf2' } }, 'ERR_KEY_PARAMETERS'],
      'other cipher': [{ ...good, cipher: { ...good.cipher, name: 'aes' } }, 'ERR_KEY_PARAMETERS'],
      'short nonce': [{ ...good, cipher: { ...good.cipher, nonce: 'AAAA' } }, 'ERR_KEY_INVALID'],
      'short salt': [{ ...good, kdf: { ...good.kdf, salt: 'AAAA' } }, 'ERR_KEY_INVALID'],
      'no ciphertext': [{ ...good, ciphertext: base64(new Uint8Array(16)) }, 'ERR_KEY_INVALID'],
      'loose base64': [{ ...good, ciphertext: 'AAA' }, 'ERR_KEY_INVALID'],
      'unknown field': [{ ...good, more: 1 }, 'ERR_KEY_INVALID'],
      'missing field': [{ ...good, cipher: undefined }, 'ERR_KEY_INVALID'],
      'a list': [[good], 'ERR_KEY_INVALID'],
      'no JSON': ['{', 'ERR_KEY_INVALID'],
      'a key twice': [`{"ciphertext":"",${JSON.stringify(good).slice(1)}`, 'ERR_KEY_INVALID'],
    };
    for (const [name, [document, expected]] of Object.entries(cases)) {
      it(`${name}_fail`, () => {
        assert.throws(() => decodeEncryptedKey(block(document), 'x'), code(expected));
      });
    }
    it('under another label', () => {
      assert.throws(
        () => decodeEncryptedKey({ ...block(good), label: 'PRIVATE KEY' }, 'x'),
        code('ERR_KEY_INVALID'),
      );
    });
  });
});
