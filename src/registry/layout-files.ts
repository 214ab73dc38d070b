/** Files of an OCI image layout. {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md} */
import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { jitter } from '../core/backoff.ts';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../core/digest.ts';
import { hex } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { mediaTypes } from '../formats/oci.ts';

/** The folder of a layout and what is needed to write there. */
export interface LayoutFolder {
  readonly root: string;
  readonly runtime: Runtime;
}

const layoutFile = '{"imageLayoutVersion":"1.0.0"}';
/** After this many milliseconds a lock is that of a writer that died. */
const staleLock = 15_000;
const lockPatience = 30_000;

/** The code of a file system error. */
export function fileErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Where a blob is. The digest is checked again, so that nothing else ever becomes a path. */
export function blobPath(folder: LayoutFolder, digest: Digest): string {
  parseDigest(digest);
  return join(folder.root, 'blobs', digestAlgorithm(digest), digestHex(digest));
}

/** Opens a blob for reading; undefined when it is not there. Throws `ERR_LAYOUT_INVALID` when it lies outside the layout. */
export async function openBlob(
  folder: LayoutFolder,
  digest: Digest,
): Promise<{ file: FileHandle; size: number } | undefined> {
  return openInside(folder, blobPath(folder, digest));
}

/**
 * Opens a file of the layout. A layout is content from outside: its links may lead anywhere, and its files may be pipes,
 * which hold whoever opens them, or devices without end.
 */
async function openInside(
  folder: LayoutFolder,
  path: string,
): Promise<{ file: FileHandle; size: number } | undefined> {
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if (fileErrorCode(error) === 'ENOENT' || fileErrorCode(error) === 'ENOTDIR') return undefined;
    throw unreadable(path, error);
  }
  await requireInside(folder, path, real);
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const file = await open(real, flags).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const found = await file.stat();
  if (found.isFile()) return { file, size: found.size };
  await file.close();
  throw new BoltsealError('ERR_LAYOUT_INVALID', `${path} is not a file`);
}

async function requireInside(folder: LayoutFolder, path: string, real: string): Promise<void> {
  const inside = relative(await realpath(folder.root), real);
  if (!/^\.\.(?:[/\\]|$)/.test(inside) && !isAbsolute(inside)) return;
  throw new BoltsealError('ERR_LAYOUT_INVALID', `${path} is a link to outside the image layout`);
}

/** The bytes of a blob, unverified; undefined when it is not there. */
export async function readBlobFile(
  folder: LayoutFolder,
  digest: Digest,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  return readInside(folder, blobPath(folder, digest), maxBytes);
}

