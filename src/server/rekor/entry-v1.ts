/** From a proposed entry of Rekor v1 to what is logged: signatures are verified, names made canonical. */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { type Envelope, parseEnvelope, preAuthEncoding } from '../../formats/dsse.ts';
import {
  type DsseV1,
  type EntryHash,
  type EntryRequestV1,
  type EntryV1,
  encodeEntryV1,
  type HashedRekordV1,
  type IntotoV2,
} from '../../formats/log-entry-v1.ts';
import { encodeVerifierPem, parseVerifierPem } from '../../formats/log-entry-verifier.ts';
import { sha256 } from '../../formats/merkle.ts';
import type { KeyType } from '../../formats/public-key.ts';
import { verifyDigestSignature } from '../../verify/digest-signature.ts';
import { verifyMessageSignature } from '../../verify/message-signature.ts';
import { digestKey, nameKeys, statementKeys, verifierKeys } from './search-keys.ts';
import { type EntrySigner, signerOf } from './signer-of-entry.ts';

/** An entry whose signatures verify. */
export interface PreparedEntry {
  /** Its canonical body. */
  readonly body: Uint8Array;
  /** What it can be searched by, at most `limits.logEntryKeys`. */
  keys(): readonly string[];
}

/** The hash that each type of key signs digests of in a hashedrekord entry. */
const entryHashes: Readonly<Record<KeyType, EntryHash>> = {
  'ecdsa-p256': 'sha256',
  'ecdsa-p384': 'sha384',
  'ecdsa-p521': 'sha512',
  ed25519: 'sha512',
  'rsa-2048': 'sha256',
  'rsa-3072': 'sha256',
  'rsa-4096': 'sha256',
};

/**
 * Verifies a proposed entry and makes it canonical. A body that is given instead of a proposal is refused. Rejects with
 * `ERR_LOG_ENTRY_INVALID`, `ERR_VERIFY_SIGNATURE`, and what the decoders of keys, certificates and envelopes throw.
 */
export async function prepareEntryV1(request: EntryRequestV1): Promise<PreparedEntry> {
  if (request.kind === 'hashedrekord') return prepareHashedRekord(request);
  if ('payloadHash' in request) {
    throw new BoltsealError('ERR_LOG_ENTRY_INVALID', 'the entry has no envelope to verify');
  }
  return request.kind === 'dsse'
    ? prepareDsse(request.envelope, request.verifiers)
    : prepareIntoto(request.envelope, request.verifiers, request.envelopeHash);
}

/** The body that a proposed or a logged entry has. Rejects as {@link prepareEntryV1}. */
export async function bodyOfV1(request: EntryRequestV1): Promise<Uint8Array> {
  const isBody = request.kind !== 'hashedrekord' && 'payloadHash' in request;
  return isBody ? encodeEntryV1(request) : (await prepareEntryV1(request)).body;
}

function prepared(entry: EntryV1, keys: () => readonly string[]): PreparedEntry {
  const body = encodeEntryV1(entry);
  if (body.length > limits.logEntryBytes) {
    throw new BoltsealError(
      'ERR_LOG_ENTRY_INVALID',
      `the entry has ${body.length} bytes; the limit is ${limits.logEntryBytes}`,
    );
  }
  return { body, keys: () => [...new Set(keys())].slice(0, limits.logEntryKeys) };
}

async function prepareHashedRekord(request: HashedRekordV1): Promise<PreparedEntry> {
  const { hash, digest, signature } = request;
  const { verifier, key } = signerOf(parseVerifierPem(request.verifier, 'the public key'));
  if (entryHashes[key.type] !== hash) {
    throw new BoltsealError(
      'ERR_LOG_ENTRY_INVALID',
      `entry algorithms are not allowed: ${key.type} with ${hash}`,
    );
  }
  await verifyDigestSignature(key, hash, digest, signature);
  const entry = { ...request, verifier: encodeVerifierPem(verifier) };
  return prepared(entry, () => [digestKey(hash, digest), verifierKeys(verifier).bare, ...nameKeys(verifier)]);
}

