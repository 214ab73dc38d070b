/**
 * A timestamp authority with the API of Sigstore's. It keeps nothing: each answer is made of the request, the clock and
 * the key.
 * {@link https://www.rfc-editor.org/rfc/rfc3161 RFC 3161},
 * {@link https://github.com/sigstore/timestamp-authority/blob/v2.0.0/openapi.yaml the HTTP API}
 */
import { BoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { serialNumber } from '../../formats/certificate.ts';
import { hashNameOf, signedDataEncoder } from '../../formats/cms.ts';
import { encodePem } from '../../formats/pem.ts';
import { signatureAlgorithmOf } from '../../formats/signature-algorithm.ts';
import {
  encodeTimestampResponse,
  timestampContentType,
  timestampInfoEncoder,
} from '../../formats/timestamp.ts';
import { parseTimestampRequest, type TimestampRequest } from '../../formats/timestamp-request.ts';
import type { Signer } from '../../keys/signer.ts';
import {
  asRefusal,
  bytesAnswer,
  jsonAnswer,
  type Service,
  ServiceRefusal,
  type ServiceRequest,
  textAnswer,
  uncached,
} from '../http/service.ts';
import { checkAuthorityChain } from './authority-chain.ts';
import { parseTimestampJsonRequest } from './json-request.ts';

/** The policy of timestamps unless told: Sigstore's own. */
export const defaultTimestampPolicy = '1.3.6.1.4.1.57264.2';

/** What {@link createTimestampAuthority} needs. */
export interface TimestampAuthorityOptions {
  /** An ECDSA key; some clients accept no other. */
  readonly signer: Signer;
  /** DER, leaf first, root last. */
  readonly chain: readonly Uint8Array[];
  /** The policy of timestamps for which none is asked, dotted; {@link defaultTimestampPolicy} unless told. */
  readonly policy?: string | undefined;
  /** Policies that may be asked for beside `policy`; none unless told. */
  readonly otherPolicies?: readonly string[] | undefined;
  /** How far the clock may be off, in whole seconds; 1 unless told. */
  readonly accuracySeconds?: number | undefined;
}

/** The part of a runtime that is used. */
export type TimestampAuthorityRuntime = Pick<Runtime, 'now' | 'random'>;

const digestLengths = { sha256: 32, sha384: 48, sha512: 64 } as const;
const sha1 = '1.3.14.3.2.26';
const failed = 'Error generating timestamp response';
const queryType = 'application/timestamp-query';
const replyType = 'application/timestamp-reply';
const jsonType = 'application/json';

/**
 * The service of a timestamp authority: `POST /api/v1/timestamp` (RFC 3161 requests, or JSON), `GET
 * /api/v1/timestamp/certchain` and `GET /ping`. Throws `ERR_SERVER_CONFIG` when key and chain are not such that clients
 * accept them, and when the chain is not valid now.
 */
export function createTimestampAuthority(
  runtime: TimestampAuthorityRuntime,
  options: TimestampAuthorityOptions,
): Service {
  const issue = timestampIssuer(runtime, options);
  const chainPem = options.chain.map((der) => encodePem('CERTIFICATE', der)).join('');
  return {
    name: 'tsa',
    routes: [
      {
        method: 'POST',
        path: '/api/v1/timestamp',
        name: 'timestamp',
        bodyBytes: limits.timestampRequestBytes,
        answer: async (request) =>
          bytesAnswer(200, replyType, await issue(readRequest(request), request.signal), uncached),
      },
      {
        method: 'GET',
        path: '/api/v1/timestamp/certchain',
        name: 'certchain',
        answer: () =>
          textAnswer(200, 'application/pem-certificate-chain', chainPem, {
            'cache-control': 'max-age=86400',
          }),
      },
      { method: 'GET', path: '/ping', name: 'ping', answer: () => textAnswer(200, 'text/plain', '.') },
    ],
    refuse,
  };
}

/** The errors of the API: `{"code":400,"message":"…"}`. */
function refuse(error: unknown): HttpResponse {
  const { status, message, headers } = asRefusal(error) ?? new ServiceRefusal(500, failed);
  return jsonAnswer(status, { code: status, message }, { ...uncached, ...headers });
}

/** Makes response DER of a request that was judged. */
function timestampIssuer(
  runtime: TimestampAuthorityRuntime,
  options: TimestampAuthorityOptions,
): (request: TimestampRequest, signal: AbortSignal) => Promise<Uint8Array> {
  const { signer, policy = defaultTimestampPolicy, otherPolicies = [], accuracySeconds = 1 } = options;
  if (!signer.publicKey.type.startsWith('ecdsa')) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'the key of the timestamp authority must be an ECDSA key', {
      hint: 'The npm sigstore package accepts no other timestamps.',
    });
  }
  const chain = checkAuthorityChain(options.chain, signer.publicKey);
  const policies = new Set([policy, ...otherPolicies]);
  const encodeInfo = timestampInfoEncoder({ accuracySeconds, authority: chain.leaf.subject });
  const signedData = signedDataEncoder({
    contentType: timestampContentType,
    certificate: chain.leaf,
    signatureAlgorithm: signatureAlgorithmOf(signer.publicKey.type).identifier,
  });
  const validNow = (): Date => {
    const time = runtime.now();
    if (time >= chain.notBefore && time <= chain.notAfter) return time;
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      `the certificates of the timestamp authority are valid from ${chain.notBefore.toISOString()} to ${chain.notAfter.toISOString()}, and that is not now`,
      { hint: 'Give the timestamp authority a new certificate, and check the clock of this machine.' },
    );
  };
  validNow();
  return async (request, signal) => {
    judge(request, policies);
    const time = validNow();
    const info = encodeInfo({
      policy: request.policy ?? policy,
      imprint: request.imprint.bytes,
      serial: serialNumber((length) => runtime.random(length)),
      time,
      nonce: request.nonce,
    });
    const attributes = signedData.attributes(info, time);
    const signature = await signer.sign(attributes, { signal });
    return encodeTimestampResponse(signedData.encode(info, attributes, signature, request.certificates));
  };
}

