/** Keys in CI/CD variables of GitLab. */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { parsePublicKey } from '../../formats/public-key.ts';
import { openPrivateKey } from '../private-key.ts';
import type { KeyContext, KeyProvider } from '../provider.ts';

const scheme = 'gitlab://';

/** `gitlab://PROJECT`: the variables of a project or group, in cosign's names. */
export const gitlabKeys: KeyProvider = {
  name: 'gitlab',
  form: 'gitlab://PROJECT',
  summary:
    'The variables COSIGN_PRIVATE_KEY, COSIGN_PASSWORD and COSIGN_PUBLIC_KEY of a project or group of GitLab, named by path or ' +
    'number. generate-key-pair stores a new pair there. GITLAB_TOKEN is the token; GITLAB_HOST an own server.',
  owns: (reference) => reference.startsWith(scheme),
  async loadSigner(reference, context) {
    const { readVariable, openGitLabVariables } = await import('../secrets/gitlab.ts');
    const variables = await openGitLabVariables(reference.slice(scheme.length), context);
    const [key, password] = await Promise.all([
      readVariable(variables, 'COSIGN_PRIVATE_KEY'),
      readVariable(variables, 'COSIGN_PASSWORD'),
    ]);
    const what = `COSIGN_PRIVATE_KEY of ${variables.what}`;
    const source = password === undefined ? context.password : async () => [utf8(password)];
    return await openPrivateKey(required(key, what), source, what, context.derivation);
  },
  async loadVerificationKeys(reference, context) {
    const { readVariable, openGitLabVariables } = await import('../secrets/gitlab.ts');
    const variables = await openGitLabVariables(reference.slice(scheme.length), context);
    const what = `COSIGN_PUBLIC_KEY of ${variables.what}`;
    return [parsePublicKey(required(await readVariable(variables, 'COSIGN_PUBLIC_KEY'), what), what)];
  },
  async openStore(reference: string, context: KeyContext) {
    const { openGitLabPlace } = await import('../secrets/gitlab.ts');
    return await openGitLabPlace(reference.slice(scheme.length), context);
  },
};

function required(value: string | undefined, what: string): string {
  if (value !== undefined) return value;
  throw new BoltsealError('ERR_KEY_NOT_FOUND', `there is no variable ${what}`, {
    hint: 'Store a pair with: boltseal generate-key-pair gitlab://PROJECT',
  });
}
