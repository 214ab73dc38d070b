/** Questions to key management services: bounded in time, and asked again while that can help. */
import { backoff } from '../../core/backoff.ts';
import { untilAborted } from '../../core/concurrent.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import type { Runtime } from '../../core/runtime.ts';
import { type KmsFailure, KmsFailureError } from './kms-failure.ts';

/** Who asks, and until when. */
export interface KmsAsker {
  readonly runtime: Runtime;
  readonly signal?: AbortSignal | undefined;
}

/** One question. */
export interface KmsQuestion<T> {
  /** The service as errors call it: `AWS KMS`. */
  readonly service: string;
  /** What is being done, for errors: `signing with alias/release`. */
  readonly what: string;
  /** Doing it twice does more than doing it once. */
  readonly once?: boolean;
  /** Does it, until `signal` is aborted. */
  ask(signal: AbortSignal): Promise<T>;
  /** What an error of `ask` means. */
  explain(error: unknown): KmsFailure;
}

/**
 * Asks, and asks again after failures that may pass, waiting ever longer, within `limits.kmsTotalTime`. A service that
 * does not answer is given up after `limits.kmsAttemptTime` each time. Throws a {@link BoltsealError} with the code of the
 * failure, or the reason of the asker's signal. Nothing of an SDK's error is kept but its text: it may hold the request.
 */
export async function askKms<T>(asker: KmsAsker, question: KmsQuestion<T>): Promise<T> {
  const { runtime, signal } = asker;
  const { service, what, once = false } = question;
  const deadline = runtime.monotonic() + limits.kmsTotalTime;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    const result = await attempt(asker, question);
    if ('value' in result) return result.value;
    const { failure, cause } = result;
    const wait = backoff(runtime, tries - 1, failure.retryAfter ?? null);
    const mayRepeat = failure.again === 'nothing-done' || (failure.again === 'unknown' && !once);
    if (!mayRepeat || tries >= limits.kmsAttempts || runtime.monotonic() + wait >= deadline) {
      throw kmsError(service, what, failure, tries, cause);
    }
    runtime.log({
      level: 'debug',
      event: 'keys.retry',
      message: `${what}: ${service} ${failure.problem}; trying again in ${Math.round(wait)} ms`,
      fields: { service, attempt: tries, wait: Math.round(wait) },
    });
    await runtime.sleep(wait, signal);
  }
}

/** The error for a failure, after `tries` attempts. */
export function kmsError(
  service: string,
  what: string,
  failure: KmsFailure,
  tries = 1,
  cause?: unknown,
): BoltsealError {
  const often = tries > 1 ? `, also when asked ${tries} times` : '';
  return new BoltsealError(failure.code, `${what}: ${service} ${failure.problem}${often}`, {
    hint: failure.hint,
    cause: cause === undefined ? undefined : textOf(cause),
    details: { service, attempts: tries },
  });
}

/** What an error of an SDK says, in an error that holds nothing else. */
function textOf(cause: unknown): Error {
  if (cause instanceof BoltsealError) return cause;
  const text = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new Error(printable(text));
}

type Attempt<T> = { readonly value: T } | { readonly failure: KmsFailure; readonly cause?: unknown };

async function attempt<T>({ signal }: KmsAsker, question: KmsQuestion<T>): Promise<Attempt<T>> {
  const time = AbortSignal.timeout(limits.kmsAttemptTime);
  const until = signal === undefined ? time : AbortSignal.any([signal, time]);
  try {
    // Not every SDK listens to the signal.
    return { value: await untilAborted(question.ask(until), until) };
  } catch (error) {
    signal?.throwIfAborted();
    if (time.aborted) return { failure: silent };
    const own = ownError(error);
    if (own instanceof BoltsealError) throw own;
    if (own !== undefined) return { failure: own.failure, cause: own.cause };
    return { failure: question.explain(error), cause: error };
  }
}

const silent: KmsFailure = {
  code: 'ERR_KEY_PROVIDER',
  problem: 'did not answer in time',
  hint: 'Check its address, the network and the proxy settings; or try again later.',
  again: 'unknown',
};

/** An error of this project within whatever an SDK made of it. */
function ownError(error: unknown): BoltsealError | KmsFailureError | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at instanceof BoltsealError || at instanceof KmsFailureError) return at;
  }
  return undefined;
}
