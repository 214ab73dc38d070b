/** Runs the built action as the runner of GitHub Actions does. */
import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { buildAction } from '../../tools/build-action.ts';
import { cleanEnvironment } from '../support/programs.ts';
import { type Releases, removeDirectory } from '../support/temporary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** An action as the runner downloads it: a folder of its own, in which nothing else can be found. */
export interface InstalledAction {
  readonly main: string;
  readonly defaults: ReadonlyMap<string, string>;
}

/** Builds the action of this checkout into a folder that is removed with the test. */
export async function installAction(releases: Releases): Promise<InstalledAction> {
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-action-'));
  releases.after(() => removeDirectory(folder));
  const metadata = parse(await readFile(join(root, 'action.yml'), 'utf8'));
  const [, path = '', file] = /^(.+)\/([^/]+)$/.exec(metadata.runs.main) ?? [];
  const built = await buildAction(join(folder, path));
  if (built !== file) throw new Error(`action.yml names ${file}, and ${built} was built`);
  await copyFile(join(root, 'action.yml'), join(folder, 'action.yml'));
  const inputs = Object.entries<{ default?: string }>(metadata.inputs);
  return {
    main: join(folder, metadata.runs.main),
    defaults: new Map(inputs.map(([name, input]) => [name, input.default ?? ''])),
  };
}

/** What a step is run with. */
export interface StepOptions {
  /** As under `with:`. */
  readonly inputs?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** `push` unless told. */
  readonly event?: string;
  /** The event’s payload. */
  readonly payload?: object;
  /** Files in the workspace, by their paths. */
  readonly files?: Readonly<Record<string, string>>;
  /** What `github.token` is. */
  readonly token?: string;
  /** Called once it runs, with what cancels it. */
  readonly started?: (cancel: () => void) => void;
}

/** A command that the step printed. */
export interface PrintedCommand {
  readonly name: string;
  readonly title: string;
  readonly message: string;
}

/** What the runner saw of a step. */
export interface StepResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly commands: readonly PrintedCommand[];
  /** The log as the runner shows it: without commands, with secrets hidden. */
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
  /** Everything the step printed and wrote, secrets hidden, but for the commands that hide them. */
  readonly everything: string;
  /** Messages of one kind of annotation. */
  annotations(kind: 'notice' | 'warning' | 'error'): readonly string[];
}

/** Runs one step in a workspace and home of its own, both removed with the test. */
export async function runStep(
  releases: Releases,
  action: InstalledAction,
  options: StepOptions = {},
): Promise<StepResult> {
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-runner-'));
  releases.after(() => removeDirectory(folder));
  const home = join(folder, 'home');
  const workspace = join(folder, 'work', 'app', 'app');
  const temp = join(folder, 'work', '_temp');
  for (const path of [home, workspace, temp]) await mkdir(path, { recursive: true });
  const files = {
    GITHUB_OUTPUT: join(temp, 'set_output'),
    GITHUB_STEP_SUMMARY: join(temp, 'step_summary'),
    GITHUB_ENV: join(temp, 'set_env'),
    GITHUB_PATH: join(temp, 'add_path'),
    GITHUB_STATE: join(temp, 'save_state'),
  };
  for (const path of Object.values(files)) await writeFile(path, '');
  for (const [path, content] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(workspace, path)), { recursive: true });
    await writeFile(join(workspace, path), content);
  }
  const payload = join(temp, 'event.json');
  await writeFile(payload, JSON.stringify(options.payload ?? { repository: { full_name: 'acme/app' } }));
  const env = {
    ...(await cleanEnvironment(home)),
    ...files,
    ...runVariables(options),
    GITHUB_WORKSPACE: workspace,
    GITHUB_EVENT_PATH: payload,
    RUNNER_TEMP: temp,
    ...inputVariables(action, options),
    ...options.env,
  };
  const child = spawn(process.execPath, [action.main], { cwd: workspace, env, stdio: 'pipe' });
  options.started?.(() => child.kill('SIGINT'));
  const [stdout, stderr, code] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve)),
  ]);
  const summary = await readFile(files.GITHUB_STEP_SUMMARY, 'utf8');
  const output = await readFile(files.GITHUB_OUTPUT, 'utf8');
  return resultOf({ code, stdout, stderr, summary, output });
}

