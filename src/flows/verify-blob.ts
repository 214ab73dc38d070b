import { BoltsealError } from '../core/errors.ts';
import { type BlobBundle, parseBlobBundle } from '../formats/blob-bundle.ts';
import { type Bundle, bundleMediaType, parseBundle } from '../formats/bundle.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import type { Artifact } from '../verify/artifact.ts';
import { type BlobEvidence, verifyBlob } from '../verify/verify-blob.ts';
import {
  beginRequirements,
  checkSigner,
  type SignerOptions,
  signerRequirements,
} from './signer-requirements.ts';

/** Options of {@link verifyBlobSignature}. */
export interface VerifyBlobOptions extends SignerOptions {
  /** Accepted predicate types of an attestation about the artifact; any when it is left out. */
  readonly predicateTypes?: readonly string[] | undefined;
}

/** A signature of a file: a Sigstore bundle or cosign's older one, or the bare signature. */
export type GivenBlobSignature =
  | { readonly kind: 'bundle'; readonly bytes: Uint8Array }
  | { readonly kind: 'signature'; readonly signature: Uint8Array };

/**
 * Verifies that a file is signed by one of the keys or identities. A bundle with an attestation counts when the file is
 * one of its subjects, as it does for cosign. Throws `ERR_USAGE`, what parsing throws, and `ERR_VERIFY_…` with the
 * reason.
 */
export async function verifyBlobSignature(
  given: GivenBlobSignature,
  artifact: Artifact,
  options: VerifyBlobOptions,
): Promise<BlobEvidence> {
  beginRequirements(options);
  await checkSigner(options);
  const bundle = given.kind === 'bundle' ? readBundle(given.bytes) : bareSignature(given.signature);
  const required = await signerRequirements(options);
  return verifyBlob(bundle, artifact, { ...required, predicateTypes: options.predicateTypes });
}

function readBundle(bytes: Uint8Array): Bundle {
  const what = 'the bundle';
  // No Sigstore bundle has that word outside of base64, where it cannot stand: so one parse is enough for each kind.
  const isOlder = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('"base64Signature"');
  return isOlder ? fromBlobBundle(parseBlobBundle(bytes, what)) : parseBundle(bytes, what);
}

/** What a signature without anything beside it says: nothing about who made it. */
function bareSignature(signature: Uint8Array): Bundle {
  const material = { publicKeyHint: '', timestamps: [], logEntries: [] };
  return { mediaType: bundleMediaType, version: '0.3', material, content: { kind: 'message', signature } };
}

/** cosign's older bundle as the first version of Sigstore's: both prove a log entry by its signed time. */
function fromBlobBundle({ content, signer, logEntry }: BlobBundle): Bundle {
  const who =
    signer?.kind === 'certificates'
      ? { certificates: signer.certificates }
      : { publicKeyHint: signer === undefined ? '' : parsePublicKey(signer.spki).hint };
  if (content.kind === 'envelope' && content.envelope.signatures.length !== 1) {
    throw new BoltsealError('ERR_BUNDLE_INVALID', 'the envelope of the bundle has not one signature');
  }
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    version: '0.1',
    material: { ...who, timestamps: [], logEntries: logEntry === undefined ? [] : [logEntry] },
    content:
      content.kind === 'envelope'
        ? { kind: 'envelope', envelope: content.envelope }
        : { kind: 'message', signature: content.signature },
  };
}
