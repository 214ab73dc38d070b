import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import {
  consistencyRanges,
  foldNodes,
  growEdge,
  hashLeaf,
  inclusionRanges,
  type LeafRange,
} from '../../formats/merkle.ts';
import { type Growth, LogTree, type TreeSource } from './tree.ts';

const leaves = Array.from({ length: 2_000 }, (_, index) => hashLeaf(utf8(`leaf ${index}`)));

function rootOf({ start, end }: LeafRange): Uint8Array {
  const edge: Uint8Array[] = [];
  for (let index = start; index < end; index++) growEdge(edge, index - start, leaves[index] as Uint8Array);
  return foldNodes(edge);
}

/** A store that keeps what trees say is to be stored. */
class MemorySource implements TreeSource {
  readonly tiles = new Map<string, Uint8Array>();
  reads = 0;

  async tile(level: number, index: number): Promise<Uint8Array | undefined> {
    this.reads++;
    return this.tiles.get(`${level}/${index}`);
  }

  async leafHashes(start: number, end: number): Promise<readonly Uint8Array[]> {
    return leaves.slice(start, end);
  }

  take({ tiles }: Growth): void {
    for (const { level, index, hashes } of tiles) this.tiles.set(`${level}/${index}`, hashes.slice());
  }
}

const growTo = (tree: LogTree, source: MemorySource, size: number): void => {
  const growth = tree.grow(leaves.slice(tree.size, size));
  source.take(growth);
  tree.adopt(growth);
};

describe('the tree of a log', () => {
  it('is the tree of its leaves, however it grows and whenever it is loaded', async () => {
    const step = fc.integer({ min: 1, max: 400 });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.nat(), async (steps, seed) => {
        const source = new MemorySource();
        let tree = await LogTree.load(source, 0);
        for (const [count, width] of steps.entries()) {
          growTo(tree, source, Math.min(tree.size + width, leaves.length));
          if (count % 2 === 1) tree = await LogTree.load(source, tree.size);
          const { size } = tree;
          assert.deepEqual(tree.root, rootOf({ start: 0, end: size }));
          const of = 1 + (seed % size);
          const index = (seed * 7) % of;
          assert.deepEqual(await tree.rootAt(of), rootOf({ start: 0, end: of }));
          assert.deepEqual(await tree.inclusionProof(index, of), inclusionRanges(index, of).map(rootOf));
          const proof = await tree.consistencyProof(index, of);
          assert.deepEqual(proof, consistencyRanges(index, of).map(rootOf));
        }
      }),
      { numRuns: 12 },
    );
  });

  it('is not touched by a growth that is given up', async () => {
    const source = new MemorySource();
    const tree = await LogTree.load(source, 0);
    growTo(tree, source, 250);
    const { root } = tree;
    const other = Array.from({ length: 300 }, (_, index) => hashLeaf(utf8(`other ${index}`)));
    tree.grow(other);
    assert.deepEqual([tree.size, tree.root], [250, root]);
    assert.deepEqual(await tree.inclusionProof(249, 250), inclusionRanges(249, 250).map(rootOf));
    growTo(tree, source, 600);
    assert.deepEqual(tree.root, rootOf({ start: 0, end: 600 }));
    assert.deepEqual(await tree.inclusionProof(255, 600), inclusionRanges(255, 600).map(rootOf));
  });

  it('never goes back', async () => {
    const source = new MemorySource();
    const tree = await LogTree.load(source, 0);
    const short = tree.grow(leaves.slice(0, 10));
    growTo(tree, source, 20);
    tree.adopt(short);
    assert.equal(tree.size, 20);
  });

  it('reads a tile once for all who need it at the same time', async () => {
    const source = new MemorySource();
    growTo(await LogTree.load(source, 0), source, 2_000);
    const tree = await LogTree.load(source, 2_000);
    const before = source.reads;
    await Promise.all(Array.from({ length: 256 }, (_, index) => tree.inclusionProof(index, 2_000)));
    assert.equal(source.reads - before, 1);
  });

  it('refuses tiles that are missing, short or wrong', async () => {
    const source = new MemorySource();
    growTo(await LogTree.load(source, 0), source, 2_000);
    const damaged = (error: unknown): boolean => isBoltsealError(error, 'ERR_SERVER_DATA');
    for (const change of [
      () => source.tiles.delete('0/1'),
      () => source.tiles.set('0/1', new Uint8Array(8_191)),
      () => source.tiles.set('0/1', new Uint8Array(8_192)),
    ]) {
      change();
      const tree = await LogTree.load(source, 2_000);
      await assert.rejects(tree.inclusionProof(300, 2_000), damaged);
      assert.equal((await tree.inclusionProof(1, 2_000)).length, 11);
    }
    source.tiles.delete('1/0');
    await assert.rejects(LogTree.load(source, 2_000), damaged);
  });
});
