import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import { type BundleContent, encodeBundle, parseBundle } from '../formats/bundle.ts';
import { parseCertificate } from '../formats/certificate.ts';
import type { DeferredSignature } from '../formats/deferred-log.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import { parseStatement } from '../formats/statement.ts';
import type { Artifact } from '../verify/artifact.ts';
import type { Trust } from '../verify/trust.ts';
import { verifyBlob } from '../verify/verify-blob.ts';
import { verifyEntity } from '../verify/verify-entity.ts';
import { type ImageOptions, openImage } from './image.ts';
import type { Recorder } from './record.ts';
import { attestationLayerStore, bundleStore, cosignStore, type SignatureStore } from './signature-formats.ts';
import { brokenSignature, type MadeSignature, requirementsFor, verifyBeforePublishing } from './signing.ts';

/** Options of {@link submitDeferred}. */
export interface SubmitDeferredOptions extends ImageOptions {
  /** Records in the logs; timestamps were made before. */
  readonly recorder: Recorder;
  /** Whether one of the logs signs the time at which an entry is added, as Rekor v1 does. */
  readonly signsTime: boolean;
  /** What a stranger trusts. */
  readonly trust: Trust;
}

/** A signature that was completed. */
export interface SubmittedSignature {
  readonly signature: DeferredSignature;
  /** The index in each log. */
  readonly logIndexes: readonly bigint[];
  /** Of an image: where it was stored. */
  readonly stored?: { readonly place: string; readonly manifest: string };
  /** Of a file or statement: the bundle, to be written where `bundleFile` says. */
  readonly bundle?: Uint8Array;
}

/**
 * Logs a deferred signature, verifies it as a stranger would, and stores it beside its image, or returns the bundle of a
 * file. It may be done again: a log has one entry for one signature. Throws `ERR_LOG_DEFERRED` when the certificate has
 * ended and the log signs the time of submission, or when the log has no entries that fit the format: no verifier would
 * accept that; else what recording, verifying and storing throw.
 */
export async function submitDeferred(
  deferred: DeferredSignature,
  options: SubmitDeferredOptions,
  runtime: Runtime,
): Promise<SubmittedSignature> {
  const { recorder, trust, signal } = options;
  requireAcceptable(deferred, options, runtime);
  const { timestamps, signature } = deferred;
  const [certificate] = deferred.certificates;
  const publicKey = parsePublicKey(deferred.publicKey, 'the key of a deferred signature');
  const { logEntries } = await recorder.record(
    {
      ...messageOf(deferred),
      signature,
      publicKey,
      ...(certificate === undefined ? {} : { certificate }),
    },
    { signal, isTimestamped: timestamps.length > 0 },
  );
  const made: MadeSignature = {
    signature,
    publicKey,
    ...(certificate === undefined ? {} : { certificates: deferred.certificates }),
    material: {
      ...(certificate === undefined ? { publicKeyHint: publicKey.hint } : { certificates: [certificate] }),
      timestamps,
      logEntries,
    },
    required: requirementsFor(publicKey, certificate, {
      trust,
      logEntries: recorder.required.logEntries,
      timestamps: timestamps.length === 0 ? 0 : 1,
    }),
  };
  const logIndexes = logEntries.map(({ logIndex }) => logIndex);
  const result =
    deferred.reference === undefined
      ? await completeFile(deferred, made)
      : await attach(deferred, made, options, runtime);
  return { signature: deferred, logIndexes, ...result };
}

/**
 * What no verifier would accept is not logged. A log with signed times says when it was submitted, which must lie within
 * the life of the certificate; a log without them has entries for which the cosign format has no place.
 */
function requireAcceptable(
  { certificates: [certificate], format }: DeferredSignature,
  { signsTime }: SubmitDeferredOptions,
  runtime: Runtime,
): void {
  if ((format === 'cosign' || format === 'envelope') && !signsTime) {
    throw new BoltsealError(
      'ERR_LOG_DEFERRED',
      'the log speaks Rekor v2, whose entries the cosign format (.sig, .att) cannot hold',
      {
        hint: 'Submit it to a log of Rekor v1 (--rekor-version 1). The bundle of the same image needs none.',
      },
    );
  }
  if (certificate === undefined || !signsTime) return;
  const { notAfter } = parseCertificate(certificate, 'the certificate of a deferred signature');
  if (runtime.now() <= notAfter) return;
  throw new BoltsealError(
    'ERR_LOG_DEFERRED',
    `the certificate ended at ${notAfter.toISOString()}, and the log would sign a later time: nobody would accept it`,
    { hint: 'Use a log of Rekor v2, which signs no time (--rekor-version 2), or sign again.' },
  );
}

