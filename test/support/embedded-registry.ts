import { listen } from '../../src/node/http-server.ts';
import {
  createRegistry,
  memoryStorage,
  type RegistryOptions,
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

/** Starts the embedded registry with empty memory storage unless told otherwise. */
export async function startEmbeddedRegistry(
  options: Partial<RegistryOptions> = {},
): Promise<EmbeddedRegistry> {
  const registry = createRegistry({ storage: memoryStorage(), ...options });
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
  options: Partial<RegistryOptions> = {},
): Promise<EmbeddedRegistry> {
  const started = await startEmbeddedRegistry(options);
  releases.after(() => started.stop());
  return started;
}
