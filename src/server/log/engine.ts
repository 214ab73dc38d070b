/**
 * The engine of a transparency log, the same for the CT log and both Rekors.
 *
 * Entries are added in batches, and nothing waits for a clock: the next batch is whatever arrived while the last one was
 * being written. A batch gets the exclusive right to append, looks for entries that are there already, gives the others
 * their places, signs one checkpoint, and writes everything in one durable transaction that is refused by the store
 * unless the head is still the one it began with. Only when that has returned does anything signed leave. When its
 * outcome is not known, the store is asked again before anyone is answered.
 */
import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import {
  type NoteSigner,
  type NoteVerifier,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from '../../formats/checkpoint.ts';
import { emptyRoot } from '../../formats/merkle.ts';
import { type BatchItem, createItem, markTried, type PlannedBatch, planBatch, searchKey } from './batch.ts';
import type { AddedEntry, LogHead, NewEntry, StoredEntry, TransparencyLog } from './log.ts';
import type { Pin } from './pin.ts';
import type { AppendView, Batch, LogStorage, LogStore, StoredHead, StoredHeads } from './storage.ts';
import { checkRange, type Growth, LogTree } from './tree.ts';

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
  /** Entries that may wait; `limits.logPending` unless told. */
  readonly mostPending?: number | undefined;
  /** Called after every batch. Must not throw. */
  readonly onBatch?: ((facts: BatchFacts) => void) | undefined;
}

/**
 * Opens a log, and creates it when the store has none of this id. Before anything is answered its head is verified: key,
 * origin, signature, and that the store has what it signs. Throws `ERR_LOG_ROLLBACK` when the pinned checkpoint is ahead
 * of the store or not of the same log, and `ERR_SERVER_DATA` when the store is damaged or belongs to another key.
 */
