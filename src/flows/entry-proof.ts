/** Inclusion proofs for entries that came without: a bundle of version 0.3 must have them. */
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { parseCheckpoint } from '../formats/checkpoint.ts';
import { hashLeaf, verifyInclusion } from '../formats/merkle.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { lookUpEntryV1 } from '../services/rekor-search.ts';
import type { ServiceOptions, ServiceRuntime } from '../services/service-request.ts';

/** Where entries are looked up. */
export interface EntryLookup extends ServiceOptions {
  /** The base URL of the log, which has the API of Rekor v1. Nothing is asked without it. */
  readonly rekorUrl?: string | undefined;
}

/** Whether an entry has the proof that a bundle of version 0.3 needs. */
export function hasProof({ inclusionProof }: LogEntry): boolean {
  return inclusionProof !== undefined && inclusionProof.checkpoint !== '';
}

/**
 * `entry` with an inclusion proof: its own, or the one that the log has now. Everything else stays as it was, its signed
 * entry timestamp too. Throws `ERR_USAGE` when the log must be asked and it is not said where it is, and what
 * {@link checkProof} and `lookUpEntryV1` throw.
 */
export async function withProof(
  entry: LogEntry,
  { rekorUrl, ...options }: EntryLookup,
  runtime: ServiceRuntime,
): Promise<LogEntry> {
  if (hasProof(entry)) return entry;
  if (rekorUrl === undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      `log entry ${entry.logIndex} has no inclusion proof, which bundles of version 0.3 must have`,
      {
        hint: 'Name the log that it is of, which has the proof: --rekor-url URL (of the public one, https://rekor.sigstore.dev).',
      },
    );
  }
  const found = await lookUpEntryV1(rekorUrl, entry, runtime, options);
  checkProof(found);
  const { inclusionProof } = found;
  return inclusionProof === undefined ? entry : { ...entry, inclusionProof };
}

/**
 * Checks that the proof of an entry leads from its body to the root of its checkpoint. Whether the checkpoint is signed by
 * a trusted log is for whoever verifies the bundle. Throws `ERR_VERIFY_INCLUSION_PROOF`.
 */
export function checkProof({ canonicalizedBody, inclusionProof, logIndex }: LogEntry): void {
  const wrong = (cause?: unknown): BoltsealError =>
    new BoltsealError(
      'ERR_VERIFY_INCLUSION_PROOF',
      `the inclusion proof of log entry ${logIndex} does not lead to its checkpoint`,
      { cause },
    );
  if (inclusionProof === undefined) throw wrong();
  const { logIndex: leaf, treeSize, hashes, rootHash, checkpoint } = inclusionProof;
  try {
    verifyInclusion(hashLeaf(canonicalizedBody), Number(leaf), Number(treeSize), hashes, rootHash);
    const { size, root } = parseCheckpoint(checkpoint, `the checkpoint of log entry ${logIndex}`);
    if (BigInt(size) !== treeSize || !equalBytes(root, rootHash)) throw wrong();
  } catch (cause) {
    throw cause instanceof BoltsealError && cause.code === 'ERR_VERIFY_INCLUSION_PROOF'
      ? cause
      : wrong(cause);
  }
}
