/** The writing half of a log: what waits, the batches it becomes, and who is answered when. */
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { addSignatures, signCheckpoint } from '../../formats/checkpoint.ts';
import { type BatchItem, createItem, markTried, type PlannedBatch, planBatch } from './batch.ts';
import type { AddedEntry, NewEntry } from './log.ts';
import type { OpenLogOptions } from './options.ts';
import type { AppendView, Batch, LogStore, StoredHead } from './storage.ts';
import type { Growth } from './tree.ts';
import type { LogView } from './view.ts';
import { WitnessClient } from './witness.ts';

/** Attempts of one batch whose commits fail in ways that say nothing about their outcome. */
const mostAttempts = 3;

/** Milliseconds that the last entry may be ahead of the clock before it is told, and between two such tellings. */
const clockSlack = 30_000;

/** A commit failed, and may have happened all the same. */
class UnknownOutcome extends Error {}

interface PreparedBatch {
  readonly batch: Batch;
  readonly growth: Growth;
}

/** Adds to one log. */
export class LogAppender {
  readonly #runtime: Runtime;
  readonly #options: OpenLogOptions;
  readonly #store: LogStore;
  readonly #view: LogView;
  readonly #witnesses: WitnessClient | undefined;
  readonly #pending: BatchItem[] = [];
  #pendingBytes = 0;
  #running: Promise<void> | undefined;
  #cosigning: Promise<void> | undefined;
  #isClosing = false;
  #clockTold = Number.NEGATIVE_INFINITY;

  constructor(runtime: Runtime, options: OpenLogOptions, store: LogStore, view: LogView) {
    this.#runtime = runtime;
    this.#options = options;
    this.#store = store;
    this.#view = view;
    const { witnesses } = options;
    if (witnesses !== undefined && witnesses.witnesses.length > 0) {
      const proof = async (first: number, second: number): Promise<readonly Uint8Array[]> =>
        view.tree.consistencyProof(first, second);
      this.#witnesses = new WitnessClient(runtime, witnesses, proof);
    }
  }

  get pending(): number {
    return this.#pending.length;
  }

