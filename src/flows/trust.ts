/** What is trusted: a file, the instance that was initialised, or the public one. */
import { readFile } from 'node:fs/promises';
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { SigningConfig } from '../formats/signing-config.ts';
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
  /** The same with logs that speak Rekor v2, where an instance has them. */
  readonly rekorV2SigningConfig?: SigningConfig;
  readonly source: TrustSource;
}

/**
 * What is trusted: the file that is given; else the instance that was initialised; else the public one, of which a
 * trusted root is embedded, so that this needs no set-up and no network. Throws `ERR_FILE_READ`,
 * `ERR_TRUSTED_ROOT_INVALID`, and for an initialised instance `ERR_TRUST`, `ERR_OFFLINE`, `ERR_TUF_EXPIRED` and what
 * asking its TUF repository throws.
 */
export async function loadTrust(options: TrustOptions, _runtime: Runtime): Promise<LoadedTrust> {
  const path = options.trustedRootFile;
  if (path === undefined) throw new BoltsealError('ERR_TRUST', 'no trusted root is given');
  const rootBytes = await readTrustedRoot(path);
  const root = parseTrustedRoot(rootBytes, path);
  return { root, trust: openTrust(root), rootBytes, source: { kind: 'file', where: path } };
}

async function readTrustedRoot(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `the trusted root ${path} cannot be read`, { cause });
  }
}
