/** Who a certificate was issued to, and who it must have been issued to. */
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
