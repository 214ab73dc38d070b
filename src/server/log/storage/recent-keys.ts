/**
 * Keys of the latest entries, in memory: 16 bytes each to the indexes of the entries that have them. A hash table in
 * typed arrays, because a hundred thousand small objects would take ten times the memory.
 */

/** Bytes of a key. */
export const keyLength = 16;

/** A table of keys; indexes are given in ascending order. */
export class RecentKeys {
  /** An odd number that others cannot guess, so that they cannot choose keys that fall into one place. */
  readonly #factor: number;
  #keys = new Uint8Array(1_024 * keyLength);
  #indexes = new Float64Array(1_024);
  /** The record before with the same key, plus one; 0 for none. */
  #previous = new Uint32Array(1_024);
  /** The last record of a key, plus one; 0 for an empty place. */
  #slots = new Uint32Array(2_048);
  #count = 0;

  /** `seed` is an unpredictable number of 32 bits. */
  constructor(seed: number) {
    this.#factor = seed | 1;
  }

  /** Records, each a key of an entry. */
  get count(): number {
    return this.#count;
  }

  /** The index of the record at `place`, in the order they were added. */
  indexAt(place: number): number {
    return this.#indexes[place] ?? 0;
  }

  /** The key of the record at `place`; a slice that changes when the table is cleared. */
  keyAt(place: number): Uint8Array {
    return this.#keys.subarray(place * keyLength, (place + 1) * keyLength);
  }

  /** Adds a record. Of a longer key the beginning counts. */
  add(key: Uint8Array, index: number): void {
    if (this.#count === this.#indexes.length) this.#grow();
    const place = this.#count++;
    this.#keys.set(key.subarray(0, keyLength), place * keyLength);
    this.#indexes[place] = index;
    this.#link(place);
  }

  /** The indexes of the entries with `key`, ascending. */
  find(key: Uint8Array): number[] {
    const found: number[] = [];
    let record = this.#slots[this.#slotOf(key, 0)] ?? 0;
    for (; record !== 0; record = this.#previous[record - 1] ?? 0) found.push(this.indexAt(record - 1));
    return found.reverse();
  }

  clear(): void {
    this.#count = 0;
    this.#slots.fill(0);
  }

  /** The slot of the key at `offset` of `key`: the one that has it, or the empty one where it belongs. */
  #slotOf(key: Uint8Array, offset: number): number {
    const mask = this.#slots.length - 1;
    const start = Math.imul(word(key, offset), this.#factor) >>> Math.clz32(mask);
    for (let slot = start & mask; ; slot = (slot + 1) & mask) {
      const record = this.#slots[slot] ?? 0;
      if (record === 0 || this.#isAt(record - 1, key, offset)) return slot;
    }
  }

  #isAt(place: number, key: Uint8Array, offset: number): boolean {
    const start = place * keyLength;
    for (let index = 0; index < keyLength; index++) {
      if (this.#keys[start + index] !== key[offset + index]) return false;
    }
    return true;
  }

  #link(place: number): void {
    const slot = this.#slotOf(this.#keys, place * keyLength);
    this.#previous[place] = this.#slots[slot] ?? 0;
    this.#slots[slot] = place + 1;
  }

  #grow(): void {
    const capacity = this.#indexes.length * 2;
    const keys = new Uint8Array(capacity * keyLength);
    keys.set(this.#keys);
    const indexes = new Float64Array(capacity);
    indexes.set(this.#indexes);
    this.#keys = keys;
    this.#indexes = indexes;
    this.#previous = new Uint32Array(capacity);
    this.#slots = new Uint32Array(capacity * 2);
    for (let place = 0; place < this.#count; place++) this.#link(place);
  }
}

/** Four bytes as a number. */
export function word(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] ?? 0) << 24) |
      ((bytes[offset + 1] ?? 0) << 16) |
      ((bytes[offset + 2] ?? 0) << 8) |
      (bytes[offset + 3] ?? 0)) >>>
    0
  );
}
