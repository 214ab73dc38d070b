/** What `serve` and `serve rotate` begin with: configuration and passphrase. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import { sharedDerivation } from '../formats/encrypted-key.ts';
import { environmentPassword } from '../keys/password.ts';
import type { SigstoreConfig } from '../server/config/config.ts';
import { defaultConfig, parseConfig } from '../server/config/parse.ts';
import { readSecret } from '../server/config/secret.ts';
import { parseBaseUrl, parseListenAddress } from '../server/config/values.ts';
import { type DataFolder, dataFolder } from '../server/sigstore/folder.ts';
import type { KeyRing } from '../server/sigstore/keys.ts';
import type { CommandContext, Flags } from './command.ts';
import { existingPassword, newPassword, pinsOf } from './keys.ts';

/** The configuration of `--config`, with the flags over it. Throws `ERR_SERVER_CONFIG`, `ERR_FILE_READ` and `ERR_USAGE`. */
export async function serveConfig(
  flags: Flags,
  names: { readonly listen: boolean },
): Promise<SigstoreConfig> {
  const file = flags.get('config');
  const config = file === undefined ? defaultConfig() : parseConfig(await read(file), file);
  const listen = names.listen ? flags.get('listen') : undefined;
  const publicUrl = flags.get('public-url');
  const address = listen === undefined ? config.listen : parseListenAddress(listen);
  if (address === undefined) throw misfit('listen', 'an address and port such as 127.0.0.1:5200');
  const base = publicUrl === undefined ? config.publicUrl : parseBaseUrl(publicUrl);
  if (publicUrl !== undefined && base === undefined) throw misfit('public-url', 'an http or https URL');
  return { ...config, listen: address, publicUrl: base };
}

function misfit(flag: string, what: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', `--${flag} must be ${what}`);
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `cannot read the configuration ${file}`, { cause });
  }
}

/** The data folder of `--data` or the configuration. Throws `ERR_USAGE` when neither names one. */
export function serveFolder(context: CommandContext, config: SigstoreConfig): DataFolder {
  const path = context.flags.get('data') ?? config.data;
  if (path !== undefined) return dataFolder(resolve(path));
  throw new BoltsealError('ERR_USAGE', `\`boltseal ${context.command.name}\` needs a data folder`, {
    hint: 'Name it: --data DIR. The first start makes it.',
  });
}

/** How the keys of a Sigstore are opened. */
export interface KeyRingOptions {
  /** The passphrase is for new keys. */
  readonly isNew: boolean;
  readonly isDevelopment: boolean;
  /** For opening them, and all that they sign later. */
  readonly signal: AbortSignal;
}

/**
 * Where the passphrase of key files comes from: the configuration, a variable, else the terminal or standard input; a
 * person is asked once, and twice when `isNew`. For development it is empty when nobody gives one. PINs of tokens come from
 * variables, files, or the terminal.
 */
export function serveKeys(
  context: CommandContext,
  runtime: Runtime,
  config: SigstoreConfig,
  { isNew, isDevelopment, signal }: KeyRingOptions,
): KeyRing {
  const given = async (): Promise<Uint8Array | undefined> => {
    if (config.keysPassword !== undefined) {
      return utf8(await readSecret(config.keysPassword, runtime.env, 'keys.password'));
    }
    return environmentPassword(runtime.env) ?? (isDevelopment ? new Uint8Array(0) : undefined);
  };
  const candidates = once(async () => {
    const fixed = await given();
    if (fixed !== undefined) return [fixed];
    return isNew ? [await newPassword(context)] : await existingPassword(context);
  });
  return {
    options: { runtime, password: candidates, ...pinsOf(context), signal },
    derivation: sharedDerivation(),
    opened: new Map(),
    passphrase: async () => (await candidates())[0] ?? new Uint8Array(0),
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