async function readInside(
  folder: LayoutFolder,
  path: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const opened = await openInside(folder, path);
  if (opened === undefined) return undefined;
  try {
    if (opened.size <= maxBytes) return new Uint8Array(await opened.file.readFile());
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${path} has ${opened.size} bytes; the limit is ${maxBytes}`,
    );
  } finally {
    await opened.file.close();
  }
}

/** Stores a blob: complete under its name, or not at all. */
export async function writeBlobFile(
  folder: LayoutFolder,
  digest: Digest,
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const path = blobPath(folder, digest);
  const parent = dirname(path);
  await mkdir(parent, { recursive: true });
  await requireInside(folder, parent, await realpath(parent));
  await writeAtomically(folder, path, content);
}

async function writeAtomically(
  folder: LayoutFolder,
  path: string,
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = `${path}.${hex(folder.runtime.random(8))}.tmp`;
  try {
    await writeFile(temporary, content, { flag: 'wx' });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (cause instanceof BoltsealError) throw cause;
    throw new BoltsealError('ERR_FILE_WRITE', `${path} cannot be written`, { cause });
  }
}

/** The content of `index.json`. Throws `ERR_LAYOUT_INVALID` when the folder is no image layout. */
export async function readIndexFile(folder: LayoutFolder): Promise<JsonObject> {
  await checkMarker(folder);
  const path = join(folder.root, 'index.json');
  const bytes = await readInside(folder, path, limits.manifestBytes);
  if (bytes === undefined) throw notALayout(folder.root);
  const json = parseJson(bytes, { what: path, maxBytes: limits.manifestBytes });
  if (!isJsonObject(json)) throw new BoltsealError('ERR_LAYOUT_INVALID', `${path} is not a JSON object`);
  return json;
}

async function checkMarker(folder: LayoutFolder): Promise<void> {
  const path = join(folder.root, 'oci-layout');
  const bytes = await readInside(folder, path, 65_536);
  if (bytes === undefined) throw notALayout(folder.root);
  const json = parseJson(bytes, { what: path, maxBytes: 65_536 });
  const version = isJsonObject(json) ? json['imageLayoutVersion'] : undefined;
  if (typeof version !== 'string' || !version.startsWith('1.')) {
    throw new BoltsealError('ERR_LAYOUT_INVALID', `${path} does not say imageLayoutVersion 1.0.0`);
  }
}

/** Makes an empty layout where there is none yet. */
export async function createLayoutFolder(folder: LayoutFolder): Promise<void> {
  await mkdir(join(folder.root, 'blobs', 'sha256'), { recursive: true });
  const files = [
    ['index.json', `{"schemaVersion":2,"mediaType":"${mediaTypes.index}","manifests":[]}`],
    ['oci-layout', layoutFile],
  ] as const;
  for (const [name, text] of files) {
    await writeFile(join(folder.root, name), text, { flag: 'wx' }).catch((cause: unknown) => {
      if (fileErrorCode(cause) === 'EEXIST') return;
      throw new BoltsealError('ERR_FILE_WRITE', `${join(folder.root, name)} cannot be written`, { cause });
    });
  }
}

/**
 * Replaces `index.json` by what `change` makes of it; undefined leaves it. A lock file keeps writers of this program
 * apart; readers and other programs see the old file or the new one, never half of one.
 */
export async function changeIndexFile(
  folder: LayoutFolder,
  change: (index: JsonObject) => JsonObject | undefined,
): Promise<void> {
  const deadline = folder.runtime.monotonic() + lockPatience;
  for (let isDone = false; !isDone; ) {
    const lock = await takeLock(folder, deadline);
    try {
      const changed = change(await readIndexFile(folder));
      isDone = changed === undefined || (await writeIndexFile(folder, changed, lock));
    } finally {
      await lock.release();
    }
  }
}

/** False when the lock was lost meanwhile and nothing was written. */
async function writeIndexFile(folder: LayoutFolder, index: JsonObject, lock: Lock): Promise<boolean> {
  const bytes = new TextEncoder().encode(JSON.stringify(index));
  if (bytes.length > limits.manifestBytes) {
    const message = `${folder.root}: index.json would be larger than ${limits.manifestBytes} bytes`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', message);
  }
  if (!(await lock.isHeld())) return false;
  await writeAtomically(folder, join(folder.root, 'index.json'), bytes);
  return true;
}

interface Lock {
  /** Whether nobody has taken it for the lock of a dead writer. */
  isHeld(): Promise<boolean>;
  release(): Promise<void>;
}

async function takeLock(folder: LayoutFolder, deadline: number): Promise<Lock> {
  const { runtime, root } = folder;
  const path = join(root, '.boltseal.lock');
  const token = hex(runtime.random(16));
  const isHeld = async (): Promise<boolean> => (await readFile(path, 'utf8').catch(() => '')) === token;
  for (;;) {
    try {
      await writeFile(path, token, { flag: 'wx' });
      return { isHeld, release: async () => ((await isHeld()) ? rm(path, { force: true }) : undefined) };
    } catch (cause) {
      if (fileErrorCode(cause) !== 'EEXIST' || runtime.monotonic() > deadline) {
        throw new BoltsealError('ERR_FILE_WRITE', `the image layout ${root} cannot be locked for writing`, {
          cause,
          hint: `Check that it can be written; if no other program writes to it, remove ${path}.`,
        });
      }
    }
    await breakStaleLock(path, `${path}.${token}`, runtime);
    await runtime.sleep(5 + jitter(runtime, 20));
  }
}

/** Takes the lock of a dead writer away. It is moved first: who then finds a living writer's in its hands puts it back. */
async function breakStaleLock(path: string, aside: string, runtime: Runtime): Promise<void> {
  const isStale = async (file: string): Promise<boolean | undefined> => {
    const found = await lstat(file).catch(() => undefined);
    return found && runtime.now().getTime() - found.mtimeMs > staleLock;
  };
  if ((await isStale(path)) !== true) return;
  await rename(path, aside).catch(() => undefined);
  if ((await isStale(aside)) === false) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function unreadable(path: string, cause: unknown): BoltsealError {
  return new BoltsealError('ERR_FILE_READ', `${path} cannot be read`, { cause });
}

function notALayout(root: string): BoltsealError {
  return new BoltsealError('ERR_LAYOUT_INVALID', `${root} is not an OCI image layout`, {
    hint: 'The folder must hold the files oci-layout and index.json; a .tar of one must be unpacked first.',
  });
}
