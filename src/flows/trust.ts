/** What is trusted: a file, the instance that was initialised, or the public one. */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { readWholeFile } from './read-file.ts';
import { type LoadedTrust, trustOf, trustOfTargets } from './trust-documents.ts';

export type { LoadedTrust, TrustSource } from './trust-documents.ts';

/** What {@link loadTrust} is told. */
export interface TrustOptions {
  /** The path of a trusted root to use, and no other. */
  readonly trustedRootFile?: string | undefined;
  /** Ask nothing over the network: no socket is opened. */
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What is trusted: the file that is given; else the instance that was initialised; else the public one, of which a
 * trusted root is embedded, so that this needs no set-up and no network. Throws `ERR_FILE_READ`, `ERR_LIMIT_EXCEEDED`,
 * `ERR_TRUSTED_ROOT_INVALID`, and for an initialised instance `ERR_TRUST` and what `refreshTrust` throws, such as
 * `ERR_OFFLINE` and `ERR_TUF_EXPIRED`.
 */
export async function loadTrust(options: TrustOptions, runtime: Runtime): Promise<LoadedTrust> {
  const path = options.trustedRootFile;
  return path === undefined ? loadInstance(options, runtime) : loadFile(path, runtime);
}

async function loadFile(path: string, runtime: Runtime): Promise<LoadedTrust> {
  const bytes = await readWholeFile(path, limits.trustedRootBytes).catch((cause: unknown) => {
    throw new BoltsealError('ERR_FILE_READ', `the trusted root ${path} cannot be read`, { cause });
  });
  if (bytes === undefined) {
    const why = `the trusted root ${path} has more than ${limits.trustedRootBytes} bytes`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', why);
  }
  return trustOf({ trustedRoot: new Uint8Array(bytes) }, { kind: 'file', where: path }, runtime);
}

async function loadInstance(options: TrustOptions, runtime: Runtime): Promise<LoadedTrust> {
  const { currentInstance, trustFolder } = await import('../services/tuf/instance.ts');
  const { mirror, root } = await currentInstance(runtime);
  if (root !== undefined) return askInstance(mirror, root, undefined, options, runtime);
  const { publicGood } = await import('../services/public-good.ts');
  const embedded = await publicGood();
  try {
    return await askInstance(mirror, embedded.tufRoot, embedded.fetched, options, runtime);
  } catch (error) {
    options.signal?.throwIfAborted();
    const date = embedded.fetched.toISOString().slice(0, 10);
    runtime.log({
      level: options.offline === true ? 'debug' : 'warn',
      event: 'trust.embedded',
      message: `${error instanceof Error ? error.message : error}; the trusted root of ${date} that is embedded is used`,
      fields: { mirror, folder: trustFolder(runtime) },
    });
    return trustOf(embedded, { kind: 'embedded', where: mirror, fetched: embedded.fetched }, runtime);
  }
}

async function askInstance(
  mirror: string,
  root: Uint8Array,
  fallback: Date | undefined,
  { offline, signal }: TrustOptions,
  runtime: Runtime,
): Promise<LoadedTrust> {
  const { refreshTrust } = await import('../services/tuf/client.ts');
  const { trustFolder } = await import('../services/tuf/instance.ts');
  const ask = offline === true ? 'never' : undefined;
  const { state, from, fetched } = await refreshTrust({
    mirror,
    root,
    folder: trustFolder(runtime),
    runtime,
    ask,
    fallback,
    signal,
  });
  return trustOfTargets(state.files, { kind: from, where: mirror, fetched }, runtime);
}
