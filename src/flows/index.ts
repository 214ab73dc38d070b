/** The pipelines: sign, verify, copy, and looking at what is attached to an image. */
export { type CopiedImage, copyImage } from './copy-image.ts';
export {
  type DownloadedSignature,
  type DownloadedSignatures,
  downloadSignatures,
} from './download-signatures.ts';
export type { ImageOptions } from './image.ts';
export {
  type ImageSignature,
  type SignedManifest,
  type SignImageOptions,
  type SignOutcome,
  signImage,
  signImages,
} from './sign-image.ts';
export { type Attachment, type ImageTree, treeImage } from './tree-image.ts';
export { type TriangulateType, triangulateImage, triangulateTypes } from './triangulate-image.ts';
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
