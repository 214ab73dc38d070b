/**
 * The tree of a log in memory: the tiles at its right edge with all nodes inside them, and the full tiles used last. A
 * proof is looked up here; only the nodes above the ragged edge are computed, once for each size.
 *
 * Tiles are those of C2SP: 256 hashes wide, 8 levels high.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md#merkle-tree}
 */
import { equalBytes } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import {
  consistencyRanges,
  emptyRoot,
  foldNodes,
  hashLength,
  hashNodeInto,
  inclusionRanges,
  type LeafRange,
  rangeNodes,
} from '../../formats/merkle.ts';
import type { TileRow } from './storage.ts';

const width = 256;

/** Full tiles kept, of 16 KiB each. */
const keptTiles = 512;

/** Sizes whose computed nodes are kept: proofs are asked for against the last few heads. */
const keptSizes = 4;

/**
 * A tile with the nodes inside it: 256 hashes, the 128 over them, and so on up to the one over all. Places are only ever
 * written with the one value they can have in a log of the size that counts, so a batch that is given up leaves nothing
 * behind that matters.
 */
class Tile {
  readonly nodes: Uint8Array = new Uint8Array(511 * hashLength);

  /** The node at `position` of the row `height` above the hashes. */
  node(height: number, position: number): Uint8Array {
    const offset = (512 - (512 >> height) + position) * hashLength;
    return this.nodes.subarray(offset, offset + hashLength);
  }

  /** Sets the hash at `position`, whose left neighbours are set, and computes the nodes that it completes. */
  set(position: number, hash: Uint8Array): void {
    this.node(0, position).set(hash);
    for (let height = 1, left = position; left % 2 === 1; height++) {
      const below = height - 1;
      const [first, second] = [this.node(below, left - 1), this.node(below, left)];
      left = (left - 1) / 2;
      hashNodeInto(this.nodes, (512 - (512 >> height) + left) * hashLength, first, second);
    }
  }

  hashes(count: number): Uint8Array {
    return this.nodes.subarray(0, count * hashLength);
  }
}

/** Where tiles and hashes are read from that are not in memory. */
export interface TreeSource {
  tile(level: number, index: number): Promise<Uint8Array | undefined>;
  leafHashes(start: number, end: number): Promise<readonly Uint8Array[]>;
}

/** What a tree will be after more leaves, not yet counted. */
export interface Growth {
  readonly size: number;
  readonly root: Uint8Array;
  /** What is to be stored. */
  readonly tiles: readonly TileRow[];
  /** Of the tree's own use. */
  readonly edge: readonly Tile[];
  readonly completed: readonly (readonly [key: number, tile: Tile])[];
}

function tileKey(level: number, index: number): number {
  return level * 2 ** 46 + index;
}

/** The level of the node that covers so many leaves, or undefined when none does, or it is above 30. */
function perfectLevel(count: number): number | undefined {
  return count <= 0x4000_0000 && (count & (count - 1)) === 0 ? 31 - Math.clz32(count) : undefined;
}

function damaged(what: string): BoltsealError {
  return new BoltsealError('ERR_SERVER_DATA', `the store of the log is damaged: ${what}`);
}

/** Throws `ERR_LOG_RANGE` unless `0 ≤ value ≤ most` and whole. */
export function checkRange(value: number, most: number, what: string): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= most) return;
  throw new BoltsealError('ERR_LOG_RANGE', `${what} ${value} is not within a log of size ${most}`);
}

/** The tree of one log. */
export class LogTree {
  readonly #source: TreeSource;
  #size = 0;
  #root: Uint8Array = emptyRoot;
  /** At each level the tile that the next node comes into. */
  #edge: readonly Tile[] = [];
  readonly #full = new Map<number, Tile>();
  readonly #loading = new Map<number, Promise<Tile>>();
  /** By size, the roots of ranges that end there and are no perfect trees, by their start. */
  readonly #ragged = new Map<number, Map<number, Uint8Array>>();

  private constructor(source: TreeSource) {
    this.#source = source;
  }

