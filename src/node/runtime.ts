/** The {@link Runtime} of Node. */
import { randomBytes } from 'node:crypto';
import type { Fetch, LogEvent, Runtime } from '../core/runtime.ts';
import type { TlsSettings } from './tls.ts';

/** What {@link createRuntime} may be told; everything has a default. */
export interface RuntimeOptions {
  /** Environment variables; none by default, so that a library call reads nothing its host did not hand in. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** The user's home folder; by default the one that `env` names (HOME, on Windows USERPROFILE), else the platform's. */
  readonly home?: string | undefined;
  /** Receives log events; by default they are dropped. */
  readonly log?: ((event: LogEvent) => void) | undefined;
  /** TLS settings of the client that is made when no `fetch` is given. */
  readonly tls?: TlsSettings | undefined;
  /** The HTTP client; one of `createHttpClient` by default. */
  readonly fetch?: Fetch | undefined;
}

/** The ports of a flow, on Node. */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  const env = options.env ?? {};
  return {
    fetch: options.fetch ?? lazyClient(env, options.tls),
    now: () => new Date(),
    // `performance` would load a module of its own.
    monotonic: () => Number(process.hrtime.bigint()) / 1e6,
    sleep,
    random: (length) => new Uint8Array(randomBytes(length)),
    env,
    get home() {
      return options.home ?? homeFolder(env);
    },
    platform: platform(),
    log: options.log ?? (() => undefined),
  };
}

/** A client that is loaded for the first request: what asks nobody starts sooner. */
function lazyClient(env: Runtime['env'], tls: TlsSettings | undefined): Fetch {
  let client: Promise<Fetch> | undefined;
  return async (url, init) => {
    client ??= import('./http-client.ts').then(({ createHttpClient }) => createHttpClient({ env, tls }));
    return (await client)(url, init);
  };
}

function homeFolder(env: Runtime['env']): string | undefined {
  const named = env[process.platform === 'win32' ? 'USERPROFILE' : 'HOME'];
  if (named !== undefined && named !== '') return named;
  try {
    return process.getBuiltinModule('node:os').homedir() || undefined;
  } catch {
    // A container's user may have no entry in the user database.
    return undefined;
  }
}

function platform(): Runtime['platform'] {
  const name = process.platform;
  return name === 'linux' || name === 'darwin' || name === 'win32' ? name : 'other';
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
