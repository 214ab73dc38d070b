/**
 * A certificate authority with the HTTP API of Fulcio: an identity token and a proof of possession in, a certificate
 * that lives for minutes out, logged before it is handed out. It keeps nothing but the keys of issuers.
 * {@link https://github.com/sigstore/fulcio/blob/main/fulcio.proto the API},
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md the certificates}
 */
import { hex } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import type { Fetch, Runtime } from '../../core/runtime.ts';
import { serialNumbers } from '../../formats/certificate.ts';
import { encodePem } from '../../formats/pem.ts';
import type { PublicKey } from '../../formats/public-key.ts';
import type { Signer } from '../../keys/signer.ts';
import type { CtLog } from '../ct/ct-log.ts';
import { asRefusal, jsonAnswer, type Service, ServiceRefusal, textAnswer } from '../http/service.ts';
import { createIssuerKeySource } from './issuer-keys.ts';
import { type CaIssuers, challengeClaimOf, createIssuerTable, type IssuerConfig } from './issuers.ts';
import { checkProof, readClientKey, readRequestedKey } from './proof.ts';
import { parseLegacySigningRequest, parseSigningRequest, type SigningRequest } from './request.ts';
import { createSigningAuthority, IssuingFailure, type SigningAuthority } from './signing-certificate.ts';
import { type TokenVerifier, type VerifiedToken, verifyToken } from './token.ts';

/** Who asks for a certificate: what rate limits count by. */
export interface CertificateSubject {
  /** The `iss` of the token. */
  readonly issuer: string;
  /** The subject alternative name. */
  readonly identity: string;
}

/** What {@link createCa} needs. */
export interface CaOptions {
  /** The key of the first certificate of the chain. */
  readonly signer: Signer;
  /** DER: what issues first, the root last. */
  readonly chain: readonly Uint8Array[];
  /** Chains of authorities that are retired, for the trust bundle. */
  readonly retiredChains?: readonly (readonly Uint8Array[])[] | undefined;
  readonly ct: CtLog;
  readonly issuers: CaIssuers;
  /** Whether issuers that are not on this machine may be plain http. */
  readonly allowHttp?: boolean | undefined;
  /** How long a certificate is valid, from now, in milliseconds; ten minutes unless told. */
  readonly lifetime?: number | undefined;
  /** How long before now a certificate begins to be valid, in milliseconds, for clocks that are behind; 5 s unless told. */
  readonly backdate?: number | undefined;
  /** The client by which an issuer is asked for its keys; the runtime's unless told. */
  readonly fetchFor?: ((issuer: IssuerConfig) => Fetch) | undefined;
  /** Called for a verified token before a certificate is issued; throws {@link ServiceRefusal} 429 to refuse it. */
  readonly admit?: ((subject: CertificateSubject) => void) | undefined;
}

/** The part of a runtime that is used. */
export type CaRuntime = Pick<Runtime, 'fetch' | 'now' | 'monotonic' | 'sleep' | 'random' | 'log'>;

const badToken = 'There was an error processing the identity token';
const pemChainType = 'application/pem-certificate-chain';