  /** The tree of the first `size` entries in `source`. Throws `ERR_SERVER_DATA` when they are not all there. */
  static async load(source: TreeSource, size: number): Promise<LogTree> {
    const tree = new LogTree(source);
    const edge: Tile[] = [];
    for (let level = 0, count = size; count > 0; level++, count = Math.floor(count / width)) {
      const tile = new Tile();
      const partial = count % width;
      if (partial > 0) {
        const hashes = await edgeHashes(source, level, count);
        if (hashes.length < partial) throw damaged(`the last tile of level ${level} is missing`);
        for (let position = 0; position < partial; position++)
          tile.set(position, hashes[position] as Uint8Array);
      }
      edge.push(tile);
    }
    tree.#edge = edge;
    tree.#size = size;
    tree.#root = tree.#fold({ start: 0, end: size }, edge);
    return tree;
  }

  get size(): number {
    return this.#size;
  }

  get root(): Uint8Array {
    return this.#root;
  }

  /** The tree with more leaves. Nothing changes until {@link adopt}. */
  grow(leafHashes: readonly Uint8Array[]): Growth {
    const edge = [...this.#edge];
    const completed: (readonly [number, Tile])[] = [];
    const tiles: TileRow[] = [];
    let size = this.#size;
    let highest = 0;
    for (const leafHash of leafHashes) {
      let node = leafHash;
      for (let level = 0, index = size; ; level++) {
        edge[level] ??= new Tile();
        const tile = edge[level] as Tile;
        tile.set(index % width, node);
        highest = Math.max(highest, level);
        if (index % width !== width - 1) break;
        index = Math.floor(index / width);
        completed.push([tileKey(level, index), tile]);
        tiles.push({ level, index, hashes: tile.hashes(width) });
        edge[level] = new Tile();
        node = tile.node(8, 0);
      }
      size++;
    }
    for (let level = 1, count = Math.floor(size / width); level <= highest; level++) {
      const partial = count % width;
      const index = Math.floor(count / width);
      if (partial > 0) tiles.push({ level, index, hashes: (edge[level] as Tile).hashes(partial) });
      count = index;
    }
    return { size, root: this.#fold({ start: 0, end: size }, edge), tiles, edge, completed };
  }

  /** Makes `growth` the tree, unless it is as large already. */
  adopt(growth: Growth): void {
    if (growth.size <= this.#size) return;
    this.#size = growth.size;
    this.#root = growth.root;
    this.#edge = growth.edge;
    for (const [key, tile] of growth.completed) this.#keep(key, tile);
  }

  /** Takes the place of this tree's content by that of `other`, which must not be used any more. */
  replace(other: LogTree): void {
    this.#size = other.#size;
    this.#root = other.#root;
    this.#edge = other.#edge;
    this.#full.clear();
    this.#ragged.clear();
  }

  /** The hashes of a tile, or undefined when there are fewer than `count`. */
  async tile(level: number, index: number, count: number): Promise<Uint8Array | undefined> {
    if (index * width + count > Math.floor(this.#size / width ** level)) return undefined;
    return (this.#hot(level, index) ?? (await this.#load(level, index))).hashes(count);
  }

  async inclusionProof(index: number, size: number): Promise<Uint8Array[]> {
    checkRange(size, this.#size, 'the size');
    checkRange(index, size - 1, 'the index');
    return this.#roots(inclusionRanges(index, size));
  }

  async consistencyProof(first: number, second: number): Promise<Uint8Array[]> {
    checkRange(second, this.#size, 'the size');
    checkRange(first, second, 'the size');
    return this.#roots(consistencyRanges(first, second));
  }

  async rootAt(size: number): Promise<Uint8Array> {
    checkRange(size, this.#size, 'the size');
    if (size === this.#size) return this.#root;
    return size === 0 ? emptyRoot : this.#rangeRoot({ start: 0, end: size });
  }

  async #roots(ranges: readonly LeafRange[]): Promise<Uint8Array[]> {
    const roots: Uint8Array[] = [];
    for (const range of ranges) {
      // Nearly always in memory; then nothing is waited for.
      const root = this.#rangeRoot(range);
      roots.push(root instanceof Uint8Array ? root : await root);
    }
    return roots;
  }

  #rangeRoot(range: LeafRange): Uint8Array | Promise<Uint8Array> {
    const level = perfectLevel(range.end - range.start);
    // Nearly all ranges of a proof are one node.
    if (level !== undefined) {
      return this.#node(level, range.start / 2 ** level, this.#edge) ?? this.#loadRange(range);
    }
    const computed = this.#ragged.get(range.end)?.get(range.start);
    if (computed !== undefined) return computed;
    const found: Uint8Array[] = [];
    for (const { level, index } of rangeNodes(range)) {
      const node = this.#node(level, index, this.#edge);
      if (node === undefined) return this.#loadRange(range);
      found.push(node);
    }
    return this.#remember(range, foldNodes(found));
  }

  async #loadRange(range: LeafRange): Promise<Uint8Array> {
    const found: Uint8Array[] = [];
    for (const { level, index } of rangeNodes(range)) {
      const height = level % 8;
      const tile = await this.#load((level - height) / 8, Math.floor(index / 2 ** (8 - height)));
      found.push(tile.node(height, index % 2 ** (8 - height)));
    }
    return found.length === 1 ? (found[0] as Uint8Array) : this.#remember(range, foldNodes(found));
  }

  #remember({ start, end }: LeafRange, root: Uint8Array): Uint8Array {
    let bySize = this.#ragged.get(end);
    if (bySize === undefined) {
      bySize = new Map();
      this.#ragged.set(end, bySize);
      const [oldest] = this.#ragged.keys();
      if (this.#ragged.size > keptSizes && oldest !== undefined) this.#ragged.delete(oldest);
    }
    bySize.set(start, root);
    return root;
  }

  /** The root of a range whose nodes are all in memory. */
  #fold(range: LeafRange, edge: readonly Tile[]): Uint8Array {
    return foldNodes(
      rangeNodes(range).map(({ level, index }) => this.#node(level, index, edge, range.end) as Uint8Array),
    );
  }

  #node(
    level: number,
    index: number,
    edge: readonly Tile[],
    size: number = this.#size,
  ): Uint8Array | undefined {
    const height = level % 8;
    const span = 2 ** (8 - height);
    const tileLevel = (level - height) / 8;
    const tileIndex = Math.floor(index / span);
    const isEdge = tileIndex === Math.floor(size / width ** (tileLevel + 1));
    const tile = isEdge ? edge[tileLevel] : this.#kept(tileKey(tileLevel, tileIndex));
    return tile?.node(height, index % span);
  }

  #hot(level: number, index: number): Tile | undefined {
    const isEdge = index === Math.floor(this.#size / width ** (level + 1));
    return isEdge ? this.#edge[level] : this.#kept(tileKey(level, index));
  }

  #kept(key: number): Tile | undefined {
    const tile = this.#full.get(key);
    if (tile === undefined) return undefined;
    // What was used last is last in the order.
    this.#full.delete(key);
    this.#full.set(key, tile);
    return tile;
  }

  #keep(key: number, tile: Tile): void {
    this.#full.set(key, tile);
    const [oldest] = this.#full.keys();
    if (this.#full.size > keptTiles && oldest !== undefined) this.#full.delete(oldest);
  }

  #load(level: number, index: number): Promise<Tile> {
    const hot = this.#hot(level, index);
    if (hot !== undefined) return Promise.resolve(hot);
    const key = tileKey(level, index);
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#read(level, index, key).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** A full tile from the store. The node over it is known from the level above, up to the root, so damage is noticed. */
  async #read(level: number, index: number, key: number): Promise<Tile> {
    const hashes = await this.#source.tile(level, index);
    if (hashes?.length !== width * hashLength) throw damaged(`tile ${level}/${index} is missing`);
    const tile = new Tile();
    for (let position = 0; position < width; position++) {
      tile.set(position, hashes.subarray(position * hashLength, (position + 1) * hashLength));
    }
    const above = await this.#load(level + 1, Math.floor(index / width));
    if (!equalBytes(tile.node(8, 0), above.node(0, index % width)))
      throw damaged(`tile ${level}/${index} is wrong`);
    this.#keep(key, tile);
    return tile;
  }
}

async function edgeHashes(source: TreeSource, level: number, count: number): Promise<readonly Uint8Array[]> {
  const index = Math.floor(count / width);
  if (level === 0) return source.leafHashes(index * width, count);
  const hashes = (await source.tile(level, index)) ?? new Uint8Array(0);
  return Array.from({ length: Math.floor(hashes.length / hashLength) }, (_, place) =>
    hashes.subarray(place * hashLength, (place + 1) * hashLength),
  );
}