/** Variables of a run of `acme/app`. {@link https://docs.github.com/en/actions/reference/workflows-and-actions/variables} */
function runVariables({ event = 'push' }: StepOptions): Record<string, string> {
  return {
    CI: 'true',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: 'octocat',
    GITHUB_API_URL: 'https://api.github.com',
    GITHUB_EVENT_NAME: event,
    GITHUB_JOB: 'build',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REPOSITORY: 'acme/app',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_RUN_ID: '13',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_SHA: '1f'.repeat(20),
    GITHUB_WORKFLOW: 'Release',
    GITHUB_WORKFLOW_REF: 'acme/app/.github/workflows/release.yml@refs/heads/main',
    RUNNER_ARCH: 'X64',
    RUNNER_OS: 'Linux',
  };
}

/** An input that is not given gets its default; one that is given and empty is empty, as the runner does it. */
function inputVariables(
  { defaults }: InstalledAction,
  { inputs = {}, token = 'ghs_token-of-the-run' }: StepOptions,
): Record<string, string> {
  const values = new Map([...defaults].map(([name, value]) => [name, value]));
  for (const [name, value] of values) if (value.includes('github.token')) values.set(name, token);
  for (const [name, value] of Object.entries(inputs)) values.set(name, value);
  return Object.fromEntries([...values].map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]));
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

interface Printed {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly summary: string;
  readonly output: string;
}

function resultOf({ code, stdout, stderr, summary, output }: Printed): StepResult {
  const commands: PrintedCommand[] = [];
  const masks: string[] = [];
  const hide = (text: string): string => masks.reduce((hidden, mask) => hidden.replaceAll(mask, '***'), text);
  const log: string[] = [];
  const seen: string[] = [];
  for (const line of `${stdout}\n${stderr}`.split(/\r?\n/)) {
    const command = parseCommand(line);
    if (command?.name === 'add-mask') {
      const { message } = command;
      if (message === '') throw new Error('an empty text is to be hidden');
      // The runner hides the whole and each of its lines.
      masks.push(...new Set([message, ...message.split(/[\r\n]+/).filter((one) => one !== '')]));
      masks.sort((a, b) => b.length - a.length);
      continue;
    }
    seen.push(hide(line));
    if (command === undefined) log.push(hide(line));
    else commands.push(command);
  }
  return {
    code,
    stdout,
    stderr,
    commands,
    log: log.join('\n'),
    outputs: parseOutputs(output),
    summary,
    everything: [...seen, hide(summary), hide(output)].join('\n'),
    annotations: (kind) => commands.filter(({ name }) => name === kind).map(({ message }) => message),
  };
}

function parseCommand(line: string): PrintedCommand | undefined {
  const [, name = '', properties = '', message = ''] = /^\s*::([\w-]+)(?: ([^:]*))?::(.*)$/.exec(line) ?? [];
  if (name === '') return undefined;
  const title = /(?:^|,)title=([^,]*)/.exec(properties)?.[1] ?? '';
  return { name, title: unescaped(title), message: unescaped(message) };
}

function unescaped(text: string): string {
  return text
    .replaceAll('%3A', ':')
    .replaceAll('%2C', ',')
    .replaceAll('%0D', '\r')
    .replaceAll('%0A', '\n')
    .replaceAll('%25', '%');
}

function parseOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const [, name = '', delimiter] = /^(.+?)<<(.+)$/.exec(lines[index] ?? '') ?? [];
    if (delimiter === undefined) {
      if (lines[index] !== '') throw new Error(`no output: ${lines[index]}`);
      continue;
    }
    const end = lines.indexOf(delimiter, index + 1);
    if (end < 0) throw new Error(`the output ${name} does not end`);
    outputs[name] = lines.slice(index + 1, end).join('\n');
    index = end;
  }
  return outputs;
}
