/** Timestamps as trees that are changed and signed again. */
import { createHash } from 'node:crypto';
import type { World } from '../../support/sigstore-world.ts';
import { algorithmOf, type TestKey } from '../../support/test-certificates.ts';
import { type DerNode, derAt, derBytes, derContent, derTree, oidOf } from './der-tree.ts';

/** The parts of a timestamp that is changed. */
export interface StampParts {
  /** PKIStatusInfo. */
  readonly status: DerNode;
  /** SignedData. */
  readonly data: DerNode;
  /** The OCTET STRING around TSTInfo. */
  readonly content: DerNode;
  /** SignerInfo. */
  readonly signer: DerNode;
}

/** Where the parts of a timestamp are in its tree. */
export function partsOfStamp(tree: DerNode | undefined): StampParts {
  const data = derAt(tree, 1, 1, 0);
  const content = derAt(data, 2, 1, 0);
  const signer = data?.parts?.at(-1)?.parts?.[0];
  const status = derAt(tree, 0);
  if (status === undefined || data === undefined || content === undefined || signer === undefined) {
    throw new Error('no timestamp');
  }
  return { status, data, content, signer };
}

/** Signs a timestamp anew: `isDigest` writes the digest of its content into its attributes first. */
export function signStamp(tree: DerNode, key: TestKey, isDigest: boolean): void {
  const { content, signer } = partsOfStamp(tree);
  const attributes = signer.parts?.find(({ tag }) => tag === 0xa0);
  const digest = attributes?.parts?.find((one) => oidOf(one.parts?.[0]) === '1.2.840.113549.1.9.4');
  const value = derAt(digest, 1, 0);
  if (isDigest && value !== undefined) {
    value.content = createHash('sha256').update(derContent(content)).digest();
    value.parts = undefined;
  }
  const signature = signer.parts?.at(5);
  if (attributes === undefined || signature === undefined) return;
  const signed = derBytes({ ...attributes, tag: 0x31 });
  signature.content = key.sign(signed, algorithmOf(key).hash ?? undefined);
  signature.parts = undefined;
}

/** A timestamp of `signature` in which `edit` changed something, signed after that. */
export function editedStamp(
  world: World,
  signature: Uint8Array,
  edit: (parts: StampParts) => void,
): Uint8Array {
  const tree = derTree(world.timestamp(signature));
  if (tree === undefined) throw new Error('a timestamp is no DER');
  edit(partsOfStamp(tree));
  signStamp(tree, world.tsaKey, true);
  return derBytes(tree);
}
