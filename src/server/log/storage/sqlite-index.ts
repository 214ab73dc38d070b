/**
 * Finds entries by their keys, at a cost that does not grow with the log.
 *
 * An index of SQLite over hashes writes another page for nearly every row, and the more rows there are the fewer of them
 * share one. Here keys of the latest entries are in memory, and are found again in the entries when the database is
 * opened. When they are many they are written once, as a run: in buckets by the first bits of the key, each one row. A
 * run never changes. A Bloom filter of each run of leaf hashes tells nearly always which runs do not have one.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { keyLength, type RecentKeys, word } from './recent-keys.ts';

/** The tables of runs. */
export const indexSchema = `
CREATE TABLE run (
  kind INTEGER NOT NULL, number INTEGER NOT NULL, buckets INTEGER NOT NULL, last INTEGER NOT NULL, filter BLOB,
  PRIMARY KEY (kind, number)
) STRICT;
CREATE TABLE bucket (id INTEGER PRIMARY KEY, records BLOB NOT NULL) STRICT;
`;

/** A key and the 40 bits of an index. */
const recordLength = keyLength + 5;

/** Records that a bucket has on average; it fits into a page of the database. */
const bucketRecords = 128;

/** Bits of a filter for each of its keys, and how many of them a key sets: one wrong answer in a thousand. */
const filterBits = 16;
const filterProbes = 6;

interface Run {
  readonly number: number;
  readonly buckets: number;
  readonly filter: Uint8Array | undefined;
}

/** The index of one kind of key. Nothing that it is told is durable before its transaction is. */
export class KeyIndex {
  readonly #kind: number;
  readonly #isUnique: boolean;
  readonly #recent: RecentKeys;
  readonly #runs: Run[] = [];
  readonly #readBucket: StatementSync;
  readonly #writeBucket: StatementSync;
  readonly #writeRun: StatementSync;
  #covered = 0;

  /** `isUnique`: a key is hardly ever there twice, and is looked for before each is added; then runs get a filter. */
  constructor(database: DatabaseSync, kind: 0 | 1, isUnique: boolean, recent: RecentKeys) {
    this.#kind = kind;
    this.#isUnique = isUnique;
    this.#recent = recent;
    this.#readBucket = database.prepare('SELECT records FROM bucket WHERE id = ?');
    this.#writeBucket = database.prepare('INSERT INTO bucket (id, records) VALUES (?, ?)');
    this.#writeRun = database.prepare(
      'INSERT INTO run (kind, number, buckets, last, filter) VALUES (?, ?, ?, ?, ?)',
    );
    const rows = database
      .prepare('SELECT number, buckets, last, filter FROM run WHERE kind = ? ORDER BY number')
      .all(kind);
    for (const row of rows) {
      this.#runs.push({
        number: row['number'] as number,
        buckets: row['buckets'] as number,
        filter: (row['filter'] as Uint8Array | null) ?? undefined,
      });
      this.#covered = (row['last'] as number) + 1;
    }
  }

  /** Entries below this index are in runs; keys of the others must be added when the index is made. */
  get covered(): number {
    return this.#covered;
  }

  /** Keys that are in memory. */
  get recent(): number {
    return this.#recent.count;
  }

  /** Adds a key of a committed entry. Indexes must not go back. */
  add(key: Uint8Array, index: number): void {
    this.#recent.add(key, index);
  }

  /** The indexes of the entries with `key`, ascending, at most `most`. */
  find(key: Uint8Array, most: number): number[] {
    const found: number[] = [];
    for (const run of this.#runs) {
      if (run.filter !== undefined && !mayHave(run.filter, key)) continue;
      this.#findInRun(run, key, found);
      if (found.length >= most) return found.slice(0, most);
    }
    return [...found, ...this.#recent.find(key)].slice(0, most);
  }

  #findInRun({ number, buckets }: Run, key: Uint8Array, found: number[]): void {
    const id = this.#bucketId(number, bucketOf(key, 0, buckets));
    const records = this.#readBucket.get(id)?.['records'] as Uint8Array | undefined;
    if (records === undefined) return;
    for (let offset = 0; offset < records.length; offset += recordLength) {
      let same = 0;
      while (same < keyLength && records[offset + same] === key[same]) same++;
      if (same === keyLength) found.push(readIndex(records, offset + keyLength));
    }
  }

  #bucketId(run: number, bucket: number): number {
    return (run * 2 + this.#kind) * 2 ** 24 + bucket;
  }

  /**
   * Writes the keys that are in memory as a run, of the entries up to and with `last`. Must be in a transaction; once
   * that is committed call what is returned.
   */
  writeRun(last: number): () => void {
    const recent = this.#recent;
    const number = (this.#runs.at(-1)?.number ?? 0) + 1;
    let buckets = 1;
    while (buckets * bucketRecords < recent.count) buckets *= 2;
    for (const [bucket, records] of distribute(recent, buckets).entries()) {
      if (records.length > 0) this.#writeBucket.run(this.#bucketId(number, bucket), records);
    }
    const filter = this.#isUnique ? filterOf(recent) : undefined;
    this.#writeRun.run(this.#kind, number, buckets, last, filter ?? null);
    return () => {
      this.#runs.push({ number, buckets, filter });
      this.#covered = last + 1;
      recent.clear();
    };
  }
}

