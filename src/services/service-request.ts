/** Requests to the services of a Sigstore: bounded, retried, and never with a secret where it does not belong. */
import { BoltsealError } from '../core/errors.ts';
import type { RequestHeaders, Runtime } from '../core/runtime.ts';

/** The part of a runtime that services need. */
export type ServiceRuntime = Pick<Runtime, 'fetch' | 'now' | 'monotonic' | 'sleep' | 'random' | 'log'>;

/** How services are called; everything has a default, and limits can only be lowered. */
export interface ServiceOptions {
  readonly signal?: AbortSignal | undefined;
  /** Allows plain HTTP to hosts that are not loopback. */
  readonly allowHttp?: boolean | undefined;
  /** Milliseconds for one attempt, from its start to the end of its answer; `limits.serviceAttemptTime` at most. */
  readonly attemptTime?: number | undefined;
  /** Milliseconds for everything, with waits between attempts; `limits.serviceTotalTime` at most. */
  readonly totalTime?: number | undefined;
  /** Attempts; `limits.serviceAttempts` at most. */
  readonly attempts?: number | undefined;
  readonly userAgent?: string | undefined;
}

/** What a service is, for messages. */
export type ServiceKind = 'certificate authority' | 'transparency log' | 'timestamp authority';

/** One request that may be repeated: whatever it does, doing it twice does no more. */
export interface ServiceRequest {
  readonly kind: ServiceKind;
  /** What is being done, for errors: `adding an entry`. */
  readonly what: string;
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers?: RequestHeaders;
  readonly body?: Uint8Array;
  /** Most bytes of the answer. */
  readonly maxBytes: number;
  /** Statuses that are answers; every other is an error. */
  readonly accept: readonly number[];
  /** Statuses beside the usual ones that may become another one. */
  readonly retry?: readonly number[];
  /** Never shown, whatever the service answers. */
  readonly secrets?: readonly string[];
}

/** An answer with one of the accepted statuses. */
export interface ServiceAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: Uint8Array;
}

/** The URL of `path` below the base URL of a service, which may have a path of its own. */
export function serviceUrl(base: string, path: string): URL {
  return new URL(`${base.replace(/\/+$/, '')}${path}`);
}

/** Makes a request of a service, again and again while that can help. */
export async function requestService(
  _request: ServiceRequest,
  _runtime: ServiceRuntime,
  _options: ServiceOptions,
): Promise<ServiceAnswer> {
  throw new BoltsealError('ERR_INTERNAL', 'not written yet');
}
