/**
 * Which proxy a request goes through, from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (or lower case), read as Go
 * programs read them, so that what works for docker and cosign works here.
 * {@link https://pkg.go.dev/golang.org/x/net/http/httpproxy#FromEnvironment}
 */
import { BlockList, isIP } from 'node:net';
import { BoltsealError } from '../core/errors.ts';

/** A proxy to use. */
export interface ProxyServer {
  /** The proxy itself is spoken to over TLS. */
  readonly secure: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** The value of `Proxy-Authorization`, when the proxy's URL has credentials. A secret. */
  readonly authorization: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for `url`, or undefined to connect directly. Loopback is never proxied, nor is the metadata server of a cloud
 * (169.254.0.0/16): through a proxy it would be that of another machine, with another identity. Throws `ERR_USAGE` for a
 * proxy setting that is not a URL of an HTTP or HTTPS proxy; the setting itself is not shown, it may hold a password.
 */
export function proxyFor(url: URL, env: Environment): ProxyServer | undefined {
  const secure = url.protocol === 'https:';
  const name = secure ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  // In a CGI program the upper-case name is set by whoever sends a `Proxy:` header (CVE-2016-5385).
  const upper = !secure && env['REQUEST_METHOD'] !== undefined ? undefined : env[name];
  const setting = upper || env[name.toLowerCase()];
  if (setting === undefined || setting === '') return undefined;
  if (isExempt(url, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined;
  return parseProxy(setting, `the variable ${name}`);
}

/**
 * The proxy whose URL `setting` is; `source` says in errors where it comes from. Throws `ERR_USAGE` as {@link proxyFor}.
 */
export function parseProxy(setting: string, source: string): ProxyServer {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(setting) ? setting : `http://${setting}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '' || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new BoltsealError('ERR_USAGE', `${source} does not hold the URL of an HTTP proxy`, {
      hint: 'Set it to http://host:port or https://host:port; SOCKS proxies are not supported.',
    });
  }
  const secure = url.protocol === 'https:';
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  return {
    secure,
    host: bareHost(url),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    authorization:
      user === '' && password === ''
        ? undefined
        : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  };
}

/** The host of `url` as sockets want it: IPv6 addresses without brackets. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function isExempt(url: URL, noProxy: string): boolean {
  const host = bareHost(url).toLowerCase();
  const isNear = /^(?:127\.\d+|169\.254)\.\d+\.\d+$/.test(host);
  if (host === 'localhost' || host.endsWith('.localhost') || host === '::1' || isNear) return true;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy
    .split(/[\s,]+/)
    .map((entry) => entry.toLowerCase())
    .some((entry) => entry !== '' && matches(entry, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return matchesNetwork(entry, host);
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry);
  const name = (parts?.[1] ?? entry).replace(/^\[|\]$/g, '');
  if (parts?.[2] !== undefined && parts[2] !== port) return false;
  if (isIP(host) !== 0) return name === host;
  // `example.com` and `*.example.com` exempt what is below, `example.com` also itself; `.example.com` only what is below.
  const suffix = name.replace(/^\*(?=\.)/, '');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function matchesNetwork(entry: string, host: string): boolean {
  const slash = entry.lastIndexOf('/');
  const address = entry.slice(0, slash);
  const bits = Number(entry.slice(slash + 1));
  const family = isIP(address);
  if (family === 0 || isIP(host) !== family || !Number.isInteger(bits)) return false;
  if (bits < 0 || bits > (family === 6 ? 128 : 32)) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  const network = new BlockList();
  network.addSubnet(address, bits, type);
  return network.check(host, type);
}
