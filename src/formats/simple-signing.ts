/**
 * Simple signing: the payload of signatures in the cosign format.
 *
 *     {"critical":{"identity":{"docker-reference":"host/repo"},"image":{"docker-manifest-digest":"sha256:…"},
 *      "type":"cosign container image signature"},"optional":{"key":"value"}}
 *
 * {@link https://github.com/containers/image/blob/v5.36.0/docs/containers-signature.5.md#json-data-format}
 */
import { type Digest, isDigest } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { goJson, isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { annotationsJson } from './annotations.ts';
import type { Annotations } from './oci.ts';

/** The media type of a payload, as a layer of a `.sig` manifest. */
export const simpleSigningMediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** The only accepted `critical.type`. */
export const simpleSigningType = 'cosign container image signature';

/** A payload, decoded. */
export interface SimpleSigning {
  /** `critical.identity.docker-reference`, as written. */
  readonly dockerReference: string;
  readonly digest: Digest;
  /** `critical.type`, as written: the verifier judges it. */
  readonly type: string;
  /** `optional`, as written: other signers put numbers there too. */
  readonly optional: JsonObject | null;
}

/** The payload bytes cosign writes: Go's escapes, keys sorted, `optional` null when there are no annotations. */
export function encodeSimpleSigning(
  dockerReference: string,
  digest: Digest,
  annotations: Annotations,
): Uint8Array {
  const optional = Object.keys(annotations).length === 0 ? 'null' : annotationsJson(annotations, true);
  return utf8(
    `{"critical":{"identity":{"docker-reference":${goJson(dockerReference)}},` +
      `"image":{"docker-manifest-digest":"${digest}"},"type":"${simpleSigningType}"},"optional":${optional}}`,
  );
}

/**
 * The payload that `bytes` are. Strict: exactly the fields of the format, because what a verifier skips over a signer
 * may have meant. Throws `ERR_PAYLOAD_INVALID` and what `parseJson` throws.
 */
export function parseSimpleSigning(bytes: Uint8Array, what: string): SimpleSigning {
  const document = parseJson(bytes, { what, maxBytes: limits.payloadBytes });
  const root = exactFields(document, ['critical', 'optional'], what, 'the payload');
  const critical = exactFields(root['critical'], ['identity', 'image', 'type'], what, 'critical');
  const identity = exactFields(critical['identity'], ['docker-reference'], what, 'critical.identity');
  const image = exactFields(critical['image'], ['docker-manifest-digest'], what, 'critical.image');
  const dockerReference = identity['docker-reference'];
  const digest = image['docker-manifest-digest'];
  const type = critical['type'];
  const optional = root['optional'] ?? null;
  if (typeof dockerReference !== 'string') throw invalid(what, 'docker-reference is not text');
  if (typeof type !== 'string') throw invalid(what, 'critical.type is not text');
  if (typeof digest !== 'string' || !isDigest(digest))
    throw invalid(what, 'docker-manifest-digest is not a digest');
  if (optional !== null && !isJsonObject(optional)) throw invalid(what, 'optional is not an object');
  if (optional !== null && Object.keys(optional).length > limits.annotations) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has more than ${limits.annotations} annotations`);
  }
  return { dockerReference, digest, type, optional };
}

/** The annotations of a payload: the members of `optional` that are text. */
export function simpleSigningAnnotations(payload: SimpleSigning): Annotations {
  const entries = Object.entries(payload.optional ?? {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function exactFields(
  value: Json | undefined,
  names: readonly string[],
  what: string,
  where: string,
): JsonObject {
  if (!isJsonObject(value)) throw invalid(what, `${where} is not an object`);
  const extra = Object.keys(value).find((name) => !names.includes(name));
  if (extra !== undefined) {
    throw invalid(what, `${where} has the unknown field ${JSON.stringify(extra.slice(0, 80))}`);
  }
  return value;
}

function invalid(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_PAYLOAD_INVALID', `${what} is not a simple-signing payload: ${why}`);
}
