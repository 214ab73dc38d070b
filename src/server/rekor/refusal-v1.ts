/** Errors of Rekor v1: `{"code":N,"message":"…"}`. */
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { asRefusal, jsonAnswer, ServiceRefusal } from '../http/service.ts';

/**
 * Kinds of parameters and bodies that do not fit the API's description, as its framework numbers them; the status is 422.
 * {@link https://github.com/go-openapi/errors/blob/v0.22.1/schema.go}
 */
export const misfits = {
  type: 601,
  required: 602,
  tooLong: 603,
  tooShort: 604,
  pattern: 605,
  choice: 606,
  tooSmall: 609,
  tooMany: 611,
} as const;

/** A refusal of what does not fit the API's description. */
export class MisfitRefusal extends ServiceRefusal {
  readonly code: number;

  constructor(kind: keyof typeof misfits, message: string) {
    super(422, message);
    this.code = misfits[kind];
  }
}

/** The refusal of an entry that cannot be logged. What is not an error of ours goes on as it is. */
export function entryRefusal(error: unknown): unknown {
  if (!(error instanceof BoltsealError)) return error;
  return new ServiceRefusal(400, `error processing entry: ${error.message}`, {
    cause: error,
    reason: error.message,
  });
}

/** The answer to any error. */
export function refuseV1(error: unknown): HttpResponse {
  if (error instanceof MisfitRefusal) {
    return jsonAnswer(422, { code: error.code, message: error.message });
  }
  if (isBoltsealError(error, 'ERR_LOG_STOPPED')) {
    return jsonAnswer(503, { code: 503, message: 'unexpected error communicating with transparency log' });
  }
  const refusal = asRefusal(error);
  if (refusal === undefined) return jsonAnswer(500, { code: 500, message: 'internal error' });
  const { status, message, headers } = refusal;
  return jsonAnswer(status, { code: status, message }, headers);
}
