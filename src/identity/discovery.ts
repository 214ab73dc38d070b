/** Where an issuer of identity tokens has its end points. */
import { BoltsealError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { printable } from '../core/printable.ts';
import type { Runtime } from '../core/runtime.ts';
import { askIssuer, objectOf, secureUrl } from './request.ts';

/** An issuer, as it describes itself. */
export interface IssuerMetadata {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  /** Undefined when nobody can sign in there with a browser. */
  readonly authorizationEndpoint?: string;
  /** Undefined when it has no device flow. */
  readonly deviceAuthorizationEndpoint?: string;
  /** How the secret of a client is sent. */
  readonly clientAuthentication: 'basic' | 'post';
}

/** What {@link discoverIssuer} is told. */
export interface DiscoveryQuery {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
  /** The URL of the issuer. */
  readonly issuer: string;
  /** Allows plain HTTP to other machines. */
  readonly allowHttp?: boolean | undefined;
}

/**
 * Reads the metadata of an issuer. What it says must be about the very issuer that was asked, or else another issuer
 * could speak in its name; and every end point must be reached over TLS, or be on this machine. Throws
 * `ERR_SERVICE_…`, and `ERR_SIGN_IN` when the issuer cannot be used: another name, or no PKCE with SHA-256.
 * {@link https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation}
 */
export async function discoverIssuer(query: DiscoveryQuery): Promise<IssuerMetadata> {
  const { issuer, allowHttp } = query;
  const who = 'the issuer of identity tokens';
  const base = secureUrl(issuer, who, allowHttp);
  if (base.search !== '' || base.hash !== '') {
    throw new BoltsealError('ERR_USAGE', 'the URL of an issuer has neither query nor fragment');
  }
  const answer = await askIssuer({
    ...query,
    url: `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`,
    method: 'GET',
    who,
  });
  const metadata = objectOf(answer);
  if (answer.status !== 200 || metadata === undefined) {
    throw new BoltsealError(
      'ERR_SERVICE_RESPONSE',
      `${issuer} does not describe itself as an issuer of identity tokens (status ${answer.status})`,
      { hint: 'Is that the URL of an OpenID Connect issuer? --oidc-issuer names one.' },
    );
  }
  const named = metadata['issuer'];
  if (named !== issuer) {
    const shown = typeof named === 'string' ? printable(named) : 'nothing';
    throw new BoltsealError('ERR_SIGN_IN', `the issuer at ${issuer} says that its name is ${shown}`, {
      hint: 'Issuers are known by their exact URL. Give that with --oidc-issuer, if it is the one you trust.',
    });
  }
  return readMetadata(metadata, issuer, allowHttp);
}

function readMetadata(metadata: JsonObject, issuer: string, allowHttp: boolean | undefined): IssuerMetadata {
  // An issuer that does not say what it supports may support it; one that lists something else does not.
  const methods = metadata['code_challenge_methods_supported'];
  if (methods !== undefined && !(Array.isArray(methods) && methods.includes('S256'))) {
    throw new BoltsealError('ERR_SIGN_IN', `the issuer ${issuer} does not support PKCE with SHA-256 (S256)`);
  }
  const endpoint = (name: string): string | undefined => {
    const url = metadata[name];
    if (url === undefined || url === null) return undefined;
    return secureUrl(
      typeof url === 'string' ? url : '',
      `the ${name.replaceAll('_', ' ')} of ${issuer}`,
      allowHttp,
    ).href;
  };
  const tokenEndpoint = endpoint('token_endpoint');
  if (tokenEndpoint === undefined) {
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `the issuer ${issuer} has no token endpoint`);
  }
  const authorizationEndpoint = endpoint('authorization_endpoint');
  const deviceAuthorizationEndpoint = endpoint('device_authorization_endpoint');
  const authentications = metadata['token_endpoint_auth_methods_supported'];
  // Basic is what a list that is missing stands for.
  const isBasic = !Array.isArray(authentications) || authentications.includes('client_secret_basic');
  return {
    issuer,
    tokenEndpoint,
    clientAuthentication: isBasic ? 'basic' : 'post',
    ...(authorizationEndpoint === undefined ? {} : { authorizationEndpoint }),
    ...(deviceAuthorizationEndpoint === undefined ? {} : { deviceAuthorizationEndpoint }),
  };
}
