/**
 * Certificate requests (PKCS#10), of which a Sigstore CA uses the key and the signature, and nothing else.
 *
 *     CertificationRequest ::= SEQUENCE { SEQUENCE { version 0, subject, subjectPublicKeyInfo, attributes [0] },
 *                                         signatureAlgorithm, signature BIT STRING }
 *
 * {@link https://www.rfc-editor.org/rfc/rfc2986#section-4 RFC 2986 section 4}
 */
import { cursor, derError, derTags, parseDer, readBitString, readSmallInteger } from '../core/der.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { parsePem } from './pem.ts';

/** A certificate request; byte strings are slices of the input. */
export interface CertificateRequest {
  /** What is signed, DER. */
  readonly info: Uint8Array;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** AlgorithmIdentifier, DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads the certificate request that PEM text starts with. Throws `ERR_CERTIFICATE_INVALID` for anything else, and
 * `ERR_LIMIT_EXCEEDED`. The signature is not verified.
 */
export function parseCertificateRequest(
  pem: Uint8Array,
  what = 'the certificate request',
): CertificateRequest {
  try {
    const [block] = parsePem(pem, what, limits.certificateBytes);
    if (block?.label !== 'CERTIFICATE REQUEST' && block?.label !== 'NEW CERTIFICATE REQUEST') {
      throw derError(what, 'it is not PEM of a certificate request');
    }
    const outer = cursor(parseDer(block.der, what, derTags.sequence), what);
    const info = outer.next(derTags.sequence);
    const signatureAlgorithm = outer.next(derTags.sequence).bytes;
    const signature = readBitString(outer.next(derTags.bitString).content, what);
    outer.end();
    const parts = cursor(info, what);
    if (readSmallInteger(parts.next(derTags.integer).content, what) !== 0) {
      throw derError(what, 'its version is unknown');
    }
    parts.next(derTags.sequence);
    const spki = parts.next(derTags.sequence).bytes;
    parts.optional(0xa0);
    parts.end();
    return { info: info.bytes, spki, signatureAlgorithm, signature };
  } catch (cause) {
    if (!(cause instanceof BoltsealError) || cause.code === 'ERR_LIMIT_EXCEEDED') throw cause;
    throw new BoltsealError('ERR_CERTIFICATE_INVALID', cause.message, { cause });
  }
}
