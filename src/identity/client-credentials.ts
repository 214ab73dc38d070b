/** Signing in as a program that has a secret of its own. */
import { limits } from '../core/limits.ts';
import { acceptToken, beginSignIn, redeem, refusedSignIn, type SignInOptions, scope } from './sign-in.ts';
import type { IdentityToken } from './token.ts';

/**
 * The client credentials grant (RFC 6749 section 4.4), for issuers that answer it with an identity token, as cosign asks
 * for it. Throws `ERR_SIGN_IN`, `ERR_IDENTITY_TOKEN` and `ERR_SERVICE_…`.
 */
export async function signInAsClient(options: SignInOptions): Promise<IdentityToken> {
  const signIn = await beginSignIn(options);
  const redirect = options.redirectUrl === undefined ? {} : { redirect_uri: options.redirectUrl };
  const fields = { grant_type: 'client_credentials', scope, ...redirect };
  const redeemed = await redeem(signIn, fields, limits.tokenAttempts);
  if ('refusal' in redeemed) throw refusedSignIn(signIn, redeemed.refusal);
  return acceptToken(signIn, redeemed.token);
}
