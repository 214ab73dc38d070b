/**
 * The Merkle tree of a transparency log: hashes, the ranges a proof is made of, and verification.
 * {@link https://www.rfc-editor.org/rfc/rfc9162#section-2.1} (RFC 6962 has the same tree)
 *
 * A tree is never built as a data structure. What is needed of it is the root of the leaves from `start` up to `end`,
 * and every such range that a proof names is a row of perfect subtrees: nodes at (level, index), a node at level 0 being
 * a leaf hash and a node at level n covering 2^n leaves.
 */
import { hash } from 'node:crypto';
import { equalBytes, unwritten } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** Bytes of a hash. */
export const hashLength = 32;

const nodeInput = new Uint8Array(65).fill(1, 0, 1);

/** SHA-256. As a string of bytes it takes a third of the time that a Buffer takes. */
function sha256Into(target: Uint8Array, offset: number, data: Uint8Array): void {
  const digest = hash('sha256', data, 'binary');
  for (let index = 0; index < hashLength; index++) target[offset + index] = digest.charCodeAt(index);
}

/** SHA-256 of `data`. */
export function sha256(data: Uint8Array): Uint8Array {
  const digest = new Uint8Array(hashLength);
  sha256Into(digest, 0, data);
  return digest;
}

/** The root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0));

/** The hash of a leaf: SHA-256(00 ‖ leaf). */
export function hashLeaf(leaf: Uint8Array): Uint8Array {
  const input = unwritten(1 + leaf.length);
  input[0] = 0;
  input.set(leaf, 1);
  return sha256(input);
}

/** The hash of a node over two others: SHA-256(01 ‖ left ‖ right). */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const digest = new Uint8Array(hashLength);
  hashNodeInto(digest, 0, left, right);
  return digest;
}

/** As {@link hashNode}, written into `target` at `offset`. */
export function hashNodeInto(target: Uint8Array, offset: number, left: Uint8Array, right: Uint8Array): void {
  nodeInput.set(left, 1);
  nodeInput.set(right, 33);
  sha256Into(target, offset, nodeInput);
}

/** The leaves from `start` up to, not including, `end`. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** A perfect subtree: the leaves from index·2^level, 2^level of them. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** The largest power of two below `count`, which is at least 2: where a tree of `count` leaves is split. */
function splitOf(count: number): number {
  if (count <= 0x4000_0000) return 1 << (31 - Math.clz32(count - 1));
  let split = 0x2000_0000;
  while (split * 2 < count) split *= 2;
  return split;
}

/**
 * The ranges whose roots are the audit path of the leaf at `index` in the tree of `size`, leaf to root (RFC 9162 section
 * 2.1.3.1). All are perfect but at most one, which then ends at `size`. `index` must be below `size`.
 */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  const path: LeafRange[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  return path.reverse();
}

/**
 * The ranges whose roots are the consistency proof between two sizes (RFC 9162 section 2.1.4.1); none when `first` is 0
 * or equals `second`. `first` must not be larger than `second`.
 */
export function consistencyRanges(first: number, second: number): LeafRange[] {
  const path: LeafRange[] = [];
  if (first === 0) return path;
  let start = 0;
  let end = second;
  while (first !== end) {
    const middle = start + splitOf(end - start);
    if (first <= middle) {
      path.push({ start: middle, end });
      end = middle;
    } else {
      path.push({ start, end: middle });
      start = middle;
    }
  }
  // From the first leaf on it is the first tree itself, which the verifier has.
  if (start > 0) path.push({ start, end });
  return path.reverse();
}

/**
 * The perfect subtrees that make up a range, left to right, each smaller than the one before; folded from the right they
 * give its root. The range must start where a tree of its size may start, as all ranges of proofs do.
 */
export function rangeNodes({ start, end }: LeafRange): TreeNode[] {
  const nodes: TreeNode[] = [];
  let place = start;
  let width = 1;
  let level = 0;
  while (width * 2 <= end - start) {
    width *= 2;
    level++;
  }
  for (; place < end; width /= 2, level--) {
    if (width > end - place) continue;
    nodes.push({ level, index: place / width });
    place += width;
  }
  return nodes;
}

/** The root over perfect subtrees, largest first, as {@link rangeNodes} lists them; {@link emptyRoot} of none. */
export function foldNodes(hashes: readonly Uint8Array[]): Uint8Array {
  let root = hashes.at(-1) ?? emptyRoot;
  for (let index = hashes.length - 2; index >= 0; index--) root = hashNode(hashes[index] as Uint8Array, root);
  return root;
}

