import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { localSigner } from './local-signer.ts';

const keys: Readonly<Record<string, () => KeyObject>> = {
  'ecdsa-p256': () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey,
  'ecdsa-p384': () => generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey,
  'ecdsa-p521': () => generateKeyPairSync('ec', { namedCurve: 'secp521r1' }).privateKey,
  ed25519: () => generateKeyPairSync('ed25519').privateKey,
  'rsa-2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
};

describe('local signer', () => {
  for (const [type, make] of Object.entries(keys)) {
    it(`signs with ${type}, over SHA-256 where the key has no hash of its own`, async () => {
      const signer = localSigner(make(), 'the key');
      assert.equal(signer.publicKey.type, type);
      const message = utf8('message');
      const signature = await signer.sign(message);
      const hash = type === 'ed25519' ? null : 'sha256';
      assert.ok(verify(hash, message, signer.publicKey.key, signature));
      assert.ok(!verify(hash, utf8('other'), signer.publicKey.key, signature));
    });
  }

  it('refuses keys cosign does not import', () => {
    const { privateKey } = generateKeyPairSync('ed448');
    assert.throws(
      () => localSigner(privateKey, 'the key'),
      (error) => isBoltsealError(error, 'ERR_KEY_UNSUPPORTED'),
    );
  });

  it('does not sign after it was told to stop', async () => {
    const signer = localSigner(generateKeyPairSync('ed25519').privateKey, 'the key');
    const reason = new Error('stop');
    await assert.rejects(signer.sign(utf8('m'), { signal: AbortSignal.abort(reason) }), reason);
  });
});