export async function openLog(runtime: Runtime, options: OpenLogOptions): Promise<OpenLog> {
  const store = await options.storage.log(options.id);
  try {
    const heads = (await store.heads()) ?? (await createLog(runtime, options, store));
    checkHead(heads.head, options);
    checkHead(heads.published, options);
    const tree = await LogTree.load(store, heads.head.size);
    if (!equalBytes(tree.root, heads.head.root)) {
      throw new BoltsealError(
        'ERR_SERVER_DATA',
        `the entries of the log ${options.id} are not those of its head`,
      );
    }
    await checkPublic(heads.published, tree, options.id, 'the public checkpoint');
    const pinned = options.pin?.read();
    if (pinned !== undefined) {
      verifyCheckpoint(pinned, [options.key.verifier], options.origin);
      await checkPublic(pinned, tree, options.id, 'the pinned checkpoint');
    }
    return new LogEngine(runtime, options, store, tree, heads.published);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function createLog(runtime: Runtime, options: OpenLogOptions, store: LogStore): Promise<StoredHeads> {
  const { id, origin, key, pin } = options;
  const pinned = pin?.read();
  if (pinned !== undefined && pinned.size > 0) {
    throw new BoltsealError(
      'ERR_LOG_ROLLBACK',
      `the log ${id} had ${pinned.size} entries, and its store has none`,
    );
  }
  if (!('sign' in key)) throw new BoltsealError('ERR_SERVER_DATA', `there is no log ${id}`);
  const time = runtime.now().getTime();
  const head = { size: 0, root: emptyRoot };
  const checkpoint = await signCheckpoint({ origin, ...head }, time, key);
  await store.create({ ...head, time, checkpoint });
  const heads = await store.heads();
  if (heads === undefined) throw new BoltsealError('ERR_SERVER_DATA', `the log ${id} was not created`);
  return heads;
}

/** Throws `ERR_SERVER_DATA` unless a stored head is what its checkpoint says, signed by the log's key. */
function checkHead(head: StoredHead, { id, origin, key }: OpenLogOptions): void {
  try {
    const checkpoint = parseCheckpoint(head.checkpoint);
    verifyCheckpoint(checkpoint, [key.verifier], origin);
    if (checkpoint.size === head.size && equalBytes(checkpoint.root, head.root)) return;
  } catch (cause) {
    throw new BoltsealError(
      'ERR_SERVER_DATA',
      `the log ${id} belongs to another key or origin, or is damaged`,
      {
        cause,
      },
    );
  }
  throw new BoltsealError(
    'ERR_SERVER_DATA',
    `the log ${id} is damaged: its head is not what its checkpoint says`,
  );
}

function rollback(id: string, why: string): BoltsealError {
  return new BoltsealError('ERR_LOG_ROLLBACK', `the store of the log ${id} ${why}`, {
    hint: 'Was it restored from an old backup? A log must never go back: retire this one and start a new one with a new key.',
  });
}

/** Throws `ERR_LOG_ROLLBACK` unless the tree has what was public before. */
async function checkPublic(
  before: { readonly size: number; readonly root: Uint8Array },
  tree: LogTree,
  id: string,
  what: string,
): Promise<void> {
  if (before.size > tree.size) throw rollback(id, `has ${tree.size} entries, and ${what} has ${before.size}`);
  if (!equalBytes(await tree.rootAt(before.size), before.root)) {
    throw rollback(id, `differs from ${what} of size ${before.size}`);
  }
}

/** Attempts of one batch whose commits fail in ways that say nothing about their outcome. */
const mostAttempts = 3;

/** A commit failed, and may have happened all the same. */
class UnknownOutcome extends Error {}

interface PreparedBatch {
  readonly batch: Batch;
  readonly growth: Growth;
}

class LogEngine implements OpenLog {
  readonly origin: string;
  readonly #runtime: Runtime;
  readonly #options: OpenLogOptions;
  readonly #store: LogStore;
  readonly #tree: LogTree;
  #published: LogHead;
  #pending: BatchItem[] = [];
  #pendingBytes = 0;
  #running: Promise<void> | undefined;
  #refreshing: Promise<void> | undefined;
  #nextRefresh: Promise<void> | undefined;
  #stopped: BoltsealError | undefined;
  #isClosing = false;

  constructor(runtime: Runtime, options: OpenLogOptions, store: LogStore, tree: LogTree, published: LogHead) {
    this.origin = options.origin;
    this.#runtime = runtime;
    this.#options = options;
    this.#store = store;
    this.#tree = tree;
    this.#published = published;
  }

  get pending(): number {
    return this.#pending.length;
  }

  get isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  async head(): Promise<LogHead> {
    if (this.#options.storage.shared) await this.#refresh();
    this.#throwIfStopped();
    return this.#published;
  }

  async add(entry: NewEntry): Promise<AddedEntry> {
    if (this.#stopped !== undefined) throw this.#refusal(this.#stopped);
    const { id, key, mostPending = limits.logPending } = this.#options;
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

  async entry(index: number): Promise<StoredEntry | undefined> {
    if (!Number.isSafeInteger(index) || index < 0 || !(await this.#isPublic(index))) return undefined;
    return this.#store.entry(index);
  }

  async entryByHash(leafHash: Uint8Array): Promise<StoredEntry | undefined> {
    const found = await this.#store.entryByHash(leafHash);
    return found !== undefined && (await this.#isPublic(found.index)) ? found : undefined;
  }

  async entries(start: number, end: number): Promise<readonly StoredEntry[]> {
    if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start) return [];
    const last = Math.min(end, start + limits.logEntriesRead);
    await this.#isPublic(last - 1);
    return this.#store.entries(start, Math.min(last, this.#published.size));
  }

  async search(key: string, most: number): Promise<readonly number[]> {
    const found = await this.#store.search(searchKey(key), most);
    await this.#isPublic(found.at(-1) ?? 0);
    return found.filter((index) => index < this.#published.size);
  }

  async inclusionProof(index: number, size: number): Promise<readonly Uint8Array[]> {
    await this.#checkSize(size);
    return this.#tree.inclusionProof(index, size);
  }

  async consistencyProof(first: number, second: number): Promise<readonly Uint8Array[]> {
    await this.#checkSize(second);
    return this.#tree.consistencyProof(first, second);
  }

  async rootAt(size: number): Promise<Uint8Array> {
    await this.#checkSize(size);
    return this.#tree.rootAt(size);
  }

  async tile(level: number, index: number, width: number): Promise<Uint8Array | undefined> {
    const isTile = [level, index, width].every((part) => Number.isSafeInteger(part) && part >= 0);
    if (!isTile || level > 6 || width < 1 || width > 256) return undefined;
    const leaves = (index * 256 + width) * 256 ** level;
    if (!Number.isSafeInteger(leaves) || !(await this.#isPublic(leaves - 1))) return undefined;
    return this.#tree.tile(level, index, width);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#running;
    await this.#refreshing?.catch(() => undefined);
    await this.#store.close();
  }

  // ---- reading

  /** Whether the entry at `index` is covered by the public head; others may have moved it. */
  async #isPublic(index: number): Promise<boolean> {
    if (index >= this.#published.size && this.#options.storage.shared) await this.#refresh();
    return index < this.#published.size;
  }

  async #checkSize(size: number): Promise<void> {
    if (Number.isSafeInteger(size) && size > 0) await this.#isPublic(size - 1);
    checkRange(size, this.#published.size, 'the size');
  }

  /** Takes over what other processes wrote. Calls share one question to the store, asked after they were made. */
  #refresh(): Promise<void> {
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#readHeads().finally(() => {
        this.#refreshing = undefined;
      });
      return this.#refreshing;
    }
    // The question that is under way may have been answered already when this call came.
    this.#nextRefresh ??= this.#refreshing
      .catch(() => undefined)
      .then(() => {
        this.#nextRefresh = undefined;
        return this.#refresh();
      });
    return this.#nextRefresh;
  }

  async #readHeads(): Promise<void> {
    const known = this.#tree.size;
    const shown = this.#published;
    const knownRoot = this.#tree.root;
    const heads = await this.#store.heads();
    if (heads === undefined) throw this.#stop(rollback(this.#options.id, 'is gone'));
    await this.#catchUp(heads, known, knownRoot, undefined);
    // Nothing that was shown may be taken back.
    const { published } = heads;
    if (
      published.size < shown.size ||
      (published.size === shown.size && !equalBytes(published.root, shown.root))
    ) {
      throw this.#stop(rollback(this.#options.id, 'is behind what was public'));
    }
    if (published.size > this.#published.size || published.checkpoint !== this.#published.checkpoint) {
      this.#show(published);
    }
  }

  /**
   * Lets the tree follow the store, whose head was read when the tree had `known` leaves: it must be the same tree,
   * grown. Throws `ERR_LOG_ROLLBACK` and stops the log when it is not.
   */
  async #catchUp(
    { head }: StoredHeads,
    known: number,
    knownRoot: Uint8Array,
    added: readonly Uint8Array[] | undefined,
  ): Promise<void> {
    const { id } = this.#options;
    if (head.size < known) throw this.#stop(rollback(id, `has ${head.size} entries and had ${known}`));
    if (head.size === known && !equalBytes(head.root, knownRoot))
      throw this.#stop(rollback(id, 'was changed'));
    if (head.size <= this.#tree.size) return;
    checkHead(head, this.#options);
    const leafHashes =
      added ??
      (head.size - known <= limits.logCatchUp ? await this.#store.leafHashes(known, head.size) : undefined);
    if (leafHashes === undefined) {
      const tree = await LogTree.load(this.#store, head.size);
      if (!equalBytes(await tree.rootAt(known), knownRoot)) throw this.#stop(rollback(id, 'was changed'));
      if (!equalBytes(tree.root, head.root)) throw this.#stop(rollback(id, 'is not what its head says'));
      if (tree.size > this.#tree.size) this.#tree.replace(tree);
      return;
    }
    // The tree may have grown by a batch of this process while the hashes were read.
    if (head.size <= this.#tree.size) return;
    const growth = this.#tree.grow(leafHashes.slice(this.#tree.size - known));
    if (growth.size !== head.size || !equalBytes(growth.root, head.root)) {
      throw this.#stop(rollback(id, 'is not what its head says'));
    }
    this.#tree.adopt(growth);
  }

  /** Makes `head` what is shown, and pins it first. */
  #show(head: StoredHead): void {
    if (head.size < this.#published.size) return;
    this.#options.pin?.write(head.checkpoint);
    this.#published = head;
  }

  // ---- adding

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
        if (error instanceof UnknownOutcome && attempt < mostAttempts && this.#stopped === undefined) {
          attempt++;
          continue;
        }
        const cause = error instanceof UnknownOutcome ? error.cause : error;
        for (const item of left) item.reject(this.#refusal(cause));
        return;
      }
    }
  }

  #refusal(cause: unknown): BoltsealError {
    const { id } = this.#options;
    if (isBoltsealError(cause, 'ERR_SERVER_BUSY', 'ERR_SIGNING_FAILED')) return cause;
    return isBoltsealError(cause, 'ERR_LOG_STOPPED')
      ? cause
      : new BoltsealError('ERR_LOG_STOPPED', `the log ${id} cannot be written`, { cause });
  }

  /** Appends a batch; answers what did not fit into it. */
  async #append(items: readonly BatchItem[]): Promise<readonly BatchItem[]> {
    this.#throwIfStopped();
    const started = this.#runtime.monotonic();
    const known = this.#tree.size;
    const knownRoot = this.#tree.root;
    const lookups = items.map((item) => item.leafHash).filter((leafHash) => leafHash !== undefined);
    const transaction = await this.#store.begin(known, lookups);
    let plan: PlannedBatch | undefined;
    let isCommitting = false;
    let head: StoredHead;
    try {
      const { view } = transaction;
      await this.#catchUp(view.heads, known, knownRoot, view.added);
      head = view.heads.head;
      plan = planBatch(items, view, this.#runtime.now().getTime());
      if (plan.rows.length > 0) {
        const { batch, growth } = await this.#prepare(plan, view);
        isCommitting = true;
        await transaction.commit(batch);
        this.#tree.adopt(growth);
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

  async #prepare(plan: PlannedBatch, view: AppendView): Promise<PreparedBatch> {
    const { origin, key } = this.#options;
    if (!('sign' in key)) throw new BoltsealError('ERR_INTERNAL', 'a retired log is not added to');
    const growth = this.#tree.grow(plan.rows.map((row) => row.leafHash));
    const { size, root, tiles } = growth;
    if (size !== view.heads.head.size + plan.rows.length) {
      throw new BoltsealError('ERR_INTERNAL', 'the tree of a log is not at its head');
    }
    const checkpoint = await signCheckpoint({ origin, size, root }, plan.time, key);
    const head = { size, root, time: plan.time, checkpoint };
    return { growth, batch: { time: plan.time, entries: plan.rows, tiles, head, publish: true } };
  }

  /** Shows the head and answers who waited. */
  async #answer(plan: PlannedBatch, head: StoredHead, started: number): Promise<void> {
    try {
      if (head.size > this.#published.size) this.#show(head);
    } catch (error) {
      const refusal = this.#refusal(error);
      for (const { item } of plan.answers) item.reject(refusal);
      return;
    }
    const shown = this.#published;
    for (const { item, row, existing } of plan.answers) item.resolve({ ...row, existing, head: shown });
    this.#options.onBatch?.({
      entries: plan.rows.length,
      duplicates: plan.answers.length - plan.rows.length,
      time: this.#runtime.monotonic() - started,
      size: head.size,
    });
  }

  // ---- stopping

  #throwIfStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  /** Stops the log for good: only a person can tell what happened to its store. */
  #stop(error: BoltsealError): BoltsealError {
    if (this.#stopped === undefined) {
      this.#stopped = error;
      this.#runtime.log({ level: 'warn', event: 'log.stopped', message: error.message });
    }
    return this.#stopped;
  }
}
