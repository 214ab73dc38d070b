/** What stands behind a signature: its timestamps and log entries, counted by distinct authorities. */
import { hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isWithin } from '../formats/time-range.ts';
import type { LogEntry, VerificationMaterial } from '../formats/verification-material.ts';
import type { SignatureHash } from './authenticate.ts';
import { checkLogTime, type LoggedEntry, verifyLogged } from './log-entry.ts';
import { checkEntryBody } from './log-entry-body.ts';
import type { MaterialRequirements } from './requirements.ts';
import type { EntrySigner, SignedContent } from './signed-content.ts';
import { type VerifiedTimestamp, verifyTimestamp } from './timestamps.ts';
import type { Trust } from './trust.ts';
import type { ProvenTime, VerifiedMaterial } from './verdict.ts';

/** How many of each are required, defaults filled in. */
export interface Thresholds {
  readonly logEntries: number;
  readonly timestamps: number;
  readonly certificateTimestamps: number;
}

/** The verified content of a signature, and what is beside it. */
export interface Authenticated {
  readonly content: SignedContent;
  readonly signer: EntrySigner;
  /** What the signature was verified with. */
  readonly hash: SignatureHash | 'pure';
  readonly material: VerificationMaterial;
}

/**
 * Verifies timestamps and log entries. Those of authorities and logs that `trust` does not know do not count; all others
 * must be right. Throws `ERR_VERIFY_DUPLICATE`, `ERR_VERIFY_LOG_MISSING`, `ERR_VERIFY_LOG_UNKNOWN`,
 * `ERR_VERIFY_TIMESTAMP_MISSING`, `ERR_VERIFY_TIMESTAMP`, and what the verification of each throws.
 */
export function verifyMaterial(
  authenticated: Authenticated,
  trust: Trust,
  thresholds: Thresholds,
): VerifiedMaterial {
  const { timestamps, logEntries } = authenticated.material;
  checkDuplicates(timestamps, logEntries);
  const stamped = verifyTimestamps(authenticated, trust, thresholds.timestamps);
  const logged = verifyEntries(authenticated, trust);
  const times = [...stamped.map(timestampTime), ...logged.flatMap(([first]) => entryTime(first))];
  const counted = requireLogs(logged, times, trust, logEntries.length, thresholds.logEntries);
  return {
    times,
    logEntries: counted.map(({ entry, log, integratedTime }) => ({
      log: log.log.baseUrl,
      logIndex: entry.logIndex,
      ...(integratedTime === undefined ? {} : { integratedTime }),
    })),
  };
}

function timestampTime({ time, authority }: VerifiedTimestamp): ProvenTime {
  return { source: 'timestamp', time, authority: authority.trusted.uri };
}

function entryTime({ integratedTime, log }: LoggedEntry): ProvenTime[] {
  if (integratedTime === undefined) return [];
  return [{ source: 'log', time: integratedTime, authority: log.log.baseUrl }];
}

/**
 * Nobody writes the same thing twice; whoever does wants it counted twice. Two entries of a log are the same when their
 * index is, or what they are about: a proof says nothing about the index of an entry of Rekor v1.
 */
function checkDuplicates(timestamps: readonly Uint8Array[], entries: readonly LogEntry[]): void {
  if (timestamps.length < 2 && entries.length < 2) return;
  const seen = new Set<string>();
  const once = (key: string, what: string): void => {
    if (!seen.has(key)) {
      seen.add(key);
      return;
    }
    throw new BoltsealError('ERR_VERIFY_DUPLICATE', `the same ${what} is there twice`, {
      hint: 'Remove one of the two; thresholds count distinct logs and authorities.',
    });
  };
  for (const der of timestamps) once(hex(der), 'timestamp');
  for (const { logId, logIndex, canonicalizedBody } of entries) {
    once(`${hex(logId)} ${logIndex}`, 'log entry');
    once(`${hex(logId)} ${hex(canonicalizedBody)}`, 'log entry');
  }
}

function verifyTimestamps(
  { content, material }: Authenticated,
  trust: Trust,
  threshold: number,
): readonly VerifiedTimestamp[] {
  const { signature, storedEnvelope } = content;
  const verified = material.timestamps.flatMap(
    (der) => verifyTimestamp(der, signature, trust, storedEnvelope) ?? [],
  );
  const count = new Set(verified.map(({ authority }) => authority.authority)).size;
  if (count >= threshold) return verified;
  throw missingTimestamps(material.timestamps.length, verified.length, count, threshold, trust);
}

