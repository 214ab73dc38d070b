/** What a verification asks for. */
import type { PublicKey } from '../formats/public-key.ts';
import type { SignatureHash } from './authenticate.ts';
import type { IdentityRequirement } from './identity.ts';
import type { Trust } from './trust.ts';

/**
 * Who must have signed, any one of a list: a key that the caller trusts, or an identity that the trusted root's
 * authorities certified. Lists must not be empty. A certificate beside a signature means nothing
 * to `keys`; a bare key never satisfies `identities`.
 */
export type SignerRequirement =
  | { readonly kind: 'keys'; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'identities'; readonly identities: readonly IdentityRequirement[] };

/**
 * What must stand behind a signature. Thresholds count distinct authorities: two entries of one log are one, as are two
 * timestamps of one authority, and all logs or authorities that one operator runs, where the trusted root says who that
 * is. Entries of logs and timestamps of authorities that the trusted root does not have do not count, and are not looked
 * at; all others are verified, whether they are needed or not, and make the verification fail when they are wrong.
 * Without a trusted root nothing is looked at.
 */
export interface MaterialRequirements {
  /** Required for identities, and for keys when a log entry or timestamp is. */
  readonly trust?: Trust | undefined;
  /** Log entries, by distinct logs. By default 1 for identities and 0 for keys. */
  readonly logEntries?: number | undefined;
  /** RFC 3161 timestamps, by distinct authorities. By default 0; a certificate needs one proven time of either kind. */
  readonly timestamps?: number | undefined;
  /** Certificate timestamps (SCT), by distinct logs. By default 1 for identities. */
  readonly certificateTimestamps?: number | undefined;
  /**
   * The time at which a certificate is judged when neither a timestamp nor a log proves one, for callers that turn both
   * off: cosign's `--insecure-ignore-tlog`. Without it that is an error.
   */
  readonly fallbackTime?: Date | undefined;
  /** The one hash accepted, instead of SHA-256 and the hash that belongs to the key. */
  readonly hash?: SignatureHash | undefined;
}

/** A signature by one of `keys`. */
export function byKeys(keys: readonly PublicKey[]): SignerRequirement {
  return { kind: 'keys', keys };
}

/** A signature by somebody with one of `identities`. */
export function byIdentities(identities: readonly IdentityRequirement[]): SignerRequirement {
  return { kind: 'identities', identities };
}
