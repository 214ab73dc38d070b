/**
 * Looking up entries of a transparency log with the API of Rekor v1. Everything that is asked for is known before: the
 * answer is compared with it, byte for byte, and only brings the proof.
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/openapi.yaml}
 */
import { equalBytes, hex, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Json, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { hashLeaf } from '../formats/merkle.ts';
import { parseRekorV1Answer } from '../formats/rekor-answer.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { answerError, readAnswer } from './service-error.ts';
import {
  requestService,
  type ServiceOptions,
  type ServiceRequest,
  type ServiceRuntime,
  serviceUrl,
} from './service-request.ts';

const entries = '/api/v1/log/entries';

/**
 * The entries of the log at `url` that have one of `bodies`, which are as the log keeps them, and at most
 * `limits.rekorRetrieve`; none when it has none. An entry may be there more than once, in trees that follow each other.
 * Their proofs are not verified here. Rejects with `ERR_SERVICE_RESPONSE` for an entry that was not asked for, and what
 * `requestService` rejects with.
 */
export async function findEntriesV1(
  url: string,
  bodies: readonly Uint8Array[],
  runtime: ServiceRuntime,
  options: ServiceOptions = {},
): Promise<readonly LogEntry[]> {
  if (bodies.length > limits.rekorRetrieve) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${bodies.length} entries are looked up at once`);
  }
  // An entry is known by the hash of its leaf, which is that of its body.
  const entryUUIDs = bodies.map((body) => hex(hashLeaf(body)));
  const request: ServiceRequest = {
    kind: 'transparency log',
    what: 'looking up the log entry of the signature',
    method: 'POST',
    url: serviceUrl(url, `${entries}/retrieve`, 'transparency log'),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: utf8(JSON.stringify({ entryUUIDs })),
    maxBytes: limits.serviceAnswerBytes * limits.rekorRetrieve,
    accept: [200],
  };
  const answer = await requestService(request, runtime, options);
  return readAnswer(request, () =>
    readList(answer.body).map((item) => {
      const { entry } = parseRekorV1Answer(utf8(JSON.stringify(item)));
      if (bodies.some((body) => equalBytes(body, entry.canonicalizedBody))) return entry;
      throw answerError(request, 'answered with an entry about something else');
    }),
  );
}

function readList(body: Uint8Array): readonly Json[] {
  const what = 'the answer of the log';
  const maxBytes = limits.serviceAnswerBytes * limits.rekorRetrieve;
  const document = parseJson(body, { what, maxBytes });
  // Go writes an empty list as null.
  if (document === null) return [];
  if (!Array.isArray(document)) throw new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is not a list`);
  if (document.length > limits.rekorSearchResults) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has ${document.length} entries`);
  }
  return document as readonly Json[];
}

/**
 * The same entry as the log at `url` has it now: with an inclusion proof. Index, body, log and time must be those of
 * `known`; the proof is not verified here. Rejects with `ERR_SERVICE_RESPONSE` for another entry, and what
 * `requestService` rejects with.
 */
export async function lookUpEntryV1(
  url: string,
  known: LogEntry,
  runtime: ServiceRuntime,
  options: ServiceOptions = {},
): Promise<LogEntry> {
  const request: ServiceRequest = {
    kind: 'transparency log',
    what: `looking up log entry ${known.logIndex}`,
    method: 'GET',
    url: serviceUrl(url, `${entries}?logIndex=${known.logIndex}`, 'transparency log'),
    headers: { accept: 'application/json' },
    maxBytes: limits.serviceAnswerBytes,
    accept: [200],
  };
  const answer = await requestService(request, runtime, options);
  const { entry } = readAnswer(request, () => parseRekorV1Answer(answer.body));
  const isSame =
    entry.logIndex === known.logIndex &&
    entry.integratedTime === known.integratedTime &&
    equalBytes(entry.logId, known.logId) &&
    equalBytes(entry.canonicalizedBody, known.canonicalizedBody);
  if (isSame) return entry;
  throw answerError(
    request,
    'has another entry in that place',
    undefined,
    'Is it the log that the entry is of?',
  );
}
