/**
 * The client of a timestamp authority.
 * {@link https://www.rfc-editor.org/rfc/rfc3161#section-3.4 RFC 3161 section 3.4}
 */
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { sha256 } from '../formats/merkle.ts';
import { parseTimestampResponse, requireGranted } from '../formats/timestamp.ts';
import { encodeTimestampRequest, parseTimestampRequest } from '../formats/timestamp-request.ts';
import type { ServiceRequest } from './exchange.ts';
import { readAnswer } from './service-error.ts';
import {
  parseServiceUrl,
  requestService,
  type ServiceOptions,
  type ServiceRuntime,
} from './service-request.ts';

/**
 * Has `message` (in a bundle: the raw signature) timestamped by the authority whose whole URL is `url`: the DER of the
 * TimeStampResp, which is what bundles hold. It is granted, and over the SHA-256 of `message`; it has the random nonce of
 * this one request, so that it cannot be an answer that somebody kept. The certificate of the authority is not asked for:
 * a trusted root has it, and bundles stay small. Its signature is not verified here.
 *
 * Rejects with `ERR_SERVICE_RESPONSE` for a refusal or a timestamp of anything else, and what {@link requestService}
 * rejects with.
 */
export async function requestTimestamp(
  url: string,
  message: Uint8Array,
  runtime: ServiceRuntime,
  options: ServiceOptions = {},
): Promise<Uint8Array> {
  const query = encodeTimestampRequest({ hash: 'sha256', digest: sha256(message), nonce: runtime.random(8) });
  const request: ServiceRequest = {
    kind: 'timestamp authority',
    what: 'asking for a timestamp',
    method: 'POST',
    url: parseServiceUrl(url, 'timestamp authority'),
    headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
    body: query,
    maxBytes: limits.timestampBytes,
    accept: [200, 201],
  };
  const { body } = await requestService(request, runtime, options);
  readAnswer(request, () => requireAnswerOf(query, body));
  return body;
}

/** Checks that a response grants what was asked for. Throws `ERR_TIMESTAMP_INVALID`. */
function requireAnswerOf(query: Uint8Array, response: Uint8Array): void {
  const asked = parseTimestampRequest(query);
  const { info } = requireGranted(parseTimestampResponse(response));
  const { hashAlgorithm, digest } = info.imprint;
  if (hashAlgorithm !== asked.imprint.hashAlgorithm || !equalBytes(digest, asked.imprint.digest)) {
    throw mismatch('is of something else');
  }
  if (info.nonce === undefined || !equalBytes(info.nonce, asked.nonce ?? new Uint8Array(0))) {
    throw mismatch('is an answer to another request');
  }
}

function mismatch(why: string): BoltsealError {
  return new BoltsealError('ERR_TIMESTAMP_INVALID', `the timestamp ${why}`);
}