/** The first bits of a key. */
function bucketOf(key: Uint8Array, offset: number, buckets: number): number {
  return Math.floor((word(key, offset) / 2 ** 32) * buckets);
}

/** The records of each bucket, in the order of their indexes. */
function distribute(recent: RecentKeys, buckets: number): Uint8Array[] {
  const counts = new Uint32Array(buckets);
  for (let place = 0; place < recent.count; place++) {
    const bucket = bucketOf(recent.keyAt(place), 0, buckets);
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  const parts = Array.from(counts, (count) => new Uint8Array(count * recordLength));
  const ends = new Uint32Array(buckets);
  for (let place = 0; place < recent.count; place++) {
    const key = recent.keyAt(place);
    const bucket = bucketOf(key, 0, buckets);
    const offset = ends[bucket] ?? 0;
    const part = parts[bucket] as Uint8Array;
    part.set(key, offset);
    writeIndex(part, offset + keyLength, recent.indexAt(place));
    ends[bucket] = offset + recordLength;
  }
  return parts;
}

function writeIndex(target: Uint8Array, offset: number, index: number): void {
  target[offset] = Math.floor(index / 2 ** 32);
  for (let byte = 1; byte < 5; byte++) target[offset + byte] = index >>> (32 - 8 * byte);
}

function readIndex(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] ?? 0) * 2 ** 32 + word(bytes, offset + 1);
}

/** A Bloom filter; keys are hashes, so their own bits are the hash functions. https://www.eecs.harvard.edu/~michaelm/postscripts/rsa2008.pdf */
function filterOf(recent: RecentKeys): Uint8Array {
  let bits = 1_024;
  while (bits < recent.count * filterBits) bits *= 2;
  const filter = new Uint8Array(bits / 8);
  for (let place = 0; place < recent.count; place++) {
    const key = recent.keyAt(place);
    for (let probe = 0; probe < filterProbes; probe++) {
      const bit = probeOf(key, probe, bits);
      filter[bit >>> 3] = (filter[bit >>> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  return filter;
}

function mayHave(filter: Uint8Array, key: Uint8Array): boolean {
  const bits = filter.length * 8;
  for (let probe = 0; probe < filterProbes; probe++) {
    const bit = probeOf(key, probe, bits);
    if (((filter[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function probeOf(key: Uint8Array, probe: number, bits: number): number {
  return ((word(key, 4) + Math.imul(probe, word(key, 8) | 1)) >>> 0) & (bits - 1);
}
