/** The pipelines: sign, verify, copy, and looking at what is attached to an image. */
export { type CopiedImage, copyImage } from './copy-image.ts';
export { type BundleParts, type CreatedBundle, createBundle } from './create-bundle.ts';
export {
  type DownloadedSignature,
  type DownloadedSignatures,
  downloadSignatures,
} from './download-signatures.ts';
export type { EntryLookup } from './entry-proof.ts';
export type { ImageOptions } from './image.ts';
export { type InitializedTrust, type InitializeOptions, initializeTrust } from './initialize-trust.ts';
export { inspectBundle, payloadOfBundle } from './inspect-bundle.ts';
export {
  type BrokenPart,
  type BundleInspection,
  type CertificateInspection,
  type CertificateTimestampInspection,
  type CheckpointInspection,
  type ContentInspection,
  type EntryBodyInspection,
  type ImageClaimInspection,
  type InspectedKind,
  isBroken,
  type LogEntryInspection,
  type Part,
  type SignatureInspection,
  type SignerInspection,
  type StatementInspection,
  type TimestampInspection,
} from './inspection.ts';
export {
  createKeylessSession,
  type KeylessCredential,
  type KeylessOptions,
  type KeylessSession,
} from './keyless.ts';
export { createRecorder, type Recorder, type RecorderOptions, type RecordingServices } from './record.ts';
export { type SignBlobOptions, type SignedBlob, signBlob, signStatement } from './sign-blob.ts';
export {
  type Attestation,
  type ImageSignature,
  type SignedManifest,
  type SignImageOptions,
  type SignOutcome,
  signImage,
  signImages,
} from './sign-image.ts';
export type { SignerOptions } from './signer-requirements.ts';
export type { SigningIdentity, SigningOptions } from './signing.ts';
export { type SubmitDeferredOptions, type SubmittedSignature, submitDeferred } from './submit-deferred.ts';
export { type Attachment, type ImageTree, treeImage } from './tree-image.ts';
export { type TriangulateType, triangulateImage, triangulateTypes } from './triangulate-image.ts';
export { type LoadedTrust, loadTrust, type TrustOptions, type TrustSource } from './trust.ts';
export { type UpgradedBundle, upgradeBundle } from './upgrade-bundle.ts';
export { type GivenBlobSignature, type VerifyBlobOptions, verifyBlobSignature } from './verify-blob.ts';
export {
  distinctSignatures,
  type GivenSignature,
  VerificationError,
  type VerificationReport,
  type VerifyImageOptions,
  type VerifyOutcome,
  verifyImage,
  verifyImages,
} from './verify-image.ts';