/** What is granted: a digest that is what it says it is, a policy of ours, nothing that we do not know. */
function judge(request: TimestampRequest, policies: ReadonlySet<string>): void {
  const { hashAlgorithm, digest } = request.imprint;
  if (hashAlgorithm === sha1) throw new ServiceRefusal(400, 'Weak hash algorithm in timestamp request');
  const name = hashNameOf(hashAlgorithm);
  if (name === undefined) throw new ServiceRefusal(400, failed, { reason: 'unsupported hash algorithm' });
  if (digest.length !== digestLengths[name]) {
    throw new ServiceRefusal(400, 'Message digest has incorrect length for specified algorithm');
  }
  if (request.policy !== undefined && !policies.has(request.policy)) {
    throw new ServiceRefusal(400, 'unaccepted policy: requested TSA policy is not supported by the TSA');
  }
  if (request.hasExtensions) {
    throw new ServiceRefusal(400, 'unaccepted extension: requested extensions are not supported by the TSA');
  }
}

function readRequest(request: ServiceRequest): TimestampRequest {
  const given = request.headers.get('content-type') ?? 'application/octet-stream';
  const type = given.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type !== queryType && type !== jsonType) {
    const shown = JSON.stringify(type.slice(0, 100));
    throw new ServiceRefusal(
      415,
      `unsupported media type ${shown}, only [${queryType} ${jsonType}] are allowed`,
    );
  }
  try {
    return type === jsonType ? parseTimestampJsonRequest(request.body) : parseTimestampRequest(request.body);
  } catch (cause) {
    if (!(cause instanceof BoltsealError)) throw cause;
    const message = cause.code === 'ERR_LIMIT_EXCEEDED' ? 'timestamp request is too large' : failed;
    throw new ServiceRefusal(400, message, { cause, reason: cause.message });
  }
}
