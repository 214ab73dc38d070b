/** Runs `work` when everything given earlier for the same key has ended. */
export type Locks = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Makes one queue per key: what must not interleave is given the same key. A key without work costs nothing. */
export function createLocks(): Locks {
  const tails = new Map<string, Promise<void>>();
  return async (key, work) => {
    const before = tails.get(key);
    let release = (): void => {};
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    tails.set(key, mine);
    try {
      await before;
      return await work();
    } finally {
      release();
      if (tails.get(key) === mine) tails.delete(key);
    }
  };
}
