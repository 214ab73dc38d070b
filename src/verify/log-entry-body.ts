/**
 * What an entry of a transparency log is about: the same signature, by the same key or certificate, over the same thing
 * as what is being verified. Each of the three is compared, on every path: an entry that is bound to less proves nothing
 * about what is verified.
 */
import { equalBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import {
  type EntryRequestV1,
  encodeEntryV1,
  entryVersionsV1,
  type HashedRekordV1,
  parseEntryRequestV1,
} from '../formats/log-entry-v1.ts';
import {
  type EntryKeyDetails,
  type EntryV2,
  encodeEntryV2,
  entryAlgorithms,
  parseEntryV2,
  type SignatureV2,
} from '../formats/log-entry-v2.ts';
import {
  type EntryVerifier,
  encodeVerifierPem,
  parseVerifierPem,
  verifierOf,
} from '../formats/log-entry-verifier.ts';
import { sha256 } from '../formats/merkle.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { SignatureHash } from './authenticate.ts';
import { isVersion2 } from './log-entry.ts';
import type { EntrySigner, SignedContent } from './signed-content.ts';

const what = 'the log entry';

/** What a signature was verified with. */
type SignedHash = SignatureHash | 'pure';

/**
 * Checks that `entry` is about exactly this signature: kind and version as its body says, signature, signer, and the
 * digest of what was signed. `hash` is what the signature was verified with; a log that keeps a digest verified the
 * signature over it, so that the digest must be of this hash, and pure Ed25519 has no such entry. Throws `ERR_VERIFY_LOG_ENTRY`,
 * `ERR_VERIFY_UNSUPPORTED` for kinds that are not understood, and what the parsers of entries throw.
 */
export function checkEntryBody(
  entry: LogEntry,
  content: SignedContent,
  signer: EntrySigner,
  hash: SignedHash,
): void {
  const body = entry.canonicalizedBody;
  if (isVersion2(entry)) {
    if (entry.kind === 'hashedrekord' && equalBytes(body, expectedV2(content, signer, hash))) return;
    checkV2(entry, parseEntryV2(body, what), content, signer, hash);
    return;
  }
  if (!Object.hasOwn(entryVersionsV1, entry.kind)) throw unsupported(entry);
  if (entryVersionsV1[entry.kind as keyof typeof entryVersionsV1] !== entry.version) throw unsupported(entry);
  const expected =
    entry.kind === 'dsse' ? expectedEnvelopeV1(body, content, signer) : expectedV1(content, signer, hash);
  if (entry.kind !== 'intoto' && equalBytes(body, expected)) return;
  checkV1(entry, parseV1(body), content, signer, hash);
}

const nothing = new Uint8Array(0);

/** The body that an entry of Rekor v1 has when it is about this signature: comparing it is faster than reading one. */
function expectedV1(content: SignedContent, signer: EntrySigner, hash: SignedHash): Uint8Array {
  const digest = hash === 'pure' ? undefined : content.digest(hash);
  if (hash === 'pure' || digest === undefined) return nothing;
  const verifier = encodeVerifierPem(verifierOfSigner(signer));
  return encodeEntryV1({ kind: 'hashedrekord', hash, digest, signature: content.signature, verifier });
}

/** What comes in a canonical body of an envelope before the one value that is not compared: the hash of its JSON. */
const beforeEnvelopeHash = utf8(
  `{"apiVersion":"${entryVersionsV1.dsse}","kind":"dsse","spec":{"envelopeHash":{"algorithm":"sha256","value":"`,
);

/**
 * As {@link expectedV1}, of an envelope. The hash of the envelope is taken from the body itself: it is that of the JSON
 * as the client sent it, which is not known any more; payload and signature are all that an envelope has.
 */
function expectedEnvelopeV1(body: Uint8Array, content: SignedContent, signer: EntrySigner): Uint8Array {
  if (content.envelope === undefined) return nothing;
  const start = beforeEnvelopeHash.length;
  const digits = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1', start, start + 64);
  if (!/^[0-9a-f]{64}$/.test(digits)) return nothing;
  const verifier = encodeVerifierPem(verifierOfSigner(signer));
  return encodeEntryV1({
    kind: 'dsse',
    envelopeHash: Buffer.from(digits, 'hex'),
    payloadHash: sha256(content.envelope.payload),
    signatures: [{ signature: content.signature, verifier }],
  });
}

/** As {@link expectedV1}, of Rekor v2. */
function expectedV2(content: SignedContent, signer: EntrySigner, hash: SignedHash): Uint8Array {
  const digest = hash === 'pure' ? undefined : content.digest(hash);
  const keyDetails = detailsOf(signer.key.type, hash);
  if (digest === undefined || keyDetails === undefined) return nothing;
  const { kind, der } = verifierOfSigner(signer);
  return encodeEntryV2({
    kind: 'hashedrekord',
    digest,
    signature: content.signature,
    verifier: { kind, der, keyDetails },
  });
}

function detailsOf(type: string, hash: SignedHash): EntryKeyDetails | undefined {
  return (Object.keys(entryAlgorithms) as EntryKeyDetails[]).find(
    (name) => entryAlgorithms[name].type === type && entryAlgorithms[name].hash === hash,
  );
}

function verifierOfSigner(signer: EntrySigner): EntryVerifier {
  if (signer.kind === 'key') return { kind: 'publicKey', der: signer.key.spki, spki: signer.key.spki };
  const { certificate } = signer;
  return { kind: 'certificate', der: certificate.der, spki: certificate.spki, certificate };
}

function unsupported({ kind, version }: LogEntry): BoltsealError {
  const shown = JSON.stringify(`${kind} ${version}`.slice(0, 100));
  return new BoltsealError(
    'ERR_VERIFY_UNSUPPORTED',
    `${what} is of the kind ${shown}, which is not supported`,
  );
}

function mismatch(why: string): BoltsealError {
  return new BoltsealError('ERR_VERIFY_LOG_ENTRY', `${what} ${why}`, {
    hint: 'The entry belongs to another signature: it was copied here, or the signature was replaced.',
  });
}

/** An entry of Rekor v1; the payload may stand in one of the kind intoto, though Rekor leaves it out. */
function parseV1(body: Uint8Array): EntryRequestV1 {
  return parseEntryRequestV1(parseJson(body, { what, maxBytes: limits.bundleBytes }), what);
}

function checkV1(
  entry: LogEntry,
  body: EntryRequestV1,
  content: SignedContent,
  signer: EntrySigner,
  signed: SignedHash,
): void {
  if (body.kind !== entry.kind) throw mismatch(`says that it is of the kind ${entry.kind}, and is not`);
  if (body.kind === 'hashedrekord') {
    checkSignature(body.signature, content);
    checkSigner(parseVerifierPem(body.verifier, what), signer);
    checkDigest(body.hash, body.digest, content, signed);
    return;
  }
  const logged = loggedEnvelope(body);
  const { envelope } = content;
  if (logged === undefined) throw mismatch('is a proposal');
  if (envelope === undefined) throw mismatch('is about an envelope, and none was signed');
  const [only, ...others] = logged.signatures;
  if (only === undefined || others.length > 0) throw mismatch('is about an envelope with several signatures');
  checkSignature(only.signature, content);
  checkSigner(parseVerifierPem(only.verifier, what), signer);
  if (!equalBytes(logged.payloadHash, sha256(envelope.payload))) throw mismatch('is about another payload');
  if (logged.payloadType !== undefined && logged.payloadType !== envelope.payloadType) {
    throw mismatch('is about a payload of another type');
  }
}

/** An envelope as Rekor v1 logs it, one signature beside who made it. */
interface LoggedEnvelope {
  readonly payloadHash: Uint8Array;
  readonly payloadType?: string;
  readonly signatures: readonly { readonly signature: Uint8Array; readonly verifier: Uint8Array }[];
}

function loggedEnvelope(body: Exclude<EntryRequestV1, HashedRekordV1>): LoggedEnvelope | undefined {
  if ('payloadHash' in body) return body;
  if (body.kind === 'dsse') return undefined;
  const { payload, payloadType, signatures } = body.envelope;
  return {
    payloadHash: sha256(payload),
    payloadType,
    signatures: signatures.map(({ signature }, index) => ({
      signature,
      verifier: body.verifiers[index] ?? nothing,
    })),
  };
}

function checkV2(
  entry: LogEntry,
  body: EntryV2,
  content: SignedContent,
  signer: EntrySigner,
  signed: SignedHash,
): void {
  if (body.kind !== entry.kind) throw mismatch(`says that it is of the kind ${entry.kind}, and is not`);
  if (body.kind === 'hashedrekord') {
    checkSignatureV2(body, content, signer);
    checkDigest(entryAlgorithms[body.verifier.keyDetails].hash, body.digest, content, signed);
    return;
  }
  const { envelope } = content;
  if (envelope === undefined) throw mismatch('is about an envelope, and none was signed');
  const [only, ...others] = body.signatures;
  if (only === undefined || others.length > 0) throw mismatch('is about an envelope with several signatures');
  checkSignatureV2(only, content, signer);
  if (!equalBytes(body.payloadHash, sha256(envelope.payload))) throw mismatch('is about another payload');
}

function checkSignatureV2(
  { signature, verifier }: SignatureV2,
  content: SignedContent,
  signer: EntrySigner,
): void {
  checkSignature(signature, content);
  checkSigner(verifierOf(verifier.kind, verifier.der, what), signer);
  if (entryAlgorithms[verifier.keyDetails].type !== signer.key.type) {
    throw mismatch('names another kind of key than it has');
  }
}

function checkSignature(signature: Uint8Array, content: SignedContent): void {
  if (!equalBytes(signature, content.signature)) throw mismatch('is about another signature');
}

/** A certificate must be logged as a whole; a key that is trusted may be logged in any certificate. */
function checkSigner(logged: EntryVerifier, signer: EntrySigner): void {
  const isSame =
    signer.kind === 'key'
      ? equalBytes(logged.spki, signer.key.spki)
      : logged.kind === 'certificate' && equalBytes(logged.der, signer.certificate.der);
  if (!isSame) throw mismatch('is about a signature by another key or certificate');
}

function checkDigest(
  hash: SignatureHash,
  digest: Uint8Array,
  content: SignedContent,
  signed: SignedHash,
): void {
  if (hash !== signed) throw mismatch(`is about a signature over ${hash}, and it is over ${signed}`);
  const expected = content.digest(hash);
  if (expected === undefined || !equalBytes(digest, expected)) throw mismatch('is about another artifact');
}
