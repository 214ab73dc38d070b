/** Who a certificate was issued to, and who it must have been issued to. */
import { derTags, parseDer } from '../core/der.ts';
import { fromUtf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Certificate } from '../formats/certificate.ts';
import type { GeneralName } from '../formats/extensions.ts';
import {
  type FulcioExtensionName,
  type FulcioExtensions,
  parseFulcioExtensions,
  usernameOid,
} from '../formats/fulcio-extensions.ts';
import { openPattern } from './pattern.ts';

/** The identity in a certificate of Fulcio. */
export interface CertificateIdentity {
  /** The one subject alternative name: an email address, a URI, or a user name (`name!domain`). */
  readonly subject: string;
  readonly subjectType: 'email' | 'uri' | 'username' | 'dns';
  /** The issuer of the identity token; empty when the certificate, which then is not Fulcio's, names none. */
  readonly issuer: string;
  /** Everything else that Fulcio wrote about it. */
  readonly extensions: FulcioExtensions;
}

/**
 * What a text must be: exactly `value`, or matched as a whole by `pattern`, a regular expression of RE2 that must be
 * anchored at both ends (`^…$`).
 */
export type TextRequirement =
  | { readonly kind: 'exact'; readonly value: string }
  | { readonly kind: 'pattern'; readonly pattern: string };

/** Who must have signed: all of it must hold. */
export interface IdentityRequirement {
  readonly subject: TextRequirement;
  readonly issuer: TextRequirement;
  /** Exact values of extensions, such as `github-workflow-repository`. */
  readonly extensions?: Readonly<Partial<Record<FulcioExtensionName, string>>>;
}

/** One field of a requirement beside what the certificate says. */
export interface IdentityComparison {
  /** `subject`, `issuer`, or the name of an extension. */
  readonly field: 'subject' | 'issuer' | FulcioExtensionName;
  /** The value, or the pattern. */
  readonly expected: string;
  /** Undefined when the certificate does not say. */
  readonly found: string | undefined;
  readonly matches: boolean;
}

/** `ERR_VERIFY_IDENTITY`, with every field of the requirement that came nearest. */
export class IdentityMismatchError extends BoltsealError {
  readonly comparisons: readonly IdentityComparison[];

  constructor(message: string, comparisons: readonly IdentityComparison[], hint?: string) {
    super('ERR_VERIFY_IDENTITY', message, {
      hint,
      details: { mismatches: comparisons.filter(({ matches }) => !matches).map(({ field }) => field) },
    });
    this.comparisons = comparisons;
  }
}

/**
 * The identity in a certificate: its one subject alternative name, and what Fulcio's extensions say. Throws
 * `ERR_VERIFY_CERTIFICATE` when it has not exactly one name, or one of another kind, and `ERR_CERTIFICATE_INVALID` when
 * an extension is malformed.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md}
 */
export function identityOf(certificate: Certificate): CertificateIdentity {
  const [name, ...others] = certificate.subjectAltName;
  if (name === undefined || others.length > 0) {
    const count = certificate.subjectAltName.length;
    throw new BoltsealError('ERR_VERIFY_CERTIFICATE', `the certificate names ${count} subjects, not one`);
  }
  const { issuer = '', ...extensions } = parseFulcioExtensions(certificate);
  return { ...subjectOf(name), issuer, extensions };
}

function subjectOf(name: GeneralName): Pick<CertificateIdentity, 'subject' | 'subjectType'> {
  if (name.type === 'email' || name.type === 'uri' || name.type === 'dns') {
    return { subject: name.value, subjectType: name.type };
  }
  if (name.type === 'other' && name.oid === usernameOid) {
    return { subject: usernameText(name.value), subjectType: 'username' };
  }
  throw new BoltsealError('ERR_VERIFY_CERTIFICATE', 'the certificate names its subject in an unknown way');
}

function usernameText(value: Uint8Array): string {
  const what = 'the user name of the certificate';
  try {
    return fromUtf8(parseDer(value, what, derTags.utf8String).content, what);
  } catch (cause) {
    throw new BoltsealError('ERR_CERTIFICATE_INVALID', `${what} is malformed`, { cause });
  }
}

/**
 * The first of `requirements` that `identity` satisfies. Throws {@link IdentityMismatchError} when it satisfies none,
 * `ERR_USAGE` when there are none or one cannot be used, and `ERR_LIMIT_EXCEEDED`.
 */
