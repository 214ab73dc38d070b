/** The certificate or public key that an entry of a transparency log names as the signer's. */
import { utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { encodePem, parsePem } from './pem.ts';

/** A verifier: what it is, its DER, and the key in it. Nothing about it is verified. */
export type EntryVerifier =
  | {
      readonly kind: 'certificate';
      readonly der: Uint8Array;
      readonly spki: Uint8Array;
      readonly certificate: Certificate;
    }
  | { readonly kind: 'publicKey'; readonly der: Uint8Array; readonly spki: Uint8Array };

const labels = { certificate: 'CERTIFICATE', publicKey: 'PUBLIC KEY' } as const;

/** The verifier of certificate or SubjectPublicKeyInfo DER. Throws `ERR_CERTIFICATE_INVALID`, `ERR_DER_INVALID`. */
export function verifierOf(kind: EntryVerifier['kind'], der: Uint8Array, what: string): EntryVerifier {
  if (kind === 'publicKey') return { kind, der, spki: der };
  const certificate = parseCertificate(der, what);
  return { kind, der, spki: certificate.spki, certificate };
}

/**
 * The verifier that is PEM: one block, a certificate or a public key, as Rekor v1 takes them (of chains it takes the
 * first, here there are none). Throws `ERR_LOG_ENTRY_INVALID` and what {@link verifierOf} throws.
 */
export function parseVerifierPem(pem: Uint8Array, what: string): EntryVerifier {
  const [block, ...more] = parsePem(pem, what, limits.logEntryVerifierBytes);
  if (block === undefined || more.length > 0) {
    throw new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is not one PEM block`);
  }
  const { label, der } = block;
  if (label === labels.certificate) return verifierOf('certificate', der, what);
  if (label === labels.publicKey) return verifierOf('publicKey', der, what);
  throw new BoltsealError('ERR_LOG_ENTRY_INVALID', `${what} is neither a certificate nor a public key`);
}

/** A verifier as Rekor v1 logs it: PEM of 64 columns with a final newline. */
export function encodeVerifierPem(verifier: EntryVerifier): Uint8Array {
  return utf8(encodePem(labels[verifier.kind], verifier.der));
}
