/**
 * What an action says to the runner: inputs, outputs, secrets, groups, annotations and the summary of the job. Identity
 * tokens are got by `identity/sources/github-actions.ts`.
 * {@link https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands}
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { BoltsealError } from '../core/errors.ts';

/** The process as an action sees it. */
export interface ActionIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Where the runner reads commands and the log. */
  readonly stdout: { write(text: string): unknown };
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
}

/** What an annotation may say beside its message. */
export interface AnnotationProperties {
  readonly title?: string;
}

/** The runner. What is written comes from strangers too: nothing of it becomes a command. */
export interface Toolkit {
  /** Has the runner hide `value`, each of its lines too, in everything that is printed from now on. */
  mask(value: string): void;
  /** A line of the log, or several. */
  info(text: string): void;
  /** Shown when the run is debugged. */
  debug(text: string): void;
  notice(message: string, properties?: AnnotationProperties): void;
  warning(message: string, properties?: AnnotationProperties): void;
  error(message: string, properties?: AnnotationProperties): void;
  /** What `work` prints can be folded away. */
  group<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Sets an output of the step. Throws `ERR_FILE_WRITE`. */
  setOutput(name: string, value: string): void;
  /** Adds Markdown to the summary of the job. Throws `ERR_FILE_WRITE`. */
  addSummary(markdown: string): void;
}

/** The variable an input comes in. {@link https://docs.github.com/en/actions/reference/workflows-and-actions/metadata-syntax#inputs} */
export function inputVariable(name: string): string {
  return `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`;
}

/** The value of an input without white space around it; empty when it is not set. */
export function readInput(env: ActionIo['env'], name: string): string {
  return (env[inputVariable(name)] ?? '').trim();
}

/** The lines of an input that are not empty, each without white space around it. */
export function readLines(env: ActionIo['env'], name: string): readonly string[] {
  return readInput(env, name)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

/** The toolkit of one step. */
export function createToolkit({ env, platform, stdout }: ActionIo): Toolkit {
  const lineEnd = platform === 'win32' ? '\r\n' : '\n';
  const command = (name: string, message: string, properties: AnnotationProperties = {}): void => {
    stdout.write(`${commandText(name, message, properties)}${lineEnd}`);
  };
  const append = (variable: string, text: string): void => {
    const path = env[variable];
    if (path === undefined || path === '') return;
    try {
      appendFileSync(path, text);
    } catch (cause) {
      throw new BoltsealError('ERR_FILE_WRITE', `the file of ${variable} cannot be written`, { cause });
    }
  };
  return {
    mask(value) {
      if (value !== '') command('add-mask', value);
    },
    info: (text) => void stdout.write(`${harmless(text).replaceAll('\n', lineEnd)}${lineEnd}`),
    debug: (text) => command('debug', visible(text)),
    notice: (message, properties) => command('notice', visible(message), properties),
    warning: (message, properties) => command('warning', visible(message), properties),
    error: (message, properties) => command('error', visible(message), properties),
    async group(name, work) {
      command('group', visible(name));
      try {
        return await work();
      } finally {
        command('endgroup', '');
      }
    },
    setOutput(name, value) {
      append('GITHUB_OUTPUT', `${delimited(name, value, lineEnd)}${lineEnd}`);
    },
    addSummary: (markdown) => append('GITHUB_STEP_SUMMARY', markdown),
  };
}

function commandText(name: string, message: string, { title }: AnnotationProperties): string {
  const properties = title === undefined ? '' : ` title=${escapeProperty(visible(title))}`;
  return `::${name}${properties}::${escapeMessage(message)}`;
}

function escapeMessage(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}

/** A value between two lines that nobody can foresee, so that no value ends itself and begins another output. */
function delimited(name: string, value: string, lineEnd: string): string {
  for (;;) {
    const delimiter = `ghadelimiter_${randomUUID()}`;
    if (name.includes(delimiter) || value.includes(delimiter)) continue;
    return `${name}<<${delimiter}${lineEnd}${value}${lineEnd}${delimiter}`;
  }
}

/** `text` without what steers a terminal or turns letters round; line breaks and tabs stay. */
function visible(text: string): string {
  return text.replace(
    /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (found) => `\\u{${found.charCodeAt(0).toString(16)}}`,
  );
}

/** {@link visible}, with no line that the runner takes for a command: `::name::` at its start, `##[name]` anywhere. */
function harmless(text: string): string {
  return visible(text)
    .replace(/^(\s*):(?=:)/gm, '$1\u200b:')
    .replaceAll('##[', '##\u200b[');
}
