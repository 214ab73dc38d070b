/**
 * The keys of issuers, found by OpenID Connect discovery and kept. Only issuers that were accepted by configuration are
 * ever asked; each at most once at a time, and again only after a while, whatever tokens come.
 * {@link https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig}
 */
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Fetch, Runtime } from '../../core/runtime.ts';
import { fetchJson } from './fetch-json.ts';
import { type IssuerKey, parseKeySet, signatureAlgorithmNames } from './json-web-signature.ts';

/** What an issuer says of its tokens. */
export interface IssuerKeys {
  /** Names of the algorithms it signs with, of those that are accepted. */
  readonly algorithms: readonly string[];
  readonly keys: readonly IssuerKey[];
}

/** An issuer to be asked. */
export interface IssuerToAsk {
  /** The `iss`, which configuration accepted. */
  readonly url: string;
  readonly fetch: Fetch;
}

/** How long things hold, in milliseconds. */
export const issuerTimes = {
  /** Keys this old are asked for again, without waiting for the answer. */
  fresh: 600_000,
  /** Keys this old are not used any more. */
  stale: 3_600_000,
  /** An issuer whose keys did not verify a token is asked again at most this often. */
  again: 10_000,
  /** After a failure an issuer is not asked for this long. */
  afterFailure: 5_000,
} as const;

/** Keeps the keys of issuers. */
export interface IssuerKeySource {
  /**
   * The keys of an issuer, as they are known. Throws `ERR_SERVICE_NETWORK` and `ERR_SERVICE_RESPONSE` when they cannot
   * be had, and `ERR_SERVER_BUSY` when too many issuers are asked already.
   */
  get(issuer: IssuerToAsk): Promise<IssuerKeys>;
  /** The keys, asked for again because `known` did not do; undefined when that was done a moment ago. */
  refresh(issuer: IssuerToAsk, known: IssuerKeys): Promise<IssuerKeys | undefined>;
}

interface Kept {
  keys: IssuerKeys | undefined;
  /** When they were answered, by the clock that never goes back. */
  keysAt: number;
  /** When the last question began. */
  askedAt: number;
  failure: BoltsealError | undefined;
  asking: Promise<IssuerKeys> | undefined;
}

/** A source of keys on the runtime's clock. */
export function createIssuerKeySource(
  runtime: Pick<Runtime, 'monotonic' | 'sleep' | 'log'>,
  options: { readonly allowHttp: boolean },
): IssuerKeySource {
  const kept = new Map<string, Kept>();
  const asked = { count: 0 };

  const entryOf = (url: string): Kept => {
    const found = kept.get(url);
    const entry = found ?? { keys: undefined, keysAt: 0, askedAt: 0, failure: undefined, asking: undefined };
    // The last used ones stand at the end.
    if (found !== undefined) kept.delete(url);
    kept.set(url, entry);
    for (const [oldest, { asking }] of kept) {
      if (kept.size <= limits.issuersKept) break;
      if (asking === undefined && oldest !== url) kept.delete(oldest);
    }
    return entry;
  };

  const ask = (issuer: IssuerToAsk, entry: Kept): Promise<IssuerKeys> => {
    if (entry.asking !== undefined) return entry.asking;
    if (asked.count >= limits.issuerFetches) {
      return Promise.reject(
        new BoltsealError('ERR_SERVER_BUSY', 'too many issuers are asked for their keys'),
      );
    }
    asked.count++;
    entry.askedAt = runtime.monotonic();
    const asking = discover(issuer, { runtime, fetch: issuer.fetch, allowHttp: options.allowHttp })
      .then((keys) => {
        entry.keys = keys;
        entry.keysAt = runtime.monotonic();
        entry.failure = undefined;
        return keys;
      })
      .catch((cause: unknown) => {
        entry.failure = isBoltsealError(cause)
          ? cause
          : new BoltsealError('ERR_SERVICE_NETWORK', 'an issuer could not be asked', { cause });
        runtime.log({
          level: 'warn',
          event: 'ca.issuer-failed',
          message: `the keys of ${issuer.url} could not be had: ${entry.failure.message}`,
          fields: { issuer: issuer.url, code: entry.failure.code },
        });
        throw entry.failure;
      })
      .finally(() => {
        entry.asking = undefined;
        asked.count--;
      });
    entry.asking = asking;
    return asking;
  };

  return {
    async get(issuer) {
      const entry = entryOf(issuer.url);
      const now = runtime.monotonic();
      const failedNow = entry.failure !== undefined && now - entry.askedAt < issuerTimes.afterFailure;
      if (entry.keys !== undefined && now - entry.keysAt < issuerTimes.stale) {
        if (now - entry.keysAt >= issuerTimes.fresh && !failedNow && entry.asking === undefined) {
          ask(issuer, entry).catch(() => undefined);
        }
        return entry.keys;
      }
      if (failedNow && entry.failure !== undefined && entry.asking === undefined) throw entry.failure;
      return ask(issuer, entry);
    },
    async refresh(issuer, known) {
      const entry = entryOf(issuer.url);
      if (entry.keys !== undefined && entry.keys !== known) return entry.keys;
      if (entry.asking !== undefined) return entry.asking;
      if (runtime.monotonic() - entry.askedAt < issuerTimes.again) return undefined;
      return ask(issuer, entry);
    },
  };
}

async function discover(issuer: IssuerToAsk, options: Parameters<typeof fetchJson>[1]): Promise<IssuerKeys> {
  const base = issuer.url.endsWith('/') ? issuer.url.slice(0, -1) : issuer.url;
  const metadata = await fetchJson(`${base}/.well-known/openid-configuration`, options);
  const {
    issuer: named,
    jwks_uri: jwksUri,
    id_token_signing_alg_values_supported: listed,
  } = isJsonObject(metadata) ? metadata : {};
  if (named !== issuer.url || typeof jwksUri !== 'string') {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `the metadata of ${issuer.url} is of another issuer`);
  }
  return { algorithms: acceptedOf(listed), keys: parseKeySet(await fetchJson(jwksUri, options)) };
}

/** What an issuer does not say is RS256, as the specification requires of every issuer. */
function acceptedOf(listed: Json | undefined): readonly string[] {
  if (!Array.isArray(listed)) return ['RS256'];
  const accepted = signatureAlgorithmNames.filter((name) => listed.includes(name));
  return accepted.length === 0 ? ['RS256'] : accepted;
}