function missingTimestamps(
  found: number,
  verified: number,
  count: number,
  threshold: number,
  trust: Trust,
): BoltsealError {
  const counts = `the signature has timestamps of ${count} trusted authorities, and ${threshold} are required`;
  const details = { found, verified: count, required: threshold };
  if (found === verified) {
    return new BoltsealError('ERR_VERIFY_TIMESTAMP_MISSING', counts, {
      hint: 'It was signed without timestamps, or with fewer. Sign it again with --timestamp.',
      details,
    });
  }
  return new BoltsealError('ERR_VERIFY_TIMESTAMP', `${counts}; others are of authorities that are unknown`, {
    hint: unknownHint(trust, 'timestampAuthorities'),
    details,
  });
}

/** One entry under every instance of its log that it verifies with: the trusted root has one for each period. */
type Instances = readonly [LoggedEntry, ...LoggedEntry[]];

/** Entries of logs that the trusted root has, each in every part that it has. */
function verifyEntries(authenticated: Authenticated, trust: Trust): readonly Instances[] {
  const { content, signer, hash, material } = authenticated;
  const verified: Instances[] = [];
  for (const entry of material.logEntries) {
    const instances = verifyEntry(entry, trust);
    if (instances === undefined) continue;
    checkEntryBody(entry, content, signer, hash);
    verified.push(instances);
  }
  return verified;
}

function verifyEntry(entry: LogEntry, trust: Trust): Instances | undefined {
  const logs = trust.transparencyLogs(entry.logId);
  const found: LoggedEntry[] = [];
  let nearest: unknown;
  for (const log of logs) {
    // A signed time is within one period, and which one it is does not matter.
    if (found[0]?.integratedTime !== undefined) break;
    try {
      found.push(verifyLogged(entry, log));
    } catch (error) {
      nearest ??= error;
    }
  }
  const [first, ...others] = found;
  if (first !== undefined) return [first, ...others];
  if (nearest !== undefined) throw nearest;
  return undefined;
}

/**
 * The instance under which an entry counts. One without a time of its own counts when its log was trusted at every time
 * that is proven otherwise; when none is, its log must not be retired. Throws `ERR_VERIFY_LOG_UNKNOWN`.
 */
function trustedInstance(instances: Instances, times: readonly ProvenTime[]): LoggedEntry | undefined {
  const [first] = instances;
  if (first.integratedTime !== undefined) return first;
  if (times.length === 0) return instances.find(({ log }) => log.log.validFor.end === undefined);
  const trusted = instances.find(({ log }) => times.every(({ time }) => isWithin(log.log.validFor, time)));
  if (trusted === undefined) for (const { time } of times) checkLogTime(first.log, time);
  return trusted;
}

/** The entries that count, of which there must be enough. */
function requireLogs(
  logged: readonly Instances[],
  times: readonly ProvenTime[],
  trust: Trust,
  found: number,
  threshold: number,
): readonly LoggedEntry[] {
  const counted = logged.flatMap((instances) => trustedInstance(instances, times) ?? []);
  const count = new Set(counted.map(({ log }) => log.authority)).size;
  if (count >= threshold) return counted;
  const counts = `the signature is in ${count} trusted transparency logs, and ${threshold} are required`;
  const details = { found, verified: count, required: threshold };
  if (counted.length < logged.length) {
    throw new BoltsealError(
      'ERR_VERIFY_TIME',
      `${counts}; one is retired, and nothing proves a time before`,
      {
        hint: 'Only a timestamp tells that the entry was made when the log was in use.',
        details,
      },
    );
  }
  if (logged.length < found) {
    throw new BoltsealError(
      'ERR_VERIFY_LOG_UNKNOWN',
      `${counts}; there are entries of logs that are unknown`,
      {
        hint: unknownHint(trust, 'tlogs'),
        details,
      },
    );
  }
  throw new BoltsealError('ERR_VERIFY_LOG_MISSING', counts, {
    hint: 'It was signed without a log, or with fewer. Sign it again with --log, or do not require one.',
    details,
  });
}

function unknownHint(trust: Trust, kind: 'tlogs' | 'timestampAuthorities'): string {
  const [broken] = trust.broken(kind);
  return (
    broken?.message ??
    'Another instance of Sigstore may have made them: verify with the trusted root of that instance (--trusted-root).'
  );
}

/** The thresholds that `required` asks for. Throws `ERR_USAGE` for what is no count. */
export function thresholdsOf(required: MaterialRequirements, byIdentity: boolean): Thresholds {
  const thresholds = {
    logEntries: required.logEntries ?? (byIdentity ? 1 : 0),
    timestamps: required.timestamps ?? 0,
    certificateTimestamps: required.certificateTimestamps ?? (byIdentity ? 1 : 0),
  };
  for (const [name, count] of Object.entries(thresholds)) {
    if (Number.isSafeInteger(count) && count >= 0) continue;
    throw new BoltsealError('ERR_USAGE', `${name} must be a whole number, not ${count}`);
  }
  return thresholds;
}
