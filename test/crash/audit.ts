/** Judges a log that was written by processes that were killed, by everything that they had released. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { base64, equalBytes } from '../../src/core/encoding.ts';
import { type NoteVerifier, parseCheckpoint, verifyCheckpoint } from '../../src/formats/checkpoint.ts';
import { foldNodes, growEdge, hashLeaf } from '../../src/formats/merkle.ts';
import type { TransparencyLog } from '../../src/server/log/log.ts';
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
  /** What was released: by index, hash and time; by size, root. */
  readonly #answers = new Map<number, string>();
  readonly #roots = new Map<number, Uint8Array>();
  /** What was found: index by hash, and the right edge of all entries read. */
  readonly #indexes = new Map<string, number>();
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
    }
    if (!('index' in item)) return;
    this.#count++;
    assert.ok(item.index < checkpoint.size, 'a checkpoint covers the entry it came with');
    const said = `${item.hash} ${item.time}`;
    assert.equal(this.#answers.get(item.index) ?? said, said, `two answers for index ${item.index}`);
    this.#answers.set(item.index, said);
  }

  /** Reads what is new in the log and compares all of it with what was released. */
  async check(log: TransparencyLog): Promise<AuditSummary> {
    const head = await log.head();
    const before = this.#indexes.size;
    assert.ok(head.size >= before, 'a log never shrinks');
    for (let start = before; start < head.size; start += 256) {
      const entries = await log.entries(start, Math.min(start + 256, head.size));
      assert.equal(entries.length, Math.min(256, head.size - start));
      for (const [place, { index, time, leafHash, body }] of entries.entries()) {
        assert.equal(index, start + place);
        assert.deepEqual(hashLeaf(body), leafHash);
        assert.ok(time >= this.#time, 'time never goes back');
        this.#time = time;
        const hash = base64(leafHash);
        assert.equal(this.#indexes.get(hash), undefined, `an entry is at two places: ${index}`);
        this.#indexes.set(hash, index);
        growEdge(this.#edge, index, leafHash);
        const said = this.#answers.get(index);
        if (said !== undefined)
          assert.equal(said, `${hash} ${time}`, `entry ${index} is not what was answered`);
        const root = this.#roots.get(index + 1);
        if (root !== undefined)
          assert.deepEqual(foldNodes(this.#edge), root, `the checkpoint of size ${index + 1}`);
      }
    }
    // With what was read before, this is the root of all entries: they are what they were.
    assert.deepEqual(foldNodes(this.#edge), head.root);
    await this.#checkReleased(log, head.size);
    return { entries: head.size, answers: this.#count, checkpoints: this.#roots.size };
  }

  async #checkReleased(log: TransparencyLog, size: number): Promise<void> {
    for (const index of this.#answers.keys())
      assert.ok(index < size, `entry ${index} was acknowledged and is missing`);
    for (const [of, root] of this.#roots) {
      assert.ok(of <= size, `a checkpoint of size ${of} was released, and the log has ${size}`);
      assert.deepEqual(await log.rootAt(of), root, `the checkpoint of size ${of}`);
    }
  }
}
