/** A private Sigstore (`boltseal serve --dev`) in a process of its own, for tests with real clients. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ProgramResult, runProgram } from './programs.ts';
import { runInProcess } from './run-cli.ts';
import { type ServerProcess, startServer } from './server-process.ts';
import type { Releases } from './temporary.ts';

const entry = fileURLToPath(new URL('../../src/cli/entry.ts', import.meta.url));

/** A running private Sigstore. */
export interface SigstoreProcess extends ServerProcess {
  /** A new identity token for `email`. */
  token(email: string, claims?: Readonly<Record<string, string>>): Promise<string>;
}

/** What a private Sigstore is started with. */
export interface SigstoreProcessOptions {
  /** The data folder; one of its own, removed at the end, unless told. */
  readonly data?: string;
  /** More words of the command line. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts one, which ends with the test. */
export async function startSigstore(
  releases: Releases,
  options: SigstoreProcessOptions = {},
): Promise<SigstoreProcess> {
  const server = await startServer({
    path: process.execPath,
    announces: /running at http:\/\/127\.0\.0\.1:(\d+)/,
    readyPath: '/readyz',
    env: { BOLTSEAL_PASSWORD: '', ...options.env },
    arguments: (folder) => [
      entry,
      'serve',
      '--dev',
      '--data',
      options.data ?? join(folder, 'data'),
      '--listen',
      '127.0.0.1:0',
      ...(options.args ?? []),
    ],
  });
  releases.after(() => server.stop());
  return {
    ...server,
    async token(email, claims = {}) {
      const given = Object.entries(claims).flatMap(([name, value]) => ['--claim', `${name}=${value}`]);
      const result = await runInProcess(['token', '--url', server.url, '--email', email, ...given]);
      if (result.code !== 0) throw new Error(`no token: ${result.stderr}`);
      return result.stdout.trim();
    },
  };
}

/** A program with a home folder of its own that lasts, as a user has it. */
export interface Client {
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<ProgramResult>;
  /** The same; throws with what was printed unless it ends with 0. */
  must(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<ProgramResult>;
}

/** The program at `path`, with its home in `folder`. */
export async function clientIn(folder: string, name: string, path: string): Promise<Client> {
  const home = join(folder, `home-${name}`);
  await mkdir(home, { recursive: true });
  return clientOf(name, (args, env = {}) =>
    runProgram(path, args, { cwd: home, env: { HOME: home, TUF_ROOT: join(home, 'tuf'), ...env } }),
  );
}

/** Boltseal's own command line in this process, with its home in `folder`. */
export async function boltsealIn(folder: string): Promise<Client> {
  const home = join(folder, 'home-boltseal');
  await mkdir(home, { recursive: true });
  return clientOf('boltseal', (args, env = {}) => runInProcess(args, { env: { HOME: home, ...env } }));
}

/** The same client, of which one process runs at a time. */
export function oneAtATime(name: string, client: Client): Client {
  let last: Promise<unknown> = Promise.resolve();
  return clientOf(name, (args, env) => {
    const result = last.then(() => client.run(args, env));
    last = result.catch(() => undefined);
    return result;
  });
}

function clientOf(name: string, run: Client['run']): Client {
  return {
    run,
    async must(args, env) {
      const result = await run(args, env);
      if (result.code === 0) return result;
      throw new Error(
        `${name} ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`,
      );
    },
  };
}
