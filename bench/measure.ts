import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One process of a measured job. */
export interface Step {
  readonly command: string;
  readonly args: readonly string[];
  /** The exit code that counts as done; 0 unless told. */
  readonly expect?: number;
}

/** What a job cost: the sum over its processes, and the largest peak memory of any. */
export interface Cost {
  /** Milliseconds. */
  readonly wall: number;
  /** Milliseconds of user and system time; undefined where the machine has no way to ask. */
  readonly cpu: number | undefined;
  /** MiB; undefined where the machine has no way to ask. */
  readonly memory: number | undefined;
}

/** A way to run a command and learn what it cost. */
export interface Meter {
  /** For people: what is measured, and how exactly. */
  readonly description: string;
  /** The command that runs `step`, and how to read what it reports. */
  wrap(step: Step, report: string): { readonly command: string; readonly args: readonly string[] };
  read(reported: string): { readonly wall?: number; readonly cpu?: number; readonly memory?: number };
}

/** What one process did. */
interface Ended {
  readonly code: number | null;
  readonly wall: number;
  readonly printed: string;
  /** What came on file descriptor 3. */
  readonly reported: string;
}

const wrapper = fileURLToPath(new URL('./measure.py', import.meta.url));

const withPython: (python: string) => Meter = (python) => ({
  description: 'wall, CPU and peak memory from wait4(2) through python3',
  wrap: (step) => ({ command: python, args: ['-I', '-S', wrapper, step.command, ...step.args] }),
  read: (reported) => {
    const cost = JSON.parse(reported) as { wall: number; cpu: number; peak: number };
    return { wall: cost.wall, cpu: cost.cpu, memory: cost.peak / 1024 };
  },
});

const withGnuTime: Meter = {
  description: 'wall by this process; CPU (in steps of 10 ms) and peak memory from GNU time',
  wrap: (step, report) => ({
    command: '/usr/bin/time',
    args: ['--quiet', '-f', '%U %S %M', '-o', report, step.command, ...step.args],
  }),
  read: (reported) => {
    const [user = NaN, system = NaN, peak = NaN] = reported.trim().split(' ').map(Number);
    return { cpu: (user + system) * 1000, memory: peak / 1024 };
  },
};

const withNothing: Meter = {
  description: 'wall by this process; no CPU and memory, because there is neither python3 nor GNU time',
  wrap: (step) => step,
  read: () => ({}),
};

/** The best meter this machine has. */
export function findMeter(): Meter {
  // Not a version manager's shim where there is the system's own: a shim is a shell script.
  for (const python of ['/usr/bin/python3', onPath('python3')]) {
    if (python !== undefined && succeeds(python, ['-c', 'import os; os.posix_spawnp, os.wait4']))
      return withPython(python);
  }
  return succeeds('/usr/bin/time', ['--quiet', '-f', '%M', 'true']) ? withGnuTime : withNothing;
}

/** Runs the steps one after the other. Rejects, with what was printed, when one ends with another code. */
export async function measure(
  meter: Meter,
  steps: readonly Step[],
  env: Readonly<Record<string, string>>,
  folder: string,
): Promise<Cost> {
  let total: Cost = { wall: 0, cpu: 0, memory: 0 };
  for (const step of steps) {
    const report = join(folder, 'cost');
    const wrapped = meter.wrap(step, report);
    const ended = await run(wrapped.command, wrapped.args, env, folder);
    const code = ended.reported === '' ? ended.code : (JSON.parse(ended.reported) as { code: number }).code;
    if (code !== (step.expect ?? 0)) {
      const line = [step.command, ...step.args].join(' ');
      throw new Error(`${line.slice(0, 1000)} ended with ${code}:\n${ended.printed.slice(-3000)}`);
    }
    const reported =
      ended.reported === '' && meter === withGnuTime ? await readFile(report, 'utf8') : ended.reported;
    const cost = meter.read(reported);
    total = {
      wall: total.wall + (cost.wall ?? ended.wall),
      cpu: add(total.cpu, cost.cpu),
      memory: cost.memory === undefined ? undefined : Math.max(total.memory ?? 0, cost.memory),
    };
  }
  return total;
}

/** The `node` that the machine has by itself: the first on PATH that no `node_modules` brought. */
export function machineNode(): string {
  return onPath('node', (folder) => !folder.includes('node_modules')) ?? process.execPath;
}

/** What `node --version` prints. */
export function versionOf(node: string): string {
  return execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
}

function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  folder: string,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    const printed: Buffer[] = [];
    const reported: Buffer[] = [];
    let wall = Number.NaN;
    child.stdout?.on('data', (chunk: Buffer) => printed.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => printed.push(chunk));
    child.stdio[3]?.on('data', (chunk: Buffer) => reported.push(chunk));
    child.on('error', reject);
    child.on('exit', () => {
      wall = performance.now() - start;
    });
    child.on('close', (code) => {
      const text = Buffer.concat(printed).toString();
      resolve({ code, wall, printed: text, reported: Buffer.concat(reported).toString() });
    });
  });
}

function onPath(name: string, accept: (folder: string) => boolean = () => true): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '' || !accept(folder)) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  return undefined;
}

function succeeds(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function add(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}
