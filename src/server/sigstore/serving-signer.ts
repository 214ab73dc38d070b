/** Keys as services use them: within a time, and a failure is one that passes. */
import { untilAborted } from '../../core/concurrent.ts';
import { BoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { Signer } from '../../keys/signer.ts';

/**
 * `signer`, the key of `id`, for requests of clients. Its `sign` throws `ERR_SERVER_BUSY`, which clients are answered with as
 * 503, when the place of the key fails or takes longer than `most` milliseconds: a log lets nobody else in while it
 * signs. Why is told to the log (`key.failure`).
 */
export function servingSigner(
  id: string,
  signer: Signer,
  runtime: Pick<Runtime, 'log'>,
  most: number = limits.servingSignatureTime,
): Signer {
  // A key in memory does not fail.
  if (signer.reference === undefined) return signer;
  return {
    ...signer,
    async sign(message, { signal } = {}) {
      const time = AbortSignal.timeout(most);
      const until = signal === undefined ? time : AbortSignal.any([signal, time]);
      try {
        return await untilAborted(signer.sign(message, { signal: until }), until);
      } catch (error) {
        signal?.throwIfAborted();
        const what = `the key ${id} cannot be used`;
        const why = time.aborted
          ? `it did not sign within ${most} ms`
          : error instanceof Error
            ? error.message
            : 'something unforeseen';
        runtime.log({ level: 'warn', event: 'key.failure', message: `${what}: ${why}`, fields: { key: id } });
        throw new BoltsealError('ERR_SERVER_BUSY', what, { cause: error });
      }
    },
  };
}
