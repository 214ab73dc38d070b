/**
 * Changes in the DER of certificates and timestamps: as anybody could make them, and with all signatures made anew, so
 * that only what is said has to be refused.
 */
import { createHash } from 'node:crypto';
import { derBitString, derOid, derSequence } from '../../../src/core/der.ts';
import { concatBytes } from '../../../src/core/encoding.ts';
import { encodeSctExtension } from '../../../src/formats/sct.ts';
import type { World } from '../../support/sigstore-world.ts';
import { algorithmOf, type TestKey } from '../../support/test-certificates.ts';
import { build, bytesOf, type Changes, type Document } from './build.ts';
import {
  type DerNode,
  derAt,
  derBytes,
  derContent,
  derNodes,
  derTree,
  lengthBytes,
  oidOf,
} from './der-tree.ts';
import { documentOf, type Mutator, mutateBytes, type Original, remaking } from './mutator.ts';
import type { Random } from './random.ts';
import { partsOfStamp, signStamp } from './stamp-tree.ts';
import type { Trial } from './trial.ts';

const empty = new Uint8Array(0);

/** A change of one node. False: it does not fit there. */
type NodeChange = (node: DerNode, random: Random) => boolean;

const otherTags = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x81, 0xa0,
];

const oids = [
  '2.5.29.14',
  '2.5.29.15',
  '2.5.29.17',
  '2.5.29.19',
  '2.5.29.30',
  '2.5.29.35',
  '2.5.29.36',
  '2.5.29.37',
  '2.5.29.37.0',
  '1.3.6.1.5.5.7.3.3',
  '1.3.6.1.5.5.7.3.8',
  '1.3.6.1.4.1.57264.1.1',
  '1.3.6.1.4.1.57264.1.8',
  '1.3.6.1.4.1.57264.1.20',
  '1.3.6.1.4.1.11129.2.4.2',
  '1.3.6.1.4.1.11129.2.4.3',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.113549.1.1.11',
  '2.16.840.1.101.3.4.2.1',
  '2.16.840.1.101.3.4.2.2',
  '1.3.14.3.2.26',
  '1.2.3.4',
];

const nodeChanges: readonly NodeChange[] = [
  (node, random) => {
    node.tag = random.pick(otherTags);
    return true;
  },
  (node, random) => {
    if (node.parts === undefined || node.parts.length === 0) return false;
    node.parts.splice(random.below(node.parts.length), 1);
    return true;
  },
  (node, random) => {
    if (node.parts === undefined || node.parts.length === 0) return false;
    const at = random.below(node.parts.length);
    node.parts.splice(at, 0, structuredClone(node.parts[at] as DerNode));
    return true;
  },
  (node, random) => {
    if (node.parts === undefined || node.parts.length < 2) return false;
    const [a, b] = [random.below(node.parts.length), random.below(node.parts.length)];
    const kept = node.parts[a] as DerNode;
    node.parts[a] = node.parts[b] as DerNode;
    node.parts[b] = kept;
    return a !== b;
  },
  (node, random) => {
    if (node.parts === undefined) return false;
    const more: DerNode = random.pick([
      { tag: 0x05, content: empty },
      { tag: 0x02, content: Uint8Array.of(1) },
      { tag: 0x01, content: Uint8Array.of(0xff) },
      { tag: 0x01, content: Uint8Array.of(0) },
      { tag: 0x04, content: Uint8Array.of(1, 2, 3) },
      { tag: 0xa3, content: empty, parts: [] },
    ]);
    node.parts.splice(random.below(node.parts.length + 1), 0, more);
    return true;
  },
  (node, random) => {
    node.content = mutateBytes(node.parts === undefined ? node.content : derContent(node), random);
    node.parts = undefined;
    return true;
  },
  (node, random) => {
    if (node.tag !== 0x02) return false;
    node.content = random.pick([
      concatBytes(Uint8Array.of(0), node.content),
      Uint8Array.of(0x80 | (node.content[0] ?? 0), ...node.content.subarray(1)),
      Uint8Array.of(random.below(8)),
      empty,
      random.bytes(random.pick([2, 20, 21, 40])),
    ]);
    return true;
  },
  (node, random) => {
    if (node.tag !== 0x01) return false;
    node.content = random.pick([Uint8Array.of(0), Uint8Array.of(1), Uint8Array.of(0xff, 0xff), empty]);
    return true;
  },
  (node, random) => {
    if (node.tag !== 0x06) return false;
    node.content = derOid(random.pick(oids)).subarray(2);
    return true;
  },
  (node, random) => {
    if (node.tag !== 0x17 && node.tag !== 0x18) return false;
    const text = Buffer.from(node.content).toString('latin1');
    const changed = random.pick([
      text.replace('Z', '.0Z'),
      text.replace('Z', '.5Z'),
      text.replace('Z', '.123Z'),
      text.replace('Z', '+0000'),
      text.replace(/..Z/, 'Z'),
      text.replace(/..Z/, '60Z'),
      text.replace(/^(\d*)(\d\d)(\d{8}Z)/, '$113$3'),
      text.replace(/\d\d(\d{6}Z)$/, '31$1'),
    ]);
    node.content = Buffer.from(changed, 'latin1');
    if (random.once(3)) node.tag = node.tag === 0x17 ? 0x18 : 0x17;
    return true;
  },
  (node, random) => {
    if (node.tag !== 0x03) return false;
    const bits = derContent(node);
    node.parts = undefined;
    node.content = Uint8Array.of(random.pick([1, 2, 5, 7, 8, 0xff]), ...bits.subarray(1));
    return true;
  },
  (node, random) => {
    const size = derContent(node).length;
    node.length = random.pick([
      Uint8Array.of(0x80),
      size < 0x80 ? Uint8Array.of(0x81, size) : Uint8Array.of(0x83, 0, size >> 8, size & 0xff),
      lengthBytes(size + 1),
      lengthBytes(Math.max(0, size - 1)),
      Uint8Array.of(0x84, 0xff, 0xff, 0xff, 0xff),
    ]);
    return true;
  },
];

