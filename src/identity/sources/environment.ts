/** A token in a variable. */
import { BoltsealError } from '../../core/errors.ts';
import type { IdentitySource } from '../source.ts';

/** The variable that every client of Sigstore reads. */
export const tokenVariable = 'SIGSTORE_ID_TOKEN';

/** `SIGSTORE_ID_TOKEN`: how the `id_tokens` of GitLab CI arrive, and what other CI systems can set. */
export const environmentSource: IdentitySource = {
  name: 'envvar',
  summary: `the variable ${tokenVariable}`,
  needs: `the variable ${tokenVariable} must be set`,
  isPresent: async ({ runtime }) => runtime.env[tokenVariable] !== undefined,
  async getToken({ runtime }) {
    const token = runtime.env[tokenVariable] ?? '';
    if (token.trim() !== '') return token;
    throw new BoltsealError('ERR_IDENTITY_PROVIDER', `the variable ${tokenVariable} is set and empty`, {
      hint: 'A protected or missing variable is empty in jobs that may not have it. Unset it to use another source.',
    });
  },
};
