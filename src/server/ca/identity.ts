/**
 * Who a token is about: the subject alternative name and the extensions of the certificate, by the type of the issuer.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/oidc.md}
 */

import { derUtf8 } from '../../core/der.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import type { GeneralName } from '../../formats/extensions.ts';
import {
  type FulcioExtensionName,
  type FulcioExtensions,
  usernameOid,
} from '../../formats/fulcio-extensions.ts';
import { type AcceptedIssuer, challengeClaimOf, type IssuerType } from './issuers.ts';
import { tokenRefused } from './json-web-signature.ts';

/** What a token entitles to. */
export interface Identity {
  /** The text that the proof of possession must be over. */
  readonly challenge: string;
  readonly subjectAltName: GeneralName;
  /** The subject alternative name as text, for logs and rate limits. */
  readonly name: string;
  readonly extensions: FulcioExtensions;
}

/** The claims of a verified token. */
export interface VerifiedClaims {
  readonly issuer: string;
  readonly claims: JsonObject;
}

type Reader = (
  token: VerifiedClaims,
  accepted: AcceptedIssuer,
) => Omit<Identity, 'challenge'> & {
  readonly challenge?: string;
};

const readers: Readonly<Record<IssuerType, Reader>> = {
  email: readEmail,
  uri: readUri,
  username: readUsername,
  spiffe: readSpiffe,
  kubernetes: readKubernetes,
  'ci-provider': readCiJob,
  'chainguard-identity': readChainguard,
};

/** Who a verified token is about. Throws `ERR_TOKEN_REFUSED` when its claims are not those of its issuer's type. */
export function identityOf(token: VerifiedClaims, accepted: AcceptedIssuer): Identity {
  const { type } = accepted.config;
  const identity = readers[type](token, accepted);
  const challenge = identity.challenge ?? claim(token.claims, challengeClaimOf(type));
  return { ...identity, challenge };
}

/** A claim that must be a text which is not empty. */
function claim(claims: JsonObject, name: string): string {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  if (typeof value !== 'string' || value === '') throw tokenRefused(`has no claim ${name}`);
  return value;
}

/** Issuer and, when there is one, the subject: what every certificate has. */
function commonExtensions(token: VerifiedClaims, issuer = token.issuer): FulcioExtensions {
  const { sub } = token.claims;
  return typeof sub === 'string' ? { issuer, subject: sub } : { issuer };
}

function uriIdentity(uri: string, extensions: FulcioExtensions): Omit<Identity, 'challenge'> {
  const value = uriText(uri);
  return { subjectAltName: { type: 'uri', value }, name: value, extensions };
}

const hexDigits = '0123456789ABCDEF';

/**
 * A URI as Go's `url.Parse` and `String` leave it: what may not stand in a URI is percent-encoded, and a percent sign
 * must begin an encoded byte. An alternative name has no other characters.
 */
function uriText(text: string): string {
  if (
    /%(?![0-9A-Fa-f]{2})/.test(text) ||
    /[\x00-\x1f\x7f]/.test(text) ||
    !/^[a-z][a-z0-9+.-]*:/i.test(text)
  ) {
    throw tokenRefused('is about a subject that is no URI');
  }
  return text.replace(/[^!#$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]+/g, (part) => {
    let encoded = '';
    for (const byte of Buffer.from(part)) encoded += `%${hexDigits[byte >> 4]}${hexDigits[byte & 15]}`;
    return encoded;
  });
}

/** An address, in the characters that a certificate can hold. */
const emailPattern = /^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$/;

function readEmail(
  token: VerifiedClaims,
  { config, issuerPath }: AcceptedIssuer,
): Omit<Identity, 'challenge'> {
  const email = claim(token.claims, 'email');
  const verified = token.claims['email_verified'];
  if (config.skipEmailVerification !== true && verified !== true && verified !== 'true') {
    throw tokenRefused('has an email address that is not verified');
  }
  if (!emailPattern.test(email)) throw tokenRefused('has an email address that is not valid');
  const issuer = issuerPath === undefined ? token.issuer : claimAt(token.claims, issuerPath);
  return {
    subjectAltName: { type: 'email', value: email },
    name: email,
    extensions: commonExtensions(token, issuer),
  };
}

/** The text that a path of members leads to. */
function claimAt(claims: JsonObject, path: readonly string[]): string {
  let value: Json | undefined = claims;
  for (const name of path)
    value = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  if (typeof value !== 'string' || value === '') throw tokenRefused('lacks the claim that names its issuer');
  return value;
}

