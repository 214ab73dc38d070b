/**
 * The verification kernel: pure decisions over bytes, keys, digests and a trusted root. No clock, no network, no files.
 *
 *     const trust = openTrust(parseTrustedRoot(json));
 *     const signer = byIdentities([workflowIdentity({ repository: 'owner/name' })]);
 *     const { signedBy } = await verifyBlob(parseBundle(bundle, 'the bundle'), artifact, { signer, trust });
 */
export type { Artifact, ArtifactDigests } from './artifact.ts';
export { type Authentication, authenticate, type SignatureHash } from './authenticate.ts';
export type { Authority, TrustedCertificate } from './authority.ts';
export { bindClaim, type ClaimRequirements, readClaim } from './bind.ts';
export * from './entity.ts';
export {
  type CertificateIdentity,
  checkIdentity,
  type IdentityComparison,
  IdentityMismatchError,
  type IdentityRequirement,
  identityOf,
  type TextRequirement,
} from './identity.ts';
export type { LogKey } from './log-key.ts';
export * from './requirements.ts';
export type { SignatureRequirements } from './signer.ts';
export { openTrust, type Trust } from './trust.ts';
export * from './verdict.ts';
export { type BlobEvidence, type BlobRequirements, verifyBlob } from './verify-blob.ts';
export { type EntityRequirements, verifyEntity } from './verify-entity.ts';
export { type Workflow, workflowIdentity } from './workflow-identity.ts';
