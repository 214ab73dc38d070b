/** Places that keep secrets and take a key pair that was made here: Kubernetes, GitLab, GitHub. */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { KeyPairFiles } from '../generate.ts';

/** A place, looked at and ready to take a key pair. */
export interface SecretPlace {
  /** How it is called: `the Actions secrets of acme/app on github.com`. */
  readonly what: string;
  /** Parts of a key pair that are there already: they are lost for ever when another pair is stored. */
  readonly existing: readonly string[];
  /**
   * Stores the pair and its password, and reads back that they are there; `stored` hears the name of each part. Throws
   * `ERR_PASSWORD_MISSING` for an empty password and `ERR_KEY_EMPTY` for an empty key, before anything is stored.
   */
  store(pair: KeyPairFiles, password: Uint8Array, stored?: (name: string) => void): Promise<void>;
}

/** What the parts of a key pair are called. */
export interface PartNames {
  readonly password: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

/** What secrets and variables of CI systems are called: cosign's names. */
export const ciNames = {
  password: 'COSIGN_PASSWORD',
  privateKey: 'COSIGN_PRIVATE_KEY',
  publicKey: 'COSIGN_PUBLIC_KEY',
} as const;

/** A part of a key pair, ready to be stored. */
export interface Part {
  readonly name: string;
  /** Secret, unless it is the public key. */
  readonly value: Uint8Array;
}

/**
 * The parts in the order in which cosign stores them. A secret that is empty is one that somebody forgot: it would be
 * found out by the first workflow that signs. Throws `ERR_PASSWORD_MISSING` and `ERR_KEY_EMPTY`.
 */
export function partsOf(pair: KeyPairFiles, password: Uint8Array, names: PartNames): readonly Part[] {
  if (password.length === 0) {
    throw new BoltsealError('ERR_PASSWORD_MISSING', `the secret ${names.password} would be empty`, {
      hint: 'Nothing was stored. Set COSIGN_PASSWORD to a password, or type one.',
    });
  }
  const parts = [
    { name: names.password, value: password },
    { name: names.privateKey, value: utf8(pair.privateKeyPem) },
    { name: names.publicKey, value: utf8(pair.publicKeyPem) },
  ];
  const empty = parts.find(({ value }) => value.length === 0);
  if (empty !== undefined) {
    throw new BoltsealError('ERR_KEY_EMPTY', `the secret ${empty.name} would be empty`);
  }
  return parts;
}

/** The error for a place that does not have what was stored in it. */
export function notKept(name: string, what: string): BoltsealError {
  return new BoltsealError('ERR_KEY_PROVIDER', `${name} was stored in ${what}, and is not there`, {
    hint: 'Store another pair by running the command again; nothing can be signed with this one.',
  });
}