/** The service. Throws `ERR_SERVER_CONFIG` for keys, chains and issuers that are not what they must be. */
export function createCa(runtime: CaRuntime, options: CaOptions): Service {
  const authority = createSigningAuthority(options);
  const verifier: TokenVerifier = {
    runtime,
    issuers: createIssuerTable(options.issuers, { allowHttp: options.allowHttp }),
    keys: createIssuerKeySource(runtime, { allowHttp: options.allowHttp === true }),
    fetchFor: options.fetchFor ?? (() => runtime.fetch),
  };
  const nextSerial = serialNumbers((length) => runtime.random(length));
  const issuer = { runtime, options, authority, verifier, nextSerial };
  const chains = [options.chain, ...(options.retiredChains ?? [])].map((chain) =>
    chain.map((der) => encodePem('CERTIFICATE', der)),
  );
  const chainPems = (chains[0] ?? []).map((pem) => pem.trimEnd());
  // Everything in an answer but the certificate itself is always the same.
  const jsonTail = `${chainPems.map((pem) => `,${JSON.stringify(pem)}`).join('')}]}}}`;
  const configuration = configurationOf(options.issuers);

  return {
    name: 'ca',
    refuse,
    routes: [
      {
        method: 'POST',
        path: '/api/v2/signingCert',
        name: 'signing-cert-v2',
        bodyBytes: limits.certificateRequestBytes,
        answer: async (request) => {
          const asked = (): SigningRequest =>
            parseSigningRequest(request.body, request.headers.get('authorization'));
          const pem = await issue(asked, issuer);
          const body = `{"signedCertificateEmbeddedSct":{"chain":{"certificates":[${JSON.stringify(pem)}${jsonTail}`;
          return textAnswer(200, 'application/json', body);
        },
      },
      {
        method: 'POST',
        path: '/api/v1/signingCert',
        name: 'signing-cert-v1',
        bodyBytes: limits.certificateRequestBytes,
        answer: async (request) => {
          const asked = (): SigningRequest =>
            parseLegacySigningRequest(request.body, request.headers.get('authorization'));
          const pem = await issue(asked, issuer);
          return textAnswer(201, pemChainType, [pem, ...chainPems].join('\n'));
        },
      },
      {
        method: 'GET',
        path: '/api/v2/trustBundle',
        name: 'trust-bundle',
        answer: () => jsonAnswer(200, { chains: chains.map((certificates) => ({ certificates })) }),
      },
      {
        method: 'GET',
        path: '/api/v1/rootCert',
        name: 'root-cert',
        answer: () => textAnswer(200, pemChainType, chains.flat().join('\n').trimEnd()),
      },
      {
        method: 'GET',
        path: '/api/v2/configuration',
        name: 'configuration',
        answer: () => jsonAnswer(200, configuration),
      },
      {
        method: 'GET',
        path: '/healthz',
        name: 'healthz',
        answer: () => jsonAnswer(200, { status: 'SERVING' }),
      },
    ],
  };
}

/** The issuers as `GetConfiguration` tells them; every member is there, as the gateway writes it. */
function configurationOf(issuers: CaIssuers): unknown {
  const describe = (name: 'issuerUrl' | 'wildcardIssuerUrl', issuer: IssuerConfig): unknown => ({
    [name]: issuer.url,
    audience: issuer.audience,
    challengeClaim: challengeClaimOf(issuer.type),
    spiffeTrustDomain: issuer.spiffeTrustDomain ?? '',
    issuerType: issuer.type,
    subjectDomain: issuer.subjectDomain ?? '',
    skipEmailVerification: issuer.skipEmailVerification ?? false,
  });
  return {
    issuers: [
      ...issuers.issuers.map((issuer) => describe('issuerUrl', issuer)),
      ...issuers.metaIssuers.map((issuer) => describe('wildcardIssuerUrl', issuer)),
    ],
  };
}

interface Issuing {
  readonly runtime: CaRuntime;
  readonly options: CaOptions;
  readonly authority: SigningAuthority;
  readonly verifier: TokenVerifier;
  readonly nextSerial: () => Uint8Array;
}

/** The certificate that a request asks for, PEM without its last newline; what happened is logged. */
async function issue(read: () => SigningRequest, issuing: Issuing): Promise<string> {
  const { runtime } = issuing;
  const subject: { issuer?: string; identity?: string } = {};
  try {
    const request = read();
    const token = await authenticate(request.token, issuing.verifier);
    subject.issuer = token.issuer;
    subject.identity = token.identity.name;
    const key = clientKey(request, token.identity.challenge);
    issuing.options.admit?.({ issuer: token.issuer, identity: token.identity.name });
    return await certify(token, key, issuing);
  } catch (error) {
    const { level, reason } = reasonOf(error);
    runtime.log({
      level,
      event: 'ca.refused',
      message: `no certificate was issued: ${reason}`,
      fields: { ...subject, reason },
    });
    throw error;
  }
}

