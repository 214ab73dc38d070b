/** Whose identity tokens get certificates: from the settings, and from a configuration of Fulcio. */
import { readFile } from 'node:fs/promises';
import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type FulcioConfig, parseFulcioConfig } from '../ca/fulcio-config.ts';
import type { CaIssuers, IssuerConfig } from '../ca/issuers.ts';
import { configError, type IssuerSettings, type SigstoreConfig } from '../config/config.ts';

/** Everybody whose tokens are accepted, and the authorities that some of their servers are checked with. */
export interface AcceptedIssuers {
  readonly issuers: CaIssuers;
  /** PEM by the URL or pattern of the issuer. */
  readonly authorities: ReadonlyMap<string, string>;
}

/**
 * The issuers of a configuration. `own` is that of a development server, which is accepted besides. Throws
 * `ERR_SERVER_CONFIG` and `ERR_FILE_READ`.
 */
export async function acceptedIssuers(
  config: Pick<SigstoreConfig, 'issuers' | 'metaIssuers' | 'ciProviders' | 'fulcioConfig'>,
  own: IssuerConfig | undefined,
): Promise<AcceptedIssuers> {
  const authorities = new Map<string, string>();
  for (const issuer of [...config.issuers, ...config.metaIssuers]) {
    if (issuer.caFile !== undefined) authorities.set(issuer.url, await readText(issuer.caFile));
  }
  const fulcio = config.fulcioConfig === undefined ? undefined : await readFulcio(config.fulcioConfig);
  for (const { url, caCertificate } of [...(fulcio?.issuers ?? []), ...(fulcio?.metaIssuers ?? [])]) {
    if (caCertificate !== undefined) authorities.set(url, caCertificate);
  }
  const issuers = {
    issuers: [
      ...config.issuers.map(issuerOf),
      ...(fulcio?.issuers ?? []),
      ...(own === undefined ? [] : [own]),
    ],
    metaIssuers: [...config.metaIssuers.map(issuerOf), ...(fulcio?.metaIssuers ?? [])],
    ciProviders: { ...fulcio?.ciProviders, ...config.ciProviders },
  };
  return { issuers, authorities };
}

function issuerOf({ caFile: _, ...settings }: IssuerSettings): IssuerConfig {
  return settings;
}

async function readFulcio(path: string): Promise<FulcioConfig> {
  return parseFulcioConfig(await readText(path));
}

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `cannot read ${path}`, { cause });
  }
  if (bytes.length > limits.serverConfigBytes) throw configError(`${path} is too large`);
  return fromUtf8(bytes, path);
}
