/**
 * An issuer of identity tokens without a socket: it answers discovery and keys through a `fetch`, and signs whatever
 * claims a test asks for, right or wrong.
 */
import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import type { Fetch, FetchInit, FetchResponse } from '../../src/core/runtime.ts';

/** A key of the issuer. */
export interface IssuerKeyPair {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** How a token is made; everything has a default. */
export interface TokenOptions {
  readonly key?: IssuerKeyPair;
  /** Members of the header; undefined removes one. */
  readonly header?: Readonly<Record<string, unknown>>;
}

/** An issuer. */
export interface TestIssuer {
  readonly url: string;
  /** Its keys; tests add and remove. */
  readonly keys: IssuerKeyPair[];
  /** Members of its metadata that are replaced. */
  metadata: Record<string, unknown>;
  /** When set, answers instead of the issuer. */
  intercept: ((url: string, init: FetchInit) => Promise<FetchResponse | undefined>) | undefined;
  readonly fetch: Fetch;
  /** Every URL that was asked for. */
  readonly asked: string[];
  /** A token with these claims beside `iss`, `aud`, `exp`; undefined removes one. */
  token(claims: Readonly<Record<string, unknown>>, options?: TokenOptions): string;
}

const hashes: Readonly<Record<string, string>> = {
  RS256: 'sha256',
  PS256: 'sha256',
  ES256: 'sha256',
  ES384: 'sha384',
};

/** A new key for an algorithm. */
export function issuerKey(alg: 'RS256' | 'ES256' | 'ES384' | 'EdDSA' | 'PS256' = 'RS256'): IssuerKeyPair {
  const pair =
    alg === 'RS256' || alg === 'PS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : alg === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: alg === 'ES256' ? 'P-256' : 'P-384' });
  return { kid: randomUUID(), alg, ...pair };
}

/** The first key of every issuer, unless told: making one takes a tenth of a second. */
const usualKey = issuerKey();

/** A response with a body of one piece. */
export function answerWith(
  status: number,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): FetchResponse {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(body);
  }
  return { status, headers: { get: (name) => headers[name] ?? null }, body: pieces() };
}

/** An issuer at `url` with one key, on the clock `now`. */
export function createTestIssuer(url: string, now: () => Date, first: IssuerKeyPair = usualKey): TestIssuer {
  const issuer: TestIssuer = {
    url,
    keys: [first],
    metadata: {},
    intercept: undefined,
    asked: [],
    fetch: async (asked, init) => {
      issuer.asked.push(asked);
      const instead = await issuer.intercept?.(asked, init);
      if (instead !== undefined) return instead;
      const base = url.replace(/\/$/, '');
      if (asked === `${base}/.well-known/openid-configuration`) {
        const metadata = {
          issuer: url,
          jwks_uri: `${base}/keys`,
          id_token_signing_alg_values_supported: [
            'RS256',
            'ES256',
            'ES384',
            'EdDSA',
            'PS256',
            'HS256',
            'none',
          ],
          ...issuer.metadata,
        };
        return answerWith(200, JSON.stringify(metadata));
      }
      if (asked === `${base}/keys`) {
        const keys = issuer.keys.map(({ kid, alg, publicKey }) => ({
          ...publicKey.export({ format: 'jwk' }),
          kid,
          alg,
          use: 'sig',
        }));
        return answerWith(200, JSON.stringify({ keys }));
      }
      return answerWith(404, 'not here');
    },
    token: (claims, options = {}) => {
      const key = options.key ?? issuer.keys[0] ?? first;
      const header = { alg: key.alg, kid: key.kid, ...options.header };
      const seconds = Math.floor(now().getTime() / 1_000);
      return signToken(header, { iss: url, aud: 'sigstore', exp: seconds + 600, ...claims }, key);
    },
  };
  return issuer;
}

function signToken(header: Readonly<Record<string, unknown>>, claims: object, key: IssuerKeyPair): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${signature(signed, String(header['alg']), key).toString('base64url')}`;
}

function signature(signed: string, alg: string, key: IssuerKeyPair): Buffer {
  // The attack of old: the public key, which everybody has, as the shared secret.
  if (alg === 'HS256') {
    return createHmac('sha256', key.publicKey.export({ type: 'spki', format: 'pem' }))
      .update(signed)
      .digest();
  }
  if (alg === 'none') return Buffer.from('x');
  const bytes = Buffer.from(signed);
  if (alg === 'EdDSA') return sign(null, bytes, key.privateKey);
  if (alg === 'PS256') return sign('sha256', bytes, { key: key.privateKey, padding: 6, saltLength: 32 });
  return sign(hashes[alg] ?? 'sha256', bytes, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
}