function looksLikeEmail(text: string): boolean {
  return /^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(text);
}

function readUri(token: VerifiedClaims, { config }: AcceptedIssuer): Omit<Identity, 'challenge'> {
  const sub = claim(token.claims, 'sub');
  const domain = (config.subjectDomain ?? '').replace(/\/$/, '');
  const rest = sub.startsWith(domain) ? sub.slice(domain.length) : undefined;
  // Right after the host may come a port, path, query or fragment, and nothing that makes it another host.
  if (domain === '' || rest === undefined || !/^(?::\d{1,5})?(?:[/?#]|$)/.test(rest) || looksLikeEmail(sub)) {
    throw tokenRefused('has a subject that is not below the domain of its issuer');
  }
  return uriIdentity(sub, commonExtensions(token));
}

function readUsername(token: VerifiedClaims, { config }: AcceptedIssuer): Omit<Identity, 'challenge'> {
  const sub = claim(token.claims, 'sub');
  if (sub.includes('!') || looksLikeEmail(sub)) throw tokenRefused('has a subject that is no user name');
  const name = `${sub}!${config.subjectDomain ?? ''}`;
  return {
    subjectAltName: { type: 'other', oid: usernameOid, value: derUtf8(name) },
    name,
    extensions: commonExtensions(token),
  };
}

/** {@link https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity} */
function readSpiffe(token: VerifiedClaims, { config }: AcceptedIssuer): Omit<Identity, 'challenge'> {
  const sub = claim(token.claims, 'sub');
  const match = /^spiffe:\/\/([a-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)*)$/.exec(sub);
  const [, trustDomain, path = ''] = match ?? [];
  const hasDots = path.split('/').some((part) => part === '.' || part === '..');
  if (sub.length > 2_048 || hasDots || trustDomain === undefined) {
    throw tokenRefused('has a subject that is no SPIFFE id');
  }
  if (trustDomain !== config.spiffeTrustDomain) throw tokenRefused('is of another SPIFFE trust domain');
  return uriIdentity(sub, commonExtensions(token));
}

/** {@link https://kubernetes.io/docs/concepts/overview/working-with-objects/names/} */
const kubernetesName = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

function readKubernetes(token: VerifiedClaims): Omit<Identity, 'challenge'> {
  const namespace = claimAt(token.claims, ['kubernetes.io', 'namespace']);
  const account = claimAt(token.claims, ['kubernetes.io', 'serviceaccount', 'name']);
  if (!kubernetesName.test(namespace) || !kubernetesName.test(account)) {
    throw tokenRefused('has a malformed service account');
  }
  const uri = `https://kubernetes.io/namespaces/${namespace}/serviceaccounts/${account}`;
  return uriIdentity(uri, commonExtensions(token));
}

function readCiJob(token: VerifiedClaims, { ciProvider }: AcceptedIssuer): Omit<Identity, 'challenge'> {
  if (ciProvider === undefined) throw tokenRefused('is of a CI system that is not configured');
  const values = new Map(Object.entries(ciProvider.defaults));
  for (const [name, value] of Object.entries(token.claims)) {
    const text = templateText(value);
    if (text !== undefined) values.set(name, text);
  }
  const extensions: Partial<Record<FulcioExtensionName, string>> = {};
  for (const [name, template] of ciProvider.extensions) extensions[name] = template(values);
  const uri = ciProvider.subjectAlternativeName(values);
  return uriIdentity(uri, { ...extensions, ...commonExtensions(token) });
}

/** A claim as a template prints it; objects, lists and null have no text. */
function templateText(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  // Whole numbers in all their digits, as Go prints them, and never as powers of ten.
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value).toString() : String(value);
  return undefined;
}

function readChainguard(token: VerifiedClaims): Omit<Identity, 'challenge'> & { readonly challenge: string } {
  const sub = claim(token.claims, 'sub');
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(sub) || /[?#]/.test(sub)) throw tokenRefused('has a malformed subject');
  const { email, email_verified: verified } = token.claims;
  // What its clients sign: the address when there is one (cosign's SubjectFromToken), else the subject.
  const challenge =
    typeof email === 'string' && email !== '' && (verified === true || verified === 'true') ? email : sub;
  const uri = `${token.issuer.replace(/\/$/, '')}/${sub}`;
  return { ...uriIdentity(uri, commonExtensions(token)), challenge };
}
