/**
 * The verification of one RFC 3161 timestamp of a signature.
 * {@link https://www.rfc-editor.org/rfc/rfc3161#section-2.2 RFC 3161 section 2.2},
 * {@link https://www.rfc-editor.org/rfc/rfc5816 RFC 5816}
 */
import { hash } from 'node:crypto';
import { derNull, derOid, derSequence } from '../core/der.ts';
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type HashName, hashNameOf, type SignerInfo } from '../formats/cms.ts';
import { sha256 } from '../formats/merkle.ts';
import {
  readSignatureAlgorithm,
  type SignatureAlgorithm,
  signatureAlgorithms,
  verifiesWith,
} from '../formats/signature-algorithm.ts';
import { parseTimestampResponse, requireGranted, type TimestampToken } from '../formats/timestamp.ts';
import { type Authority, isValidAt, type TrustedCertificate } from './authority.ts';
import type { Trust } from './trust.ts';

/** A timestamp that was verified. */
export interface VerifiedTimestamp {
  readonly time: Date;
  readonly authority: Authority;
}

/**
 * Verifies that `response` (TimeStampResp DER) is a timestamp of `signature`, or of `whole`, which holds it, by an
 * authority of the trusted root that was trusted and whose whole chain was valid at that time. Undefined when no authority
 * of the trusted root has the certificate it names; certificates inside of it are never looked at. Throws
 * `ERR_VERIFY_TIMESTAMP`, `ERR_TIMESTAMP_INVALID` and `ERR_LIMIT_EXCEEDED`.
 */
export function verifyTimestamp(
  response: Uint8Array,
  signature: Uint8Array,
  trust: Trust,
  whole?: Uint8Array,
): VerifiedTimestamp | undefined {
  const token = requireGranted(parseTimestampResponse(response, 'a timestamp'), 'a timestamp');
  const named = trust.timestampAuthorities(token.signer.identifier);
  const [first] = named;
  if (first === undefined) return undefined;
  checkImprint(token, whole === undefined ? [signature] : [whole, signature]);
  const signer = named.find(({ chain }) => isSignedBy(token, chain[0]));
  if (signer === undefined) {
    throw refused(`is not signed by ${JSON.stringify(first.trusted.uri.slice(0, 200))}, which it names`);
  }
  const { time } = token.info;
  const authority = named.find((one) => isSame(one, signer) && isValidAt(one, time));
  if (authority !== undefined) return { time, authority };
  throw refused(
    `is of ${time.toISOString()}, when its authority was not valid`,
    `${JSON.stringify(signer.trusted.uri.slice(0, 200))} has certificates from ${new Date(signer.notBefore).toISOString()} to ${new Date(signer.notAfter).toISOString()}, and the trusted root says when it is trusted.`,
  );
}

function refused(why: string, hint?: string): BoltsealError {
  return new BoltsealError('ERR_VERIFY_TIMESTAMP', `a timestamp of the signature ${why}`, { hint });
}

function isSame(a: Authority, b: Authority): boolean {
  return equalBytes(a.chain[0].certificate.der, b.chain[0].certificate.der);
}

function digest(name: HashName, bytes: Uint8Array): Uint8Array {
  return name === 'sha256' ? sha256(bytes) : hash(name, bytes, 'buffer');
}

/** What was timestamped is one of `messages`, and nothing that must be understood is not. */
function checkImprint({ info }: TimestampToken, messages: readonly Uint8Array[]): void {
  const { imprint, criticalExtensions } = info;
  const name = hashNameOf(imprint.hashAlgorithm);
  if (name === undefined) throw refused('uses an unsupported hash');
  if (!messages.some((message) => equalBytes(digest(name, message), imprint.digest))) {
    throw refused(
      'is of another signature',
      'It was copied here from another bundle, or the signature was replaced.',
    );
  }
  if (criticalExtensions.length > 0) throw refused('has a critical extension, and none is known');
}

/**
 * Whether the token is signed by the key of `certificate`, names it as its signing certificate, and is about its
 * TSTInfo (RFC 5652 section 5.6, RFC 3161 section 2.4.2).
 */
function isSignedBy(
  { signer, infoBytes }: TimestampToken,
  { certificate, key }: TrustedCertificate,
): boolean {
  const name = hashNameOf(signer.digestAlgorithm);
  const algorithm = algorithmOf(signer);
  const [named] = signer.signingCertificates;
  if (name === undefined || algorithm === undefined || named === undefined) return false;
  return (
    equalBytes(digest(name, infoBytes), signer.messageDigest) &&
    isHashOf(named.hashAlgorithm, named.certificateHash, certificate.der) &&
    verifiesWith(algorithm, key.key, signer.signedAttributes, signer.signature)
  );
}

const sha1 = '1.3.14.3.2.26';

/**
 * Whether the signing certificate that a token names is `certificate`. The first version of the attribute knows SHA-1
 * alone (RFC 2634 section 5.4.1); nothing depends on its strength, because the certificate is that of the trusted root.
 */
function isHashOf(algorithm: string, expected: Uint8Array, certificate: Uint8Array): boolean {
  const name = hashNameOf(algorithm);
  if (name !== undefined) return equalBytes(digest(name, certificate), expected);
  return algorithm === sha1 && equalBytes(hash('sha1', certificate, 'buffer'), expected);
}

const rsaEncryption = derSequence(derOid('1.2.840.113549.1.1.1'), derNull());

const rsaByHash: Readonly<Record<HashName, SignatureAlgorithm>> = {
  sha256: signatureAlgorithms.rsaSha256,
  sha384: signatureAlgorithms.rsaSha384,
  sha512: signatureAlgorithms.rsaSha512,
};

/** The algorithm of a signer. CMS lets RSA be named without its hash, which then is that of the digest (RFC 3370 section 3.2). */
function algorithmOf({ signatureAlgorithm, digestAlgorithm }: SignerInfo): SignatureAlgorithm | undefined {
  const named = readSignatureAlgorithm(signatureAlgorithm);
  if (named !== undefined) return named;
  if (!equalBytes(signatureAlgorithm, rsaEncryption)) return undefined;
  const name = hashNameOf(digestAlgorithm);
  return name && rsaByHash[name];
}
