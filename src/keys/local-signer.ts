/** Signing with a private key in memory. */
import { type KeyObject, sign } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import { publicKeyOf } from '../formats/public-key.ts';
import type { Signer } from './signer.ts';

/**
 * A signer on a private key object: ECDSA over SHA-256 in DER, RSA PKCS#1 v1.5 over SHA-256, Ed25519 pure. Throws
 * `ERR_KEY_UNSUPPORTED` for other keys; its `sign` throws `ERR_SIGNING_FAILED`.
 */
export function localSigner(key: KeyObject, what: string): Signer {
  const publicKey = publicKeyOf(key, what);
  const algorithm = publicKey.type === 'ed25519' ? null : 'sha256';
  const failed = (cause: unknown): BoltsealError =>
    new BoltsealError('ERR_SIGNING_FAILED', `signing with ${what} failed`, { cause });
  return {
    publicKey,
    sign: (message, options = {}) =>
      new Promise((resolve, reject) => {
        options.signal?.throwIfAborted();
        // P-256 and Ed25519 take less time than handing them to another thread does.
        if (publicKey.type === 'ecdsa-p256' || publicKey.type === 'ed25519') {
          try {
            resolve(new Uint8Array(sign(algorithm, message, key)));
          } catch (cause) {
            reject(failed(cause));
          }
          return;
        }
        sign(algorithm, message, key, (error, signature) => {
          if (error === null) resolve(new Uint8Array(signature));
          else reject(failed(error));
        });
      }),
  };
}
