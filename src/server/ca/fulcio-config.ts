/**
 * Reads the configuration of Sigstore's own certificate authority, so that an instance of it can be replaced. YAML
 * writes the names with dashes, JSON in capitals; both mean the same.
 * {@link https://github.com/sigstore/fulcio/blob/main/config/identity/config.yaml}
 */
import { parse } from 'yaml';
import { BoltsealError } from '../../core/errors.ts';
import type { CiProvider } from './ci-providers.ts';
import { type CaIssuers, type IssuerConfig, type IssuerType, issuerTypes } from './issuers.ts';

/** An issuer of Fulcio's configuration. */
export interface FulcioIssuer extends IssuerConfig {
  /** PEM of the authorities that its certificate is checked with. */
  readonly caCertificate: string | undefined;
}

/** What {@link readFulcioConfig} finds. */
export interface FulcioConfig extends CaIssuers {
  readonly issuers: readonly FulcioIssuer[];
  readonly metaIssuers: readonly FulcioIssuer[];
}

type Members = Readonly<Record<string, unknown>>;

/** Members of an issuer: as YAML writes it, as JSON does. What is not used is known all the same. */
const issuerNames = {
  url: ['issuer-url', 'IssuerURL'],
  audience: ['client-id', 'ClientID'],
  type: ['type', 'Type'],
  ciProvider: ['ci-provider', 'CIProvider'],
  issuerClaim: ['issuer-claim', 'IssuerClaim'],
  subjectDomain: ['subject-domain', 'SubjectDomain'],
  spiffeTrustDomain: ['spiffe-trust-domain', 'SPIFFETrustDomain'],
  challengeClaim: ['challenge-claim', 'ChallengeClaim'],
  caCertificate: ['ca-cert', 'CACert'],
  skipEmailVerification: ['skip-email-verification', 'SkipEmailVerification'],
  description: ['description', 'Description'],
  contact: ['contact', 'Contact'],
  environment: ['environment', 'Environment'],
} as const;

/** Types of old that are CI systems by now. */
const deprecatedTypes: ReadonlySet<string> = new Set([
  'github-workflow',
  'gitlab-pipeline',
  'buildkite-job',
  'codefresh-workflow',
]);

/**
 * Reads the text of a configuration, YAML or JSON. Throws `ERR_SERVER_CONFIG` naming what is wrong.
 */
export function parseFulcioConfig(text: string): FulcioConfig {
  let document: unknown;
  try {
    // Fulcio's own file has aliases as keys, with the colon right behind: Go reads that, the letter of YAML does not.
    const readable = text.replace(/^([ \t]*\*[-\w]+):/gm, '$1 :');
    document = parse(readable, { prettyErrors: false, logLevel: 'error', maxAliasCount: 1_000 });
  } catch (cause) {
    throw wrong('the text', 'is neither YAML nor JSON', cause);
  }
  return readFulcioConfig(document);
}

/**
 * Reads a document that was parsed from YAML or JSON already. Throws `ERR_SERVER_CONFIG` naming what is wrong; how
 * issuers fit together is judged by `createIssuerTable`.
 */
export function readFulcioConfig(document: unknown): FulcioConfig {
  const top = members(document, 'the configuration');
  const issuersOf = (names: readonly [string, string], isMeta: boolean): FulcioIssuer[] =>
    Object.entries(members(take(top, names) ?? {}, names[0])).map(([key, value]) =>
      readIssuer(key, members(value, `${names[0]}.${key}`), isMeta),
    );
  const metadata = members(take(top, ['ci-issuer-metadata', 'CIIssuerMetadata']) ?? {}, 'ci-issuer-metadata');
  const ciProviders = Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [name, readProvider(name, value)]),
  );
  return {
    issuers: issuersOf(['oidc-issuers', 'OIDCIssuers'], false),
    metaIssuers: issuersOf(['meta-issuers', 'MetaIssuers'], true),
    ciProviders,
  };
}

function wrong(what: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_SERVER_CONFIG', `${what} of the Fulcio configuration ${why}`, { cause });
}

function members(value: unknown, what: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw wrong(what, 'is not an object');
}

function take(from: Members, names: readonly string[]): unknown {
  for (const name of names) if (Object.hasOwn(from, name)) return from[name];
  return undefined;
}

function readIssuer(key: string, from: Members, isMeta: boolean): FulcioIssuer {
  const what = `issuer ${key}`;
  const known: readonly string[] = Object.values(issuerNames).flat();
  for (const name of Object.keys(from))
    if (!known.includes(name)) throw wrong(what, `has an unknown member ${name}`);
  const text = (name: keyof typeof issuerNames): string | undefined => {
    const value = take(from, issuerNames[name]);
    if (value === undefined || value === '') return undefined;
    if (typeof value !== 'string')
      throw wrong(what, `has a member ${issuerNames[name][0]} that is not a text`);
    return value;
  };
  const url = isMeta ? key : (text('url') ?? key);
  if (!isMeta && url !== key) throw wrong(what, 'has another issuer-url than its name');
  const given = text('type') ?? '';
  const type = deprecatedTypes.has(given) ? 'ci-provider' : (given as IssuerType);
  if (!issuerTypes.includes(type)) throw wrong(what, `has an unknown type ${given}`);
  const challenge = text('challengeClaim');
  if (challenge !== undefined && challenge !== (type === 'email' ? 'email' : 'sub')) {
    throw wrong(what, `has a challenge claim that its type does not`);
  }
  const skip = take(from, issuerNames.skipEmailVerification) ?? false;
  if (typeof skip !== 'boolean')
    throw wrong(what, 'has a member skip-email-verification that is not true or false');
  return {
    url,
    type,
    audience: text('audience') ?? '',
    ciProvider: deprecatedTypes.has(given) ? given : text('ciProvider'),
    issuerClaim: text('issuerClaim'),
    subjectDomain: text('subjectDomain'),
    spiffeTrustDomain: text('spiffeTrustDomain'),
    skipEmailVerification: skip,
    caCertificate: text('caCertificate'),
  };
}

function readProvider(name: string, value: unknown): CiProvider {
  const what = `CI provider ${name}`;
  const from = members(value, what);
  const texts = (names: readonly string[]): Record<string, string> => {
    const entries = Object.entries(members(take(from, names) ?? {}, what));
    return Object.fromEntries(
      entries.map(([key, text]) => {
        if (typeof text !== 'string') throw wrong(what, `has a value ${key} that is not a text`);
        return [key, text];
      }),
    );
  };
  const subject = take(from, ['subject-alternative-name-template', 'SubjectAlternativeNameTemplate']);
  if (typeof subject !== 'string') throw wrong(what, 'has no subject-alternative-name-template');
  const extensions = texts(['extension-templates', 'ExtensionTemplates']);
  return {
    defaults: texts(['default-template-values', 'DefaultTemplateValues']),
    extensions: Object.fromEntries(
      Object.entries(extensions).map(([extension, template]) => [extensionName(extension), template]),
    ),
    subjectAlternativeName: subject,
  };
}

/** JSON names extensions as Go's fields: `BuildSignerURI` is `build-signer-uri`. */
function extensionName(name: string): string {
  if (name.includes('-') || name === name.toLowerCase()) return name;
  return name
    .replace(/^GitHub/, 'Github')
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase();
}
