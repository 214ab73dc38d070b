/**
 * Google Cloud KMS as its REST reference describes it: what keys need, and nothing else. The vendor's own SDK is its judge.
 * {@link https://cloud.google.com/kms/docs/reference/rest}
 */
import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  sign as signMessage,
  verify,
} from 'node:crypto';
import type { HttpRequest, HttpResponse, HttpService } from '../../src/core/http.ts';
import { derEcdsaSignature } from '../../src/keys/ecdsa-signature.ts';
import { signEcdsaDigest } from './digest-signing.ts';

/** A service account, as its key file writes it. */
export interface TestServiceAccount {
  /** The content of the file of GOOGLE_APPLICATION_CREDENTIALS. */
  readonly file: string;
  readonly publicKey: KeyObject;
  readonly email: string;
}

/** A new service account. */
export function newServiceAccount(): TestServiceAccount {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const email = 'signer@acme.iam.gserviceaccount.com';
  const file = JSON.stringify({
    type: 'service_account',
    project_id: 'acme',
    private_key_id: 'test',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email,
    client_id: '1',
    token_uri: 'https://oauth2.googleapis.com/token',
    universe_domain: 'googleapis.com',
  });
  return { file, publicKey, email };
}

/** The service, and what the owner of its keys can do beside the API. */
export interface TestGcpKms extends HttpService {
  /** Puts a version in another state. */
  setState(version: string, state: string): void;
  /** Makes a version, as rotation does. */
  rotate(key: string): void;
  /** Makes a key of any algorithm, with its ring. */
  make(key: string, algorithm: string): void;
}

/** Numbers of the enumerations, which the SDK asks for. */
const algorithmNumbers: Readonly<Record<string, number>> = {
  GOOGLE_SYMMETRIC_ENCRYPTION: 1,
  RSA_SIGN_PSS_2048_SHA256: 2,
  RSA_SIGN_PKCS1_2048_SHA256: 5,
  RSA_SIGN_PKCS1_3072_SHA256: 6,
  RSA_SIGN_PKCS1_4096_SHA256: 7,
  RSA_SIGN_PKCS1_4096_SHA512: 16,
  RSA_DECRYPT_OAEP_2048_SHA256: 8,
  EC_SIGN_P256_SHA256: 12,
  EC_SIGN_P384_SHA384: 13,
  EC_SIGN_SECP256K1_SHA256: 31,
  EC_SIGN_ED25519: 40,
};
const states = ['', 'ENABLED', 'DISABLED', 'DESTROYED', 'DESTROY_SCHEDULED', 'PENDING_GENERATION'];

interface Version {
  readonly name: string;
  readonly algorithm: string;
  readonly privateKey: KeyObject | undefined;
  state: string;
  /** Looks at it until it is generated. */
  pending: number;
}

const resource =
  /^\/v1\/(?<parent>projects\/[^/]+\/locations\/[^/]+)(?:\/keyRings(?:\/(?<ring>[^/:]+))?)?(?:\/cryptoKeys(?:\/(?<key>[^/:]+))?)?(?:\/cryptoKeyVersions(?:\/(?<version>\d+))?)?(?<rest>\/publicKey|:asymmetricSign)?$/;