/** Makes one change somewhere in a tree. */
export function mutateTree(tree: DerNode, random: Random): void {
  const nodes = derNodes(tree);
  for (let attempt = 0; attempt < 40; attempt++) {
    if (random.pick(nodeChanges)(random.pick(nodes), random)) return;
  }
}

/** DER of a place in a bundle, changed and not signed anew. */
function unsigned(
  name: string,
  weight: number,
  placeOf: (document: Document, random: Random) => Document,
): Mutator {
  return {
    name,
    weight,
    mutate({ trial }: Original, random: Random): Trial | undefined {
      const document = documentOf(trial.bundle);
      const holder = placeOf(document, random);
      if (holder === undefined) return undefined;
      const key = Object.keys(holder).find((one) => one === 'rawBytes' || one === 'signedTimestamp');
      if (key === undefined) return undefined;
      const der = new Uint8Array(Buffer.from(holder[key], 'base64'));
      const tree = derTree(der);
      if (tree === undefined || random.once(6)) {
        holder[key] = Buffer.from(mutateBytes(der, random)).toString('base64');
      } else {
        mutateTree(tree, random);
        holder[key] = Buffer.from(derBytes(tree)).toString('base64');
      }
      return { ...trial, bundle: bytesOf(document) };
    },
  };
}

function anyCertificate({ verificationMaterial }: Document, random: Random): Document {
  const { certificate, x509CertificateChain } = verificationMaterial;
  return certificate ?? (x509CertificateChain && random.pick(x509CertificateChain.certificates));
}

/** Certificate DER of a TBSCertificate, signed. */
export function signTree(tbs: DerNode, issuer: TestKey): Uint8Array {
  const { identifier, hash } = algorithmOf(issuer);
  const bytes = derBytes(tbs);
  return derSequence(bytes, identifier, derBitString(issuer.sign(bytes, hash ?? undefined)));
}

/** A certificate whose TBSCertificate was changed, with certificate timestamps and signature that are valid. */
function changedLeaf(world: World, key: TestKey, random: Random): Uint8Array {
  const { certificate } = world.issue({ key, scts: () => [] });
  const tbs = derAt(derTree(certificate), 0);
  if (tbs === undefined) throw new Error('a certificate without a TBSCertificate');
  mutateTree(tbs, random);
  if (random.once(5)) mutateTree(tbs, random);
  const sct = encodeSctExtension([world.sct(derBytes(tbs))]);
  const list = derAt(
    tbs.parts?.find(({ tag }) => tag === 0xa3),
    0,
  )?.parts;
  const extension = derTree(sct);
  if (list !== undefined && extension !== undefined) {
    list.splice(random.once(3) ? random.below(list.length + 1) : list.length, 0, extension);
  }
  return signTree(tbs, world.ca.key);
}

/** A certificate whose list of certificate timestamps was changed. */
function changedSct(world: World, key: TestKey, random: Random): Uint8Array {
  const { certificate } = world.issue({ key });
  const tbs = derAt(derTree(certificate), 0);
  const list = derAt(
    tbs?.parts?.find(({ tag }) => tag === 0xa3),
    0,
  )?.parts;
  const extension = list?.find((one) => oidOf(one.parts?.[0]) === '1.3.6.1.4.1.11129.2.4.2');
  const holder = extension?.parts?.at(-1);
  const inner = holder?.parts?.[0];
  if (tbs === undefined || holder === undefined || inner === undefined) throw new Error('no timestamps');
  if (random.once(4)) mutateTree(holder, random);
  else inner.content = mutateBytes(inner.content, random);
  return signTree(tbs, world.ca.key);
}