function messageOf({ format, payload, digest }: DeferredSignature): MessageParts {
  if (format === 'blob') return { digest: digest ?? new Uint8Array(0) };
  const content = payload ?? new Uint8Array(0);
  if (format === 'cosign') return { signedBytes: content };
  return {
    signedBytes: preAuthEncoding(inTotoPayloadType, content),
    envelope: { payload: content, payloadType: inTotoPayloadType },
  };
}

type MessageParts =
  | { readonly digest: Uint8Array }
  | {
      readonly signedBytes: Uint8Array;
      readonly envelope?: { readonly payload: Uint8Array; readonly payloadType: string };
    };

async function completeFile(
  { format, payload, digest }: DeferredSignature,
  made: MadeSignature,
): Promise<{ readonly bundle: Uint8Array }> {
  const { signature, material } = made;
  const sha256 = digest ?? new Uint8Array(0);
  const content: BundleContent =
    format === 'blob'
      ? { kind: 'message', signature, digest: { algorithm: 'SHA2_256', digest: sha256 } }
      : {
          kind: 'envelope',
          envelope: {
            payload: payload ?? new Uint8Array(0),
            payloadType: inTotoPayloadType,
            signatures: [{ signature }],
          },
        };
  const bundle = encodeBundle({ material, content });
  const artifact = format === 'blob' ? { sha256 } : subjectOf(payload ?? new Uint8Array(0));
  await verifyBlob(parseBundle(bundle, 'the completed bundle'), artifact, made.required).catch(
    (cause: unknown) => {
      throw brokenSignature(cause);
    },
  );
  return { bundle };
}

function subjectOf(statement: Uint8Array): Artifact {
  const { subjects } = parseStatement(statement, 'the deferred statement');
  const digest = subjects.flatMap(({ digests }) => digests).find((one) => one.startsWith('sha256:')) ?? '';
  return { sha256: new Uint8Array(Buffer.from(digest.slice('sha256:'.length), 'hex')) };
}

async function attach(
  deferred: DeferredSignature,
  made: MadeSignature,
  options: SubmitDeferredOptions,
  runtime: Runtime,
): Promise<Pick<SubmittedSignature, 'stored'>> {
  const { reference = '', payload = new Uint8Array(0), signatureRepository } = deferred;
  const { store, predicateTypes } = storeFor(deferred);
  const call = { signal: options.signal };
  const image = await openImage(reference, { ...options, signatureRepository }, runtime, true);
  const digest = image.reference.digest;
  const descriptor = digest === undefined ? undefined : await image.repository.resolve(digest, call);
  if (descriptor === undefined) {
    throw new BoltsealError('ERR_IMAGE_NOT_FOUND', `there is no image ${reference}`);
  }
  const assembled = store.assemble(payload, made);
  const required = { ...made.required, digest: descriptor.digest, predicateTypes };
  verifyBeforePublishing(() => verifyEntity(store.entity(assembled), required));
  const { place, manifest, readBack } = await store
    .prepare(image.signatures, { image: descriptor, payload }, runtime, call)
    .store(assembled);
  verifyEntity(readBack, required);
  return { stored: { place, manifest } };
}

/** What stores the signature of an image, and the type that its statement has. */
function storeFor({ format, payload = new Uint8Array(0) }: DeferredSignature): {
  readonly store: SignatureStore;
  readonly predicateTypes?: readonly string[];
} {
  if (format === 'cosign') return { store: cosignStore };
  const { predicateType } = parseStatement(payload, 'the deferred statement');
  const store = format === 'envelope' ? attestationLayerStore(predicateType) : bundleStore(predicateType);
  return { store, predicateTypes: [predicateType] };
}
