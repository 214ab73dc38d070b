/** Where a Vault is, and who asks it: the variables of its own command line. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from '../../core/connection.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { RestAnswer, RestService } from '../secrets/rest.ts';
import { serverOf } from '../secrets/server.ts';
import type { KmsFailure } from './kms-failure.ts';

/** The names of the two products: the same protocol, and variables that differ in how they start. */
export type VaultProduct = 'HashiCorp Vault' | 'OpenBao';

/** A Vault, and the path of its engine. */
export interface VaultAccess {
  readonly service: RestService;
  /** `/v1/transit` */
  readonly engine: string;
}

/**
 * The Vault that the environment names. Variables of the product come first, and those of the other one after them.
 * Throws `ERR_USAGE` without an address, and `ERR_KEY_ACCESS` without a token.
 */
export async function openVault(product: VaultProduct, runtime: Runtime): Promise<VaultAccess> {
  const variable = (name: string): Variable | undefined => findVariable(product, name, runtime.env);
  const address = variable('ADDR');
  if (address === undefined) {
    throw new BoltsealError('ERR_USAGE', `it is not known where ${product} is`, {
      hint: `Set ${prefixes[product][0]}_ADDR to its URL.`,
    });
  }
  const url = serverOf(address.value, address.name);
  const namespace = variable('NAMESPACE')?.value;
  const token = variable('TOKEN')?.value ?? (await storedToken(runtime));
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new BoltsealError(
      'ERR_KEY_ACCESS',
      `${product} at ${url.origin} wants a token, and there is ${token === undefined ? 'none' : 'none that can be sent'}`,
      { hint: `Sign in with \`${programs[product]} login\`, or set ${prefixes[product][0]}_TOKEN.` },
    );
  }
  for (const name of ['SKIP_VERIFY', 'CAPATH']) warnOfUnheeded(variable(name), runtime);
  return {
    service: {
      name: product,
      base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
      headers: {
        'x-vault-token': token,
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
      },
      connection: await connectionOf(variable),
      explain: explainVault,
    },
    engine: `/v1/${enginePath(runtime.env)}`,
  };
}

interface Variable {
  readonly name: string;
  readonly value: string;
}

const prefixes: Readonly<Record<VaultProduct, readonly [string, string]>> = {
  'HashiCorp Vault': ['VAULT', 'BAO'],
  OpenBao: ['BAO', 'VAULT'],
};

const programs: Readonly<Record<VaultProduct, string>> = { 'HashiCorp Vault': 'vault', OpenBao: 'bao' };

function findVariable(product: VaultProduct, what: string, env: Runtime['env']): Variable | undefined {
  for (const prefix of prefixes[product]) {
    const name = `${prefix}_${what}`;
    const value = env[name];
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}

function warnOfUnheeded(variable: Variable | undefined, { log }: Pick<Runtime, 'log'>): void {
  if (variable === undefined || /^(?:0|f|false)$/i.test(variable.value)) return;
  log({
    level: 'warn',
    event: 'keys.strict',
    message: `${variable.name} is not heeded: VAULT_CACERT or BAO_CACERT names a file of certificates to trust instead`,
  });
}

/** Path of the engine; it may be several parts. */
function enginePath(env: Runtime['env']): string {
  const path = (env['TRANSIT_SECRET_ENGINE_PATH'] || 'transit').replace(/^\/+|\/+$/g, '');
  const isPlain =
    path.length <= 512 && /^[\w.-]+(?:\/[\w.-]+)*$/.test(path) && !/(?:^|\/)\.\.?(?:\/|$)/.test(path);
  if (isPlain) return path;
  throw new BoltsealError('ERR_USAGE', 'the variable TRANSIT_SECRET_ENGINE_PATH does not hold a path', {
    hint: 'It is what `vault secrets list` shows, such as transit or team/transit.',
  });
}

/** The token that `vault login` keeps; undefined when there is none. */
async function storedToken({ home }: Pick<Runtime, 'home'>): Promise<string | undefined> {
  if (home === undefined) return undefined;
  const text = await readSmallFile(join(home, '.vault-token'), limits.kmsTokenBytes, true);
  const token = text?.trim();
  return token === '' ? undefined : token;
}

async function readSmallFile(path: string, most: number, optional: boolean): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(most + 1), 0, most + 1, 0);
      if (bytesRead <= most) return buffer.subarray(0, bytesRead).toString('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (optional && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    throw new BoltsealError('ERR_FILE_READ', `the file ${path} cannot be read`, { cause });
  }
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the file ${path} has more than ${most} bytes`);
}

/** How a Vault with an authority of its own is recognized; undefined when nothing says so. */
async function connectionOf(
  variable: (name: string) => Variable | undefined,
): Promise<Connection | undefined> {
  const read = async (name: string): Promise<string | undefined> => {
    const path = variable(name)?.value;
    return path === undefined ? undefined : await readSmallFile(path, limits.keyCredentialsBytes, false);
  };
  const [caCertificates, clientCertificate, clientKey] = await Promise.all([
    read('CACERT'),
    read('CLIENT_CERT'),
    read('CLIENT_KEY'),
  ]);
  const serverName = variable('TLS_SERVER_NAME')?.value;
  const given = [caCertificates, clientCertificate, clientKey, serverName];
  if (given.every((one) => one === undefined)) return undefined;
  const onlyCaCertificates = caCertificates !== undefined;
  return { tls: { caCertificates, onlyCaCertificates, clientCertificate, clientKey, serverName } };
}

/** What a refusal means, by what it says. {@link https://developer.hashicorp.com/vault/api-docs#http-status-codes} */
export function explainVault({ status, json }: RestAnswer): Partial<KmsFailure> | undefined {
  const errors = isJsonObject(json) ? json['errors'] : undefined;
  const said = printable(Array.isArray(errors) ? errors.map(String).join('; ') : '');
  const problem = said === '' ? `answered ${status}` : `answered ${status}: ${said}`;
  if (status === 403) {
    return {
      problem: `does not accept the token, or does not permit that with it (${problem})`,
      hint: 'See `vault token lookup`. A policy that signs: read on keys/NAME and update on sign/NAME of the engine; to make keys, create on keys/NAME.',
    };
  }
  if (status === 404) {
    return {
      problem: `has no such key (${problem})`,
      hint: 'Is the engine at TRANSIT_SECRET_ENGINE_PATH, and the key in VAULT_NAMESPACE? `vault list transit/keys` shows keys.',
    };
  }
  if (status === 400) return { ...refusalOf(said), problem };
  // A follower that has not heard of it yet.
  return status === 412 ? { problem, again: 'unknown' } : { problem };
}

function refusalOf(said: string): Partial<KmsFailure> {
  if (/soft-deleted|minimum encryption key version|disallowed by policy/.test(said))
    return { code: 'ERR_KEY_DISABLED' };
  if (/not found/.test(said)) return { code: 'ERR_KEY_NOT_FOUND' };
  return /does not support signing/.test(said) ? { code: 'ERR_KEY_UNSUPPORTED' } : {};
}
