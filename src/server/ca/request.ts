/**
 * Requests for a certificate, as both versions of Fulcio's API take them: JSON by the rules of protocol buffers. Names
 * may be in camel case or with underscores, bytes in either base64, and what is not known is ignored.
 * {@link https://protobuf.dev/programming-guides/json/},
 * {@link https://github.com/sigstore/fulcio/blob/main/fulcio.proto}
 */
import { fromBase64, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { ServiceRefusal } from '../http/service.ts';

/** A request for a certificate. */
export interface SigningRequest {
  /** Empty when there is none. */
  readonly token: string;
  /** A certificate request, PEM; when there is one, the other two mean nothing. */
  readonly certificateRequest: Uint8Array | undefined;
  /** A public key, PEM or DER; empty when there is none. */
  readonly publicKey: Uint8Array;
  readonly proof: Uint8Array;
}

/** Reads the body of `POST /api/v2/signingCert`. Throws {@link ServiceRefusal}. */
export function parseSigningRequest(body: Uint8Array, authorization: string | null): SigningRequest {
  const top = readBody(body);
  const credentials = member(top, 'credentials', 'credentials');
  const request = member(top, 'publicKeyRequest', 'public_key_request');
  const publicKey = member(request, 'publicKey', 'public_key');
  // The token of the body goes before that of the header.
  const token = text(credentials, 'oidcIdentityToken', 'oidc_identity_token');
  return {
    token: token === '' ? bearerToken(authorization) : token,
    certificateRequest: certificateRequestOf(top),
    publicKey: utf8(text(publicKey, 'content', 'content')),
    proof: bytes(request, 'proofOfPossession', 'proof_of_possession'),
  };
}

/** Reads the body of `POST /api/v1/signingCert`. Throws {@link ServiceRefusal}. */
export function parseLegacySigningRequest(body: Uint8Array, authorization: string | null): SigningRequest {
  const top = readBody(body);
  return {
    token: bearerToken(authorization),
    certificateRequest: certificateRequestOf(top),
    publicKey: bytes(member(top, 'publicKey', 'public_key'), 'content', 'content'),
    proof: bytes(top, 'signedEmailAddress', 'signed_email_address'),
  };
}

function certificateRequestOf(top: JsonObject): Uint8Array | undefined {
  const request = bytes(top, 'certificateSigningRequest', 'certificate_signing_request');
  return request.length === 0 ? undefined : request;
}

function bearerToken(authorization: string | null): string {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
}

function wrong(reason: string, cause?: unknown): ServiceRefusal {
  return new ServiceRefusal(400, reason, { reason, cause });
}

function readBody(body: Uint8Array): JsonObject {
  let value: Json;
  try {
    value = parseJson(body, { what: 'the request', maxBytes: limits.certificateRequestBytes });
  } catch (cause) {
    if (!(cause instanceof BoltsealError)) throw cause;
    throw wrong(body.length === 0 ? 'the request is empty' : cause.message, cause);
  }
  if (!isJsonObject(value)) throw wrong('the request is not a JSON object');
  return value;
}

const nothing: JsonObject = {};

/** Null is as good as absent, as protocol buffers have it. */
function take(from: JsonObject, name: string, other: string): Json | undefined {
  const value = Object.hasOwn(from, name) ? from[name] : Object.hasOwn(from, other) ? from[other] : undefined;
  return value === null ? undefined : value;
}

function member(from: JsonObject, name: string, other: string): JsonObject {
  const value = take(from, name, other);
  if (value === undefined) return nothing;
  if (!isJsonObject(value)) throw wrong(`${name} of the request is not an object`);
  return value;
}

function text(from: JsonObject, name: string, other: string): string {
  const value = take(from, name, other);
  if (value === undefined) return '';
  if (typeof value !== 'string') throw wrong(`${name} of the request is not a text`);
  return value;
}

function bytes(from: JsonObject, name: string, other: string): Uint8Array {
  const value = text(from, name, other).replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  try {
    return fromBase64(value.padEnd(Math.ceil(value.length / 4) * 4, '='), name);
  } catch (cause) {
    throw wrong(`${name} of the request is not base64`, cause);
  }
}
