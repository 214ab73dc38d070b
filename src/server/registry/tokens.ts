import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a token allows. */
export interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/** What a token is for. */
export type TokenUse = 'access' | 'refresh';

/** Makes and checks the tokens of one registry. */
export interface Tokens {
  /** How long an access token lasts, in milliseconds. */
  readonly lifetime: number;
  issue(use: TokenUse, scopes: readonly Scope[]): string;
  /** The scopes of a token that is ours, for this use and not expired; else undefined. */
  verify(token: string, use: TokenUse): readonly Scope[] | undefined;
}

interface Claims {
  readonly use: TokenUse;
  readonly scopes: readonly Scope[];
  /** Milliseconds; refresh tokens do not expire. */
  readonly expires: number | null;
}

/** Tokens that hold their claims, with an HMAC under `key`: nothing is remembered, and only this registry makes them. */
export function createTokens(key: Uint8Array, now: () => number, lifetime: number): Tokens {
  const mac = (text: string): Buffer => createHmac('sha256', key).update(text).digest();
  return {
    lifetime,
    issue(use, scopes) {
      const claims: Claims = { use, scopes, expires: use === 'access' ? now() + lifetime : null };
      const text = Buffer.from(JSON.stringify(claims)).toString('base64url');
      return `${text}.${mac(text).toString('base64url')}`;
    },
    verify(token, use) {
      const [text = '', given = ''] = token.split('.');
      const signature = Buffer.from(given, 'base64url');
      const expected = mac(text);
      if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return undefined;
      // Ours, so it is what issue() wrote.
      const claims = JSON.parse(Buffer.from(text, 'base64url').toString()) as Claims;
      const isAlive = claims.expires === null || claims.expires > now();
      return claims.use === use && isAlive ? claims.scopes : undefined;
    },
  };
}

/** A scope as challenges and requests write it: `repository:acme/app:pull,push`. */
export function scopeText(scope: Scope): string {
  return `${scope.type}:${scope.name}:${scope.actions.join(',')}`;
}
