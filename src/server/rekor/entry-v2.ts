/** From a proposed entry of Rekor v2 to its canonical body: signatures are verified. */
import { createHash } from 'node:crypto';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type Envelope, preAuthEncoding } from '../../formats/dsse.ts';
import {
  type EntryRequestV2,
  type EntryV2,
  encodeEntryV2,
  entryAlgorithms,
  type SignatureV2,
  type VerifierV2,
} from '../../formats/log-entry-v2.ts';
import { verifierOf } from '../../formats/log-entry-verifier.ts';
import { sha256 } from '../../formats/merkle.ts';
import { verifyDigestSignature } from '../../verify/digest-signature.ts';
import { verifyMessageSignature } from '../../verify/message-signature.ts';
import type { VerificationKey } from '../../verify/verification-key.ts';
import { signerOf } from './signer-of-entry.ts';

/**
 * The canonical body of a proposed entry, once its signatures verify. Rejects with `ERR_LOG_ENTRY_INVALID`,
 * `ERR_VERIFY_SIGNATURE`, and what the decoders of keys and certificates throw.
 */
export async function prepareEntryV2(request: EntryRequestV2): Promise<Uint8Array> {
  const entry = request.kind === 'dsse' ? await prepareDsse(request.envelope, request.verifiers) : request;
  if (entry.kind === 'hashedrekord') {
    const { hash } = entryAlgorithms[entry.verifier.keyDetails];
    await verifyDigestSignature(keyOf(entry.verifier), hash, entry.digest, entry.signature);
  }
  const body = encodeEntryV2(entry);
  if (body.length > limits.logEntryBytes) {
    throw new BoltsealError(
      'ERR_LOG_ENTRY_INVALID',
      `the entry has ${body.length} bytes; the limit is ${limits.logEntryBytes}`,
    );
  }
  return body;
}

/** The key of a verifier, which must be of the type that its details name. */
function keyOf(verifier: VerifierV2): VerificationKey {
  const { kind, der, keyDetails } = verifier;
  const { key } = signerOf(
    verifierOf(kind, der, kind === 'certificate' ? 'the certificate' : 'the public key'),
  );
  if (key.type === entryAlgorithms[keyDetails].type) return key;
  throw new BoltsealError(
    'ERR_LOG_ENTRY_INVALID',
    `the key is of type ${key.type}, which is not ${keyDetails}`,
  );
}

async function prepareDsse(envelope: Envelope, verifiers: readonly VerifierV2[]): Promise<EntryV2> {
  const signers = verifiers.map((verifier) => ({ verifier, key: keyOf(verifier) }));
  const names = new Set(verifiers.map(({ der }) => Buffer.from(der).toString('base64')));
  if (names.size !== verifiers.length)
    throw new BoltsealError('ERR_LOG_ENTRY_INVALID', 'a verifier is given twice');
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  const unique = new Map(
    envelope.signatures.map(({ signature }) => [Buffer.from(signature).toString('base64'), signature]),
  );
  const signatures = await Promise.all(
    [...unique.values()].map(async (signature): Promise<SignatureV2> => {
      for (const { verifier, key } of signers) {
        if (await verifies(verifier, key, message, signature)) return { signature, verifier };
      }
      throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'all signatures must have a key that verifies it');
    }),
  );
  return { kind: 'dsse', payloadHash: sha256(envelope.payload), signatures };
}

async function verifies(
  { keyDetails }: VerifierV2,
  key: VerificationKey,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const { type, hash } = entryAlgorithms[keyDetails];
  try {
    // Only the variant of Ed25519 that signs a digest is accepted.
    if (type !== 'ed25519') await verifyMessageSignature(key, hash, message, signature);
    else
      await verifyDigestSignature(
        key,
        hash,
        new Uint8Array(createHash('sha512').update(message).digest()),
        signature,
      );
    return true;
  } catch (error) {
    if (isBoltsealError(error, 'ERR_VERIFY_SIGNATURE')) return false;
    throw error;
  }
}
