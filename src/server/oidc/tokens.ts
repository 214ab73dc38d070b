/** Identity tokens of the development issuer. */
import { createHash } from 'node:crypto';
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { Signer } from '../../keys/signer.ts';

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

/**
 * Tokens of `issuer` signed by `signer`, which must be RSA: RS256 is the only algorithm that cosign takes on its command
 * line (RFC 7519, RFC 7515 section 3.1). Throws `ERR_USAGE` for a request that makes no sense.
 */
export function tokenMint(runtime: Pick<Runtime, 'now'>, issuer: string, signer: Signer): MintToken {
  const header = encode({ alg: 'RS256', kid: keyId(signer), typ: 'JWT' });
  return async (request) => {
    const { email, subject = email, audience = 'sigstore', claims = {}, expiresIn = lifetime } = request;
    const misplaced = reserved.find((name) => Object.hasOwn(claims, name));
    if (misplaced !== undefined) throw usage(`the claim ${misplaced} is set by the issuer`);
    if (subject === undefined) throw usage('a token needs an email or a subject');
    const now = Math.floor(runtime.now().getTime() / 1_000);
    const payload = encode({
      sub: subject,
      ...(email === undefined ? {} : { email, email_verified: true }),
      ...claims,
      iss: issuer,
      aud: audience,
      iat: now,
      nbf: now - backdate,
      exp: now + Math.floor(expiresIn / 1_000),
    });
    const signature = await signer.sign(utf8(`${header}.${payload}`));
    return `${header}.${payload}.${Buffer.from(signature).toString('base64url')}`;
  };
}

function usage(message: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', message);
}

function encode(value: Json): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** The public key for {@link https://www.rfc-editor.org/rfc/rfc7517#section-5 a JWK set}. Throws `ERR_KEY_UNSUPPORTED`. */
export function publicJwk(signer: Signer): Readonly<Record<string, string>> {
  const { kty, n, e } = signer.publicKey.key.export({ format: 'jwk' });
  if (kty === 'RSA' && n !== undefined && e !== undefined) {
    return { kty, use: 'sig', alg: 'RS256', kid: keyId(signer), n, e };
  }
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', 'identity tokens must be signed with an RSA key');
}

/** The thumbprint of the key (RFC 7638). */
function keyId(signer: Signer): string {
  const { kty, n, e } = signer.publicKey.key.export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
}

/** Whether `text` is an address as people have them; quoted and bracketed forms are not. */
export function isEmail(text: string): boolean {
  return (
    text.length <= 254 &&
    /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)
  );
}
