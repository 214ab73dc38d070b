/**
 * Azure Key Vault as its REST reference describes it: what keys need, and nothing else. The vendor's own SDK is its judge.
 * {@link https://learn.microsoft.com/rest/api/keyvault/keys/operation-groups}
 */
import { constants, generateKeyPairSync, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto';
import type { HttpRequest, HttpResponse, HttpService } from '../../src/core/http.ts';
import { signEcdsaDigest } from './digest-signing.ts';

/** A vault, and what its owner can do beside the API. */
export interface TestVault extends HttpService {
  /** Sets attributes of a version: enabled, exp, nbf. */
  set(name: string, version: string, attributes: Readonly<Record<string, boolean | number>>): void;
  /** Makes a version, as rotation does. Returns its name. */
  rotate(name: string): string;
  /** Makes a key of any kind and with any permitted operations. */
  make(name: string, kind: { kty: string; crv?: string; key_size?: number; key_ops?: string[] }): void;
  /** `METHOD /path` of each request that was let in. */
  readonly seen: string[];
}

interface Version {
  readonly id: string;
  readonly kty: string;
  readonly crv: string | undefined;
  readonly ops: readonly string[];
  readonly privateKey: KeyObject;
  readonly attributes: Record<string, boolean | number>;
  readonly tags: unknown;
}

const curves: Readonly<Record<string, string>> = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
  'P-256K': 'secp256k1',
};

/** Length of the digest and curve, by algorithm. */
const ecAlgorithms: Readonly<Record<string, readonly [number, string]>> = {
  ES256: [32, 'P-256'],
  ES256K: [32, 'P-256K'],
  ES384: [48, 'P-384'],
  ES512: [64, 'P-521'],
};

const rsaAlgorithms: Readonly<Record<string, readonly [number, string]>> = {
  RS256: [32, '3031300d060960864801650304020105000420'],
  RS384: [48, '3041300d060960864801650304020205000430'],
  RS512: [64, '3051300d060960864801650304020305000440'],
};

