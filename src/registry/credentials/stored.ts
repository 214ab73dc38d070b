/** The credentials that docker and podman keep for this user: found, stored and removed. */
import { chmod, mkdir, open, realpath, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hex } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { Runtime } from '../../core/runtime.ts';
import { dockerHubRegistry } from '../../formats/reference.ts';
import {
  credentialFiles,
  dockerConfigPath,
  dockerHubKey,
  entryCredential,
  matchingKeys,
  readCredentialsFile,
} from './auth-file.ts';
import type { Credential, CredentialSource } from './credential.ts';
import { helperErase, helperGet, helperStore } from './helper.ts';

/** What of the runtime is needed. */
export type CredentialsRuntime = Pick<Runtime, 'env' | 'home' | 'random'>;

/**
 * A source that looks, in this order, in `$REGISTRY_AUTH_FILE`, docker's config (`$DOCKER_CONFIG` or `~/.docker`), and
 * podman's files; in each file in `credHelpers`, `credsStore`, `auths`. The first that has something wins. Nothing is
 * read before a registry asks for credentials.
 */
export function storedCredentials(runtime: Pick<Runtime, 'env' | 'home'>): CredentialSource {
  return async (registry, repository, options = {}) => {
    for (const path of credentialFiles(runtime)) {
      const file = await readCredentialsFile(path);
      const found = file && (await lookUp(file, path, registry, repository, runtime, options.signal));
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

async function lookUp(
  file: JsonObject,
  path: string,
  registry: string,
  repository: string,
  runtime: Pick<Runtime, 'env'>,
  signal: AbortSignal | undefined,
): Promise<Credential | undefined> {
  const helper = helperFor(file, registry, repository);
  const kept = helper && (await helperGet(helper.name, helper.server, runtime, signal));
  if (kept !== undefined) return kept;
  const auths = section(file, 'auths');
  for (const key of matchingKeys(auths, registry, repository)) {
    const credential = entryCredential(auths, key, path);
    if (credential !== undefined) return credential;
  }
  return undefined;
}

function section(file: JsonObject, name: string): JsonObject {
  const value = file[name];
  return isJsonObject(value) ? value : {};
}

/** The helper that a file names for a registry, and the name the registry has there. */
function helperFor(
  file: JsonObject,
  registry: string,
  repository: string,
): { readonly name: string; readonly server: string } | undefined {
  const helpers = section(file, 'credHelpers');
  const [key] = matchingKeys(helpers, registry, repository);
  const named = key === undefined ? file['credsStore'] : helpers[key];
  if (typeof named !== 'string' || named === '') return undefined;
  return { name: named, server: serverKey(registry) };
}

/** The key docker uses for `registry`. */
function serverKey(registry: string): string {
  return registry === dockerHubRegistry ? dockerHubKey : registry;
}

/** A credential in words, without the secret: for `boltseal login`, logs and explanations. */
export function explainCredential(credential: Credential): string {
  const kind = { basic: 'user', 'identity-token': 'identity token', 'registry-token': 'registry token' };
  const who = credential.kind === 'basic' ? ` ${JSON.stringify(credential.username)}` : '';
  return `${kind[credential.kind]}${who} from ${credential.origin}`;
}

/** What {@link storeCredential} stores. */
export interface LoginCredential {
  readonly username: string;
  /** A password, or an access token in its place. */
  readonly password: string;
}

/**
 * Stores a login for `registry` where docker would: in the helper its config names, else in the file itself (0600).
 * Everything else in the file is kept. Returns where it is now, for people. Throws `ERR_REGISTRY_CREDENTIALS` and
 * `ERR_FILE_WRITE`.
 */
export async function storeCredential(
  registry: string,
  login: LoginCredential,
  runtime: CredentialsRuntime,
): Promise<string> {
  const path = requireConfigPath(runtime);
  const file = (await readCredentialsFile(path)) ?? {};
  const helper = helperFor(file, registry, '');
  const server = serverKey(registry);
  const auth = Buffer.from(`${login.username}:${login.password}`).toString('base64');
  if (helper !== undefined) {
    await helperStore(helper.name, { server, username: login.username, secret: login.password }, runtime);
  }
  const auths = section(file, 'auths');
  const kept = without(auths, registry, server);
  // Next to a helper docker keeps an empty entry, which says that the helper has one.
  const entry = helper === undefined ? { ...plainEntry(auths[server]), auth } : {};
  await writeConfig(path, { ...file, auths: { ...kept, [server]: entry } }, runtime);
  return helper === undefined ? path : `the credential helper docker-credential-${helper.name}`;
}

/** What an entry holds beside the login: some tools keep an e-mail address there. */
function plainEntry(entry: JsonObject[string]): JsonObject {
  if (!isJsonObject(entry)) return {};
  const { auth: _a, username: _u, password: _p, identitytoken: _i, registrytoken: _r, ...rest } = entry;
  return rest;
}

/** `auths` without the other spellings of `registry`; entries of repositories below it stay. */
function without(auths: JsonObject, registry: string, server: string): JsonObject {
  const gone = new Set(matchingKeys(auths, registry, '').filter((key) => key !== server));
  return Object.fromEntries(Object.entries(auths).filter(([key]) => !gone.has(key)));
}

/**
 * Removes the login for `registry` from docker's config and the helper it names. Returns where it was, for people; empty
 * when there was none. Throws `ERR_REGISTRY_CREDENTIALS` and `ERR_FILE_WRITE`.
 */
export async function eraseCredential(
  registry: string,
  runtime: CredentialsRuntime,
): Promise<readonly string[]> {
  const path = requireConfigPath(runtime);
  const file = await readCredentialsFile(path);
  if (file === undefined) return [];
  const places: string[] = [];
  const helper = helperFor(file, registry, '');
  if (helper !== undefined && (await helperErase(helper.name, helper.server, runtime))) {
    places.push(`the credential helper docker-credential-${helper.name}`);
  }
  const auths = section(file, 'auths');
  const keys = matchingKeys(auths, registry, '');
  if (keys.length > 0) {
    const kept = Object.fromEntries(Object.entries(auths).filter(([key]) => !keys.includes(key)));
    await writeConfig(path, { ...file, auths: kept }, runtime);
    if (helper === undefined) places.push(path);
  }
  return places;
}

function requireConfigPath(runtime: CredentialsRuntime): string {
  const path = dockerConfigPath(runtime);
  if (path !== undefined) return path;
  throw new BoltsealError('ERR_REGISTRY_CREDENTIALS', 'there is no home folder to keep credentials in', {
    hint: 'Set DOCKER_CONFIG to the folder that should hold config.json.',
  });
}

/** Replaces the file in one step, readable for its owner only; what a link points to is replaced, not the link. */
async function writeConfig(path: string, content: JsonObject, runtime: CredentialsRuntime): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${hex(runtime.random(8))}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify(content, null, '\t')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(temporary, 0o600);
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new BoltsealError('ERR_FILE_WRITE', `the credentials file ${path} cannot be written`, { cause });
  }
}
