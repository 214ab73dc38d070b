import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startEmbeddedRegistryProcess } from '../test/support/embedded-registry-process.ts';
import type { RecordedRequest } from '../test/support/latency-proxy.ts';
import { startDockerRegistry } from '../test/support/registries.ts';

/** What is asked of a proxy process: to forget what it saw, or to tell it. Both are answered. */
export type ProxyQuestion = 'reset' | 'report';

/** What a proxy process tells. */
export interface ProxyAnswer {
  readonly host: string;
  readonly hops: number;
  readonly requests: readonly RecordedRequest[];
}

/** A registry seen through a proxy that delays each request. */
export interface Door {
  /** `127.0.0.1:PORT`, for image references. */
  readonly host: string;
  /** Milliseconds added to each request. */
  readonly latency: number;
  reset(): Promise<void>;
  /** What came through since the last reset. */
  report(): Promise<ProxyAnswer>;
}

/** A registry, and one door for each latency. */
export interface Place {
  readonly name: PlaceName;
  /** `http://127.0.0.1:PORT`, without a proxy, for what is not measured. */
  readonly url: string;
  /** `127.0.0.1:PORT`, the same. */
  readonly host: string;
  readonly doors: readonly Door[];
  stop(): Promise<void>;
}

/** The kinds of registries: one with the referrers API, one with the fallback tag. */
export type PlaceName = 'referrers API' | 'fallback tag';

const registries = {
  'referrers API': startEmbeddedRegistryProcess,
  'fallback tag': startDockerRegistry,
} as const;

/** Their names, in the order of the tables. */
export const placeNames: readonly PlaceName[] = ['referrers API', 'fallback tag'];

/** Starts a registry and its proxies, each in a process of its own. */
export async function startPlace(name: PlaceName, latencies: readonly number[]): Promise<Place> {
  const registry = await registries[name]();
  const doors = await Promise.all(latencies.map((latency) => openDoor(registry.host, latency)));
  return {
    name,
    url: registry.url,
    host: registry.host,
    doors,
    stop: async () => {
      await Promise.all(doors.map((door) => door.close()));
      await registry.stop();
    },
  };
}

/** A proxy in front of `upstream`, in a process of its own. */
export async function openDoor(
  upstream: string,
  latency: number,
): Promise<Door & { close(): Promise<void> }> {
  const script = fileURLToPath(new URL('./proxy-process.ts', import.meta.url));
  const child = fork(script, [upstream, String(latency)]);
  const { host } = await nextAnswer(child);
  const ask = (question: ProxyQuestion): Promise<ProxyAnswer> => {
    const answer = nextAnswer(child);
    child.send(question);
    return answer;
  };
  return {
    host,
    latency,
    reset: async () => {
      await ask('reset');
    },
    report: () => ask('report'),
    close: async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

function nextAnswer(child: ChildProcess): Promise<ProxyAnswer> {
  return new Promise((resolve, reject) => {
    const onMessage = (answer: unknown): void => {
      child.off('exit', onExit);
      resolve(answer as ProxyAnswer);
    };
    const onExit = (code: number | null): void => {
      child.off('message', onMessage);
      reject(new Error(`the proxy process ended with ${code}`));
    };
    child.once('message', onMessage);
    child.once('exit', onExit);
  });
}
