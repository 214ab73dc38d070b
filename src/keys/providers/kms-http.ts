/**
 * How the SDKs of key management services speak HTTP here: with the runtime's client, and therefore through the same
 * proxies and with the same trusted certificates as everything else, within bounds, and never redirected.
 */
import { classifyFailure, failureCode } from '../../core/backoff.ts';
import type { Connection } from '../../core/connection.ts';
import { BoltsealError } from '../../core/errors.ts';
import { allowsPlainHttp } from '../../core/host-kind.ts';
import { limits } from '../../core/limits.ts';
import { discard, readBody } from '../../core/response-body.ts';
import type { FetchResponse, RequestHeaders, Runtime } from '../../core/runtime.ts';
import { type KmsFailure, KmsFailureError } from './kms-failure.ts';

/** One request of an SDK. */
export interface KmsRequest {
  readonly method: string;
  readonly url: string;
  /** By name in any case. */
  readonly headers: RequestHeaders;
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** When the server has TLS settings of its own. */
  readonly connection?: Connection | undefined;
}

/** The whole answer, whatever its status. */
export interface KmsAnswer {
  readonly status: number;
  readonly headers: FetchResponse['headers'];
  readonly body: Uint8Array;
}

/**
 * One request and its answer, which has at most `limits.kmsAnswerBytes`. Throws `ERR_SERVICE_INSECURE` for plain HTTP to
 * another machine, the reason of an aborted signal, and {@link KmsFailureError} for everything else that is no answer.
 */
export async function sendToKms(runtime: Pick<Runtime, 'fetch'>, request: KmsRequest): Promise<KmsAnswer> {
  const { method, headers, body, signal, connection } = request;
  const url = new URL(request.url);
  if (url.protocol !== 'https:' && !allowsPlainHttp(url.hostname)) {
    throw new BoltsealError('ERR_SERVICE_INSECURE', `${url.origin} would be spoken to without TLS`, {
      hint: 'Whoever is on the way could take the credentials, or answer with another key. Use an https address.',
    });
  }
  try {
    const response = await runtime.fetch(url.href, {
      method,
      // Nothing here unpacks an answer.
      headers: { ...lowerCased(headers), 'accept-encoding': 'identity' },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
      ...(connection === undefined ? {} : { connection }),
      redirect: 'manual',
    });
    const { status } = response;
    if (status >= 300 && status < 400) {
      await discard(response);
      throw new KmsFailureError({
        code: 'ERR_KEY_PROVIDER',
        problem: `at ${url.origin} redirects, which is not followed with credentials`,
        hint: 'Give the address under which it is really served.',
      });
    }
    const bytes = await readBody(response, limits.kmsAnswerBytes, 'the answer');
    return { status, headers: response.headers, body: bytes };
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof KmsFailureError) throw cause;
    if (cause instanceof BoltsealError) {
      throw new KmsFailureError({ code: 'ERR_KEY_PROVIDER', problem: `answered badly: ${cause.message}` });
    }
    throw new KmsFailureError(connectionFailure(url, cause), cause);
  }
}

/** `headers` by lower-case name, as a runtime wants them: SDKs write them as they like. */
function lowerCased(headers: RequestHeaders): RequestHeaders {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** Why there was no answer. */
function connectionFailure({ origin }: URL, cause: unknown): KmsFailure {
  const code = 'ERR_KEY_PROVIDER';
  const reason = failureCode(cause) || 'unknown';
  const failure = classifyFailure(cause);
  if (failure === 'tls') {
    return {
      code,
      problem: `at ${origin} has a certificate that is not trusted (${reason})`,
      hint: 'Trust the authority of its certificate: set NODE_EXTRA_CA_CERTS to a file with that in PEM.',
    };
  }
  if (failure === 'protocol') {
    return {
      code,
      problem: `at ${origin} does not speak HTTPS, or no HTTP at all (${reason})`,
      hint: 'Check host and port.',
    };
  }
  return {
    code,
    problem: `at ${origin} cannot be reached (${reason})`,
    hint: 'Check its address, the network and the proxy settings; or try again later.',
    again: failure === 'unreachable' ? 'nothing-done' : 'unknown',
  };
}
