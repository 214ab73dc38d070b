import type { HttpRequest } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import { Refusal } from './refusal.ts';

/** Bounds of a registry. Sizes are bytes, times milliseconds. */
export interface RegistryLimits {
  /** A manifest or index; 4 MiB, which the specification asks for. */
  readonly manifestBytes: number;
  /** A blob; 16 GiB. */
  readonly blobBytes: number;
  /** Uploads under way at once; 1,000. */
  readonly sessions: number;
  /** How long an upload may rest between two requests; 15 minutes. */
  readonly sessionIdleTime: number;
  /** Entries of one page of a listing; 1,000 referrers or 10,000 tags or repositories at most. */
  readonly pageEntries: number;
  /** Tags set by one push; 32. */
  readonly tagsPerPush: number;
}

/** The bounds unless told otherwise. */
export const registryLimits: RegistryLimits = {
  manifestBytes: limits.manifestBytes,
  blobBytes: 17_179_869_184,
  sessions: 1_000,
  sessionIdleTime: 900_000,
  pageEntries: 10_000,
  tagsPerPush: 32,
};

/** The length a request announces; undefined when it announces none. Throws a {@link Refusal} when it is no number. */
export function announcedLength(request: HttpRequest): number | undefined {
  const header = request.headers.get('content-length');
  if (header === null) return undefined;
  if (!/^\d{1,15}$/.test(header)) throw new Refusal('SIZE_INVALID', 'Content-Length is not a number');
  return Number(header);
}
