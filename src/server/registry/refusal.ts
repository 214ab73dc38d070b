import { utf8 } from '../../core/encoding.ts';
import type { HttpResponse, HttpResponseHeaders } from '../../core/http.ts';

/**
 * The error codes of the protocol with the status each is sent with unless the place says otherwise.
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes}
 */
const statuses = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  // Not of the specification: docker-registry's words for a malformed tag, a malformed page and everything else.
  TAG_INVALID: 400,
  PAGINATION_NUMBER_INVALID: 400,
  UNKNOWN: 500,
} as const;

/** A code of the protocol. */
export type RefusalCode = keyof typeof statuses;

/** What a refusal may say beside its code and message. */
export interface RefusalOptions {
  readonly status?: number;
  readonly headers?: HttpResponseHeaders;
  /** Free JSON for programs. */
  readonly detail?: unknown;
}

/** Thrown inside the registry to answer with an error of the protocol. It never leaves it. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  readonly headers: HttpResponseHeaders;
  readonly detail: unknown;

  constructor(code: RefusalCode, message: string, options: RefusalOptions = {}) {
    super(message);
    this.code = code;
    this.status = options.status ?? statuses[code];
    this.headers = options.headers ?? {};
    this.detail = options.detail;
  }
}

/** The answer to a refused request. */
export function refusalResponse(refusal: Refusal): HttpResponse {
  const error = { code: refusal.code, message: refusal.message, detail: refusal.detail };
  return jsonResponse(refusal.status, { errors: [error] }, refusal.headers);
}

/** An answer with a JSON body. */
export function jsonResponse(
  status: number,
  value: unknown,
  headers: HttpResponseHeaders = {},
): HttpResponse {
  const body = utf8(JSON.stringify(value));
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers, 'content-length': String(body.length) },
    body,
  };
}

/** An answer without a body. */
export function emptyResponse(status: number, headers: HttpResponseHeaders = {}): HttpResponse {
  // 204 must not have the header (RFC 9110 section 8.6).
  return { status, headers: status === 204 ? headers : { 'content-length': '0', ...headers }, body: null };
}
