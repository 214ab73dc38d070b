import { type Digest, isDigest } from '../../core/digest.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import type { Annotations, Descriptor } from '../../formats/oci.ts';
import { createLocks, type Locks } from './locks.ts';
import type { CheckedManifest } from './manifest-check.ts';
import type { RecordKind, RegistryStorage, StagedContent } from './storage.ts';

/** What is kept of a manifest beside its bytes. */
export interface ManifestRecord {
  readonly mediaType: string;
  readonly size: number;
  /** Counts up in a repository: the order in which referrers are listed. */
  readonly sequence: number;
  readonly subject?: Digest;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
}

/** A referrer with its place in the list. */
export interface Referrer {
  readonly sequence: number;
  readonly descriptor: Descriptor;
}

/** What belongs to one repository; kept in memory once it was asked for. */
export interface RepositoryContents {
  readonly name: string;
  /** Sizes by digest. */
  readonly blobs: Map<Digest, number>;
  readonly manifests: Map<Digest, ManifestRecord>;
  readonly tags: Map<string, Digest>;
  /** By subject, in order. */
  readonly referrers: Map<Digest, Map<Digest, Referrer>>;
  nextSequence: number;
}

/** All repositories of a registry. Changes are written to the storage first and become visible afterwards. */
export interface Contents {
  /** Undefined when there is no such repository. */
  find(name: string): Promise<RepositoryContents | undefined>;
  names(): Promise<string[]>;
  /** Runs what reads and then changes manifests or tags of `repository` alone. */
  exclusively<T>(repository: string, work: () => Promise<T>): Promise<T>;
  /** Commits `staged` as `digest` and makes it a blob of the repository. */
  addBlob(name: string, digest: Digest, staged: StagedContent): Promise<void>;
  /** Makes a blob of `from` one of `name` too; false when it is not there. */
  mountBlob(name: string, digest: Digest, from: string): Promise<boolean>;
  removeBlob(name: string, digest: Digest): Promise<boolean>;
  /** Stores a manifest; call it inside {@link exclusively}. */
  addManifest(name: string, digest: Digest, bytes: Uint8Array, checked: CheckedManifest): Promise<void>;
  /** Removes a manifest and the tags that point to it; call it inside {@link exclusively}. */
  removeManifest(name: string, digest: Digest): Promise<boolean>;
  setTag(name: string, tag: string, digest: Digest): Promise<void>;
  removeTag(name: string, tag: string): Promise<boolean>;
}

/** The repositories in `storage`. */
export function openContents(storage: RegistryStorage): Contents {
  const contentLocks: Locks = createLocks();
  const repositoryLocks: Locks = createLocks();
  const opened = new Map<string, Promise<RepositoryContents>>();
  let known: Promise<Set<string>> | undefined;

  const knownNames = (): Promise<Set<string>> => {
    known ??= storage.repositories().then((names) => new Set(names));
    return known;
  };
  const open = (name: string): Promise<RepositoryContents> => {
    const found = opened.get(name);
    if (found !== undefined) return found;
    const loading = loadRepository(storage, name);
    opened.set(name, loading);
    loading.catch(() => opened.delete(name));
    return loading;
  };
  const find = async (name: string): Promise<RepositoryContents | undefined> =>
    (await knownNames()).has(name) ? open(name) : undefined;
  const write = async (name: string, kind: RecordKind, key: string, value: string): Promise<void> => {
    await storage.writeRecord(name, kind, { key, value });
    (await knownNames()).add(name);
  };
  /** Content goes when no repository has it any more; call it inside the lock of `digest`. */
  const removeUnused = async (digest: Digest): Promise<void> => {
    for (const name of await knownNames()) {
      const repository = await open(name);
      if (repository.blobs.has(digest) || repository.manifests.has(digest)) return;
    }
    await storage.remove(digest);
  };

  return {
    find,
    async names() {
      return [...(await knownNames())].sort();
    },
    exclusively: repositoryLocks,
    addBlob(name, digest, staged) {
      return contentLocks(digest, async () => {
        const repository = await open(name);
        const size = staged.size;
        await staged.commit(digest);
        if (repository.blobs.has(digest)) return;
        await write(name, 'blobs', digest, String(size));
        repository.blobs.set(digest, size);
      });
    },
    mountBlob(name, digest, from) {
      return contentLocks(digest, async () => {
        const size = (await find(from))?.blobs.get(digest);
        if (size === undefined) return false;
        const repository = await open(name);
        await write(name, 'blobs', digest, String(size));
        repository.blobs.set(digest, size);
        return true;
      });
    },
    removeBlob(name, digest) {
      return contentLocks(digest, async () => {
        const repository = await find(name);
        if (repository === undefined || !repository.blobs.has(digest)) return false;
        await storage.removeRecord(name, 'blobs', digest);
        repository.blobs.delete(digest);
        await removeUnused(digest);
        return true;
      });
    },
    addManifest(name, digest, bytes, checked) {
      return contentLocks(digest, async () => {
        const repository = await open(name);
        const before = repository.manifests.get(digest);
        const record = recordOf(checked, bytes.length, before?.sequence ?? repository.nextSequence);
        if (before === undefined) {
          repository.nextSequence++;
          const staged = await storage.stage();
          try {
            await staged.append(bytes);
            await staged.commit(digest);
          } catch (error) {
            await staged.discard();
            throw error;
          }
        } else if (before.mediaType === record.mediaType) return;
        await write(name, 'manifests', digest, JSON.stringify(record));
        remember(repository, digest, record);
      });
    },
    removeManifest(name, digest) {
      return contentLocks(digest, async () => {
        const repository = await find(name);
        const record = repository?.manifests.get(digest);
        if (repository === undefined || record === undefined) return false;
        for (const [tag, target] of repository.tags) {
          if (target !== digest) continue;
          await storage.removeRecord(name, 'tags', tag);
          repository.tags.delete(tag);
        }
        await storage.removeRecord(name, 'manifests', digest);
        repository.manifests.delete(digest);
        if (record.subject !== undefined) repository.referrers.get(record.subject)?.delete(digest);
        await removeUnused(digest);
        return true;
      });
    },
    async setTag(name, tag, digest) {
      const repository = await open(name);
      if (repository.tags.get(tag) === digest) return;
      await write(name, 'tags', tag, digest);
      repository.tags.set(tag, digest);
    },
    async removeTag(name, tag) {
      const repository = await find(name);
      if (repository === undefined || !repository.tags.has(tag)) return false;
      await storage.removeRecord(name, 'tags', tag);
      repository.tags.delete(tag);
      return true;
    },
  };
}

