/** Identity tokens of the development issuer. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { BoltsealError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Runtime } from '../../core/runtime.ts';

/** What a token says. One of `email` and `subject` is needed. */
export interface TokenRequest {
  /** Says that the subject owns this address: `email`, `email_verified`, and `sub` unless `subject` says otherwise. */
  readonly email?: string | undefined;
  readonly subject?: string | undefined;
  /** `sigstore` unless told. */
  readonly audience?: string | undefined;
  /** More claims; these win over `sub`, `email` and `email_verified`. */
  readonly claims?: JsonObject | undefined;
  /** Milliseconds; one hour unless told. Not more than 0 makes a token that has expired. */
  readonly expiresIn?: number | undefined;
}

/** Makes identity tokens. */
export type MintToken = (request: TokenRequest) => Promise<string>;

/** Claims that say who made a token, for whom and when: these are not the caller's. */
const reserved = ['iss', 'aud', 'iat', 'nbf', 'exp'] as const;
const lifetime = 3_600_000;
/** A verifier whose clock is a little behind must not refuse a new token. */
const backdate = 5;

/** The lifetime of a token that does not say how long, in milliseconds. */
export const defaultLifetime: number = lifetime;

/** The one algorithm that cosign takes on its command line. */
const algorithm = 'RS256';

/** A key that signs tokens, and its public half as {@link https://www.rfc-editor.org/rfc/rfc7517#section-5 a JWK}. */
export interface TokenKey {
  readonly key: KeyObject;
  readonly jwk: JWK & { readonly kid: string };
}

/** Prepares a private RSA key. Throws `ERR_KEY_UNSUPPORTED` for another one. */
export async function tokenKey(key: KeyObject): Promise<TokenKey> {
  if (key.asymmetricKeyType !== 'rsa') {
    throw new BoltsealError('ERR_KEY_UNSUPPORTED', 'identity tokens must be signed with an RSA key');
  }
  const jwk = await exportJWK(createPublicKey(key));
  return { key, jwk: { ...jwk, use: 'sig', alg: algorithm, kid: await calculateJwkThumbprint(jwk) } };
}

/** Tokens of `issuer` (RFC 7519). Throws `ERR_USAGE` for a request that makes no sense. */
export function tokenMint(runtime: Pick<Runtime, 'now'>, issuer: string, { key, jwk }: TokenKey): MintToken {
  return async (request) => {
    const { email, subject = email, audience = 'sigstore', claims = {}, expiresIn = lifetime } = request;
    const misplaced = reserved.find((name) => Object.hasOwn(claims, name));
    if (misplaced !== undefined) throw usage(`the claim ${misplaced} is set by the issuer`);
    if (subject === undefined) throw usage('a token needs an email or a subject');
    const now = Math.floor(runtime.now().getTime() / 1_000);
    return new SignJWT({
      sub: subject,
      ...(email === undefined ? {} : { email, email_verified: true }),
      ...claims,
      iss: issuer,
      aud: audience,
      iat: now,
      nbf: now - backdate,
      exp: now + Math.floor(expiresIn / 1_000),
    })
      .setProtectedHeader({ alg: algorithm, kid: jwk.kid, typ: 'JWT' })
      .sign(key);
  };
}

function usage(message: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', message);
}

/** Whether `text` is an address as people have them; quoted and bracketed forms are not. */
export function isEmail(text: string): boolean {
  return (
    text.length <= 254 &&
    /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)
  );
}
