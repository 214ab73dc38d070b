/**
 * DER as a tree that tests change and look into. It is not the reader that is tested: it takes more than DER, never
 * throws, and looks into OCTET STRINGs and BIT STRINGs that hold DER.
 */
import { concatBytes, equalBytes } from '../../../src/core/encoding.ts';

/** One element. What has parts is written from them, everything else from its content. */
export interface DerNode {
  tag: number;
  content: Uint8Array;
  parts?: DerNode[] | undefined;
  /** Bytes of the content before the parts: the count of unused bits of a BIT STRING. */
  before?: Uint8Array | undefined;
  /** The length as it is to be written, when it is not the one that DER has. */
  length?: Uint8Array | undefined;
}

/** The tree of `bytes`, or undefined when they are not one element and nothing else. */
export function derTree(bytes: Uint8Array, depth = 0): DerNode | undefined {
  const [only, ...more] = derTrees(bytes, depth) ?? [];
  return more.length > 0 ? undefined : only;
}

/** The elements that `bytes` are, or undefined when they are something else, or nothing. */
function derTrees(bytes: Uint8Array, depth: number): DerNode[] | undefined {
  if (depth > 40 || bytes.length === 0) return undefined;
  const found: DerNode[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const end = endOf(bytes, offset);
    if (end === undefined) return undefined;
    const [start, stop] = end;
    found.push(nodeOf(bytes[offset] ?? 0, bytes.subarray(start, stop), depth));
    offset = stop;
  }
  return found;
}

/** Where the content of the element at `offset` starts and ends. */
function endOf(bytes: Uint8Array, offset: number): readonly [number, number] | undefined {
  const first = bytes[offset + 1];
  if (first === undefined || ((bytes[offset] ?? 0) & 0x1f) === 0x1f) return undefined;
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) return undefined;
    length = 0;
    for (let index = 0; index < count; index++) length = length * 256 + (bytes[start + index] ?? 0);
    start += count;
  }
  return start + length > bytes.length ? undefined : [start, start + length];
}

function nodeOf(tag: number, content: Uint8Array, depth: number): DerNode {
  if ((tag & 0x20) !== 0) {
    return { tag, content, parts: content.length === 0 ? [] : derTrees(content, depth + 1) };
  }
  // What looks like DER by chance, as a hash may, must come out as it went in.
  const parts = tag === 0x04 ? derTrees(content, depth + 1) : undefined;
  if (parts !== undefined && equalBytes(concatBytes(...parts.map(derBytes)), content)) {
    return { tag, content, parts };
  }
  if (tag === 0x03 && content[0] === 0 && content[1] === 0x30) {
    const inner = content.subarray(1);
    const parts = derTrees(inner, depth + 1);
    if (parts !== undefined && equalBytes(concatBytes(...parts.map(derBytes)), inner)) {
      return { tag, content, parts, before: Uint8Array.of(0) };
    }
  }
  return { tag, content };
}

/** The bytes of a tree. */
export function derBytes(node: DerNode): Uint8Array {
  const content = derContent(node);
  return concatBytes(Uint8Array.of(node.tag), node.length ?? lengthBytes(content.length), content);
}

/** The content of a node. */
export function derContent(node: DerNode): Uint8Array {
  return node.parts === undefined
    ? node.content
    : concatBytes(node.before ?? new Uint8Array(0), ...node.parts.map(derBytes));
}

/** A length as DER has it. */
export function lengthBytes(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return Uint8Array.of(0x80 + bytes.length, ...bytes);
}

/** A node and all below it. */
export function derNodes(node: DerNode): DerNode[] {
  return [node, ...(node.parts ?? []).flatMap(derNodes)];
}

/** The node at a path of indexes. */
export function derAt(node: DerNode | undefined, ...path: readonly number[]): DerNode | undefined {
  return path.reduce<DerNode | undefined>((one, index) => one?.parts?.[index], node);
}

/** The dotted form of an OBJECT IDENTIFIER; empty for anything else. */
export function oidOf(node: DerNode | undefined): string {
  if (node?.tag !== 0x06) return '';
  const arcs: bigint[] = [];
  let value = 0n;
  for (const byte of node.content) {
    value = (value << 7n) + BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const top = value >= 80n ? 2n : value / 40n;
      arcs.push(top, value - top * 40n);
    } else arcs.push(value);
    value = 0n;
  }
  return arcs.join('.');
}
