import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { removeDirectory } from './temporary.ts';

/**
 * What `tools/programs.sh` brings, as a path below its cache folder. Those in `bin/` are also looked for on PATH.
 */
const places = {
  cosign3: 'bin/cosign3',
  cosign2: 'bin/cosign2',
  crane: 'bin/crane',
  oras: 'bin/oras',
  skopeo: 'bin/skopeo',
  'docker-registry': 'bin/docker-registry',
  'softhsm2-util': 'bin/softhsm2-util',
  'sigstore-go-verification': 'bin/sigstore-go-verification',
  'sigstore-go-signing': 'bin/sigstore-go-signing',
  'rekor-cli': 'bin/rekor-cli',
  kubectl: 'bin/kubectl',
  'pkcs11-tool': 'bin/pkcs11-tool',
  postgres: 'bin/postgres',
  initdb: 'bin/initdb',
  'moto-python': 'bin/moto-python',
  openssl: 'bin/openssl',
  'libsofthsm2.so': 'lib/libsofthsm2.so',
  'busybox-amd64': 'busybox/amd64/busybox',
  'busybox-arm64': 'busybox/arm64/busybox',
} as const;

/** A program (or another file) that tests use and that is not part of the project. */
export type ProgramName = keyof typeof places;

/** The absolute path of a program: from the cache folder of `tools/programs.sh`, else from PATH, else undefined. */
export function findProgram(name: ProgramName): string | undefined {
  const place = places[name];
  const candidates = [join(cacheFolder(), place)];
  if (place.startsWith('bin/')) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      if (folder !== '') candidates.push(join(folder, name));
    }
  }
  return candidates.find(isUsable);
}

/**
 * The paths of the programs a test needs, by name. When one is missing the test is skipped and the answer is
 * undefined; on CI, where all must be there, the test fails instead.
 *
 *     const programs = needPrograms(t, 'cosign3', 'crane');
 *     if (programs === undefined) return;
 *     await runProgram(programs.cosign3, ['version']);
 */
export function needPrograms<Name extends ProgramName>(
  t: Pick<TestContext, 'skip'>,
  ...names: readonly Name[]
): Record<Name, string> | undefined {
  const found = new Map<Name, string>();
  const missing: Name[] = [];
  for (const name of names) {
    const path = findProgram(name);
    if (path === undefined) missing.push(name);
    else found.set(name, path);
  }
  if (missing.length > 0) {
    const message = `${missing.join(', ')} not found`;
    if (isContinuousIntegration()) throw new Error(`${message}: tools/programs.sh brings what tests need`);
    t.skip(`skipped: ${message} (tools/programs.sh brings what tests need)`);
    return undefined;
  }
  return Object.fromEntries(found) as Record<Name, string>;
}

/** How a program ended and what it printed. */
export interface ProgramResult {
  /** The exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program. */
export interface RunOptions {
  /** Added to the clean environment; undefined takes a variable out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The working directory: the temporary home unless told. */
  readonly cwd?: string;
  /** Standard input; empty unless told. */
  readonly input?: string | Uint8Array;
  /** Milliseconds after which the program is killed and the promise rejected; 60,000 unless told. */
  readonly timeout?: number;
}

/**
 * Runs a program to its end. Any exit code resolves; only a program that does not start, or is still running when its
 * time is over, rejects. It sees nothing of the developer's own settings: a new, empty home folder (removed at the
 * end; set HOME in `env` to keep one over several runs), no Docker configuration, no proxies.
 */
export async function runProgram(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const home = options.env?.['HOME'] ?? (await mkdtemp(join(tmpdir(), 'boltseal-home-')));
  try {
    const child = spawn(path, args, {
      cwd: options.cwd ?? home,
      env: { ...(await cleanEnvironment(home)), ...options.env },
      stdio: 'pipe',
    });
    return await collect(child, path, options);
  } finally {
    if (options.env?.['HOME'] === undefined) await removeDirectory(home);
  }
}

/**
 * An environment in which a program finds only `home` and the machine's own commands. Creates the folders below
 * `home` that it names.
 */
export async function cleanEnvironment(home: string): Promise<Record<string, string>> {
  const runtime = join(home, '.run');
  await mkdir(runtime, { recursive: true, mode: 0o700 });
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    LANG: 'C.UTF-8',
    TMPDIR: tmpdir(),
    DOCKER_CONFIG: join(home, '.docker'),
    // Where skopeo looks for credentials.
    XDG_RUNTIME_DIR: runtime,
  };
}

function collect(child: ChildProcess, path: string, options: RunOptions): Promise<ProgramResult> {
  const timeout = options.timeout ?? 60_000;
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      // A grandchild may still hold the pipes; they must not keep this process.
      child.stdout?.destroy();
      child.stderr?.destroy();
      const printed = Buffer.concat([...stdout, ...stderr])
        .toString()
        .slice(-2000);
      reject(
        new Error(`${path} was still running after ${timeout} ms and was killed; it had printed: ${printed}`),
      );
    }, timeout);
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({
        code,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
    // A program may end without reading its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** The cache folder of `tools/programs.sh`, found by the same rule. */
function cacheFolder(): string {
  const own = process.env['BOLTSEAL_PROGRAMS'];
  if (own !== undefined && own !== '') return own;
  const caches = process.env['XDG_CACHE_HOME'];
  return join(
    caches !== undefined && caches !== '' ? caches : join(homedir(), '.cache'),
    'boltseal',
    'programs',
  );
}

function isContinuousIntegration(): boolean {
  const ci = process.env['CI'] ?? '';
  return ci !== '' && ci !== 'false' && ci !== '0';
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, path.endsWith('.so') ? constants.R_OK : constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
