/** What is asked of a service, and what it answers. */
import type { RequestHeaders } from '../core/runtime.ts';

/** What a service is, for messages. */
export type ServiceKind =
  | 'certificate authority'
  | 'transparency log'
  | 'timestamp authority'
  | 'TUF repository';

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
