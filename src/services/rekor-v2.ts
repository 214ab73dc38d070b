/**
 * The client of a transparency log with the API of Rekor v2.
 * {@link https://github.com/sigstore/rekor-tiles/blob/v2.3.0/CLIENTS.md}
 */
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type EntryKeyDetails,
  encodeEntryRequestV2,
  encodeEntryV2,
  entryAlgorithms,
  entryVersionV2,
  type HashedRekordV2,
} from '../formats/log-entry-v2.ts';
import type { KeyType } from '../formats/public-key.ts';
import { parseRekorV2Answer } from '../formats/rekor-answer.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { ServiceAnswer, ServiceRequest } from './exchange.ts';
import {
  contentOf,
  type RecordableSignature,
  requireLoggable,
  signedDigest,
  verifierOfSignature,
} from './recordable-signature.ts';
import { type RekorV2Options, readExistingEntry } from './rekor-tiles.ts';
import { answerError, readAnswer } from './service-error.ts';
import { requestService, type ServiceRuntime, serviceUrl } from './service-request.ts';

export type { RekorV2Options };

/**
 * Adds a signature to the log at `url`, always as `hashedrekord`: of an envelope over its pre-authentication encoding, as
 * Go clients do, which cannot read the kind `dsse`. The log answers when a checkpoint covers the entry, which takes up to
 * 10 s. An entry that is there already is read from the log's tiles. Either way the entry is compared with what was sent,
 * byte for byte; signatures of the log are not verified here. Rejects with `ERR_SIGNING_CONFIG` when the log does not take
 * such a key, `ERR_SERVICE_RESPONSE` for an entry about anything else, and what {@link requestService} rejects with.
 */
export async function addEntryV2(
  url: string,
  signature: RecordableSignature,
  runtime: ServiceRuntime,
  options: RekorV2Options = {},
): Promise<LogEntry> {
  requireLoggable(2, signature.publicKey, contentOf(signature));
  const proposed = propose(signature);
  const body = encodeEntryV2(proposed);
  const request: ServiceRequest = {
    kind: 'transparency log',
    what: 'logging the signature',
    method: 'POST',
    url: serviceUrl(url, '/api/v2/log/entries', 'transparency log'),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: encodeEntryRequestV2(proposed),
    maxBytes: limits.serviceAnswerBytes,
    accept: [200, 201, 409],
  };
  const answer = await requestService(request, runtime, options);
  if (answer.status !== 409) return readEntry(request, answer, body);
  return readExistingEntry({ url, index: existingIndex(request, answer), body }, runtime, options);
}

function propose(signature: RecordableSignature): HashedRekordV2 {
  const { kind, der } = verifierOfSignature(signature);
  return {
    kind: 'hashedrekord',
    digest: signedDigest(signature),
    signature: signature.signature,
    verifier: { kind, der, keyDetails: keyDetailsOf(signature.publicKey.type) },
  };
}

/** The name of a type of key with SHA-256; {@link requireLoggable} has let no other through. */
function keyDetailsOf(type: KeyType): EntryKeyDetails {
  const names = Object.keys(entryAlgorithms) as EntryKeyDetails[];
  const name = names.find(
    (one) => entryAlgorithms[one].type === type && entryAlgorithms[one].hash === 'sha256',
  );
  if (name === undefined) throw new BoltsealError('ERR_INTERNAL', `no log takes ${type} with SHA-256`);
  return name;
}

function readEntry(request: ServiceRequest, answer: ServiceAnswer, body: Uint8Array): LogEntry {
  const entry = readAnswer(request, () => parseRekorV2Answer(answer.body));
  const isOurs = entry.kind === 'hashedrekord' && entry.version === entryVersionV2;
  if (isOurs && equalBytes(entry.canonicalizedBody, body)) return entry;
  throw answerError(request, 'answered with an entry about something else');
}

/** The index of the entry that is there already. */
function existingIndex(request: ServiceRequest, { headers }: ServiceAnswer): number {
  const text = headers.get('x-log-index') ?? '';
  const index = Number(text);
  if (/^(?:0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(index)) return index;
  throw answerError(request, 'says that the signature is logged already, and not where');
}
