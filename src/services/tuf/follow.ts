/**
 * Follows a TUF repository with the `Updater` of `tuf-js`, which works on files: in a folder of its own that is removed
 * afterwards. What it has accepted is verified once more, by the check that reads what was kept.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Fetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { mapConcurrent } from '../../core/concurrent.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { invalidMetadata, readDocument, type TufRole, tufMaxBytes, tufRoles } from './document.ts';
import type { TufSource } from './mirror.ts';
import { parseMetadata, targetOf, verifyRepository } from './repository.ts';
import { requireNotExpired, type TufState } from './state.ts';

/** What {@link followRepository} follows. */
export interface FollowOptions {
  /** Root metadata that is trusted because the caller says so. */
  readonly pinnedRoot: Uint8Array;
  /** What was verified before: what is new must not be older. */
  readonly previous?: TufState | undefined;
  /** Names of target files. Those that the repository does not have are left out. */
  readonly names: readonly string[];
  readonly now: Date;
}

/**
 * What the repository says now. Throws `ERR_TUF_METADATA_INVALID`, `ERR_TUF_EXPIRED`, `ERR_TUF_ROLLBACK`,
 * `ERR_DIGEST_MISMATCH`, `ERR_LIMIT_EXCEEDED`, `ERR_FILE_WRITE` where there is no folder for temporary files, what
 * `parseJson` throws, and what reading from `source` throws.
 */
export async function followRepository(source: TufSource, options: FollowOptions): Promise<TufState> {
  const folder = await temporaryFolder();
  try {
    const session: Session = { folder, source, roots: [], failure: undefined };
    const files = await update(session, options).catch((error: unknown) => {
      throw session.failure ?? translate(error, source.place);
    });
    const read = (role: TufRole): Promise<Uint8Array> => readBytes(join(folder, `${role}.json`));
    const state = await verifyRepository(options.pinnedRoot, {
      roots: [...(options.previous?.roots ?? []), ...session.roots],
      timestamp: await read('timestamp'),
      snapshot: await read('snapshot'),
      targets: await read('targets'),
      files,
    });
    requireNotExpired(state, options.now, source.place);
    return state;
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function temporaryFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'boltseal-tuf-'));
  } catch (cause) {
    throw noTemporaryFiles(cause);
  }
}

function noTemporaryFiles(cause: unknown): BoltsealError {
  return new BoltsealError('ERR_FILE_WRITE', 'a TUF repository cannot be followed without temporary files', {
    cause,
    hint: 'TMPDIR names a folder for them.',
  });
}

/** Lays out what is known as the library wants it. */
async function prepare(folder: string, { pinnedRoot, previous }: FollowOptions): Promise<void> {
  await mkdir(join(folder, 'targets'));
  if (previous === undefined) return writeFile(join(folder, 'root.json'), pinnedRoot);
  for (const role of tufRoles) await writeFile(join(folder, `${role}.json`), previous[role]);
  for (const [name, bytes] of previous.files) await writeFile(targetPath(folder, name), bytes);
}

/** A plain array: a Buffer differs in its methods. */
async function readBytes(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}

function targetPath(folder: string, name: string): string {
  return join(folder, 'targets', encodeURIComponent(name));
}

/** What happens while a repository is followed. */
interface Session {
  readonly folder: string;
  readonly source: TufSource;
  /** New roots, in order. */
  readonly roots: Uint8Array[];
  /** Why a file could not be had: the library tells it as text, or not at all. */
  failure: BoltsealError | undefined;
}

