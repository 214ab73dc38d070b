/** The verification of a bundle that signs a file, from bundle and artifact to evidence. */
import { hash } from 'node:crypto';
import { type Digest, digestAlgorithm } from '../core/digest.ts';
import { equalBytes, hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import type { Bundle, BundleContent, MessageHash } from '../formats/bundle.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { parseStatement, type Statement, type StatementSubject } from '../formats/statement.ts';
import type { Artifact } from './artifact.ts';
import { type Authentication, findKey, type SignatureHash } from './authenticate.ts';
import { requirePredicateType } from './bind.ts';
import { signatureHashes } from './signature.ts';
import { digestsOf, knownDigests, type SignedContent } from './signed-content.ts';
import { type ExpectedSigner, expectSigner, type SignatureRequirements } from './signer.ts';
import type { SignedBy, VerifiedMaterial } from './verdict.ts';

/** What a bundle about a file must satisfy. */
export interface BlobRequirements extends SignatureRequirements {
  /** Accepted predicate types of a statement; any when it is left out. Given, the artifact's own signature is none. */
  readonly predicateTypes?: readonly string[] | undefined;
}

/** Proof that a bundle was accepted for an artifact. Only the verifier makes these. */
export interface BlobEvidence {
  readonly bundle: Bundle;
  /** What was signed when it is an attestation about the artifact; undefined when the artifact itself was signed. */
  readonly statement: Statement | undefined;
  readonly signedBy: SignedBy;
  readonly material: VerifiedMaterial;
}

const what = 'the signature in the bundle';

/**
 * Evidence that `bundle` is a signature of exactly `artifact`, or an attestation with it among its subjects, by one of
 * those who are required; or an error that says why not. Rejects with what `expectSigner` and its `conclude` throw,
 * `ERR_VERIFY_SIGNATURE`, `ERR_VERIFY_KEY_MISMATCH`, `ERR_VERIFY_DIGEST`, `ERR_VERIFY_PAYLOAD_TYPE`,
 * `ERR_VERIFY_PREDICATE_TYPE`, `ERR_STATEMENT_INVALID`, `ERR_DIGEST_INVALID`, and `ERR_VERIFY_UNSUPPORTED` when digests
 * are not enough: a pure Ed25519 signature needs the artifact itself.
 */
export async function verifyBlob(
  bundle: Bundle,
  artifact: Artifact,
  required: BlobRequirements,
): Promise<BlobEvidence> {
  const expected = expectSigner(bundle.material, required, true);
  const digests: Digests =
    artifact instanceof Uint8Array ? digestsOf(artifact) : knownDigests({ ...artifact });
  const signed = signedOf(bundle.content, artifact, digests, required);
  const authentication = await authenticateContent(signed, expected, required.hash);
  const verdict = expected.conclude(authentication, signed.content);
  const statement =
    bundle.content.kind === 'envelope'
      ? readStatement(bundle.content.envelope.payload, digests, required.predicateTypes)
      : undefined;
  return { bundle, statement, ...verdict };
}

type Digests = (hash: SignatureHash) => Uint8Array | undefined;

/** What the signature covers, when it is at hand, and what log entries say of it. */
interface Signed {
  readonly bytes: Uint8Array | undefined;
  readonly content: SignedContent;
}

function signedOf(
  content: BundleContent,
  artifact: Artifact,
  digests: Digests,
  { predicateTypes }: BlobRequirements,
): Signed {
  if (content.kind === 'message') {
    if (predicateTypes !== undefined) {
      throw new BoltsealError(
        'ERR_VERIFY_PREDICATE_TYPE',
        'the bundle is a signature, and an attestation is required',
      );
    }
    checkMessageDigest(content, artifact, digests);
    const bytes = artifact instanceof Uint8Array ? artifact : undefined;
    return { bytes, content: { signature: content.signature, digest: digests } };
  }
  const { payload, payloadType, signatures } = content.envelope;
  if (payloadType !== inTotoPayloadType) {
    const shown = JSON.stringify(payloadType.slice(0, 100));
    throw new BoltsealError(
      'ERR_VERIFY_PAYLOAD_TYPE',
      `the payload of the bundle is of type ${shown}, not ${inTotoPayloadType}`,
    );
  }
  const [only, ...others] = signatures;
  if (only === undefined || others.length > 0) {
    throw new BoltsealError(
      'ERR_BUNDLE_INVALID',
      `the envelope has ${signatures.length} signatures, not one`,
    );
  }
  const bytes = preAuthEncoding(payloadType, payload);
  const { signature } = only;
  return { bytes, content: { signature, digest: digestsOf(bytes), envelope: { payload, payloadType } } };
}

const sha2Names: Readonly<Partial<Record<MessageHash, SignatureHash>>> = {
  SHA2_256: 'sha256',
  SHA2_384: 'sha384',
  SHA2_512: 'sha512',
};

/** The digest that a bundle names is a hint, and nothing is made of it but this: it must not be another. */
function checkMessageDigest(
  { digest: named }: BundleContent & { readonly kind: 'message' },
  artifact: Artifact,
  digests: Digests,
): void {
  if (named === undefined) return;
  const sha2 = sha2Names[named.algorithm];
  let found: Uint8Array | undefined;
  if (sha2 !== undefined) found = digests(sha2);
  else if (artifact instanceof Uint8Array) {
    found = hash(named.algorithm === 'SHA3_256' ? 'sha3-256' : 'sha3-384', artifact, 'buffer');
  }
  if (found === undefined || equalBytes(found, named.digest)) return;
  throw new BoltsealError(
    'ERR_VERIFY_DIGEST',
    `the bundle is about another artifact: its digest is ${hex(named.digest).slice(0, 128)}, not ${hex(found)}`,
    { hint: 'The bundle belongs to another file, or the file was changed after it was signed.' },
  );
}

/** The key that verifies the signature; with digests alone, as far as they go. */
async function authenticateContent(
  { bytes, content }: Signed,
  expected: ExpectedSigner,
  only: SignatureHash | undefined,
): Promise<Authentication> {
  const { signature } = content;
  const found = bytes && findKey(expected.keys, bytes, signature, only);
  if (found !== undefined) return found;
  for (const key of expected.keys) {
    for (const name of digestHashes(key, bytes !== undefined, only)) {
      const digest = content.digest(name);
      if (digest !== undefined && (await verifiesDigest(key, name, digest, signature)))
        return { key, hash: name };
    }
  }
  if (bytes === undefined && expected.keys.some(({ type }) => type === 'ed25519')) {
    throw new BoltsealError('ERR_VERIFY_UNSUPPORTED', `${what} may be over the artifact itself`, {
      hint: 'Ed25519 signs no digest: give the artifact instead of its digest.',
    });
  }
  throw expected.refuse(what);
}

/** The hashes of digests that are tried: all of them, or what Node cannot verify with the bytes, which is Ed25519ph. */
function digestHashes(
  { type }: PublicKey,
  hasBytes: boolean,
  only: SignatureHash | undefined,
): readonly SignatureHash[] {
  if (type === 'ed25519') return ['sha512'];
  return hasBytes ? [] : signatureHashes(type, only).filter((hash) => hash !== 'pure');
}

async function verifiesDigest(
  key: PublicKey,
  name: SignatureHash,
  digest: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  try {
    // Loaded when it is used: it prepares curves for what few verifications need.
    const { verifyDigestSignature } = await import('./digest-signature.ts');
    await verifyDigestSignature(key, name, digest, signature);
    return true;
  } catch (error) {
    if (error instanceof BoltsealError && error.code === 'ERR_VERIFY_SIGNATURE') return false;
    throw error;
  }
}

/** The statement, which must be about the artifact. */
function readStatement(
  payload: Uint8Array,
  digests: Digests,
  predicateTypes: readonly string[] | undefined,
): Statement {
  const statement = parseStatement(payload, 'the payload of the bundle');
  if (predicateTypes !== undefined) {
    requirePredicateType(statement.predicateType, predicateTypes, 'the payload of the bundle');
  }
  if (statement.subjects.some((subject) => isAbout(subject, digests))) return statement;
  const found = statement.subjects.flatMap((subject) => subject.digests).slice(0, 10);
  throw new BoltsealError(
    'ERR_VERIFY_DIGEST',
    `the attestation is about ${found.join(', ') || 'nothing with a SHA-256 or SHA-512 digest'}, not about this artifact`,
    { hint: 'It belongs to another file, or the file was changed.', details: { found } },
  );
}

/** Whether a subject names the artifact: by one digest at least, and none of another artifact. */
function isAbout(subject: StatementSubject, digests: Digests): boolean {
  const judged = subject.digests.map((digest) => {
    const known = digests(digestAlgorithm(digest));
    return known && textOf(digestAlgorithm(digest), known) === digest;
  });
  return judged.includes(true) && !judged.includes(false);
}

function textOf(algorithm: 'sha256' | 'sha512', digest: Uint8Array): Digest {
  return `${algorithm}:${hex(digest)}`;
}
