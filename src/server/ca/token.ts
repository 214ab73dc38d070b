/**
 * Verifies identity tokens: the issuer is one that is configured, the signature is by one of its keys, and the token is
 * for this authority and for now.
 * {@link https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation}
 */
import type { JsonObject } from '../../core/json.ts';
import type { Fetch, Runtime } from '../../core/runtime.ts';
import type { Identity } from './identity.ts';
import { identityOf } from './identity.ts';
import type { IssuerKeySource } from './issuer-keys.ts';
import type { AcceptedIssuer, IssuerConfig, IssuerTable } from './issuers.ts';
import { parseToken, tokenRefused, verifiesWithKeys } from './json-web-signature.ts';

/** How far the clocks of issuers may be ahead, in seconds: Fulcio's leeway for `nbf`. `exp` has none. */
const notBeforeLeeway = 300;

/** What {@link verifyToken} needs. */
export interface TokenVerifier {
  readonly runtime: Pick<Runtime, 'now'>;
  readonly issuers: IssuerTable;
  readonly keys: IssuerKeySource;
  /** The client by which an issuer is asked. */
  readonly fetchFor: (issuer: IssuerConfig) => Fetch;
}

/** A token that was verified. */
export interface VerifiedToken {
  /** Its `iss`. */
  readonly issuer: string;
  readonly identity: Identity;
}

/**
 * Verifies `token`. Throws `ERR_TOKEN_REFUSED`, `ERR_SERVICE_NETWORK` and `ERR_SERVICE_RESPONSE` when its issuer's keys
 * cannot be had, and `ERR_SERVER_BUSY`.
 */
export async function verifyToken(token: string, verifier: TokenVerifier): Promise<VerifiedToken> {
  const parsed = parseToken(token);
  const { iss } = parsed.claims;
  if (typeof iss !== 'string') throw tokenRefused('has no issuer');
  const accepted = verifier.issuers.find(iss);
  if (accepted === undefined) throw tokenRefused('is by an issuer that is not accepted');
  // What costs nothing comes before what asks somebody.
  checkClaims(parsed.claims, accepted, verifier.runtime.now());

  const issuer = { url: iss, fetch: verifier.fetchFor(accepted.config) };
  const known = await verifier.keys.get(issuer);
  if (!known.algorithms.includes(parsed.algorithm) || !verifiesWithKeys(parsed, known.keys)) {
    const newer = await verifier.keys.refresh(issuer, known);
    if (
      newer === undefined ||
      !newer.algorithms.includes(parsed.algorithm) ||
      !verifiesWithKeys(parsed, newer.keys)
    ) {
      throw tokenRefused('is not signed by its issuer');
    }
  }
  return { issuer: iss, identity: identityOf({ issuer: iss, claims: parsed.claims }, accepted) };
}

function checkClaims(claims: JsonObject, accepted: AcceptedIssuer, now: Date): void {
  const { aud, exp, nbf } = claims;
  const seconds = now.getTime() / 1_000;
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(accepted.config.audience)) throw tokenRefused('is for another audience');
  if (typeof exp !== 'number') throw tokenRefused('has no time of expiry');
  if (seconds >= exp) throw tokenRefused('is expired');
  if (nbf !== undefined && (typeof nbf !== 'number' || seconds + notBeforeLeeway < nbf)) {
    throw tokenRefused('is not valid yet');
  }
}
