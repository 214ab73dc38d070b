/**
 * The public Sigstore, embedded: so that verification against it needs neither network nor set-up. The data is a file of
 * its own that is loaded when it is asked for.
 * {@link https://github.com/sigstore/root-signing}
 */
import { utf8 } from '../core/encoding.ts';

/** The base URL of the TUF repository of the public Sigstore. */
export const publicMirror = 'https://tuf-repo-cdn.sigstore.dev';

/** What is embedded of the public Sigstore, byte for byte as it was published. */
export interface PublicGood {
  /** When its TUF repository was asked for it. */
  readonly fetched: Date;
  /** Root metadata of its TUF repository: what everything newer is verified with. */
  readonly tufRoot: Uint8Array;
  /** The target `trusted_root.json`. */
  readonly trustedRoot: Uint8Array;
  /** The target `signing_config.v0.2.json`. */
  readonly signingConfig: Uint8Array;
  /** The target `signing_config_rekor_v2.v0.2.json`. */
  readonly rekorV2SigningConfig: Uint8Array;
}

/** What is embedded. */
export async function publicGood(): Promise<PublicGood> {
  const data = await import('./public-good-data.ts');
  return {
    fetched: new Date(`${data.fetched}T00:00:00Z`),
    tufRoot: utf8(data.tufRoot),
    trustedRoot: utf8(data.trustedRoot),
    signingConfig: utf8(data.signingConfig),
    rekorV2SigningConfig: utf8(data.rekorV2SigningConfig),
  };
}
