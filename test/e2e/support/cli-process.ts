import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { CliResult } from '../../support/run-cli.ts';
import type { Releases } from '../../support/temporary.ts';

/** The program as sources; run it with `process.execPath`. */
export const entry: string = fileURLToPath(new URL('../../../src/cli/entry.ts', import.meta.url));

/** Where and as whom a process runs. */
export interface ProcessOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly uid?: number;
  /** Before the program and its arguments: `['bash', '-c', 'ulimit -f 0; exec "$@"', 'bash']`. */
  readonly wrapper?: readonly string[];
  /** In place of the program and its arguments. */
  readonly command?: readonly string[];
  /** Without a pipe, standard input is empty. */
  readonly stdin?: 'pipe';
}

/** A run of the command line in a process of its own. */
export interface CliProcess {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  readonly printed: { readonly stdout: string; readonly stderr: string };
  /** Resolves when either stream has printed a match, and rejects when the process ends without. */
  shows(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when it has ended; the code is 128 and more after a signal nobody caught. */
  ended(): Promise<CliResult>;
}

/** Starts the command line in a process of its own, which ends with the test at the latest. */
export function startCli(
  releases: Releases,
  words: readonly string[],
  options: ProcessOptions = {},
): CliProcess {
  const { cwd, env = process.env, uid, wrapper = [], stdin = 'ignore' } = options;
  const { command = [...wrapper, process.execPath, entry, ...words] } = options;
  const [program = process.execPath, ...rest] = command;
  const child = spawn(program, rest, {
    cwd,
    env: { ...env },
    stdio: [stdin, 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const printed = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    printed.stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    printed.stderr += chunk.toString();
  });
  const closed = once(child, 'close');
  closed.catch(() => undefined);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  releases.after(async () => {
    if (!hasEnded()) child.kill('SIGKILL');
    await closed.catch(() => undefined);
  });
  const ended = async (): Promise<CliResult> => {
    await closed;
    return { ...printed, code: child.exitCode ?? 128 };
  };
  return {
    child,
    printed,
    ended,
    async shows(pattern) {
      for (;;) {
        const match = pattern.exec(printed.stdout) ?? pattern.exec(printed.stderr);
        if (match !== null) return match;
        if (hasEnded()) throw new Error(`ended without ${pattern}: ${printed.stdout}${printed.stderr}`);
        const next = [child.stdout, child.stderr].flatMap((one) => (one ? [once(one, 'data')] : []));
        await Promise.race([...next, closed]);
      }
    },
  };
}