/**
 * Adds a leaf to the right edge of a tree, which is the roots of its perfect subtrees, largest first: all that is needed
 * to go on. `size` is the number of leaves before. Changes `edge`.
 */
export function growEdge(edge: Uint8Array[], size: number, leafHash: Uint8Array): void {
  let node = leafHash;
  for (let count = size; count % 2 === 1; count = (count - 1) / 2)
    node = hashNode(edge.pop() as Uint8Array, node);
  edge.push(node);
}

/** The error for a log that contradicts itself. */
export function inconsistent(what: string): BoltsealError {
  return new BoltsealError('ERR_LOG_INCONSISTENT', what);
}

function checkProof(proof: readonly Uint8Array[], what: string): void {
  if (proof.length > limits.inclusionProofHashes) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${what} has ${proof.length} hashes`);
  }
  if (proof.some((node) => node.length !== hashLength))
    throw inconsistent(`${what} has a hash of another length`);
}

/**
 * The root that an audit path leads to from the leaf at `index` in a tree of `size` (RFC 9162 section 2.1.3.2). Throws
 * `ERR_LOG_INCONSISTENT` when index, size and path do not fit each other, `ERR_LIMIT_EXCEEDED`.
 */
export function rootFromInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
): Uint8Array {
  const what = `the inclusion proof of entry ${index} in a tree of ${size}`;
  checkProof(proof, what);
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    throw inconsistent(`${what} names a place outside the tree`);
  }
  const ranges = inclusionRanges(index, size);
  if (ranges.length !== proof.length) {
    throw inconsistent(`${what} has ${proof.length} hashes; it must have ${ranges.length}`);
  }
  const root = Uint8Array.from(leafHash);
  for (let step = 0; step < ranges.length; step++) {
    const { start } = ranges[step] as LeafRange;
    const sibling = proof[step] as Uint8Array;
    if (start > index) hashNodeInto(root, 0, root, sibling);
    else hashNodeInto(root, 0, sibling, root);
  }
  return root;
}

/**
 * Verifies that the leaf is at `index` in the tree of `size` that has `root` (RFC 9162 section 2.1.3.2). Throws
 * `ERR_LOG_INCONSISTENT`, `ERR_LIMIT_EXCEEDED`.
 */
export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  if (!equalBytes(rootFromInclusion(leafHash, index, size, proof), root)) {
    throw inconsistent(
      `the inclusion proof of entry ${index} leads to another root than that of ${size} entries`,
    );
  }
}

/**
 * Verifies that the tree of `first` leaves is the beginning of that of `second` (RFC 9162 section 2.1.4.2). Throws
 * `ERR_LOG_INCONSISTENT`, `ERR_LIMIT_EXCEEDED`.
 */
export function verifyConsistency(
  first: number,
  second: number,
  proof: readonly Uint8Array[],
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
): void {
  const what = `the consistency proof between ${first} and ${second} entries`;
  checkProof(proof, what);
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second) || first < 0 || first > second) {
    throw inconsistent(`${what} goes back`);
  }
  const ranges = consistencyRanges(first, second);
  if (ranges.length !== proof.length) {
    throw inconsistent(`${what} has ${proof.length} hashes; it must have ${ranges.length}`);
  }
  if (first === 0 && !equalBytes(firstRoot, emptyRoot)) throw inconsistent('an empty tree has another root');
  if (first === second && !equalBytes(firstRoot, secondRoot)) {
    throw inconsistent(`two trees of ${first} entries have different roots`);
  }
  if (ranges.length === 0) return;
  // The innermost range is the last perfect subtree of the first tree; when that is all of it, the proof leaves it out.
  const { start } = ranges[0] as LeafRange;
  const whole = start >= first;
  let before = whole ? firstRoot : (proof[0] as Uint8Array);
  let after = before;
  for (let step = whole ? 0 : 1; step < ranges.length; step++) {
    const { start } = ranges[step] as LeafRange;
    const node = proof[step] as Uint8Array;
    if (start >= first) after = hashNode(after, node);
    else {
      before = hashNode(node, before);
      after = hashNode(node, after);
    }
  }
  if (!equalBytes(before, firstRoot) || !equalBytes(after, secondRoot)) {
    throw inconsistent(`a log of ${second} entries does not begin with the ${first} entries it had before`);
  }
}
