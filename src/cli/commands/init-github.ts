import { access, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { shellWord } from '../../core/shell-word.ts';
import type { KeyPairFiles } from '../../keys/generate.ts';
import { environmentPassword } from '../../keys/password.ts';
import {
  type GitHubOwner,
  githubServer,
  openGitHubSecrets,
  parseGitHubOwner,
} from '../../keys/secrets/github.ts';
import { ciNames } from '../../keys/secrets/place.ts';
import type { CommandContext } from '../command.ts';
import { writeFiles } from '../files.ts';
import { workflowText } from '../github-workflow.ts';
import { mayOverwrite } from '../key-files.ts';
import { keyContext } from '../keys.ts';
import { confirmReplacing, storeNewKeyPair } from '../stored-key-pair.ts';

/** What is to be done. */
interface Plan {
  readonly of: GitHubOwner;
  /** `acme/app`, or `acme`. */
  readonly name: string;
  readonly keyless: boolean;
  /** `github.com`, or an enterprise server. */
  readonly host: string;
  readonly registry: string;
  readonly workflowFile: string;
  readonly workflow: string;
  readonly publicKeyFile: string;
}

/** Sets a repository up for signing: key pair in its secrets, workflow in its folder. */
export async function run(context: CommandContext): Promise<undefined> {
  const plan = await planOf(context);
  if (context.flags.get('init-dry-run')) await show(plan, context);
  else await carryOut(plan, context);
}

async function planOf({ args, flags, ...context }: CommandContext): Promise<Plan> {
  const of = parseGitHubOwner(args[0] ?? '', 'the argument');
  const { host } = githubServer(await context.serviceRuntime());
  const keyless = flags.get('keyless');
  const registry = host === 'github.com' ? 'ghcr.io' : `containers.${host}`;
  return {
    of,
    name: of.repository === undefined ? of.owner : `${of.owner}/${of.repository}`,
    keyless,
    host,
    registry,
    workflowFile: flags.get('workflow-file'),
    workflow: workflowText({ registry, keyless }),
    publicKeyFile: `${flags.get('output-key-prefix')}.pub`,
  };
}

/** `--dry-run`: what is there is looked at when there is a token; nothing is changed. */
async function show(plan: Plan, context: CommandContext): Promise<void> {
  const { output, io } = context;
  const hasToken = (io.env['GITHUB_TOKEN'] || io.env['GH_TOKEN'] || '') !== '';
  if (!plan.keyless) {
    const where = `the Actions secrets of ${plan.name} on ${plan.host}`;
    output.say(`A new key pair would be stored as ${Object.values(ciNames).join(', ')} in ${where}`);
    if (hasToken) {
      const { existing } = await openGitHubSecrets(plan.of, await keyContext(context));
      if (existing.length > 0) output.warn(`${existing.join(', ')} would be replaced`);
    } else output.warn('GITHUB_TOKEN is not set: whether that is possible was not looked at');
  }
  for (const path of filesOf(plan)) {
    output.say(`${path} would be ${(await isThere(path)) ? 'overwritten' : 'written'}`);
  }
  if (output.json)
    output.document('boltseal.init-github/1', { ...summary(plan), dryRun: true, workflow: plan.workflow });
  else output.data(plan.workflow);
}

async function carryOut(plan: Plan, context: CommandContext): Promise<void> {
  const { output } = context;
  const overwrite = await mayOverwrite(
    filesOf(plan),
    context,
    'Nothing was stored or written. Choose other names with --workflow-file and --output-key-prefix, or overwrite with --yes.',
  );
  if (!(await isThere('.git')))
    output.warn('this folder is not the root of a git repository: workflows are looked for there');
  const pair = plan.keyless ? undefined : await storePair(plan, context);
  try {
    await mkdir(dirname(plan.workflowFile), { recursive: true });
    const files = [
      { path: plan.workflowFile, content: Buffer.from(plan.workflow) },
      ...(pair === undefined ? [] : [{ path: plan.publicKeyFile, content: Buffer.from(pair.publicKeyPem) }]),
    ];
    await writeFiles(files.map((file) => ({ ...file, mode: 0o644, overwrite })));
  } catch (error) {
    // GitHub does not give it back.
    if (pair !== undefined) output.say(pair.publicKeyPem);
    throw error;
  }
  for (const path of filesOf(plan)) output.say(`${path} written`);
  const next = nextSteps(plan);
  output.say('');
  output.say('What remains to be done:');
  for (const [index, step] of next.entries()) output.say(`  ${index + 1}. ${step}`);
  if (!output.json) return;
  const { type, hint, pem } = pair?.publicKey ?? {};
  const key = pair === undefined ? {} : { keyType: type, keyHint: hint, publicKey: pem };
  output.document('boltseal.init-github/1', { ...summary(plan), dryRun: false, ...key, next });
}

async function storePair(plan: Plan, context: CommandContext): Promise<KeyPairFiles> {
  const { flags, io, output } = context;
  const place = await openGitHubSecrets(plan.of, await keyContext(context));
  await confirmReplacing(place, context);
  const given = environmentPassword(io.env);
  const pair = await storeNewKeyPair(
    place,
    flags.get('key-type'),
    given ?? (await newPassword(context)),
    context,
  );
  if (given === undefined) output.say('The password was made at random; nobody needs to know it.');
  return pair;
}

/** 256 unpredictable bits as text. */
async function newPassword(context: CommandContext): Promise<Uint8Array> {
  const runtime = await context.serviceRuntime();
  return Buffer.from(Buffer.from(runtime.random(32)).toString('base64url'));
}

function filesOf({ keyless, workflowFile, publicKeyFile }: Plan): readonly string[] {
  return keyless ? [workflowFile] : [workflowFile, publicKeyFile];
}

function summary({ of, host, keyless, workflowFile, publicKeyFile }: Plan): object {
  return {
    host,
    owner: of.owner,
    repository: of.repository,
    keyless,
    secrets: keyless ? [] : Object.values(ciNames),
    workflowFile,
    ...(keyless ? {} : { publicKeyFile }),
  };
}

function nextSteps(plan: Plan): readonly string[] {
  const { of, name, host, registry, keyless, publicKeyFile, workflowFile } = plan;
  const image = `${registry}/${of.repository === undefined ? `${name}/IMAGE` : name}`.toLowerCase();
  const words = filesOf(plan).map(shellWord).join(' ');
  const file = workflowFile.split(/[/\\]/).at(-1) ?? '';
  const who = keyless
    ? `--repo ${of.repository === undefined ? `${name}/REPO` : name} --workflow ${shellWord(file)}`
    : `--key ${shellWord(publicKeyFile)}`;
  return [
    `Commit and push: git add ${words} && git commit -m 'Sign images' && git push`,
    ...(of.repository === undefined
      ? [
          'The secrets are for the private repositories of the organization; change that under Settings, Secrets and variables.',
        ]
      : []),
    ...(host === 'github.com'
      ? [
          `If ${image} exists already, let the repository write to it: Package settings, Manage Actions access.`,
        ]
      : [
          `Let ${host} use the action (GitHub Connect, or a copy of it), and check that its registry is ${registry}.`,
        ]),
    ...(keyless
      ? [
          'Who signs is recorded in a log that is public. Of a private repository add to the step: `log: public`, or the ' +
            'signing-config and trusted-root of a Sigstore of your own.',
        ]
      : []),
    `Verify what the workflow pushed: boltseal verify ${who} ${image}:main`,
  ];
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
