import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hex, utf8 } from '../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import {
  consistencyRanges,
  emptyRoot,
  foldNodes,
  growEdge,
  hashLeaf,
  hashNode,
  inclusionRanges,
  type LeafRange,
  rangeNodes,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';

/** The definitions of RFC 9162 section 2.1, word for word. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return emptyRoot;
  if (leaves.length === 1) return only;
  const k = naiveSplit(leaves.length);
  return hashNode(naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

function naiveSplit(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = naiveSplit(leaves.length);
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

function naiveConsistency(m: number, leaves: readonly Uint8Array[], whole = true): Uint8Array[] {
  if (m === leaves.length) return whole ? [] : [naiveRoot(leaves)];
  const k = naiveSplit(leaves.length);
  return m <= k
    ? [...naiveConsistency(m, leaves.slice(0, k), whole), naiveRoot(leaves.slice(k))]
    : [...naiveConsistency(m - k, leaves.slice(k), false), naiveRoot(leaves.slice(0, k))];
}

const leaves = Array.from({ length: 300 }, (_, index) => hashLeaf(utf8(`leaf ${index}`)));

/** The root of a range from perfect subtrees, each computed naively. */
function rangeRoot(range: LeafRange): Uint8Array {
  return foldNodes(
    rangeNodes(range).map(({ level, index }) =>
      naiveRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)),
    ),
  );
}

const refused = (error: unknown): boolean => isBoltsealError(error, 'ERR_LOG_INCONSISTENT');
const size = fc.integer({ min: 1, max: leaves.length });

describe('the Merkle tree', () => {
  it('has the roots of the reference implementation', () => {
    // https://github.com/google/certificate-transparency-go/blob/v1.0.21/merkletree/merkle_tree_test.go
    const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657'].map((text) =>
      hashLeaf(new Uint8Array(Buffer.from(text, 'hex'))),
    );
    assert.equal(hex(emptyRoot), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    assert.equal(
      hex(inputs[0] as Uint8Array),
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    assert.equal(hex(naiveRoot(inputs)), 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c');
  });

  it('grows at its right edge', () => {
    const edge: Uint8Array[] = [];
    for (const [count, leaf] of leaves.entries()) {
      growEdge(edge, count, leaf);
      assert.deepEqual(foldNodes(edge), naiveRoot(leaves.slice(0, count + 1)));
    }
  });

  it('proves inclusion as RFC 9162 defines it', () => {
    fc.assert(
      fc.property(size, fc.nat(), (count, seed) => {
        const index = seed % count;
        const tree = leaves.slice(0, count);
        const proof = inclusionRanges(index, count).map(rangeRoot);
        assert.deepEqual(proof, naivePath(index, tree));
        verifyInclusion(leaves[index] as Uint8Array, index, count, proof, naiveRoot(tree));
      }),
      { numRuns: 60 },
    );
  });

  it('proves consistency as RFC 9162 defines it', () => {
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [first, second] = a < b ? [a, b] : [b, a];
        const proof = consistencyRanges(first, second).map(rangeRoot);
        assert.deepEqual(proof, naiveConsistency(first, leaves.slice(0, second)));
        verifyConsistency(
          first,
          second,
          proof,
          naiveRoot(leaves.slice(0, first)),
          naiveRoot(leaves.slice(0, second)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('has ranges of huge trees too', () => {
    const large = 2 ** 52 + 12_345;
    const ranges = inclusionRanges(2 ** 40 + 5, large);
    assert.equal(ranges.length, 53);
    assert.deepEqual(ranges.at(-1), { start: 2 ** 52, end: large });
    assert.deepEqual(rangeNodes({ start: 0, end: 2 ** 52 + 1 }), [
      { level: 52, index: 0 },
      { level: 0, index: 2 ** 52 },
    ]);
  });

  it('refuses every changed inclusion proof', () => {
    fc.assert(
      fc.property(size, fc.nat(), fc.nat(), fc.nat({ max: 255 }), (count, seed, where, bit) => {
        const index = seed % count;
        const leaf = leaves[index] as Uint8Array;
        const root = naiveRoot(leaves.slice(0, count));
        const proof = inclusionRanges(index, count).map(rangeRoot);
        assert.throws(() => verifyInclusion(leaf, index, count, [...proof, root], root), refused);
        assert.throws(() => verifyInclusion(leaf, count, count, proof, root), refused);
        assert.throws(() => verifyInclusion(leaf, -1, count, proof, root), refused);
        assert.throws(() => verifyInclusion(leaf, index + 0.5, count, proof, root), refused);
        if (proof.length === 0) return;
        assert.throws(() => verifyInclusion(leaf, index, count, proof.slice(1), root), refused);
        assert.throws(() => verifyInclusion(leaf, index ^ 1, count, proof, root), refused);
        const changed = proof.map((node) => node.slice());
        const node = changed[where % changed.length] as Uint8Array;
        node[bit >> 3] = (node[bit >> 3] as number) ^ (1 << (bit & 7));
        assert.throws(() => verifyInclusion(leaf, index, count, changed, root), refused);
      }),
      { numRuns: 40 },
    );
  });

  it('refuses every changed consistency proof', () => {
    fc.assert(
      fc.property(size, size, fc.nat(), (a, b, where) => {
        const [first, second] = a < b ? [a, b] : [b, a];
        const firstRoot = naiveRoot(leaves.slice(0, first));
        const secondRoot = naiveRoot(leaves.slice(0, second));
        const proof = consistencyRanges(first, second).map(rangeRoot);
        const check = (hashes: readonly Uint8Array[], before = firstRoot, after = secondRoot): void =>
          verifyConsistency(first, second, hashes, before, after);
        assert.throws(() => check([...proof, firstRoot]), refused);
        assert.throws(() => check(proof, emptyRoot), refused);
        assert.throws(() => check(proof, firstRoot, emptyRoot), refused);
        assert.throws(() => verifyConsistency(second + 1, second, proof, firstRoot, secondRoot), refused);
        if (proof.length === 0) return;
        assert.throws(() => check(proof.slice(1)), refused);
        assert.throws(
          () => check(proof.map((node, index) => (index === where % proof.length ? emptyRoot : node))),
          refused,
        );
      }),
      { numRuns: 40 },
    );
  });

  it('takes any tree to begin with the empty one', () => {
    verifyConsistency(0, 5, [], emptyRoot, naiveRoot(leaves.slice(0, 5)));
    assert.throws(() => verifyConsistency(0, 5, [], leaves[0] as Uint8Array, emptyRoot), refused);
  });

  it('bounds proofs', () => {
    const proof = Array.from({ length: 65 }, () => emptyRoot);
    const tooLong = (error: unknown): boolean =>
      error instanceof BoltsealError && error.code === 'ERR_LIMIT_EXCEEDED';
    assert.throws(() => verifyInclusion(emptyRoot, 0, 1, proof, emptyRoot), tooLong);
    assert.throws(() => verifyConsistency(1, 2, proof, emptyRoot, emptyRoot), tooLong);
    assert.throws(() => verifyInclusion(emptyRoot, 0, 2, [new Uint8Array(31)], emptyRoot), refused);
  });
});
