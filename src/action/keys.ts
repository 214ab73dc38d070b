/** From the input `key` to keys: the key itself, or where one is. */
import { utf8 } from '../core/encoding.ts';
import type { Runtime } from '../core/runtime.ts';
import { environmentPassword, passwordCandidates } from '../keys/password.ts';
import type { KeyOptions } from '../keys/provider.ts';
import { inputVariable } from './toolkit.ts';

/** What `loadSigner` and `loadVerificationKeys` take. */
export interface KeyInput {
  readonly reference: string;
  readonly options: KeyOptions;
}

/**
 * The key that was given. One that is the key itself, in PEM or in base64 around that, is read from the variable it came
 * in: it is never written to a file. The password is the input; without it, one of the usual variables; else empty.
 */
export function keyInput(key: string, runtime: Runtime, signal: AbortSignal): KeyInput {
  const content = pemOf(key);
  const name = inputVariable('key');
  const given = runtime.env[inputVariable('password')] ?? '';
  const password = given === '' ? (environmentPassword(runtime.env) ?? utf8('')) : utf8(given);
  return {
    reference: content === undefined ? key : `env://${name}`,
    options: {
      runtime: content === undefined ? runtime : withVariable(runtime, name, content),
      password: async () => passwordCandidates(password),
      signal,
    },
  };
}

function pemOf(key: string): string | undefined {
  if (key.includes('-----BEGIN')) return key;
  const compact = key.replace(/\s/g, '');
  if (!compact.startsWith('LS0tLS1CRUdJTi') || !/^[A-Za-z0-9+/]+={0,2}$/.test(compact)) return undefined;
  return Buffer.from(compact, 'base64').toString('utf8');
}

function withVariable(runtime: Runtime, name: string, value: string): Runtime {
  return { ...runtime, env: { ...runtime.env, [name]: value } };
}
