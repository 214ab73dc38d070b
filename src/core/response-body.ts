/** Reading the bodies of responses within bounds. */
import { BoltsealError } from './errors.ts';
import { limits } from './limits.ts';
import type { FetchResponse } from './runtime.ts';

/**
 * The body of `response`, at most `maxBytes` of it: more throws `ERR_LIMIT_EXCEEDED`, checked against the announced
 * length first; less than announced throws `ERR_SIZE_MISMATCH`. Errors of the connection pass through as they are.
 */
export async function readBody(response: FetchResponse, maxBytes: number, what: string): Promise<Uint8Array> {
  const announced = announcedLength(response);
  if (announced !== undefined && announced > maxBytes) {
    await discard(response);
    throw tooLarge(what, maxBytes);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(what, maxBytes);
    chunks.push(chunk);
  }
  if (announced !== undefined && announced !== size) {
    throw new BoltsealError('ERR_SIZE_MISMATCH', `${what} has ${size} bytes; ${announced} were announced`);
  }
  const whole = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  // A plain array: chunks of Node are Buffers, whose methods and JSON differ.
  return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength);
}

/** The `Content-Length` of a body that is sent as it is; undefined when there is none or the body is encoded. */
export function announcedLength(response: FetchResponse): number | undefined {
  const encoding = response.headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') return undefined;
  const text = response.headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function tooLarge(what: string, maxBytes: number): BoltsealError {
  return new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} is larger than the limit of ${maxBytes} bytes`);
}

/** Frees the connection of a response whose body does not matter. Never throws. */
export async function discard(response: FetchResponse): Promise<void> {
  const { body } = response;
  if (body === null) return;
  try {
    const announced = announcedLength(response);
    if (announced !== undefined && announced <= limits.errorBodyBytes) {
      // Reading a short body to its end keeps the connection usable; ending a long one is cheaper.
      for await (const _ of body);
    } else await body.cancel?.();
  } catch {
    // The connection is gone, which is what was wanted.
  }
}
