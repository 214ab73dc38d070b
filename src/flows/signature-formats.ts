/**
 * The table of signature formats as `sign` writes them. Each says what bytes are signed, what is made of the signature,
 * and how it gets into a repository; everything else is the same for all of them.
 */

import { begin } from '../core/concurrent.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { attestationLayer, attestationTag } from '../formats/attestation-layer.ts';
import { encodeBundle } from '../formats/bundle.ts';
import { isSignatureLayer, signatureLayer } from '../formats/cosign-layer.ts';
import { encodeEnvelope, inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import {
  type Annotations,
  type Descriptor,
  emptyConfigBytes,
  emptyConfigDescriptor,
} from '../formats/oci.ts';
import { bundleManifest } from '../formats/referrer-manifest.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { encodeAttestation, encodeSignStatement, signPredicateType } from '../formats/statement.ts';
import type { VerificationMaterial } from '../formats/verification-material.ts';
import { attachReferrer } from '../registry/attach.ts';
import type { CallOptions, Repository } from '../registry/repository.ts';
import {
  attachSignatureLayer,
  type PreparedSignatureTag,
  prepareSignatureTag,
} from '../registry/signature-tag.ts';
import { authenticate } from '../verify/authenticate.ts';
import type { EntityOrigin, SignatureFormat, SignedEntity } from '../verify/entity.ts';
import { entityFromAttestationLayer, entityFromBundle, entityFromSignatureLayer } from '../verify/entity.ts';
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
  /** The blob to store: the bundle, the payload, or the envelope of an attestation. */
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

/** What is made of a signature, and how it is stored. */
export interface SignatureStore {
  readonly format: SignatureFormat;
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

/** One row of {@link signatureWriters}. */
export interface SignatureWriter extends SignatureStore {
  /** The payload, and the bytes that the signature covers. */
  describe(subject: SigningSubject): DescribedMessage;
}

type DescribedMessage = MessageToSign & { readonly payload: Uint8Array };

function describeStatement(payload: Uint8Array): DescribedMessage {
  const envelope = { payload, payloadType: inTotoPayloadType };
  return { payload, signedBytes: preAuthEncoding(inTotoPayloadType, payload), envelope };
}

/** Stores bundles of statements of one type. */
export function bundleStore(predicateType: string): SignatureStore {
  return {
    format: 'bundle',
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

const bundleWriter: SignatureWriter = {
  ...bundleStore(signPredicateType),
  describe: ({ image, annotations }) => describeStatement(encodeSignStatement(image.digest, annotations)),
};

/** Stores signatures as layers of the `.sig` manifest. */
export const cosignStore: SignatureStore = {
  format: 'cosign',
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

const cosignWriter: SignatureWriter = {
  ...cosignStore,
  describe: ({ image, annotations, dockerReference }) => {
    const payload = encodeSimpleSigning(dockerReference, image.digest, annotations);
    return { payload, signedBytes: payload };
  },
};

/** The layer that carries a signature with what proves it. */
function layerOf({ payload, made }: AssembledSignature): Descriptor {
  return signatureLayer(payload, made.signature, layerMaterial(made));
}

/** What proves a signature, in the cosign format: here the authorities stand beside the certificate. */
function layerMaterial({ certificates, material }: MadeSignature): VerificationMaterial {
  return { ...material, ...(certificates ? { certificates } : {}) };
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

/**
 * Stores attestations of one type as layers of the `.att` manifest. What is uploaded holds the signature, so that little
 * can be done before there is one.
 */
export function attestationLayerStore(predicateType: string): SignatureStore {
  const layerOfAttestation = ({ content, made }: AssembledSignature): Descriptor =>
    attestationLayer(content, predicateType, layerMaterial(made));
  return {
    format: 'cosign',
    assemble: (payload, made) => ({
      format: 'cosign',
      payload,
      made,
      content: envelopeOf(payload, made.signature),
    }),
    entity: (assembled) =>
      entityFromAttestationLayer(layerOfAttestation(assembled), assembled.content, { place: 'file' }),
    prepare: (repository, { image }, runtime, options) => {
      const upload = begin(repository.beginUpload(options));
      return {
        store: async (assembled) => {
          await (await upload).complete(assembled.content, options);
          const layer = layerOfAttestation(assembled);
          const again = begin(repository.getBlob(layer, { ...options, maxBytes: limits.bundleBytes }));
          const place = 'attestation-tag';
          const attached = { layer, subject: image.digest, tag: attestationTag(image.digest) };
          const { manifest } = await attachSignatureLayer(repository, attached, runtime, options);
          const readBack = entityFromAttestationLayer(layer, await again, { place, manifest });
          return { place, manifest, readBack };
        },
        cancel: () => cancel(upload),
      };
    },
  };
}

function envelopeOf(payload: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeEnvelope({ payload, payloadType: inTotoPayloadType, signatures: [{ signature }] });
}

/** {@link signatureWriters} of attestations: every format writes the same statement. */
export function attestationWriters(predicateType: string, predicate: Uint8Array): readonly SignatureWriter[] {
  const encode = ({ image, dockerReference }: SigningSubject): Uint8Array =>
    encodeAttestation({ name: dockerReference, digest: image.digest, predicateType, predicate });
  return [
    { ...bundleStore(predicateType), describe: (subject) => describeStatement(encode(subject)) },
    {
      ...attestationLayerStore(predicateType),
      describe: (subject) => {
        const payload = encode(subject);
        const stampedBytes = (signature: Uint8Array): Uint8Array => envelopeOf(payload, signature);
        return { ...describeStatement(payload), stampedBytes };
      },
    },
  ];
}

/** Stores the empty config, which a bundle's manifest refers to, unless it is there. */
async function storeEmptyConfig(repository: Repository, options: CallOptions): Promise<void> {
  if (await repository.hasBlob(emptyConfigDescriptor.digest, options)) return;
  await repository.putBlob(emptyConfigBytes, { ...options, fresh: true });
}

async function cancel(upload: Promise<{ cancel(): Promise<void> }>): Promise<void> {
  await upload.then((pending) => pending.cancel()).catch(() => undefined);
}
