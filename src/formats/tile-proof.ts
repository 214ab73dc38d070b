/**
 * Inclusion proofs from the tiles of a log: which hashes are needed, and what they come to.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md#merkle-tree}
 */
import { BoltsealError } from '../core/errors.ts';
import {
  foldNodes,
  growEdge,
  hashLength,
  inclusionRanges,
  type LeafRange,
  rangeNodes,
  type TreeNode,
} from './merkle.ts';
import { type TilePlace, tileWidth } from './tile-path.ts';

/** Levels of the tree in one tile. */
const tileHeight = 8;

/** A tile of hashes, as wide as it is in a tree of a certain size. */
export interface HashTile extends TilePlace {
  readonly level: number;
}

/** The tile that a node of the tree of `size` is in, and the hashes of it that the node is over. */
function placeOf(
  node: TreeNode,
  size: number,
): { readonly tile: HashTile; readonly first: number; readonly count: number } {
  const level = Math.floor(node.level / tileHeight);
  const count = 2 ** (node.level - level * tileHeight);
  const start = node.index * count;
  const index = Math.floor(start / tileWidth);
  const hashes = Math.floor(size / tileWidth ** level);
  const width = Math.min(tileWidth, hashes - index * tileWidth);
  return { tile: { level, index, width }, first: start - index * tileWidth, count };
}

/** The tiles that the proof of the leaf at `index` in the tree of `size` needs, each once. `index` must be below `size`. */
export function inclusionTiles(index: number, size: number): readonly HashTile[] {
  const found = new Map<string, HashTile>();
  for (const node of inclusionRanges(index, size).flatMap(rangeNodes)) {
    const { tile } = placeOf(node, size);
    found.set(`${tile.level}/${tile.index}`, tile);
  }
  return [...found.values()];
}

/**
 * The audit path of the leaf at `index` in the tree of `size`. `tiles` gives the content of every tile of
 * {@link inclusionTiles}, of its width or wider. Throws `ERR_TILE_INVALID` for one that is too short.
 */
export function inclusionProofFromTiles(
  index: number,
  size: number,
  tiles: (tile: HashTile) => Uint8Array,
): readonly Uint8Array[] {
  const hashOf = (node: TreeNode): Uint8Array => {
    const { tile, first, count } = placeOf(node, size);
    const content = tiles(tile);
    if (content.length < tile.width * hashLength || content.length % hashLength !== 0) {
      throw new BoltsealError(
        'ERR_TILE_INVALID',
        `tile ${tile.level}/${tile.index} has ${content.length} bytes`,
      );
    }
    const edge: Uint8Array[] = [];
    for (let place = 0; place < count; place++) {
      const offset = (first + place) * hashLength;
      growEdge(edge, place, content.subarray(offset, offset + hashLength));
    }
    return foldNodes(edge);
  };
  return inclusionRanges(index, size).map((range: LeafRange) => foldNodes(rangeNodes(range).map(hashOf)));
}
