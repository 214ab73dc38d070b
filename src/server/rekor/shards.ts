/**
 * The trees of a Rekor v1: the last takes entries, those before it are frozen. Outside, entries are counted through all
 * of them, and an entry's id is the id of its tree and its leaf hash.
 */
import { createHash } from 'node:crypto';
import { hex } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { Signer } from '../../keys/signer.ts';
import type { StoredEntry, TransparencyLog } from '../log/log.ts';

/** One tree. */
export interface RekorShard {
  /** From 1 to 2⁶³-1; part of the log's origin: `HOST - ID`. */
  readonly treeId: bigint;
  readonly log: TransparencyLog;
  /** Signs entry timestamps: an ECDSA key, the one whose checkpoints the log has. */
  readonly signer: Signer;
  /** Indexes between the tree before this one and this one: of trees that were lost. 0 unless told. */
  readonly skipped?: number | undefined;
}

/** A tree with its names worked out. */
export interface Shard extends RekorShard {
  /** The id in 16 hexadecimal digits. */
  readonly treeHex: string;
  /** SHA-256 of the key, hexadecimal. */
  readonly logId: string;
}

/** An entry and the tree it stands in. */
export interface ShardEntry {
  readonly shard: Shard;
  readonly stored: StoredEntry;
}

/** All trees, oldest first. */
export interface Shards {
  readonly all: readonly Shard[];
  readonly active: Shard;
  /** The tree of an id in decimal. */
  byTreeId(text: string): Shard | undefined;
  /** The index of an entry through all trees. */
  globalIndex(entry: ShardEntry): Promise<number>;
  /** The entry at an index through all trees. */
  byGlobalIndex(index: number): Promise<ShardEntry | undefined>;
  /** The entries of an id: of 80 digits in its tree, of 64 in the newest tree that has it. */
  byEntryId(id: string): Promise<ShardEntry | undefined>;
}

/** The id of an entry. */
export function entryIdOf(shard: Shard, leafHash: Uint8Array): string {
  return shard.treeHex + hex(leafHash);
}

/** Throws `ERR_SERVER_CONFIG` for trees that clients would not accept. */
export function createShards(given: readonly RekorShard[]): Shards {
  const all = given.map(readShard);
  const active = all.at(-1);
  if (active === undefined) throw new BoltsealError('ERR_SERVER_CONFIG', 'a Rekor needs a tree');
  if (new Set(all.map(({ treeId }) => treeId)).size !== all.length) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'two trees of a Rekor have the same id');
  }
  let offsets: Promise<readonly number[]> | undefined;
  /** Where each tree begins: those before the last do not grow any more. */
  const starts = (): Promise<readonly number[]> => {
    offsets ??= readStarts(all).catch((error: unknown) => {
      offsets = undefined;
      throw error;
    });
    return offsets;
  };
  const find = async (shard: Shard, leafHash: Uint8Array): Promise<ShardEntry | undefined> => {
    const stored = await shard.log.entryByHash(leafHash);
    return stored === undefined ? undefined : { shard, stored };
  };
  return {
    all,
    active,
    byTreeId: (text) => all.find(({ treeId }) => String(treeId) === text),
    async globalIndex({ shard, stored }) {
      if (all.length === 1 && !active.skipped) return stored.index;
      return ((await starts())[all.indexOf(shard)] ?? 0) + stored.index;
    },
    async byGlobalIndex(index) {
      const before = await starts();
      const at = before.findLastIndex((start) => start <= index);
      const shard = all[at];
      const stored = await shard?.log.entry(index - (before[at] ?? 0));
      return shard === undefined || stored === undefined ? undefined : { shard, stored };
    },
    async byEntryId(id) {
      const leafHash = new Uint8Array(Buffer.from(id.slice(-64), 'hex'));
      if (id.length === 80) {
        const shard = all.find(({ treeHex }) => treeHex === id.slice(0, 16).toLowerCase());
        return shard === undefined ? undefined : find(shard, leafHash);
      }
      for (const shard of [...all].reverse()) {
        const found = await find(shard, leafHash);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

async function readStarts(all: readonly Shard[]): Promise<readonly number[]> {
  const heads = await Promise.all(all.slice(0, -1).map(({ log }) => log.head()));
  const starts: number[] = [];
  let next = 0;
  for (const [index, { skipped = 0 }] of all.entries()) {
    starts.push(next + skipped);
    next += skipped + (heads[index]?.size ?? 0);
  }
  return starts;
}

function readShard(shard: RekorShard): Shard {
  const { treeId, log, signer } = shard;
  if (treeId < 1n || treeId >= 1n << 63n) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'the id of a tree is out of range');
  }
  // Clients tell the versions of Rekor apart by this ending.
  if (!log.origin.endsWith(` - ${treeId}`)) {
    throw new BoltsealError('ERR_SERVER_CONFIG', `the origin of the tree ${treeId} does not end in its id`);
  }
  if (!signer.publicKey.type.startsWith('ecdsa')) {
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      `a Rekor v1 cannot sign with a key of the type ${signer.publicKey.type}: clients accept ECDSA alone`,
    );
  }
  return {
    ...shard,
    treeHex: treeId.toString(16).padStart(16, '0'),
    logId: createHash('sha256').update(signer.publicKey.spki).digest('hex'),
  };
}
