/** The logs of a private Sigstore: those in use, and the retired ones, which can still be read. */

import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { noteSigner, noteVerifier, treeHeadSigner, treeHeadVerifier } from '../../formats/note-keys.ts';
import { type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import type { Signer } from '../../keys/signer.ts';
import type { LogSource } from '../app/metrics.ts';
import { type OpenLogOptions, openLog } from '../log/engine.ts';
import type { TransparencyLog } from '../log/log.ts';
import { filePin } from '../log/pin.ts';
import type { LogStorage } from '../log/storage.ts';
import type { InstanceKind, LogRecord } from './state.ts';

/** The kinds of logs. */
export type LogKind = Exclude<InstanceKind, 'ca' | 'tsa'>;

/** An open log. */
export interface OpenedLog {
  readonly record: LogRecord;
  readonly log: TransparencyLog;
  readonly publicKey: PublicKey;
  /** Absent when it is retired, and its key is not needed to read it. */
  readonly signer: Signer | undefined;
  /** What metrics and readiness see of it. */
  readonly source: LogSource;
}

/** What opening a log takes. */
export interface LogRoom {
  readonly runtime: Runtime;
  readonly storage: LogStorage;
  /** Folder of the pins. */
  readonly pins: string;
  readonly pendingEntries: number;
  readonly witnesses: OpenLogOptions['witnesses'];
}

/** The public key of a log. */
export function logKey(record: LogRecord): PublicKey {
  return parsePublicKey(utf8(record.key.publicKey), `the public key of ${record.id}`);
}

/** The first line of a log's checkpoints: of Rekor v1 with the tree ID, by which clients tell v1 from v2. */
export function checkpointOrigin(record: LogRecord): string {
  return record.treeId === undefined ? record.origin : `${record.origin} - ${record.treeId}`;
}

/** Opens a log; without a signer it can only be read. Throws what `openLog` throws. */
export async function openLogOf(
  kind: LogKind,
  record: LogRecord,
  signer: Signer | undefined,
  room: LogRoom,
): Promise<OpenedLog> {
  const publicKey = logKey(record);
  const isActive = record.end === undefined;
  if (isActive && signer === undefined) throw new BoltsealError('ERR_INTERNAL', `${record.id} has no signer`);
  const name = record.origin;
  const isCt = kind === 'ct';
  const verifier = isCt ? treeHeadVerifier(name, publicKey) : noteVerifier(name, publicKey);
  const signing = isCt ? treeHeadSigner : noteSigner;
  const log = await openLog(room.runtime, {
    storage: room.storage,
    id: record.id,
    origin: checkpointOrigin(record),
    key: isActive && signer !== undefined ? signing(name, signer) : { verifier },
    pin: filePin(room.pins, record.id),
    mostPending: room.pendingEntries,
    // Rekor v1's clients accept exactly one signature line.
    witnesses: kind === 'rekor' ? undefined : room.witnesses,
  });
  return {
    record,
    log,
    publicKey,
    signer,
    source: {
      name: record.id,
      head: () => log.head(),
      pending: () => log.pending,
      isStopped: () => log.isStopped,
    },
  };
}
