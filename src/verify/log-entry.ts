/**
 * The verification of one entry of a transparency log: that the log has it, and since when. What the entry is about is
 * judged in `log-entry-body.ts`.
 *
 * Rekor v1 promises to add an entry and signs its time (signed entry timestamp, SET); its checkpoints have the origin
 * `host - tree` and are signed under `host`. Rekor v2 signs no time; its checkpoints have the host of its URL as origin
 * and as name. Both prove inclusion.
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/openapi.yaml}, {@link https://github.com/sigstore/rekor-tiles}
 */
import { base64, equalBytes, hex, utf8 } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import { parseCheckpoint, verifyCheckpoint } from '../formats/checkpoint.ts';
import { hashLeaf, rootFromInclusion } from '../formats/merkle.ts';
import { isWithin } from '../formats/time-range.ts';
import type { InclusionProof, LogEntry } from '../formats/verification-material.ts';
import type { LogKey } from './log-key.ts';

/** An entry that a trusted log has. */
export interface LoggedEntry {
  readonly entry: LogEntry;
  readonly log: LogKey;
  /** When the log says it was added; only with a signature of the log over it. */
  readonly integratedTime: Date | undefined;
}

/** Whether an entry is of a kind that Rekor v2 writes. */
export function isVersion2({ kind, version }: LogEntry): boolean {
  return version === '0.0.2' && kind !== 'intoto';
}

/**
 * Verifies that the log has `entry`: its signed entry timestamp and its inclusion proof, whichever are there, and at
 * least one is; of Rekor v2 the proof. With a signed time the log must have been trusted at that time; the other entries
 * are for the caller to judge. Throws `ERR_VERIFY_INCLUSION_PROMISE`, `ERR_VERIFY_INCLUSION_PROOF`,
 * `ERR_VERIFY_CHECKPOINT`, `ERR_VERIFY_LOG_UNKNOWN`, `ERR_CHECKPOINT_INVALID` and `ERR_LIMIT_EXCEEDED`.
 */
export function verifyLogged(entry: LogEntry, log: LogKey): LoggedEntry {
  const { inclusionProof, signedEntryTimestamp } = entry;
  if (inclusionProof === undefined && (signedEntryTimestamp === undefined || isVersion2(entry))) {
    throw refused('ERR_VERIFY_INCLUSION_PROOF', log, 'has no inclusion proof');
  }
  const integratedTime =
    signedEntryTimestamp === undefined ? undefined : verifyPromise(entry, signedEntryTimestamp, log);
  if (inclusionProof !== undefined) verifyProof(entry, inclusionProof, log);
  if (integratedTime !== undefined) checkLogTime(log, integratedTime);
  return { entry, log, integratedTime };
}

function refused(code: ErrorCode, { log }: LogKey, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError(code, `the entry of the log ${JSON.stringify(log.baseUrl.slice(0, 200))} ${why}`, {
    cause,
  });
}

/** Throws `ERR_VERIFY_LOG_UNKNOWN` when the log was not trusted at `time`. */
export function checkLogTime(log: LogKey, time: Date): void {
  const { start, end } = log.log.validFor;
  if (isWithin(log.log.validFor, time)) return;
  throw new BoltsealError(
    'ERR_VERIFY_LOG_UNKNOWN',
    `the log ${JSON.stringify(log.log.baseUrl.slice(0, 200))} was not trusted at ${time.toISOString()}`,
    {
      hint: `The trusted root trusts it from ${start.toISOString()}${end === undefined ? ' on' : ` to ${end.toISOString()}`}.`,
    },
  );
}

/**
 * The time that a signed entry timestamp is about. It is over the canonical JSON (RFC 8785) of body, time, log and
 * index.
 */
function verifyPromise(entry: LogEntry, signature: Uint8Array, log: LogKey): Date {
  const { canonicalizedBody, integratedTime, logId, logIndex } = entry;
  const fail = (why: string): BoltsealError => refused('ERR_VERIFY_INCLUSION_PROMISE', log, why);
  // Rekor v2 signs none; what it signs is not this.
  if (isVersion2(entry)) throw fail('has a signed entry timestamp, and its kind has none');
  // What is larger is no time that a Date can hold.
  if (integratedTime === undefined || integratedTime > 8_640_000_000_000n) {
    throw fail('has a signed entry timestamp and no time');
  }
  const signed =
    `{"body":"${base64(canonicalizedBody)}","integratedTime":${integratedTime},` +
    `"logID":"${hex(logId)}","logIndex":${logIndex}}`;
  if (!log.signed(utf8(signed), signature)) throw fail('has a signed entry timestamp that does not verify');
  return new Date(Number(integratedTime) * 1_000);
}

function verifyProof(entry: LogEntry, proof: InclusionProof, log: LogKey): void {
  const fail = (why: string, cause?: unknown): BoltsealError =>
    refused('ERR_VERIFY_INCLUSION_PROOF', log, why, cause);
  const { logIndex, treeSize, rootHash, hashes } = proof;
  // The index of Rekor v1 counts the trees before this one too.
  if (isVersion2(entry) ? logIndex !== entry.logIndex : logIndex > entry.logIndex) {
    throw fail('has an inclusion proof for another index');
  }
  verifyTree(proof, isVersion2(entry), log);
  let root: Uint8Array;
  try {
    root = rootFromInclusion(hashLeaf(entry.canonicalizedBody), Number(logIndex), Number(treeSize), hashes);
  } catch (cause) {
    throw fail('has an inclusion proof that is malformed', cause);
  }
  if (!equalBytes(root, rootHash)) throw fail('has an inclusion proof that leads to another tree');
}

/** Checks that the log signed the root that the proof leads to. */
function verifyTree(
  { checkpoint: note, rootHash, treeSize }: InclusionProof,
  isSecond: boolean,
  log: LogKey,
): void {
  const fail = (why: string, cause?: unknown): BoltsealError =>
    refused('ERR_VERIFY_CHECKPOINT', log, why, cause);
  const checkpoint = parseCheckpoint(note, 'the checkpoint of an inclusion proof');
  const name = signerName(checkpoint.origin, isSecond, log);
  if (name === undefined) throw fail('has a checkpoint of another log');
  try {
    verifyCheckpoint(checkpoint, [log.checkpointVerifier(name)]);
  } catch (cause) {
    throw fail('has a checkpoint that is not signed by the log', cause);
  }
  if (BigInt(checkpoint.size) !== treeSize || !equalBytes(checkpoint.root, rootHash)) {
    throw fail('has a checkpoint of another tree than its inclusion proof');
  }
}

/**
 * The name that the log signs a checkpoint of this origin with: of Rekor v1 what stands before ` - ` and the number of
 * the tree; otherwise the origin, which must be the host of the log.
 */
function signerName(origin: string, isSecond: boolean, log: LogKey): string | undefined {
  const host = /^(.+) - [0-9]+$/.exec(origin)?.[1];
  if (host !== undefined && !isSecond) return host;
  return origin === log.host ? origin : undefined;
}
