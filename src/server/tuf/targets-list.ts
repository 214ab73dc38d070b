/** The files that a repository offers, and the metadata that names them. */
import { hash } from 'node:crypto';
import { BoltsealError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { targetFileName } from './load.ts';
import { commonFields, invalid, type SignedJson, sameJson, type TufDocument } from './metadata.ts';

/** A file that clients download and trust. */
export interface TufTarget {
  /** Letters, digits, dots, dashes and underscores: `trusted_root.json`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What clients are told about it beside its hash. */
  readonly custom?: JsonObject;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Throws `ERR_INTERNAL` unless every target can be published: names are safe and unique, sizes within their limits. */
export function checkTargets(targets: readonly TufTarget[]): void {
  const names = new Set(targets.map(({ name }) => name));
  const isBad = ({ name, bytes }: TufTarget): boolean =>
    !namePattern.test(name) || bytes.length > limits.tufTargetBytes;
  if (names.size !== targets.length || targets.length > limits.tufTargets || targets.some(isBad)) {
    throw new BoltsealError(
      'ERR_INTERNAL',
      'these targets cannot be published: a name or size is not allowed',
    );
  }
}

/** The signed part of targets metadata that names `targets`. */
export function targetsJson(
  version: number,
  expires: Date,
  targets: readonly TufTarget[],
): SignedJson & { readonly _type: 'targets' } {
  const entries = targets.map((target) => [target.name, entryOf(target)] as const);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...commonFields('targets', version, expires), targets: Object.fromEntries(sorted) };
}

function entryOf({ bytes, custom }: TufTarget): JsonObject {
  return {
    length: bytes.length,
    hashes: { sha256: hash('sha256', bytes, 'hex') },
    ...(custom === undefined ? {} : { custom }),
  };
}

/** Whether `document` names exactly `targets`. */
export function namesExactly(document: TufDocument<'targets'>, targets: readonly TufTarget[]): boolean {
  const named = document.metadata.signed.targets;
  return (
    Object.keys(named).length === targets.length &&
    targets.every((target) =>
      sameJson(named[target.name]?.toJSON() as JsonObject | undefined, entryOf(target)),
    )
  );
}

/** The files of `targets` by their names in the repository. */
export function filesOf(targets: readonly TufTarget[]): Map<string, Uint8Array> {
  return new Map(
    targets.map(({ name, bytes }) => [targetFileName(hash('sha256', bytes, 'hex'), name), bytes]),
  );
}

/** Throws `ERR_TUF_METADATA_INVALID` unless `document` names exactly `targets`. */
export function checkNames(document: TufDocument<'targets'>, targets: readonly TufTarget[]): void {
  if (!namesExactly(document, targets)) {
    throw invalid('the signed targets metadata', 'it does not name the files that are to be published');
  }
}
