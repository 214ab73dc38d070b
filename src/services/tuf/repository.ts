/**
 * The documents of a TUF repository, verified from a pinned root on with `@tufjs/models`. A repository that was just
 * followed and one that was kept are verified in the same way.
 * {@link https://theupdateframework.github.io/specification/v1.0.31/#detailed-client-workflow TUF 1.0.31, 5}
 */
import { Readable } from 'node:stream';
import {
  Metadata,
  MetadataKind,
  type Root,
  type Snapshot,
  type TargetFile,
  type Targets,
  type Timestamp,
} from '@tufjs/models';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { invalidMetadata, readDocument, type TufRole } from './document.ts';
import type { TufDocuments, TufState } from './state.ts';

interface Signed {
  readonly root: Root;
  readonly timestamp: Timestamp;
  readonly snapshot: Snapshot;
  readonly targets: Targets;
}

const kinds = {
  root: MetadataKind.Root,
  timestamp: MetadataKind.Timestamp,
  snapshot: MetadataKind.Snapshot,
  targets: MetadataKind.Targets,
} as const;

/** Reads metadata of `role`; signatures are not verified. Throws as `readDocument`. */
export function parseMetadata<Role extends TufRole>(
  role: Role,
  bytes: Uint8Array,
  what: string,
): Metadata<Signed[Role]> {
  const document = readDocument(role, bytes, what);
  return verified(what, () => {
    // The overloads want one kind at a time.
    const metadata: unknown = Metadata.fromJSON(kinds[role] as MetadataKind.Root, document as never);
    return metadata as Metadata<Signed[Role]>;
  });
}

/** Runs checks of the library, whose errors become `ERR_TUF_METADATA_INVALID`. */
function verified<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (cause) {
    if (isBoltsealError(cause)) throw cause;
    throw invalidMetadata(what, cause instanceof Error ? cause.message : 'it cannot be read', cause);
  }
}

/** Root metadata that is trusted as it is, and signed by its own keys. Throws as {@link verifyRepository}. */
export function readPinnedRoot(bytes: Uint8Array): Metadata<Root> {
  const what = 'the root that is trusted';
  const root = parseMetadata('root', bytes, what);
  verified(what, () => root.verifyDelegate(MetadataKind.Root, root));
  return root;
}

/**
 * Verifies everything: each root is one version newer and signed by the keys of the one before and its own; timestamp,
 * snapshot and targets by those of the newest; versions, lengths and digests are what the metadata above says; and each
 * file is a target. Throws `ERR_TUF_METADATA_INVALID`, `ERR_DIGEST_MISMATCH`, `ERR_LIMIT_EXCEEDED` and what `parseJson`
 * throws.
 */
export async function verifyRepository(pinned: Uint8Array, documents: TufDocuments): Promise<TufState> {
  const root = followRoots(pinned, documents.roots);
  const timestamp = readSigned('timestamp', documents.timestamp, root);
  const { snapshotMeta } = timestamp.signed;
  verified('snapshot.json', () => snapshotMeta.verify(Buffer.from(documents.snapshot)));
  const snapshot = readSigned('snapshot', documents.snapshot, root);
  requireVersion(snapshot, snapshotMeta.version, 'snapshot.json');
  const targetsMeta = snapshot.signed.meta['targets.json'];
  if (targetsMeta === undefined) throw invalidMetadata('snapshot.json', 'it names no targets.json');
  verified('targets.json', () => targetsMeta.verify(Buffer.from(documents.targets)));
  const targets = readSigned('targets', documents.targets, root);
  requireVersion(targets, targetsMeta.version, 'targets.json');
  for (const [name, bytes] of documents.files) await verifyFile(targets.signed, name, bytes);
  const all = { root, timestamp, snapshot, targets };
  const byRole = <T>(read: (signed: Root | Timestamp | Snapshot | Targets) => T): Record<TufRole, T> => ({
    root: read(all.root.signed),
    timestamp: read(all.timestamp.signed),
    snapshot: read(all.snapshot.signed),
    targets: read(all.targets.signed),
  });
  return {
    ...documents,
    root: documents.roots.at(-1) ?? pinned,
    versions: byRole(({ version }) => version),
    expires: byRole(({ expires }) => new Date(expires)),
  };
}

function followRoots(pinned: Uint8Array, roots: readonly Uint8Array[]): Metadata<Root> {
  let root = readPinnedRoot(pinned);
  for (const bytes of roots) {
    const what = `${root.signed.version + 1}.root.json`;
    const next = parseMetadata('root', bytes, what);
    const current = root;
    requireVersion(next, current.signed.version + 1, what);
    verified(what, () => {
      current.verifyDelegate(MetadataKind.Root, next);
      next.verifyDelegate(MetadataKind.Root, next);
    });
    root = next;
  }
  return root;
}

function readSigned<Role extends Exclude<TufRole, 'root'>>(
  role: Role,
  bytes: Uint8Array,
  root: Metadata<Root>,
): Metadata<Signed[Role]> {
  const what = `${role}.json`;
  const metadata = parseMetadata(role, bytes, what);
  verified(what, () => root.verifyDelegate(kinds[role], metadata as Metadata<Targets>));
  return metadata;
}

function requireVersion(metadata: Metadata<Root | Snapshot | Targets>, version: number, what: string): void {
  if (metadata.signed.version === version) return;
  throw invalidMetadata(what, `it is version ${metadata.signed.version}, and ${version} is wanted`);
}

async function verifyFile(targets: Targets, name: string, bytes: Uint8Array): Promise<void> {
  const target = targetOf(targets, name);
  if (target === undefined) throw invalidMetadata(name, 'it is no target');
  try {
    await target.verify(Readable.from([bytes]));
  } catch (cause) {
    throw new BoltsealError('ERR_DIGEST_MISMATCH', `${name} is not the file that its metadata names`, {
      cause,
    });
  }
}

/** The target `name`; those of delegated roles are not looked at. */
export function targetOf(targets: Targets, name: string): TargetFile | undefined {
  return Object.hasOwn(targets.targets, name) ? targets.targets[name] : undefined;
}
