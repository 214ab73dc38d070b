/** The command line as a process: its streams, its signals and its exit. */
import { BoltsealError } from '../core/errors.ts';
import type { CliIo } from './io.ts';
import { runCli } from './main.ts';
import { processOutput } from './process-output.ts';
import { exitCodeOf, interrupted, printError } from './report-error.ts';

/** Runs the command line of this process and ends it. */
export async function start(): Promise<void> {
  const controller = new AbortController();
  watchSignals(controller);
  const stdout = processOutput(1, () => process.stdout);
  // What cannot be told on standard error cannot be told.
  const stderr = processOutput(2, () => process.stderr);
  const { env, platform } = process;
  const io: CliIo = { stdin: lazyStdin(), stdout, stderr, env, platform, signal: controller.signal };
  const code = await runCli(process.argv.slice(2), io);
  await stdout.flushed();
  const exit = stdout.failure === undefined || code !== 0 ? code : lost(stdout.failure, io);
  await stderr.flushed();
  process.exit(exit);
}

/** The exit code of a run whose result could not be written: whoever wanted it does not have it. */
function lost(cause: Error, io: CliIo): number {
  const error = new BoltsealError('ERR_FILE_WRITE', 'standard output cannot be written', {
    cause,
    hint: 'Is the disk full? What was to be printed is lost; what the command did is done.',
  });
  printError(error, io, false);
  return exitCodeOf(error);
}

/** The first signal cancels the work, which then cleans up; the second ends the process where it is. */
function watchSignals(controller: AbortController): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(code);
      controller.abort(interrupted(signal));
    });
  }
}

/** Merely touching `process.stdin` opens it, which costs time and can hold the process; so it is touched when read. */
function lazyStdin(): CliIo['stdin'] {
  return {
    get isTTY() {
      return process.stdin.isTTY;
    },
    [Symbol.asyncIterator]: () => process.stdin[Symbol.asyncIterator](),
  };
}
