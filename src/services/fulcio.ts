/**
 * The client of a certificate authority with the API of Fulcio: an identity token and a proof of possession in, a
 * certificate out.
 * {@link https://github.com/sigstore/fulcio/blob/main/fulcio.proto}
 */
import { base64, equalBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { parseCertificate, parsePemCertificates } from '../formats/certificate.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { sctListOid } from '../formats/sct.ts';
import type { ServiceRequest } from './exchange.ts';
import { answerError, readAnswer } from './service-error.ts';
import { requestService, type ServiceOptions, type ServiceRuntime, serviceUrl } from './service-request.ts';

/** What a certificate is asked for with. */
export interface CertificateRequestFields {
  /** The identity token: a secret. */
  readonly token: string;
  readonly publicKey: PublicKey;
  /**
   * A signature by the key over the subject of the token, in UTF-8: ECDSA in DER with the hash of the curve, RSA PKCS#1
   * v1.5 with SHA-256, Ed25519 pure.
   */
  readonly proofOfPossession: Uint8Array;
}

/**
 * Asks the authority at `url` for a certificate: DER, leaf first, the authorities above it after that. The leaf is for
 * exactly this key and holds its certificate timestamps, without which nobody accepts it; nothing else is verified here.
 * The token is sent to `url` and nowhere else, and only in the body, which nothing on the way logs.
 *
 * Rejects with `ERR_SERVICE_RESPONSE` for a certificate that cannot be used, and what {@link requestService} rejects with.
 */
export async function requestCertificate(
  url: string,
  fields: CertificateRequestFields,
  runtime: ServiceRuntime,
  options: ServiceOptions = {},
): Promise<readonly Uint8Array[]> {
  const { token, publicKey, proofOfPossession } = fields;
  const request: ServiceRequest = {
    kind: 'certificate authority',
    what: 'asking for a certificate',
    method: 'POST',
    url: serviceUrl(url, '/api/v2/signingCert', 'certificate authority'),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: utf8(
      JSON.stringify({
        credentials: { oidcIdentityToken: token },
        publicKeyRequest: {
          publicKey: { content: publicKey.pem },
          proofOfPossession: base64(proofOfPossession),
        },
      }),
    ),
    maxBytes: limits.serviceAnswerBytes,
    accept: [200, 201],
    secrets: [token],
  };
  const { body } = await requestService(request, runtime, options).catch((error: unknown) => {
    throw explained(error);
  });
  const chain = readAnswer(request, () => readChain(request, body));
  const [leaf] = chain;
  if (leaf === undefined) throw answerError(request, 'answered without a certificate');
  const { spki, extensions } = readAnswer(request, () => parseCertificate(leaf));
  if (!equalBytes(spki, publicKey.spki)) throw answerError(request, 'issued a certificate for another key');
  if (!extensions.has(sctListOid)) throw withoutTimestamp(request);
  return chain;
}

/** What Fulcio says of a token or a proof is the same for every reason. */
function explained(error: unknown): unknown {
  if (!isBoltsealError(error, 'ERR_SERVICE_REFUSED')) return error;
  const { status } = error.details;
  if (status !== 400 && status !== 401 && status !== 403) return error;
  const aboutProof = /signature supplied/i.test(error.message);
  return new BoltsealError(error.code, error.message, {
    cause: error.cause,
    details: error.details,
    hint: aboutProof
      ? 'The authority takes the subject of the token for something else than its email or sub; check how its issuer is configured there.'
      : 'Check that the token is not expired, that it is for the audience of the authority (sigstore), and that the authority knows its issuer.',
  });
}

function withoutTimestamp(request: ServiceRequest): BoltsealError {
  return answerError(
    request,
    'issued a certificate without a certificate timestamp in it',
    undefined,
    'Give the authority a certificate transparency log, and a key with which it can embed timestamps: without one nobody accepts the certificate.',
  );
}

/** The certificates of a `SigningCertificate`. Names that are not known are left aside, as protocol buffers have it. */
function readChain(request: ServiceRequest, body: Uint8Array): readonly Uint8Array[] {
  const what = 'the answer';
  const answer = parseJson(body, { what, maxBytes: limits.serviceAnswerBytes });
  const embedded = member(answer, 'signedCertificateEmbeddedSct');
  if (embedded === undefined) {
    if (member(answer, 'signedCertificateDetachedSct') !== undefined) throw withoutTimestamp(request);
    throw answerError(request, 'answered without a certificate');
  }
  const list = member(member(embedded, 'chain'), 'certificates');
  if (!Array.isArray(list) || list.length > limits.chainCertificates) {
    throw answerError(request, `answered no chain of at most ${limits.chainCertificates} certificates`);
  }
  return list.map((pem: Json, index) => {
    const [certificate, ...more] =
      typeof pem === 'string' ? parsePemCertificates(utf8(pem), `certificate ${index} of the chain`) : [];
    if (certificate === undefined || more.length > 0) {
      throw answerError(request, `answered a chain whose element ${index} is not one certificate`);
    }
    return certificate.der;
  });
}

function member(value: Json | undefined, name: string): Json | undefined {
  const found = isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return found === null ? undefined : found;
}
