/** Keys in environment variables: nothing on disk. */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { parsePublicKey } from '../../formats/public-key.ts';
import { openPrivateKey } from '../private-key.ts';
import type { KeyContext, KeyProvider } from '../provider.ts';

const scheme = 'env://';

/** `env://NAME`: the variable NAME holds the PEM text of the key. */
export const environmentKeys: KeyProvider = {
  name: 'env',
  form: 'env://NAME',
  summary: 'The variable NAME holds the key in PEM; its password is in COSIGN_PASSWORD or BOLTSEAL_PASSWORD.',
  owns: (reference) => reference.startsWith(scheme),
  async loadSigner(reference, context) {
    const bytes = readVariable(reference, context);
    return await openPrivateKey(bytes, context.password, `the key in ${reference}`, context.derivation);
  },
  async loadVerificationKeys(reference, context) {
    return [parsePublicKey(readVariable(reference, context), `the key in ${reference}`)];
  },
};

function readVariable(reference: string, context: KeyContext): Uint8Array {
  const name = reference.slice(scheme.length);
  const value = Object.hasOwn(context.runtime.env, name) ? context.runtime.env[name] : undefined;
  if (value !== undefined) return utf8(value);
  throw new BoltsealError('ERR_KEY_NOT_FOUND', `the environment has no variable ${JSON.stringify(name)}`, {
    hint: 'In CI, pass the secret to the step as a variable of this name; secrets are not passed to pull requests from forks.',
  });
}