async function update(session: Session, options: FollowOptions): Promise<Map<string, Uint8Array>> {
  const { folder, source } = session;
  const { names } = options;
  await prepare(folder, options);
  const updater = new Updater({
    metadataDir: folder,
    metadataBaseUrl: source.place,
    targetDir: join(folder, 'targets'),
    targetBaseUrl: `${source.place}/targets`,
    fetcher: fetcherOf(session),
    config: {
      maxRootRotations: limits.tufRoots,
      rootMaxLength: tufMaxBytes.root,
      timestampMaxLength: tufMaxBytes.timestamp,
      snapshotMaxLength: tufMaxBytes.snapshot,
      targetsMaxLength: tufMaxBytes.targets,
    },
  });
  await updater.refresh();
  const targets = parseMetadata('targets', await readBytes(join(folder, 'targets.json')), 'targets.json');
  const found = await mapConcurrent(names, names.length, async (name): Promise<[string, Uint8Array][]> => {
    const target = targetOf(targets.signed, name);
    if (target === undefined) return [];
    const path = targetPath(folder, name);
    if ((await updater.findCachedTarget(target, path)) === undefined) {
      await updater.downloadTarget(target, path).catch((cause: unknown) => {
        if (isSystemError(cause)) throw cause;
        const message = `${name} is not what ${source.place} says it is`;
        throw new BoltsealError('ERR_DIGEST_MISMATCH', message, { cause });
      });
    }
    return [[name, await readBytes(path)]];
  });
  return new Map(found.flat());
}

/** Gives the library files of `source` that are fit for it. */
function fetcherOf(session: Session): Fetcher {
  const { source, folder } = session;
  const read = async (url: string, maxBytes: number): Promise<Buffer> => {
    const name = url.slice(source.place.length + 1);
    try {
      return await readFit(session, name, maxBytes);
    } catch (error) {
      if (isBoltsealError(error)) session.failure ??= error;
      throw error;
    }
  };
  return {
    downloadBytes: read,
    async downloadFile(url, maxBytes, handler) {
      const path = join(folder, `${encodeURIComponent(url.slice(source.place.length))}.download`);
      await writeFile(path, await read(url, Math.min(maxBytes, limits.tufTargetBytes)));
      return handler(path);
    },
  };
}

async function readFit(session: Session, name: string, maxBytes: number): Promise<Buffer> {
  const { source, roots } = session;
  const what = `${name} of ${source.place}`;
  const role = tufRoles.find((one) => name.replace(/^\d+\./, '') === `${one}.json`);
  const bytes = await source.read(
    name,
    role === undefined ? maxBytes : Math.min(maxBytes, tufMaxBytes[role]),
  );
  if (bytes === undefined) {
    // How the library is told that there is no newer root.
    if (role === 'root') throw new DownloadHTTPError('there is none', 404);
    throw new BoltsealError('ERR_SERVICE_RESPONSE', `there is no ${what}`, {
      hint: 'Is that the address of a TUF repository?',
    });
  }
  if (role !== undefined) readDocument(role, bytes, what);
  if (role === 'root') roots.push(bytes);
  return Buffer.from(bytes);
}

/** Whether it was this machine, and not the repository. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && ('syscall' in error || /^Failed to persist/.test(error.message));
}

/** What the library found wrong. It tells its own errors within others as text, so that texts are all there is. */
function translate(error: unknown, place: string): BoltsealError {
  if (isBoltsealError(error)) return error;
  if (isSystemError(error)) return noTemporaryFiles(error);
  const text = error instanceof Error ? error.message : String(error);
  if (/less than current version|Missing file/.test(text)) {
    return new BoltsealError(
      'ERR_TUF_ROLLBACK',
      `${place} serves metadata that is older than before: ${text}`,
      {
        cause: error,
        hint: 'A proxy may have kept an old copy. Otherwise somebody hides what is new: ask who runs it.',
      },
    );
  }
  if (/expired/.test(text)) {
    return new BoltsealError('ERR_TUF_EXPIRED', `the metadata of ${place} has expired: ${text}`, {
      cause: error,
      hint: 'Is the clock of this machine right? If it is, whoever runs the repository must sign it again.',
    });
  }
  return invalidMetadata(`the metadata of ${place}`, text, error);
}
