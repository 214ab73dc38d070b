/** What is trusted, as documents say it. */
import type { Runtime } from '../core/runtime.ts';
import { parseSigningConfig, type SigningConfig } from '../formats/signing-config.ts';
import { parseTrustedRoot, type TrustedRoot } from '../formats/trusted-root.ts';
import { openTrust, type Trust } from '../verify/trust.ts';

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

/** A trusted root, and what is published beside it. */
export interface TrustDocuments {
  readonly trustedRoot: Uint8Array;
  readonly signingConfig?: Uint8Array | undefined;
  readonly rekorV2SigningConfig?: Uint8Array | undefined;
}

/** Trust of documents. Throws `ERR_TRUSTED_ROOT_INVALID` for a trusted root that is none. */
export function trustOf(
  documents: TrustDocuments,
  source: TrustSource,
  runtime: Pick<Runtime, 'log'>,
): LoadedTrust {
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
