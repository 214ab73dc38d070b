import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanEnvironment } from './programs.ts';
import { removeDirectory } from './temporary.ts';

/** A server that was started for a test, on a port of its own choice. */
export interface ServerProcess {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Ends the server and removes its folder; once is enough, more is harmless. */
  stop(): Promise<void>;
}

/** How to start a server and to know that it is there. */
export interface ServerRecipe {
  readonly path: string;
  /** Its arguments, given a folder of its own that is removed on stop. They must make it bind port 0 of 127.0.0.1. */
  arguments(folder: string): readonly string[] | Promise<readonly string[]>;
  /** Matches what it prints once it listens; the first group is the port. */
  readonly announces: RegExp;
  /** Answers below 500 here when it is ready. */
  readonly readyPath: string;
  readonly env?: Readonly<Record<string, string>>;
}

const startDeadline = 20_000;
const stopDeadline = 1_000;
/** The servers of this process and their folders. */
const running = new Map<ChildProcess, string>();

/**
 * Starts a server and resolves when it answers. Rejects, with what it printed, when it ends or stays silent for 20
 * seconds. It does not outlive this process, however that ends (short of SIGKILL).
 */
export async function startServer(recipe: ServerRecipe): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-server-'));
  let child: ChildProcess | undefined;
  try {
    const args = await recipe.arguments(folder);
    const env = { ...(await cleanEnvironment(folder)), ...recipe.env };
    child = spawn(recipe.path, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    endWithThisProcess(child, folder);
    const port = await announcedPort(child, recipe);
    const host = `127.0.0.1:${port}`;
    const url = `http://${host}`;
    await untilReady(child, url + recipe.readyPath);
    const server = child;
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= end(server, folder);
      return stopped;
    };
    return { host, url, stop };
  } catch (error) {
    if (child !== undefined) await end(child, folder);
    else await removeDirectory(folder);
    throw error;
  }
}

function announcedPort(child: ChildProcess, recipe: ServerRecipe): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = '';
    const refuse = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`${recipe.path} ${reason}; it printed: ${printed.slice(-4000)}`));
    };
    const timer = setTimeout(() => refuse(`did not listen within ${startDeadline} ms`), startDeadline);
    const read = (chunk: Buffer): void => {
      // Later output is read and dropped: a full pipe would stop the server.
      if (printed.length > 100_000) return;
      printed += chunk.toString();
      const port = recipe.announces.exec(printed)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(port);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.on('error', (error) => refuse(`did not start (${error.message})`));
    child.on('close', (code, signal) => refuse(`ended with ${code ?? signal}`));
  });
}

async function untilReady(child: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + startDeadline;
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      await response.arrayBuffer();
      if (response.status < 500) return;
    } catch (error) {
      if (performance.now() > deadline || hasEnded(child)) throw error;
    }
    if (performance.now() > deadline)
      throw new Error(`no good answer from ${url} within ${startDeadline} ms`);
    await sleep(10);
  }
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.pid !== undefined && !hasEnded(child)) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadline);
    await ended;
    clearTimeout(timer);
  }
  await removeDirectory(folder);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function endWithThisProcess(child: ChildProcess, folder: string): void {
  if (running.size === 0) {
    process.once('exit', killRunning);
    // The test runner ends a test file with SIGTERM; without a handler there is no `exit` event.
    process.once('SIGTERM', dieOfSignal);
    process.once('SIGINT', dieOfSignal);
  }
  running.set(child, folder);
  child.once('exit', () => {
    running.delete(child);
    if (running.size > 0) return;
    process.off('exit', killRunning);
    process.off('SIGTERM', dieOfSignal);
    process.off('SIGINT', dieOfSignal);
  });
}

function killRunning(): void {
  for (const [child, folder] of running) {
    child.kill('SIGKILL');
    // It may be writing its last; then a folder stays behind, which must not change how this process ends.
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {}
  }
}

function dieOfSignal(signal: NodeJS.Signals): void {
  killRunning();
  process.off(signal, dieOfSignal);
  process.kill(process.pid, signal);
}
