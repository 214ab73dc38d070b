/**
 * The issuers of identity tokens that a certificate authority accepts, and how an `iss` finds its own.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/oidc.md}
 */
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { builtInCiProviders, type CiProvider, type ReadCiProvider, readCiProvider } from './ci-providers.ts';

/** What the tokens of an issuer say of their subject. */
export const issuerTypes = [
  'email',
  'uri',
  'username',
  'spiffe',
  'kubernetes',
  'ci-provider',
  'chainguard-identity',
] as const;

/** One of {@link issuerTypes}. */
export type IssuerType = (typeof issuerTypes)[number];

/** An issuer of identity tokens. */
export interface IssuerConfig {
  /** The exact `iss` of its tokens; of a meta-issuer a pattern, in which `*` stands for `[-_a-zA-Z0-9]+`. */
  readonly url: string;
  readonly type: IssuerType;
  /** What `aud` of its tokens must contain. */
  readonly audience: string;
  /** Which CI system's templates are used, when the type is `ci-provider`. */
  readonly ciProvider?: string | undefined;
  /** JSONPath of the claim that is the issuer in the certificate; for the type `email`. */
  readonly issuerClaim?: string | undefined;
  /** `https://example.com` for the type `uri`, `example.com` for `username`. */
  readonly subjectDomain?: string | undefined;
  readonly spiffeTrustDomain?: string | undefined;
  readonly skipEmailVerification?: boolean | undefined;
}

/** Every issuer that is accepted. The configuration of a private Sigstore is one, and so is that of Fulcio. */
export interface CaIssuers {
  readonly issuers: readonly IssuerConfig[];
  readonly metaIssuers: readonly IssuerConfig[];
  /** Beside and before the built-in ones. */
  readonly ciProviders: Readonly<Record<string, CiProvider>>;
}

/** An issuer by which a token was found, with everything of its configuration read. */
export interface AcceptedIssuer {
  readonly config: IssuerConfig;
  /** Members that lead to the claim of `issuerClaim`. */
  readonly issuerPath: readonly string[] | undefined;
  readonly ciProvider: ReadCiProvider | undefined;
}

/** Finds the issuer that may have issued a token with this `iss`; only such URLs are ever asked for anything. */
export interface IssuerTable {
  find(iss: string): AcceptedIssuer | undefined;
}

/** What {@link createIssuerTable} may be told. */
export interface IssuerTableOptions {
  /** Whether issuers that are not on this machine may be plain http. */
  readonly allowHttp?: boolean | undefined;
}

/** Reads a configuration. Throws `ERR_SERVER_CONFIG` for the first thing that does not fit together. */
export function createIssuerTable(config: CaIssuers, options: IssuerTableOptions = {}): IssuerTable {
  const exact = new Map<string, AcceptedIssuer>();
  for (const issuer of config.issuers) {
    checkIssuerUrl(issuer.url, options.allowHttp === true);
    if (exact.has(issuer.url)) throw misfit(issuer, 'is given twice');
    exact.set(issuer.url, readIssuer(issuer, config, true));
  }
  const patterns = config.metaIssuers.map((issuer) => {
    checkPattern(issuer);
    return { pattern: patternOf(issuer.url), accepted: readIssuer(issuer, config, false) };
  });
  return {
    find(iss) {
      if (iss.length > limits.issuerUrlLength) return undefined;
      return exact.get(iss) ?? patterns.find(({ pattern }) => pattern.test(iss))?.accepted;
    },
  };
}

function misfit(issuer: Pick<IssuerConfig, 'url'>, why: string): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', `issuer ${issuer.url} ${why}`);
}

/** The pattern of a meta-issuer, anchored: `*` is a part of a name or path, and never a dot, slash, colon or at-sign. */
export function patternOf(url: string): RegExp {
  const quoted = url.replace(/[\\^$.|?+()[\]{}]/g, '\\$&');
  return new RegExp(`^${quoted.replaceAll('*', '[-_a-zA-Z0-9]+')}$`);
}

/** The claim that proof of possession is over. */
export function challengeClaimOf(type: IssuerType): 'email' | 'sub' {
  return type === 'email' ? 'email' : 'sub';
}

