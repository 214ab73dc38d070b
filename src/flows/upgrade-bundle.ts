/**
 * Older bundles as bundles of version 0.3: what cosign’s `bundle upgrade` does, and cosign’s blob bundles too. Nothing is
 * lost silently.
 */
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { type BlobBundle, isBlobBundle, parseBlobBundle } from '../formats/blob-bundle.ts';
import { type Bundle, type BundleVersion, encodeBundle, parseBundle } from '../formats/bundle.ts';
import { parseCertificate } from '../formats/certificate.ts';
import { type EntryV1, parseEntryV1 } from '../formats/log-entry-v1.ts';
import { parseVerifierPem } from '../formats/log-entry-verifier.ts';
import { nameText } from '../formats/name.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { ServiceRuntime } from '../services/service-request.ts';
import { type BundleParts, createBundle } from './create-bundle.ts';
import { type EntryLookup, hasProof, withProof } from './entry-proof.ts';

/** A bundle of version 0.3, and what became of what it was made of. */
export interface UpgradedBundle {
  readonly from: BundleVersion | 'blob-bundle';
  /** Of a bundle that had version 0.3 already, exactly what was given. */
  readonly bytes: Uint8Array;
  readonly bundle: Bundle;
  /** The subjects of certificates above the leaf that were left out: version 0.3 has only the leaf. */
  readonly leftOut: readonly string[];
  /** The indexes of log entries whose inclusion proofs were asked for. */
  readonly proven: readonly bigint[];
}

/**
 * The bundle of version 0.3 that says the same. `bytes` are a Sigstore bundle of any version, whose signature is not
 * judged, or a blob bundle of cosign's, whose signature must verify with the key that it or its log entry names. A log
 * entry without inclusion proof is completed from the log that `lookup` names; without one it is an error.
 *
 * Throws `ERR_BUNDLE_INVALID`, `ERR_USAGE` for what cannot be upgraded without more, and what {@link createBundle} and
 * {@link withProof} throw.
 */
export async function upgradeBundle(
  bytes: Uint8Array,
  what: string,
  lookup: EntryLookup,
  runtime: ServiceRuntime,
): Promise<UpgradedBundle> {
  if (isBlobBundle(parseJson(bytes, { what, maxBytes: limits.bundleBytes }))) {
    return upgradeBlobBundle(parseBlobBundle(bytes, what), what, lookup, runtime);
  }
  const old = parseBundle(bytes, what);
  const from = old.version;
  if (from === '0.3') return { from, bytes, bundle: old, leftOut: [], proven: [] };
  const { logEntries, certificates } = old.material;
  const proven = logEntries.filter((entry) => !hasProof(entry)).map(({ logIndex }) => logIndex);
  const completed: LogEntry[] = [];
  for (const entry of logEntries) completed.push(await withProof(entry, lookup, runtime));
  const upgraded = encodeBundle({
    content: old.content,
    material: { ...old.material, logEntries: completed },
  });
  return {
    from,
    bytes: upgraded,
    bundle: parseBundle(upgraded, 'the upgraded bundle'),
    leftOut: (certificates ?? []).slice(1).map(subjectOf),
    proven,
  };
}

function subjectOf(der: Uint8Array): string {
  try {
    return nameText(parseCertificate(der).subject, 'the certificate');
  } catch (error) {
    if (isBoltsealError(error)) return 'a certificate that cannot be read';
    throw error;
  }
}

async function upgradeBlobBundle(
  blob: BlobBundle,
  what: string,
  lookup: EntryLookup,
  runtime: ServiceRuntime,
): Promise<UpgradedBundle> {
  const { content, signer, logEntry } = blob;
  const logged =
    logEntry === undefined ? undefined : parseEntryV1(logEntry.canonicalizedBody, 'the log entry');
  const parts: BundleParts = {
    content,
    logEntry,
    signer: signerOf(signer, logged, what),
    artifact: content.kind === 'envelope' ? undefined : { sha256: digestOf(logged, what) },
  };
  const { bytes, bundle } = await createBundle(parts, logEntry === undefined ? {} : lookup, runtime);
  return {
    from: 'blob-bundle',
    bytes,
    bundle,
    leftOut: signer?.kind === 'certificates' ? signer.certificates.slice(1).map(subjectOf) : [],
    proven: logEntry === undefined ? [] : [logEntry.logIndex],
  };
}

/** The way on when a blob bundle does not hold everything that a bundle must. */
function incomplete(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', `${what} ${why}`, {
    hint: 'Make a new one of it: boltseal bundle create --bundle FILE --artifact FILE, with --key if a key pair signed.',
  });
}

/** Who signed, as the bundle says, or the log. */
function signerOf(
  signer: BlobBundle['signer'],
  logged: EntryV1 | undefined,
  what: string,
): BundleParts['signer'] {
  if (signer?.kind === 'publicKey')
    return { kind: 'key', key: parsePublicKey(signer.spki, `the key in ${what}`) };
  const leaf = signer?.certificates[0];
  if (leaf !== undefined) return { kind: 'certificate', certificate: leaf };
  const pem = logged?.kind === 'hashedrekord' ? logged.verifier : logged?.signatures[0]?.verifier;
  if (pem === undefined) throw incomplete(what, 'does not say who signed');
  const verifier = parseVerifierPem(pem, 'the log entry');
  return verifier.kind === 'certificate'
    ? { kind: 'certificate', certificate: verifier.der }
    : { kind: 'key', key: parsePublicKey(verifier.spki, 'the key in the log entry') };
}

/** What was signed, as the log says; the signature is then verified over it. */
function digestOf(logged: EntryV1 | undefined, what: string): Uint8Array {
  if (logged?.kind === 'hashedrekord' && logged.hash === 'sha256') return logged.digest;
  throw incomplete(what, 'does not say which file was signed');
}
