/** Where a registry is, and how it may be spoken to. */
import { allowsPlainHttp } from '../core/host-kind.ts';
import { dockerHubRegistry } from '../formats/reference.ts';

/** URL schemes of a registry, in the order they are tried at first contact. */
export type Scheme = 'http' | 'https';

/** The `host[:port]` that serves the API of `registry`: Docker Hub's name in references is not where its API is. */
export function apiAuthority(registry: string): string {
  return registry === dockerHubRegistry ? 'registry-1.docker.io' : registry;
}

/** The hostname of `registry`, as a URL has it. */
export function registryHostname(registry: string): string {
  return new URL(`https://${registry}`).hostname;
}

/**
 * The schemes to try, first one first. The second is tried only when the first answer shows that the server does not
 * speak the first, so that the usual case costs no extra request: loopback is plain HTTP unless certificates were
 * given; elsewhere it is HTTPS, and HTTP only with permission.
 */
export function schemesFor(
  hostname: string,
  options: { readonly allowHttp?: boolean | undefined; readonly preferTls?: boolean | undefined },
): readonly [Scheme, ...Scheme[]] {
  if (allowsPlainHttp(hostname)) return options.preferTls === true ? ['https', 'http'] : ['http', 'https'];
  return options.allowHttp === true ? ['https', 'http'] : ['https'];
}
