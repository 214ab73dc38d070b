/** How texts of a configuration become values. Each function returns undefined when the text is not one. */
import { isIP } from 'node:net';

/** Where to listen. */
export interface ListenAddress {
  /** A name or address of this machine, an IPv6 one without brackets. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `90s`, `1h30m`, `7d`. */
export function parseDuration(text: string): number | undefined {
  if (!/^(?:\d{1,9}(?:ms|[smhd]))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+)(ms|[smhd])/g)) {
    sum += Number(count) * (units[unit] ?? 0);
  }
  return sum;
}

/** `HOST:PORT`, an IPv6 host in brackets; `:PORT` is every address of the machine. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, bracketed, name, digits = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65_535) return undefined;
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? { host: bracketed, port } : undefined;
  if (name === undefined || name === '') return name === '' ? { host: '::', port } : undefined;
  return /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(name) ? { host: name, port } : undefined;
}

/** An http or https URL without user, query and fragment, written without a slash at its end. */
export function parseBaseUrl(text: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  const isHttp = url.protocol === 'https:' || url.protocol === 'http:';
  // What the parser tidies up (`..`, spaces, a missing //) would not be what clients are told.
  if (!isHttp || !plain || !/^https?:\/\/[^\s?#\\]+$/i.test(text) || url.pathname.includes('//'))
    return undefined;
  return url.origin + (url.pathname.endsWith('/') ? url.pathname.slice(0, -1) : url.pathname);
}

/** Whether a URL leads over plain http to another machine. */
export function isOpenHttp(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !/^(?:localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(hostname);
}
