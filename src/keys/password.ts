/** Passwords of private keys: bytes, never text, never in an error. */
import { equalBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Password, PasswordSource } from './signer.ts';

/** The variables a password is taken from, the first that is set. A set and empty one is an empty password. */
export const passwordVariables: readonly string[] = ['BOLTSEAL_PASSWORD', 'COSIGN_PASSWORD'];

/**
 * What a password may have been meant to be: `raw` first, because cosign keeps the newline of `echo pw |`, then without
 * one final line break.
 */
export function passwordCandidates(raw: Uint8Array): readonly Uint8Array[] {
  const trimmed = withoutFinalNewline(raw);
  return equalBytes(raw, trimmed) ? [raw] : [raw, trimmed];
}

/** `raw` without one final `\n` or `\r\n`: what a new key is encrypted with. */
export function withoutFinalNewline(raw: Uint8Array): Uint8Array {
  if (raw.at(-1) !== 0x0a) return raw;
  return raw.subarray(0, raw.at(-2) === 0x0d ? -2 : -1);
}

/** The password in the environment, or undefined when no variable of {@link passwordVariables} is set. */
export function environmentPassword(
  env: Readonly<Record<string, string | undefined>>,
): Uint8Array | undefined {
  const value = passwordVariables.map((name) => env[name]).find((text) => text !== undefined);
  return value === undefined ? undefined : utf8(value);
}

/** The bytes of a password. */
export function passwordBytes(password: Password): Uint8Array {
  return typeof password === 'string' ? utf8(password) : password;
}

/**
 * Where the password of a key comes from: `password`, or a function that is asked only when a key is encrypted; the
 * variables {@link passwordVariables} in `env` when it is undefined. The source throws `ERR_PASSWORD_MISSING` when
 * there is none.
 */
export function passwordSource(
  password: Password | PasswordSource | undefined,
  env: Readonly<Record<string, string | undefined>> = {},
): PasswordSource {
  if (typeof password === 'function') return password;
  return async () => {
    const found = password === undefined ? environmentPassword(env) : passwordBytes(password);
    if (found !== undefined) return [found];
    throw new BoltsealError('ERR_PASSWORD_MISSING', 'the key is encrypted, and no password was given', {
      hint: `Give the password, or set ${passwordVariables.join(' or ')}.`,
    });
  };
}
