/** What a TUF repository says: asked no more often than needed, and known while it cannot be asked. */
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { parseTrustedRoot } from '../../formats/trusted-root.ts';
import type { ServiceRuntime } from '../service-request.ts';
import {
  cachePath,
  forgetFailure,
  type KeptState,
  lastFailure,
  noteFailure,
  readCache,
  writeCache,
} from './cache.ts';
import { mirrorSource } from './mirror.ts';
import { expiredRoles } from './state.ts';

/** The target files that say what is trusted and who signs. Only the first must be there. */
export const trustTargets = [
  'trusted_root.json',
  'signing_config.v0.2.json',
  'signing_config_rekor_v2.v0.2.json',
] as const;

/** What {@link refreshTrust} is told. */
export interface RefreshOptions {
  /** The base URL of the repository, as `parseMirror` makes it. */
  readonly mirror: string;
  /** Root metadata that is trusted because the caller says so. */
  readonly root: Uint8Array;
  /** The folder in which repositories are kept; without one nothing is. */
  readonly folder: string | undefined;
  readonly runtime: ServiceRuntime;
  /** `always`: ask now, and fail when that fails; `never`: open no socket. By default it is asked once a day. */
  readonly ask?: 'always' | 'never' | undefined;
  /** When what else the caller has to go by was made: what was kept before that is not used. */
  readonly fallback?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a repository says, and how that is known. */
export interface RefreshedTrust extends KeptState {
  readonly from: 'tuf' | 'cache';
}

/**
 * What the repository says. It is asked when nothing is kept, when it was not asked for a day, and when what is kept has
 * expired. When asking fails, what is kept serves until it expires, with a warning, and the repository is left alone for
 * ten minutes. Asking takes a few seconds at most when there is something else to go by.
 *
 * Of what has expired, timestamp and snapshot only tell that nobody holds back news, which a caller who forbids asking
 * (`never`), or whose other choice is older still (`fallback`), has given up anyway: that is used, with a warning.
 * Expired root or targets metadata never is.
 *
 * Throws `ERR_OFFLINE` when asking is forbidden and nothing is kept, `ERR_TUF_EXPIRED`, `ERR_TRUST` when the repository
 * has no trusted root, and what `followRepository` and `parseTrustedRoot` throw.
 */
export async function refreshTrust(options: RefreshOptions): Promise<RefreshedTrust> {
  const { mirror, root, folder, runtime, ask } = options;
  const path = folder === undefined ? undefined : cachePath(folder, mirror);
  const kept = path === undefined ? undefined : await readCache(path, root, runtime);
  if (ask === 'always') return askRepository(options, path, kept, limits.tufTime);
  if (kept !== undefined && ask !== 'never' && isFresh(kept, runtime.now()))
    return { ...kept, from: 'cache' };
  if (ask === 'never') return serveKept(options, kept, offline(mirror));
  const isServable = kept !== undefined && canServe(options, kept);
  const hasOther = isServable || options.fallback !== undefined;
  if (path !== undefined && hasOther) {
    const since = await lastFailure(path);
    if (since !== undefined && isWithin(since, runtime.now(), limits.tufRetryEvery)) {
      return serveKept(options, kept, leftAlone(mirror, since));
    }
  }
  try {
    return await askRepository(options, path, kept, hasOther ? limits.tufQuickTime : limits.tufTime);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (path !== undefined && hasOther) await noteFailure(path, runtime.now(), runtime);
    return serveKept(options, kept, error);
  }
}

async function askRepository(
  { mirror, root, runtime, signal }: RefreshOptions,
  path: string | undefined,
  kept: KeptState | undefined,
  budget: number,
): Promise<RefreshedTrust> {
  const { followRepository } = await import('./follow.ts');
  const fetched = runtime.now();
  const state = await followRepository(mirrorSource(mirror, { runtime, budget, signal }), {
    pinnedRoot: root,
    previous: kept?.state,
    names: trustTargets,
    now: fetched,
  });
  const trustedRoot = state.files.get(trustTargets[0]);
  if (trustedRoot === undefined) throw noTrustedRoot(mirror);
  // What cannot be used must not take the place of what can.
  parseTrustedRoot(trustedRoot, `the trusted root of ${mirror}`);
  if (path !== undefined) {
    await writeCache(path, root, { state, fetched }, runtime);
    await forgetFailure(path);
  }
  return { state, fetched, from: 'tuf' };
}

/** Whether the repository need not be asked. A time in the future is that of a clock that was wrong. */
function isFresh({ state, fetched }: KeptState, now: Date): boolean {
  return isWithin(fetched, now, limits.tufRefreshEvery) && expiredRoles(state, now).length === 0;
}

function isWithin(since: Date, now: Date, time: number): boolean {
  const passed = now.getTime() - since.getTime();
  return passed >= 0 && passed < time;
}

/** Whether what is kept serves while the repository is not asked. */
function canServe({ ask, fallback, runtime }: RefreshOptions, { state, fetched }: KeptState): boolean {
  if (fallback !== undefined && fetched.getTime() < fallback.getTime()) return false;
  const expired = expiredRoles(state, runtime.now());
  if (expired.length === 0) return true;
  if (expired.includes('root') || expired.includes('targets')) return false;
  return ask === 'never' || fallback !== undefined;
}

/** What is kept, because of `reason`; throws it, or that what is kept has expired. */
function serveKept(options: RefreshOptions, kept: KeptState | undefined, reason: unknown): RefreshedTrust {
  if (kept === undefined) throw reason;
  const { mirror, runtime, ask } = options;
  const expired = expiredRoles(kept.state, runtime.now());
  const when = `on ${kept.fetched.toISOString().slice(0, 10)}`;
  if (!canServe(options, kept)) {
    throw new BoltsealError(
      'ERR_TUF_EXPIRED',
      `what the TUF repository ${mirror} said ${when} is too old, and it cannot be asked`,
      {
        cause: reason,
        hint: 'Ask whoever runs it; or give a trusted root that you trust by other means: --trusted-root FILE.',
        details: { expired: expired.join(' ') },
      },
    );
  }
  const age = ageOf(kept.fetched, runtime.now());
  const cause = reason instanceof Error ? reason.message : String(reason);
  if (ask !== 'never') {
    warn(options, `${cause}; what the TUF repository ${mirror} said ${age} ago is used`);
  } else if (expired.length > 0) {
    warn(options, `what the TUF repository ${mirror} said ${age} ago is used, which has expired`);
  }
  return { ...kept, from: 'cache' };
}

function warn({ runtime, mirror }: RefreshOptions, message: string): void {
  runtime.log({ level: 'warn', event: 'tuf.stale', message, fields: { mirror } });
}

/** `3 days`, `5 hours`, `2 minutes`. */
function ageOf(since: Date, now: Date): string {
  const minutes = Math.max(0, Math.round((now.getTime() - since.getTime()) / 60_000));
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

function offline(mirror: string): BoltsealError {
  return new BoltsealError('ERR_OFFLINE', `nothing is kept of the TUF repository ${mirror}`, {
    hint: 'Run `boltseal initialize` once with a network; or give --trusted-root FILE.',
  });
}

function leftAlone(mirror: string, since: Date): BoltsealError {
  return new BoltsealError(
    'ERR_SERVICE_UNAVAILABLE',
    `the TUF repository ${mirror} could not be asked at ${since.toISOString()} and is left alone for a while`,
    { hint: '`boltseal initialize` asks at once.' },
  );
}

function noTrustedRoot(mirror: string): BoltsealError {
  return new BoltsealError('ERR_TRUST', `the TUF repository ${mirror} has no trusted_root.json`, {
    hint: 'Is it that of a Sigstore? It must be among the targets themselves: delegated ones are not looked at.',
  });
}
