/**
 * Adding to a list that others add to at the same time, where the only means are "read it" and "replace it".
 *
 * Registries without a referrers API keep lists (the fallback index, the `.sig` manifest) under a tag, and hardly any
 * looks at `If-Match`. A writer that read before another one wrote replaces the other's entry without noticing. So:
 *
 * 1. Read right before writing; when the time between the two gets long, read again instead of writing.
 * 2. Remember every entry that was ever seen. Whatever disappears is written again, ours or not.
 * 3. Read again after writing, and not at once: whoever read before we wrote will have written by then. That time is
 *    derived from how much slower than the fastest request our own writing was.
 * 4. Once anybody else is noticed, stay until nothing disappeared for several times the longest writing of our own.
 *    Whoever reads after our entry appeared keeps it; only those who read before can still take it away. Each writer
 *    guards its own entry for that time, so nobody has to wait until all others are done.
 */

import { jitter } from '../core/backoff.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';

/** What a list is made of at one moment. */
export interface ListState {
  /** Identifies the content: equal for equal content. Undefined when there is no list. */
  readonly version: string | undefined;
  /** The text of each entry by its identity. */
  readonly entries: ReadonlyMap<string, string>;
  /** Whether an entry is so new that its writer may still be at work. */
  readonly hasRecentEntry: boolean;
}

/** A list under a tag. */
export interface SharedList<State extends ListState> {
  /** What it is called in errors. */
  readonly name: string;
  read(): Promise<State>;
  /** Replaces the list by `state` and `added`; returns the version written. `ERR_ATTACH_CONFLICT` when it changed meanwhile. */
  write(state: State, added: readonly string[]): Promise<string>;
  /**
   * Asked when the list has come to rest: whether what is there, though complete, should be written once more (with
   * nothing added), for which everything is now ready.
   */
  mend?(state: State): Promise<boolean>;
}

/** Milliseconds; with these, 32 processes at once on two overloaded cores lost nothing in any of 30 rounds. */
const pace = {
  /** Between reading and sending: more means the process was not running, and the reading is stale. */
  staleReading: 25,
  /** Waited at least between writing and confirming. */
  shortestSettling: 20,
  longestSettling: 2_000,
  /** Waited at least when an entry is so recent that its writer may still be there. */
  settlingNearOthers: 150,
  /** How long nothing may disappear once others were noticed. */
  shortestQuiet: 600,
  longestQuiet: 6_000,
} as const;

/**
 * Adds `ours` (entry text by identity) to `list` so that they stay, and returns the list as last read. Throws
 * `ERR_ATTACH_CONFLICT` when that does not succeed within `limits.operationTime`.
 */
export async function addToSharedList<State extends ListState>(
  list: SharedList<State>,
  ours: ReadonlyMap<string, string>,
  runtime: Runtime,
  signal: AbortSignal | undefined,
): Promise<State> {
  const watch = createWatch(runtime);
  const wanted = new Map(ours);
  const deadline = runtime.monotonic() + limits.operationTime;
  for (let writes = 0; ; ) {
    const began = runtime.monotonic();
    const state = await list.read();
    watch.read(state, began);
    for (const [key, text] of state.entries) if (!wanted.has(key)) wanted.set(key, text);
    const missing = [...wanted].filter(([key]) => !state.entries.has(key)).map(([, text]) => text);
    if (missing.length === 0) {
      if (watch.isSettled() && !(await mended(list, state, watch))) return state;
    } else if (runtime.monotonic() - watch.lastRead() <= pace.staleReading) {
      writes++;
      await writeOnce(list, state, missing, watch, began);
    }
    if (runtime.monotonic() > deadline) {
      throw new BoltsealError('ERR_ATTACH_CONFLICT', `other writers kept replacing ${list.name}`, {
        hint: 'Try again when fewer programs sign this image at the same time.',
        details: { writes },
      });
    }
    await watch.pause(missing.length > 0, signal);
  }
}

/** Writes a list at rest once more when it asks for that, and nobody wrote meanwhile. False when there is nothing to do. */
async function mended<State extends ListState>(
  list: SharedList<State>,
  state: State,
  watch: Watch,
): Promise<boolean> {
  if (!(await list.mend?.(state))) return false;
  const began = watch.clock();
  const again = await list.read();
  watch.read(again, began);
  if (again.version === state.version) await writeOnce(list, again, [], watch, began);
  return true;
}

async function writeOnce<State extends ListState>(
  list: SharedList<State>,
  state: State,
  missing: readonly string[],
  watch: Watch,
  began: number,
): Promise<void> {
  try {
    watch.wrote(await list.write(state, missing), began);
  } catch (error) {
    if (!isBoltsealError(error, 'ERR_ATTACH_CONFLICT')) throw error;
    watch.conflicted();
  }
}

/** Keeps the time, and decides how long to wait and when it is over. */
interface Watch {
  clock(): number;
  read(state: ListState, began: number): void;
  wrote(version: string, began: number): void;
  conflicted(): void;
  lastRead(): number;
  isSettled(): boolean;
  pause(wrote: boolean, signal: AbortSignal | undefined): Promise<void>;
}

function createWatch(runtime: Runtime): Watch {
  let reads = 0;
  let version: string | undefined;
  let isContended = false;
  let isNearOthers = false;
  let wholeSince = runtime.monotonic();
  let readAt = wholeSince;
  let fastest = Number.POSITIVE_INFINITY;
  let longestWriting = 0;
  let lag = 0;
  let writes = 0;
  return {
    clock: () => runtime.monotonic(),
    read(state, began): void {
      readAt = runtime.monotonic();
      fastest = Math.min(fastest, readAt - began);
      if (state.hasRecentEntry && writes === 0) isNearOthers = true;
      if (reads++ > 0 && state.version !== version) {
        isContended = true;
      }
      version = state.version;
    },
    wrote(written, began): void {
      const now = runtime.monotonic();
      fastest = Math.min(fastest, now - readAt);
      longestWriting = Math.max(longestWriting, now - began);
      version = written;
      wholeSince = now;
      writes++;
    },
    conflicted(): void {
      isContended = true;
      writes++;
    },
    lastRead: () => readAt,
    isSettled(): boolean {
      if (writes === 0 && !isContended) return true;
      if (!isContended) return lag < 10;
      const quiet = Math.min(pace.longestQuiet, Math.max(pace.shortestQuiet, 10 * longestWriting));
      return runtime.monotonic() - wholeSince >= quiet;
    },
    async pause(justWrote, signal): Promise<void> {
      const excess = Math.max(0, longestWriting - 2 * fastest);
      const calm = Math.max(pace.shortestSettling, 15 + 4 * excess + longestWriting / 10 + 10 * lag);
      const alone = Math.min(
        pace.longestSettling,
        isNearOthers ? Math.max(calm, pace.settlingNearOthers) : calm,
      );
      // Among many writers each waits a random time, longer with every collision, so that they come one by one.
      const crowd = jitter(
        runtime,
        Math.min(pace.longestSettling, longestWriting * 2 ** Math.min(writes, 6)),
      );
      const wait = isContended
        ? Math.max(pace.shortestSettling, justWrote ? alone + crowd : 100 + crowd)
        : alone;
      const before = runtime.monotonic();
      await runtime.sleep(wait, signal);
      lag = Math.max(0, runtime.monotonic() - before - wait);
    },
  };
}
