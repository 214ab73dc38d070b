/** From the inputs to who must have signed, and what must stand behind it. */
import { begin } from '../core/concurrent.ts';
import { BoltsealError } from '../core/errors.ts';
import type { SignerOptions } from '../flows/signer-requirements.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { loadVerificationKeys } from '../keys/reference.ts';
import type { IdentityRequirement, TextRequirement } from '../verify/identity.ts';
import { workflowIdentity } from '../verify/workflow-identity.ts';
import type { ActionContext } from './context.ts';
import { keyInput } from './keys.ts';
import type { SignerInput } from './settings.ts';
import { trustFor } from './trust.ts';

/**
 * What the inputs ask for: an identity with a log entry (with `log: none` a timestamp), or a key, with a log entry when a
 * trusted root or a log is named. Throws `ERR_USAGE` for inputs that are missing or contradict each other.
 */
export function signerOptions(context: ActionContext): SignerOptions {
  const { settings } = context;
  const { key, log, trustedRoot } = settings;
  const [first] = Object.keys(settings.signer);
  if (key !== undefined && first !== undefined) {
    throw new BoltsealError('ERR_USAGE', `key and ${first} contradict each other`, {
      hint: 'A signature is verified with a key or by identity: give one of the two.',
    });
  }
  const isLogged = log === 'auto' ? key === undefined || trustedRoot !== undefined : log !== 'none';
  const who =
    key === undefined
      ? { identities: [identityRequirement(context)] }
      : { keys: begin(loadKeys(context, key)) };
  if (key !== undefined && !isLogged) return who;
  return {
    ...who,
    trust: begin(trustFor(context).then(({ trust }) => trust)),
    logEntries: isLogged ? 1 : 0,
    // Without a log nothing but a timestamp proves when a certificate was used.
    timestamps: isLogged ? 0 : 1,
  };
}

async function loadKeys({ runtime, signal }: ActionContext, key: string): Promise<readonly PublicKey[]> {
  const { reference, options } = keyInput(key, runtime, signal);
  return loadVerificationKeys(reference, options);
}

function identityRequirement({ settings, run }: ActionContext): IdentityRequirement {
  const { signer } = settings;
  const { repo, workflow, ref } = signer;
  const issuer = textRequirement(signer, 'certificate-oidc-issuer', 'certificate-oidc-issuer-regexp');
  const subject = textRequirement(signer, 'certificate-identity', 'certificate-identity-regexp');
  if (repo === undefined) {
    const lonely = (['workflow', 'ref'] as const).find((name) => signer[name] !== undefined);
    if (lonely !== undefined) throw new BoltsealError('ERR_USAGE', `${lonely} is only of use with repo`);
    if (subject !== undefined && issuer !== undefined) return { subject, issuer };
    const missing = subject === undefined ? 'certificate-identity' : 'certificate-oidc-issuer';
    const isNothing = subject === undefined && issuer === undefined;
    throw new BoltsealError(
      'ERR_USAGE',
      isNothing ? 'who must have signed is not said' : `${missing} is missing`,
      {
        hint: 'Give key for a key pair; repo, workflow and ref for a workflow of GitHub; or certificate-identity and certificate-oidc-issuer.',
      },
    );
  }
  if (subject !== undefined) {
    throw new BoltsealError('ERR_USAGE', 'repo and certificate-identity contradict each other', {
      hint: 'repo stands for an identity; workflow and ref narrow it.',
    });
  }
  const made = workflowIdentity({ repository: repo, workflow, ref, serverUrl: run.server });
  return { ...made, issuer: issuer ?? made.issuer };
}

function textRequirement(
  signer: Readonly<Partial<Record<SignerInput, string>>>,
  exact: SignerInput,
  regexp: SignerInput,
): TextRequirement | undefined {
  const [value, pattern] = [signer[exact], signer[regexp]];
  if (value !== undefined && pattern !== undefined) {
    throw new BoltsealError('ERR_USAGE', `${exact} and ${regexp} contradict each other`);
  }
  if (pattern !== undefined) return { kind: 'pattern', pattern };
  return value === undefined ? undefined : { kind: 'exact', value };
}
