/** Reading responses within bounds, and turning refused ones into errors. */
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import { isJsonObject, type Json, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { printable } from '../core/printable.ts';
import { readBody } from '../core/response-body.ts';
import type { FetchResponse } from '../core/runtime.ts';

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
