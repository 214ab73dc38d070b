/** The way in: opens repositories of registries and image layouts. */
import { BoltsealError } from '../core/errors.ts';
import type { Runtime } from '../core/runtime.ts';
import type { Reference, RegistryReference } from '../formats/reference.ts';
import type { CredentialSource } from './credentials/credential.ts';
import type { ReferrersSupport } from './referrers.ts';
import { createRemoteRepository } from './remote.ts';
import type { Repository } from './repository.ts';
import { createTransport, type Transport } from './transport.ts';

/** Settings of {@link createRegistryClient}. */
export interface RegistryClientOptions {
  /** Where credentials come from; anonymous without it. Asked only when a registry wants some. */
  readonly credentials?: CredentialSource | undefined;
  /** Allows plain HTTP to hosts that are not loopback: HTTPS is tried first. */
  readonly allowHttp?: boolean | undefined;
  /** Speaks TLS to loopback registries first; to be set when a CA or client certificate was given. */
  readonly preferTls?: boolean | undefined;
  /** Token services that may get a registry's credentials: `HOST[:PORT]`, or `REGISTRY=HOST[:PORT]`. */
  readonly trustedRealms?: readonly string[] | undefined;
  /**
   * Asks referrers API and fallback tag at once until it is known which works: one hop less, one request more. By default
   * only where the API was missing when this was written.
   */
  readonly speculativeFallback?: boolean | undefined;
  readonly userAgent?: string | undefined;
}

/** How a repository is opened. */
export interface OpenOptions {
  /** True when something will be stored: then the first token already allows it. */
  readonly push?: boolean | undefined;
}

/** Opens repositories. Tokens, connections and what was learnt about each registry are shared among all of them. */
export interface RegistryClient {
  open(reference: Reference, options?: OpenOptions): Promise<Repository>;
}

/** Registries that answered 404 to the referrers API when last heard of; that they have it one day does no harm. */
const withoutReferrersApi: ReadonlySet<string> = new Set(['ghcr.io']);

/** A client for one command or one library user; it has no background work and need not be closed. */
export function createRegistryClient(runtime: Runtime, options: RegistryClientOptions = {}): RegistryClient {
  const transports = new Map<string, Transport>();
  const supports = new Map<string, ReferrersSupport>();
  return {
    async open(reference, openOptions = {}): Promise<Repository> {
      if (reference.kind === 'layout') {
        const { openLayout } = await import('./layout.ts');
        return openLayout(reference.path, runtime);
      }
      return createRemoteRepository({
        runtime,
        reference,
        transport: transportFor(transports, runtime, reference, options),
        push: openOptions.push === true,
        speculativeFallback: options.speculativeFallback ?? withoutReferrersApi.has(reference.registry),
        support: supportFor(supports, reference),
      });
    },
  };
}

/** One repository, for callers that need only one: see {@link createRegistryClient}. */
export function openRepository(
  reference: Reference,
  runtime: Runtime,
  options: RegistryClientOptions & OpenOptions = {},
): Promise<Repository> {
  return createRegistryClient(runtime, options).open(reference, options);
}

function transportFor(
  transports: Map<string, Transport>,
  runtime: Runtime,
  reference: RegistryReference,
  options: RegistryClientOptions,
): Transport {
  const { registry } = reference;
  const known = transports.get(registry);
  if (known !== undefined) return known;
  if (!URL.canParse(`https://${registry}`)) {
    throw new BoltsealError('ERR_REFERENCE_INVALID', `${JSON.stringify(registry)} is not a registry host`);
  }
  const transport = createTransport(runtime, registry, {
    credentials: options.credentials ?? (async () => undefined),
    allowHttp: options.allowHttp === true,
    preferTls: options.preferTls === true,
    trustedRealms: options.trustedRealms ?? [],
    userAgent: options.userAgent ?? 'boltseal',
  });
  transports.set(registry, transport);
  return transport;
}

function supportFor(supports: Map<string, ReferrersSupport>, reference: RegistryReference): ReferrersSupport {
  const key = `${reference.registry}/${reference.repository}`;
  const known = supports.get(key);
  if (known !== undefined) return known;
  const made: ReferrersSupport = { api: 'unknown' };
  supports.set(key, made);
  return made;
}
