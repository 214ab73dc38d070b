/** A trusted root made ready for verification. */
import { hex } from '../core/encoding.ts';
import type { BoltsealError } from '../core/errors.ts';
import type { SignerIdentifier } from '../formats/cms.ts';
import type { TrustedLog, TrustedRoot } from '../formats/trusted-root.ts';
import { type Authority, openCertificateAuthority, openTimestampAuthority } from './authority.ts';
import { type LogKey, openLogKey } from './log-key.ts';

/**
 * A trusted root whose certificates and keys are parsed when they are first needed, and kept: chains are checked once,
 * only times are judged anew. Made once, used for many verifications. An instance of the root that is broken is as good
 * as not there, and the others are not affected.
 */
export interface Trust {
  readonly root: TrustedRoot;
  /** The certificate authorities that have a certificate with the subject `issuer` (Name DER): that is the first of their chain. */
  certificateAuthorities(issuer: Uint8Array): readonly Authority[];
  /** The timestamp authorities whose certificate is the one that a signer of a timestamp names. */
  timestampAuthorities(signer: SignerIdentifier): readonly Authority[];
  /** The transparency logs with the identifier `logId`. */
  transparencyLogs(logId: Uint8Array): readonly LogKey[];
  /** The certificate transparency logs with the identifier `logId`. */
  certificateLogs(logId: Uint8Array): readonly LogKey[];
  /** Why instances of one kind cannot be used; as far as they were looked at. */
  broken(kind: keyof TrustedRoot): readonly BoltsealError[];
}

/** The trust of a trusted root. Nothing is parsed yet, and nothing can fail. */
export function openTrust(root: TrustedRoot): Trust {
  const certificateAuthorities = shelf(root.certificateAuthorities, openCertificateAuthority, ({ chain }) => [
    keyOf(chain[0].certificate.subject),
  ]);
  const timestampAuthorities = shelf(root.timestampAuthorities, openTimestampAuthority, ({ chain }) => {
    const { issuer, serial, subjectKeyIdentifier } = chain[0].certificate;
    const byName = `${keyOf(issuer)}.${keyOf(serial)}`;
    return subjectKeyIdentifier === undefined ? [byName] : [byName, keyOf(subjectKeyIdentifier)];
  });
  const transparencyLogs = logShelf(root.tlogs);
  const certificateLogs = logShelf(root.ctlogs);
  const shelves = {
    certificateAuthorities,
    timestampAuthorities,
    tlogs: transparencyLogs,
    ctlogs: certificateLogs,
  };
  return {
    root,
    certificateAuthorities: (issuer) => certificateAuthorities.find(keyOf(issuer)),
    timestampAuthorities: (signer) =>
      timestampAuthorities.find(
        'issuer' in signer ? `${keyOf(signer.issuer)}.${keyOf(signer.serial)}` : keyOf(signer.keyIdentifier),
      ),
    transparencyLogs: (logId) => transparencyLogs.find(keyOf(logId)),
    certificateLogs: (logId) => certificateLogs.find(keyOf(logId)),
    broken: (kind) => shelves[kind].broken,
  };
}

/** Instances that can be used, by what they are looked up by. */
interface Shelf<T> {
  find(key: string): readonly T[];
  readonly broken: readonly BoltsealError[];
}

/** Opens every instance when one is asked for the first time: which one it is stands inside of them. */
function shelf<From, T>(
  instances: readonly From[],
  open: (instance: From) => readonly T[] | BoltsealError,
  keysOf: (opened: T) => readonly string[],
): Shelf<T> {
  const broken: BoltsealError[] = [];
  let byKey: Map<string, T[]> | undefined;
  const fill = (): Map<string, T[]> => {
    const filled = new Map<string, T[]>();
    for (const instance of instances) {
      const opened = open(instance);
      if (opened instanceof Error) {
        broken.push(opened);
        continue;
      }
      for (const one of opened) {
        for (const key of new Set(keysOf(one))) filled.set(key, [...(filled.get(key) ?? []), one]);
      }
    }
    return filled;
  };
  return {
    find: (key) => {
      byKey ??= fill();
      return byKey.get(key) ?? [];
    },
    broken,
  };
}

/** Opens the instances with an identifier when it is asked for: it stands beside them. */
function logShelf(logs: readonly TrustedLog[]): Shelf<LogKey> {
  const broken: BoltsealError[] = [];
  const opened = new Map<string, readonly LogKey[]>();
  const closed = new Map<string, TrustedLog[]>();
  for (const log of logs) {
    const key = keyOf(log.logId);
    closed.set(key, [...(closed.get(key) ?? []), log]);
  }
  return {
    find(key) {
      const known = opened.get(key);
      if (known !== undefined) return known;
      const found: LogKey[] = [];
      for (const log of closed.get(key) ?? []) {
        const one = openLogKey(log);
        if (one instanceof Error) broken.push(one);
        else found.push(one);
      }
      // What is not in the root is not remembered: whoever asks chooses it.
      if (closed.has(key)) opened.set(key, found);
      return found;
    },
    broken,
  };
}

function keyOf(bytes: Uint8Array): string {
  return hex(bytes);
}
