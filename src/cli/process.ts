/** The command line as a process: its streams, its signals and its exit. */
import type { CliIo } from './io.ts';
import { runCli } from './main.ts';
import { interrupted } from './report-error.ts';

/** Runs the command line of this process and ends it. */
export async function start(): Promise<void> {
  const controller = new AbortController();
  watchSignals(controller);
  quietWhenClosed();
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
  process.exit(code);
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

/** A reader that went away (`boltseal tree … | head -1`) is no reason to stop, nor to say anything. */
function quietWhenClosed(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EOF') throw error;
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

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.writableLength === 0 || stream.destroyed) resolve();
    else stream.write('', () => resolve());
  });
}