async function loadRepository(storage: RegistryStorage, name: string): Promise<RepositoryContents> {
  const [blobs, manifests, tags] = await Promise.all([
    storage.records(name, 'blobs'),
    storage.records(name, 'manifests'),
    storage.records(name, 'tags'),
  ]);
  const repository: RepositoryContents = {
    name,
    blobs: new Map(),
    manifests: new Map(),
    tags: new Map(),
    referrers: new Map(),
    nextSequence: 1,
  };
  for (const { key, value } of blobs) repository.blobs.set(storedDigest(key), storedNumber(Number(value)));
  const records = manifests.map(({ key, value }) => ({
    digest: storedDigest(key),
    record: storedManifest(JSON.parse(value) as Json),
  }));
  records.sort((a, b) => a.record.sequence - b.record.sequence);
  for (const { digest, record } of records) {
    remember(repository, digest, record);
    repository.nextSequence = record.sequence + 1;
  }
  for (const { key, value } of tags) {
    // A crash between the removal of a tag and of its manifest must not leave a tag to nothing.
    const digest = storedDigest(value);
    if (repository.manifests.has(digest)) repository.tags.set(key, digest);
  }
  return repository;
}

function recordOf(checked: CheckedManifest, size: number, sequence: number): ManifestRecord {
  const { mediaType, subject, artifactType, annotations } = checked;
  return {
    mediaType,
    size,
    sequence,
    ...(subject === undefined ? {} : { subject }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function remember(repository: RepositoryContents, digest: Digest, record: ManifestRecord): void {
  repository.manifests.set(digest, record);
  const { mediaType, size, sequence, subject, artifactType, annotations } = record;
  if (subject === undefined) return;
  const descriptor: Descriptor = {
    mediaType,
    digest,
    size,
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
  const referrers = repository.referrers.get(subject) ?? new Map<Digest, Referrer>();
  repository.referrers.set(subject, referrers);
  referrers.set(digest, { sequence, descriptor });
}

function storedDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new BoltsealError('ERR_FILE_READ', 'a record of the registry storage has no valid digest');
}

function storedNumber(value: Json | undefined): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new BoltsealError('ERR_FILE_READ', 'a record of the registry storage has no valid number');
}

function storedManifest(value: Json): ManifestRecord {
  if (!isJsonObject(value) || typeof value['mediaType'] !== 'string') {
    throw new BoltsealError('ERR_FILE_READ', 'a manifest record of the registry storage is not valid');
  }
  const { mediaType, subject, artifactType, annotations } = value;
  return {
    mediaType,
    size: storedNumber(value['size']),
    sequence: storedNumber(value['sequence']),
    ...(typeof subject === 'string' ? { subject: storedDigest(subject) } : {}),
    ...(typeof artifactType === 'string' ? { artifactType } : {}),
    ...(isJsonObject(annotations) ? { annotations: annotations as Annotations } : {}),
  };
}
