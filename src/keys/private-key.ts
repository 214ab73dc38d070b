/** Private key files: from bytes to a signer, with an error of its own for every way in which they are not that. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import {
  decodeEncryptedKey,
  decryptKey,
  isEncryptedKeyLabel,
  type KeyDerivation,
} from '../formats/encrypted-key.ts';
import { readKeyBlock } from '../formats/public-key.ts';
import { localSigner } from './local-signer.ts';
import { passwordSource } from './password.ts';
import type { Password, PasswordSource, Signer } from './signer.ts';

/**
 * The signer of a key file in cosign's encrypted format. `password` is asked only once the file is known to be such a
 * key. `what` names the key in errors; `derivation` saves work when there are several keys. Throws `ERR_KEY_EMPTY`, `ERR_KEY_INVALID`, `ERR_KEY_PUBLIC_GIVEN`, `ERR_KEY_NOT_ENCRYPTED`, `ERR_KEY_PARAMETERS`,
 * `ERR_KEY_UNSUPPORTED`, `ERR_PASSWORD_WRONG`, and what `password` throws.
 */
export async function openPrivateKey(
  content: string | Uint8Array,
  password: Password | PasswordSource,
  what = 'the private key',
  derivation?: KeyDerivation,
): Promise<Signer> {
  const block = readKeyBlock(typeof content === 'string' ? utf8(content) : content, what);
  if (block === undefined) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is binary, and an encrypted PEM key is needed`);
  }
  if (!isEncryptedKeyLabel(block.label)) throw wrongLabel(block.label, what);
  const encrypted = decodeEncryptedKey(block, what);
  const pkcs8 = await decryptKey(encrypted, await passwordSource(password)(), what, derivation);
  try {
    return localSigner(importPkcs8(pkcs8, what), what);
  } finally {
    pkcs8.fill(0);
  }
}

function importPkcs8(der: Uint8Array, what: string): KeyObject {
  try {
    const view = Buffer.from(der.buffer, der.byteOffset, der.byteLength);
    return createPrivateKey({ key: view, format: 'der', type: 'pkcs8' });
  } catch {
    // The cause is left out: nothing of a decrypted key may travel on.
    throw new BoltsealError('ERR_KEY_INVALID', `${what} was decrypted, and its content is not a PKCS#8 key`);
  }
}

function wrongLabel(label: string, what: string): BoltsealError {
  if (label.endsWith('PUBLIC KEY') || label === 'CERTIFICATE') {
    return new BoltsealError(
      'ERR_KEY_PUBLIC_GIVEN',
      `${what} is a ${label.toLowerCase()}, and signing needs a private key`,
      {
        hint: 'Sign with the private key (cosign.key); the public key (cosign.pub) verifies.',
      },
    );
  }
  if (label === 'PRIVATE KEY' || label === 'EC PRIVATE KEY' || label === 'RSA PRIVATE KEY') {
    return new BoltsealError(
      'ERR_KEY_NOT_ENCRYPTED',
      `${what} is a plain private key, and an encrypted one is needed`,
      {
        hint: 'Encrypt it once with: boltseal import-key-pair --key KEY',
      },
    );
  }
  return new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is labelled ${label}`, {
    hint: 'Make a key with boltseal generate-key-pair, or convert one with boltseal import-key-pair.',
  });
}
