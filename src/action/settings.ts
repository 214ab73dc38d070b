/** The inputs of one step, read and checked. */
import { BoltsealError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { parseAnnotations } from '../formats/annotations.ts';
import type { Annotations } from '../formats/oci.ts';
import { type InputName, type InputSpec, inputSpecs } from './inputs.ts';
import { type ActionIo, inputVariable, readInput, readLines, type Toolkit } from './toolkit.ts';

/** What can be done. */
export type Mode = 'sign' | 'verify' | 'attest';

const modes: readonly Mode[] = ['sign', 'verify', 'attest'];

const formats = ['both', 'bundle', 'cosign'] as const;
const logs = ['auto', 'none', 'private', 'public'] as const;

/** The inputs. A text that was not given is undefined. */
export interface Settings {
  readonly mode: Mode;
  /** As they were written, lists within lines taken apart. */
  readonly images: readonly string[];
  readonly tags: readonly string[];
  /** Undefined when tags are to be resolved. */
  readonly digest: string | undefined;
  readonly metadata: string | undefined;
  /** Undefined without a key. A secret, or a reference. */
  readonly key: string | undefined;
  readonly annotations: Annotations;
  readonly workflowAnnotations: boolean;
  readonly recursive: boolean;
  readonly format: (typeof formats)[number];
  readonly log: (typeof logs)[number];
  readonly trustedRoot: string | undefined;
  readonly signingConfig: string | undefined;
  readonly verify: boolean;
  readonly predicate: string | undefined;
  readonly predicateType: string | undefined;
  /** The inputs that say who must have signed. */
  readonly signer: Readonly<Partial<Record<SignerInput, string>>>;
  readonly signatureRepository: string | undefined;
  readonly registryUsername: string | undefined;
  /** A secret. */
  readonly registryPassword: string | undefined;
  /** A secret. */
  readonly githubToken: string | undefined;
  readonly pullRequests: boolean;
}

const signerTable = [
  'certificate-identity',
  'certificate-identity-regexp',
  'certificate-oidc-issuer',
  'certificate-oidc-issuer-regexp',
  'repo',
  'workflow',
  'ref',
] as const;
/** One of {@link signerInputs}. */
export type SignerInput = (typeof signerTable)[number];

/** Inputs that say who must have signed, without a key. */
export const signerInputs: readonly SignerInput[] = signerTable;

/** Inputs by what they are of use for. */
const onlyFor: Readonly<Partial<Record<InputName, readonly Mode[]>>> = {
  password: ['sign', 'attest'],
  predicate: ['attest'],
  'predicate-type': ['attest', 'verify'],
  'signing-config': ['sign', 'attest'],
  ...Object.fromEntries(signerInputs.map((name) => [name, ['verify']])),
};

/** Has the runner hide what is secret among the inputs and variables. To be called first. */
export function maskSecrets({ env }: ActionIo, toolkit: Toolkit): void {
  const secrets = [
    ...inputSpecs.flatMap(({ name, secret }) => (secret ? [env[inputVariable(name)]] : [])),
    env['BOLTSEAL_PASSWORD'],
    env['COSIGN_PASSWORD'],
    env['SIGSTORE_ID_TOKEN'],
    env['ACTIONS_ID_TOKEN_REQUEST_TOKEN'],
  ];
  const key = given(env, 'key');
  const shown = key === undefined || isPlainReference(key) ? env[inputVariable('key')] : undefined;
  for (const value of new Set(secrets)) {
    if (value === undefined || value === shown) continue;
    toolkit.mask(value);
    // The runner hides the value as it is; it is used without the white space around it.
    if (value.trim() !== value) toolkit.mask(value.trim());
  }
}

/** A key reference says where a key is, which helps whoever reads the log. A URL with a password does not. */
function isPlainReference(value: string): boolean {
  return /^(?:[a-z0-9+.-]+:\/\/[^@\s]*|pkcs11:(?!.*pin-value).*|[^\s]+\.(?:key|pub|pem))$/i.test(value);
}

/** What is to be done. Throws `ERR_USAGE`. */
export function readMode(env: ActionIo['env']): Mode {
  return choice(env, 'mode', modes) ?? 'sign';
}

/** The inputs of this step. Throws `ERR_USAGE`, and `ERR_KEY_EMPTY` for a key that was given and is empty. */
export function readSettings({ env }: ActionIo, toolkit: Toolkit): Settings {
  checkNames(env, toolkit);
  checkEmpty(env);
  const text = (name: InputName): string | undefined => given(env, name);
  const mode = readMode(env);
  checkUse(env, mode);
  return {
    mode,
    images: list(env, 'images'),
    tags: list(env, 'tags'),
    digest: text('digest'),
    metadata: text('metadata-file'),
    key: text('key'),
    annotations: parseAnnotations(readLines(env, 'annotations'), 'Write KEY=VALUE, one a line.'),
    workflowAnnotations: flag(env, 'workflow-annotations'),
    recursive: flag(env, 'recursive'),
    format: choice(env, 'format', formats) ?? 'both',
    log: choice(env, 'log', logs) ?? 'auto',
    trustedRoot: text('trusted-root'),
    signingConfig: text('signing-config'),
    verify: flag(env, 'verify', true),
    predicate: text('predicate'),
    predicateType: text('predicate-type'),
    signer: Object.fromEntries(
      signerInputs.flatMap((name) => (text(name) === undefined ? [] : [[name, text(name)]])),
    ),
    signatureRepository: text('signature-repository'),
    registryUsername: text('registry-username'),
    registryPassword: text('registry-password'),
    githubToken: text('github-token'),
    pullRequests: flag(env, 'pull-requests'),
  };
}

/**
 * The runner only warns of inputs that an action does not have, and a requirement with a typing mistake would require
 * nothing.
 */
function checkNames(env: ActionIo['env'], toolkit: Toolkit): void {
  const known = new Map(inputSpecs.map(({ name }) => [inputVariable(name), name]));
  for (const variable of Object.keys(env)) {
    if (!variable.startsWith('INPUT_') || known.has(variable)) continue;
    const name = variable.slice('INPUT_'.length).toLowerCase();
    const near = nearest(name, [...known.values()]);
    if (near === undefined) {
      // It may be a variable of the job and no input.
      toolkit.debug(`the variable ${variable} is of no input of this action`);
      continue;
    }
    throw new BoltsealError('ERR_USAGE', `there is no input ${JSON.stringify(name.slice(0, 80))}`, {
      hint: `Did you mean ${near}?`,
    });
  }
}

/** An input that would be ignored is refused: whoever gave it counts on it. */
function checkUse(env: ActionIo['env'], mode: Mode): void {
  for (const { name } of inputSpecs) {
    const only = onlyFor[name];
    if (only === undefined || only.includes(mode) || given(env, name) === undefined) continue;
    throw new BoltsealError('ERR_USAGE', `the input ${name} is of no use with mode: ${mode}`, {
      hint: `It is for mode: ${only.join(' or ')}. Leave it out.`,
    });
  }
}

/** The value of an input; undefined when it was not given, or is empty. */
function given(env: ActionIo['env'], name: InputName): string | undefined {
  const value = readInput(env, name);
  const spec = specOf(name);
  return value === '' || (spec?.refusesEmpty === true && value === spec.default) ? undefined : value;
}

function specOf(name: InputName): InputSpec | undefined {
  return inputSpecs.find((spec) => spec.name === name);
}

/** Whether an input that must not be empty was given and is. */
export function isGivenEmpty(env: ActionIo['env'], name: InputName): boolean {
  return specOf(name)?.refusesEmpty === true && env[inputVariable(name)]?.trim() === '';
}

/** Whether an input was given, and is not empty. */
export function isInputGiven(env: ActionIo['env'], name: InputName): boolean {
  return given(env, name) !== undefined;
}

function checkEmpty(env: ActionIo['env']): void {
  const found = inputSpecs.find(({ name }) => isGivenEmpty(env, name));
  if (found === undefined) return;
  throw new BoltsealError(
    found.name === 'key' ? 'ERR_KEY_EMPTY' : 'ERR_USAGE',
    `the input ${found.name} is given, and empty`,
    {
      hint:
        found.name === 'digest'
          ? 'Has the step that builds the id that is named, and did it push? What was not pushed cannot be signed.'
          : 'Does the secret or variable exist, spelt like this, and may this run read it? What does not exist is empty.',
    },
  );
}

/** References have neither white space nor commas, so that every list that is in use can be read. */
function list(env: ActionIo['env'], name: InputName): readonly string[] {
  return readLines(env, name)
    .filter((line) => !line.startsWith('#'))
    .flatMap((line) => line.split(/[\s,]+/))
    .filter((word) => word !== '');
}

function choice<T extends string>(
  env: ActionIo['env'],
  name: InputName,
  values: readonly T[],
): T | undefined {
  const text = readInput(env, name);
  const found = values.find((value) => value === text);
  if (found !== undefined || text === '') return found;
  throw new BoltsealError(
    'ERR_USAGE',
    `the input ${name} is ${JSON.stringify(text.slice(0, 80))}; it must be ${values.join(', ')}`,
  );
}

/** A boolean input, as YAML 1.2 has it. {@link https://yaml.org/spec/1.2/spec.html#id2804923} */
export function flag(env: ActionIo['env'], name: InputName, unset = false): boolean {
  const text = readInput(env, name);
  if (text === '') return unset;
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  throw new BoltsealError(
    'ERR_USAGE',
    `the input ${name} is ${JSON.stringify(text.slice(0, 80))}; it must be true or false`,
  );
}
