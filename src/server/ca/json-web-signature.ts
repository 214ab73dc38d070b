/**
 * Signatures of identity tokens, which `jose` verifies: the compact form, with the algorithms that use a key pair. What
 * is here chooses the key, and refuses before anything is verified.
 * {@link https://www.rfc-editor.org/rfc/rfc7515#section-3.1 RFC 7515},
 * {@link https://www.rfc-editor.org/rfc/rfc7518#section-3 RFC 7518},
 * {@link https://www.rfc-editor.org/rfc/rfc8037 RFC 8037 (Ed25519)}
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { compactVerify } from 'jose';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';

interface Algorithm {
  /** `kty` of its keys. */
  readonly keyType: 'RSA' | 'EC' | 'OKP';
  readonly curve?: string;
}

/** Every algorithm that is accepted. None with a shared secret, and not `none`. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map(
    (name) => [name, { keyType: 'RSA' }] as const,
  ),
  ['ES256', { keyType: 'EC', curve: 'P-256' }],
  ['ES384', { keyType: 'EC', curve: 'P-384' }],
  ['ES512', { keyType: 'EC', curve: 'P-521' }],
  ['EdDSA', { keyType: 'OKP', curve: 'Ed25519' }],
]);

/** The names of the algorithms that are accepted. */
export const signatureAlgorithmNames: readonly string[] = [...algorithms.keys()];

/** A token that was taken apart; nothing in it is verified. */
export interface UnverifiedToken {
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly claims: JsonObject;
  /** The token as it came. */
  readonly compact: string;
}

/** The error for a token; its message goes to logs and never quotes the token. */
export function tokenRefused(why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_TOKEN_REFUSED', `the identity token ${why}`, { cause });
}

/** Takes a token apart. Throws `ERR_TOKEN_REFUSED`, before parsing when it is too large. */
export function parseToken(token: string): UnverifiedToken {
  if (token === '') throw tokenRefused('is missing');
  if (token.length > limits.identityTokenBytes) throw tokenRefused('is too large');
  const match = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(token);
  if (match === null) throw tokenRefused('is not three parts of base64url');
  const [, head = '', payload = ''] = match;
  const header = jsonPart(head);
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !algorithms.has(alg))
    throw tokenRefused('has an algorithm that is not accepted');
  if (kid !== undefined && typeof kid !== 'string') throw tokenRefused('has a malformed key id');
  // Extensions that must be understood (RFC 7515 section 4.1.11); none is.
  if (header['crit'] !== undefined) throw tokenRefused('has critical header parameters');
  return {
    algorithm: alg,
    keyId: kid,
    claims: jsonPart(payload),
    compact: token,
  };
}

function jsonPart(part: string): JsonObject {
  const bytes = Buffer.from(part, 'base64url');
  let value: Json;
  try {
    value = parseJson(bytes, { what: 'the identity token', maxBytes: limits.identityTokenBytes });
  } catch (cause) {
    throw tokenRefused('is not JSON', cause);
  }
  if (!isJsonObject(value)) throw tokenRefused('is not a JSON object');
  return value;
}

/** A key of an issuer. */
export interface IssuerKey {
  readonly keyId: string | undefined;
  /** The only algorithm it is for, when it says so. */
  readonly algorithm: string | undefined;
  readonly keyType: Algorithm['keyType'];
  readonly curve: string | undefined;
  readonly key: KeyObject;
}

/**
 * The keys of a JWK set (RFC 7517 section 5) that can sign tokens; others are left out, as the RFC asks. Throws
 * `ERR_SERVICE_RESPONSE` when it is no set, or has too many.
 */
export function parseKeySet(document: Json): readonly IssuerKey[] {
  const keys = isJsonObject(document) ? document['keys'] : undefined;
  if (!Array.isArray(keys) || keys.length > limits.issuerKeys) {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', 'an issuer has no list of keys, or too many keys');
  }
  return (keys as readonly Json[]).flatMap((jwk) => (isJsonObject(jwk) ? readKey(jwk) : []));
}

function readKey(jwk: JsonObject): readonly IssuerKey[] {
  const { kty, use, alg, kid, crv, n, e, x, y } = jwk;
  if (use !== undefined && use !== 'sig') return [];
  const text = (value: Json | undefined): string | undefined =>
    typeof value === 'string' ? value : undefined;
  const families = [...algorithms.values()];
  const family = families.find(
    (one) => one.keyType === kty && one.curve === (kty === 'RSA' ? undefined : crv),
  );
  if (family === undefined) return [];
  // Only public members are handed on.
  const parts = { kty, crv, n, e, x, y };
  const given = Object.fromEntries(Object.entries(parts).filter(([, value]) => typeof value === 'string'));
  let key: KeyObject;
  try {
    key = createPublicKey({ key: given, format: 'jwk' });
  } catch {
    return [];
  }
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && (bits < 2_048 || bits > 8_192)) return [];
  return [{ keyId: text(kid), algorithm: text(alg), keyType: family.keyType, curve: family.curve, key }];
}

/** More keys than a token without a key id is tried with. */
const mostTried = 8;

/** Whether one of `keys` verifies the signature of `token`. */
export async function verifiesWithKeys(token: UnverifiedToken, keys: readonly IssuerKey[]): Promise<boolean> {
  const algorithm = algorithms.get(token.algorithm);
  if (algorithm === undefined) return false;
  const fitting = keys.filter(
    (one) =>
      one.keyType === algorithm.keyType &&
      one.curve === algorithm.curve &&
      (one.algorithm === undefined || one.algorithm === token.algorithm) &&
      (token.keyId === undefined || one.keyId === token.keyId),
  );
  for (const { key } of fitting.slice(0, mostTried)) {
    try {
      await compactVerify(token.compact, key, { algorithms: [token.algorithm] });
      return true;
    } catch {
      // Whatever is wrong with it, it is not signed by this key.
    }
  }
  return false;
}
