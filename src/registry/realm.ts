/**
 * Whether the token service a registry names may be asked, and whether it may see credentials.
 *
 * A realm is whatever the registry writes. That has let registries (or whoever can speak for one) make clients send
 * stored credentials elsewhere, drop to plain HTTP, or ask services inside the client's network (CVE-2026-48978).
 * So: the realm is HTTPS; a public registry cannot name loopback or private hosts; credentials go only to the
 * registry's own origin, to the well-known pairs below, or to hosts the user named. Anonymous tokens, which give
 * nothing away, may come from anywhere public.
 */
import { BoltsealError } from '../core/errors.ts';
import { allowsPlainHttp, hostKind } from '../core/host-kind.ts';

/** A realm that may be asked. */
export interface AcceptedRealm {
  readonly url: URL;
  /** Whether credentials stored for the registry may be sent there. */
  readonly mayHaveCredentials: boolean;
}

/** Who asks. */
export interface RealmContext {
  /** The registry as in references and messages. */
  readonly registry: string;
  /** The URL of the registry's API that sent the challenge. */
  readonly api: URL;
  /** `HOST[:PORT]`, or `REGISTRY=HOST[:PORT]` to trust the host for one registry only. */
  readonly trustedRealms: readonly string[];
}

/** Token services of registries that are known to live on another host. */
const knownRealms: readonly (readonly [registry: RegExp, realm: string])[] = [
  [/^(?:registry-1|index)\.docker\.io$/, 'auth.docker.io'],
  [/^registry\.gitlab\.com$/, 'gitlab.com'],
];

/**
 * Judges `realm`. Throws `ERR_REGISTRY_REALM` when it must not be asked at all.
 * {@link https://distribution.github.io/distribution/spec/auth/token/}
 */
export function acceptRealm(realm: string, context: RealmContext): AcceptedRealm {
  const { api, registry } = context;
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined) throw refused(registry, 'something that is no URL');
  const shown = url.host === '' ? url.protocol : url.origin;
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused(registry, shown);
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw refused(registry, `${shown} with a user name or fragment in the URL`);
  }
  const isSameHost = url.hostname === api.hostname;
  const isTrusted = isTrustedRealm(url, context);
  if (url.protocol === 'http:' && !mayBePlain(url, api))
    throw refused(registry, `${shown}, which is not HTTPS`);
  if (!isSameHost && !isTrusted && isInward(url.hostname, api.hostname)) {
    throw refused(registry, `${shown}, an address inside a private network or this machine`, url.host);
  }
  return { url, mayHaveCredentials: isTrusted || url.origin === api.origin || isKnownRealm(url, api) };
}

/** The error for a realm that would need credentials and must not get them. */
export function realmNeedsTrust(registry: string, realm: URL): BoltsealError {
  return refused(registry, `${realm.origin}, which is not known to belong to it`, realm.host);
}

/** Plain HTTP only where the registry is plain itself: on its own host, or between two ports of this machine. */
function mayBePlain(realm: URL, api: URL): boolean {
  if (api.protocol !== 'http:') return false;
  return (
    realm.hostname === api.hostname || (allowsPlainHttp(realm.hostname) && allowsPlainHttp(api.hostname))
  );
}

/** Whether `target` lies further inside than the registry that points to it. */
export function isInward(target: string, registry: string): boolean {
  const order = { public: 0, private: 1, loopback: 2 };
  return order[hostKind(target)] > order[hostKind(registry)];
}

function isKnownRealm(realm: URL, api: URL): boolean {
  return knownRealms.some(([registry, host]) => registry.test(api.host) && realm.host === host);
}

function isTrustedRealm(realm: URL, context: RealmContext): boolean {
  return context.trustedRealms.some((entry) => {
    const equals = entry.indexOf('=');
    const host = entry.slice(equals + 1).toLowerCase();
    const forRegistry = equals < 0 || entry.slice(0, equals).toLowerCase() === context.registry;
    return forRegistry && (host === realm.host || host === `${realm.hostname}:${realm.port || '443'}`);
  });
}

function refused(registry: string, where: string, host?: string): BoltsealError {
  return new BoltsealError(
    'ERR_REGISTRY_REALM',
    `the registry ${registry} sends clients for a token to ${where}`,
    {
      hint:
        host === undefined
          ? 'Check that the registry is the one you mean, and its token service settings.'
          : `If that is right, allow it with --registry-auth-realm ${registry}=${host}.`,
      details: { registry, ...(host === undefined ? {} : { realm: host }) },
    },
  );
}
