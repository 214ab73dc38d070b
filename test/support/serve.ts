/** `boltseal serve` inside the test's own process. */
import { runCli } from '../../src/cli/main.ts';
import type { CliResult } from './run-cli.ts';
import type { Releases } from './temporary.ts';

/** A server that was started, or its end when it did not start. */
export interface Serving {
  /** Where it listens; undefined when it ended before. */
  readonly url: string | undefined;
  /** What it printed so far. */
  printed(): { readonly stdout: string; readonly stderr: string };
  /** Tells it to end, as SIGTERM does, and resolves when it has. More than once is harmless. */
  stop(): Promise<CliResult>;
}

/** Runs `boltseal serve` with these words until it says where it listens, or ends. It ends with the test. */
export async function serve(
  releases: Releases,
  words: readonly string[],
  env: Readonly<Record<string, string>> = { BOLTSEAL_PASSWORD: '' },
): Promise<Serving> {
  const controller = new AbortController();
  let stdout = '';
  let stderr = '';
  let found: (url: string | undefined) => void = () => undefined;
  const started = new Promise<string | undefined>((resolve) => {
    found = resolve;
  });
  const ended = runCli(['serve', ...words], {
    stdin: { async *[Symbol.asyncIterator]() {} },
    stdout: { write: (text) => (stdout += text.toString()) },
    stderr: {
      write(text) {
        stderr += text.toString();
        const url = /is running at (\S+)/.exec(stderr)?.[1];
        if (url !== undefined) found(url);
      },
    },
    env,
    platform: process.platform,
    signal: controller.signal,
  }).then((code) => {
    found(undefined);
    return { code, stdout, stderr };
  });
  const stop = (): Promise<CliResult> => {
    controller.abort();
    return ended;
  };
  releases.after(async () => void (await stop()));
  return { url: await started, printed: () => ({ stdout, stderr }), stop };
}
