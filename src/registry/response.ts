/** Reading responses within bounds, and turning refused ones into errors. */
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import { isJsonObject, type Json, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { FetchResponse } from '../core/runtime.ts';

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

/** One entry of the error list of a registry. */
export interface RegistryProblem {
  readonly code: string;
  readonly message: string;
}

/**
 * The errors a registry lists in its body, for messages; empty when it lists none. Never throws.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes}
 */
export async function readProblems(response: FetchResponse): Promise<readonly RegistryProblem[]> {
  try {
    const bytes = await readBody(response, limits.errorBodyBytes, 'an error response');
    const json = parseJson(bytes, { what: 'an error response', maxBytes: limits.errorBodyBytes });
    const errors = isJsonObject(json) ? json['errors'] : undefined;
    return Array.isArray(errors) ? errors.slice(0, 5).flatMap(toProblem) : [];
  } catch {
    return [];
  }
}

function toProblem(entry: Json): RegistryProblem[] {
  if (!isJsonObject(entry)) return [];
  const { code, message } = entry;
  if (typeof code !== 'string' || !/^[A-Za-z_]{1,64}$/.test(code)) return [];
  return [{ code, message: typeof message === 'string' ? printable(message) : '' }];
}

/** Text from outside for one line of a message: no control characters, bounded, and nothing that looks like a token. */
export function printable(text: string): string {
  return text
    .replace(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ')
    .slice(0, 300)
    .replace(/(?<!sha256:)(?<!sha512:)(?<![0-9a-f])[A-Za-z0-9_\-.+/=]{48,}/g, '…');
}

/** The error for a response nobody expected while doing `what`; reads and frees its body. */
export async function refusedResponse(response: FetchResponse, what: string): Promise<BoltsealError> {
  const problems = await readProblems(response);
  const said = problems
    .map(({ code, message }) => (message === '' ? code : `${code}: ${message}`))
    .join('; ');
  const { status } = response;
  const isUnsupported = status === 405 || problems.some(({ code }) => code === 'UNSUPPORTED');
  const code = isUnsupported ? 'ERR_REGISTRY_UNSUPPORTED' : statusCode(status);
  return new BoltsealError(
    code,
    `${what}: the registry answered ${status}${said === '' ? '' : ` (${said})`}`,
    {
      hint: hints[code],
      details: { status, problems: problems.map((problem) => problem.code) },
    },
  );
}

function statusCode(status: number): ErrorCode {
  if (status === 401) return 'ERR_REGISTRY_UNAUTHORIZED';
  if (status === 403) return 'ERR_REGISTRY_DENIED';
  if (status === 429) return 'ERR_REGISTRY_RATE_LIMITED';
  return status >= 300 && status < 400 ? 'ERR_REGISTRY_REDIRECT' : 'ERR_REGISTRY_RESPONSE';
}

const hints: { readonly [code in ErrorCode]?: string } = {
  ERR_REGISTRY_DENIED:
    'Check that the account may do this in this repository, and that the repository name is right.',
  ERR_REGISTRY_UNAUTHORIZED: 'Log in with boltseal login, or docker login.',
  ERR_REGISTRY_RATE_LIMITED: 'Log in for a higher limit, or try again later.',
  ERR_REGISTRY_REDIRECT: 'Use the name the registry is really served under.',
};
