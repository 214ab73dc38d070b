/**
 * An issuer of identity tokens for development: it believes whoever asks. It exists only in a Sigstore that was started
 * for development; nothing in a configuration file makes one.
 */
import type { KeyObject } from 'node:crypto';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { jsonAnswer, type Service } from '../http/service.ts';
import { authorizeRoutes, type CodeGrant } from './authorize.ts';
import { type DeviceGrant, deviceRoutes, deviceTime } from './device.ts';
import { createGrants } from './grants.ts';
import { mintPath, mintRoute } from './mint.ts';
import { refuseOauth } from './oauth-error.ts';
import { grantTypesSupported, tokenRoute } from './token-endpoint.ts';
import { type MintToken, tokenKey, tokenMint } from './tokens.ts';

/** What a development issuer is made of. */
export interface OidcOptions {
  /** What `iss` of its tokens is, and what its paths are below: without a slash at its end. */
  readonly issuer: string;
  /** A private RSA key. Tokens are RS256, the only algorithm that cosign takes on its command line. */
  readonly key: KeyObject;
}

/** A development issuer. */
export interface OidcService extends Service {
  /** Makes a token; the same as its end point for `boltseal token`. */
  readonly mintToken: MintToken;
}

/** How long a code of the authorization end point can be used, in milliseconds. */
const codeTime = 60_000;

/**
 * OpenID Connect as cosign and its kin use it: discovery, key set, authorization code with PKCE, device flow, client
 * credentials; and `POST` {@link mintPath}, which takes JSON `{"email","subject","audience","claims","expiresIn"}` and
 * answers `{"token"}`. No page of another origin can use it, and cross-origin reads must not be allowed where it is
 * mounted. {@link https://openid.net/specs/openid-connect-core-1_0.html}
 */
export async function createOidc(
  runtime: Pick<Runtime, 'now' | 'monotonic' | 'random'>,
  { issuer, key }: OidcOptions,
): Promise<OidcService> {
  const signing = await tokenKey(key);
  const mint = tokenMint(runtime, issuer, signing);
  const codes = createGrants<CodeGrant>(runtime, codeTime, limits.oidcGrants);
  const devices = {
    byDevice: createGrants<DeviceGrant>(runtime, deviceTime, limits.oidcGrants),
    byUser: createGrants<DeviceGrant>(runtime, deviceTime, limits.oidcGrants),
  };
  const cached = { 'cache-control': 'public, max-age=60' };
  return {
    name: 'oidc',
    mintToken: mint,
    refuse: refuseOauth,
    routes: [
      {
        method: 'GET',
        path: '/.well-known/openid-configuration',
        name: 'discovery',
        answer: () => jsonAnswer(200, discovery(issuer), cached),
      },
      {
        method: 'GET',
        path: '/oauth2/keys',
        name: 'keys',
        answer: () => jsonAnswer(200, { keys: [signing.jwk] }, cached),
      },
      ...authorizeRoutes(runtime, codes),
      ...deviceRoutes(runtime, issuer, devices),
      tokenRoute({ runtime, codes, devices, mint }),
      mintRoute(mint),
    ],
  };
}

/** {@link https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata} */
function discovery(issuer: string): object {
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth2/auth`,
    token_endpoint: `${issuer}/oauth2/token`,
    device_authorization_endpoint: `${issuer}/oauth2/device/code`,
    jwks_uri: `${issuer}/oauth2/keys`,
    response_types_supported: ['code'],
    grant_types_supported: grantTypesSupported,
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    code_challenge_methods_supported: ['S256'],
    scopes_supported: ['openid', 'email'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
    claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'email', 'email_verified', 'nonce'],
  };
}