async function prepareDsse(text: string, verifiers: readonly Uint8Array[]): Promise<PreparedEntry> {
  const json = utf8(text);
  const envelope = parseEnvelope(json, 'the envelope');
  const signers = verifiers.map((pem, index) => signerOf(parseVerifierPem(pem, `verifier ${index}`)));
  const found = await matchSignatures(envelope, signers);
  const entry: DsseV1 = {
    kind: 'dsse',
    envelopeHash: sha256(json),
    payloadHash: sha256(envelope.payload),
    signatures: found.map(({ signature, signer }) => ({
      signature,
      verifier: encodeVerifierPem(signer.verifier),
    })),
  };
  return prepared(entry, () => [
    ...found.flatMap(({ signer }) => signerKeys(signer)),
    digestKey('sha256', entry.payloadHash),
    digestKey('sha256', entry.envelopeHash),
    ...statementKeys(envelope.payloadType, envelope.payload),
  ]);
}

async function prepareIntoto(
  envelope: Envelope,
  verifiers: readonly Uint8Array[],
  envelopeHash: Uint8Array,
): Promise<PreparedEntry> {
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  const signed = await Promise.all(
    envelope.signatures.map(async ({ signature, keyId }, index) => {
      const pem = verifiers[index] ?? new Uint8Array(0);
      const signer = signerOf(parseVerifierPem(pem, `the public key of signature ${index}`));
      await verifyMessageSignature(signer.key, 'sha256', message, signature);
      return { signature, signer, pem, keyId };
    }),
  );
  const entry: IntotoV2 = {
    kind: 'intoto',
    payloadType: envelope.payloadType,
    signatures: signed.map(({ signature, pem, keyId }) => ({
      signature,
      // As it was sent: this kind has always been logged like that.
      verifier: pem,
      ...(keyId === undefined ? {} : { keyId }),
    })),
    envelopeHash,
    payloadHash: sha256(envelope.payload),
  };
  return prepared(entry, () => [
    ...signed.flatMap(({ signer }) => signerKeys(signer)),
    digestKey('sha256', entry.payloadHash),
    ...statementKeys(envelope.payloadType, envelope.payload),
  ]);
}

function signerKeys({ verifier }: EntrySigner): readonly string[] {
  return [verifierKeys(verifier).prefixed, ...nameKeys(verifier)];
}

/** Every signature of an envelope once, with the first of `signers` that made it. Every one must have been made by one. */
async function matchSignatures(
  envelope: Envelope,
  signers: readonly EntrySigner[],
): Promise<readonly { readonly signature: Uint8Array; readonly signer: EntrySigner }[]> {
  const unique = new Map(
    envelope.signatures.map(({ signature }) => [Buffer.from(signature).toString('base64'), signature]),
  );
  if (unique.size > limits.logEntryVerifiers) {
    throw new BoltsealError(
      'ERR_LOG_ENTRY_INVALID',
      `the envelope has ${unique.size} signatures; the limit is ${limits.logEntryVerifiers}`,
    );
  }
  const message = preAuthEncoding(envelope.payloadType, envelope.payload);
  return Promise.all(
    [...unique.values()].map(async (signature) => {
      for (const signer of signers) {
        if (await verifies(signer, message, signature)) return { signature, signer };
      }
      throw new BoltsealError('ERR_VERIFY_SIGNATURE', 'all signatures must have a key that verifies it');
    }),
  );
}

async function verifies({ key }: EntrySigner, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  try {
    // Whatever the key, Rekor v1 verifies envelopes over SHA-256.
    await verifyMessageSignature(key, 'sha256', message, signature);
    return true;
  } catch (error) {
    if (isBoltsealError(error, 'ERR_VERIFY_SIGNATURE')) return false;
    throw error;
  }
}
