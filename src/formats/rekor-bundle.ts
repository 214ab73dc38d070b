/**
 * A log entry as cosign’s older formats carry it: what the log signed of it, and its signed entry timestamp. There is
 * no inclusion proof in it, and so only entries of Rekor v1 fit.
 *
 *     {"SignedEntryTimestamp":"base64","Payload":{"body":"base64","integratedTime":1,"logIndex":2,"logID":"hex"}}
 *
 * {@link https://github.com/sigstore/cosign/blob/v2.5.0/specs/SIGNATURE_SPEC.md#properties}
 */
import { base64, fromBase64, hex } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { LogEntry } from './verification-material.ts';

/**
 * The entry that a JSON value is. Strict base64, lower-case hexadecimal, whole numbers; kind and version are read from
 * the body. Members that are not known are ignored, as cosign does. Nothing is verified. Throws errors of `code`, and
 * what decoding base64 and JSON throws.
 */
export function readRekorBundle(value: Json | undefined, code: ErrorCode): LogEntry {
  const malformed = (why: string): BoltsealError => new BoltsealError(code, why);
  const text = (object: JsonObject, name: string): string => {
    const found = object[name];
    if (typeof found !== 'string' || found === '') throw malformed(`${name} is missing or no text`);
    return found;
  };
  const whole = (object: JsonObject, name: string): bigint => {
    const found = object[name];
    if (typeof found !== 'number' || !Number.isSafeInteger(found) || found < 0) {
      throw malformed(`${name} is missing or no whole number`);
    }
    return BigInt(found);
  };
  if (!isJsonObject(value)) throw malformed('the log entry is not an object');
  const payload = value['Payload'];
  if (!isJsonObject(payload)) throw malformed('the log entry has no Payload');
  const body = fromBase64(text(payload, 'body'), 'the body of the log entry');
  const entry = parseJson(body, { what: 'the body of the log entry', maxBytes: limits.manifestBytes });
  if (!isJsonObject(entry)) throw malformed('the body of the log entry is not an object');
  const logId = text(payload, 'logID');
  if (!/^(?:[0-9a-f]{2})+$/.test(logId)) throw malformed('logID is not hexadecimal');
  return {
    logIndex: whole(payload, 'logIndex'),
    logId: new Uint8Array(Buffer.from(logId, 'hex')),
    kind: text(entry, 'kind'),
    version: text(entry, 'apiVersion'),
    integratedTime: whole(payload, 'integratedTime'),
    signedEntryTimestamp: fromBase64(text(value, 'SignedEntryTimestamp'), 'SignedEntryTimestamp'),
    canonicalizedBody: body,
  };
}

/**
 * The JSON of an entry, members in cosign’s order. Its inclusion proof is left out: there is no place for it. Throws
 * `ERR_USAGE` for an entry without a signed entry timestamp and its time: those of Rekor v2 have none.
 */
export function rekorBundleJson(entry: LogEntry): JsonObject {
  const { signedEntryTimestamp, integratedTime, logIndex, canonicalizedBody, logId } = entry;
  if (signedEntryTimestamp === undefined || integratedTime === undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      'an entry of Rekor v2 does not fit into the older formats of cosign: it has no signed entry timestamp',
      { hint: 'Write a bundle (--format bundle), or use a log of Rekor v1.' },
    );
  }
  if (logIndex > Number.MAX_SAFE_INTEGER || integratedTime > Number.MAX_SAFE_INTEGER) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', 'a number of the log entry is larger than JSON can hold');
  }
  return {
    SignedEntryTimestamp: base64(signedEntryTimestamp),
    Payload: {
      body: base64(canonicalizedBody),
      integratedTime: Number(integratedTime),
      logIndex: Number(logIndex),
      logID: hex(logId),
    },
  };
}
