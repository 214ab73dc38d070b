import { mapConcurrent } from '../core/concurrent.ts';
import type { Digest } from '../core/digest.ts';
import { BoltsealError, wrapError } from '../core/errors.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import type { Annotations, Descriptor } from '../formats/oci.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { signPredicateType } from '../formats/statement.ts';
import { createRegistryClient } from '../registry/client.ts';
import type { SignatureFormat } from '../verify/entity.ts';
import type { Evidence } from '../verify/verdict.ts';
import { type EntityRequirements, verifyEntity } from '../verify/verify-entity.ts';
import { type ImageOptions, listManifests, type OpenedImage, openImage, pinned } from './image.ts';
import type { Recorder } from './record.ts';
import {
  type AssembledSignature,
  attestationWriters,
  type SignatureWriter,
  type SigningSubject,
  type StoredSignature,
  signatureWriters,
} from './signature-formats.ts';
import { beginSigning, makeSignature, type SigningOptions, verifyBeforePublishing } from './signing.ts';

/** Options of {@link signImage}. */
export interface SignImageOptions extends ImageOptions, SigningOptions {
  /** Signed together with the digest. */
  readonly annotations?: Annotations | undefined;
  /** For an index: sign it and every platform image in it. */
  readonly recursive?: boolean | undefined;
  /** Which formats to write; both by default. */
  readonly format?: SignatureFormat | 'both' | undefined;
  /** Attests this about each manifest in place of signing it. An attestation is no signature, and has no annotations. */
  readonly attestation?: Attestation | undefined;
  /** The name written into the cosign format instead of the repository's. */
  readonly identity?: string | undefined;
  /** False makes the signatures and stores nothing. */
  readonly upload?: boolean | undefined;
  /**
   * Records signatures of the cosign format, in place of `recorder`: that format has a place for entries of Rekor v1
   * alone.
   */
  readonly layerRecorder?: Recorder | undefined;
}

/** What is said about an image. */
export interface Attestation {
  /** A URI. */
  readonly predicateType: string;
  /** JSON, which is signed as it is: an object, and in the cosign format alone anything, as cosign's type `spdx` is text. */
  readonly predicate: Uint8Array;
}

/** One signature that was made. */
export interface ImageSignature {
  readonly format: SignatureFormat;
  /** What was signed: a statement, or a simple-signing payload. */
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly publicKey: PublicKey;
  /** The Sigstore bundle, in the bundle format. */
  readonly bundle?: Uint8Array;
  /** DER, leaf first; none of a key pair. */
  readonly certificates?: readonly Uint8Array[];
  /** Set when the log could not be reached: it is not stored, because nobody would accept it before it is logged. */
  readonly deferredBy?: BoltsealError;
  /** Where it was stored; absent when nothing was to be stored. */
  readonly stored?: { readonly place: StoredSignature['place']; readonly manifest: Digest };
  /** Proof that it verifies: read back from the registry after it was stored, else as it was made. */
  readonly evidence: Evidence;
}

/** One manifest that was signed. */
export interface SignedManifest {
  /** `name@digest`. */
  readonly reference: string;
  readonly descriptor: Descriptor;
  readonly signatures: readonly ImageSignature[];
}

/**
 * Signs an image: its manifest, and with `recursive` every platform image of an index. A tag is resolved once, and the
 * digest is what is signed. Each signature is recorded when a recorder is given, checked as a stranger would check it
 * before it is published, stored so that no other signature is lost, read back, and checked again.
 *
 * Throws `ERR_IMAGE_NOT_FOUND`, `ERR_SIGNING_FAILED`, `ERR_ATTACH_CONFLICT`, and what the registry and the signer throw.
 * What was stored before a failure stays stored: it is valid.
 */
export async function signImage(
  reference: string,
  options: SignImageOptions,
  runtime: Runtime,
): Promise<readonly SignedManifest[]> {
  checkAttestation(options);
  beginSigning(options);
  const image = await openImage(reference, options, runtime, options.upload !== false);
  const manifests = await listManifests(image, options);
  return mapConcurrent(manifests, limits.concurrentImages, (descriptor) =>
    signManifest(image, descriptor, options, runtime),
  );
}

