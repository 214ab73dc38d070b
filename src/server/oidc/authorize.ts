/** The authorization end point: a person says who they are, and the program that asked gets a code (RFC 6749 section 4.1). */
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { Route, ServiceRequest } from '../http/service.ts';
import { type Parameters, readChallenge, readForm, readParameters, refuseOtherOrigins } from './form.ts';
import type { Grants } from './grants.ts';
import { OauthError, unstored } from './oauth-error.ts';
import { codePage, messagePage, signInPage } from './pages.ts';
import { isEmail } from './tokens.ts';

/** What a code stands for until it is fetched. */
export interface CodeGrant {
  readonly clientId: string;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string | undefined;
  readonly email: string;
}

/** cosign shows the code instead of being called when it cannot open a browser. */
const outOfBand = 'urn:ietf:wg:oauth:2.0:oob';

/** The routes of the authorization end point; codes go to `codes`. */
export function authorizeRoutes(
  runtime: Pick<Runtime, 'random'>,
  codes: Grants<CodeGrant>,
): readonly Route[] {
  const answer = async (request: ServiceRequest): Promise<HttpResponse> => {
    try {
      if (request.method === 'POST') refuseOtherOrigins(request);
      const parameters = request.method === 'POST' ? readForm(request) : readParameters(request.query);
      return authorize(parameters, request.method === 'POST', runtime, codes);
    } catch (error) {
      // A person is in front of this, not a program.
      if (error instanceof OauthError) return messagePage(400, 'This sign-in cannot go on', error.message);
      throw error;
    }
  };
  return [
    { method: 'GET', path: '/oauth2/auth', name: 'authorize', answer },
    { method: 'POST', path: '/oauth2/auth', name: 'authorize', bodyBytes: limits.oidcFormBytes, answer },
  ];
}

function authorize(
  parameters: Parameters,
  isForm: boolean,
  runtime: Pick<Runtime, 'random'>,
  codes: Grants<CodeGrant>,
): HttpResponse {
  const clientId = parameters.need('client_id');
  const redirectUri = readRedirectUri(parameters.need('redirect_uri'));
  const state = parameters.get('state');
  let challenge: string;
  try {
    challenge = checkRequest(parameters);
  } catch (error) {
    // From here on the program is known, and is told (RFC 6749 section 4.1.2.1).
    if (!(error instanceof OauthError) || redirectUri === outOfBand) throw error;
    return redirect(redirectUri, { error: error.code, error_description: error.message, state });
  }
  const email = isForm ? (parameters.get('email') ?? '') : parameters.get('login_hint');
  if (email === undefined || !isEmail(email)) {
    const problem = isForm || email !== undefined ? 'This is not an email address.' : undefined;
    return signInPage('auth', hiddenOf(parameters), problem);
  }
  const code = Buffer.from(runtime.random(32)).toString('base64url');
  codes.add(code, { clientId, redirectUri, challenge, nonce: parameters.get('nonce'), email });
  return redirectUri === outOfBand ? codePage(code) : redirect(redirectUri, { code, state });
}

/** The code challenge of a request that asks for what there is. */
function checkRequest(parameters: Parameters): string {
  if (parameters.need('response_type') !== 'code') {
    throw new OauthError('unsupported_response_type', 'only response_type code is supported');
  }
  const scopes = parameters.get('scope')?.split(' ') ?? [];
  if (!scopes.includes('openid')) throw new OauthError('invalid_scope', 'the scope openid is needed');
  return readChallenge(parameters, true) ?? '';
}

/** A redirect goes to a program on the person's own machine and nowhere else (RFC 8252 section 7.3). */
function readRedirectUri(text: string): string {
  if (text === outOfBand) return text;
  if (/^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?\/auth\/callback$/.test(text)) return text;
  throw new OauthError('invalid_request', 'redirect_uri must be http://localhost:PORT/auth/callback');
}

const carried = [
  'response_type',
  'client_id',
  'redirect_uri',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
];

/** The parameters that come back with the form. */
function hiddenOf(parameters: Parameters): Readonly<Record<string, string>> {
  return Object.fromEntries(
    carried.flatMap((name) => {
      const value = parameters.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function redirect(uri: string, parameters: Readonly<Record<string, string | undefined>>): HttpResponse {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  // 303, so that a form becomes a GET.
  const location = `${uri}?${query}`;
  return { status: 303, headers: { ...unstored, location, 'referrer-policy': 'no-referrer' }, body: null };
}
