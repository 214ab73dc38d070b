/**
 * Attestations in the cosign format: one image manifest under the tag `sha256-<hex>.att`, made as that of signatures, one
 * layer per attestation. The layer's content is a DSSE envelope, which holds its own signature; what proves it are
 * annotations of the layer, as of a signature.
 * {@link https://github.com/sigstore/cosign/blob/v2.5.0/specs/ATTESTATION_SPEC.md}
 */
import { type Digest, digestOf } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { materialAnnotations, readMaterial, signatureAnnotations } from './cosign-layer.ts';
import { type Envelope, envelopeMediaType, parseEnvelope } from './dsse.ts';
import type { Descriptor } from './oci.ts';
import type { VerificationMaterial } from './verification-material.ts';

/** The annotation by which a layer says what its statement is about. What is signed decides in the end: this is not. */
const predicateTypeAnnotation = 'predicateType';

/** One attestation in the cosign format, decoded from its layer. */
export interface CosignAttestation {
  readonly envelope: Envelope;
  readonly material: VerificationMaterial;
}

/**
 * The descriptor of an attestation's layer, as cosign writes it; `envelope` is the content to upload. Timestamps are of
 * these very bytes. Throws what `signatureLayer` throws.
 */
export function attestationLayer(
  envelope: Uint8Array,
  predicateType: string,
  material?: VerificationMaterial,
): Descriptor {
  return {
    mediaType: envelopeMediaType,
    digest: digestOf(envelope),
    size: envelope.length,
    // cosign looks for this annotation in every layer. The order is that of Go, which sorts them.
    annotations: {
      [signatureAnnotations.signature]: '',
      ...(material === undefined ? {} : materialAnnotations(material)),
      [predicateTypeAnnotation]: predicateType,
    },
  };
}

/** Whether a layer of an `.att` manifest holds an attestation. */
export function isAttestationLayer(layer: Descriptor): boolean {
  return layer.mediaType === envelopeMediaType;
}

/** The predicate type that a layer says its statement has; undefined when it says none. */
export function layerPredicateType({ annotations }: Descriptor): string | undefined {
  return annotations?.[predicateTypeAnnotation] || undefined;
}

/**
 * The attestation that a layer is; `content` are its bytes, whose digest the caller has verified. Nothing is verified.
 * Throws `ERR_VERIFY_UNSUPPORTED` for a layer that is no envelope, `ERR_SIGNATURE_LAYER_INVALID`, and what
 * `parseEnvelope` throws.
 */
export function parseAttestationLayer(
  layer: Descriptor,
  content: Uint8Array,
  what: string,
): CosignAttestation {
  if (!isAttestationLayer(layer)) {
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', `${what} is no DSSE envelope`);
  }
  const envelope = parseEnvelope(content, what);
  try {
    return { envelope, material: readMaterial(layer.annotations ?? {}) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new BoltsealError('ERR_SIGNATURE_LAYER_INVALID', `${what} is malformed: ${why}`, { cause });
  }
}

/** The tag under which cosign keeps attestations of `digest`: `sha256-<hex>.att`. */
export function attestationTag(digest: Digest): string {
  return `${digest.replace(':', '-')}.att`;
}
