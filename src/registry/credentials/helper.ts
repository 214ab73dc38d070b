/**
 * Credential helpers: programs named `docker-credential-…` that keep secrets elsewhere than in a file.
 * {@link https://github.com/docker/docker-credential-helpers/tree/v0.9.3#development}
 */
import type { ChildProcess } from 'node:child_process';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import type { Runtime } from '../../core/runtime.ts';
import { basicOrToken } from './auth-file.ts';
import type { Credential } from './credential.ts';

/** What is needed to run a helper. */
export type HelperWorld = Pick<Runtime, 'env'>;

interface HelperResult {
  readonly code: number | null;
  readonly stdout: string;
}

/** What helpers print when they have nothing stored. */
const absence = /credentials not found|no credentials (?:found|server URL)|item could not be found/i;

/** The credential the helper `name` has for `server`; undefined when it says it has none. Throws `ERR_REGISTRY_CREDENTIALS`. */
export async function helperGet(
  name: string,
  server: string,
  world: HelperWorld,
  signal?: AbortSignal,
): Promise<Credential | undefined> {
  const result = await run(name, 'get', server, world, signal);
  if (result.code !== 0) {
    if (absence.test(result.stdout)) return undefined;
    throw failed(name, 'get', result);
  }
  const problem = `the credential helper docker-credential-${name} printed something that is not a credential`;
  let json: ReturnType<typeof parseJson>;
  try {
    const bytes = new TextEncoder().encode(result.stdout);
    json = parseJson(bytes, {
      what: 'the output of a credential helper',
      maxBytes: limits.credentialHelperBytes,
    });
  } catch {
    // The cause could quote the output, which is the secret.
    throw new BoltsealError('ERR_REGISTRY_CREDENTIALS', problem);
  }
  const { Username: username, Secret: secret } = isJsonObject(json) ? json : {};
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new BoltsealError('ERR_REGISTRY_CREDENTIALS', problem);
  }
  return basicOrToken(username, secret, `the credential helper docker-credential-${name}`);
}

/** Hands a secret to the helper `name`. Throws `ERR_REGISTRY_CREDENTIALS`. */
export async function helperStore(
  name: string,
  entry: { readonly server: string; readonly username: string; readonly secret: string },
  world: HelperWorld,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: entry.server, Username: entry.username, Secret: entry.secret });
  const result = await run(name, 'store', input, world);
  if (result.code !== 0) throw failed(name, 'store', result);
}

/** Makes the helper `name` forget; false when it had nothing. Throws `ERR_REGISTRY_CREDENTIALS`. */
export async function helperErase(name: string, server: string, world: HelperWorld): Promise<boolean> {
  const result = await run(name, 'erase', server, world);
  if (result.code === 0) return true;
  if (absence.test(result.stdout)) return false;
  throw failed(name, 'erase', result);
}

function failed(name: string, action: string, result: HelperResult): BoltsealError {
  const said = printable(result.stdout.trim().split('\n', 1)[0] ?? '');
  return new BoltsealError(
    'ERR_REGISTRY_CREDENTIALS',
    `the credential helper docker-credential-${name} failed to ${action}${said === '' ? '' : `: ${said}`}`,
    {
      hint: 'Run it by hand to see why, or remove it from credsStore and credHelpers of docker’s config.json.',
    },
  );
}

async function run(
  name: string,
  action: string,
  input: string,
  world: HelperWorld,
  signal?: AbortSignal,
): Promise<HelperResult> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new BoltsealError(
      'ERR_REGISTRY_CREDENTIALS',
      `${JSON.stringify(name)} is not the name of a credential helper`,
    );
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(`docker-credential-${name}`, [action], {
    env: { ...world.env },
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return collect(child, name, input);
}

function collect(child: ChildProcess, name: string, input: string): Promise<HelperResult> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      child.stdout?.destroy();
      const message = `the credential helper docker-credential-${name} ${why}`;
      const hint = 'Install it, or remove it from credsStore and credHelpers of docker’s config.json.';
      reject(
        new BoltsealError('ERR_REGISTRY_CREDENTIALS', message, {
          ...(cause === undefined ? {} : { cause }),
          hint,
        }),
      );
    };
    const timer = setTimeout(
      () => stop(`did not end within ${limits.credentialHelperTime} ms`),
      limits.credentialHelperTime,
    );
    child.stdout?.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.credentialHelperBytes)
        stop(`printed more than ${limits.credentialHelperBytes} bytes`);
      else chunks.push(chunk);
    });
    child.once('error', (error) => stop('could not be started', error));
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, stdout: Buffer.concat(chunks).toString('utf8') });
    });
    // A helper that ends without reading its input is judged by its exit code.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
