/** Secrets that a configuration names and does not hold. */
import { open } from 'node:fs/promises';
import { fromUtf8 } from '../../core/encoding.ts';
import { limits } from '../../core/limits.ts';
import { configError } from './config.ts';

const scheme = 'env://';

/**
 * The secret behind `reference`: `env://NAME`, or the path of a file (such as one below `/run/secrets`), of which one
 * final line break is left out. `what` names it in errors. Throws `ERR_SERVER_CONFIG` when it is missing or empty, or
 * longer than `limits.passwordBytes`.
 */
export async function readSecret(
  reference: string,
  env: Readonly<Record<string, string | undefined>>,
  what: string,
): Promise<string> {
  const secret = reference.startsWith(scheme)
    ? variable(reference.slice(scheme.length), env)
    : await readSecretFile(reference, what);
  if (secret !== '') return secret;
  throw configError(`${what} is empty: there is nothing in ${reference}`);
}

function variable(name: string, env: Readonly<Record<string, string | undefined>>): string {
  return Object.hasOwn(env, name) ? (env[name] ?? '') : '';
}

async function readSecretFile(path: string, what: string): Promise<string> {
  const bytes = Buffer.alloc(limits.passwordBytes + 1);
  let length = 0;
  try {
    const file = await open(path);
    try {
      for (;;) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length);
        length += bytesRead;
        if (bytesRead === 0 || length === bytes.length) break;
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw configError(
      `${what} cannot be read from ${path} (${code})`,
      'Is the path right, and may the user that runs this read it?',
    );
  }
  if (length > limits.passwordBytes) throw configError(`${what} in ${path} is too long for a secret`);
  return fromUtf8(bytes.subarray(0, length), what).replace(/\r?\n$/, '');
}
