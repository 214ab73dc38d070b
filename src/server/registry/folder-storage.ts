import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex } from '../../core/digest.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { RecordKind, RegistryStorage, StagedContent, StorageRecord } from './storage.ts';

/** Ranges up to this size are read at once. */
const wholeReadBytes = 262_144;
/** Record files read at once when a repository is opened. */
const parallelReads = 64;

/**
 * A storage in `folder`, which is created when it is missing and belongs to one registry of one process at a time.
 *
 *     folder/content/sha256/ab/ab12…        content by digest
 *     folder/repositories/r.acme+app/tags/  one JSON file {"key","value"} per record
 *     folder/uploads/                       what has not arrived completely; emptied when a registry starts
 *
 * Every file appears by a rename, so a crash leaves no half of one. File names are the same on every platform: a
 * repository's slashes become `+`, and a tag's name is its digest, because tags may differ in case alone.
 */
export function folderStorage(folder: string): RegistryStorage {
  const uploads = join(folder, 'uploads');
  let prepared: Promise<void> | undefined;
  const prepare = (): Promise<void> => {
    prepared ??= prepareUploads(uploads);
    return prepared;
  };
  const contentPath = (digest: Digest): string => {
    const name = digestHex(digest);
    return join(folder, 'content', digestAlgorithm(digest), name.slice(0, 2), name);
  };
  const recordsPath = (repository: string, kind: RecordKind): string =>
    join(folder, 'repositories', `r.${repository.replaceAll('/', '+')}`, kind);

  return {
    async stage() {
      await prepare();
      return stageInFile(join(uploads, randomUUID()), contentPath);
    },
    read: (digest, start, end) => readRange(contentPath(digest), start, end),
    remove: (digest) => rm(contentPath(digest), { force: true }),
    async repositories() {
      const names = await entries(join(folder, 'repositories'));
      return names.filter((name) => name.startsWith('r.')).map((name) => name.slice(2).replaceAll('+', '/'));
    },
    records: (repository, kind) => readRecords(recordsPath(repository, kind)),
    async writeRecord(repository, kind, record) {
      await prepare();
      const temporary = join(uploads, randomUUID());
      const path = join(recordsPath(repository, kind), recordFile(record.key));
      await writeFile(temporary, JSON.stringify({ key: record.key, value: record.value }), { flag: 'wx' });
      await moveInto(temporary, path);
    },
    removeRecord: (repository, kind, key) =>
      rm(join(recordsPath(repository, kind), recordFile(key)), { force: true }),
    async close() {
      await rm(uploads, { recursive: true, force: true });
      prepared = undefined;
    },
  };
}

async function prepareUploads(uploads: string): Promise<void> {
  await rm(uploads, { recursive: true, force: true });
  await mkdir(uploads, { recursive: true });
}

/** A name that is safe everywhere: no case, no dots at the end, no reserved words, bounded length. */
function recordFile(key: string): string {
  return `${createHash('sha256').update(key).digest('hex')}.json`;
}

async function entries(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function readRecords(path: string): Promise<StorageRecord[]> {
  const files = (await entries(path)).filter((name) => name.endsWith('.json'));
  const records: StorageRecord[] = [];
  for (let index = 0; index < files.length; index += parallelReads) {
    const group = files.slice(index, index + parallelReads);
    records.push(...(await Promise.all(group.map((name) => readRecord(join(path, name))))));
  }
  return records;
}

async function readRecord(path: string): Promise<StorageRecord> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (typeof value === 'object' && value !== null && 'key' in value && 'value' in value) {
    const record = { key: value.key, value: value.value };
    if (typeof record.key === 'string' && typeof record.value === 'string') {
      return { key: record.key, value: record.value };
    }
  }
  throw new BoltsealError('ERR_FILE_READ', `the registry record ${path} is not readable`);
}

async function readRange(
  path: string,
  start: number,
  end: number,
): Promise<Uint8Array | AsyncIterable<Uint8Array> | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const length = end - start;
  if (length <= 0 || length > wholeReadBytes) {
    if (length > 0) return file.createReadStream({ start, end: end - 1, highWaterMark: wholeReadBytes });
    await file.close();
    return new Uint8Array();
  }
  try {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await file.read(bytes, 0, length, start);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function stageInFile(path: string, contentPath: (digest: Digest) => string): StagedContent {
  // Opened with the first byte: a session that never sends one costs nothing on disk.
  let file: FileHandle | undefined;
  let size = 0;
  const end = async (): Promise<void> => {
    const opened = file;
    file = undefined;
    await opened?.close();
  };
  return {
    get size() {
      return size;
    },
    async append(chunk) {
      file ??= await open(path, 'wx');
      let written = 0;
      while (written < chunk.length) {
        const result = await file.write(chunk, written, chunk.length - written, size + written);
        written += result.bytesWritten;
      }
      size += chunk.length;
    },
    async truncate(to) {
      await file?.truncate(to);
      size = to;
    },
    read: () => (size === 0 ? nothing() : createReadStream(path, { start: 0, end: size - 1 })),
    async commit(digest) {
      file ??= await open(path, 'wx');
      await end();
      const target = contentPath(digest);
      if (await exists(target)) await rm(path, { force: true });
      else await moveInto(path, target);
      size = 0;
    },
    async discard() {
      await end();
      size = 0;
      await rm(path, { force: true });
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Renames, and makes the folder only when it turns out to be missing: nearly always it is there. */
async function moveInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
