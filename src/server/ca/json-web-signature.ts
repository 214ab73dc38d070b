/**
 * Signatures of identity tokens: the compact form, with the algorithms that use a key pair. On `node:crypto`, because
 * the detour of `jose` through WebCrypto costs four times as much, which is a quarter of a certificate's whole cost.
 * {@link https://www.rfc-editor.org/rfc/rfc7515#section-3.1 RFC 7515},
 * {@link https://www.rfc-editor.org/rfc/rfc7518#section-3 RFC 7518},
 * {@link https://www.rfc-editor.org/rfc/rfc8037 RFC 8037 (Ed25519)}
 */
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';

interface Algorithm {
  /** `kty` of its keys. */
  readonly keyType: 'RSA' | 'EC' | 'OKP';
  readonly curve?: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  readonly isPss?: boolean;
}

/** Every algorithm that is accepted. None with a shared secret, and not `none`. */
const algorithms: ReadonlyMap<string, Algorithm> = new Map<string, Algorithm>([
  ['RS256', { keyType: 'RSA', hash: 'sha256' }],
  ['RS384', { keyType: 'RSA', hash: 'sha384' }],
  ['RS512', { keyType: 'RSA', hash: 'sha512' }],
  ['PS256', { keyType: 'RSA', hash: 'sha256', isPss: true }],
  ['PS384', { keyType: 'RSA', hash: 'sha384', isPss: true }],
  ['PS512', { keyType: 'RSA', hash: 'sha512', isPss: true }],
  ['ES256', { keyType: 'EC', curve: 'P-256', hash: 'sha256' }],
  ['ES384', { keyType: 'EC', curve: 'P-384', hash: 'sha384' }],
  ['ES512', { keyType: 'EC', curve: 'P-521', hash: 'sha512' }],
  ['EdDSA', { keyType: 'OKP', curve: 'Ed25519', hash: null }],
]);

/** The names of the algorithms that are accepted. */
export const signatureAlgorithmNames: readonly string[] = [...algorithms.keys()];

/** A token that was taken apart; nothing in it is verified. */
export interface UnverifiedToken {
  readonly algorithm: string;
  readonly keyId: string | undefined;
  readonly claims: JsonObject;
  /** What is signed. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
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
  const [, head = '', payload = '', signature = ''] = match;
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
    signed: utf8(token.slice(0, head.length + 1 + payload.length)),
    signature: Buffer.from(signature, 'base64url'),
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
export function verifiesWithKeys(token: UnverifiedToken, keys: readonly IssuerKey[]): boolean {
  const algorithm = algorithms.get(token.algorithm);
  if (algorithm === undefined) return false;
  const fitting = keys.filter(
    (one) =>
      one.keyType === algorithm.keyType &&
      one.curve === algorithm.curve &&
      (one.algorithm === undefined || one.algorithm === token.algorithm) &&
      (token.keyId === undefined || one.keyId === token.keyId),
  );
  return fitting.slice(0, mostTried).some(({ key }) => verifies(algorithm, key, token));
}

function verifies(algorithm: Algorithm, key: KeyObject, token: UnverifiedToken): boolean {
  const { hash, isPss, keyType } = algorithm;
  try {
    if (isPss === true) {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
      return verify(hash, token.signed, { key, padding, saltLength }, token.signature);
    }
    // In tokens an ECDSA signature is two numbers side by side (RFC 7518 section 3.4).
    const how = keyType === 'EC' ? ({ key, dsaEncoding: 'ieee-p1363' } as const) : key;
    return verify(hash, token.signed, how, token.signature);
  } catch {
    return false;
  }
}
