import { listen } from '../../src/node/http-server.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import {
  createRegistry,
  memoryStorage,
  type RegistryOptions,
  type RegistryRuntime,
  type RegistryServer,
} from '../../src/server/index.ts';
import type { Releases } from './temporary.ts';

/** The embedded registry on loopback, in this process. */
export interface EmbeddedRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** The registry itself: `fetch` and `answer` reach it without a socket. */
  readonly registry: RegistryServer;
  stop(): Promise<void>;
}

/** What an embedded registry is started with; empty memory storage unless told. */
export interface EmbeddedRegistryOptions extends Partial<RegistryOptions> {
  /** Another clock, other randomness, a log. */
  readonly runtime?: Partial<RegistryRuntime>;
}

/** The registry without a socket. */
export function createEmbeddedRegistry(options: EmbeddedRegistryOptions = {}): RegistryServer {
  const { runtime, ...rest } = options;
  return createRegistry({ ...createRuntime(), ...runtime }, { storage: memoryStorage(), ...rest });
}

/** Starts the registry on loopback. */
export async function startEmbeddedRegistry(
  options: EmbeddedRegistryOptions = {},
): Promise<EmbeddedRegistry> {
  const registry = createEmbeddedRegistry(options);
  const listener = await listen(registry);
  return {
    host: `127.0.0.1:${listener.port}`,
    url: listener.url,
    registry,
    async stop() {
      await listener.close();
      await registry.close();
    },
  };
}

/** The same, ended when the test is over. */
export async function useEmbeddedRegistry(
  releases: Releases,
  options: EmbeddedRegistryOptions = {},
): Promise<EmbeddedRegistry> {
  const started = await startEmbeddedRegistry(options);
  releases.after(() => started.stop());
  return started;
}
