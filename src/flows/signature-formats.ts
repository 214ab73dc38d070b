/**
 * The table of signature formats as `sign` writes them. Each says what bytes are signed, what is made of the signature,
 * and how it gets into a repository; everything else is the same for all of them.
 */

import { begin } from '../core/concurrent.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { encodeBundle } from '../formats/bundle.ts';
import { isSignatureLayer, signatureLayer } from '../formats/cosign-layer.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import {
  type Annotations,
  type Descriptor,
  emptyConfigBytes,
  emptyConfigDescriptor,
} from '../formats/oci.ts';
import { bundleManifest } from '../formats/referrer-manifest.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { encodeAttestation, encodeSignStatement, signPredicateType } from '../formats/statement.ts';
import { attachReferrer } from '../registry/attach.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';
import {
  attachSignatureLayer,
  type PreparedSignatureTag,
  prepareSignatureTag,
} from '../registry/signature-tag.ts';
import { authenticate } from '../verify/authenticate.ts';
import type { EntityOrigin, SignatureFormat, SignedEntity } from '../verify/entity.ts';
import { entityFromBundle, entityFromSignatureLayer } from '../verify/entity.ts';
import type { MadeSignature, MessageToSign } from './signing.ts';

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
  readonly made: MadeSignature;
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

/** What is known of a signature before it is made. */
export interface ContentToStore {
  /** The image's manifest. */
  readonly image: Descriptor;
  readonly payload: Uint8Array;
}

/** One row of {@link signatureWriters}. */
export interface SignatureWriter {
  readonly format: SignatureFormat;
  /** The payload, and the bytes that the signature covers. */
  describe(subject: SigningSubject): MessageToSign & { readonly payload: Uint8Array };
  assemble(payload: Uint8Array, made: MadeSignature): AssembledSignature;
  /** The entity as a reader sees it, for the check before anything is published. */
  entity(made: AssembledSignature): SignedEntity;
  prepare(
    repository: Repository,
    what: ContentToStore,
    runtime: Runtime,
    options: CallOptions,
  ): PreparedUpload;
}

/** Writes bundles of statements of one type; `encode` makes the statement about an image. */
function bundleWriterOf(
  predicateType: string,
  encode: (subject: SigningSubject) => Uint8Array,
): SignatureWriter {
  return {
    format: 'bundle',
    describe: (subject) => {
      const payload = encode(subject);
      const envelope = { payload, payloadType: inTotoPayloadType };
      return { payload, signedBytes: preAuthEncoding(inTotoPayloadType, payload), envelope };
    },
    assemble: (payload, made) => ({
      format: 'bundle',
      payload,
      made,
      content: encodeBundle({
        material: made.material,
        content: {
          kind: 'envelope',
          envelope: {
            payload,
            payloadType: inTotoPayloadType,
            signatures: [{ signature: made.signature }],
          },
        },
      }),
    }),
    entity: ({ content }) => entityFromBundle(content, { place: 'file' }),
    prepare: (repository, { image }, runtime, options) => {
      const upload = begin(repository.beginUpload(options));
      const config = begin(storeEmptyConfig(repository, options));
      return {
        store: async ({ content }) => {
          const [blob] = await Promise.all([upload.then((open) => open.complete(content, options)), config]);
          const again = begin(repository.getBlob(blob, { ...options, maxBytes: limits.bundleBytes }));
          const { bytes, descriptor } = bundleManifest({
            bundle: content,
            subject: image,
            predicateType,
            created: runtime.now(),
          });
          const referrer = { manifest: bytes, descriptor, subject: image.digest };
          const { place } = await attachReferrer(repository, referrer, runtime, options);
          const manifest = descriptor.digest;
          return { place, manifest, readBack: entityFromBundle(await again, { place, manifest }) };
        },
        cancel: () => cancel(upload),
      };
    },
  };
}

const bundleWriter = bundleWriterOf(signPredicateType, ({ image, annotations }) =>
  encodeSignStatement(image.digest, annotations),
);

/** Writes attestations: bundles as signatures are, of another predicate type. */
export function attestationWriter(predicateType: string, predicate: Uint8Array): SignatureWriter {
  return bundleWriterOf(predicateType, ({ image, dockerReference }) =>
    encodeAttestation({ name: dockerReference, digest: image.digest, predicateType, predicate }),
  );
}

const cosignWriter: SignatureWriter = {
  format: 'cosign',
  describe: ({ image, annotations, dockerReference }) => {
    const payload = encodeSimpleSigning(dockerReference, image.digest, annotations);
    return { payload, signedBytes: payload };
  },
  assemble: (payload, made) => ({ format: 'cosign', payload, made, content: payload }),
  entity: (assembled) => entityFromSignatureLayer(layerOf(assembled), assembled.payload, { place: 'file' }),
  prepare: (repository, { image, payload }, runtime, options) => {
    const upload = begin(repository.beginUpload(options));
    const digests = { payload: digestOf(payload), subject: image.digest };
    const preparing = begin(prepareSignatureTag(repository, digests, options));
    return {
      store: async (assembled) => {
        const prepared = await preparing;
        const earlier = earlierSignature(assembled, prepared);
        // Its payload may have been deleted since; then it verifies nowhere.
        if (earlier && (await repository.hasBlob(digests.payload, options))) {
          await cancel(upload);
          return earlier;
        }
        await (await upload).complete(payload, options);
        const layer = layerOf(assembled);
        const again = begin(repository.getBlob(layer, { ...options, maxBytes: limits.payloadBytes }));
        const place = 'signature-tag';
        const attached = { layer, subject: image.digest, prepared };
        const { manifest } = await attachSignatureLayer(repository, attached, runtime, options);
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

/** The layer that carries a signature with what proves it: here the authorities stand beside the certificate. */
function layerOf({ payload, made }: AssembledSignature): Descriptor {
  const { signature, certificates, material } = made;
  return signatureLayer(payload, signature, { ...material, ...(certificates ? { certificates } : {}) });
}

/**
 * A signature by the same key over the same payload that is stored already: a second one would say nothing new, and
 * pipelines that run again would make the manifest grow without end. cosign does the same. One that was recorded says
 * something new each time.
 */
function earlierSignature(
  { payload, made: { publicKey, material } }: AssembledSignature,
  { manifest, layers }: PreparedSignatureTag,
): StoredSignature | undefined {
  if (material.logEntries.length > 0 || material.timestamps.length > 0) return undefined;
  const place = 'signature-tag';
  const digest = digestOf(payload);
  for (const layer of layers) {
    if (manifest === undefined || layer.digest !== digest || !isSignatureLayer(layer)) continue;
    try {
      const readBack = entityFromSignatureLayer(layer, payload, { place, manifest });
      authenticate(readBack, [publicKey]);
      return { place, manifest, readBack };
    } catch {
      // Somebody else's signature, or a broken one.
    }
  }
  return undefined;
}

/** Every format that `sign` writes, in the order they are made and reported. */
export const signatureWriters: readonly SignatureWriter[] = [bundleWriter, cosignWriter];

/** Stores the empty config, which a bundle's manifest refers to, unless it is there. */
async function storeEmptyConfig(repository: Repository, options: CallOptions): Promise<void> {
  if (await repository.hasBlob(emptyConfigDescriptor.digest, options)) return;
  await repository.putBlob(emptyConfigBytes, { ...options, fresh: true });
}

async function cancel(upload: Promise<{ cancel(): Promise<void> }>): Promise<void> {
  await upload.then((pending) => pending.cancel()).catch(() => undefined);
}
