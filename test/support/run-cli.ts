import { Readable } from 'node:stream';
import type { CliIo } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/main.ts';

/** What a run of the command line printed, and how it ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The world of a run; empty and not a terminal unless told otherwise, with a home that does not exist. */
export interface CliWorld {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/** So that nothing of the developer's own home is seen, nor of what another test file left there. */
const nowhere = '/nonexistent';

/** Runs the command line in this process. */
export async function runInProcess(argv: readonly string[], world: CliWorld = {}): Promise<CliResult> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const io: CliIo = {
    stdin: Readable.from(world.stdin === undefined ? [] : [Buffer.from(world.stdin)]),
    stdout: { write: (content) => stdout.push(Buffer.from(content)) },
    stderr: { write: (content) => stderr.push(Buffer.from(content)) },
    env: { HOME: nowhere, USERPROFILE: nowhere, ...world.env },
    platform: process.platform,
    signal: world.signal,
  };
  const code = await runCli(argv, io);
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