async function authenticate(token: string, verifier: TokenVerifier): Promise<VerifiedToken> {
  try {
    return await verifyToken(token, verifier);
  } catch (cause) {
    if (!(cause instanceof BoltsealError) || cause.code === 'ERR_SERVER_BUSY') throw cause;
    if (cause.code === 'ERR_TOKEN_REFUSED') {
      throw new ServiceRefusal(400, badToken, { reason: cause.message, cause });
    }
    // Not the client's fault, and over in a while: clients try again.
    throw new ServiceRefusal(503, 'The issuer of the identity token could not be asked for its keys', {
      headers: { 'retry-after': '5' },
      reason: cause.message,
      cause,
    });
  }
}

function clientKey(request: SigningRequest, challenge: string): PublicKey {
  if (request.certificateRequest !== undefined) return readRequestedKey(request.certificateRequest);
  const key = readClientKey(request.publicKey);
  checkProof(key, request.proof, challenge);
  return key;
}

async function certify(token: VerifiedToken, key: PublicKey, issuing: Issuing): Promise<string> {
  const { runtime, options, authority } = issuing;
  const { identity, issuer } = token;
  const now = runtime.now().getTime();
  const own = authority.certificate;
  if (now < own.notBefore.getTime() || now > own.notAfter.getTime()) {
    throw new IssuingFailure('ca', new Error('the certificate of the authority is not valid now'));
  }
  const serial = issuing.nextSerial();
  const { certificate, logIndex } = await authority.issue({
    serial,
    // Never outside of the validity of the authority itself.
    notBefore: new Date(Math.max(now - (options.backdate ?? 5_000), own.notBefore.getTime())),
    notAfter: new Date(Math.min(now + (options.lifetime ?? 600_000), own.notAfter.getTime())),
    spki: key.spki,
    subjectAltName: identity.subjectAltName,
    extensions: identity.extensions,
  });
  runtime.log({
    level: 'info',
    event: 'ca.issued',
    message: `a certificate was issued to ${identity.name}`,
    fields: { issuer, identity: identity.name, serial: hex(serial), index: logIndex, key: key.type },
  });
  return encodePem('CERTIFICATE', certificate).trimEnd();
}

/** Why a request was refused, for logs; never anything of the token. */
function reasonOf(error: unknown): { readonly level: 'info' | 'warn'; readonly reason: string } {
  if (error instanceof ServiceRefusal) return { level: 'info', reason: error.reason ?? error.message };
  if (error instanceof IssuingFailure) {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return { level: 'warn', reason: `${error.message}${cause}` };
  }
  return { level: 'warn', reason: error instanceof BoltsealError ? error.message : 'something unforeseen' };
}

/** Codes of gRPC by HTTP status. {@link https://grpc.io/docs/guides/status-codes/} */
const grpcCodes: Readonly<Record<number, number>> = { 404: 5, 405: 12, 408: 4, 429: 8, 500: 13, 503: 14 };

function refuse(error: unknown): HttpResponse {
  const cause = error instanceof IssuingFailure ? error.cause : error;
  const refusal = asRefusal(cause) ?? failure(error);
  const message = refusal.status === 404 ? 'Not Found' : refusal.message;
  const body = { code: grpcCodes[refusal.status] ?? 3, message, details: [] };
  return jsonAnswer(refusal.status, body, refusal.headers);
}

function failure(error: unknown): ServiceRefusal {
  const isLog = error instanceof IssuingFailure && error.step === 'ct';
  return new ServiceRefusal(
    500,
    isLog ? 'Error entering certificate in CTL' : 'error communicating with CA backend',
  );
}
