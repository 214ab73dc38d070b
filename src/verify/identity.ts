/** Who a certificate was issued to, and who it must have been issued to. */
import { BoltsealError } from '../core/errors.ts';
import type { Certificate } from '../formats/certificate.ts';
import type { FulcioExtensionName, FulcioExtensions } from '../formats/fulcio-extensions.ts';

/** The identity in a certificate of Fulcio. */
export interface CertificateIdentity {
  /** The one subject alternative name: an email address, a URI, or a user name (`name!domain`). */
  readonly subject: string;
  readonly subjectType: 'email' | 'uri' | 'username' | 'dns';
  /** The issuer of the identity token. */
  readonly issuer: string;
  /** Everything else that Fulcio wrote about it. */
  readonly extensions: FulcioExtensions;
}

/**
 * What a text must be: exactly `value`, or matched as a whole by the regular expression `pattern`, which must be
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
    super('ERR_VERIFY_IDENTITY', message, { hint });
    this.comparisons = comparisons;
  }
}

/** The identity in a certificate. Throws `ERR_VERIFY_CERTIFICATE` when it has not exactly one. */
export function identityOf(_certificate: Certificate): CertificateIdentity {
  throw new BoltsealError('ERR_INTERNAL', 'identities are not read yet');
}

/** The first of `requirements` that `identity` satisfies. Throws {@link IdentityMismatchError}, `ERR_USAGE`. */
export function checkIdentity(
  _identity: CertificateIdentity,
  _requirements: readonly IdentityRequirement[],
): IdentityRequirement {
  throw new BoltsealError('ERR_INTERNAL', 'identities are not compared yet');
}

export { type Workflow, workflowIdentity } from './workflow-identity.ts';
