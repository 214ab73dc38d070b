/** Verifying what a world made, and being refused. */
import assert from 'node:assert/strict';
import { type ErrorCode, isBoltsealError } from '../../src/core/errors.ts';
import { type Bundle, encodeBundle, parseBundle } from '../../src/formats/bundle.ts';
import type { TrustedRoot } from '../../src/formats/trusted-root.ts';
import type { LogEntry, VerificationMaterial } from '../../src/formats/verification-material.ts';
import type { Artifact } from '../../src/verify/artifact.ts';
import { byIdentities } from '../../src/verify/requirements.ts';
import { openTrust } from '../../src/verify/trust.ts';
import { type BlobEvidence, type BlobRequirements, verifyBlob } from '../../src/verify/verify-blob.ts';
import { identity, issuerUrl, type World } from './sigstore-world.ts';

/** What everything signs. */
export const artifact: Uint8Array = new Uint8Array(Buffer.from('a bolt seal\n'));

/** Whoever signs in a world. */
export const anybody: BlobRequirements['signer'] = byIdentities([
  { subject: { kind: 'exact', value: identity }, issuer: { kind: 'exact', value: issuerUrl } },
]);

/** What differs from the usual verification. */
export interface Judging extends Partial<BlobRequirements> {
  readonly root?: TrustedRoot;
  readonly artifact?: Artifact;
}

/** Verifies as it is, without its JSON: what bundles of an older form have is verified too. */
export function judge(world: World, bundle: Bundle, judging: Judging = {}): Promise<BlobEvidence> {
  const { root = world.trustedRoot, artifact: given = artifact, ...required } = judging;
  return verifyBlob(bundle, given, { signer: anybody, trust: openTrust(root), ...required });
}

/** Verifies from the JSON of the bundle on. */
export async function accepts(world: World, bundle: Bundle, judging: Judging = {}): Promise<BlobEvidence> {
  await judge(world, bundle, judging);
  return judge(world, parseBundle(encodeBundle(bundle), 'the bundle'), judging);
}

/** Is refused with exactly this code. */
export async function refuses(
  world: World,
  bundle: Bundle,
  code: ErrorCode,
  judging: Judging = {},
): Promise<void> {
  await assert.rejects(judge(world, bundle, judging), (error) => {
    assert.ok(isBoltsealError(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** A bundle with other material. */
export function withMaterial(bundle: Bundle, changes: Partial<VerificationMaterial>): Bundle {
  return { ...bundle, material: { ...bundle.material, ...changes } };
}

/** A bundle with its one log entry changed. */
export function withEntry(bundle: Bundle, change: (entry: LogEntry) => LogEntry): Bundle {
  return withMaterial(bundle, { logEntries: bundle.material.logEntries.map(change) });
}

/** The one log entry of a bundle. */
export function entryOf(bundle: Bundle): LogEntry {
  const [entry] = bundle.material.logEntries;
  assert.ok(entry !== undefined);
  return entry;
}

/** The one signature of a bundle. */
export function signatureOf({ content }: Bundle): Uint8Array {
  const signature =
    content.kind === 'message' ? content.signature : content.envelope.signatures[0]?.signature;
  assert.ok(signature !== undefined);
  return signature;
}

/** `bytes` with one bit of the byte at `at` changed; counted from the end when it is negative. */
export function flip(bytes: Uint8Array, at = -1): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}
