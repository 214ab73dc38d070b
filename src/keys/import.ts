/** Import of plain private keys, as other tools keep them. */
import { createPrivateKey, type KeyObject, sign, verify } from 'node:crypto';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isEncryptedKeyLabel } from '../formats/encrypted-key.ts';
import type { PemBlock } from '../formats/pem.ts';
import { publicKeyOf, readKeyBlock } from '../formats/public-key.ts';
import { encryptKeyPair, type KeyPairFiles } from './generate.ts';
import { passwordBytes } from './password.ts';
import type { Password } from './signer.ts';

const derTypes: Readonly<Record<string, 'pkcs1' | 'sec1' | 'pkcs8'>> = {
  'RSA PRIVATE KEY': 'pkcs1',
  'EC PRIVATE KEY': 'sec1',
  'PRIVATE KEY': 'pkcs8',
};

/**
 * The key pair of a plain private key in PEM (`RSA PRIVATE KEY`, `EC PRIVATE KEY` or `PRIVATE KEY`), encrypted with
 * `password`: what cosign's `import-key-pair` accepts, it accepts. The two halves are checked to belong together. Throws
 * `ERR_KEY_UNSUPPORTED`, `ERR_KEY_PUBLIC_GIVEN`, `ERR_KEY_EMPTY` and `ERR_KEY_INVALID`.
 */
export async function importKeyPair(
  content: string | Uint8Array,
  password: Password,
  what = 'the key',
): Promise<KeyPairFiles> {
  const block = readKeyBlock(typeof content === 'string' ? utf8(content) : content, what);
  if (block === undefined) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is binary, and a PEM key is needed`, {
      hint: 'Convert it with: openssl pkey -inform DER -in FILE',
    });
  }
  const type = derTypes[block.label];
  const encrypted = block.headers.some((header) => header.startsWith('Proc-Type:'));
  if (type === undefined || encrypted) throw cannotImport(block, what);
  let key: KeyObject;
  try {
    const { buffer, byteOffset, byteLength } = block.der;
    key = createPrivateKey({ key: Buffer.from(buffer, byteOffset, byteLength), format: 'der', type });
  } catch {
    // The cause is left out: nothing of a private key may travel on.
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is labelled ${block.label}, and its content is none`);
  } finally {
    block.der.fill(0);
  }
  checkHalves(key, what);
  return await encryptKeyPair(key, passwordBytes(password), what);
}

/** A key file can name a public half that is not its own; OpenSSL believes it. */
function checkHalves(key: KeyObject, what: string): void {
  const publicKey = publicKeyOf(key, what);
  const algorithm = publicKey.type === 'ed25519' ? null : 'sha256';
  const message = utf8('boltseal key check');
  let consistent: boolean;
  try {
    consistent = verify(algorithm, message, publicKey.key, sign(algorithm, message, key));
  } catch {
    consistent = false;
  }
  if (!consistent) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} holds a private and a public half that do not match`);
  }
}

function cannotImport(block: PemBlock, what: string): BoltsealError {
  const { label } = block;
  if (label.endsWith('PUBLIC KEY') || label === 'CERTIFICATE') {
    return new BoltsealError(
      'ERR_KEY_PUBLIC_GIVEN',
      `${what} is labelled ${label}, and a private key is needed`,
    );
  }
  if (isEncryptedKeyLabel(label)) {
    return new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is already in the format that import makes`, {
      hint: 'Use it as it is: --key FILE.',
    });
  }
  return new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is labelled ${label}, which cannot be imported`, {
    hint: 'Convert it to plain PKCS#8 first: openssl pkcs8 -topk8 -nocrypt -in FILE -out plain.pem',
  });
}