async function signManifest(
  image: OpenedImage,
  descriptor: Descriptor,
  options: SignImageOptions,
  runtime: Runtime,
): Promise<SignedManifest> {
  const subject: SigningSubject = {
    image: descriptor,
    annotations: options.annotations ?? {},
    dockerReference: options.identity ?? image.repository.dockerReference,
  };
  const writers = writersFor(options);
  const call = { signal: options.signal };
  const settled = await Promise.allSettled(
    writers.map(async (writer): Promise<ImageSignature> => {
      const message = writer.describe(subject);
      const content = { image: descriptor, payload: message.payload };
      const upload =
        options.upload === false ? undefined : writer.prepare(image.signatures, content, runtime, call);
      try {
        const recorder =
          writer.format === 'cosign' ? (options.layerRecorder ?? options.recorder) : options.recorder;
        const made = await makeSignature(message, { ...options, recorder }, call);
        const assembled = writer.assemble(message.payload, made);
        const required: EntityRequirements = {
          ...assembled.made.required,
          digest: descriptor.digest,
          annotations: subject.annotations,
          predicateTypes: options.attestation && [options.attestation.predicateType],
        };
        const evidence = verifyBeforePublishing(() => verifyEntity(writer.entity(assembled), required));
        if (made.deferredBy !== undefined) await upload?.cancel();
        if (!upload || made.deferredBy !== undefined) return report(assembled, evidence);
        const stored = await upload.store(assembled);
        return report(assembled, verifyEntity(stored.readBack, required), stored);
      } catch (error) {
        await upload?.cancel();
        throw error;
      }
    }),
  );
  const failed = settled.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  const signatures = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  return { reference: pinned(image, descriptor.digest), descriptor, signatures };
}

function writersFor({ format: wanted, attestation }: SignImageOptions): readonly SignatureWriter[] {
  const writers =
    attestation === undefined
      ? signatureWriters
      : attestationWriters(attestation.predicateType, attestation.predicate);
  return writers.filter(({ format }) => [format, 'both', undefined].includes(wanted));
}

/** What can be told of an attestation before anyone is asked. A predicate that is no JSON could end the statement early. */
function checkAttestation({ attestation, annotations = {}, format }: SignImageOptions): void {
  if (attestation === undefined) return;
  if (Object.keys(annotations).length > 0) {
    throw new BoltsealError(
      'ERR_USAGE',
      'an attestation has no annotations: what is to be said is its predicate',
    );
  }
  if (attestation.predicateType === signPredicateType) {
    throw new BoltsealError('ERR_USAGE', `${signPredicateType} is the type of signatures: sign the image`);
  }
  const bounds = { what: 'the predicate', maxBytes: limits.predicateBytes };
  if (isJsonObject(parseJson(attestation.predicate, bounds)) || format === 'cosign') return;
  throw new BoltsealError('ERR_USAGE', 'the predicate is not a JSON object, and bundles hold no other', {
    hint: 'Attest JSON (SPDX as spdxjson), or write what cosign 2 reads alone: --format cosign.',
  });
}

function report(assembled: AssembledSignature, evidence: Evidence, stored?: StoredSignature): ImageSignature {
  const { format, payload, made, content } = assembled;
  return {
    format,
    payload,
    signature: made.signature,
    publicKey: made.publicKey,
    ...(made.certificates ? { certificates: made.certificates } : {}),
    ...(made.deferredBy ? { deferredBy: made.deferredBy } : {}),
    ...(format === 'bundle' ? { bundle: content } : {}),
    ...(stored ? { stored: { place: stored.place, manifest: stored.manifest } } : {}),
    evidence,
  };
}

/** What became of one of several images: signed, or the error that stopped it. */
export type SignOutcome =
  | { readonly reference: string; readonly signed: readonly SignedManifest[] }
  | { readonly reference: string; readonly error: BoltsealError };

/**
 * Signs several images at the same time, with one signer. An image that fails does not stop the others; outcomes are in
 * the order of `references`. `onOutcome` is called as each is known, for progress.
 */
export async function signImages(
  references: readonly string[],
  options: SignImageOptions,
  runtime: Runtime,
  onOutcome?: (outcome: SignOutcome) => void,
): Promise<readonly SignOutcome[]> {
  const shared = { ...options, registry: options.registry ?? createRegistryClient(runtime) };
  return mapConcurrent(references, limits.concurrentImages, async (reference): Promise<SignOutcome> => {
    const outcome = await signImage(reference, shared, runtime).then(
      (signed): SignOutcome => ({ reference, signed }),
      (error: unknown): SignOutcome => ({
        reference,
        error: wrapError(error, 'ERR_INTERNAL', `signing ${reference} failed`),
      }),
    );
    onOutcome?.(outcome);
    return outcome;
  });
}
