/** Programs of others that keep keys or give credentials: started without a shell, bounded in time and in what they print. */
import type { ChildProcess } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { printable } from '../core/printable.ts';
import type { Runtime } from '../core/runtime.ts';

/** What is started, and how. */
export interface ProgramRun {
  /** The absolute path of the program. */
  readonly path: string;
  /** No secret may be among them: every user of the machine can see them. */
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Its standard input; empty when undefined. */
  readonly input?: Uint8Array | undefined;
  /** How it is called in errors: `the plugin sigstore-kms-hsm`. */
  readonly what: string;
  /** Milliseconds it may take; `limits.keyProgramTime` by default. */
  readonly time?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears each line that it prints for people, ready to be shown. */
  readonly onText?: ((line: string) => void) | undefined;
}

/** How a program ended. */
export interface ProgramResult {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  /** What it printed to standard output. May be a secret. */
  readonly output: Uint8Array;
}

/**
 * The absolute path of the program `name` in the folders of PATH; undefined when there is none. The working folder is
 * never looked in, whatever PATH says: a program lying there is nobody's choice.
 */
export async function findProgram(
  name: string,
  { env, platform }: Pick<Runtime, 'env' | 'platform'>,
): Promise<string | undefined> {
  const path = env['PATH'] ?? env['Path'] ?? '';
  // Batch files are started by a shell only.
  const file = platform === 'win32' && !/\.exe$/i.test(name) ? `${name}.exe` : name;
  for (const folder of path.split(delimiter)) {
    if (isAbsolute(folder) && (await isProgram(join(folder, file)))) return join(folder, file);
  }
  return undefined;
}

/** Whether `path` is a file that may be started. */
export async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end, whatever its exit code. Throws `ERR_KEY_PROVIDER` when it cannot be started, prints more than
 * `limits.keyProgramBytes` or takes too long, and the signal's reason when it is aborted; the program is then killed.
 */
export async function runProgram(run: ProgramRun): Promise<ProgramResult> {
  run.signal?.throwIfAborted();
  const { spawn } = await import('node:child_process');
  const child = spawn(run.path, [...run.args], {
    env: { ...run.env },
    stdio: [run.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  return await collect(child, run);
}

function collect(child: ChildProcess, run: ProgramRun): Promise<ProgramResult> {
  const { what, signal, time = limits.keyProgramTime } = run;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let draining: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(timer);
      clearTimeout(draining);
      signal?.removeEventListener('abort', abort);
      // What it started may outlive it, and hold the pipes.
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const stop = (reason: unknown): void => {
      end();
      child.kill('SIGKILL');
      reject(reason);
    };
    const failed = (why: string, cause?: unknown): void =>
      stop(new BoltsealError('ERR_KEY_PROVIDER', `${what} ${why}`, { cause, hint: hints[why] }));
    const abort = (): void => stop(signal?.reason);
    const finish = (code: number | null): void => {
      end();
      resolve({ code, output: new Uint8Array(Buffer.concat(chunks)) });
    };
    const timer = setTimeout(() => failed(`did not end within ${time} ms`), time);
    signal?.addEventListener('abort', abort, { once: true });
    child.stdout?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.keyProgramBytes) failed(`printed more than ${limits.keyProgramBytes} bytes`);
      else chunks.push(chunk);
    });
    forward(child, run);
    child.once('error', (cause) => failed('could not be started', cause));
    child.once('exit', (code) => {
      draining = setTimeout(() => finish(code), limits.keyProgramDrainTime);
    });
    child.once('close', finish);
    // A program that ends without reading its input is judged by its answer.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(run.input);
  });
}

const hints: Readonly<Record<string, string>> = {
  'could not be started': 'Is it a program for this machine? A script needs a first line such as #!/bin/sh.',
};

/** Hands on what the program says to people, as it says it; the end of a long speech is left out. */
function forward(child: ChildProcess, { onText }: ProgramRun): void {
  let left: number = limits.keyProgramTextBytes;
  child.stderr?.on('data', (chunk: Buffer) => {
    const text = chunk.subarray(0, Math.max(0, left)).toString('utf8');
    left -= chunk.length;
    for (const line of text.split(/\r?\n/)) if (line.trim() !== '') onText?.(printable(line));
  });
}
