/** One run of the command line, from its words to its exit code. */
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { CommandContext, CommandSpec, Flags } from './command.ts';
import { commands } from './commands/table.ts';
import type { CliIo, TextSink } from './io.ts';
import { createOutput, type Output } from './output.ts';
import { chooseCommand, parseInvocation, readWords, wantsHelp } from './parse.ts';
import { errorDocument, errorSchema, exitCodeOf, printError, toBoltsealError } from './report-error.ts';
import type { RuntimePurpose } from './runtime.ts';
import { versionLine } from './version.ts';

/** Runs `argv` (without the program’s name) and resolves to the exit code. Never rejects. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const early = createOutput(io, { json: wantsJson(argv, io.env), quiet: false, verbose: wantsDetail(argv) });
  const session: Session = { output: early, finish: async () => {} };
  let code = 0;
  try {
    code = await dispatch(argv, io, session);
  } catch (error) {
    code = fail(error, io, session.output);
  }
  try {
    await session.finish();
  } catch (error) {
    printError(toBoltsealError(error), io, session.output.verbose);
    code = code === 0 ? exitCodeOf(toBoltsealError(error)) : code;
  }
  return code;
}

/** What of a run outlives its command: where it prints, and what is left to do with it. */
interface Session {
  output: Output;
  finish: () => Promise<void>;
}

function fail(thrown: unknown, io: CliIo, output: Output): number {
  const error = toBoltsealError(thrown);
  printError(error, io, output.verbose);
  if (output.json && !output.documented) output.document(errorSchema, errorDocument(error));
  return exitCodeOf(error);
}

async function dispatch(argv: readonly string[], io: CliIo, session: Session): Promise<number> {
  const { command, rest, group } = chooseCommand(argv, commands);
  const words = readWords(rest, command);
  if (command === undefined || wantsHelp(words)) return showHelp(command, group, rest, io);
  const { args, flags } = parseInvocation(command, words, io.env, commands);
  openOutput(command, flags, io, session);
  return runCommand(command, args, flags, io, session.output);
}

async function showHelp(
  command: CommandSpec | undefined,
  group: string | undefined,
  rest: readonly string[],
  io: CliIo,
): Promise<number> {
  if (command === undefined && rest.includes('--version')) {
    io.stdout.write(versionLine());
    return 0;
  }
  if (command === undefined && !wantsHelp(readWords(rest, undefined)) && rest.length > 0) {
    throw new BoltsealError('ERR_USAGE', 'no command is given', {
      hint: '`boltseal help` lists the commands.',
    });
  }
  const { commandHelp, overview } = await import('./help.ts');
  io.stdout.write(command === undefined ? overview(commands, io, group) : commandHelp(command, io));
  return 0;
}

function openOutput(command: CommandSpec, flags: Flags, io: CliIo, session: Session): void {
  const file = flags.get('output-file');
  const collected: (string | Uint8Array)[] = [];
  const sink: TextSink | undefined =
    file === undefined ? undefined : { write: (content) => collected.push(content) };
  session.output = createOutput(io, {
    json: outputFormat(command, flags) === 'json',
    quiet: flags.get('quiet'),
    verbose: flags.get('verbose'),
    sink,
  });
  if (file !== undefined) {
    session.finish = async () => {
      if (collected.length > 0) await writeData(file, collected);
    };
  }
}

async function runCommand(
  command: CommandSpec,
  args: readonly string[],
  flags: Flags,
  io: CliIo,
  output: Output,
): Promise<number> {
  const isLimited = command.isEndless !== true || flags.given('timeout');
  const deadline = startDeadline(isLimited ? flags.get('timeout') : 0, io.signal);
  try {
    const { run } = await command.load();
    io.signal?.throwIfAborted();
    const code = await run(contextFor(command, args, flags, output, io, deadline));
    return code ?? 0;
  } catch (error) {
    // Whatever broke because the work was cancelled, the cancelling is what happened.
    throw deadline.reason() ?? error;
  } finally {
    deadline.end();
  }
}