/** The service at cloudkms.googleapis.com, for one service account. */
export function createTestGcpKms(account: TestServiceAccount): TestGcpKms {
  const rings = new Set<string>();
  const keys = new Map<string, Version[]>();

  const addVersion = (key: string, algorithm: string): void => {
    const versions = keys.get(key) ?? [];
    keys.set(key, versions);
    const name = `${key}/cryptoKeyVersions/${versions.length + 1}`;
    versions.push({
      name,
      algorithm,
      privateKey: newKey(algorithm),
      state: 'PENDING_GENERATION',
      pending: 1,
    });
  };
  const find = (name: string): Version | undefined =>
    keys.get(name.replace(/\/cryptoKeyVersions\/\d+$/, ''))?.find((version) => version.name === name);

  const createKey = (ring: string, url: URL, body: Body): HttpResponse => {
    if (!rings.has(ring)) return failure(404, 5, `KeyRing ${ring} not found.`);
    const name = `${ring}/cryptoKeys/${url.searchParams.get('cryptoKeyId')}`;
    if (keys.has(name)) return failure(409, 6, `CryptoKey ${name} already exists.`);
    if (body.purpose !== 5 && body.purpose !== 'ASYMMETRIC_SIGN') return failure(400, 3, 'purpose');
    const wanted = body.versionTemplate?.algorithm;
    const [algorithm] =
      Object.entries(algorithmNumbers).find((entry) => entry.includes(wanted as never)) ?? [];
    if (algorithm === undefined) return failure(400, 3, `algorithm ${wanted}`);
    addVersion(name, algorithm);
    return json(200, { name, purpose: 5 });
  };

  const list = (key: string, url: URL): HttpResponse => {
    const versions = keys.get(key);
    if (versions === undefined) return failure(404, 5, `CryptoKey ${key} not found.`);
    if (url.searchParams.get('filter') !== 'state=ENABLED') return failure(400, 3, 'filter');
    for (const version of versions) generate(version);
    const start = Number(url.searchParams.get('pageToken') ?? '0');
    // Smaller pages than asked for, which servers may give.
    const enabled = versions.filter(({ state }) => state === 'ENABLED');
    const page = enabled.slice(start, start + 5);
    const more = start + 5 < enabled.length ? { nextPageToken: String(start + 5) } : {};
    return json(200, { cryptoKeyVersions: page.map(describe), totalSize: enabled.length, ...more });
  };

  const route = async (request: HttpRequest, url: URL): Promise<HttpResponse> => {
    const groups = resource.exec(decodeURIComponent(url.pathname))?.groups;
    if (groups === undefined) return failure(404, 5, 'no such method');
    const { parent = '', ring: ringId, key: keyId, version: number, rest } = groups;
    const ring = `${parent}/keyRings/${ringId}`;
    const key = `${ring}/cryptoKeys/${keyId}`;
    const isPost = request.method === 'POST';
    const body = isPost ? (JSON.parse(await textOf(request)) as Body) : {};
    if (ringId === undefined) {
      const name = `${parent}/keyRings/${url.searchParams.get('keyRingId')}`;
      rings.add(name);
      return json(200, { name });
    }
    if (keyId === undefined) {
      if (isPost) return createKey(ring, url, body);
      return rings.has(ring) ? json(200, { name: ring }) : failure(404, 5, `KeyRing ${ring} not found.`);
    }
    if (number === undefined) return list(key, url);
    const version = find(`${key}/cryptoKeyVersions/${number}`);
    if (version === undefined) return failure(404, 5, `CryptoKeyVersion ${key}/${number} not found.`);
    if (rest === undefined) {
      const answer = json(200, describe(version));
      generate(version);
      return answer;
    }
    if (version.state !== 'ENABLED') return failure(400, 9, `${version.name} is not enabled.`);
    if (rest === '/publicKey') return publicKey(version);
    return sign(version, body);
  };

  return {
    setState: (name, state) => {
      const version = find(name);
      if (version === undefined) throw new Error(`no version ${name}`);
      version.state = state;
    },
    rotate: (key) => {
      addVersion(key, keys.get(key)?.at(-1)?.algorithm ?? '');
      for (const version of keys.get(key) ?? []) {
        if (version.state === 'PENDING_GENERATION') version.state = 'ENABLED';
      }
    },
    make: (key, algorithm) => {
      rings.add(key.replace(/\/cryptoKeys\/.*/, ''));
      addVersion(key, algorithm);
    },
    async answer(request) {
      const url = new URL(request.url);
      if (url.host !== 'cloudkms.googleapis.com') return failure(404, 5, 'another host');
      if (!isAccount(request.headers.get('authorization'), account))
        return failure(401, 16, 'Invalid credentials');
      return await route(request, url);
    },
  };
}

interface Body {
  readonly purpose?: unknown;
  readonly versionTemplate?: { readonly algorithm?: unknown };
  readonly digest?: Readonly<Record<string, string>>;
  readonly data?: string;
}