function checkIssuerUrl(text: string, allowHttp: boolean): void {
  const refuse = (why: string): BoltsealError => misfit({ url: text }, why);
  if (!URL.canParse(text) || text.length > limits.issuerUrlLength) throw refuse('is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('must be https');
  if (url.protocol === 'http:' && !allowHttp && !isLoopback(url.hostname)) {
    throw refuse('is plain http to another machine');
  }
  if (url.username !== '' || url.password !== '') throw refuse('must not hold credentials');
  if (/[?#\s\\]/.test(text)) throw refuse('must have no query and no fragment');
}

/** Whether a host, as URLs write it, is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** A pattern must fix scheme, end of the host, and that there is nothing but host and path. */
function checkPattern(issuer: IssuerConfig): void {
  const match = /^https:\/\/([^/?#\s\\@]+)((?:\/[^?#\s\\@]*)?)$/.exec(issuer.url);
  if (match === null) throw misfit(issuer, 'must be https:// with a host and a path, and nothing else');
  const [, authority = ''] = match;
  if (!issuer.url.includes('*')) throw misfit(issuer, 'must have a *');
  const [host = '', port, ...more] = authority.split(':');
  if (more.length > 0 || (port !== undefined && !/^\d+$/.test(port)))
    throw misfit(issuer, 'has no fixed port');
  if (!URL.canParse(`https://${host.replaceAll('*', 'x')}`)) throw misfit(issuer, 'has no usable host');
  if (host.split('.').at(-1)?.includes('*') !== false) throw misfit(issuer, 'must fix the end of its host');
}

function readIssuer(issuer: IssuerConfig, config: CaIssuers, isExact: boolean): AcceptedIssuer {
  if (issuer.audience === '') throw misfit(issuer, 'has no audience');
  if (issuer.issuerClaim !== undefined && issuer.type !== 'email') {
    throw misfit(issuer, 'has an issuer claim, which only the type email can have');
  }
  const providers = { ...builtInCiProviders, ...config.ciProviders };
  let ciProvider: ReadCiProvider | undefined;
  if (issuer.type === 'ci-provider') {
    const name = issuer.ciProvider ?? '';
    const provider = Object.hasOwn(providers, name) ? providers[name] : undefined;
    if (provider === undefined) throw misfit(issuer, `names no CI provider that is known: ${name}`);
    ciProvider = readCiProvider(name, provider);
  } else if (issuer.type === 'spiffe') {
    if (!isExact) throw misfit(issuer, 'is a pattern, which the type spiffe cannot have');
    if (!isTrustDomain(issuer.spiffeTrustDomain ?? ''))
      throw misfit(issuer, 'has no valid SPIFFE trust domain');
  } else if (issuer.type === 'uri' || issuer.type === 'username') checkSubjectDomain(issuer);
  const { issuerClaim } = issuer;
  const issuerPath = issuerClaim === undefined ? undefined : parseJsonPath(issuerClaim, issuer);
  return { config: issuer, issuerPath, ciProvider };
}

/** {@link https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#21-trust-domain} */
export function isTrustDomain(text: string): boolean {
  return /^[a-z0-9._-]{1,255}$/.test(text);
}

/** The subject's domain must be the issuer's, or a neighbour below the same two last labels. */
function checkSubjectDomain(issuer: IssuerConfig): void {
  const { type, subjectDomain = '' } = issuer;
  const domain =
    type === 'uri'
      ? /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<host>[^/?#\s\\@:]+)\/?$/i.exec(subjectDomain)?.groups
      : /^(?<host>[^/?#\s\\@:!]+)$/.exec(subjectDomain)?.groups;
  if (domain === undefined) {
    const form = type === 'uri' ? 'https://example.com' : 'example.com';
    throw misfit(issuer, `needs a subject domain such as ${form}`);
  }
  const { protocol, hostname } = new URL(issuer.url.replaceAll('*', 'x'));
  if (domain['scheme'] !== undefined && `${domain['scheme']}:` !== protocol) {
    throw misfit(issuer, 'has another scheme than its subject domain');
  }
  const host = domain['host'] ?? '';
  if (host === hostname) return;
  const ends = [host, hostname].map((name) => name.split('.').slice(-2));
  if (ends.some((end) => end.length < 2) || ends[0]?.join('.') !== ends[1]?.join('.')) {
    throw misfit(issuer, 'has a subject domain that is not of its own domain');
  }
}

/** `$.a.b` or `$['a'].b`: members of objects, one after another. */
function parseJsonPath(path: string, issuer: IssuerConfig): readonly string[] {
  const members: string[] = [];
  let rest = path.startsWith('$') ? path.slice(1) : '';
  while (rest !== '') {
    const match = /^(?:\.([^.[\]*\s'"]+)|\['([^'\\]+)'\]|\["([^"\\]+)"\])/.exec(rest);
    if (match === null) break;
    members.push(match[1] ?? match[2] ?? match[3] ?? '');
    rest = rest.slice(match[0].length);
  }
  if (members.length === 0 || rest !== '') throw misfit(issuer, 'has an issuer claim that is not like $.a.b');
  return members;
}
