import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, type ProgramName } from './programs.ts';
import { type ServerProcess, startServer } from './server-process.ts';

/** A real registry on loopback, plain http, empty at its start. */
export type Registry = ServerProcess;

/** What a docker-registry is started with. */
export interface DockerRegistryOptions {
  /** Whether manifests and blobs may be deleted; no unless told, as in its own defaults. */
  readonly delete?: boolean;
  /** The one account (Basic authentication); everyone may do everything unless told. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/**
 * Debian's docker-registry (distribution 2.8): no referrers API, so clients use the fallback tag; upload locations
 * are absolute, built from the request's Host header.
 */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<Registry> {
  const auth = options.auth;
  const account = auth === undefined ? undefined : `${auth.username}:${await bcrypt(auth.password)}\n`;
  return startServer({
    path: pathOf('docker-registry'),
    announces: /listening on 127\.0\.0\.1:(\d+)/,
    readyPath: '/v2/',
    arguments: async (folder) => {
      const passwords = join(folder, 'htpasswd');
      const configuration = {
        version: 0.1,
        log: { level: 'info', accesslog: { disabled: true } },
        http: { addr: '127.0.0.1:0', secret: 'of a test' },
        storage: {
          filesystem: { rootdirectory: join(folder, 'storage') },
          delete: { enabled: options.delete === true },
          maintenance: { uploadpurging: { enabled: false } },
        },
        ...(account === undefined
          ? {}
          : { auth: { htpasswd: { realm: 'boltseal tests', path: passwords } } }),
      };
      if (account !== undefined) await writeFile(passwords, account);
      const file = join(folder, 'config.yml');
      // YAML contains JSON.
      await writeFile(file, JSON.stringify(configuration));
      return ['serve', file];
    },
  });
}

/** crane's registry (go-containerregistry): in memory; see `registries.test.ts` for what it can do. */
export function startCraneRegistry(): Promise<Registry> {
  return startServer({
    path: pathOf('crane'),
    announces: /serving on port (\d+)/,
    readyPath: '/v2/',
    arguments: () => ['registry', 'serve', '--address', '127.0.0.1:0'],
  });
}

function pathOf(name: ProgramName): string {
  const path = findProgram(name);
  if (path === undefined)
    throw new Error(`${name} not found: ask needPrograms first; tools/programs.sh brings it`);
  return path;
}

/**
 * A bcrypt hash, the only kind docker-registry takes. Node has no bcrypt; the C library of Debian has, and perl (which
 * is part of every Debian, where the registry comes from) reaches it.
 */
async function bcrypt(password: string): Promise<string> {
  const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  let salt = '';
  // 21 characters are free; of the 22nd only two bits count, and '.' has them clear.
  while (salt.length < 21) salt += alphabet[randomInt(alphabet.length)];
  const script = 'print crypt($ENV{PASSWORD}, $ENV{SETTING})';
  const env = { PATH: process.env['PATH'], PASSWORD: password, SETTING: `$2b$05$${salt}.` };
  const { stdout } = await promisify(execFile)('perl', ['-e', script], { env });
  if (!stdout.startsWith('$2b$05$')) throw new Error('this machine’s crypt(3) does not know bcrypt');
  return stdout;
}