/** Whether the header is a token that the account signed for this service, as SDKs do instead of asking for one. */
function isAccount(header: string | null, { publicKey, email }: TestServiceAccount): boolean {
  const [head = '', claims = '', signature = ''] = (header ?? '').replace(/^Bearer /, '').split('.');
  if (!verify('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url')))
    return false;
  const { iss, aud, scope, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'));
  const isForThis = aud === 'https://cloudkms.googleapis.com/' || /cloud-platform|cloudkms/.test(scope);
  return iss === email && isForThis && exp > Date.now() / 1_000;
}

function newKey(algorithm: string): KeyObject | undefined {
  if (algorithm === 'EC_SIGN_ED25519') return generateKeyPairSync('ed25519').privateKey;
  const curve = { P256: 'prime256v1', P384: 'secp384r1', SECP256K1: 'secp256k1' }[
    algorithm.split('_')[2] ?? ''
  ];
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve }).privateKey;
  const bits = /^RSA_.*_(\d{4})_/.exec(algorithm)?.[1];
  return bits === undefined
    ? undefined
    : generateKeyPairSync('rsa', { modulusLength: Number(bits) }).privateKey;
}

function generate(version: Version): void {
  if (version.state === 'PENDING_GENERATION' && --version.pending < 0) version.state = 'ENABLED';
}

function describe({ name, algorithm, state }: Version): object {
  return { name, state: states.indexOf(state), algorithm: algorithmNumbers[algorithm], protectionLevel: 1 };
}

function publicKey({ name, algorithm, privateKey }: Version): HttpResponse {
  if (privateKey === undefined) return failure(400, 3, `${name} has no public key.`);
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  return json(200, { name, pem, algorithm: algorithmNumbers[algorithm], protectionLevel: 1, pemCrc32c: '0' });
}

/** What the digest must be called, and how long it is. */
const digests: Readonly<Record<string, readonly [string, number]>> = {
  EC_SIGN_P256_SHA256: ['sha256', 32],
  EC_SIGN_P384_SHA384: ['sha384', 48],
  EC_SIGN_SECP256K1_SHA256: ['sha256', 32],
  RSA_SIGN_PKCS1_2048_SHA256: ['sha256', 32],
  RSA_SIGN_PKCS1_3072_SHA256: ['sha256', 32],
  RSA_SIGN_PKCS1_4096_SHA256: ['sha256', 32],
};

function sign({ name, algorithm, privateKey }: Version, body: Body): HttpResponse {
  const signature = signatureOf(algorithm, privateKey, body);
  if (signature === undefined) return failure(400, 3, `${name} cannot sign that.`);
  return json(200, { name, signature: Buffer.from(signature).toString('base64'), protectionLevel: 1 });
}

function signatureOf(algorithm: string, key: KeyObject | undefined, body: Body): Uint8Array | undefined {
  if (key === undefined) return undefined;
  if (algorithm === 'EC_SIGN_ED25519') {
    const data = Buffer.from(body.data ?? '', 'base64');
    return body.digest === undefined && data.length <= 65_536 ? signMessage(null, data, key) : undefined;
  }
  const [kind = '', length] = digests[algorithm] ?? [];
  const digest = Buffer.from(body.digest?.[kind] ?? '', 'base64');
  if (digest.length !== length || Object.keys(body.digest ?? {}).length !== 1) return undefined;
  if (key.asymmetricKeyType === 'rsa') {
    const info = Buffer.from('3031300d060960864801650304020105000420', 'hex');
    return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([info, digest]));
  }
  const type = kind === 'sha384' ? 'ecdsa-p384' : 'ecdsa-p256';
  return derEcdsaSignature(signEcdsaDigest(key, digest), type, 'the test');
}

function failure(status: number, code: number, message: string): HttpResponse {
  const names: Readonly<Record<number, string>> = {
    3: 'INVALID_ARGUMENT',
    5: 'NOT_FOUND',
    6: 'ALREADY_EXISTS',
    9: 'FAILED_PRECONDITION',
    16: 'UNAUTHENTICATED',
  };
  return json(status, { error: { code: status, message, status: names[code] } });
}

function json(status: number, value: unknown): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: Buffer.from(JSON.stringify(value)),
  };
}

async function textOf({ body }: HttpRequest): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
