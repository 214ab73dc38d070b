/** From the options of a verification to what the kernel asks for. */
import { begin } from '../core/concurrent.ts';
import { BoltsealError } from '../core/errors.ts';
import type { PublicKey } from '../formats/public-key.ts';
import type { IdentityRequirement } from '../verify/identity.ts';
import {
  byIdentities,
  byKeys,
  type MaterialRequirements,
  type SignerRequirement,
} from '../verify/requirements.ts';
import type { Trust } from '../verify/trust.ts';

/**
 * Who must have signed, and what must stand behind it: either `keys` or `identities`. Identities need `trust`, and so do
 * log entries and timestamps that are required of keys.
 */
export interface SignerOptions extends Omit<MaterialRequirements, 'trust'> {
  /**
   * The trusted public keys; a signature by any one of them is accepted. Must not be empty. A promise, such as that of
   * `loadVerificationKeys`, is awaited late.
   */
  readonly keys?: readonly PublicKey[] | Promise<readonly PublicKey[]> | undefined;
  /** Who may have signed; any one of them is accepted. Must not be empty. */
  readonly identities?: readonly IdentityRequirement[] | undefined;
  /** The trusted root that certificates, log entries and timestamps are verified with. A promise is awaited late. */
  readonly trust?: Trust | Promise<Trust> | undefined;
}

/** What was begun may fail before anybody waits for it; whoever awaits it is told. */
export function beginRequirements({ keys, trust }: SignerOptions): void {
  begin(Promise.resolve(keys));
  begin(Promise.resolve(trust));
}

/** Refuses options that ask for nobody, for both kinds of signer, for what cannot be verified, or by a pattern that is not anchored: `ERR_USAGE`. */
export async function checkSigner(options: SignerOptions): Promise<void> {
  const { keys, identities, trust, logEntries = 0, timestamps = 0 } = options;
  if ((keys === undefined) === (identities === undefined)) {
    throw new BoltsealError('ERR_USAGE', 'either keys or identities are needed to verify with');
  }
  if (identities?.length === 0) throw new BoltsealError('ERR_USAGE', 'no identity was given to verify with');
  if (identities !== undefined) {
    // Loaded when it is used: a verification with a key starts without it.
    const { openIdentities } = await import('../verify/identity.ts');
    openIdentities(identities);
  }
  if (trust !== undefined || (identities === undefined && logEntries === 0 && timestamps === 0)) return;
  throw new BoltsealError('ERR_USAGE', 'a trusted root is needed for identities, log entries and timestamps');
}

/** What the kernel asks for. Throws what the promises of keys and trust reject with. */
export async function signerRequirements(
  options: SignerOptions,
): Promise<{ readonly signer: SignerRequirement } & MaterialRequirements> {
  const { logEntries, timestamps, certificateTimestamps, fallbackTime, hash } = options;
  const [keys, trust] = await Promise.all([options.keys, options.trust]);
  if (keys?.length === 0) throw new BoltsealError('ERR_USAGE', 'no key was given to verify with');
  const signer = keys === undefined ? byIdentities(options.identities ?? []) : byKeys(keys);
  return { signer, trust, logEntries, timestamps, certificateTimestamps, fallbackTime, hash };
}
