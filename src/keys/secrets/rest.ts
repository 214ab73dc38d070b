/** Services that keep secrets and speak JSON over HTTP. */
import { isRetryStatus } from '../../core/backoff.ts';
import type { Connection } from '../../core/connection.ts';
import { utf8 } from '../../core/encoding.ts';
import { isJsonObject, type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import type { FetchResponse, RequestHeaders } from '../../core/runtime.ts';
import { askKms, type KmsAsker } from '../providers/kms-ask.ts';
import { type KmsFailure, KmsFailureError } from '../providers/kms-failure.ts';
import { type KmsAnswer, sendToKms } from '../providers/kms-http.ts';

export type { KmsAsker as Asker };

/** A service, and how it is spoken to. */
export interface RestService {
  /** As errors call it: `GitHub`. */
  readonly name: string;
  /** The URL that paths are added to; no slash at its end. */
  readonly base: string;
  /** Sent with each request; holds the token. */
  readonly headers: RequestHeaders;
  readonly connection?: Connection | undefined;
  /** What a refusal means, where it says more than its status does. */
  explain?(answer: RestAnswer): Partial<KmsFailure> | undefined;
}

/** One request. */
export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** From the slash on, with everything escaped. */
  readonly path: string;
  /** What is being done, for errors: `storing COSIGN_PASSWORD`. */
  readonly what: string;
  readonly body?: Json;
  /** Whether a `POST` does no more when it is done twice. */
  readonly repeatable?: boolean;
  /** Statuses that are an answer and no failure. */
  readonly accept: readonly number[];
}

/** An answer. */
export interface RestAnswer {
  readonly status: number;
  readonly headers: FetchResponse['headers'];
  /** The body; undefined when there is none, or none that is JSON. May hold secrets. */
  readonly json: Json | undefined;
}

/**
 * Asks a service; again while that may help. A `POST` that is not `repeatable` is done once. Throws `ERR_KEY_ACCESS` for 401 and 403,
 * `ERR_KEY_NOT_FOUND` for 404, `ERR_KEY_PROVIDER` for everything else that is not accepted, or what the service's own
 * `explain` says; `ERR_SERVICE_INSECURE` for plain HTTP to another machine.
 */
export async function askRest(
  service: RestService,
  request: RestRequest,
  asker: KmsAsker,
): Promise<RestAnswer> {
  const { method, body } = request;
  return await askKms(asker, {
    service: service.name,
    what: request.what,
    once: method === 'POST' && request.repeatable !== true,
    async ask(signal) {
      const answer = await sendToKms(asker.runtime, {
        method,
        url: `${service.base}${request.path}`,
        headers: {
          'user-agent': 'boltseal',
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...service.headers,
        },
        body: body === undefined ? undefined : utf8(JSON.stringify(body)),
        signal,
        connection: service.connection,
      });
      const { status, headers } = answer;
      const isAccepted = request.accept.includes(status);
      const parsed: RestAnswer = { status, headers, json: readJson(answer, isAccepted) };
      if (isAccepted) return parsed;
      throw new KmsFailureError({ ...failureOf(parsed), ...service.explain?.(parsed) });
    },
    explain: () => ({ code: 'ERR_KEY_PROVIDER', problem: 'could not be asked' }),
  });
}

function readJson({ body }: KmsAnswer, isNeeded: boolean): Json | undefined {
  if (body.length === 0) return undefined;
  try {
    return parseJson(body, { what: 'the answer', maxBytes: limits.keyAnswerBytes });
  } catch {
    if (!isNeeded) return undefined;
    // The cause is left out: an answer may hold secrets.
    throw new KmsFailureError({
      code: 'ERR_KEY_PROVIDER',
      problem: 'answered what is not JSON',
      hint: 'Is the address that of its API, and does a proxy or sign-in page stand before it?',
    });
  }
}

function failureOf(answer: RestAnswer): KmsFailure {
  const { status, headers } = answer;
  const said = saidOf(answer);
  const problem = said === '' ? `answered ${status}` : `answered ${status}: ${said}`;
  if (status === 401)
    return { code: 'ERR_KEY_ACCESS', problem: `does not accept the credentials (${problem})` };
  if (status === 403) return { code: 'ERR_KEY_ACCESS', problem: `does not permit it (${problem})` };
  if (status === 404)
    return {
      code: 'ERR_KEY_NOT_FOUND',
      problem: `has no such thing, or shows it to others only (${problem})`,
    };
  const again = status === 429 ? 'nothing-done' : isRetryStatus(status) ? 'unknown' : undefined;
  return { code: 'ERR_KEY_PROVIDER', problem, again, retryAfter: headers.get('retry-after') };
}

/** What a refusal says for people; an empty string when it says nothing. */
export function saidOf({ json }: Pick<RestAnswer, 'json'>): string {
  const message = isJsonObject(json) ? (json['message'] ?? json['error']) : undefined;
  if (message === undefined || message === null) return '';
  return printable(typeof message === 'string' ? message : JSON.stringify(message));
}
