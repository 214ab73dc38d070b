/**
 * What one process knows and shows of a log: its tree, its public head, and that neither ever goes back. Others may write
 * to the store; what they wrote is taken over only as a continuation of what is known.
 */
import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { parseCheckpoint, verifyCheckpoint } from '../../formats/checkpoint.ts';
import type { LogHead } from './log.ts';
import type { OpenLogOptions } from './options.ts';
import type { LogStore, StoredHead, StoredHeads } from './storage.ts';
import { LogTree } from './tree.ts';

/** The size and root of a tree at one moment. */
export interface KnownTree {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Throws `ERR_SERVER_DATA` unless a stored head is what its checkpoint says, signed by the log's key. */
export function checkHead(head: StoredHead, { id, origin, key }: OpenLogOptions): void {
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

/** The error for a store that is not a continuation of what was public. */
export function rollback(id: string, why: string): BoltsealError {
  return new BoltsealError('ERR_LOG_ROLLBACK', `the store of the log ${id} ${why}`, {
    hint: 'Was it restored from an old backup? A log must never go back: retire this one and start a new one with a new key.',
  });
}

/** The view of one process. */
export class LogView {
  readonly tree: LogTree;
  readonly #runtime: Runtime;
  readonly #options: OpenLogOptions;
  readonly #store: LogStore;
  #published: LogHead;
  #refreshing: Promise<void> | undefined;
  #nextRefresh: Promise<void> | undefined;
  #stopped: BoltsealError | undefined;

  constructor(runtime: Runtime, options: OpenLogOptions, store: LogStore, tree: LogTree, published: LogHead) {
    this.#runtime = runtime;
    this.#options = options;
    this.#store = store;
    this.tree = tree;
    this.#published = published;
  }

  /** The last head that was made public, as far as this process knows. */
  get published(): LogHead {
    return this.#published;
  }

  /** Why the log was stopped. */
  get stopped(): BoltsealError | undefined {
    return this.#stopped;
  }

  get known(): KnownTree {
    return { size: this.tree.size, root: this.tree.root };
  }

  /** Stops the log for good: only a person can tell what happened to its store. */
  stop(error: BoltsealError): BoltsealError {
    if (this.#stopped === undefined) {
      this.#stopped = error;
      this.#runtime.log({ level: 'warn', event: 'log.stopped', message: error.message });
    }
    return this.#stopped;
  }

  /** Makes `head` what is shown, and pins it first. A smaller one changes nothing. Throws `ERR_FILE_WRITE`. */
  show(head: StoredHead): void {
    const { size, checkpoint } = this.#published;
    if (head.size < size) return;
    // Of one size, the text with more signatures.
    if (head.size === size && head.checkpoint.length <= checkpoint.length) return;
    this.#options.pin?.write(head.checkpoint);
    this.#published = head;
  }

  /** Whether the entry at `index` is covered by the public head; others may have moved that. */
  async covers(index: number): Promise<boolean> {
    if (index >= this.#published.size && this.#options.storage.shared) await this.refresh();
    return index < this.#published.size;
  }

  /** Takes over what other processes wrote. Calls share one question to the store, asked after they were made. */
  refresh(): Promise<void> {
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
        return this.refresh();
      });
    return this.#nextRefresh;
  }

  /** Waits for what is being read. */
  async settle(): Promise<void> {
    await (this.#nextRefresh ?? this.#refreshing)?.catch(() => undefined);
  }

  async #readHeads(): Promise<void> {
    const { known, published: shown } = this;
    const heads = await this.#store.heads();
    if (heads === undefined) throw this.#back('is gone');
    await this.catchUp(heads, known, undefined);
    // Nothing that was shown may be taken back.
    const { published } = heads;
    if (
      published.size < shown.size ||
      (published.size === shown.size && !equalBytes(published.root, shown.root))
    ) {
      throw this.#back('is behind what was public');
    }
    this.show(published);
  }

  /**
   * Lets the tree follow the store, whose heads were read when the tree was `known`: it must be the same tree, grown.
   * `added` are the leaf hashes since, when they are at hand. Throws `ERR_LOG_ROLLBACK` and stops the log when it is not.
   */
  async catchUp(
    { head }: StoredHeads,
    known: KnownTree,
    added: readonly Uint8Array[] | undefined,
  ): Promise<void> {
    if (head.size < known.size) throw this.#back(`has ${head.size} entries and had ${known.size}`);
    if (head.size === known.size && !equalBytes(head.root, known.root)) throw this.#back('was changed');
    if (head.size <= this.tree.size) return;
    checkHead(head, this.#options);
    const isNear = head.size - known.size <= limits.logCatchUp;
    const hashes = added ?? (isNear ? await this.#store.leafHashes(known.size, head.size) : undefined);
    if (hashes === undefined) await this.#reload(head, known);
    // The tree may have grown by a batch of this process while the hashes were read.
    else if (head.size > this.tree.size) this.#grow(head, hashes.slice(this.tree.size - known.size));
  }

  #grow(head: StoredHead, leafHashes: readonly Uint8Array[]): void {
    const growth = this.tree.grow(leafHashes);
    if (growth.size !== head.size || !equalBytes(growth.root, head.root)) {
      throw this.#back('is not what its head says');
    }
    this.tree.adopt(growth);
  }

  async #reload(head: StoredHead, known: KnownTree): Promise<void> {
    const tree = await LogTree.load(this.#store, head.size);
    if (!equalBytes(await tree.rootAt(known.size), known.root)) throw this.#back('was changed');
    if (!equalBytes(tree.root, head.root)) throw this.#back('is not what its head says');
    if (tree.size > this.tree.size) this.tree.replace(tree);
  }

  #back(why: string): BoltsealError {
    return this.stop(rollback(this.#options.id, why));
  }
}
