/** Identity tokens as a client sees them: decoded and never verified, which is for the certificate authority to do. */
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';

/** An identity token, decoded. What it says is a claim until a certificate authority has verified it. */
export interface IdentityToken {
  /** The token itself: a secret. It is not enumerable, so that no JSON, log, inspection or copy of this holds it. */
  readonly token: string;
  /** The issuer (`iss`), as the token spells it. */
  readonly issuer: string;
  /** What the proof of possession signs. */
  readonly subject: string;
  /** Which claim {@link subject} is. */
  readonly subjectKind: 'email' | 'sub';
  /** When it expires (`exp`). */
  readonly expires: Date;
  /** Whom it is for (`aud`). */
  readonly audience: readonly string[];
  /** Every claim. */
  readonly claims: JsonObject;
}

/** What {@link parseIdentityToken} compares a token with. */
export interface ParseIdentityTokenOptions {
  readonly now: Date;
  /** The token must be for one of these; for anyone unless told. */
  readonly audience?: string | readonly string[] | undefined;
  /** What is parsed, for errors; `the identity token` unless told. */
  readonly what?: string | undefined;
}

/** Clocks differ: certificate authorities accept a token this long before its `nbf`. */
const leeway = 300_000;

/** Claims that only tokens of workloads have; Fulcio compares the proof of possession of these with `sub` alone. */
const workloadClaims = [
  'job_workflow_ref',
  'ci_config_ref_uri',
  'pipeline_slug',
  'oidc.circleci.com/project-id',
  'kubernetes.io',
];

/**
 * Decodes a JSON Web Token. White space around it is not part of it. Its subject is its `email` when the issuer says
 * that it is verified (`email_verified` true, or the text `true`), else its `sub`: what Fulcio compares the proof of
 * possession with. The token of a CI system or of SPIFFE is about its `sub` even when it holds an address: cosign signs
 * the address, which Fulcio refuses. Throws `ERR_IDENTITY_TOKEN` for anything else than a signed token with `iss`, `sub`
 * and `exp` that is valid now and for the audience; no error holds a part of the token.
 * {@link https://www.rfc-editor.org/rfc/rfc7519#section-4.1}
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/how-certificate-issuing-works.md}
 */
export function parseIdentityToken(text: string, options: ParseIdentityTokenOptions): IdentityToken {
  const { now, audience: wanted, what = 'the identity token' } = options;
  const token = text.trim();
  const claims = decode(token, what);
  const issuer = readName(claims['iss'], 'iss', what);
  const { subject, subjectKind } = subjectOf(claims, what);
  const expires = readTime(claims['exp'], 'exp', what);
  const audience = readAudience(claims['aud'], what);
  requireValidNow(claims, expires, now, what);
  requireAudience(audience, wanted, what);
  const parsed = { issuer, subject, subjectKind, expires, audience, claims };
  return Object.defineProperty({ ...parsed, token: '' }, 'token', { value: token, enumerable: false });
}

/** Whether `text` is written like a JSON Web Token, and is no name of a file. */
export function looksLikeToken(text: string): boolean {
  const [header = '', ...others] = text.trim().split('.', 6);
  return others.length > 0 && Buffer.from(header, 'base64url').toString().trimStart().startsWith('{');
}

/** Milliseconds until `token` expires; not more than 0 when it has. */
export function timeLeft(token: IdentityToken, now: Date): number {
  return token.expires.getTime() - now.getTime();
}

function unusable(what: string, problem: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_IDENTITY_TOKEN', `${what} ${problem}`, { hint });
}

/** The claims of a compact JWS (RFC 7515 section 3.1). */
function decode(token: string, what: string): JsonObject {
  if (token === '')
    throw unusable(what, 'is empty', 'Is a variable used for it unset, or a secret not available here?');
  if (token.length > limits.identityTokenBytes) {
    throw unusable(what, `has ${token.length} characters; the limit is ${limits.identityTokenBytes}`);
  }
  const parts = token.split('.');
  if (parts.length === 5) throw unusable(what, 'is encrypted (JWE); a signed token (JWS) is needed');
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    const hint = 'A token is three parts of base64url joined by points, and starts with eyJ.';
    throw unusable(what, `is not a JSON Web Token: it has ${parts.length} parts and not 3`, hint);
  }
  const algorithm = readObject(header, 'header', what)['alg'];
  if (typeof algorithm !== 'string' || /^none$/i.test(algorithm) || signature === '') {
    throw unusable(what, 'is not signed');
  }
  fromBase64url(signature, 'signature', what);
  return readObject(payload, 'payload', what);
}

