import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { keyTypes, parsePublicKey } from '../formats/public-key.ts';
import { generateKeyPair } from './generate.ts';
import { openPrivateKey } from './private-key.ts';

describe('key pair generation', () => {
  // The large RSA keys take seconds to find and differ in nothing but a number.
  for (const type of keyTypes.filter((candidate) => candidate !== 'rsa-4096')) {
    it(`makes ${type} that opens with its password and signs`, async () => {
      const pair = await generateKeyPair(type, utf8('pw'));
      assert.equal(parsePublicKey(utf8(pair.publicKeyPem), 'x').type, type);
      const signer = await openPrivateKey(utf8(pair.privateKeyPem), async () => [utf8('pw')], 'x');
      assert.equal(signer.publicKey.pem, pair.publicKeyPem);
      const hash = type === 'ed25519' ? null : 'sha256';
      assert.ok(verify(hash, utf8('m'), pair.publicKey.key, await signer.sign(utf8('m'))));
    });
  }

  it('encrypts with an empty password too, and then opens with no other', async () => {
    const pair = await generateKeyPair('ed25519', new Uint8Array(0));
    assert.match(pair.privateKeyPem, /^-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n/);
    await assert.rejects(
      openPrivateKey(utf8(pair.privateKeyPem), async () => [utf8('x')], 'x'),
      (error) => isBoltsealError(error, 'ERR_PASSWORD_WRONG'),
    );
  });

  it('leaves nothing of the private key readable', async () => {
    const pair = await generateKeyPair('ecdsa-p256', utf8('pw'));
    const body = pair.privateKeyPem.split('\n').slice(1, -2).join('');
    const document = JSON.parse(fromUtf8(Buffer.from(body, 'base64'), 'x'));
    const content = Buffer.from(document.ciphertext, 'base64');
    assert.equal(content.length, 154);
    assert.ok(!content.includes(Buffer.from(pair.publicKey.spki.slice(-64))));
  });
});
