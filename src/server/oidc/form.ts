/** Parameters of OAuth 2.0 requests. */
import { createHash } from 'node:crypto';
import { fromUtf8 } from '../../core/encoding.ts';
import { ServiceRefusal, type ServiceRequest } from '../http/service.ts';
import { OauthError } from './oauth-error.ts';

/** Parameters by name. */
export interface Parameters {
  /** Undefined when it is absent or empty (RFC 6749 section 3.1). */
  get(name: string): string | undefined;
  /** Throws `invalid_request`. */
  need(name: string): string;
}

/** Parameters of a query or form. Throws `invalid_request` when one is repeated. */
export function readParameters(from: URLSearchParams): Parameters {
  const seen = new Map<string, string>();
  for (const [name, value] of from) {
    if (seen.has(name)) throw new OauthError('invalid_request', `${name.slice(0, 40)} is given twice`);
    seen.set(name, value);
  }
  const get = (name: string): string | undefined => {
    const value = seen.get(name);
    return value === '' ? undefined : value;
  };
  return {
    get,
    need(name) {
      const value = get(name);
      if (value !== undefined) return value;
      throw new OauthError('invalid_request', `${name} is missing`);
    },
  };
}

/** Parameters of a form that was posted. Throws `invalid_request` when it is something else. */
export function readForm({ headers, body }: ServiceRequest): Parameters {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    throw new ServiceRefusal(415, 'the content type must be application/x-www-form-urlencoded');
  }
  return readParameters(new URLSearchParams(fromUtf8(body, 'the form')));
}

/** Throws 403 when a page of another origin sent the request (Fetch standard, section 3.1). */
export function refuseOtherOrigins({ headers }: ServiceRequest): void {
  const origin = headers.get('origin');
  if (
    origin === null ||
    origin === `http://${headers.get('host')}` ||
    origin === `https://${headers.get('host')}`
  )
    return;
  throw new ServiceRefusal(403, 'the request comes from a page of another origin');
}

/** A code challenge by which only whoever began a flow can end it (RFC 7636). */
export function readChallenge(parameters: Parameters, isNeeded: boolean): string | undefined {
  const challenge = parameters.get('code_challenge');
  if (challenge === undefined) {
    if (!isNeeded) return undefined;
    throw new OauthError('invalid_request', 'code_challenge is missing: PKCE is required');
  }
  if (parameters.get('code_challenge_method') !== 'S256') {
    throw new OauthError('invalid_request', 'code_challenge_method must be S256');
  }
  if (/^[A-Za-z0-9_-]{43}$/.test(challenge)) return challenge;
  throw new OauthError('invalid_request', 'code_challenge is not a SHA-256 in base64url');
}

/** Throws `invalid_grant` unless `verifier` is that of `challenge`. */
export function checkVerifier(challenge: string | undefined, verifier: string | undefined): void {
  if (challenge === undefined && verifier === undefined) return;
  const hash = verifier === undefined ? undefined : createHash('sha256').update(verifier).digest('base64url');
  if (hash !== challenge) throw new OauthError('invalid_grant', 'code_verifier is missing or wrong');
}
