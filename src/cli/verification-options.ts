/** From flags to who must have signed, and what must stand behind it. */
import { begin, nextTurn } from '../core/concurrent.ts';
import { BoltsealError } from '../core/errors.ts';
import type { SignerOptions } from '../flows/signer-requirements.ts';
import type { FulcioExtensionName } from '../formats/fulcio-extensions.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { IdentityRequirement, TextRequirement } from '../verify/identity.ts';
import type { CommandContext, Flags } from './command.ts';
import { type FlagId, identityFlags } from './flags.ts';
import { keyContext } from './keys.ts';
import { trustFor } from './trust.ts';

/**
 * What the flags ask for. Keys and trusted roots are loaded in the background, and their failure is told by whoever
 * awaits them. Throws `ERR_USAGE` for flags that are missing or contradict each other.
 */
export async function signerOptions(context: CommandContext): Promise<SignerOptions> {
  const { flags } = context;
  const key = flags.get('key');
  const asked = identityFlags.filter((id) => flags.get(id) !== undefined);
  if (key !== undefined) {
    const [first] = asked;
    if (first === undefined) return keyOptions(context, key);
    throw new BoltsealError('ERR_USAGE', `--key and --${first} contradict each other`, {
      hint: 'A signature is verified with a key or by identity: give one of the two.',
    });
  }
  const identity = await identityRequirement(flags, asked);
  return { identities: [identity], ...(await materialOptions(context, true)) };
}

async function keyOptions(context: CommandContext, key: string): Promise<SignerOptions> {
  // The key is read when the first requests are on their way.
  const keys = begin(nextTurn().then(() => loadKeys(context, key)));
  return { keys, ...(await materialOptions(context, false)) };
}

async function loadKeys(context: CommandContext, key: string): Promise<readonly PublicKey[]> {
  const { loadVerificationKeys } = await import('../keys/reference.ts');
  return loadVerificationKeys(key, await keyContext(context, context.flags.get('allow-http-key')));
}

/**
 * With a key nothing but its signature is required, unless a trusted root, a log entry or a timestamp is asked for: then
 * cosign's rule holds, a log entry unless told otherwise.
 */
async function materialOptions(context: CommandContext, isKeyless: boolean): Promise<SignerOptions> {
  const { flags } = context;
  const ignoresLog = flags.get('insecure-ignore-tlog');
  const wantsTimestamp = flags.get('use-signed-timestamps');
  const hash = flags.get('signature-digest-algorithm');
  const wantsLog =
    ignoresLog === undefined ? isKeyless || flags.get('trusted-root') !== undefined : !ignoresLog;
  const needsTrust = isKeyless || wantsLog || wantsTimestamp || flags.get('trusted-root') !== undefined;
  if (!needsTrust) return { hash };
  const runtime = await context.serviceRuntime();
  return {
    hash,
    trust: begin(nextTurn().then(() => trustFor(context).then(({ trust }) => trust))),
    logEntries: wantsLog ? 1 : 0,
    timestamps: wantsTimestamp ? 1 : 0,
    ...(isKeyless && flags.get('insecure-ignore-sct') ? { certificateTimestamps: 0 } : {}),
    ...(isKeyless && ignoresLog === true ? { fallbackTime: runtime.now() } : {}),
  };
}

async function identityRequirement(flags: Flags, asked: readonly FlagId[]): Promise<IdentityRequirement> {
  const extensions = workflowExtensions(flags);
  const repository = flags.get('repo');
  if (repository === undefined) {
    const lonely = (['workflow', 'ref'] as const).find((id) => flags.get(id) !== undefined);
    if (lonely !== undefined) {
      throw new BoltsealError('ERR_USAGE', `--${lonely} is only of use with --repo`);
    }
    return { ...givenIdentity(flags, asked), ...extensions };
  }
  const clash = asked.find((id) => id.startsWith('certificate-identity'));
  if (clash !== undefined) {
    throw new BoltsealError('ERR_USAGE', `--repo and --${clash} contradict each other`, {
      hint: '--repo stands for an identity; --workflow and --ref narrow it.',
    });
  }
  const { workflowIdentity } = await import('../verify/workflow-identity.ts');
  const [workflow, ref] = [flags.get('workflow'), flags.get('ref')];
  const made = workflowIdentity({
    repository,
    ...(workflow === undefined ? {} : { workflow }),
    ...(ref === undefined ? {} : { ref }),
  });
  const issuer = textRequirement(flags, 'certificate-oidc-issuer') ?? made.issuer;
  return { ...made, issuer, extensions: { ...made.extensions, ...extensions.extensions } };
}

function givenIdentity(flags: Flags, asked: readonly FlagId[]): IdentityRequirement {
  const subject = textRequirement(flags, 'certificate-identity');
  const issuer = textRequirement(flags, 'certificate-oidc-issuer');
  if (subject !== undefined && issuer !== undefined) return { subject, issuer };
  const missing = subject === undefined ? '--certificate-identity' : '--certificate-oidc-issuer';
  throw new BoltsealError(
    'ERR_USAGE',
    asked.length === 0 ? 'who must have signed is not said' : `${missing} is missing`,
    {
      hint:
        'Give --key FILE for a key pair; --certificate-identity and --certificate-oidc-issuer for a keyless signature; or ' +
        '--repo OWNER/NAME for one by a GitHub workflow.',
    },
  );
}

const patternFlags = {
  'certificate-identity': 'certificate-identity-regexp',
  'certificate-oidc-issuer': 'certificate-oidc-issuer-regexp',
} as const;

function textRequirement(
  flags: Flags,
  id: 'certificate-identity' | 'certificate-oidc-issuer',
): TextRequirement | undefined {
  const value = flags.get(id);
  const pattern = flags.get(patternFlags[id]);
  if (value !== undefined && pattern !== undefined) {
    throw new BoltsealError('ERR_USAGE', `--${id} and --${patternFlags[id]} contradict each other`);
  }
  if (value === '' || pattern === '') {
    throw new BoltsealError('ERR_USAGE', `--${id} is empty`, {
      hint: 'A variable that is not set, perhaps? An empty value would ask for nobody.',
    });
  }
  if (pattern !== undefined) return { kind: 'pattern', pattern };
  return value === undefined ? undefined : { kind: 'exact', value };
}

/** cosign's flags for what the deprecated extensions of GitHub workflows say, by the names of the extensions. */
const workflowFlags = {
  'certificate-github-workflow-name': 'github-workflow-name',
  'certificate-github-workflow-ref': 'github-workflow-ref',
  'certificate-github-workflow-repository': 'github-workflow-repository',
  'certificate-github-workflow-sha': 'github-workflow-sha',
  'certificate-github-workflow-trigger': 'github-workflow-trigger',
} as const satisfies Partial<Record<FlagId, FulcioExtensionName>>;

function workflowExtensions(flags: Flags): Pick<IdentityRequirement, 'extensions'> {
  const extensions: Partial<Record<FulcioExtensionName, string>> = {};
  for (const [id, name] of Object.entries(workflowFlags)) {
    const value = flags.get(id as keyof typeof workflowFlags);
    if (value !== undefined) extensions[name] = value;
  }
  return Object.keys(extensions).length === 0 ? {} : { extensions };
}
