/**
 * A bundle of parts that were made by somebody else: what cosign’s `bundle create` does, and checks that cosign does not
 * make. What does not belong together never becomes a bundle.
 */
import { equalBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import {
  type Bundle,
  type BundleContent,
  bundleMediaType,
  encodeBundle,
  type MessageHash,
  parseBundle,
} from '../formats/bundle.ts';
import { certificateKey, parseCertificate } from '../formats/certificate.ts';
import { hashNameOf } from '../formats/cms.ts';
import { type Envelope, envelopeJson, preAuthEncoding } from '../formats/dsse.ts';
import { encodeEntryV1 } from '../formats/log-entry-v1.ts';
import { encodeVerifierPem, verifierOf } from '../formats/log-entry-verifier.ts';
import { sha256 } from '../formats/merkle.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { parseTimestampResponse, requireGranted } from '../formats/timestamp.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { findEntriesV1 } from '../services/rekor-search.ts';
import type { ServiceRuntime } from '../services/service-request.ts';
import type { Artifact } from '../verify/artifact.ts';
import { authenticate, type SignatureHash } from '../verify/authenticate.ts';
import { entityFromBundle } from '../verify/entity.ts';
import { checkEntryBody } from '../verify/log-entry-body.ts';
import { byKeys } from '../verify/requirements.ts';
import { digestsOf, type EntrySigner, knownDigests, type SignedContent } from '../verify/signed-content.ts';
import { verifyBlob } from '../verify/verify-blob.ts';
import { checkProof, type EntryLookup, withProof } from './entry-proof.ts';

/** What a bundle is made of. */
export interface BundleParts {
  /** The file that was signed, or its digests. Of an envelope it may be left out; else it must be a subject of its statement. */
  readonly artifact?: Artifact | undefined;
  readonly content:
    | { readonly kind: 'signature'; readonly signature: Uint8Array }
    | {
        readonly kind: 'envelope';
        readonly envelope: Envelope;
        /** Its JSON as it was logged, when that is known: logs keep its hash. */
        readonly text?: string | undefined;
      };
  /** Who signed: the leaf certificate, DER, or a public key. */
  readonly signer:
    | { readonly kind: 'certificate'; readonly certificate: Uint8Array }
    | { readonly kind: 'key'; readonly key: PublicKey };
  /** RFC 3161 timestamp responses of the signature, DER. */
  readonly timestamps?: readonly Uint8Array[] | undefined;
  /** An entry of the signature that is known, of Rekor v1; it may lack its inclusion proof. */
  readonly logEntry?: LogEntry | undefined;
}

/** A bundle that was made. */
export interface CreatedBundle {
  /** Version 0.3, as cosign 3 writes it. */
  readonly bytes: Uint8Array;
  readonly bundle: Bundle;
}

/**
 * A bundle v0.3 of `parts`. The signature must verify with the key given or that of the certificate, timestamps must be
 * of it, and a log entry about it. With `rekorUrl` the entry of the signature is looked up in that log and included; it is
 * an error when there is none. No trust is involved: who signed, and whether the log and the timestamp authority are
 * trusted, is for whoever verifies the bundle.
 *
 * Throws `ERR_VERIFY_SIGNATURE`, `ERR_VERIFY_DIGEST`, `ERR_VERIFY_TIMESTAMP`, `ERR_VERIFY_LOG_ENTRY`,
 * `ERR_VERIFY_LOG_MISSING`, `ERR_VERIFY_INCLUSION_PROOF`, `ERR_USAGE`, and what the parsers and requests throw.
 */
export async function createBundle(
  parts: BundleParts,
  lookup: EntryLookup,
  runtime: ServiceRuntime,
): Promise<CreatedBundle> {
  const signer = entrySigner(parts.signer);
  const content = contentOf(parts);
  const hash = await verifiedWith(content, parts.artifact, signer.key);
  const signed = signedContent(parts);
  for (const timestamp of parts.timestamps ?? []) checkTimestamp(timestamp, signed.signature);
  const logEntries = await provenEntries(parts, { signed, signer, hash }, lookup, runtime);
  const who =
    signer.kind === 'key' ? { publicKeyHint: signer.key.hint } : { certificates: [signer.certificate.der] };
  const bytes = encodeBundle({
    material: { ...who, timestamps: parts.timestamps ?? [], logEntries },
    content: withDigest(content, signed, hash),
  });
  return { bytes, bundle: parseBundle(bytes, 'the new bundle') };
}

function entrySigner(signer: BundleParts['signer']): EntrySigner {
  if (signer.kind === 'key') return signer;
  const certificate = parseCertificate(signer.certificate);
  return { kind: 'certificate', certificate, key: certificateKey(certificate) };
}

function contentOf({ content }: BundleParts): BundleContent {
  if (content.kind === 'signature') return { kind: 'message', signature: content.signature };
  const { payload, payloadType, signatures } = content.envelope;
  const [first, ...others] = signatures;
  if (first === undefined || others.length > 0) {
    throw new BoltsealError(
      'ERR_USAGE',
      `the envelope has ${signatures.length} signatures, and a bundle holds exactly one`,
    );
  }
  // Without its key id: cosign refuses envelopes that have one, and no signature covers it.
  const { signature } = first;
  return { kind: 'envelope', envelope: { payload, payloadType, signatures: [{ signature }] } };
}

/** The hash that the signature was verified with. The key alone decides here, whoever it was certified to. */
async function verifiedWith(
  content: BundleContent,
  artifact: Artifact | undefined,
  key: PublicKey,
): Promise<SignatureHash | 'pure'> {
  const material = { publicKeyHint: '', timestamps: [], logEntries: [] };
  if (artifact !== undefined) {
    const bundle = { mediaType: bundleMediaType, version: '0.3', material, content } as const;
    const { signedBy } = await verifyBlob(bundle, artifact, { signer: byKeys([key]) });
    return signedBy.hash;
  }
  if (content.kind !== 'envelope') {
    throw new BoltsealError(
      'ERR_USAGE',
      'the file that was signed is needed to make a bundle of its signature',
      { hint: 'Give it: --artifact FILE.' },
    );
  }
  const entity = entityFromBundle(encodeBundle({ material, content }), { place: 'file' });
  return authenticate(entity, [key]).hash;
}

function signedContent({ artifact, content }: BundleParts): SignedContent {
  if (content.kind === 'signature') {
    const digest = artifact instanceof Uint8Array ? digestsOf(artifact) : knownDigests({ ...artifact });
    return { signature: content.signature, digest };
  }
  const { payload, payloadType, signatures } = content.envelope;
  return {
    signature: signatures[0]?.signature ?? new Uint8Array(0),
    digest: digestsOf(preAuthEncoding(payloadType, payload)),
    envelope: { payload, payloadType },
  };
}

const messageHashes: Readonly<Record<SignatureHash | 'pure', readonly [SignatureHash, MessageHash]>> = {
  sha256: ['sha256', 'SHA2_256'],
  sha384: ['sha384', 'SHA2_384'],
  sha512: ['sha512', 'SHA2_512'],
  // The signature covers the file itself; the digest is then only a name for it.
  pure: ['sha256', 'SHA2_256'],
};

function withDigest(
  content: BundleContent,
  signed: SignedContent,
  hash: SignatureHash | 'pure',
): BundleContent {
  if (content.kind === 'envelope') return content;
  const [name, algorithm] = messageHashes[hash];
  const digest = signed.digest(name);
  return digest === undefined ? content : { ...content, digest: { algorithm, digest } };
}

/** Throws `ERR_VERIFY_TIMESTAMP` unless the timestamp is of this signature, and what reading it throws. */
function checkTimestamp(der: Uint8Array, signature: Uint8Array): void {
  const { imprint } = requireGranted(parseTimestampResponse(der, 'the timestamp'), 'the timestamp').info;
  const name = hashNameOf(imprint.hashAlgorithm);
  if (name !== undefined && equalBytes(digestsOf(signature)(name), imprint.digest)) return;
  throw new BoltsealError('ERR_VERIFY_TIMESTAMP', 'the timestamp is of another signature');
}

/** A signature that was verified. */
interface Verified {
  readonly signed: SignedContent;
  readonly signer: EntrySigner;
  readonly hash: SignatureHash | 'pure';
}

/** The entry that is known with its proof, or the one that the log has; none when neither is there. */
async function provenEntries(
  parts: BundleParts,
  verified: Verified,
  lookup: EntryLookup,
  runtime: ServiceRuntime,
): Promise<readonly LogEntry[]> {
  const { signed, signer, hash } = verified;
  const check = (entry: LogEntry): void => checkEntryBody(entry, signed, signer, hash);
  if (parts.logEntry !== undefined) {
    check(parts.logEntry);
    return [await withProof(parts.logEntry, lookup, runtime)];
  }
  const { rekorUrl, ...options } = lookup;
  if (rekorUrl === undefined) return [];
  const found = await findEntriesV1(rekorUrl, loggedBodies(parts, verified), runtime, options);
  // Trees follow each other, and one signature may be in several: the first is what proves its age.
  const [first] = [...found].sort((a, b) => Number((a.integratedTime ?? 0n) - (b.integratedTime ?? 0n)));
  if (first === undefined) {
    throw new BoltsealError('ERR_VERIFY_LOG_MISSING', `the log ${rekorUrl} has no entry of this signature`, {
      hint: 'Without --rekor-url the bundle is made without a log entry.',
    });
  }
  check(first);
  checkProof(first);
  return [first];
}

/** What the log has of this signature when it has it, in every form that was ever logged. */
function loggedBodies(parts: BundleParts, { signed, signer, hash }: Verified): readonly Uint8Array[] {
  const verifier = encodeVerifierPem(
    signer.kind === 'key'
      ? verifierOf('publicKey', signer.key.spki, 'the key')
      : verifierOf('certificate', signer.certificate.der, 'the certificate'),
  );
  const { content } = parts;
  const { signature } = signed;
  if (content.kind === 'signature') {
    const digest = hash === 'pure' ? undefined : signed.digest(hash);
    if (hash === 'pure' || digest === undefined) return [];
    return [encodeEntryV1({ kind: 'hashedrekord', hash, digest, signature, verifier })];
  }
  const { payload, payloadType, signatures } = content.envelope;
  const keyId = signatures[0]?.keyId;
  const payloadHash = sha256(payload);
  const intoto = { signature, verifier, ...(keyId === undefined ? {} : { keyId }) };
  return envelopeTexts(content.envelope, content.text).flatMap((text) => {
    const envelopeHash = sha256(utf8(text));
    return [
      encodeEntryV1({ kind: 'dsse', envelopeHash, payloadHash, signatures: [{ signature, verifier }] }),
      encodeEntryV1({ kind: 'intoto', payloadType, signatures: [intoto], envelopeHash, payloadHash }),
    ];
  });
}

/** The JSON of an envelope as its file has it, as Boltseal and cosign 3 write it, and as cosign 2 does. */
function envelopeTexts(envelope: Envelope, text: string | undefined): readonly string[] {
  const { payload, payloadType, signatures } = envelopeJson(envelope);
  const sig = (signatures as readonly { readonly sig: string; readonly keyid?: string }[])[0];
  const cosign2 = { payloadType, payload, signatures: [{ keyid: sig?.keyid ?? '', sig: sig?.sig ?? '' }] };
  const cosign3 = { payload, payloadType, signatures };
  return [
    ...new Set([...(text === undefined ? [] : [text]), JSON.stringify(cosign3), JSON.stringify(cosign2)]),
  ];
}
