/**
 * Sealed boxes of libsodium: what anyone can encrypt to a key, and only its owner can open.
 *
 *     ephemeral public key (32) ‖ Poly1305 tag (16) ‖ ciphertext
 *     nonce = BLAKE2b-192(ephemeral public key ‖ recipient's public key)
 *     key   = HSalsa20(X25519(ephemeral secret key, recipient's public key), 0)
 *
 * {@link https://doc.libsodium.org/public-key_cryptography/sealed_boxes}
 */
import { concatBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';

/** Bytes of an X25519 key, public or secret. */
const keyLength = 32;

/**
 * `message` sealed for the owner of `recipient`, an X25519 public key of 32 bytes. `ephemeralSecret` is 32 unpredictable
 * bytes, used once. `what` names the recipient's key in errors. Throws `ERR_KEY_INVALID` for a key of another length or of
 * low order, with which everybody could open the box.
 */
export async function sealBox(
  message: Uint8Array,
  recipient: Uint8Array,
  ephemeralSecret: Uint8Array,
  what: string,
): Promise<Uint8Array> {
  if (recipient.length !== keyLength) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} has ${recipient.length} bytes, not ${keyLength}`);
  }
  const [{ x25519 }, { hsalsa, xsalsa20poly1305 }, { blake2b }] = await Promise.all([
    import('@noble/curves/ed25519.js'),
    import('@noble/ciphers/salsa.js'),
    import('@noble/hashes/blake2.js'),
  ]);
  const ephemeral = x25519.getPublicKey(ephemeralSecret);
  let shared: Uint8Array;
  try {
    shared = x25519.getSharedSecret(ephemeralSecret, recipient);
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is no X25519 public key`, { cause });
  }
  const nonce = blake2b(concatBytes(ephemeral, recipient), { dkLen: 24 });
  const key = boxKey(shared, hsalsa);
  return concatBytes(ephemeral, xsalsa20poly1305(key, nonce).encrypt(message));
}

type HSalsa = (constants: Uint32Array, key: Uint32Array, input: Uint32Array, output: Uint32Array) => void;

/** The key of `crypto_box`: HSalsa20 of the shared secret and zeros. The library takes words in the machine's own order. */
function boxKey(shared: Uint8Array, hsalsa: HSalsa): Uint8Array {
  const output = new Uint32Array(8);
  hsalsa(words(utf8('expand 32-byte k')), words(shared), new Uint32Array(4), output);
  return new Uint8Array(output.buffer);
}

/** A copy of `bytes` as words. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}
