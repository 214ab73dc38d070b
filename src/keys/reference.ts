/** Key references: `cosign.key`, `env://NAME`, `-`, `https://…`, each loaded by its provider. */
import { BoltsealError } from '../core/errors.ts';
import type { KeyContext, KeyProvider } from './provider.ts';
import { environmentKeys } from './providers/env.ts';
import { fileKeys } from './providers/file.ts';
import { remoteKeys } from './providers/remote.ts';
import { stdinKeys } from './providers/stdin.ts';
import type { PublicKey, Signer } from './signer.ts';

/** Every key provider; the first that owns a reference loads it. */
export const keyProviders: readonly KeyProvider[] = [stdinKeys, environmentKeys, remoteKeys, fileKeys];

/**
 * The signer behind `reference`. Throws `ERR_KEY_REFERENCE_UNKNOWN` for a scheme nobody owns, `ERR_USAGE` for a place
 * that cannot sign, and what its provider throws: `ERR_KEY_NOT_FOUND`, `ERR_KEY_EMPTY`, `ERR_PASSWORD_WRONG` …
 */
export async function loadSigner(reference: string, context: KeyContext): Promise<Signer> {
  const provider = providerOf(reference);
  if (provider.loadSigner !== undefined) return await provider.loadSigner(reference, context);
  throw new BoltsealError('ERR_USAGE', `a key reference ${provider.form} cannot sign: it is a public key`, {
    hint: `Signing takes ${formsOf((candidate) => candidate.loadSigner !== undefined)}.`,
  });
}

/** The public keys behind `reference`, to verify with; at least one. Throws as {@link loadSigner}. */
export async function loadVerificationKeys(
  reference: string,
  context: KeyContext,
): Promise<readonly PublicKey[]> {
  return await providerOf(reference).loadVerificationKeys(reference, context);
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
  throw new BoltsealError(
    'ERR_KEY_REFERENCE_UNKNOWN',
    `the scheme ${scheme} of the key reference is not known`,
    {
      hint: `Key references are ${formsOf(() => true)}.`,
      details: { scheme, supported: keyProviders.map((candidate) => candidate.form) },
    },
  );
}

function formsOf(wanted: (provider: KeyProvider) => boolean): string {
  return keyProviders
    .filter(wanted)
    .map((provider) => provider.form)
    .join(', ');
}
