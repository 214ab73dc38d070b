/** When a failed request is made again, and after how long. */
import type { Runtime } from './runtime.ts';

const firstWait = 100;
const longestWait = 8_000;

/**
 * Milliseconds to wait before attempt `attempt` + 1: exponential with full jitter, at least what the server asks for.
 * {@link https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/}
 */
export function backoff(
  runtime: Pick<Runtime, 'now' | 'random'>,
  attempt: number,
  retryAfter: string | null,
): number {
  const ceiling = Math.min(longestWait, firstWait * 2 ** attempt);
  const wait = ceiling / 2 + jitter(runtime, ceiling / 2);
  const asked = retryAfter === null ? undefined : parseRetryAfter(retryAfter, runtime.now());
  return asked === undefined ? wait : Math.max(wait, asked + jitter(runtime, ceiling / 2));
}

/** A random number of milliseconds below `ceiling`. */
export function jitter(runtime: Pick<Runtime, 'random'>, ceiling: number): number {
  const [high = 0, low = 0] = runtime.random(2);
  return ((high * 256 + low) / 65_536) * ceiling;
}

/**
 * Milliseconds from `now` that a `Retry-After` header asks for, in seconds or as a date; undefined when it is neither.
 * {@link https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3}
 */
export function parseRetryAfter(text: string, now: Date): number | undefined {
  const trimmed = text.trim();
  if (/^\d{1,9}$/.test(trimmed)) return Number(trimmed) * 1000;
  // Only the date formats of HTTP start with a day; Date.parse would also read much else.
  if (!/^[A-Z][a-z]{2,8},? /.test(trimmed)) return undefined;
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}

/** Whether an answer of `status` may become another one: the server is busy or failed. What it never implements is final. */
export function isRetryStatus(status: number): boolean {
  return status === 429 || status === 408 || (status >= 500 && status !== 501 && status !== 505);
}

/** What a broken request was broken by. */
export type Failure = 'tls' | 'protocol' | 'unreachable' | 'broken';

const tlsCodes =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|ERR_SSL_(?:TLSV1_ALERT_UNKNOWN_CA|TLSV13_ALERT_CERTIFICATE_REQUIRED|SSL\/TLS_ALERT|SSLV3_ALERT))/;
const protocolCodes = /^(?:EPROTO|ERR_SSL_|HPE_)/;

/** Sorts the error of a connection by its code, which Node has on the error and the global `fetch` on its cause. */
export function classifyFailure(error: unknown): Failure {
  const code = failureCode(error);
  if (tlsCodes.test(code)) return 'tls';
  if (protocolCodes.test(code)) return 'protocol';
  return /^(?:ECONNREFUSED|ENOTFOUND|EAI_|EHOST|ENET|EADDR|ERR_PROXY)/.test(code) ? 'unreachable' : 'broken';
}

/** The code of a connection's error, or an empty string. */
export function failureCode(error: unknown): string {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code;
  }
  return '';
}
