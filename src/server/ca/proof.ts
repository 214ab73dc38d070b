/**
 * Proof that a client has the private key it wants certified: a signature over its own name, or a certificate request.
 * {@link https://github.com/sigstore/fulcio/blob/main/docs/how-certificate-issuing-works.md}
 */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { type CertificateRequest, parseCertificateRequest } from '../../formats/certificate-request.ts';
import { type KeyType, type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import {
  readSignatureAlgorithm,
  type SignatureAlgorithm,
  signatureAlgorithms,
  verifiesWith,
} from '../../formats/signature-algorithm.ts';
import { ServiceRefusal } from '../http/service.ts';
import { weaknessOfRsa } from './weak-rsa.ts';

/** What each kind of key must sign with: the pairs that Fulcio permits. */
const algorithmOf: Readonly<Record<KeyType, SignatureAlgorithm>> = {
  'ecdsa-p256': signatureAlgorithms.ecdsaSha256,
  'ecdsa-p384': signatureAlgorithms.ecdsaSha384,
  'ecdsa-p521': signatureAlgorithms.ecdsaSha512,
  ed25519: signatureAlgorithms.ed25519,
  'rsa-2048': signatureAlgorithms.rsaSha256,
  'rsa-3072': signatureAlgorithms.rsaSha256,
  'rsa-4096': signatureAlgorithms.rsaSha256,
};

const badKey = 'The public key supplied in the request could not be parsed';
const weakKey = 'The public key supplied in the request is insecure';
const badSignature = 'The signature supplied in the request could not be verified';
const badRequest = 'The certificate signing request could not be parsed';

function refused(message: string, reason: string, cause?: unknown): ServiceRefusal {
  return new ServiceRefusal(400, message, { reason, cause });
}

/**
 * The key of a client: PEM or DER, of a kind that is certified, and not weak. Throws {@link ServiceRefusal}.
 */
export function readClientKey(content: Uint8Array): PublicKey {
  let key: PublicKey;
  try {
    key = parsePublicKey(content, 'the key of the request');
  } catch (cause) {
    if (!(cause instanceof BoltsealError)) throw cause;
    const message = cause.code === 'ERR_KEY_UNSUPPORTED' ? weakKey : badKey;
    throw refused(message, cause.message, cause);
  }
  const weakness = key.type.startsWith('rsa') ? weaknessOfRsa(key.key) : undefined;
  if (weakness !== undefined) throw refused(weakKey, `the key of the request is weak: ${weakness}`);
  return key;
}

/** Checks that `proof` is a signature by `key` over `challenge`. Throws {@link ServiceRefusal}. */
export function checkProof(key: PublicKey, proof: Uint8Array, challenge: string): void {
  if (!verifiesWith(algorithmOf[key.type], key.key, utf8(challenge), proof)) {
    throw refused(badSignature, 'the proof of possession does not verify');
  }
}

/**
 * The key of a certificate request, whose own signature is the proof. Nothing else of it is used. Throws
 * {@link ServiceRefusal}.
 */
export function readRequestedKey(pem: Uint8Array): PublicKey {
  let request: CertificateRequest;
  try {
    request = parseCertificateRequest(pem);
  } catch (cause) {
    throw refused(badRequest, 'the certificate request cannot be read', cause);
  }
  const key = readClientKey(request.spki);
  const algorithm = readSignatureAlgorithm(request.signatureAlgorithm);
  if (
    algorithm !== algorithmOf[key.type] ||
    !verifiesWith(algorithm, key.key, request.info, request.signature)
  ) {
    throw refused(badSignature, 'the signature of the certificate request does not verify');
  }
  return key;
}
