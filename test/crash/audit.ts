/** Judges a log that was written by processes that were killed, by everything that they had released. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { base64, equalBytes } from '../../src/core/encoding.ts';
import { type NoteVerifier, parseCheckpoint, verifyCheckpoint } from '../../src/formats/checkpoint.ts';
import { foldNodes, growEdge, hashLeaf } from '../../src/formats/merkle.ts';
import type { StoredEntry, TransparencyLog } from '../../src/server/log/log.ts';
import type { Released } from './writer.ts';

/** What a run came to. */
export interface AuditSummary {
  /** Entries in the log. */
  readonly entries: number;
  /** Answers that were released. */
  readonly answers: number;
  /** Different checkpoints that were released. */
  readonly checkpoints: number;
}

/**
 * Follows one log over any number of crashes. {@link check} throws when an entry that was acknowledged is missing or
 * changed, when a checkpoint that was released is not of the log, when an index was used twice, or when the log is not
 * the one it was before.
 */
export class Auditor {
  readonly #verifier: NoteVerifier;
  readonly #origin: string;
  readonly #read = new Map<string, number>();
  /** Roots of the checkpoints that were released, by size. */
  readonly #roots = new Map<number, Uint8Array>();
  /** What was released and not yet compared with the log. */
  #newAnswers: { readonly index: number; readonly said: string }[] = [];
  #newRoots: { readonly size: number; readonly root: Uint8Array }[] = [];
  /** Hash and time of every entry that was read, by index; their hashes; and the right edge of the tree of them. */
  readonly #found: string[] = [];
  readonly #hashes = new Set<string>();
  readonly #edge: Uint8Array[] = [];
  #time = 0;
  #count = 0;

  constructor(verifier: NoteVerifier, origin: string) {
    this.#verifier = verifier;
    this.#origin = origin;
  }

  /** Takes in what was appended to a file since it was last read; answers how many lines that were. */
  readReleased(path: string): number {
    if (!existsSync(path)) return 0;
    const text = readFileSync(path, 'utf8').slice(this.#read.get(path) ?? 0);
    const end = text.lastIndexOf('\n') + 1;
    this.#read.set(path, (this.#read.get(path) ?? 0) + end);
    const lines = text.slice(0, end).split('\n').filter(Boolean);
    for (const line of lines) this.#take(JSON.parse(line) as Released);
    return lines.length;
  }

  #take(item: Released): void {
    if ('failed' in item) assert.fail(`a writer failed: ${item.failed}`);
    const checkpoint = parseCheckpoint(item.note);
    const root = this.#roots.get(checkpoint.size);
    if (root === undefined || !equalBytes(root, checkpoint.root)) {
      verifyCheckpoint(checkpoint, [this.#verifier], this.#origin);
      assert.equal(root, undefined, `two checkpoints of size ${checkpoint.size}`);
      this.#roots.set(checkpoint.size, checkpoint.root);
      this.#newRoots.push({ size: checkpoint.size, root: checkpoint.root });
    }
    if (!('index' in item)) return;
    this.#count++;
    assert.ok(item.index < checkpoint.size, 'a checkpoint covers the entry it came with');
    this.#newAnswers.push({ index: item.index, said: `${item.hash} ${item.time}` });
  }

  /** Reads what is new in the log and compares it with what was released. */
  async check(log: TransparencyLog): Promise<AuditSummary> {
    const head = await log.head();
    assert.ok(head.size >= this.#found.length, 'a log never shrinks');
    for (let start = this.#found.length; start < head.size; start += 256) {
      const entries = await log.entries(start, Math.min(start + 256, head.size));
      assert.equal(entries.length, Math.min(256, head.size - start));
      for (const entry of entries) this.#add(entry);
    }
    // With what was read before, this is the root of all entries: they are what they were.
    assert.deepEqual(foldNodes(this.#edge), head.root);
    for (const { index, said } of this.#newAnswers) {
      assert.ok(index < head.size, `entry ${index} was acknowledged and is missing`);
      assert.equal(this.#found[index], said, `entry ${index} is not what was answered`);
    }
    for (const { size, root } of this.#newRoots) {
      assert.ok(size <= head.size, `a checkpoint of size ${size} was released, and the log has ${head.size}`);
      assert.deepEqual(await log.rootAt(size), root, `the checkpoint of size ${size}`);
    }
    this.#newAnswers = [];
    this.#newRoots = [];
    return { entries: head.size, answers: this.#count, checkpoints: this.#roots.size };
  }

  #add({ index, time, leafHash, body }: StoredEntry): void {
    assert.equal(index, this.#found.length);
    assert.deepEqual(hashLeaf(body), leafHash);
    assert.ok(time >= this.#time, 'time never goes back');
    this.#time = time;
    const hash = base64(leafHash);
    assert.ok(!this.#hashes.has(hash), `an entry is at two places: ${index}`);
    this.#hashes.add(hash);
    this.#found.push(`${hash} ${time}`);
    growEdge(this.#edge, index, leafHash);
  }
}
