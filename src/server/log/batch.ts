/** One batch of entries: who waits for what, which entries are there already, and the places of the others. */

import { utf8 } from '../../core/encoding.ts';
import { type BoltsealError, wrapError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { hashLeaf, sha256 } from '../../formats/merkle.ts';
import type { AddedEntry, NewEntry } from './log.ts';
import type { AppendView, EntryRow, NewRow } from './storage.ts';

/** An entry that waits to be added. */
export interface BatchItem {
  readonly entry: NewEntry;
  /**
   * What the store is asked for before the entry gets a place: the leaf hash of an entry that has the same at every
   * place, and that of one whose place was tried in a commit with an unknown outcome.
   */
  leafHash: Uint8Array | undefined;
  /** Whether a commit with {@link leafHash} was tried: found in the store, it is this very entry. */
  tried: boolean;
  /** About what it takes in memory. */
  readonly bytes: number;
  readonly resolve: (added: AddedEntry) => void;
  readonly reject: (error: BoltsealError) => void;
}

/** An item and the promise of what becomes of it. Throws what the entry's `build` throws. */
export function createItem(entry: NewEntry): {
  readonly item: BatchItem;
  readonly added: Promise<AddedEntry>;
} {
  let leafHash: Uint8Array | undefined;
  let bytes = 0;
  if (entry.placeless) {
    const { leaf, body } = entry.build({ index: 0, time: 0 });
    leafHash = hashLeaf(leaf);
    bytes = body.length;
  }
  const { promise, resolve, reject } = withResolvers<AddedEntry>();
  return { item: { entry, leafHash, tried: false, bytes, resolve, reject }, added: promise };
}

// Promise.withResolvers came with Node 22.
function withResolvers<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** What an item is answered with once the batch is public. */
export interface Answer {
  readonly item: BatchItem;
  readonly row: EntryRow;
  readonly existing: boolean;
}

/** A batch with places. */
export interface PlannedBatch {
  readonly time: number;
  /** Entries to be stored, in the order of their places. */
  readonly rows: readonly NewRow[];
  readonly answers: readonly Answer[];
  /** Items that did not fit any more. */
  readonly left: readonly BatchItem[];
}

/** A search key as stores keep it: 128 bits of SHA-256 are enough to tell keys apart. */
export function searchKey(key: string): Uint8Array {
  return sha256(utf8(key)).subarray(0, 16);
}

function keyOf(leafHash: Uint8Array): string {
  return Buffer.from(leafHash.buffer, leafHash.byteOffset, leafHash.length).toString('latin1');
}

/**
 * Gives the entries that are not in the log yet their places after the head, all of them the time `now` or that of the
 * head, whichever is later. Equal entries share one place. An item whose entry cannot be built is rejected.
 */
export function planBatch(items: readonly BatchItem[], view: AppendView, now: number): PlannedBatch {
  const { head } = view.heads;
  const time = Math.max(now, head.time);
  const known = new Map<string, EntryRow>(view.existing.map((row) => [keyOf(row.leafHash), row]));
  const rows: NewRow[] = [];
  const answers: Answer[] = [];
  let bytes = 0;
  for (const [count, item] of items.entries()) {
    const found = item.leafHash && known.get(keyOf(item.leafHash));
    if (found !== undefined) {
      answers.push({ item, row: found, existing: !item.tried });
      continue;
    }
    if (bytes >= limits.logBatchBytes) return { time, rows, answers, left: items.slice(count) };
    const row = buildRow(item, { index: head.size + rows.length, time });
    if (row === undefined) continue;
    const same = known.get(keyOf(row.leafHash));
    if (same !== undefined) {
      answers.push({ item, row: same, existing: true });
      continue;
    }
    known.set(keyOf(row.leafHash), row);
    rows.push({ leafHash: row.leafHash, body: row.body, keys: searchKeys(item.entry) });
    answers.push({ item, row, existing: false });
    bytes += row.body.length;
  }
  return { time, rows, answers, left: [] };
}

function searchKeys({ keys = [] }: NewEntry): Uint8Array[] {
  return [...new Set(keys)].map(searchKey);
}

function buildRow(
  item: BatchItem,
  place: { readonly index: number; readonly time: number },
): EntryRow | undefined {
  try {
    const { leaf, body } = item.entry.build(place);
    const leafHash = item.entry.placeless && item.leafHash !== undefined ? item.leafHash : hashLeaf(leaf);
    return { ...place, leafHash, body };
  } catch (error) {
    item.reject(wrapError(error, 'ERR_INTERNAL', 'an entry could not be built'));
    return undefined;
  }
}

/** Notes that a commit of the answers of `plan` was tried, so that the next attempt finds what became of it. */
export function markTried(plan: PlannedBatch): void {
  for (const { item, row, existing } of plan.answers) {
    if (existing) continue;
    item.leafHash = row.leafHash;
    item.tried = true;
  }
}
