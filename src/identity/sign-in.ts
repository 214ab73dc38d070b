/** What all ways to sign in have in common: PKCE, the token end point, and what is checked of a token that comes back. */
import { createHash } from 'node:crypto';
import { BoltsealError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import type { RequestHeaders, Runtime } from '../core/runtime.ts';
import { type DiscoveryQuery, discoverIssuer, type IssuerMetadata } from './discovery.ts';
import { askIssuer, gaveNoToken, objectOf } from './request.ts';
import { type IdentityToken, parseIdentityToken } from './token.ts';

/** Where and as what somebody signs in. */
export interface SignInOptions extends DiscoveryQuery {
  /** As what the issuer knows this program. */
  readonly clientId: string;
  /** Its secret, for issuers that want one of programs that cannot keep any. */
  readonly clientSecret?: string | undefined;
  /** Where the browser comes back to; the listener’s own address unless told. */
  readonly redirectUrl?: string | undefined;
}

/** A sign-in under way. */
export interface SignIn extends SignInOptions {
  readonly metadata: IssuerMetadata;
  /** Sent at the end only; whoever steals the code of this sign-in does not have it (RFC 7636). */
  readonly verifier: string;
  /** The SHA-256 of the verifier, which is sent at the beginning. */
  readonly challenge: string;
}

/** What is asked for: who somebody is, and nothing that opens anything. */
export const scope = 'openid email';

/** Begins a sign-in. Throws what {@link discoverIssuer} throws. */
export async function beginSignIn(options: SignInOptions): Promise<SignIn> {
  const metadata = await discoverIssuer(options);
  const verifier = unguessable(options.runtime);
  return {
    ...options,
    metadata,
    verifier,
    challenge: createHash('sha256').update(verifier).digest('base64url'),
  };
}

/** A text that nobody can guess, of 43 letters. */
export function unguessable(runtime: Pick<Runtime, 'random'>): string {
  return Buffer.from(runtime.random(32)).toString('base64url');
}

/** A refusal by the token end point (RFC 6749 section 5.2). */
export interface OauthRefusal {
  readonly code: string;
  /** What it says to people; safe to show. */
  readonly said: string;
}

/** What the token end point answers: the text of an identity token, or a refusal. */
export type Redeemed = { readonly token: string } | { readonly refusal: OauthRefusal };

/**
 * Asks the token end point with the fields of a grant. `attempts` is 1 for what can be redeemed only once. Throws
 * `ERR_SERVICE_…` for what is neither a token nor a refusal.
 */
export async function redeem(
  signIn: SignIn,
  fields: Readonly<Record<string, string>>,
  attempts: number,
): Promise<Redeemed> {
  const { runtime, signal, metadata, allowHttp } = signIn;
  const client = clientFields(signIn);
  const answer = await askIssuer({
    runtime,
    signal,
    allowHttp,
    attempts,
    url: metadata.tokenEndpoint,
    method: 'POST',
    headers: { ...formHeaders, ...client.headers },
    body: formBody({ ...fields, ...client.fields }),
    who: 'the token endpoint',
  });
  const body = objectOf(answer);
  if (answer.status === 200) {
    if (typeof body?.['id_token'] === 'string') return { token: body['id_token'] };
    throw gaveNoToken(`the token endpoint of ${metadata.issuer}`, 200);
  }
  if (typeof body?.['error'] === 'string')
    return { refusal: refusalOf(body['error'], body['error_description'], signIn, fields) };
  throw new BoltsealError(
    'ERR_SERVICE_RESPONSE',
    `the token endpoint of ${metadata.issuer} answers with status ${answer.status}`,
  );
}

/** A refusal in words that hold none of our secrets, whatever the issuer repeats. */
function refusalOf(
  code: string,
  description: unknown,
  { verifier, clientSecret }: SignIn,
  fields: Readonly<Record<string, string>>,
): OauthRefusal {
  const secrets = [verifier, clientSecret, fields['code'], fields['device_code']];
  let text = typeof description === 'string' ? `${code}: ${description}` : code;
  for (const secret of secrets)
    if (secret !== undefined && secret !== '') text = text.replaceAll(secret, '…');
  return { code, said: printable(text) };
}

/** Headers of a form. */
export const formHeaders: RequestHeaders = { 'content-type': 'application/x-www-form-urlencoded' };

/** The bytes of a form. */
export function formBody(fields: Readonly<Record<string, string>>): Uint8Array {
  return Buffer.from(new URLSearchParams(fields).toString());
}

/** How this program says which client it is (RFC 6749 section 2.3.1). */
export function clientFields({ clientId, clientSecret, metadata }: SignIn): {
  readonly headers: RequestHeaders;
  readonly fields: Readonly<Record<string, string>>;
} {
  if (clientSecret === undefined) return { headers: {}, fields: { client_id: clientId } };
  if (metadata.clientAuthentication === 'post') {
    return { headers: {}, fields: { client_id: clientId, client_secret: clientSecret } };
  }
  const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`;
  return { headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }, fields: {} };
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

/** The refusal as an error. */
export function refusedSignIn(signIn: SignIn, { code, said }: OauthRefusal): BoltsealError {
  const hint =
    code === 'invalid_client' || code === 'unauthorized_client'
      ? `Does the issuer know the client ${signIn.clientId}? --oidc-client-id and --oidc-client-secret-file name another.`
      : undefined;
  return new BoltsealError('ERR_SIGN_IN', `${signIn.issuer} refused the sign-in (${said})`, { hint });
}

/** The error for a person who did not come back within `milliseconds`. */
export function tooLate(milliseconds: number): BoltsealError {
  return new BoltsealError(
    'ERR_SIGN_IN',
    `nobody signed in within ${Math.round(milliseconds / 1_000)} seconds`,
    {
      hint: 'Run the command again. For programs without a person there is --identity-token.',
    },
  );
}

/**
 * The token that came back over the connection to the issuer, which is why its signature need not be checked: it must be
 * by this issuer, for this client, valid now, and of this sign-in. Throws `ERR_SIGN_IN` or `ERR_IDENTITY_TOKEN`.
 * {@link https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation}
 */
export function acceptToken(signIn: SignIn, text: string, nonce?: string): IdentityToken {
  const { runtime, issuer, clientId } = signIn;
  const token = parseIdentityToken(text, {
    now: runtime.now(),
    audience: clientId,
    what: `the identity token of ${issuer}`,
  });
  const { claims } = token;
  if (token.issuer !== issuer) {
    throw new BoltsealError('ERR_SIGN_IN', `${issuer} gave an identity token of ${printable(token.issuer)}`);
  }
  if (claims['azp'] !== undefined && claims['azp'] !== clientId) {
    throw new BoltsealError(
      'ERR_SIGN_IN',
      `${issuer} gave an identity token that another program asked for (azp)`,
    );
  }
  if (nonce !== undefined && claims['nonce'] !== nonce) {
    throw new BoltsealError('ERR_SIGN_IN', `${issuer} gave an identity token of another sign-in (nonce)`, {
      hint: 'Somebody may be trying to make you sign in their name. Try again; if it happens again, tell the issuer.',
    });
  }
  return token;
}
