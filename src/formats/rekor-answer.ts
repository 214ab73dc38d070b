/**
 * What logs answer: Rekor v1 an object with one member, the entry under its id; Rekor v2 a TransparencyLogEntry. Both
 * are read to the same entry. Nothing is verified.
 *
 *     {"ID": {"body": base64, "integratedTime": N, "logID": hex, "logIndex": N, "verification": {
 *        "inclusionProof": {"checkpoint": note, "hashes": [hex], "logIndex": N, "rootHash": hex, "treeSize": N},
 *        "signedEntryTimestamp": base64}}}
 *
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/openapi.yaml},
 * {@link https://github.com/sigstore/rekor-tiles/blob/v2.3.0/CLIENTS.md}
 */
import { fromBase64 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { protoReader } from './proto-json.ts';
import { readTransparencyLogEntry } from './transparency-log-entry.ts';
import type { InclusionProof, LogEntry } from './verification-material.ts';

/** An entry of Rekor v1 with the id it is asked for by. */
export interface RekorV1Answer {
  /** The hash of the leaf in hexadecimal, after the 16 digits of the tree where the log says which. */
  readonly entryId: string;
  readonly entry: LogEntry;
}

/** Whether `text` can be the id of an entry of Rekor v1. */
export function isEntryId(text: string): boolean {
  return /^(?:[0-9a-f]{16})?[0-9a-f]{64}$/.test(text);
}

function invalid(what: string, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is not valid: ${why}`, { cause });
}

/**
 * The entry that Rekor v1 answers: one, with all that proves it, its kind read from its body. Members that are not known
 * are left aside: the log also answers what is stored beside an entry. Throws `ERR_LOG_ENTRY_INVALID` and what
 * `parseJson` throws.
 */
export function parseRekorV1Answer(bytes: Uint8Array, what = 'the answer of the log'): RekorV1Answer {
  const document = parseJson(bytes, { what, maxBytes: limits.serviceAnswerBytes });
  const [member, ...more] = Object.entries(object(document, what));
  if (member === undefined || more.length > 0) throw invalid(what, 'it is not one entry');
  const [entryId, value] = member;
  if (!isEntryId(entryId)) throw invalid(what, 'the id of the entry is malformed');
  const fields = object(value, what);
  const verification = object(fields['verification'], `verification of ${what}`);
  const canonicalizedBody = filled(fields['body'], 'body', what);
  return {
    entryId,
    entry: {
      logIndex: BigInt(number(fields['logIndex'], 'logIndex', what)),
      logId: hexBytes(fields['logID'], 'logID', what),
      ...readKind(canonicalizedBody, what),
      integratedTime: BigInt(number(fields['integratedTime'], 'integratedTime', what, 1)),
      signedEntryTimestamp: filled(verification['signedEntryTimestamp'], 'signedEntryTimestamp', what),
      inclusionProof: readProof(verification['inclusionProof'], what),
      canonicalizedBody,
    },
  };
}

function readProof(value: Json | undefined, what: string): InclusionProof {
  const fields = object(value, `inclusionProof of ${what}`);
  const { hashes, checkpoint } = fields;
  if (!Array.isArray(hashes)) throw invalid(what, 'hashes is not a list');
  if (hashes.length > limits.inclusionProofHashes) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has a proof of ${hashes.length} hashes`);
  }
  if (typeof checkpoint !== 'string' || checkpoint === '') throw invalid(what, 'it has no checkpoint');
  return {
    logIndex: BigInt(number(fields['logIndex'], 'logIndex', what)),
    rootHash: hexBytes(fields['rootHash'], 'rootHash', what),
    treeSize: BigInt(number(fields['treeSize'], 'treeSize', what)),
    hashes: hashes.map((hash: Json) => hexBytes(hash, 'a hash', what)),
    checkpoint,
  };
}

/** Kind and version of an entry, as every body of Rekor v1 begins with them. */
function readKind(body: Uint8Array, what: string): Pick<LogEntry, 'kind' | 'version'> {
  const where = `the body of ${what}`;
  const { kind, apiVersion } = object(
    parseJson(body, { what: where, maxBytes: limits.logEntryBytes }),
    where,
  );
  const isName = (text: Json | undefined): text is string =>
    typeof text === 'string' && /^[a-z0-9._-]{1,40}$/.test(text);
  if (!isName(kind) || !isName(apiVersion)) throw invalid(where, 'it has no kind and version');
  return { kind, version: apiVersion };
}

function object(value: Json | undefined, what: string): JsonObject {
  if (!isJsonObject(value)) throw invalid(what, 'it is not an object');
  return value;
}

function number(value: Json | undefined, name: string, what: string, least = 0): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw invalid(what, `${name} is not a number of at least ${least}`);
}

/** 32 bytes. */
function hexBytes(value: Json | undefined, name: string, what: string): Uint8Array {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) {
    throw invalid(what, `${name} is not 64 lower-case hexadecimal digits`);
  }
  return new Uint8Array(Buffer.from(value, 'hex'));
}

function filled(value: Json | undefined, name: string, what: string): Uint8Array {
  if (typeof value !== 'string' || value === '') throw invalid(what, `it has no ${name}`);
  try {
    return fromBase64(value, name);
  } catch (cause) {
    throw invalid(what, `${name} is not standard base64`, cause);
  }
}

/**
 * The entry that Rekor v2 answers: strict proto JSON. It must have a body and a proof with a checkpoint. Throws
 * `ERR_LOG_ENTRY_INVALID`, `ERR_LIMIT_EXCEEDED` and what `parseJson` throws.
 */
export function parseRekorV2Answer(bytes: Uint8Array, what = 'the answer of the log'): LogEntry {
  const document = parseJson(bytes, { what, maxBytes: limits.serviceAnswerBytes });
  const entry = readTransparencyLogEntry(document, protoReader('ERR_LOG_ENTRY_INVALID', what), 'it');
  if (entry.canonicalizedBody.length === 0) throw invalid(what, 'it has no body');
  if (entry.inclusionProof === undefined || entry.inclusionProof.checkpoint === '') {
    throw invalid(what, 'it has no inclusion proof with a checkpoint');
  }
  return entry;
}
