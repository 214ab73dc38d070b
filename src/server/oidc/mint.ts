/** The end point that `boltseal token` asks. */
import { isBoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { jsonAnswer, type Route, ServiceRefusal, type ServiceRequest } from '../http/service.ts';
import { OauthError, unstored } from './oauth-error.ts';
import { isEmail, type MintToken, type TokenRequest } from './tokens.ts';

/** Its path below the issuer. */
export const mintPath: string = '/oauth2/mint';

/** The longest lifetime that can be asked for, in milliseconds. */
const longestLifetime = 86_400_000;

/** `POST` {@link mintPath}: a {@link TokenRequest} in JSON, answered with `{"token"}`. */
export function mintRoute(mint: MintToken): Route {
  return {
    method: 'POST',
    path: mintPath,
    name: 'mint',
    bodyBytes: limits.oidcFormBytes,
    async answer(request) {
      const wanted = readRequest(request);
      try {
        return jsonAnswer(200, { token: await mint(wanted) }, unstored);
      } catch (error) {
        throw isBoltsealError(error, 'ERR_USAGE') ? invalid(error.message) : error;
      }
    },
  };
}

function invalid(description: string): OauthError {
  return new OauthError('invalid_request', description);
}

function readRequest({ headers, body }: ServiceRequest): TokenRequest {
  // A program sends no origin. A page does, also one whose own name was made to lead here.
  if (headers.get('origin') !== null) throw new ServiceRefusal(403, 'pages cannot ask for tokens');
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new ServiceRefusal(415, 'the content type must be application/json');
  const given = parse(body);
  if (!isJsonObject(given)) throw invalid('the request is not an object');
  const { email, subject, audience, claims, expiresIn, ...others } = given;
  if (Object.keys(others).length > 0) throw invalid('the request has a member that is not known');
  if (email !== undefined && (typeof email !== 'string' || !isEmail(email)))
    throw invalid('email is not one');
  if (claims !== undefined && !isJsonObject(claims)) throw invalid('claims is not an object');
  return {
    email,
    subject: readText(subject, 'subject'),
    audience: readText(audience, 'audience'),
    claims,
    expiresIn: readLifetime(expiresIn),
  };
}

function parse(body: Uint8Array): Json {
  try {
    return parseJson(body, { what: 'the request', maxBytes: limits.oidcFormBytes });
  } catch {
    throw invalid('the request is not JSON');
  }
}

function readText(value: Json | undefined, name: string): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw invalid(`${name} is not text`);
}

function readLifetime(value: Json | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= 1_000 && value <= longestLifetime) return value;
  throw invalid(`expiresIn is not from 1000 to ${longestLifetime} milliseconds`);
}
