import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { openSealedBox } from '../../test/support/github.ts';
import { utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { sealBox } from './sealed-box.ts';

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

/** The key pair that `crypto_box_seed_keypair` of libsodium 1.0.22 makes of the bytes 1 to 32. */
const publicKey = bytes('4a3807d064d077181cc070989e76891d20dca5559548dc2c77c1a50273882b38');
const secretKey = bytes('77788f1a0cea001a2631dae5d05dbd062008d5b30f50b9e29beb2a7822289004');

it('a box is what libsodium and tweetnacl make with the same ephemeral key', async () => {
  const ephemeral = Uint8Array.from({ length: 32 }, (_, index) => 200 - index);
  const box = await sealBox(utf8('the same'), publicKey, ephemeral, 'k');
  const expected =
    '8dafcfeeae9045ee9a78d78a99fcf32e7781e441eb073096c342b8e2dcc3b61249cb9ae62da722249cd5091a233ce5bfb2a1eb233bcdd700';
  assert.equal(Buffer.from(box).toString('hex'), expected);
});

it('what the tests open boxes with opens one of libsodium', () => {
  const box =
    'a7f2de041aee335db3fb532c13275543ddb42c2464027700d36c79fbe31ec379f01bafb6ac97b1348c2813c30e894dd5c3e9ef02ce8e92fa5411204c1d04210087a6dd';
  assert.equal(Buffer.from(openSealedBox(bytes(box), secretKey)).toString(), 'sealed by libsodium');
});

it('the owner opens what was sealed, and nobody opens a changed box', async () => {
  const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), secret, fc.nat(), async (message, ephemeral, at) => {
      const box = await sealBox(message, publicKey, ephemeral, 'k');
      assert.equal(box.length, message.length + 48);
      assert.deepEqual(Buffer.from(openSealedBox(box, secretKey)), Buffer.from(message));
      const changed = Uint8Array.from(box);
      changed[at % box.length] = (changed[at % box.length] ?? 0) ^ 1;
      assert.throws(() => openSealedBox(changed, secretKey));
    }),
    { numRuns: 30 },
  );
});

it('keys that everybody could open a box with are refused_fail', async () => {
  const zero = new Uint8Array(32);
  const one = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 1 : 0));
  for (const key of [zero, one, new Uint8Array(31), new Uint8Array(33), new Uint8Array(0)]) {
    await assert.rejects(sealBox(utf8('m'), key, publicKey, 'k'), (error) =>
      isBoltsealError(error, 'ERR_KEY_INVALID'),
    );
  }
});
