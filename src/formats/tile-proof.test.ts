/** Proofs from tiles, compared with the tree itself for every size up to a few tiles. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { foldNodes, growEdge, hashLeaf, verifyInclusion } from './merkle.ts';
import { type HashTile, inclusionProofFromTiles, inclusionTiles } from './tile-proof.ts';

const leaves = Array.from({ length: 256 * 256 + 300 }, (_, index) => hashLeaf(Buffer.from(String(index))));

/** The hashes at the level above tiles, computed when asked for. */
const above: Uint8Array[] = [];
for (let tile = 0; (tile + 1) * 256 <= leaves.length; tile++)
  above.push(rootOf(leaves.slice(tile * 256, tile * 256 + 256)));
const levels = [leaves, above, [rootOf(above.slice(0, 256))]];

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const edge: Uint8Array[] = [];
  for (const [index, hash] of hashes.entries()) growEdge(edge, index, hash);
  return foldNodes(edge);
}

function tileOf({ level, index, width }: HashTile): Uint8Array {
  const hashes = levels[level]?.slice(index * 256, index * 256 + width) ?? [];
  assert.equal(hashes.length, width, `tile ${level}/${index} of ${width}`);
  return concatBytes(...hashes);
}

function check(index: number, size: number, root: Uint8Array = rootOf(leaves.slice(0, size))): void {
  const asked = new Set(inclusionTiles(index, size).map(({ level, index }) => `${level}/${index}`));
  const proof = inclusionProofFromTiles(index, size, (tile) => {
    assert.ok(asked.has(`${tile.level}/${tile.index}`), 'only tiles that were named');
    assert.ok(tile.width <= 256 && tile.width >= 1);
    return tileOf(tile);
  });
  verifyInclusion(leaves[index] as Uint8Array, index, size, proof, root);
}

test('every leaf of small trees', () => {
  for (let size = 1; size <= 40; size++) for (let index = 0; index < size; index++) check(index, size);
});

test('around the edges of tiles, and of tiles of tiles', () => {
  for (const size of [255, 256, 257, 511, 512, 513, 1_000, 65_536, 65_537, leaves.length]) {
    const root = rootOf(leaves.slice(0, size));
    for (const index of new Set([0, 1, 254, 255, 256, 300, size - 257, size - 256, size - 2, size - 1])) {
      if (index >= 0 && index < size) check(index, size, root);
    }
  }
});

test('few tiles are needed, however large the tree', () => {
  assert.equal(inclusionTiles(0, 1).length, 0);
  assert.ok(inclusionTiles(123_456_789, 2 ** 40 + 12_345).length <= 12);
});

test('a tile that is wider does as well, one that is shorter does not', () => {
  const wide = ({ level, index }: HashTile): Uint8Array => {
    const count = Math.min(256, (levels[level]?.length ?? 0) - index * 256);
    return tileOf({ level, index, width: count });
  };
  const proof = inclusionProofFromTiles(3, 300, wide);
  verifyInclusion(leaves[3] as Uint8Array, 3, 300, proof, rootOf(leaves.slice(0, 300)));
  for (const change of [32, 1]) {
    assert.throws(
      () => inclusionProofFromTiles(3, 300, (tile) => tileOf(tile).subarray(change)),
      (error) => isBoltsealError(error, 'ERR_TILE_INVALID'),
    );
  }
});