type Kind = 'certificateAuthorities' | 'timestampAuthorities';

/** A trusted root in which one certificate of an authority was changed and signed anew; timestamps name the new one. */
function changedAuthority(world: World, kind: Kind, random: Random): Changes {
  const isTimestamps = kind === 'timestampAuthorities';
  const issuer = isTimestamps ? world.tsaRoot.key : world.root.key;
  const [authority] = world.trustedRoot[kind];
  if (authority === undefined) throw new Error(`a trusted root without ${kind}`);
  const at = random.below(authority.chain.length);
  const tbs = derAt(derTree(authority.chain[at] ?? empty), 0);
  if (tbs === undefined) throw new Error('a certificate without a TBSCertificate');
  mutateTree(tbs, random);
  const changed = signTree(tbs, issuer);
  const chain = authority.chain.map((der, index) => (index === at ? changed : der));
  return {
    root: (root) => ({ ...root, [kind]: [{ ...authority, chain }] }),
    ...(isTimestamps && at === 0
      ? { timestamp: (signature) => stampNaming(world, signature, tbs, changed) }
      : {}),
  };
}

/** A timestamp that names this certificate as its signer's. */
function stampNaming(world: World, signature: Uint8Array, tbs: DerNode, certificate: Uint8Array): Uint8Array {
  const tree = derTree(world.timestamp(signature));
  if (tree === undefined) throw new Error('a timestamp is no DER');
  const { signer } = partsOfStamp(tree);
  const [serial, issuer] = [tbs.parts?.[1], tbs.parts?.[3]];
  const identifier = signer.parts?.[1];
  if (identifier?.parts !== undefined && serial !== undefined && issuer !== undefined) {
    identifier.parts = [issuer, serial];
  }
  const attributes = signer.parts?.find(({ tag }) => tag === 0xa0);
  const named = attributes?.parts?.find((one) => oidOf(one.parts?.[0]) === '1.2.840.113549.1.9.16.2.47');
  const digest = derAt(named, 1, 0, 0, 0, 0);
  if (digest === undefined) throw new Error('a timestamp that does not name its certificate');
  digest.parts = undefined;
  digest.content = createHash('sha256').update(certificate).digest();
  signStamp(tree, world.tsaKey, true);
  return derBytes(tree);
}

const stampParts = ['content', 'attributes', 'signer', 'all'] as const;

/** A timestamp with a change in one part, signed anew. */
function changedStamp(world: World, signature: Uint8Array, random: Random): Uint8Array {
  const tree = derTree(world.timestamp(signature, { embed: random.once(3) }));
  if (tree === undefined) throw new Error('a timestamp is no DER');
  const { content, signer } = partsOfStamp(tree);
  const part = random.pick(stampParts);
  if (part === 'content') mutateTree(content, random);
  else if (part === 'attributes') mutateTree(derAt(signer, 3) ?? signer, random);
  else if (part === 'signer') mutateTree(signer, random);
  else mutateTree(tree, random);
  try {
    signStamp(tree, world.tsa.key, part === 'content' || random.once(2));
  } catch {
    // What there was to sign is gone.
  }
  return derBytes(tree);
}

/** Changes of DER. */
export const derMutators: readonly Mutator[] = [
  unsigned('certificate DER', 4, anyCertificate),
  unsigned('timestamp DER', 4, ({ verificationMaterial }, random) => {
    const list = verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? [];
    return list.length === 0 ? undefined : random.pick(list);
  }),
  remaking('certificate DER, signed and logged anew', 12, (recipe, random) =>
    recipe.signer === 'key'
      ? undefined
      : build(recipe, { certificate: (key) => changedLeaf(recipe.world, key, random) }),
  ),
  remaking('certificate timestamps, signed anew', 4, (recipe, random) =>
    recipe.signer === 'key'
      ? undefined
      : build(recipe, { certificate: (key) => changedSct(recipe.world, key, random) }),
  ),
  remaking('certificate authority DER, signed anew', 5, (recipe, random) =>
    recipe.signer === 'key'
      ? undefined
      : build(recipe, changedAuthority(recipe.world, 'certificateAuthorities', random)),
  ),
  remaking('timestamp authority DER, signed anew', 5, (recipe, random) =>
    recipe.timestamps === 0
      ? undefined
      : build(recipe, changedAuthority(recipe.world, 'timestampAuthorities', random)),
  ),
  remaking('timestamp DER, signed anew', 10, (recipe, random) =>
    recipe.timestamps === 0
      ? undefined
      : build(recipe, { timestamp: (signature) => changedStamp(recipe.world, signature, random) }),
  ),
];
