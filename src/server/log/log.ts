/**
 * A transparency log as the services above it see it: entries go in and come back with their index, time and a signed
 * checkpoint that covers them; proofs and tiles are read. The engine is the same for the CT log and both Rekors.
 */

/** Where an entry stands in the log. */
export interface LogPlace {
  readonly index: number;
  /** Milliseconds since 1970; never smaller than that of an earlier entry. */
  readonly time: number;
}

/** An entry to be added. */
export interface NewEntry {
  /**
   * The entry's bytes once its place is known: `leaf` is what is hashed into the tree (RFC 6962 section 2.1, without the
   * 00 in front), `body` is what is kept and served. Pure: it may be called again with another place.
   */
  build(place: LogPlace): { readonly leaf: Uint8Array; readonly body: Uint8Array };
  /** Whether the leaf is the same at every place: then an equal one that is there already is answered instead. */
  readonly placeless: boolean;
  /** What the entry can be searched by. */
  readonly keys?: readonly string[];
}

/** A signed tree head that was made public. */
export interface LogHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** Milliseconds since 1970 of the last entry, or of the empty log. */
  readonly time: number;
  /** The signed note (C2SP), text. */
  readonly checkpoint: string;
}

/** An entry of the log. */
export interface StoredEntry extends LogPlace {
  readonly leafHash: Uint8Array;
  readonly body: Uint8Array;
}

/** What became of a {@link NewEntry}. */
export interface AddedEntry extends StoredEntry {
  /** Whether an equal entry was there already; then this is that one. */
  readonly existing: boolean;
  /** A head that covers it, durable and public. */
  readonly head: LogHead;
}

/** A log. Reads see what is committed; every read of an index at or past the size answers undefined or throws. */
export interface TransparencyLog {
  /** The origin of its checkpoints. */
  readonly origin: string;
  /** The last public head; on a store that others write to, a recent one. */
  head(): Promise<LogHead>;
  /**
   * Adds an entry and resolves when it is durable and a public checkpoint covers it. Throws `ERR_SERVER_BUSY` at once
   * when too many wait, and `ERR_LOG_STOPPED` when the log can no longer be written safely.
   */
  add(entry: NewEntry): Promise<AddedEntry>;
  entry(index: number): Promise<StoredEntry | undefined>;
  entryByHash(leafHash: Uint8Array): Promise<StoredEntry | undefined>;
  /** Entries from `start` up to, not including, `end`, as many as there are. */
  entries(start: number, end: number): Promise<readonly StoredEntry[]>;
  /** Indexes of the entries that have `key`, ascending, at most `most`. */
  search(key: string, most: number): Promise<readonly number[]>;
  /** The audit path of the entry at `index` in the tree of `size` (RFC 6962 section 2.1.1). Throws `ERR_LOG_RANGE`. */
  inclusionProof(index: number, size: number): Promise<readonly Uint8Array[]>;
  /** The proof between two sizes (RFC 6962 section 2.1.2); empty when `first` is 0 or equals `second`. Throws `ERR_LOG_RANGE`. */
  consistencyProof(first: number, second: number): Promise<readonly Uint8Array[]>;
  /** The root of the tree of `size`. Throws `ERR_LOG_RANGE`. */
  rootAt(size: number): Promise<Uint8Array>;
  /**
   * The hashes of a tile, `width` of them (C2SP tlog-tiles), or undefined when the log is not that large.
   * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md}
   */
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>;
  /** Ends the use of the log after what waits is committed. */
  close(): Promise<void>;
}
