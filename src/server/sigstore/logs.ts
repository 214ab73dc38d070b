/** The logs of a private Sigstore: those in use, and the retired ones, which can still be read. */

import { utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
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
  readonly signer: Signer;
  /** Entries of retired logs just before this one that are lost: their indexes are not used again. */
  readonly skipped: number;
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
export function logKey(record: Pick<LogRecord, 'id' | 'key'>): PublicKey {
  return parsePublicKey(utf8(record.key.publicKey), `the public key of ${record.id}`);
}

/** The first line of a log's checkpoints: of Rekor v1 with the tree ID, by which clients tell v1 from v2. */
export function checkpointOrigin(record: LogRecord): string {
  return record.treeId === undefined ? record.origin : `${record.origin} - ${record.treeId}`;
}

/** A log of the state and its signer. */
export interface LogToOpen {
  readonly record: LogRecord;
  readonly signer: Signer;
}

/**
 * Opens the logs of a kind, oldest first. A retired one that is behind what was public, or gone, is left out with a
 * warning (`log.lost`): it must not be shown as if it had gone back, and nothing is added to it any more. Throws what
 * `openLog` throws for the one in use.
 */
export async function openLogsOf(
  kind: LogKind,
  logs: readonly LogToOpen[],
  room: LogRoom,
): Promise<readonly OpenedLog[]> {
  const opened: OpenedLog[] = [];
  let skipped = 0;
  for (const { record, signer } of logs) {
    try {
      opened.push(await openLogOf(kind, record, signer, skipped, room));
      skipped = 0;
    } catch (error) {
      if (record.end === undefined || !isBoltsealError(error, 'ERR_LOG_ROLLBACK', 'ERR_SERVER_DATA')) {
        for (const { log } of opened) await log.close();
        throw error;
      }
      skipped += filePin(room.pins, record.id).read()?.size ?? 0;
      room.runtime.log({
        level: 'warn',
        event: 'log.lost',
        message: `the retired log ${record.id} cannot be read and is not served: ${error.message}`,
      });
    }
  }
  return opened;
}

async function openLogOf(
  kind: LogKind,
  record: LogRecord,
  signer: Signer,
  skipped: number,
  room: LogRoom,
): Promise<OpenedLog> {
  const publicKey = logKey(record);
  const isActive = record.end === undefined;
  const name = record.origin;
  const isCt = kind === 'ct';
  const verifier = isCt ? treeHeadVerifier(name, publicKey) : noteVerifier(name, publicKey);
  const signing = isCt ? treeHeadSigner : noteSigner;
  const log = await openLog(room.runtime, {
    storage: room.storage,
    id: record.id,
    origin: checkpointOrigin(record),
    key: isActive ? signing(name, signer) : { verifier },
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
    skipped,
    source: {
      name: record.id,
      head: () => log.head(),
      pending: () => log.pending,
      isStopped: () => log.isStopped,
    },
  };
}
