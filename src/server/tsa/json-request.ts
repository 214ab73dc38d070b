/**
 * Requests for timestamps written as JSON, which the npm `sigstore` package sends:
 *
 *     {"artifactHash":"<base64>","hashAlgorithm":"sha256","certificates":false,"nonce":123,"tsaPolicyOID":"1.2.3"}
 *
 * {@link https://github.com/sigstore/timestamp-authority/blob/v2.0.0/openapi.yaml}
 */
import { fromBase64, fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { hashOids } from '../../formats/cms.ts';
import {
  encodeMessageImprint,
  integerContent,
  type TimestampRequest,
} from '../../formats/timestamp-request.ts';

/** Hash algorithms by the names of this API; SHA-1 is known so that it can be refused by its name. */
const algorithms: Readonly<Record<string, string>> = { ...hashOids, sha1: '1.3.14.3.2.26' };

/**
 * The request that `body` is. Members that are not known are ignored, as in the API. A nonce may be of any size and
 * sign. Throws `ERR_LIMIT_EXCEEDED` above `limits.timestampRequestJsonBytes`, `ERR_TIMESTAMP_INVALID`, and what
 * `parseJson` throws.
 */
export function parseTimestampJsonRequest(body: Uint8Array): TimestampRequest {
  const what = 'the timestamp request';
  const value = parseJson(body, { what, maxBytes: limits.timestampRequestJsonBytes, maxDepth: 8 });
  if (!isJsonObject(value)) throw invalid('it is not an object');
  const hashAlgorithm = algorithms[text(value, 'hashAlgorithm').toLowerCase()];
  if (hashAlgorithm === undefined) throw invalid('its hash algorithm is not known');
  const digest = fromBase64(text(value, 'artifactHash'), 'artifactHash');
  const policy = text(value, 'tsaPolicyOID');
  const { certificates = false } = value;
  if (typeof certificates !== 'boolean' && certificates !== null) throw invalid('certificates is no boolean');
  return {
    imprint: { hashAlgorithm, digest, bytes: encodeMessageImprint(hashAlgorithm, digest) },
    policy: policy === '' ? undefined : policy,
    nonce: readNonce(value, body),
    certificates: certificates === true,
    hasExtensions: false,
  };
}

function text(object: JsonObject, name: string): string {
  const value = object[name];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw invalid(`${name} is no text`);
  return value;
}

/**
 * A nonce is usually larger than what a JSON number can be read as exactly, so its digits are taken from the text. The
 * text is known to be JSON with no key twice: what stands before a colon and reads `"nonce"` is that key.
 */
function readNonce(object: JsonObject, body: Uint8Array): Uint8Array | undefined {
  const { nonce } = object;
  if (nonce === undefined || nonce === null) return undefined;
  const digits = /"nonce"\s*:\s*(-?(?:0|[1-9][0-9]*))(?![0-9.eE])/.exec(fromUtf8(body, 'the request'))?.[1];
  if (typeof nonce !== 'number' || digits === undefined) throw invalid('nonce is no integer');
  return integerContent(BigInt(digits));
}

function invalid(why: string): BoltsealError {
  return new BoltsealError('ERR_TIMESTAMP_INVALID', `the timestamp request is not valid: ${why}`);
}