/** A vault at `https://HOST`, for whoever has `token`. */
export function createTestVault(host: string, token: string): TestVault {
  const keys = new Map<string, Version[]>();
  const seen: string[] = [];
  let clock = 1_790_000_000;
  const resource = host.split('.').slice(1).join('.');

  const add = (
    name: string,
    kind: { kty: string; crv?: string; key_size?: number; key_ops?: string[] },
    tags: unknown,
  ): Version => {
    const { kty, crv, key_size: size = 2048, key_ops: ops = ['sign', 'verify'] } = kind;
    const { privateKey } = kty.startsWith('EC')
      ? generateKeyPairSync('ec', { namedCurve: curves[crv ?? 'P-256'] ?? '' })
      : generateKeyPairSync('rsa', { modulusLength: size });
    clock += 1;
    const attributes = { enabled: true, created: clock, updated: clock, recoveryLevel: true };
    const version: Version = {
      id: randomBytes(16).toString('hex'),
      kty,
      crv: kty.startsWith('EC') ? (crv ?? 'P-256') : undefined,
      ops,
      privateKey,
      attributes,
      tags,
    };
    const versions = keys.get(name) ?? [];
    versions.push(version);
    keys.set(name, versions);
    return version;
  };
  const kid = (name: string, { id }: Version): string => `https://${host}/keys/${name}/${id}`;
  const attributesOf = ({ attributes }: Version) => ({
    ...attributes,
    recoveryLevel: 'Recoverable+Purgeable',
  });
  const bundle = (name: string, version: Version) => ({
    key: {
      kid: kid(name, version),
      kty: version.kty,
      key_ops: version.ops,
      ...(version.crv === undefined ? {} : { crv: version.crv }),
      ...publicPart(version.privateKey),
    },
    attributes: attributesOf(version),
    tags: version.tags,
  });

  const route = async (request: HttpRequest, url: URL): Promise<HttpResponse> => {
    const [root, name = '', part = '', action] = url.pathname.slice(1).split('/');
    if (root !== 'keys' || !/^(?:7\.\d|20\d\d-\d\d-\d\d)$/.test(url.searchParams.get('api-version') ?? ''))
      return failure(400, 'BadParameter');
    const body = request.method === 'POST' ? JSON.parse(await textOf(request)) : undefined;
    if (part === 'create') return json(200, bundle(name, add(name, { crv: undefined, ...body }, body.tags)));
    const versions = keys.get(name) ?? [];
    if (part === 'versions') return listing(name, versions, url);
    const version = part === '' ? versions.at(-1) : versions.find(({ id }) => id === part);
    if (version === undefined)
      return failure(404, 'KeyNotFound', `A key with (name/id) ${name} was not found`);
    if (action === undefined) return json(200, bundle(name, version));
    if (action === 'sign') return sign(kid(name, version), version, body);
    return failure(400, 'BadParameter');
  };

  const listing = (name: string, versions: readonly Version[], url: URL): HttpResponse => {
    // In no order that means anything, and in pages.
    const sorted = versions.toSorted((a, b) => a.id.localeCompare(b.id));
    const skip = Number(url.searchParams.get('$skiptoken') ?? '0');
    const value = sorted
      .slice(skip, skip + 5)
      .map((version) => ({ kid: kid(name, version), attributes: attributesOf(version) }));
    const next = new URL(url);
    next.searchParams.set('$skiptoken', String(skip + 5));
    return json(200, { value, nextLink: skip + 5 < sorted.length ? next.href : null });
  };

  return {
    seen,
    set: (name, version, attributes) => {
      const found = keys.get(name)?.find(({ id }) => id === version);
      if (found === undefined) throw new Error(`no version ${version} of ${name}`);
      Object.assign(found.attributes, attributes);
    },
    rotate: (name) => {
      const last = keys.get(name)?.at(-1);
      if (last === undefined) throw new Error(`no key ${name}`);
      return add(
        name,
        { kty: last.kty, key_ops: [...last.ops], ...(last.crv === undefined ? {} : { crv: last.crv }) },
        last.tags,
      ).id;
    },
    make: (name, kind) => void add(name, kind, {}),
    async answer(request) {
      const url = new URL(request.url);
      if (request.headers.get('authorization') !== `Bearer ${token}`) {
        const challenge = `Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-000000000001", resource="https://${resource}"`;
        return failure(401, 'Unauthorized', 'AKV10000: Request is missing a Bearer or PoP token.', {
          'www-authenticate': challenge,
        });
      }
      seen.push(`${request.method} ${url.pathname}`);
      return await route(request, url);
    },
  };
}

function publicPart(key: KeyObject): object {
  const { d, p, q, dp, dq, qi, kty, crv, ...shown } = key.export({ format: 'jwk' });
  return shown;
}

function sign(kid: string, version: Version, { alg, value }: { alg: string; value: string }): HttpResponse {
  const now = Date.now() / 1_000;
  const { enabled, nbf = 0, exp = Number.POSITIVE_INFINITY } = version.attributes;
  if (enabled !== true || Number(nbf) > now || Number(exp) <= now) {
    const inner = enabled !== true ? 'KeyDisabled' : Number(exp) <= now ? 'KeyExpired' : 'KeyNotYetValid';
    return json(403, {
      error: { code: 'Forbidden', message: 'Operation sign is not allowed.', innererror: { code: inner } },
    });
  }
  if (!version.ops.includes('sign')) return failure(403, 'KeyOperationNotPermitted');
  const digest = Buffer.from(value, 'base64url');
  const table = version.crv === undefined ? rsaAlgorithms : ecAlgorithms;
  const [length, detail = ''] = table[alg] ?? [];
  if (digest.length !== length || (version.crv !== undefined && detail !== version.crv)) {
    return failure(400, 'BadParameter', `Invalid length or algorithm ${alg}`);
  }
  const signature =
    version.crv === undefined
      ? privateEncrypt(
          { key: version.privateKey, padding: constants.RSA_PKCS1_PADDING },
          Buffer.concat([Buffer.from(detail, 'hex'), digest]),
        )
      : signEcdsaDigest(version.privateKey, digest);
  return json(200, { kid, value: Buffer.from(signature).toString('base64url') });
}

function failure(
  status: number,
  code: string,
  message = code,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  return json(status, { error: { code, message } }, headers);
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  };
}

async function textOf({ body }: HttpRequest): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
