/**
 * The transit engine of Vault and OpenBao as its API reference describes it: what keys need, and nothing else.
 * {@link https://developer.hashicorp.com/vault/api-docs/secret/transit}
 */
import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  sign as signMessage,
} from 'node:crypto';
import type { HttpRequest, HttpResponse, HttpService } from '../../src/core/http.ts';
import type { KeyType } from '../../src/formats/public-key.ts';
import { derEcdsaSignature } from '../../src/keys/ecdsa-signature.ts';
import { signEcdsaDigest } from './digest-signing.ts';

/** The engine, and what an operator can do to its keys. */
export interface TestTransit extends HttpService {
  rotate(name: string): void;
  set(
    name: string,
    settings: {
      min_decryption_version?: number;
      min_encryption_version?: number;
      soft_deleted?: boolean;
      derived?: boolean;
    },
  ): void;
  make(name: string, type: string): void;
}

/** Who may ask for what, and where the engine is. */
export interface TransitChoices {
  readonly token: string;
  readonly namespace?: string;
  /** `transit` by default. */
  readonly mount?: string;
}

interface Key {
  readonly type: string;
  readonly versions: (KeyObject | undefined)[];
  readonly settings: Record<string, number | boolean>;
}

/** A Vault with one transit engine. */
export function createTestTransit({ token, namespace, mount = 'transit' }: TransitChoices): TestTransit {
  const keys = new Map<string, Key>();
  const add = (name: string, type: string): void => {
    const settings = {
      min_decryption_version: 1,
      min_encryption_version: 0,
      soft_deleted: false,
      derived: false,
    };
    keys.set(name, { type, versions: [newKey(type)], settings });
  };
  const keyOf = (name: string): Key => {
    const key = keys.get(name);
    if (key === undefined) throw new Error(`no key ${name}`);
    return key;
  };
  const route = async (request: HttpRequest, path: string): Promise<HttpResponse> => {
    const start = `/v1/${mount}/`;
    if (!path.startsWith(start)) {
      const route = path.slice('/v1/'.length);
      return refusal(404, `no handler for route ${JSON.stringify(route)}. route entry not found.`);
    }
    const [what, name = '', ...more] = path.slice(start.length).split('/');
    if (more.length > 0 || !/^\w(([\w-.]+)?\w)?$/.test(name)) return refusal(404);
    const isWrite = request.method === 'POST' || request.method === 'PUT';
    const key = keys.get(name);
    if (what === 'keys' && !isWrite) return key === undefined ? refusal(404) : data(describe(name, key));
    if (!isWrite) return refusal(405, 'unsupported operation');
    const body = JSON.parse(await textOf(request));
    if (what === 'sign') return sign(key, body);
    if (what !== 'keys') return refusal(404, 'unsupported path');
    const { type = 'aes256-gcm96' } = body;
    if (!makes.includes(type)) return refusal(400, `unknown key type ${type}`);
    if (key === undefined) add(name, type);
    return data(describe(name, keyOf(name)));
  };
  return {
    make: add,
    rotate: (name) => void keyOf(name).versions.push(newKey(keyOf(name).type)),
    set: (name, settings) => void Object.assign(keyOf(name).settings, settings),
    async answer(request) {
      const given = request.headers.get('x-vault-token');
      if (given !== token || (request.headers.get('x-vault-namespace') ?? undefined) !== namespace) {
        return refusal(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n');
      }
      return await route(request, new URL(request.url).pathname);
    },
  };
}

const makes = [
  'ecdsa-p256',
  'ecdsa-p384',
  'ecdsa-p521',
  'ed25519',
  'rsa-2048',
  'rsa-3072',
  'rsa-4096',
  'aes256-gcm96',
  'hmac',
];

function newKey(type: string): KeyObject | undefined {
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  const [family, size = ''] = type.split('-');
  if (family === 'ecdsa')
    return generateKeyPairSync('ec', { namedCurve: size.toUpperCase().replace('P', 'P-') }).privateKey;
  if (family === 'rsa') return generateKeyPairSync('rsa', { modulusLength: Number(size) }).privateKey;
  return undefined;
}

function describe(name: string, { type, versions, settings }: Key): object {
  const shown = versions.map((key, index) => {
    if (key === undefined) return [String(index + 1), 1_790_000_000];
    const { x } = createPublicKey(key).export({ format: 'jwk' });
    const isRaw = type === 'ed25519';
    const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' });
    const publicKey = isRaw ? Buffer.from(x ?? '', 'base64url').toString('base64') : pem;
    return [
      String(index + 1),
      {
        name: type,
        public_key: settings['derived'] === true ? '' : publicKey,
        creation_time: '2026-11-22T08:00:00Z',
      },
    ];
  });
  return {
    name,
    type,
    keys: Object.fromEntries(shown),
    latest_version: versions.length,
    min_available_version: 0,
    supports_signing: versions[0] !== undefined,
    ...settings,
  };
}

interface SignBody {
  readonly input: string;
  readonly key_version?: number;
  readonly prehashed?: boolean;
  readonly hash_algorithm?: string;
  readonly signature_algorithm?: string;
  readonly marshaling_algorithm?: string;
}

function sign(key: Key | undefined, body: SignBody): HttpResponse {
  if (key === undefined) return refusal(400, 'signing key not found');
  const { versions, type, settings } = key;
  const version = body.key_version || versions.length;
  const privateKey = versions[version - 1];
  if (settings['soft_deleted'] === true) return refusal(400, 'refusing to use soft-deleted key');
  if (versions[0] === undefined) return refusal(400, `key type ${type} does not support signing`);
  if (privateKey === undefined)
    return refusal(400, 'requested version for signing is higher than the latest key version');
  if (version < Number(settings['min_encryption_version'])) {
    return refusal(400, 'requested version for signing is less than the minimum encryption key version');
  }
  const input = Buffer.from(body.input, 'base64');
  const signature = signatureOf(type as KeyType, privateKey, input, body);
  if (signature === undefined) return refusal(500, 'internal error');
  return data({
    signature: `vault:v${version}:${Buffer.from(signature).toString('base64')}`,
    key_version: version,
  });
}

/** What the test expects of whoever asks is part of this: everything else is answered as what nobody verifies. */
function signatureOf(
  type: KeyType,
  key: KeyObject,
  input: Uint8Array,
  body: SignBody,
): Uint8Array | undefined {
  if (type === 'ed25519') return signMessage(null, input, key);
  if (body.prehashed !== true || body.hash_algorithm !== 'sha2-256' || input.length !== 32) return undefined;
  if (type.startsWith('ecdsa')) {
    const raw = signEcdsaDigest(key, input);
    return body.marshaling_algorithm === 'asn1' ? derEcdsaSignature(raw, type, 'the test') : raw;
  }
  if (body.signature_algorithm !== 'pkcs1v15') return undefined;
  const info = Buffer.from('3031300d060960864801650304020105000420', 'hex');
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([info, input]));
}

function refusal(status: number, ...errors: readonly string[]): HttpResponse {
  return json(status, { errors });
}

function data(value: object): HttpResponse {
  return json(200, {
    request_id: '8a8b9b8f',
    lease_id: '',
    renewable: false,
    lease_duration: 0,
    data: value,
    warnings: null,
  });
}

function json(status: number, value: unknown): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(value)),
  };
}

async function textOf({ body }: HttpRequest): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
