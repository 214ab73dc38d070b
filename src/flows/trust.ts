/** What is trusted: a file, the instance that was initialised, or the public one. */
import { readFile } from 'node:fs/promises';
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import { parseSigningConfig, type SigningConfig } from '../formats/signing-config.ts';
import { parseTrustedRoot, type TrustedRoot } from '../formats/trusted-root.ts';
import { openTrust, type Trust } from '../verify/trust.ts';

/** What {@link loadTrust} is told. */
export interface TrustOptions {
  /** The path of a trusted root to use, and no other. */
  readonly trustedRootFile?: string | undefined;
  /** Ask nothing over the network: no socket is opened. */
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where trust came from. */
export interface TrustSource {
  /**
   * `file`: one that was given; `tuf`: a TUF repository, just asked; `cache`: what such a repository said before;
   * `embedded`: what Boltseal was published with.
   */
  readonly kind: 'file' | 'tuf' | 'cache' | 'embedded';
  /** The path, or the URL of the TUF repository. */
  readonly where: string;
  /** When the TUF repository was asked. */
  readonly fetched?: Date;
}

/** What is trusted, and where it came from. */
export interface LoadedTrust {
  readonly root: TrustedRoot;
  /** The same, ready for verification. */
  readonly trust: Trust;
  /** The trusted root as it was published. */
  readonly rootBytes: Uint8Array;
  /** The services to sign with; none of a file. */
  readonly signingConfig?: SigningConfig;
  /** The same as it was published. */
  readonly signingConfigBytes?: Uint8Array;
  /** The services to sign with where logs speak Rekor v2, if an instance has them. */
  readonly rekorV2SigningConfig?: SigningConfig;
  readonly source: TrustSource;
}

/**
 * What is trusted: the file that is given; else the instance that was initialised; else the public one, of which a
 * trusted root is embedded, so that this needs no set-up and no network. Throws `ERR_FILE_READ`,
 * `ERR_TRUSTED_ROOT_INVALID`, and for an initialised instance `ERR_TRUST` and what `refreshTrust` throws, such as
 * `ERR_OFFLINE` and `ERR_TUF_EXPIRED`.
 */
export async function loadTrust(options: TrustOptions, runtime: Runtime): Promise<LoadedTrust> {
  const path = options.trustedRootFile;
  return path === undefined ? loadInstance(options, runtime) : loadFile(path, runtime);
}

async function loadFile(path: string, runtime: Runtime): Promise<LoadedTrust> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new BoltsealError('ERR_FILE_READ', `the trusted root ${path} cannot be read`, { cause });
  });
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

/** Trust of the target files of a TUF repository, one of which is a trusted root. Throws `ERR_TRUSTED_ROOT_INVALID`. */
export function trustOfTargets(
  files: ReadonlyMap<string, Uint8Array>,
  source: TrustSource,
  runtime: Pick<Runtime, 'log'>,
): LoadedTrust {
  const documents = {
    trustedRoot: files.get('trusted_root.json') ?? new Uint8Array(0),
    signingConfig: files.get('signing_config.v0.2.json'),
    rekorV2SigningConfig: files.get('signing_config_rekor_v2.v0.2.json'),
  };
  return trustOf(documents, source, runtime);
}

interface TrustDocuments {
  readonly trustedRoot: Uint8Array;
  readonly signingConfig?: Uint8Array | undefined;
  readonly rekorV2SigningConfig?: Uint8Array | undefined;
}

function trustOf(documents: TrustDocuments, source: TrustSource, runtime: Pick<Runtime, 'log'>): LoadedTrust {
  const { trustedRoot, signingConfig, rekorV2SigningConfig } = documents;
  const root = parseTrustedRoot(trustedRoot, `the trusted root of ${source.where}`);
  const config = readConfig(signingConfig, source, runtime);
  const rekorV2 = readConfig(rekorV2SigningConfig, source, runtime);
  return {
    root,
    trust: openTrust(root),
    rootBytes: trustedRoot,
    ...(config === undefined || signingConfig === undefined
      ? {}
      : { signingConfig: config, signingConfigBytes: signingConfig }),
    ...(rekorV2 === undefined ? {} : { rekorV2SigningConfig: rekorV2 }),
    source,
  };
}

/** A signing configuration that cannot be read is none: verification needs none, and signing says that it has none. */
function readConfig(
  bytes: Uint8Array | undefined,
  { where }: TrustSource,
  runtime: Pick<Runtime, 'log'>,
): SigningConfig | undefined {
  if (bytes === undefined) return undefined;
  try {
    return parseSigningConfig(bytes, `the signing configuration of ${where}`);
  } catch (error) {
    const message = `${error instanceof Error ? error.message : error}; it is left aside`;
    runtime.log({ level: 'warn', event: 'trust.signing-config', message });
    return undefined;
  }
}