async function writeData(file: string, collected: readonly (string | Uint8Array)[]): Promise<void> {
  const { writeFiles } = await import('./files.ts');
  const content = Buffer.concat(
    collected.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)),
  );
  await writeFiles([{ path: file, content, mode: 0o644 }]);
}

function contextFor(
  command: CommandSpec,
  args: readonly string[],
  flags: Flags,
  output: Output,
  io: CliIo,
  deadline: Deadline,
): CommandContext {
  let [registries, others]: (Promise<Runtime> | undefined)[] = [];
  const make = async (purpose: RuntimePurpose): Promise<Runtime> => {
    const { runtimeFor } = await import('./runtime.ts');
    return runtimeFor(flags, output, io, purpose);
  };
  return {
    command,
    args,
    flags,
    output,
    io,
    get signal() {
      return deadline.signal;
    },
    runtime() {
      registries ??= make(command.flags.includes('registry-cacert') ? 'registries' : 'others');
      return registries;
    },
    serviceRuntime() {
      others ??= make('others');
      return others;
    },
  };
}

/** When a command ends, ready or not. */
interface Deadline {
  /** Aborted by `outer`, and when time is up. It is made when it is asked for: who never waits needs no timer. */
  readonly signal: AbortSignal;
  /** Why the command was cancelled; undefined when it was not. */
  reason(): unknown;
  end(): void;
}

/** The first timer of a process takes a millisecond to load. */
function startDeadline(milliseconds: number, outer: AbortSignal | undefined): Deadline {
  const started = process.hrtime.bigint();
  let controller: AbortController | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const stop = (): void => controller?.abort(outer?.reason);
  const timeUp = (): void => {
    const message = `the command took longer than ${milliseconds / 1000} seconds`;
    const hint = '--timeout DURATION allows more time; 0 is no limit.';
    controller?.abort(new BoltsealError('ERR_TIMEOUT', message, { hint }));
  };
  const begin = (): AbortController => {
    controller = new AbortController();
    if (outer?.aborted) stop();
    // What a command began and did not wait for may ask late; nothing ends it any more.
    if (isOver) return controller;
    outer?.addEventListener('abort', stop, { once: true });
    const passed = Number(process.hrtime.bigint() - started) / 1e6;
    if (milliseconds > 0) timer = setTimeout(timeUp, milliseconds - passed);
    return controller;
  };
  return {
    get signal() {
      return (controller ?? begin()).signal;
    },
    reason: () => (outer?.aborted ? outer.reason : controller?.signal.reason),
    end() {
      isOver = true;
      if (controller === undefined) return;
      clearTimeout(timer);
      outer?.removeEventListener('abort', stop);
    },
  };
}

function outputFormat(command: CommandSpec, flags: Flags): string | undefined {
  if (command.flags.includes('version-json') && flags.get('version-json')) return 'json';
  const id = (['output', 'long-output', 'verify-output', 'attestation-output'] as const).find((one) =>
    command.flags.includes(one),
  );
  return id === undefined ? undefined : flags.get(id);
}

function wantsDetail(argv: readonly string[]): boolean {
  return argv.some((word) => word === '--verbose' || word === '-d');
}

/** Whether JSON is wanted, also when the command line is too broken to be parsed. */
function wantsJson(argv: readonly string[], env: CliIo['env']): boolean {
  const end = argv.indexOf('--');
  const words = end === -1 ? argv : argv.slice(0, end);
  return words.some((word, index) => {
    if (word === '--output=json' || word === '-ojson' || word === '-o=json' || word === '--json') return true;
    return (word === '--output' || word === '-o') && words[index + 1] === 'json';
  })
    ? true
    : (env['BOLTSEAL_OUTPUT'] ?? env['COSIGN_OUTPUT']) === 'json';
}
