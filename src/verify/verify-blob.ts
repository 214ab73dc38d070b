/** The verification of a bundle that signs a file, from bundle and artifact to evidence. */
import { BoltsealError } from '../core/errors.ts';
import type { Bundle } from '../formats/bundle.ts';
import type { Statement } from '../formats/statement.ts';
import type { Artifact } from './artifact.ts';
import type { MaterialRequirements, SignerRequirement } from './requirements.ts';
import type { SignedBy, VerifiedMaterial } from './verdict.ts';

/** What a bundle about a file must satisfy. */
export interface BlobRequirements extends MaterialRequirements {
  readonly signer: SignerRequirement;
  /** Accepted predicate types of a statement; any when it is left out. */
  readonly predicateTypes?: readonly string[] | undefined;
}

/** Proof that a bundle was accepted for an artifact. Only the verifier makes these. */
export interface BlobEvidence {
  readonly bundle: Bundle;
  /** What was signed when it is an attestation about the artifact; undefined when the artifact itself was signed. */
  readonly statement: Statement | undefined;
  readonly signedBy: SignedBy;
  readonly material: VerifiedMaterial;
}

/** Evidence that `bundle` signs exactly `artifact`, or an error that says why not. */
export async function verifyBlob(
  _bundle: Bundle,
  _artifact: Artifact,
  _required: BlobRequirements,
): Promise<BlobEvidence> {
  throw new BoltsealError('ERR_INTERNAL', 'verification of blobs is not there yet');
}
