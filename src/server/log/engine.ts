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
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { type SignedCheckpoint, signCheckpoint, verifyCheckpoint } from '../../formats/checkpoint.ts';
import { emptyRoot } from '../../formats/merkle.ts';
import { LogAppender } from './appender.ts';
import { searchKey } from './batch.ts';
import type { OpenLog, OpenLogOptions } from './options.ts';
import type { LogStore, StoredHeads } from './storage.ts';
import { checkRange, LogTree } from './tree.ts';
import { checkHead, type KnownTree, LogView, rollback } from './view.ts';

export type { BatchFacts, OpenLog, OpenLogOptions } from './options.ts';
export type { Witness, WitnessOptions } from './witness.ts';

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
      checkPin(pinned, options);
      await checkPublic(pinned, tree, options.id, 'the pinned checkpoint');
    }
    const view = new LogView(runtime, options, store, tree, heads.published);
    return createEngine(options, store, view, new LogAppender(runtime, options, store, view));
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function createLog(runtime: Runtime, options: OpenLogOptions, store: LogStore): Promise<StoredHeads> {
  const { id, origin, key, pin } = options;
  const pinned = pin?.read();
  if (pinned !== undefined && pinned.size > 0) {
    throw rollback(id, `has no entries, and the pinned checkpoint has ${pinned.size}`);
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

/** Throws `ERR_SERVER_DATA` unless the pinned checkpoint is this log's. */
function checkPin(pinned: SignedCheckpoint, { id, origin, key }: OpenLogOptions): void {
  try {
    verifyCheckpoint(pinned, [key.verifier], origin);
  } catch (cause) {
    throw new BoltsealError(
      'ERR_SERVER_DATA',
      `the pinned checkpoint of the log ${id} is of another key or origin`,
      {
        cause,
      },
    );
  }
}

/** Throws `ERR_LOG_ROLLBACK` unless the tree has what was public before. */
async function checkPublic(before: KnownTree, tree: LogTree, id: string, what: string): Promise<void> {
  if (before.size > tree.size) throw rollback(id, `has ${tree.size} entries, and ${what} has ${before.size}`);
  if (!equalBytes(await tree.rootAt(before.size), before.root)) {
    throw rollback(id, `differs from ${what} of size ${before.size}`);
  }
}

function createEngine(
  options: OpenLogOptions,
  store: LogStore,
  view: LogView,
  appender: LogAppender,
): OpenLog {
  const { tree } = view;
  const checkSize = async (size: number): Promise<void> => {
    if (Number.isSafeInteger(size) && size > 0) await view.covers(size - 1);
    checkRange(size, view.published.size, 'the size');
  };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await appender.close();
    await view.settle();
    await store.close();
  };
  return {
    origin: options.origin,
    get pending() {
      return appender.pending;
    },
    get isStopped() {
      return view.stopped !== undefined;
    },
    async head() {
      if (options.storage.shared) await view.refresh();
      if (view.stopped !== undefined) throw view.stopped;
      return view.published;
    },
    add: (entry) => appender.add(entry),
    async entry(index) {
      if (!Number.isSafeInteger(index) || index < 0 || !(await view.covers(index))) return undefined;
      return store.entry(index);
    },
    async entryByHash(leafHash) {
      const found = await store.entryByHash(leafHash);
      return found !== undefined && (await view.covers(found.index)) ? found : undefined;
    },
    async entries(start, end) {
      if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start) return [];
      const last = Math.min(end, start + limits.logEntriesRead);
      await view.covers(last - 1);
      return store.entries(start, Math.min(last, view.published.size));
    },
    async search(key, most) {
      const found = await store.search(searchKey(key), most);
      await view.covers(found.at(-1) ?? 0);
      return found.filter((index) => index < view.published.size);
    },
    async inclusionProof(index, size) {
      await checkSize(size);
      return tree.inclusionProof(index, size);
    },
    async consistencyProof(first, second) {
      await checkSize(second);
      return tree.consistencyProof(first, second);
    },
    async rootAt(size) {
      await checkSize(size);
      return tree.rootAt(size);
    },
    async tile(level, index, width) {
      const isTile = [level, index, width].every((part) => Number.isSafeInteger(part) && part >= 0);
      if (!isTile || level > 6 || width < 1 || width > 256) return undefined;
      const leaves = (index * 256 + width) * 256 ** level;
      if (!Number.isSafeInteger(leaves) || !(await view.covers(leaves - 1))) return undefined;
      return tree.tile(level, index, width);
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
