/**
 * What the log engine needs of a database. Everything a log is made of is written in one durable transaction: entries,
 * full tiles, search keys, head and signed checkpoint. Readers see all of it or nothing, so a commit is the publication
 * and nothing can be published out of order.
 */

/** The head of a log as it is stored. */
export interface StoredHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since 1970 of the last entry, or of the creation of the log. */
  readonly time: number;
  /** The signed note. */
  readonly checkpoint: string;
}

/** The two heads of a log: they differ only while witnesses must sign before a checkpoint is made public. */
export interface StoredHeads {
  /** What the log is: where the next entry goes. */
  readonly head: StoredHead;
  /** What is public. Never larger than {@link head}; at the same size it may have more signatures. */
  readonly published: StoredHead;
}

/** An entry as it is stored. */
export interface EntryRow {
  readonly index: number;
  readonly time: number;
  readonly leafHash: Uint8Array;
  readonly body: Uint8Array;
}

/** An entry to be stored: its index is that of the batch's first entry and its place in the batch. */
export interface NewRow {
  readonly leafHash: Uint8Array;
  readonly body: Uint8Array;
  /** 16 bytes each, see `searchKey`. */
  readonly keys: readonly Uint8Array[];
}

/** The hashes of a tile, 32 bytes each: 256, or at levels above 0 as many as there are. */
export interface TileRow {
  readonly level: number;
  readonly index: number;
  readonly hashes: Uint8Array;
}

/** What one commit writes. */
export interface Batch {
  /** The time of all entries. */
  readonly time: number;
  readonly entries: readonly NewRow[];
  /** Tiles that became full, and those above level 0 that grew. */
  readonly tiles: readonly TileRow[];
  readonly head: StoredHead;
  /** Whether the new head is public at once. */
  readonly publish: boolean;
}

/** What is there when a transaction begins. */
export interface AppendView {
  readonly heads: StoredHeads;
  /** Entries that have one of the leaf hashes asked for. */
  readonly existing: readonly EntryRow[];
  /** Leaf hashes of the entries from the size that is known up to the head's, or undefined when they are too many. */
  readonly added: readonly Uint8Array[] | undefined;
}

/**
 * The exclusive right to add to a log. It must be ended by exactly one of its methods; it is lost by itself when the
 * process dies or takes too long.
 */
export interface AppendTransaction {
  readonly view: AppendView;
  /**
   * Writes `batch` and makes it durable, if the head is still the one of {@link view}. Whatever it throws, the outcome is
   * not known: the store must be asked again. A leaf hash that is there already is {@link LeafHashTaken}.
   */
  commit(batch: Batch): Promise<void>;
  /** Ends without writing anything. Never throws. */
  release(): Promise<void>;
}

/** A leaf hash of a batch is in the log already, and nothing was written. */
export class LeafHashTaken extends Error {}

/** One log in a store. Methods throw `ERR_SERVER_BUSY` when the store cannot be reached, `ERR_SERVER_DATA` when it is damaged. */
export interface LogStore {
  /** Creates the log with this head unless it is there. Resolves when durable. */
  create(head: StoredHead): Promise<void>;
  /** The heads, or undefined when the log was not created. */
  heads(): Promise<StoredHeads | undefined>;
  /**
   * Waits for the exclusive right to append, and reads what is needed for it. `known` is the size up to which leaf hashes
   * are known; `leafHashes` are looked up. Everything read is durable.
   */
  begin(known: number, leafHashes: readonly Uint8Array[]): Promise<AppendTransaction>;
  /** Makes `head`, which was committed, public, unless a larger one is. Replaces the text of one that is as large. */
  publish(head: StoredHead): Promise<void>;
  entry(index: number): Promise<EntryRow | undefined>;
  entryByHash(leafHash: Uint8Array): Promise<EntryRow | undefined>;
  /** Entries from `start` up to, not including, `end`, in order. */
  entries(start: number, end: number): Promise<readonly EntryRow[]>;
  /** Their leaf hashes. */
  leafHashes(start: number, end: number): Promise<readonly Uint8Array[]>;
  /** Indexes of the entries with a search key, ascending, at most `most`. */
  search(key: Uint8Array, most: number): Promise<readonly number[]>;
  /** The hashes of a tile: all 256 of a full one; above level 0, as many as are stored. */
  tile(level: number, index: number): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/** A database that holds logs. */
export interface LogStorage {
  /** Whether other processes may add to its logs while they are open here. */
  readonly shared: boolean;
  /** The log with this id; it need not exist yet. Throws `ERR_SERVER_CONFIG` for an id that is not {@link isLogId}. */
  log(id: string): Promise<LogStore>;
  /** Ends the use of the database; logs are closed before. */
  close(): Promise<void>;
}

/** Whether `id` can name a log in a store: lower-case letters, digits, dots and hyphens, at most 63. */
export function isLogId(id: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{0,62}$/.test(id) && !id.includes('..');
}
