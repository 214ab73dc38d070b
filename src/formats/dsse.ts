/** Dead Simple Signing Envelope. {@link https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md} */
import { base64, concatBytes, utf8 } from '../core/encoding.ts';
import { type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type ProtoReader, protoReader } from './proto-json.ts';

/** The payload type of in-toto statements. */
export const inTotoPayloadType = 'application/vnd.in-toto+json';

/** The media type of an envelope that is stored by itself, as cosign's `.att` layers are. */
export const envelopeMediaType = 'application/vnd.dsse.envelope.v1+json';

/** An envelope: a payload, its type, and signatures over the pre-authentication encoding of both. */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signatures: readonly EnvelopeSignature[];
}

/** One signature of an envelope. */
export interface EnvelopeSignature {
  readonly signature: Uint8Array;
  /** An unauthenticated hint; empty or absent in everything cosign reads. */
  readonly keyId?: string;
}

/**
 * What an envelope's signature covers: `DSSEv1 LEN(type) type LEN(payload) payload`, lengths in bytes.
 * {@link https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md#signature-definition}
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload);
}

/**
 * The envelope that `bytes` are. Strict: no unknown field, standard base64 only (the protocol also allows the URL-safe
 * alphabet, which nobody writes), at least one signature and at most `limits.envelopeSignatures`. Throws
 * `ERR_ENVELOPE_INVALID` and what `parseJson` throws.
 */
export function parseEnvelope(bytes: Uint8Array, what: string): Envelope {
  return readEnvelope(
    parseJson(bytes, { what, maxBytes: limits.bundleBytes }),
    protoReader('ERR_ENVELOPE_INVALID', what),
    'the envelope',
  );
}

/** The envelope that a JSON value is, as {@link parseEnvelope}; for codecs that hold one inside. */
export function readEnvelope(value: Json | undefined, reader: ProtoReader, where: string): Envelope {
  const fields = reader.message(value, where, ['payload', 'payloadType', 'signatures']);
  const list = reader.list(fields.signatures, `${where}.signatures`, limits.envelopeSignatures);
  if (list.length === 0) throw reader.invalid(`${where} has no signature`);
  const payloadType = reader.text(fields.payloadType, `${where}.payloadType`);
  if (payloadType === '') throw reader.invalid(`${where} has no payload type`);
  return {
    payload: reader.bytes(fields.payload, `${where}.payload`),
    payloadType,
    signatures: list.map((item, index) => readSignature(item, reader, `${where}.signatures[${index}]`)),
  };
}

function readSignature(value: Json, reader: ProtoReader, where: string): EnvelopeSignature {
  const fields = reader.message(value, where, ['sig', 'keyid']);
  const signature = reader.bytes(fields.sig, `${where}.sig`);
  if (signature.length === 0) throw reader.invalid(`${where}.sig is empty`);
  const keyId = reader.text(fields.keyid, `${where}.keyid`);
  return keyId === '' ? { signature } : { signature, keyId };
}

/** A stored envelope as cosign 3 writes it: proto JSON, as inside a bundle. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return utf8(JSON.stringify(envelopeJson(envelope)));
}

/** An envelope as proto JSON, for codecs that hold one inside. */
export function envelopeJson({ payload, payloadType, signatures }: Envelope): JsonObject {
  return {
    payload: base64(payload),
    payloadType,
    signatures: signatures.map(({ signature, keyId }) => ({
      sig: base64(signature),
      ...(keyId === undefined ? {} : { keyid: keyId }),
    })),
  };
}
