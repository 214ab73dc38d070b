/**
 * The table of signature formats as `sign` writes them. Each says what bytes are signed, what is made of the signature,
 * and how it gets into a repository; everything else is the same for all of them.
 */
import type { Digest } from '../core/digest.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { encodeBundle } from '../formats/bundle.ts';
import { signatureLayer } from '../formats/cosign-layer.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import {
  type Annotations,
  type Descriptor,
  emptyConfigBytes,
  emptyConfigDescriptor,
} from '../formats/oci.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { bundleManifest } from '../formats/referrer-manifest.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { encodeSignStatement, signPredicateType } from '../formats/statement.ts';
import { attachReferrer, attachSignatureLayer } from '../registry/attach.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';
import type { EntityOrigin, SignatureFormat, SignedEntity } from '../verify/entity.ts';
import { entityFromBundle, entityFromSignatureLayer } from '../verify/entity.ts';
import { begin } from './concurrent.ts';

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

/** Options of {@link SignatureWriter.prepare}. */
export interface PrepareOptions extends CallOptions {
  /** Resolves when the empty config is stored, which manifests of every format refer to. */
  readonly config: Promise<void>;
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
    options: PrepareOptions,
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
  prepare: (repository, subject, runtime, { config, ...options }) => {
    const upload = begin(repository.beginUpload(options));
    return {
      store: async ({ content }) => {
        const [blob] = await Promise.all([upload.then((open) => open.complete(content, options)), config]);
        const again = begin(repository.getBlob(blob, { ...options, maxBytes: limits.bundleBytes }));
        const { bytes, descriptor } = bundleManifest({
          bundle: content,
          subject: subject.image,
          predicateType: signPredicateType,
          created: runtime.now(),
        });
        const referrer = { manifest: bytes, descriptor, subject: subject.image.digest };
        const { place } = await attachReferrer(repository, referrer, runtime, options);
        const manifest = descriptor.digest;
        return { place, manifest, readBack: entityFromBundle(await again, { place, manifest }) };
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
  prepare: (repository, subject, runtime, { config, ...options }) => {
    const upload = begin(repository.beginUpload(options));
    return {
      store: async ({ payload, signature }) => {
        await Promise.all([upload.then((open) => open.complete(payload, options)), config]);
        const layer = signatureLayer(payload, signature);
        const again = begin(repository.getBlob(layer, { ...options, maxBytes: limits.payloadBytes }));
        const place = 'signature-tag';
        const { manifest } = await attachSignatureLayer(
          repository,
          { layer, subject: subject.image.digest },
          runtime,
          options,
        );
        return {
          place,
          manifest,
          readBack: entityFromSignatureLayer(layer, await again, { place, manifest }),
        };
      },
      cancel: () => cancel(upload),
    };
  },
};

/** Every format that `sign` writes, in the order they are made and reported. */
export const signatureWriters: readonly SignatureWriter[] = [bundleWriter, cosignWriter];

/** Stores the empty config unless it is there. */
export async function storeEmptyConfig(repository: Repository, options: CallOptions): Promise<void> {
  if (await repository.hasBlob(emptyConfigDescriptor.digest, options)) return;
  await repository.putBlob(emptyConfigBytes, { ...options, fresh: true });
}

async function cancel(upload: Promise<{ cancel(): Promise<void> }>): Promise<void> {
  await upload.then((pending) => pending.cancel()).catch(() => undefined);
}
