/** Key references: `cosign.key`, `env://NAME`, `-`, `https://…`, each loaded by its provider. */
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { passwordSource } from './password.ts';
import type { GeneratedKey, KeyContext, KeyOptions, KeyProvider } from './provider.ts';
import { awsKeys } from './providers/awskms.ts';
import { azureKeys } from './providers/azurekms.ts';
import { environmentKeys } from './providers/env.ts';
import { fileKeys } from './providers/file.ts';
import { gcpKeys } from './providers/gcpkms.ts';
import { githubKeys } from './providers/github.ts';
import { gitlabKeys } from './providers/gitlab.ts';
import { kubernetesKeys } from './providers/k8s.ts';
import { pkcs11Keys } from './providers/pkcs11.ts';
import { pluginKeys } from './providers/plugin.ts';
import { remoteKeys } from './providers/remote.ts';
import { stdinKeys } from './providers/stdin.ts';
import { openBaoKeys, vaultKeys } from './providers/vault.ts';
import type { SecretPlace } from './secrets/place.ts';
import type { KeyType, PublicKey, Signer } from './signer.ts';

/** Every key provider; the first that owns a reference loads it. */
export const keyProviders: readonly KeyProvider[] = [
  stdinKeys,
  environmentKeys,
  remoteKeys,
  fileKeys,
  awsKeys,
  azureKeys,
  gcpKeys,
  vaultKeys,
  openBaoKeys,
  pkcs11Keys,
  kubernetesKeys,
  githubKeys,
  gitlabKeys,
  // Takes every scheme that is left.
  pluginKeys,
];

/**
 * The signer behind `reference`: the path of a key file, `env://NAME`, or `-`. Throws `ERR_KEY_REFERENCE_UNKNOWN` for a scheme nobody owns, `ERR_USAGE` for a place
 * that cannot sign, and what its provider throws: `ERR_KEY_NOT_FOUND`, `ERR_KEY_EMPTY`, `ERR_PASSWORD_MISSING`,
 * `ERR_PASSWORD_WRONG` …
 */
export async function loadSigner(reference: string, options: KeyOptions): Promise<Signer> {
  const provider = providerOf(reference);
  if (provider.loadSigner !== undefined) {
    return await provider.loadSigner(reference, contextOf(options)).catch(nameForms);
  }
  throw new BoltsealError('ERR_USAGE', `a key reference ${provider.form} cannot sign: it is a public key`, {
    hint: `Signing takes ${formsOf((candidate) => candidate.loadSigner !== undefined)}.`,
  });
}

/**
 * The public keys behind `reference`, to verify with; at least one. A reference is as for {@link loadSigner}, or
 * `https://…` when the options permit it. Throws as {@link loadSigner}.
 */
export async function loadVerificationKeys(
  reference: string,
  options: KeyOptions,
): Promise<readonly PublicKey[]> {
  return await providerOf(reference).loadVerificationKeys(reference, contextOf(options)).catch(nameForms);
}

/**
 * Makes a key where it stays, as `reference` says; one of that kind that is there already is used. Throws `ERR_USAGE` for a
 * place that makes none, `ERR_KEY_EXISTS` for a name that a key of another kind has, `ERR_KEY_UNSUPPORTED` for a kind that
 * the place has not, and as {@link loadSigner}.
 */
export async function generateKey(
  reference: string,
  keyType: KeyType,
  options: KeyOptions,
): Promise<GeneratedKey> {
  const provider = providerOf(reference);
  if (provider.generate !== undefined) {
    return await provider.generate(reference, keyType, contextOf(options)).catch(nameForms);
  }
  throw new BoltsealError('ERR_USAGE', `no key can be made in the place of a reference ${provider.form}`, {
    hint: `Keys are made in ${formsOf((candidate) => candidate.generate !== undefined)}.`,
  });
}

/**
 * Looks at the place behind `reference` that keeps secrets and takes a key pair that was made here: `k8s://…`, `gitlab://…`,
 * `github://…`. Undefined for a place that is none. Throws `ERR_KEY_ACCESS`, `ERR_KEY_EXISTS` for what cannot be replaced,
 * and as {@link loadSigner}.
 */
export async function openStore(reference: string, options: KeyOptions): Promise<SecretPlace | undefined> {
  const provider = providerOf(reference);
  return await provider.openStore?.(reference, contextOf(options));
}

function contextOf(options: KeyOptions): KeyContext {
  const { runtime, password, readStdin = noStdin } = options;
  return { ...options, password: passwordSource(password, runtime.env), readStdin };
}

async function noStdin(): Promise<never> {
  throw new BoltsealError('ERR_USAGE', 'the key reference - means standard input, and there is none here', {
    hint: 'Give readStdin, or another key reference.',
  });
}

function providerOf(reference: string): KeyProvider {
  if (reference === '') {
    throw new BoltsealError('ERR_USAGE', 'the key reference is empty', {
      hint: 'A variable in --key "$KEY" may not be set.',
    });
  }
  const provider = keyProviders.find((candidate) => candidate.owns(reference));
  if (provider !== undefined) return provider;
  // Only the scheme is shown: what follows may be a secret that was put in the wrong place.
  const scheme = reference.slice(0, reference.indexOf(':') + 1);
  return nameForms(
    new BoltsealError('ERR_KEY_REFERENCE_UNKNOWN', `the scheme ${scheme} of the key reference is not known`),
  );
}

/** Throws `error`, with what references look like when its is none of them. */
function nameForms(error: unknown): never {
  if (!isBoltsealError(error, 'ERR_KEY_REFERENCE_UNKNOWN')) throw error;
  throw new BoltsealError(error.code, error.message, {
    hint: `Key references are ${formsOf(() => true)}.`,
    details: { ...error.details, supported: keyProviders.map((candidate) => candidate.form) },
  });
}

function formsOf(wanted: (provider: KeyProvider) => boolean): string {
  return keyProviders
    .filter(wanted)
    .map((provider) => provider.form)
    .join(', ');
}
