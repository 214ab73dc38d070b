/** New key pairs, as the two files cosign writes. */
import { generateKeyPair as generate, type KeyObject } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import { encodeEncryptedKey, encryptKey, type KeyDerivation } from '../formats/encrypted-key.ts';
import { type KeyType, type PublicKey, publicKeyOf } from '../formats/public-key.ts';
import { passwordBytes } from './password.ts';
import type { Password } from './signer.ts';

/** A key pair ready to be written: text of `cosign.key` (to be kept at mode 0600) and of `cosign.pub`. */
export interface KeyPairFiles {
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
  readonly publicKey: PublicKey;
}

/** A new key pair of `type`, its private half encrypted with `password` (which may be empty, as with cosign). */
export async function generateKeyPair(type: KeyType, password: Password): Promise<KeyPairFiles> {
  return await encryptKeyPair(await newPrivateKey(type), passwordBytes(password), `the new ${type} key`);
}

/** The two files of a private key. Throws `ERR_KEY_UNSUPPORTED`. */
export async function encryptKeyPair(
  key: KeyObject,
  password: Uint8Array,
  what: string,
  derivation?: KeyDerivation,
): Promise<KeyPairFiles> {
  const publicKey = publicKeyOf(key, what);
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  try {
    const encrypted = await encryptKey(pkcs8, password, derivation);
    return { privateKeyPem: encodeEncryptedKey(encrypted), publicKeyPem: publicKey.pem, publicKey };
  } finally {
    pkcs8.fill(0);
  }
}

/** A new private key of `type`, in memory. */
export function newPrivateKey(type: KeyType): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _publicKey: KeyObject, privateKey: KeyObject): void => {
      if (error === null) resolve(privateKey);
      else reject(new BoltsealError('ERR_INTERNAL', `an ${type} key could not be made`, { cause: error }));
    };
    switch (type) {
      case 'ed25519':
        return generate('ed25519', {}, done);
      case 'ecdsa-p256':
        return generate('ec', { namedCurve: 'prime256v1' }, done);
      case 'ecdsa-p384':
        return generate('ec', { namedCurve: 'secp384r1' }, done);
      case 'ecdsa-p521':
        return generate('ec', { namedCurve: 'secp521r1' }, done);
      default:
        return generate(
          'rsa',
          { modulusLength: Number(type.slice('rsa-'.length)), publicExponent: 65_537 },
          done,
        );
    }
  });
}
