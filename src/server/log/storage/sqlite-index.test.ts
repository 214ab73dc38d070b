import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../../core/encoding.ts';
import { sha256 } from '../../../formats/merkle.ts';
import { RecentKeys } from './recent-keys.ts';
import { indexSchema, KeyIndex } from './sqlite-index.ts';

const keyOf = (number: number): Uint8Array => sha256(utf8(`key ${number}`)).subarray(0, 16);

/** What an index must answer. */
class Model {
  readonly #indexes = new Map<number, number[]>();

  add(key: number, index: number): void {
    this.#indexes.set(key, [...(this.#indexes.get(key) ?? []), index]);
  }

  find(key: number, most: number): number[] {
    return (this.#indexes.get(key) ?? []).slice(0, most);
  }
}

describe('the keys of the latest entries', () => {
  it('are found, with all their entries, in order', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat({ max: 40 }), { maxLength: 200 }), (seed, keys) => {
        const recent = new RecentKeys(seed);
        const model = new Model();
        for (const round of [1, 2]) {
          const offset = round * 2 ** 33;
          for (const [index, key] of keys.entries()) {
            recent.add(keyOf(key), offset + index);
            if (round === 2) model.add(key, offset + index);
          }
          assert.equal(recent.count, keys.length);
          if (round === 1) recent.clear();
        }
        for (let key = 0; key <= 41; key++) assert.deepEqual(recent.find(keyOf(key)), model.find(key, 1_000));
      }),
    );
  });

  it('grow, and many entries with one key cost no more than others', () => {
    const recent = new RecentKeys(7);
    for (let index = 0; index < 50_000; index++) recent.add(keyOf(index % 2 === 0 ? 0 : index), index);
    assert.equal(recent.find(keyOf(0)).length, 25_000);
    assert.deepEqual(recent.find(keyOf(49_999)), [49_999]);
    assert.deepEqual(recent.find(keyOf(2)), []);
  });

  it('take the beginning of longer keys', () => {
    const recent = new RecentKeys(7);
    const long = sha256(utf8('long'));
    for (let index = 0; index < 1_100; index++) recent.add(long, index);
    assert.equal(recent.find(long.subarray(0, 16)).length, 1_100);
    assert.equal(recent.find(long).length, 1_100);
  });
});

describe('an index of keys', () => {
  for (const isUnique of [true, false]) {
    it(`finds in its runs and in memory, ${isUnique ? 'with' : 'without'} filters`, () => {
      const database = new DatabaseSync(':memory:');
      database.exec(indexSchema);
      const open = (): KeyIndex => new KeyIndex(database, isUnique ? 0 : 1, isUnique, new RecentKeys(3));
      let index = open();
      const other = new KeyIndex(database, isUnique ? 1 : 0, false, new RecentKeys(3));
      const model = new Model();
      let next = 2 ** 32 - 1_500;
      for (let run = 0; run < 6; run++) {
        for (let count = 0; count < 700; count++, next++) {
          // Some keys are in every run, and one of them often.
          const key = count % 7 === 0 ? 1 : count % 5 === 0 ? count : next;
          index.add(keyOf(key), next);
          model.add(key, next);
        }
        if (run === 5) break;
        other.add(keyOf(1), next);
        const written = index.writeRun(next - 1);
        assert.equal(index.recent, 700);
        written();
        assert.deepEqual([index.recent, index.covered], [0, next]);
        other.writeRun(next)();
        if (run === 3) index = open();
      }
      for (const key of [0, 1, 2, 5, 10, 699, 2 ** 32 - 1_500 + 1, next - 1, next]) {
        for (const most of [1, 3, 10_000]) {
          assert.deepEqual(index.find(keyOf(key), most), model.find(key, most), `${key}, ${most}`);
        }
      }
      database.close();
    });
  }

  it('has filters that let little through', () => {
    const database = new DatabaseSync(':memory:');
    database.exec(indexSchema);
    const index = new KeyIndex(database, 0, true, new RecentKeys(3));
    for (let number = 0; number < 5_000; number++) index.add(keyOf(number), number);
    index.writeRun(4_999)();
    for (let number = 0; number < 5_000; number++) assert.deepEqual(index.find(keyOf(number), 9), [number]);
    const [row] = database.prepare('SELECT filter FROM run').all();
    const filter = row?.['filter'] as Uint8Array;
    assert.ok(filter.length <= 16_384);
    const set = filter.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
    assert.ok(set / (filter.length * 8) < 0.4);
    database.close();
  });

  it('writes an empty run', () => {
    const database = new DatabaseSync(':memory:');
    database.exec(indexSchema);
    const index = new KeyIndex(database, 1, false, new RecentKeys(3));
    index.writeRun(9)();
    assert.equal(index.covered, 10);
    assert.deepEqual(index.find(keyOf(1), 1), []);
    database.close();
  });
});
