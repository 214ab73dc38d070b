/** Errors of OAuth 2.0 end points. */
import type { HttpResponse } from '../../core/http.ts';
import { asRefusal, jsonAnswer, ServiceRefusal } from '../http/service.ts';

/** The codes of RFC 6749 sections 4.1.2.1 and 5.2, and of RFC 8628 section 3.5. */
export type OauthCode =
  | 'access_denied'
  | 'authorization_pending'
  | 'expired_token'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_request'
  | 'invalid_scope'
  | 'slow_down'
  | 'unsupported_grant_type'
  | 'unsupported_response_type';

/** A refusal by an OAuth 2.0 end point. */
export class OauthError extends Error {
  readonly code: OauthCode;

  constructor(code: OauthCode, description: string) {
    super(description);
    this.code = code;
  }
}

/** Nothing of these end points may be kept by a cache (RFC 6749 section 5.1). */
export const unstored: Readonly<Record<string, string>> = { 'cache-control': 'no-store', pragma: 'no-cache' };

/** Any error as OAuth 2.0 writes it (RFC 6749 section 5.2). */
export function refuseOauth(error: unknown): HttpResponse {
  if (error instanceof OauthError) {
    const challenge = error.code === 'invalid_client' ? { 'www-authenticate': 'Basic realm="oauth2"' } : {};
    const status = error.code === 'invalid_client' ? 401 : 400;
    return jsonAnswer(
      status,
      { error: error.code, error_description: error.message },
      { ...unstored, ...challenge },
    );
  }
  const refusal = asRefusal(error) ?? new ServiceRefusal(500, 'internal error');
  const code = refusal.status < 500 ? 'invalid_request' : 'server_error';
  return jsonAnswer(
    refusal.status,
    { error: code, error_description: refusal.message },
    { ...unstored, ...refusal.headers },
  );
}
