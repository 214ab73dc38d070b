/** Standard input, read whole, once, and never without a bound. */
import { BoltsealError } from '../core/errors.ts';
import type { ByteSource } from './io.ts';

/**
 * All of `source`. Throws `ERR_LIMIT_EXCEEDED` beyond `maxBytes`, and the signal’s reason when it is aborted: a pipe that
 * nobody closes must not hold a command for ever.
 */
export async function readAll(
  source: ByteSource,
  options: { readonly maxBytes: number; readonly what: string; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const { maxBytes, what, signal } = options;
  signal.throwIfAborted();
  const iterator = source[Symbol.asyncIterator]();
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) return new Uint8Array(Buffer.concat(chunks));
      const chunk = typeof next.value === 'string' ? Buffer.from(next.value) : next.value;
      length += chunk.length;
      if (length > maxBytes) {
        throw new BoltsealError(
          'ERR_LIMIT_EXCEEDED',
          `${what} on standard input has more than ${maxBytes} bytes`,
          { hint: 'Is the right thing piped in?' },
        );
      }
      chunks.push(chunk);
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
