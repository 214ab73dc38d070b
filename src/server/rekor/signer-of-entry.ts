/** Who signed an entry: the certificate or key it names, ready to verify with. */
import type { EntryVerifier } from '../../formats/log-entry-verifier.ts';
import { parseVerificationKey, type VerificationKey } from '../../verify/verification-key.ts';

/** A verifier with its key. */
export interface EntrySigner {
  readonly verifier: EntryVerifier;
  readonly key: VerificationKey;
}

/**
 * The key of a verifier. A certificate's chain and validity are not looked at: a log says who claimed what and when, and
 * whoever verifies decides about trust. Throws `ERR_KEY_INVALID`, `ERR_KEY_UNSUPPORTED`.
 */
export function signerOf(verifier: EntryVerifier): EntrySigner {
  const what = verifier.kind === 'certificate' ? 'the key of the certificate' : 'the public key';
  return { verifier, key: parseVerificationKey(verifier.spki, what) };
}