  async add(entry: NewEntry): Promise<AddedEntry> {
    const { id, key, mostPending = limits.logPending } = this.#options;
    if (this.#view.stopped !== undefined) throw this.#refusal(this.#view.stopped);
    if (!('sign' in key)) throw new BoltsealError('ERR_LOG_STOPPED', `the log ${id} is retired`);
    if (this.#isClosing) throw new BoltsealError('ERR_SERVER_BUSY', `the log ${id} is being closed`);
    if (this.#pending.length >= mostPending || this.#pendingBytes >= limits.logPendingBytes) {
      throw new BoltsealError('ERR_SERVER_BUSY', `too many entries wait for the log ${id}`);
    }
    const { item, added } = createItem(entry);
    this.#pending.push(item);
    this.#pendingBytes += item.bytes;
    this.#running ??= this.#run();
    return added;
  }

  /** Refuses new entries and resolves when all that wait are answered. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#running;
    this.#witnesses?.close();
    await this.#cosigning;
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      // Whoever arrives in the same turn of the event loop comes along.
      await new Promise((resolve) => setImmediate(resolve));
      const items = this.#pending.splice(0, limits.logBatchEntries);
      for (const { bytes } of items) this.#pendingBytes -= bytes;
      await this.#appendAll(items);
    }
    this.#running = undefined;
  }

  async #appendAll(items: readonly BatchItem[]): Promise<void> {
    let left = items;
    for (let attempt = 1; left.length > 0; ) {
      try {
        left = await this.#append(left);
        attempt = 1;
      } catch (error) {
        const isUnknown = error instanceof UnknownOutcome;
        if (isUnknown && attempt < mostAttempts && this.#view.stopped === undefined) {
          attempt++;
          continue;
        }
        const refusal = this.#refusal(isUnknown ? error.cause : error);
        for (const item of left) item.reject(refusal);
        return;
      }
    }
  }

  #refusal(cause: unknown): BoltsealError {
    if (isBoltsealError(cause, 'ERR_SERVER_BUSY', 'ERR_SIGNING_FAILED', 'ERR_LOG_STOPPED')) return cause;
    return new BoltsealError('ERR_LOG_STOPPED', `the log ${this.#options.id} cannot be written`, { cause });
  }

  /** Appends a batch; answers what did not fit into it. */
  async #append(items: readonly BatchItem[]): Promise<readonly BatchItem[]> {
    if (this.#view.stopped !== undefined) throw this.#view.stopped;
    const started = this.#runtime.monotonic();
    const { known } = this.#view;
    const lookups = items.map((item) => item.leafHash).filter((leafHash) => leafHash !== undefined);
    const transaction = await this.#store.begin(known.size, lookups);
    let plan: PlannedBatch | undefined;
    let isCommitting = false;
    let head: StoredHead;
    try {
      const { view } = transaction;
      await this.#view.catchUp(view.heads, known, view.added);
      head = view.heads.head;
      const now = this.#runtime.now().getTime();
      if (head.time > now + clockSlack) this.#tellClock(head.time - now);
      plan = planBatch(items, view, now);
      if (plan.rows.length > 0) {
        const { batch, growth } = await this.#prepare(plan, view);
        isCommitting = true;
        await transaction.commit(batch);
        this.#view.tree.adopt(growth);
        head = batch.head;
      }
    } catch (error) {
      await transaction.release();
      if (!isCommitting || plan === undefined) throw error;
      markTried(plan);
      throw new UnknownOutcome('a commit failed', { cause: error });
    }
    if (!isCommitting) await transaction.release();
    await this.#answer(plan, head, started);
    return plan.left;
  }

  /** New entries get the time of the last one until the clock has caught up: then certificates are expired at that time. */
  #tellClock(behind: number): void {
    const time = this.#runtime.monotonic();
    if (time - this.#clockTold < clockSlack) return;
    this.#clockTold = time;
    this.#runtime.log({
      level: 'warn',
      event: 'log.clock',
      message: `the clock is ${Math.round(behind / 1_000)} s behind the last entry of the log ${this.#options.id}`,
      fields: { log: this.#options.id, behind },
    });
  }

  async #prepare(plan: PlannedBatch, view: AppendView): Promise<PreparedBatch> {
    const { origin, key } = this.#options;
    if (!('sign' in key)) throw new BoltsealError('ERR_INTERNAL', 'a retired log is not added to');
    const growth = this.#view.tree.grow(plan.rows.map((row) => row.leafHash));
    const { size, root, tiles } = growth;
    if (size !== view.heads.head.size + plan.rows.length) {
      throw new BoltsealError('ERR_INTERNAL', 'the tree of a log is not at its head');
    }
    const checkpoint = await signCheckpoint({ origin, size, root }, plan.time, key);
    const head = { size, root, time: plan.time, checkpoint };
    const publish = (this.#witnesses?.quorum ?? 0) === 0;
    return { growth, batch: { time: plan.time, entries: plan.rows, tiles, head, publish } };
  }

  /** Makes the head public and answers who waited for it. */
  async #answer(plan: PlannedBatch, head: StoredHead, started: number): Promise<void> {
    try {
      if (head.size > this.#view.published.size) await this.#publish(head);
    } catch (error) {
      const refusal = this.#refusal(error);
      for (const { item } of plan.answers) item.reject(refusal);
      return;
    }
    const shown = this.#view.published;
    for (const { item, row, existing } of plan.answers) item.resolve({ ...row, existing, head: shown });
    this.#options.onBatch?.({
      entries: plan.rows.length,
      duplicates: plan.answers.length - plan.rows.length,
      time: this.#runtime.monotonic() - started,
      size: head.size,
    });
  }

  async #publish(head: StoredHead): Promise<void> {
    const witnesses = this.#witnesses;
    if (witnesses === undefined || witnesses.quorum === 0) {
      this.#view.show(head);
      if (witnesses !== undefined) this.#cosigning ??= this.#cosign(witnesses);
      return;
    }
    const signatures = await witnesses.collect(head.checkpoint);
    if (signatures.length < witnesses.quorum) {
      const count = `${signatures.length} of ${witnesses.quorum} witnesses`;
      throw new BoltsealError(
        'ERR_SERVER_BUSY',
        `only ${count} signed the checkpoint of ${this.#options.id}`,
      );
    }
    const cosigned = { ...head, checkpoint: addSignatures(head.checkpoint, signatures) };
    await this.#store.publish(cosigned);
    this.#view.show(cosigned);
  }

  /** Lets witnesses sign what is public, until there is nothing newer. Never rejects. */
  async #cosign(witnesses: WitnessClient): Promise<void> {
    for (let done = 0; !this.#isClosing && this.#view.published.size > done; ) {
      const head = this.#view.published;
      done = head.size;
      try {
        const signatures = await witnesses.collect(head.checkpoint);
        if (signatures.length === 0) continue;
        const cosigned = { ...head, checkpoint: addSignatures(head.checkpoint, signatures) };
        await this.#store.publish(cosigned);
        this.#view.show(cosigned);
      } catch (error) {
        const message = `the signatures of witnesses were not stored: ${error instanceof Error ? error.message : error}`;
        this.#runtime.log({ level: 'warn', event: 'log.witness', message });
      }
    }
    this.#cosigning = undefined;
  }
}
