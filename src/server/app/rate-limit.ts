/** How often something may be done: token buckets, in bounded memory. */
import type { Runtime } from '../../core/runtime.ts';
import { ServiceRefusal } from '../http/service.ts';

/** Buckets by key. */
export interface RateLimiter {
  /** Takes one of `key`'s; 0 when there was one, else the milliseconds until there is. */
  take(key: string): number;
  /** Keys that are remembered. */
  readonly size: number;
}

interface Bucket {
  left: number;
  /** When `left` was true, on the monotonic clock. */
  time: number;
}

/**
 * Lets each key have `perMinute` in a minute, and as many at once after a pause. At most `most` keys are remembered; the
 * one that was quiet the longest, whose bucket is full or nearly so, is forgotten first.
 */
export function createRateLimiter(
  runtime: Pick<Runtime, 'monotonic'>,
  perMinute: number,
  most: number,
): RateLimiter {
  const perMillisecond = perMinute / 60_000;
  // A map lists its keys in the order of their insertion: what is taken from moves to the end.
  const buckets = new Map<string, Bucket>();
  return {
    get size() {
      return buckets.size;
    },
    take(key) {
      const time = runtime.monotonic();
      const bucket = buckets.get(key);
      const left =
        bucket === undefined
          ? perMinute
          : Math.min(perMinute, bucket.left + (time - bucket.time) * perMillisecond);
      const isThere = left >= 1;
      if (bucket !== undefined) buckets.delete(key);
      else if (buckets.size >= most) forgetOldest(buckets);
      buckets.set(key, { left: isThere ? left - 1 : left, time });
      return isThere ? 0 : Math.max(1, Math.ceil((1 - left) / perMillisecond));
    },
  };
}

function forgetOldest(buckets: Map<string, Bucket>): void {
  const oldest = buckets.keys().next();
  if (!oldest.done) buckets.delete(oldest.value);
}

/** The refusal of a client that must wait `milliseconds`: 429 (RFC 6585 section 4). */
export function tooMany(milliseconds: number, what: string): ServiceRefusal {
  return new ServiceRefusal(429, `too many ${what}; retry later`, {
    headers: { 'retry-after': String(Math.ceil(milliseconds / 1_000)) },
  });
}

/** The part of a client's address that one client has to itself: all of IPv4, and 64 bits of IPv6 (RFC 6177). */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [left = '', right] = (address.split('%')[0] ?? '').split('::');
  const parts = left === '' ? [] : left.split(':');
  const behind = right === undefined || right === '' ? [] : right.split(':');
  while (parts.length + behind.length < 8) parts.push('0');
  return [...parts, ...behind].slice(0, 4).join(':');
}

/** Who asks for a certificate. */
export interface CertificateSubject {
  /** `iss` of the token. */
  readonly issuer: string;
  /** The identity that the certificate would be for. */
  readonly identity: string;
}

/** Subjects whose rate is remembered. */
const mostSubjects = 50_000;

/**
 * The admission of certificate requests: throws {@link ServiceRefusal} 429 with Retry-After when one subject of one
 * issuer asks for more than `perMinute`; 0 is no limit.
 */
export function admitCertificates(
  runtime: Pick<Runtime, 'monotonic'>,
  perMinute: number,
): (subject: CertificateSubject) => void {
  if (perMinute === 0) return () => undefined;
  const limiter = createRateLimiter(runtime, perMinute, mostSubjects);
  return ({ issuer, identity }) => {
    const wait = limiter.take(`${issuer}\n${identity}`);
    if (wait > 0) throw tooMany(wait, 'certificates for this identity');
  };
}
