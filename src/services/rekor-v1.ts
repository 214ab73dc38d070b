/**
 * The client of a transparency log with the API of Rekor v1.
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/openapi.yaml}
 */
import { equalBytes, hex, utf8 } from '../core/encoding.ts';
import { isJsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type Envelope, envelopeJson } from '../formats/dsse.ts';
import { encodeEntryRequestV1, encodeEntryV1 } from '../formats/log-entry-v1.ts';
import { encodeVerifierPem } from '../formats/log-entry-verifier.ts';
import { hashLeaf, sha256 } from '../formats/merkle.ts';
import { isEntryId, parseRekorV1Answer } from '../formats/rekor-answer.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { ServiceAnswer, ServiceRequest } from './exchange.ts';
import {
  contentOf,
  type RecordableSignature,
  requireLoggable,
  signedDigest,
  verifierOfSignature,
} from './recordable-signature.ts';
import { answerError, readAnswer } from './service-error.ts';
import { requestService, type ServiceOptions, type ServiceRuntime, serviceUrl } from './service-request.ts';

const entries = '/api/v1/log/entries';

/** An entry that is proposed, and the body it will have: the canonical form is the log's, and always the same. */
interface Proposal {
  readonly request: Uint8Array;
  readonly body: Uint8Array;
}

/**
 * Adds a signature to the log at `url`: an envelope as `dsse`, anything else as `hashedrekord`. An entry that is there
 * already (as after an answer that was lost) is fetched. Either way the entry is compared with what was sent, byte for
 * byte; its proofs are not verified here. Rejects with `ERR_SIGNING_CONFIG` when the log does not take such a key,
 * `ERR_SERVICE_RESPONSE` for an entry about anything else, and what {@link requestService} rejects with.
 */
export async function addEntryV1(
  url: string,
  signature: RecordableSignature,
  runtime: ServiceRuntime,
  options: ServiceOptions = {},
): Promise<LogEntry> {
  requireLoggable(1, signature.publicKey, contentOf(signature));
  const proposal = propose(signature);
  const request: ServiceRequest = {
    kind: 'transparency log',
    what: 'logging the signature',
    method: 'POST',
    url: serviceUrl(url, entries, 'transparency log'),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: proposal.request,
    maxBytes: limits.serviceAnswerBytes,
    accept: [200, 201, 409],
  };
  const answer = await requestService(request, runtime, options);
  if (answer.status !== 409) return readEntry(request, answer, proposal);
  const lookUp: ServiceRequest = {
    kind: request.kind,
    what: 'looking up the log entry of the signature',
    method: 'GET',
    url: serviceUrl(url, `${entries}/${existingId(request, answer, proposal)}`, 'transparency log'),
    headers: { accept: 'application/json' },
    maxBytes: limits.serviceAnswerBytes,
    accept: [200],
    // What is read may be a replica that does not have it yet.
    retry: [404],
  };
  return readEntry(lookUp, await requestService(lookUp, runtime, options), proposal);
}

function propose(signature: RecordableSignature): Proposal {
  const verifier = encodeVerifierPem(verifierOfSignature(signature));
  if (signature.envelope === undefined) {
    const entry = {
      kind: 'hashedrekord',
      hash: 'sha256',
      digest: signedDigest(signature),
      signature: signature.signature,
      verifier,
    } as const;
    return { request: encodeEntryRequestV1(entry), body: encodeEntryV1(entry) };
  }
  const whole: Envelope = { ...signature.envelope, signatures: [{ signature: signature.signature }] };
  const envelope = JSON.stringify(envelopeJson(whole));
  return {
    request: encodeEntryRequestV1({ kind: 'dsse', envelope, verifiers: [verifier] }),
    body: encodeEntryV1({
      kind: 'dsse',
      envelopeHash: sha256(utf8(envelope)),
      payloadHash: sha256(whole.payload),
      signatures: [{ signature: signature.signature, verifier }],
    }),
  };
}

function readEntry(request: ServiceRequest, answer: ServiceAnswer, proposal: Proposal): LogEntry {
  const { entry } = readAnswer(request, () => parseRekorV1Answer(answer.body));
  if (equalBytes(entry.canonicalizedBody, proposal.body)) return entry;
  throw answerError(request, 'answered with an entry about something else');
}

/**
 * The id of the entry that is there already, by `Location` or by what is said about it; of both only the id is used. It
 * ends with the hash of the leaf, which is known.
 */
function existingId(request: ServiceRequest, answer: ServiceAnswer, proposal: Proposal): string {
  const leafHash = hex(hashLeaf(proposal.body));
  const located = answer.headers.get('location')?.split('/').at(-1) ?? '';
  const said = /\b(?:[0-9a-f]{16})?[0-9a-f]{64}\b/.exec(messageOf(answer.body))?.[0] ?? '';
  const id = [located, said].find(isEntryId) ?? leafHash;
  if (id.endsWith(leafHash)) return id;
  throw answerError(request, 'says that the signature is logged already, and names the entry of another one');
}

function messageOf(body: Uint8Array): string {
  try {
    const json = parseJson(body, { what: 'the answer', maxBytes: limits.errorBodyBytes });
    const message = isJsonObject(json) ? json['message'] : undefined;
    return typeof message === 'string' ? message : '';
  } catch {
    return '';
  }
}
