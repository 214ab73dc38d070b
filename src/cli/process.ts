/** The command line as a process: its streams, its signals and its exit. */
import { BoltsealError } from '../core/errors.ts';
import type { CliIo } from './io.ts';
import { runCli } from './main.ts';
import { exitCodeOf, interrupted, printError } from './report-error.ts';

/** Runs the command line of this process and ends it. */
export async function start(): Promise<void> {
  const controller = new AbortController();
  watchSignals(controller);
  const output = watchOutput();
  const io: CliIo = {
    stdin: lazyStdin(),
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    platform: process.platform,
    signal: controller.signal,
  };
  const code = await runCli(process.argv.slice(2), io);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(output.failure === undefined || code !== 0 ? code : lost(output.failure, io));
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

/**
 * A reader that went away (`boltseal tree … | head -1`) is no reason to stop, nor to say anything; another failure of
 * standard output is told at the end. What cannot be told on standard error cannot be told.
 */
function watchOutput(): { readonly failure: Error | undefined } {
  const seen: { failure: Error | undefined } = { failure: undefined };
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EOF') seen.failure ??= error;
  });
  return seen;
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

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // The error of a stream that failed comes a moment later.
    if (stream.writableLength === 0 || stream.destroyed) setImmediate(resolve);
    else stream.write('', () => setImmediate(resolve));
  });
}
