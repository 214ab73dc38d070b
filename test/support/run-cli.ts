import { Readable } from 'node:stream';
import type { CliIo } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/main.ts';

/** What a run of the command line printed, and how it ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The world of a run; empty and not a terminal unless told otherwise. */
export interface CliWorld {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/** Runs the command line in this process. */
export async function runInProcess(argv: readonly string[], world: CliWorld = {}): Promise<CliResult> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const io: CliIo = {
    stdin: Readable.from(world.stdin === undefined ? [] : [Buffer.from(world.stdin)]),
    stdout: { write: (content) => stdout.push(Buffer.from(content)) },
    stderr: { write: (content) => stderr.push(Buffer.from(content)) },
    env: world.env ?? {},
    platform: process.platform,
    signal: world.signal,
  };
  const code = await runCli(argv, io);
  return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
