/**
 * The credentials files of docker and podman: where they are, and which entry is for a registry.
 * {@link https://github.com/containers/image/blob/v5.36.0/docs/containers-auth.json.5.md}
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { dockerHubRegistry } from '../../formats/reference.ts';
import type { Credential } from './credential.ts';

/** The key of Docker Hub in docker's own files and helpers. */
export const dockerHubKey = 'https://index.docker.io/v1/';

/** What of the world is needed to find credentials. */
export type CredentialWorld = Pick<Runtime, 'env' | 'home'>;

/** Where `docker login` writes: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigPath(world: CredentialWorld): string | undefined {
  const folder = world.env['DOCKER_CONFIG'];
  if (folder !== undefined && folder !== '') return join(folder, 'config.json');
  return world.home === undefined ? undefined : join(world.home, '.docker', 'config.json');
}

/** Every file credentials are looked for in, first one first: what a variable names, docker's, podman's. */
export function credentialFiles(world: CredentialWorld): readonly string[] {
  const { env, home } = world;
  const runtimeFolder = env['XDG_RUNTIME_DIR'];
  const configFolder = env['XDG_CONFIG_HOME'] || (home === undefined ? undefined : join(home, '.config'));
  const files = [
    env['REGISTRY_AUTH_FILE'],
    dockerConfigPath(world),
    runtimeFolder ? join(runtimeFolder, 'containers', 'auth.json') : undefined,
    configFolder === undefined ? undefined : join(configFolder, 'containers', 'auth.json'),
  ];
  return [...new Set(files.filter((file): file is string => file !== undefined && file !== ''))];
}

/** The content of a credentials file; undefined when there is none. Throws `ERR_REGISTRY_CREDENTIALS`. */
export async function readCredentialsFile(path: string): Promise<JsonObject | undefined> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > limits.credentialsFileBytes) throw new Error(`it has ${size} bytes`);
    bytes = await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw broken(path, 'it cannot be read', cause);
  }
  // docker and podman treat an empty file as one without entries.
  if (bytes.length === 0) return {};
  let json: ReturnType<typeof parseJson>;
  try {
    json = parseJson(bytes, { what: path, maxBytes: limits.credentialsFileBytes });
  } catch {
    // The cause could quote the file, secrets included.
    throw broken(path, 'it is not valid JSON');
  }
  if (isJsonObject(json)) return json;
  throw broken(path, 'it is not a JSON object');
}

function broken(path: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_REGISTRY_CREDENTIALS', `the credentials file ${path} is broken: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'Correct or remove the file, or log in again with boltseal login.',
    details: { file: path },
  });
}

/**
 * The keys of `section` that are for `registry`, best one first: exactly its host and port, in whatever spelling; and in
 * podman's way with a path, when `repository` lies below it, longest path first. Never another host.
 */
export function matchingKeys(section: JsonObject, registry: string, repository: string): readonly string[] {
  const wanted = canonicalHost(registry);
  const matches: { key: string; length: number }[] = [];
  for (const key of Object.keys(section)) {
    const { host, path } = splitKey(key);
    if (canonicalHost(host) !== wanted) continue;
    if (path === '' || repository === path || repository.startsWith(`${path}/`)) {
      matches.push({ key, length: path.length });
    }
  }
  return matches.sort((a, b) => b.length - a.length).map(({ key }) => key);
}

/** A key as host and repository path; URLs, as docker writes them, have no repository path. */
function splitKey(key: string): { host: string; path: string } {
  const scheme = /^https?:\/\//i.exec(key)?.[0];
  const rest = key.slice(scheme?.length ?? 0);
  const slash = rest.indexOf('/');
  if (slash < 0) return { host: rest, path: '' };
  const path = rest.slice(slash + 1).replace(/\/+$/, '');
  const isApi = scheme !== undefined || path === '' || /^v[12]$/.test(path);
  return { host: rest.slice(0, slash), path: isApi ? '' : path };
}

function canonicalHost(host: string): string {
  const lower = host.toLowerCase().replace(/:443$/, '');
  return lower === 'docker.io' || lower === 'registry-1.docker.io' ? dockerHubRegistry : lower;
}

/** The credential that the entry `key` of `auths` holds; undefined for an empty one, which only marks a helper's. */
export function entryCredential(auths: JsonObject, key: string, path: string): Credential | undefined {
  const entry = auths[key];
  if (!isJsonObject(entry)) throw broken(path, `its entry ${JSON.stringify(key)} is not an object`);
  const text = (name: string): string => {
    const value = entry[name] ?? '';
    if (typeof value === 'string') return value;
    throw broken(path, `${name} of its entry ${JSON.stringify(key)} is no text`);
  };
  const origin = `the file ${path} (${key})`;
  if (text('registrytoken') !== '') return { kind: 'registry-token', token: text('registrytoken'), origin };
  if (text('identitytoken') !== '') return { kind: 'identity-token', token: text('identitytoken'), origin };
  if (text('auth') !== '') {
    const pair = decodeAuth(text('auth'));
    if (pair === undefined)
      throw broken(path, `auth of its entry ${JSON.stringify(key)} is not base64 of user:password`);
    return basicOrToken(pair.username, pair.password, origin);
  }
  return basicOrToken(text('username'), text('password'), origin);
}

function decodeAuth(auth: string): { username: string; password: string } | undefined {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(auth)) return undefined;
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  // docker strips zero bytes at the end of the password.
  return colon < 0
    ? undefined
    : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}

/** User and password as a credential; the user name `<token>` marks an identity token. Undefined when both are empty. */
export function basicOrToken(username: string, password: string, origin: string): Credential | undefined {
  if (username === '' && password === '') return undefined;
  return username === '<token>'
    ? { kind: 'identity-token', token: password, origin }
    : { kind: 'basic', username, password, origin };
}
