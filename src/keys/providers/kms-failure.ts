/** Why a key management service did not do what it was asked. */
import type { ErrorCode } from '../../core/errors.ts';

/** What a failure means, in the words of this project. */
export interface KmsFailure {
  readonly code: ErrorCode;
  /** What happened, after the name of the service: `has no such key`. */
  readonly problem: string;
  readonly hint?: string | undefined;
  /**
   * Whether asking again may help: the service says that it did nothing (throttling), or nobody knows what it did (the
   * connection broke), which matters where doing something twice does more than doing it once.
   */
  readonly again?: 'nothing-done' | 'unknown' | undefined;
  /** The `Retry-After` header. */
  readonly retryAfter?: string | null | undefined;
}

/** A failure on its way through an SDK, which may wrap it in errors of its own. */
export class KmsFailureError extends Error {
  override readonly name = 'KmsFailureError';
  readonly failure: KmsFailure;

  constructor(failure: KmsFailure, cause?: unknown) {
    super(failure.problem, cause === undefined ? undefined : { cause });
    this.failure = failure;
  }
}
