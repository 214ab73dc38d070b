/** What a log is opened with, and what an open one shows of itself. */
import type { NoteSigner, NoteVerifier } from '../../formats/checkpoint.ts';
import type { TransparencyLog } from './log.ts';
import type { Pin } from './pin.ts';
import type { LogStorage } from './storage.ts';
import type { WitnessOptions } from './witness.ts';

/** An open log, and how it is. */
export interface OpenLog extends TransparencyLog {
  /** Entries that wait to be added. */
  readonly pending: number;
  /** Whether it can no longer be written or read safely. */
  readonly isStopped: boolean;
}

/** What is told of every batch that was committed, for metrics. */
export interface BatchFacts {
  /** New entries. */
  readonly entries: number;
  /** Entries that were there already. */
  readonly duplicates: number;
  /** How long it took, in milliseconds. */
  readonly time: number;
  /** The size of the log after it. */
  readonly size: number;
}

/** A log to be opened. */
export interface OpenLogOptions {
  readonly storage: LogStorage;
  /** What the log is called in its store; never changes. */
  readonly id: string;
  /** The first line of its checkpoints; never changes. */
  readonly origin: string;
  /** What signs its checkpoints. Without `sign` the log is retired: it can be read only. */
  readonly key: NoteSigner | { readonly verifier: NoteVerifier };
  /** Where the last public checkpoint is kept outside the store. */
  readonly pin?: Pin | undefined;
  /** Who cosigns its checkpoints. Never for Rekor v1, whose clients accept exactly one signature. */
  readonly witnesses?: WitnessOptions | undefined;
  /** Entries that may wait; `limits.logPending` unless told. */
  readonly mostPending?: number | undefined;
  /** Called after every batch. Must not throw. */
  readonly onBatch?: ((facts: BatchFacts) => void) | undefined;
}
