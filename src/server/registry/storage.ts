import type { Digest } from '../../core/digest.ts';

/** The kinds of records a repository has. */
export const recordKinds = ['blobs', 'manifests', 'tags'] as const;

/** The kind of a record: which blobs belong to a repository, which manifests, which tags. */
export type RecordKind = (typeof recordKinds)[number];

/** One record. Keys are digests (blobs, manifests) or tags; values are texts whose meaning is the registry's. */
export interface StorageRecord {
  readonly key: string;
  readonly value: string;
}

/** Content on its way in: not visible to anyone until it is committed. One caller at a time. */
export interface StagedContent {
  /** Bytes held. */
  readonly size: number;
  /** Adds bytes at the end; the caller may reuse `chunk` afterwards. `ERR_LIMIT_EXCEEDED` when the storage is full. */
  append(chunk: Uint8Array): Promise<void>;
  /** Forgets everything after the first `size` bytes. */
  truncate(size: number): Promise<void>;
  /** The bytes held, from the start. */
  read(): AsyncIterable<Uint8Array>;
  /**
   * Makes the bytes readable as `digest`, at once or not at all, and ends the staging. The caller has verified the
   * digest. Content that is there already stays.
   */
  commit(digest: Digest): Promise<void>;
  /** Gives the bytes up and ends the staging. Harmless when it has ended. */
  discard(): Promise<void>;
}

/**
 * Where a registry keeps what it has: content by digest, shared by all repositories, and small records that say what
 * belongs to which repository. Used by one registry at a time, which validates every digest, name and tag before it
 * gets here and never writes the same record twice at once.
 */
export interface RegistryStorage {
  /** Opens an upload. */
  stage(): Promise<StagedContent>;
  /**
   * The bytes of `digest` from `start` up to (not including) `end`, small ranges whole, large ones as a stream;
   * undefined when there is no such content.
   */
  read(
    digest: Digest,
    start: number,
    end: number,
  ): Promise<Uint8Array | AsyncIterable<Uint8Array> | undefined>;
  /** Removes content; harmless when it is not there. */
  remove(digest: Digest): Promise<void>;
  /** Names of the repositories that have or had records, in no order. */
  repositories(): Promise<readonly string[]>;
  /** The records of one kind, in no order; none for an unknown repository. */
  records(repository: string, kind: RecordKind): Promise<readonly StorageRecord[]>;
  /** Writes a record, at once or not at all, in place of one with the same key. */
  writeRecord(repository: string, kind: RecordKind, record: StorageRecord): Promise<void>;
  /** Removes a record; harmless when it is not there. */
  removeRecord(repository: string, kind: RecordKind, key: string): Promise<void>;
  /** Ends the use: nothing is called afterwards. */
  close(): Promise<void>;
}
