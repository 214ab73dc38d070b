/** Keys in files. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { parsePublicKey } from '../../formats/public-key.ts';
import { openPrivateKey } from '../private-key.ts';
import type { KeyProvider } from '../provider.ts';

/** A path to a key file. It comes last in the table and takes every reference that has no scheme. */
export const fileKeys: KeyProvider = {
  name: 'file',
  form: 'PATH',
  summary: 'A key file: the encrypted private key to sign, the public key to verify.',
  owns: (reference) => !/^(?:-$|[A-Za-z][A-Za-z0-9+.-]*:\/\/|pkcs11:)/.test(reference),
  async loadSigner(reference, context) {
    return await openPrivateKey(
      await readKeyFile(reference),
      context.password,
      `the key ${reference}`,
      context.derivation,
    );
  },
  async loadVerificationKeys(reference) {
    return [parsePublicKey(await readKeyFile(reference), `the key ${reference}`)];
  },
};

/** Characters; Linux allows no longer path. */
const longestPath = 4_096;

/**
 * The content of a key file, or of a pipe: at most `limits.keyBytes`. Throws `ERR_KEY_NOT_FOUND`, `ERR_FILE_READ` and
 * `ERR_LIMIT_EXCEEDED`; `ERR_USAGE` when `path` is a key itself, of which nothing may be shown.
 */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  if (/[\r\n]|-----BEGIN|LS0tLS1CRUdJTi/.test(path) || path.length > longestPath) {
    throw new BoltsealError(
      'ERR_USAGE',
      'a key is named by its content, and the place where it is kept is needed',
      {
        hint: 'Put the key into a variable and name that: --key env://NAME. Or name its file: --key cosign.key.',
      },
    );
  }
  const content = Buffer.alloc(limits.keyBytes + 1);
  let length = 0;
  try {
    length = await readInto(content, path);
  } catch (cause) {
    throw readError(path, cause);
  }
  if (length <= limits.keyBytes) return new Uint8Array(content.buffer, content.byteOffset, length);
  throw new BoltsealError(
    'ERR_LIMIT_EXCEEDED',
    `the key file ${path} has more than ${limits.keyBytes} bytes`,
    { hint: 'A key is a few hundred bytes: is this the right file?' },
  );
}

/**
 * Fills `content` from the file and returns how many bytes there were. A regular file is read at once: it is small, and
 * what follows (a key's derivation) then starts before anything else is loaded. A pipe is waited for.
 */
async function readInto(content: Buffer, path: string): Promise<number> {
  if (statSync(path).isFile()) {
    const file = openSync(path, 'r');
    try {
      let length = 0;
      for (let got = 1; got > 0 && length < content.length; length += got) {
        got = readSync(file, content, length, content.length - length, null);
      }
      return length;
    } finally {
      closeSync(file);
    }
  }
  const { open } = await import('node:fs/promises');
  const pipe = await open(path, 'r');
  try {
    let length = 0;
    for (let got = 1; got > 0 && length < content.length; length += got) {
      got = (await pipe.read(content, length, content.length - length, null)).bytesRead;
    }
    return length;
  } finally {
    await pipe.close();
  }
}

function readError(path: string, cause: unknown): BoltsealError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR'
    ? new BoltsealError('ERR_KEY_NOT_FOUND', `there is no key file ${path}`, {
        cause,
        hint: 'Make a key pair with boltseal generate-key-pair, or name another with --key.',
      })
    : new BoltsealError('ERR_FILE_READ', `the key file ${path} cannot be read`, {
        cause,
        hint:
          code === 'EISDIR'
            ? 'It is a folder: name the file in it.'
            : 'May the user that runs this read it? A private key belongs to the one who made it (ls -l).',
      });
}
