/** Secrets of GitHub Actions: key pairs are stored there, and never come back. */
import { BoltsealError } from '../../core/errors.ts';
import type { KeyProvider } from '../provider.ts';

const scheme = 'github://';

/** `github://OWNER/REPO` and `github://ORG`: a new key pair goes there; in workflows it is in variables. */
export const githubKeys: KeyProvider = {
  name: 'github',
  form: 'github://OWNER/REPO or github://ORG',
  summary:
    'The Actions secrets of a repository or organization. generate-key-pair stores a new pair as COSIGN_PRIVATE_KEY, ' +
    'COSIGN_PASSWORD and COSIGN_PUBLIC_KEY, and reads back that each is there. GITHUB_TOKEN is the token; GITHUB_HOST an ' +
    'enterprise server. GitHub gives no secret back: workflows sign with env://COSIGN_PRIVATE_KEY.',
  owns: (reference) => reference.startsWith(scheme),
  loadSigner: () => Promise.reject(neverBack()),
  loadVerificationKeys: () => Promise.reject(neverBack()),
  async openStore(reference, context) {
    const { openGitHubSecrets, parseGitHubOwner } = await import('../secrets/github.ts');
    return await openGitHubSecrets(
      parseGitHubOwner(reference.slice(scheme.length), 'the reference github://…'),
      context,
    );
  },
};

function neverBack(): BoltsealError {
  return new BoltsealError(
    'ERR_USAGE',
    'a key that is stored with github:// cannot be read back: GitHub gives no secret out',
    {
      hint: 'In a workflow put the secrets into variables of the step and sign with --key env://COSIGN_PRIVATE_KEY; verify with cosign.pub.',
    },
  );
}
