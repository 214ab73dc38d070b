/** Chance that can be had again: every mutation is drawn from a seed and its own number, whatever came before it. */

/** A sequence of draws. */
export interface Random {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  /** True once in `times` draws. */
  once(times: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

/**
 * The draws of mutation `number` with `seed`: sfc32, started from both.
 * {@link https://pracrand.sourceforge.net/RNG_engines.txt}
 */
export function randomOf(seed: number, number: number): Random {
  let [a, b, c, counter] = [seed >>> 0, number >>> 0, 0x9e3779b9, 1];
  const next = (): number => {
    const sum = (((a + b) >>> 0) + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + sum) >>> 0;
    return sum;
  };
  for (let round = 0; round < 15; round++) next();
  const below = (limit: number): number => next() % limit;
  return {
    below,
    once: (times) => below(times) === 0,
    pick: (list) => {
      if (list.length === 0) throw new Error('there is nothing to pick from');
      return list[below(list.length)] as (typeof list)[number];
    },
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}
