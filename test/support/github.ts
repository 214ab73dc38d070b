/** A double of the Actions secrets of GitHub's API, which compares every request with GitHub's own description of it. */
import { createHash } from 'node:crypto';
import { hsalsa, xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { fromUtf8 } from '../../src/core/encoding.ts';
import { vector } from '../vectors/vectors.ts';
import type { ApiAnswer, ApiHandler, ApiRequest } from './api-server.ts';
import { checkRequest, checkResponse, findOperation, type OpenApi } from './openapi.ts';

/** Opens a box of `crypto_box_seal` with the secret key of its recipient; throws when it is not for that key. */
export function openSealedBox(box: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const ephemeral = box.subarray(0, 32);
  const words = (bytes: Uint8Array) => new Uint32Array(Uint8Array.from(bytes).buffer);
  const key = new Uint32Array(8);
  const shared = x25519.getSharedSecret(secretKey, ephemeral);
  hsalsa(words(Buffer.from('expand 32-byte k')), words(shared), new Uint32Array(4), key);
  const both = Buffer.concat([ephemeral, x25519.getPublicKey(secretKey)]);
  const nonce = blake2b(both, { dkLen: 24 });
  return xsalsa20poly1305(new Uint8Array(key.buffer), nonce).decrypt(box.subarray(32));
}

/** A secret as the double keeps it: opened. */
export interface KeptSecret {
  readonly value: string;
  readonly visibility?: string | undefined;
  readonly created: string;
  readonly updated: string;
}

/** The double, and what happened to it. */
export interface GitHubDouble {
  readonly handler: ApiHandler;
  /** By owner and name: `acme/app COSIGN_PASSWORD`. */
  readonly secrets: Map<string, KeptSecret>;
  readonly requests: ApiRequest[];
}

/** How a double is. */
export interface GitHubChoices {
  /** Repositories and organizations that exist. */
  readonly owners?: readonly string[];
  readonly token?: string;
  /** Below which path the API is: `/api/v3` on enterprise servers. */
  readonly prefix?: string;
  /** The clock of the server. */
  readonly now?: () => Date;
  /** Answers in place of the double when it returns something. */
  readonly disturb?: (request: ApiRequest) => ApiAnswer | undefined;
  /** cosign does not send what organizations need. */
  readonly lenient?: boolean;
}

const description = (): OpenApi =>
  JSON.parse(fromUtf8(vector('github/actions-secrets.openapi.json'), 'openapi'));

/** A new double. */
export function githubDouble(choices: GitHubChoices = {}): GitHubDouble {
  const { owners = ['acme/app', 'acme'], token = 'ghp_test', prefix = '', now = () => new Date() } = choices;
  const api = description();
  const secretKey = Uint8Array.from(createHash('sha256').update('github double').digest());
  const recipient = Buffer.from(x25519.getPublicKey(secretKey)).toString('base64');
  const secrets = new Map<string, KeptSecret>();
  const requests: ApiRequest[] = [];

  function answer(request: ApiRequest, owner: string, name: string | undefined, body: unknown): ApiAnswer {
    if (name === undefined) return { status: 200, body: { key_id: '568250167242549743', key: recipient } };
    const kept = secrets.get(`${owner} ${name}`);
    if (request.method === 'GET') {
      if (kept === undefined) return { status: 404, body: { message: 'Not Found', status: '404' } };
      const { created, updated, visibility } = kept;
      return {
        status: 200,
        body: {
          name,
          created_at: created,
          updated_at: updated,
          ...(visibility === undefined ? {} : { visibility }),
        },
      };
    }
    const { encrypted_value, visibility } = body as { encrypted_value: string; visibility?: string };
    const value = fromUtf8(openSealedBox(Buffer.from(encrypted_value, 'base64'), secretKey), 'secret');
    const updated = now()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
    secrets.set(`${owner} ${name}`, { value, visibility, created: kept?.created ?? updated, updated });
    return kept === undefined ? { status: 201, body: {} } : { status: 204 };
  }

  return {
    secrets,
    requests,
    handler(request) {
      requests.push(request);
      const date = { date: now().toUTCString() };
      const disturbed = choices.disturb?.(request);
      if (disturbed !== undefined) return { ...disturbed, headers: { ...date, ...disturbed.headers } };
      const path = request.path.startsWith(prefix) ? request.path.slice(prefix.length) : '?';
      const call = findOperation(api, request.method, path);
      if (call === undefined)
        return { status: 404, headers: date, body: { message: 'no such path in the description' } };
      if (request.headers['authorization'] !== `Bearer ${token}`) {
        return { status: 401, headers: date, body: { message: 'Bad credentials', status: '401' } };
      }
      if (request.headers['x-github-api-version'] !== '2022-11-28' || !request.headers['user-agent']) {
        return { status: 400, headers: date, body: { message: 'headers' } };
      }
      const { owner = '', repo, org = '', secret_name: name } = call.parameters;
      const full = repo === undefined ? org : `${owner}/${repo}`;
      if (!owners.includes(full))
        return { status: 404, headers: date, body: { message: 'Not Found', status: '404' } };
      const body: unknown = request.body === '' ? undefined : JSON.parse(request.body);
      try {
        if (choices.lenient !== true) checkRequest(call, body);
      } catch (error) {
        return { status: 422, headers: date, body: { message: String(error) } };
      }
      const result = answer(request, full, name, body);
      if (result.status !== 404) checkResponse(call, result.status, result.body);
      return { ...result, headers: { ...date, ...result.headers } };
    },
  };
}