function readObject(part: string, name: string, what: string): JsonObject {
  const bytes = fromBase64url(part, name, what);
  try {
    const value = parseJson(bytes, { what: name, maxBytes: limits.identityTokenBytes });
    if (isJsonObject(value)) return value;
  } catch (error) {
    // What the parser says may repeat names that stand in the token.
    if (!isBoltsealError(error)) throw error;
  }
  throw unusable(what, `is malformed: the ${name} is not a JSON object with each name once`);
}

/** Strict: no padding, no other alphabet, no stray bits (RFC 7515 section 2). */
function fromBase64url(text: string, name: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64url');
  if (text === '' || bytes.toString('base64url') !== text) {
    throw unusable(what, `is malformed: the ${name} is not base64url`);
  }
  return bytes;
}

/** A text that is shown and compared: not empty, of a sensible length, without control characters. */
function readName(value: unknown, name: string, what: string): string {
  if (typeof value !== 'string' || value === '') throw unusable(what, `has no ${name}`);
  if (value.length > limits.issuerUrlLength) throw unusable(what, `has a ${name} that is too long`);
  if (/[\0-\x1f\x7f-\x9f]/.test(value)) throw unusable(what, `has control characters in its ${name}`);
  return value;
}

function subjectOf(claims: JsonObject, what: string): Pick<IdentityToken, 'subject' | 'subjectKind'> {
  const { sub, email, email_verified: verified } = claims;
  const isVerified = verified === true || verified === 'true';
  if (typeof email === 'string' && email !== '' && !isVerified && (typeof sub !== 'string' || sub === '')) {
    throw unusable(
      what,
      'has an email address that its issuer has not verified, and no sub',
      'Verify the address with the issuer, then ask for a new token.',
    );
  }
  const subject = readName(sub, 'sub', what);
  const isWorkload =
    subject.startsWith('spiffe://') || workloadClaims.some((name) => Object.hasOwn(claims, name));
  if (email === undefined || email === '' || !isVerified || isWorkload)
    return { subject, subjectKind: 'sub' };
  return { subject: readName(email, 'email', what), subjectKind: 'email' };
}

/** A NumericDate: seconds since 1970, with or without a fraction (RFC 7519 section 2). */
function readTime(value: unknown, name: string, what: string): Date {
  if (value === undefined) throw unusable(what, `has no ${name}`);
  const time = typeof value === 'number' && value > 0 ? new Date(value * 1_000) : undefined;
  if (time === undefined || Number.isNaN(time.getTime()))
    throw unusable(what, `has an ${name} that is no time`);
  return time;
}

function readAudience(value: unknown, what: string): readonly string[] {
  const list = value === undefined ? [] : [value].flat();
  if (list.every((one): one is string => typeof one === 'string')) return list;
  throw unusable(what, 'has an aud that is neither text nor a list of texts');
}

function requireValidNow(claims: JsonObject, expires: Date, now: Date, what: string): void {
  const time = now.getTime();
  if (expires.getTime() <= time) {
    throw unusable(
      what,
      `expired ${duration(time - expires.getTime())} ago, at ${expires.toISOString()}`,
      `Get a new one right before signing. If it is new, the clock of this machine (${now.toISOString()}) is fast.`,
    );
  }
  const begins = claims['nbf'] === undefined ? undefined : readTime(claims['nbf'], 'nbf', what);
  if (begins === undefined || begins.getTime() <= time + leeway) return;
  throw unusable(
    what,
    `is not valid before ${begins.toISOString()}, ${duration(begins.getTime() - time)} from now`,
    `Is the clock of this machine (${now.toISOString()}) slow?`,
  );
}

function requireAudience(
  audience: readonly string[],
  wanted: ParseIdentityTokenOptions['audience'],
  what: string,
): void {
  if (wanted === undefined) return;
  const accepted = [wanted].flat();
  if (audience.some((one) => accepted.includes(one))) return;
  const found =
    audience.length === 0 ? 'nobody' : audience.map((one) => JSON.stringify(one.slice(0, 80))).join(', ');
  throw unusable(
    what,
    `is for ${found}, and must be for ${accepted.map((one) => JSON.stringify(one)).join(' or ')} (aud)`,
    `Ask the issuer for a token with the audience ${accepted[0]}. A certificate authority that expects another: --oidc-client-id.`,
  );
}

/** `90 seconds`, `5 minutes`, `3 hours`, `12 days`. */
function duration(milliseconds: number): string {
  const units = [
    [86_400_000, 'days'],
    [3_600_000, 'hours'],
    [60_000, 'minutes'],
  ] as const;
  const [size, name] = units.find(([length]) => milliseconds >= 2 * length) ?? [1_000, 'seconds'];
  return `${Math.max(1, Math.round(milliseconds / size))} ${name}`;
}
