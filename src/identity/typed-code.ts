/** Signing in with a browser elsewhere: the issuer shows a code, which a person types in here. */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { authorizationUrl, readCode, redeemCode } from './authorization-code.ts';
import { beginSignIn, type SignIn, type SignInOptions, unguessable } from './sign-in.ts';
import type { IdentityToken } from './token.ts';

/** What signing in with a code needs beside the issuer. */
export interface TypedCodeSignInOptions extends SignInOptions {
  /** Shows the page to open, and asks for the code. */
  askCode(url: string): Promise<string>;
}

/** What issuers take for “show the code”. Dex, which the public Sigstore uses, does; others have given it up. */
const outOfBand = 'urn:ietf:wg:oauth:2.0:oob';

/**
 * Signs in with a code that is typed in: what cosign does when no browser can be opened. With a redirect URL, where
 * nothing may listen, the address that the browser ended at can be typed in whole. Throws `ERR_SIGN_IN`,
 * `ERR_IDENTITY_TOKEN` and `ERR_SERVICE_…`.
 */
export async function signInWithTypedCode(options: TypedCodeSignInOptions): Promise<IdentityToken> {
  const signIn = await beginSignIn(options);
  const redirectUri = options.redirectUrl ?? outOfBand;
  const [state, nonce] = [unguessable(options.runtime), unguessable(options.runtime)];
  const typed = await options.askCode(authorizationUrl(signIn, { redirectUri, state, nonce }));
  return redeemCode(signIn, typedCode(signIn, typed.trim(), state), redirectUri, nonce);
}

function typedCode(signIn: SignIn, typed: string, state: string): string {
  if (typed.length > limits.typedCodeLength) {
    throw new BoltsealError('ERR_SIGN_IN', 'what was typed in is too long to be a code');
  }
  if (!/^https?:\/\//i.test(typed)) return readCode(signIn, new URLSearchParams({ code: typed }));
  const parameters = new URL(typed).searchParams;
  if (parameters.get('state') !== state) {
    throw new BoltsealError('ERR_SIGN_IN', 'the address that was typed in is of another sign-in (state)');
  }
  return readCode(signIn, parameters);
}
