/** One thing to be verified, and what both verifiers say about it. */
import { createHash, createPublicKey } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import {
  type KeyFinderFunc,
  type SignedEntity,
  type TrustMaterial,
  toSignedEntity,
  toTrustMaterial,
  type VerificationPolicy,
  Verifier,
} from '@sigstore/verify';
import { BoltsealError } from '../../../src/core/errors.ts';
import { parseBundle } from '../../../src/formats/bundle.ts';
import { parsePublicKey } from '../../../src/formats/public-key.ts';
import { parseTrustedRoot } from '../../../src/formats/trusted-root.ts';
import type { TextRequirement } from '../../../src/verify/identity.ts';
import { byIdentities, byKeys, type SignerRequirement } from '../../../src/verify/requirements.ts';
import { openTrust, type Trust } from '../../../src/verify/trust.ts';
import { verifyBlob } from '../../../src/verify/verify-blob.ts';

/** Who must have signed. */
export type TrialSigner =
  | { readonly kind: 'identity'; readonly subject: TextRequirement; readonly issuer: string }
  /** PEM, or SubjectPublicKeyInfo DER. */
  | { readonly kind: 'key'; readonly key: Uint8Array };

/** Everything that a verifier is given. */
export interface Trial {
  /** A bundle's JSON. */
  readonly bundle: Uint8Array;
  /** A trusted root's JSON. */
  readonly root: Uint8Array;
  readonly artifact: Artifact;
  readonly signer: TrialSigner;
  /** Log entries that are required, of distinct logs. */
  readonly logEntries: number;
}

/** The artifact, or its SHA-256 alone. */
export type Artifact =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'digest'; readonly sha256: Uint8Array };

/** What a verifier says. */
export type Verdict =
  | { readonly accepted: true }
  | {
      readonly accepted: false;
      /** Of ours the stable code; of theirs the name of the error. */
      readonly code: string;
      readonly message: string;
      readonly error: unknown;
    };

/** SHA-256 of an artifact. */
export function artifactDigest(artifact: Artifact): Uint8Array {
  return artifact.kind === 'digest'
    ? artifact.sha256
    : new Uint8Array(createHash('sha256').update(artifact.bytes).digest());
}

const trusts = new WeakMap<Uint8Array, Trust>();

function trustOf(root: Uint8Array): Trust {
  const trust = trusts.get(root) ?? openTrust(parseTrustedRoot(root));
  trusts.set(root, trust);
  return trust;
}

/** What this project's kernel says. Throws when it fails with an error that is not its own. */
export async function judgeOurs(trial: Trial): Promise<Verdict> {
  const { artifact, signer, logEntries } = trial;
  try {
    const trust = trustOf(trial.root);
    const required: SignerRequirement =
      signer.kind === 'key'
        ? byKeys([parsePublicKey(signer.key)])
        : byIdentities([{ subject: signer.subject, issuer: { kind: 'exact', value: signer.issuer } }]);
    const given = artifact.kind === 'bytes' ? artifact.bytes : { sha256: artifact.sha256 };
    await verifyBlob(parseBundle(trial.bundle, 'the bundle'), given, { signer: required, trust, logEntries });
    return { accepted: true };
  } catch (error) {
    if (!(error instanceof BoltsealError)) throw error;
    return { accepted: false, code: error.code, message: error.message, error };
  }
}

/** What `@sigstore/verify` is given, ready. */
export interface TheirParts {
  entity: SignedEntity;
  trust: TrustMaterial;
  policy: VerificationPolicy;
}

/** Changes what they are given, where they cannot do what a rule asks for: see `differences.ts`. */
export type Adjustment = (parts: TheirParts, trial: Trial) => void;

const theirTrusts = new WeakMap<Uint8Array, TrustMaterial>();

function theirTrustOf({ root, signer }: Trial): TrustMaterial {
  // The hint says which key it is, and there is but one.
  const keys: KeyFinderFunc = () => {
    if (signer.kind !== 'key') throw new Error('no key is known');
    const key = Buffer.from(signer.key);
    const isPem = key.subarray(0, 5).toString() === '-----';
    const publicKey = createPublicKey(isPem ? key : { key, format: 'der', type: 'spki' });
    return { publicKey, validFor: () => true };
  };
  const known = theirTrusts.get(root);
  if (known !== undefined) return { ...known, publicKey: keys };
  const trust = toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(Buffer.from(root).toString())), keys);
  theirTrusts.set(root, trust);
  return trust;
}

function policyOf(signer: TrialSigner): VerificationPolicy {
  if (signer.kind === 'key') return {};
  const { subject, issuer } = signer;
  const pattern =
    subject.kind === 'pattern'
      ? subject.pattern
      : `^${subject.value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`;
  return { subjectAlternativeName: pattern, extensions: { issuer } };
}

/** What `@sigstore/verify` says, with all that it has: it is given everything that ours is given. */
export function judgeTheirs(trial: Trial, adjustments: readonly Adjustment[] = []): Verdict {
  const { artifact, signer, logEntries } = trial;
  try {
    const bundle = bundleFromJSON(JSON.parse(Buffer.from(trial.bundle).toString()));
    const isMessage = bundle.content.$case === 'messageSignature';
    const data = isMessage && artifact.kind === 'bytes' ? Buffer.from(artifact.bytes) : undefined;
    const parts: TheirParts = {
      entity: toSignedEntity(bundle, data),
      trust: theirTrustOf(trial),
      policy: policyOf(signer),
    };
    for (const adjust of adjustments) adjust(parts, trial);
    // A key needs no time, a certificate does.
    const timestampThreshold = signer.kind === 'key' ? 0 : 1;
    const verifier = new Verifier(parts.trust, { tlogThreshold: logEntries, timestampThreshold });
    const { key } = parts.entity;
    if (signer.kind === 'identity' && key.$case === 'public-key') throw new Error('it is signed by a key');
    if (signer.kind === 'key' && key.$case === 'certificate') {
      parts.entity = { ...parts.entity, key: { $case: 'public-key', hint: '' } };
    }
    verifier.verify(parts.entity, parts.policy);
    return { accepted: true };
  } catch (error) {
    const known = error instanceof Error ? error : new Error(String(error));
    return { accepted: false, code: known.name, message: known.message, error };
  }
}
