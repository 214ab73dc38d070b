/** The authorization code grant with PKCE (RFC 6749 section 4.1, RFC 7636): where to sign in, and what comes of it. */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { printable } from '../core/printable.ts';
import { acceptToken, redeem, refusedSignIn, type SignIn, scope } from './sign-in.ts';
import type { IdentityToken } from './token.ts';

/** The code of an answer to this sign-in. Throws `ERR_SIGN_IN` when it is a refusal, or of another issuer (RFC 9207). */
export function readCode(signIn: SignIn, parameters: URLSearchParams): string {
  const issuer = parameters.get('iss');
  if (issuer !== null && issuer !== signIn.issuer) {
    throw new BoltsealError(
      'ERR_SIGN_IN',
      `the answer is not by ${signIn.issuer} but by ${printable(issuer)}`,
    );
  }
  const error = parameters.get('error');
  if (error !== null) {
    const said = printable([error, parameters.get('error_description')].filter(Boolean).join(': '));
    throw refusedSignIn(signIn, { code: error, said });
  }
  const code = parameters.get('code') ?? '';
  if (/^[\x21-\x7e]+$/.test(code) && code.length <= limits.typedCodeLength) return code;
  throw new BoltsealError('ERR_SIGN_IN', `the answer of ${signIn.issuer} holds no code`);
}

/** What binds a code to its sign-in. */
export interface Binding {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
}

/** The page to sign in at. Throws `ERR_SIGN_IN` when the issuer has none. */
export function authorizationUrl(signIn: SignIn, { redirectUri, state, nonce }: Binding): string {
  const { authorizationEndpoint } = signIn.metadata;
  if (authorizationEndpoint === undefined) {
    throw new BoltsealError('ERR_SIGN_IN', `nobody can sign in at ${signIn.issuer} with a browser`, {
      hint: 'It has no authorization endpoint. --fulcio-auth-flow device may do.',
    });
  }
  const url = new URL(authorizationEndpoint);
  const parameters = {
    response_type: 'code',
    client_id: signIn.clientId,
    redirect_uri: redirectUri,
    scope,
    state,
    nonce,
    code_challenge: signIn.challenge,
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

/** The identity token for a code. Throws `ERR_SIGN_IN`, `ERR_IDENTITY_TOKEN` and `ERR_SERVICE_…`. */
export async function redeemCode(
  signIn: SignIn,
  code: string,
  redirectUri: string,
  nonce: string,
): Promise<IdentityToken> {
  const fields = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: signIn.verifier,
  };
  const redeemed = await redeem(signIn, fields, 1);
  if ('refusal' in redeemed) throw refusedSignIn(signIn, redeemed.refusal);
  return acceptToken(signIn, redeemed.token, nonce);
}
