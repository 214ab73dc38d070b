/** A real PostgreSQL server in a temporary folder, for tests. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, realpath } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needPrograms } from './programs.ts';
import { type Releases, removeDirectory } from './temporary.ts';

/** A running server. */
export interface PostgresServer {
  /** For `pg`: over a socket in the temporary folder. */
  readonly url: string;
  /** Ends it at once, as a power failure would (`SIGKILL` to the server and all its processes). */
  kill(): Promise<void>;
  /** Starts it again after {@link kill}. */
  start(): Promise<void>;
}

/**
 * Starts a server that is ended when the test is over. Answers undefined, with the test skipped, when the programs are
 * not there.
 */
export async function startPostgres(
  t: Pick<TestContext, 'skip'>,
  releases: Releases,
): Promise<PostgresServer | undefined> {
  const programs = needPrograms(t, 'postgres', 'initdb');
  if (programs === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'boltseal-pg-'));
  const user = await otherUser(folder);
  const bin = await reachablePrograms(programs, folder, user);
  const data = join(folder, 'data');
  const made = spawnSync(
    bin.initdb,
    ['-D', data, '-U', 'boltseal', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--wal-segsize=1'],
    { ...user, cwd: folder, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}${made.stdout}${made.error ?? ''}`);
  let child = await startServer(bin.postgres, data, folder, user);
  const kill = async (): Promise<void> => {
    const ended = waitForEnd(child);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      // Each connection has a process of its own, which would otherwise end in its own time.
      const children = await childrenOf(child.pid);
      for (const pid of [child.pid, ...children]) killProcess(pid);
    }
    await ended;
  };
  releases.after(async () => {
    await kill();
    await removeDirectory(folder);
  });
  return {
    url: `postgresql://boltseal@localhost/postgres?host=${encodeURIComponent(folder)}`,
    kill,
    async start() {
      child = await startServer(bin.postgres, data, folder, user);
    },
  };
}

interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root. */
async function otherUser(folder: string): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  const nobody = { uid: 65_534, gid: 65_534 };
  await chown(folder, nobody.uid, nobody.gid);
  return nobody;
}

/** The programs where `user` can reach them: what root unpacked in its home folder is linked or copied. */
async function reachablePrograms(
  programs: { readonly postgres: string; readonly initdb: string },
  folder: string,
  user: User,
): Promise<{ readonly postgres: string; readonly initdb: string }> {
  if (spawnSync(programs.postgres, ['-V'], { ...user, cwd: folder }).status === 0) return programs;
  // …/usr/lib/postgresql/15/bin/postgres: what it needs lies below usr.
  const root = dirname(dirname(dirname(dirname(dirname(await realpath(programs.postgres))))));
  const copy = join(folder, 'programs');
  await mkdir(copy);
  for (const flags of ['-rl', '-r']) {
    if (spawnSync('cp', [flags, root, join(copy, 'usr')]).status === 0) break;
  }
  await chmod(copy, 0o755);
  const bin = join(copy, 'usr', (await realpath(programs.postgres)).slice(root.length + 1));
  return { postgres: bin, initdb: join(dirname(bin), 'initdb') };
}

async function startServer(program: string, data: string, folder: string, user: User): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt++) {
    const settings = {
      listen_addresses: '',
      unix_socket_directories: folder,
      shared_buffers: '32MB',
      jit: 'off',
      timezone: 'GMT',
      log_timezone: 'GMT',
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawn(program, ['-D', data, ...flags], {
      ...user,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let printed = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-10_000);
    });
    if (await accepts(child, join(folder, '.s.PGSQL.5432'), () => printed)) return child;
    // Processes of a server that was killed may still hold its shared memory.
    if (attempt === 50) throw new Error(`PostgreSQL did not start: ${printed}`);
    await sleep(100);
  }
}

/** Whether the server gets ready (true) or ends (false). */
async function accepts(child: ChildProcess, socket: string, printed: () => string): Promise<boolean> {
  const deadline = Date.now() + 30_000;
  while (child.exitCode === null && child.signalCode === null) {
    if (printed().includes('ready to accept connections') && (await connects(socket))) return true;
    if (Date.now() > deadline) throw new Error(`PostgreSQL was not ready in 30 s: ${printed()}`);
    await sleep(20);
  }
  return false;
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function waitForEnd(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** The processes that `pid` started, where the system tells; elsewhere none. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended in this moment.
  }
}
