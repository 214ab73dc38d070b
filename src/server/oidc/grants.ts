/** Things that were promised and are not yet fetched: bounded in number and time, each taken once. */
import type { Runtime } from '../../core/runtime.ts';

/** What is kept by a name nobody can guess. */
export interface Grants<T> {
  /** Keeps `value` for a while; the oldest is forgotten when there are too many. */
  add(name: string, value: T): void;
  /** What is kept, with `expired` telling whether its time is over; undefined when there is nothing. */
  find(name: string): { readonly value: T; readonly expired: boolean } | undefined;
  /** What is kept and still good, and then no more. */
  take(name: string): T | undefined;
  remove(name: string): void;
}

/**
 * Keeps at most `most` values for `time` milliseconds each. What has expired can still be found for as long again, so
 * that a client can be told why it comes too late.
 */
export function createGrants<T>(runtime: Pick<Runtime, 'monotonic'>, time: number, most: number): Grants<T> {
  // A map lists in the order of insertion, which is the order of expiry too.
  const kept = new Map<string, { readonly value: T; readonly until: number }>();
  const sweep = (): void => {
    for (const [name, { until }] of kept) {
      if (until + time > runtime.monotonic() && kept.size < most) return;
      kept.delete(name);
    }
  };
  const find = (name: string): { readonly value: T; readonly expired: boolean } | undefined => {
    const found = kept.get(name);
    return found && { value: found.value, expired: found.until <= runtime.monotonic() };
  };
  return {
    add(name, value) {
      sweep();
      kept.set(name, { value, until: runtime.monotonic() + time });
    },
    find,
    take(name) {
      const found = find(name);
      kept.delete(name);
      return found === undefined || found.expired ? undefined : found.value;
    },
    remove: (name) => void kept.delete(name),
  };
}
