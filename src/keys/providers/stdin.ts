/** Keys on standard input. */
import { BoltsealError } from '../../core/errors.ts';
import { parsePublicKey } from '../../formats/public-key.ts';
import { openPrivateKey } from '../private-key.ts';
import type { KeyProvider } from '../provider.ts';

const what = 'the key on standard input';

/** `-`: standard input holds the key in PEM. */
export const stdinKeys: KeyProvider = {
  name: 'stdin',
  form: '-',
  summary: 'Standard input holds the key in PEM.',
  owns: (reference) => reference === '-',
  async loadSigner(_reference, context) {
    return await openPrivateKey(
      await context.readStdin(),
      () => {
        if (context.passwordUsesStdin?.() !== true) return context.password();
        throw new BoltsealError(
          'ERR_KEY_STDIN_CONFLICT',
          `${what} is encrypted, and its password would be read there too`,
          {
            hint: 'Put the password into COSIGN_PASSWORD, or the key into a file or a variable (env://NAME).',
          },
        );
      },
      what,
    );
  },
  async loadVerificationKeys(_reference, context) {
    return [parsePublicKey(await context.readStdin(), what)];
  },
};
