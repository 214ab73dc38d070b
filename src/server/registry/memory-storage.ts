import type { Digest } from '../../core/digest.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { RecordKind, RegistryStorage, StagedContent, StorageRecord } from './storage.ts';

/** How much a memory storage holds. */
export interface MemoryStorageOptions {
  /** Most bytes of content, uploads under way included; 1 GiB unless told. More is refused, nothing is evicted. */
  readonly maxBytes?: number;
}

interface Content {
  readonly chunks: readonly Uint8Array[];
  readonly size: number;
}

/**
 * A storage that lives as long as the process: for tests and demonstrations.
 *
 *     const registry = createRegistry(createRuntime(), { storage: memoryStorage() });
 */
export function memoryStorage(options: MemoryStorageOptions = {}): RegistryStorage {
  const maxBytes = options.maxBytes ?? 1_073_741_824;
  const contents = new Map<Digest, Content>();
  const recordsByPlace = new Map<string, Map<string, string>>();
  const names = new Set<string>();
  const usage = { bytes: 0 };

  const place = (repository: string, kind: RecordKind): string => `${kind} ${repository}`;
  return {
    async stage() {
      return stageInMemory(contents, usage, maxBytes);
    },
    async read(digest, start, end) {
      const content = contents.get(digest);
      return content === undefined ? undefined : slice(content, start, end);
    },
    async remove(digest) {
      usage.bytes -= contents.get(digest)?.size ?? 0;
      contents.delete(digest);
    },
    async repositories() {
      return [...names];
    },
    async records(repository, kind) {
      const found = recordsByPlace.get(place(repository, kind)) ?? [];
      return Array.from(found, ([key, value]): StorageRecord => ({ key, value }));
    },
    async writeRecord(repository, kind, record) {
      names.add(repository);
      const key = place(repository, kind);
      const records = recordsByPlace.get(key) ?? new Map<string, string>();
      recordsByPlace.set(key, records);
      records.set(record.key, record.value);
    },
    async removeRecord(repository, kind, key) {
      recordsByPlace.get(place(repository, kind))?.delete(key);
    },
    async close() {},
  };
}

function slice(content: Content, start: number, end: number): Uint8Array | AsyncIterable<Uint8Array> {
  const [only, second] = content.chunks;
  if (second === undefined) return (only ?? new Uint8Array()).subarray(start, end);
  return sliceChunks(content.chunks, start, end);
}

async function* sliceChunks(
  chunks: readonly Uint8Array[],
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const chunk of chunks) {
    const from = Math.max(start - position, 0);
    const to = Math.min(end - position, chunk.length);
    if (from < to) yield chunk.subarray(from, to);
    position += chunk.length;
    if (position >= end) return;
  }
}

function stageInMemory(
  contents: Map<Digest, Content>,
  usage: { bytes: number },
  maxBytes: number,
): StagedContent {
  let chunks: Uint8Array[] = [];
  let size = 0;
  const release = (): void => {
    usage.bytes -= size;
    chunks = [];
    size = 0;
  };
  return {
    get size() {
      return size;
    },
    async append(chunk) {
      if (usage.bytes + chunk.length > maxBytes) {
        throw new BoltsealError(
          'ERR_LIMIT_EXCEEDED',
          `the registry's memory storage is full: it holds at most ${maxBytes} bytes`,
        );
      }
      usage.bytes += chunk.length;
      size += chunk.length;
      chunks.push(new Uint8Array(chunk));
    },
    async truncate(to) {
      const kept: Uint8Array[] = [];
      for await (const chunk of sliceChunks(chunks, 0, to)) kept.push(chunk);
      usage.bytes -= size - to;
      chunks = kept;
      size = to;
    },
    read: () => sliceChunks(chunks, 0, size),
    async commit(digest) {
      if (contents.has(digest)) {
        release();
        return;
      }
      // Many small chunks would cost more than their bytes, and one array is answered without a stream.
      const joined = size <= 1_048_576 ? [new Uint8Array(Buffer.concat(chunks, size))] : chunks;
      contents.set(digest, { chunks: joined, size });
      chunks = [];
      size = 0;
    },
    async discard() {
      release();
    },
  };
}