export function checkIdentity(
  identity: CertificateIdentity,
  requirements: readonly IdentityRequirement[],
): IdentityRequirement {
  return openIdentities(requirements).check(identity);
}

/** Requirements made ready, for those who want to know early that they can be used. */
export interface OpenIdentities {
  check(identity: CertificateIdentity): IdentityRequirement;
}

/** As {@link checkIdentity}, in two steps: `ERR_USAGE` is thrown by the first. */
export function openIdentities(requirements: readonly IdentityRequirement[]): OpenIdentities {
  if (requirements.length === 0) {
    throw new BoltsealError('ERR_USAGE', 'no identity was given to verify with');
  }
  const opened = requirements.map((requirement) => ({ requirement, compare: openRequirement(requirement) }));
  return {
    check(identity) {
      let nearest: readonly IdentityComparison[] | undefined;
      for (const { requirement, compare } of opened) {
        const comparisons = compare(identity);
        if (comparisons.every(({ matches }) => matches)) return requirement;
        if (nearest === undefined || misses(comparisons) < misses(nearest)) nearest = comparisons;
      }
      throw mismatch(identity, nearest ?? []);
    },
  };
}

function misses(comparisons: readonly IdentityComparison[]): number {
  return comparisons.filter(({ matches }) => !matches).length;
}

/** A comparison of one field with an identity. */
type Compare = (identity: CertificateIdentity) => IdentityComparison;

function openRequirement(
  requirement: IdentityRequirement,
): (identity: CertificateIdentity) => readonly IdentityComparison[] {
  const fields: Compare[] = [
    openText('subject', requirement.subject, ({ subject }) => subject),
    openText('issuer', requirement.issuer, ({ issuer }) => issuer),
  ];
  for (const [field, value] of Object.entries(requirement.extensions ?? {})) {
    const name = field as FulcioExtensionName;
    fields.push(openText(name, { kind: 'exact', value }, foundExtension(name)));
  }
  return (identity) => fields.map((compare) => compare(identity));
}

/** The extension `issuer` stands apart, because every certificate has it. */
function foundExtension(name: FulcioExtensionName): (identity: CertificateIdentity) => string | undefined {
  return name === 'issuer' ? ({ issuer }) => issuer : ({ extensions }) => extensions[name];
}

function openText(
  field: IdentityComparison['field'],
  required: TextRequirement,
  find: (identity: CertificateIdentity) => string | undefined,
): Compare {
  if (required.kind === 'exact') {
    const { value } = required;
    // What is empty was forgotten, or is a variable that is not set; it must not mean a certificate that says nothing.
    if (value === '') throw new BoltsealError('ERR_USAGE', `the ${field} that is required is empty`);
    return (identity) => {
      const found = find(identity);
      return { field, expected: value, found, matches: found === value };
    };
  }
  const pattern = openPattern(required.pattern);
  return (identity) => {
    const found = find(identity);
    return {
      field,
      expected: required.pattern,
      found,
      matches: found !== undefined && pattern.matches(found),
    };
  };
}

function mismatch(
  identity: CertificateIdentity,
  comparisons: readonly IdentityComparison[],
): IdentityMismatchError {
  const wrong = comparisons.filter(({ matches }) => !matches).map(({ field }) => field);
  const who = `${JSON.stringify(identity.subject.slice(0, 300))} (${JSON.stringify(identity.issuer.slice(0, 300))})`;
  return new IdentityMismatchError(
    `the signature is by ${who}, and another identity is required: ${wrong.join(', ')} ${wrong.length === 1 ? 'differs' : 'differ'}`,
    comparisons,
    mismatchHint(identity, comparisons),
  );
}

/** What the usual mistakes look like. Nobody is told to accept whoever happened to sign. */
function mismatchHint(
  { subject }: CertificateIdentity,
  comparisons: readonly IdentityComparison[],
): string | undefined {
  const wrong = comparisons.filter(({ matches }) => !matches);
  const differsInCase = wrong.some(({ expected, found }) => found?.toLowerCase() === expected.toLowerCase());
  if (differsInCase) return 'They differ in upper and lower case, which matters.';
  const byField = new Map(comparisons.map((one) => [one.field, one]));
  const isReusable =
    byField.get('source-repository-uri')?.matches === true && byField.get('subject')?.matches === false;
  if (isReusable && subject.includes('/.github/workflows/')) {
    return 'It is by a workflow that the repository calls, or of another name or ref: a reusable workflow signs as itself. Name it as --workflow OWNER/NAME/.github/workflows/FILE if you trust it.';
  }
  return undefined;
}
