/** The token end point: from a grant to an identity token (RFC 6749 section 3.2, OpenID Connect Core section 3.1.3). */
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { jsonAnswer, type Route, type ServiceRequest } from '../http/service.ts';
import type { CodeGrant } from './authorize.ts';
import { type DeviceGrants, takeDeviceGrant } from './device.ts';
import { checkVerifier, type Parameters, readForm } from './form.ts';
import type { Grants } from './grants.ts';
import { OauthError, unstored } from './oauth-error.ts';
import { defaultLifetime, isEmail, type MintToken } from './tokens.ts';

/** What the end point works with. */
export interface TokenContext {
  readonly runtime: Pick<Runtime, 'monotonic' | 'random'>;
  readonly codes: Grants<CodeGrant>;
  readonly devices: DeviceGrants;
  readonly mint: MintToken;
}

/** Who an identity token is about, and what binds it to the request for it. */
interface SignedIn {
  readonly email: string;
  readonly nonce?: string | undefined;
}

type Grant = (parameters: Parameters, clientId: string, context: TokenContext) => SignedIn;

/** By `grant_type`. */
const grantTypes: Readonly<Record<string, Grant>> = {
  authorization_code(parameters, clientId, { codes }) {
    const code = parameters.need('code');
    const redirectUri = parameters.need('redirect_uri');
    // Whoever has a code and not what belongs to it has stolen it: it is used up all the same.
    const grant = codes.take(code);
    if (grant === undefined || grant.clientId !== clientId || grant.redirectUri !== redirectUri) {
      throw new OauthError('invalid_grant', 'this code is not known, was used, or is for someone else');
    }
    checkVerifier(grant.challenge, parameters.get('code_verifier'));
    return { email: grant.email, nonce: grant.nonce };
  },
  'urn:ietf:params:oauth:grant-type:device_code'(parameters, clientId, { runtime, devices }) {
    const deviceCode = parameters.need('device_code');
    const verifier = parameters.get('code_verifier');
    return { email: takeDeviceGrant(runtime, devices, deviceCode, clientId, verifier) };
  },
  // A client is who it says, whatever its secret, as people are.
  client_credentials: (_parameters, clientId) => ({
    email: isEmail(clientId)
      ? clientId
      : `${clientId.replace(/[^A-Za-z0-9.-]/g, '-').slice(0, 64)}@example.com`,
  }),
};

/** The values of `grant_type` that are understood. */
export const grantTypesSupported: readonly string[] = Object.keys(grantTypes);

/** The route of the token end point. */
export function tokenRoute(context: TokenContext): Route {
  return {
    method: 'POST',
    path: '/oauth2/token',
    name: 'token',
    bodyBytes: limits.oidcFormBytes,
    answer: (request) => answerToken(request, context),
  };
}

async function answerToken(request: ServiceRequest, context: TokenContext): Promise<HttpResponse> {
  const parameters = readForm(request);
  const clientId = clientOf(request, parameters);
  const type = parameters.need('grant_type');
  const grant = Object.hasOwn(grantTypes, type) ? grantTypes[type] : undefined;
  if (grant === undefined) throw new OauthError('unsupported_grant_type', 'this grant_type is not supported');
  const { email, nonce } = grant(parameters, clientId, context);
  const token = await context.mint({
    email,
    audience: clientId,
    claims: nonce === undefined ? {} : { nonce },
  });
  const body = {
    // It opens nothing; clients want one.
    access_token: Buffer.from(context.runtime.random(16)).toString('base64url'),
    token_type: 'Bearer',
    expires_in: defaultLifetime / 1_000,
    scope: 'openid email',
    id_token: token,
  };
  return jsonAnswer(200, body, unstored);
}

/** The client: a parameter, or the user name of basic authentication, which Go's library tries first (RFC 6749 section 2.3.1). */
function clientOf({ headers }: ServiceRequest, parameters: Parameters): string {
  const basic = /^basic +([A-Za-z0-9+/=]+)$/i.exec(headers.get('authorization') ?? '')?.[1];
  const given = parameters.get('client_id');
  const named = basic === undefined ? undefined : userOf(basic);
  const client = named ?? given;
  if (client === undefined || client === '' || client.length > 200) {
    throw new OauthError('invalid_client', 'client_id is missing');
  }
  if (given !== undefined && given !== client)
    throw new OauthError('invalid_client', 'two clients are named');
  return client;
}

function userOf(basic: string): string {
  const [user = ''] = Buffer.from(basic, 'base64').toString().split(':');
  try {
    return decodeURIComponent(user.replaceAll('+', ' '));
  } catch {
    throw new OauthError('invalid_client', 'the user name is not encoded as a form');
  }
}
