/**
 * The table of signature formats as `sign` writes them. Each says what bytes are signed, what is made of the signature,
 * and how it gets into a repository; everything else is the same for all of them.
 */
import { type Digest, digestOf } from '../core/digest.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { bundleMediaType, encodeBundle } from '../formats/bundle.ts';
import { signatureLayer } from '../formats/cosign-layer.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import { type Annotations, type Descriptor, emptyConfigBytes, emptyConfigDescriptor } from '../formats/oci.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { bundleManifest } from '../formats/referrer-manifest.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { encodeSignStatement, signPredicateType } from '../formats/statement.ts';
import { attachReferrer, attachSignatureLayer } from '../registry/attach.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';
import type { EntityOrigin, SignatureFormat, SignedEntity } from '../verify/entity.ts';
import { entityFromBundle, entityFromSignatureLayer } from '../verify/entity.ts';

/** What is going to be signed. */
export interface SigningSubject {
  /** The image's manifest. */
  readonly image: Descriptor;
  readonly annotations: Annotations;
  /** The name written into simple-signing payloads. */
  readonly dockerReference: string;
}

/** A signature with everything that is stored of it. */
export interface AssembledSignature {
  readonly format: SignatureFormat;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** The blob to store: the bundle, or the payload. */
  readonly content: Uint8Array;
}

/** Where a signature was put. */
export interface StoredSignature {
  readonly place: EntityOrigin['place'];
  /** The manifest that carries it. */
  readonly manifest: Digest;
  /** What a stranger gets who reads it back. */
  readonly readBack: SignedEntity;
}

/** An upload begun before the signature exists, so that its first round trips run beside the key's derivation. */
export interface PreparedUpload {
  /** Stores the signature so that it stays; resolves when it can be found. Throws `ERR_ATTACH_CONFLICT`. */
  store(made: AssembledSignature): Promise<StoredSignature>;
  /** Gives the upload up. Never throws. */
  cancel(): Promise<void>;
}

/** One row of {@link signatureWriters}. */
export interface SignatureWriter {
  readonly format: SignatureFormat;
  /** The payload, and the bytes that the signature covers. */
  describe(subject: SigningSubject): { readonly payload: Uint8Array; readonly signedBytes: Uint8Array };
  assemble(payload: Uint8Array, signature: Uint8Array, key: PublicKey): AssembledSignature;
  /** The entity as a reader sees it, for the check before anything is published. */
  entity(made: AssembledSignature): SignedEntity;
  prepare(
    repository: Repository,
    subject: SigningSubject,
    runtime: Runtime,
    options: CallOptions,
  ): PreparedUpload;
}

const bundleWriter: SignatureWriter = {
  format: 'bundle',
  describe: ({ image, annotations }) => {
    const payload = encodeSignStatement(image.digest, annotations);
    return { payload, signedBytes: preAuthEncoding(inTotoPayloadType, payload) };
  },
  assemble: (payload, signature, key) => ({
    format: 'bundle',
    payload,
    signature,
    content: encodeBundle({
      material: { publicKeyHint: key.hint, timestamps: [], logEntries: [] },
      content: {
        kind: 'envelope',
        envelope: { payload, payloadType: inTotoPayloadType, signatures: [{ signature }] },
      },
    }),
  }),
  entity: ({ content }) => entityFromBundle(content, { place: 'file' }),
  prepare: (repository, subject, runtime, options) => {
    const upload = begin(repository.beginUpload(options));
    const config = begin(storeEmptyConfig(repository, options));
    return {
      store: async ({ content }) => {
        const [blob] = await Promise.all([
          upload.then((pending) => pending.complete(content, options)),
          config,
        ]);
        const { bytes, descriptor } = bundleManifest({
          bundle: content,
          subject: subject.image,
          predicateType: signPredicateType,
          created: runtime.now(),
        });
        const attached = await attachReferrer(
          repository,
          { manifest: bytes, descriptor, subject: subject.image.digest },
          runtime,
          options,
        );
        const again = await repository.getBlob({ ...blob, mediaType: bundleMediaType }, { ...options, maxBytes: limits.bundleBytes });
        const place = attached.place;
        const origin: EntityOrigin = { format: 'bundle', place, manifest: descriptor.digest, content: blob.digest };
        return { place, manifest: descriptor.digest, readBack: bundleEntity(again, origin) };
      },
      cancel: () => cancel(upload),
    };
  },
};

const cosignWriter: SignatureWriter = {
  format: 'cosign',
  describe: ({ image, annotations, dockerReference }) => {
    const payload = encodeSimpleSigning(dockerReference, image.digest, annotations);
    return { payload, signedBytes: payload };
  },
  assemble: (payload, signature) => ({ format: 'cosign', payload, signature, content: payload }),
  entity: ({ payload, signature }) =>
    entityFromSignatureLayer(signatureLayer(payload, signature), payload, { place: 'file' }),
  prepare: (repository, subject, runtime, options) => {
    const upload = begin(repository.beginUpload(options));
    return {
      store: async ({ payload, signature }) => {
        const blob = await (await upload).complete(payload, options);
        const layer = signatureLayer(payload, signature);
        const attached = await attachSignatureLayer(repository, { layer, subject: subject.image.digest }, runtime, options);
        const again = await repository.getBlob(layer, { ...options, maxBytes: limits.payloadBytes });
        const origin: EntityOrigin = {
          format: 'cosign',
          place: 'signature-tag',
          manifest: attached.manifest,
          content: blob.digest,
        };
        return {
          place: 'signature-tag',
          manifest: attached.manifest,
          readBack: signatureLayerEntity(attached.layer, again, origin),
        };
      },
      cancel: () => cancel(upload),
    };
  },
};

/** Every format that `sign` writes, in the order they are made and reported. */
export const signatureWriters: readonly SignatureWriter[] = [bundleWriter, cosignWriter];

function fileOrigin(format: SignatureFormat, content: Uint8Array): EntityOrigin {
  return { format, place: 'file', content: digestOf(content) };
}

async function storeEmptyConfig(repository: Repository, options: CallOptions): Promise<void> {
  if (await repository.hasBlob(emptyConfigDescriptor.digest, options)) return;
  await repository.putBlob(emptyConfigBytes, { ...options, fresh: true });
}

/** Work begun early may fail before anybody waits for it; the failure is seen by whoever awaits the promise. */
function begin<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

async function cancel(upload: Promise<{ cancel(): Promise<void> }>): Promise<void> {
  await upload.then((pending) => pending.cancel()).catch(() => undefined);
}
