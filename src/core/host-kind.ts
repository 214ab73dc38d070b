/** How far away a host is, and whether it may be spoken to without TLS. */

/** How far away a host is: this machine, a private network, or the internet. */
export type HostKind = 'loopback' | 'private' | 'public';

/**
 * How far away `hostname` is, judged by its text alone: nothing is resolved. Addresses by RFC 6890; names by RFC 6761,
 * RFC 6762, RFC 8375 and what private networks use. `hostname` is a `URL`'s, so that `0x7f.1` is already 127.0.0.1.
 */
export function hostKind(hostname: string): HostKind {
  const host = hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  // No name ends with a number (RFC 3696), nor has a colon. `node:net` would say the same, and takes 2 ms to load.
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(host)) return addressKind(host);
  if (host.includes(':') && URL.canParse(`http://[${host}]`)) return address6Kind(host);
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback';
  if (!host.includes('.')) return 'private';
  return /\.(?:local|internal|lan|localdomain|intranet|corp|private|svc|home\.arpa)$/.test(host)
    ? 'private'
    : 'public';
}

function addressKind(address: string): HostKind {
  const [a = 0, b = 0] = address.split('.').map(Number);
  if (a === 127) return 'loopback';
  const isPrivate =
    a === 0 ||
    a === 10 ||
    (a === 172 && b >= 16 && b <= 31) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b <= 127) ||
    (a === 198 && (b === 18 || b === 19)) ||
    a >= 224;
  return isPrivate ? 'private' : 'public';
}

function address6Kind(address: string): HostKind {
  // A URL writes addresses in their shortest form (RFC 5952), so that a look at their start is enough.
  const host = new URL(`http://[${address}]`).hostname.slice(1, -1);
  if (host === '::1') return 'loopback';
  if (host === '::') return 'private';
  const mapped = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host);
  if (mapped !== null) {
    const high = Number.parseInt(mapped[1] ?? '0', 16);
    const low = Number.parseInt(mapped[2] ?? '0', 16);
    return addressKind(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`);
  }
  return /^(?:f[cd]|fe[89ab]|ff)/.test(host) || host.startsWith('::') ? 'private' : 'public';
}

/** Whether plain HTTP may always be spoken to `hostname`: only 127.0.0.0/8, ::1 and `localhost` cannot leave this machine. */
export function allowsPlainHttp(hostname: string): boolean {
  return !hostname.endsWith('.localhost') && hostKind(hostname) === 'loopback';
}
