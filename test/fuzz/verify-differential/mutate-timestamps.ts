/** Timestamps and their authorities, made wrong before they sign. */
import { createHash } from 'node:crypto';
import { derNull, derOid, derSequence } from '../../../src/core/der.ts';
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtendedKeyUsage,
  encodeExtension,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifier,
  keyPurposes,
} from '../../../src/formats/extensions.ts';
import { signatureAlgorithms } from '../../../src/formats/signature-algorithm.ts';
import type { TrustedRoot } from '../../../src/formats/trusted-root.ts';
import type { World } from '../../support/sigstore-world.ts';
import {
  after,
  makeAuthority,
  newKey,
  signingTime,
  type TestAuthority,
  type TestKey,
  year,
} from '../../support/test-certificates.ts';
import { build, type Changes, keyFor } from './build.ts';
import type { DerNode } from './der-tree.ts';
import { authorityOf, type Mutator, remaking } from './mutator.ts';
import type { Random } from './random.ts';
import { editedStamp, type StampParts } from './stamp-tree.ts';

const purpose = keyPurposes.timeStamping;
const validFor = { start: after(-year) };
const anyPurpose = '2.5.29.37.0';

/** The extensions of a timestamp authority's certificate. */
function extensions(key: TestKey, random: Random): readonly Uint8Array[] {
  const usage = encodeKeyUsage(['digitalSignature']);
  const timestamping = encodeExtendedKeyUsage([purpose], true);
  const identifier = encodeSubjectKeyIdentifier(keyIdentifier(key.publicKey.spki));
  return random.pick([
    () => [usage, identifier],
    () => [timestamping],
    () => [usage, encodeExtendedKeyUsage([purpose], false), identifier],
    () => [usage, encodeExtendedKeyUsage([purpose, keyPurposes.codeSigning], true), identifier],
    () => [usage, encodeExtendedKeyUsage([keyPurposes.codeSigning], true), identifier],
    () => [usage, encodeExtendedKeyUsage([anyPurpose], true), identifier],
    () => [encodeKeyUsage(['keyCertSign']), timestamping, identifier],
    () => [encodeKeyUsage(['contentCommitment']), timestamping, identifier],
    () => [encodeKeyUsage(['keyEncipherment']), timestamping, identifier],
    () => [usage, timestamping, encodeBasicConstraints({ ca: true, pathLength: undefined })],
    () => [usage, timestamping, encodeBasicConstraints({ ca: false, pathLength: undefined })],
    () => [usage, timestamping, encodeExtension('1.2.3.4', derNull(), true)],
    () => [usage, timestamping, encodeExtension('1.2.3.4', derNull())],
    () => [usage, timestamping, encodeAuthorityKeyIdentifier(random.bytes(20))],
  ])();
}

/** A trusted root with this chain of a timestamp authority. */
function withChain(
  chain: readonly Uint8Array[],
  range: object = validFor,
): (root: TrustedRoot) => TrustedRoot {
  return (root) => ({
    ...root,
    timestampAuthorities: [authorityOf('https://tsa.example.com', chain, range)],
  });
}

function authorityChanges(world: World, random: Random): Changes {
  const { tsa, tsaRoot } = world;
  const of = (authority: TestAuthority, ...above: readonly Uint8Array[]): Changes => ({
    stamp: { authority },
    root: withChain([authority.der, ...above]),
  });
  return random.pick<() => Changes>([
    () => of(world.makeTsa({ extensions: extensions(world.tsaKey, random) }), tsaRoot.der),
    () => of(world.makeTsa({ extensions: extensions(world.tsaKey, random) }), tsaRoot.der),
    () => of(world.makeTsa({ notAfter: after(random.pick([-1, 0, 1])) }), tsaRoot.der),
    () => of(world.makeTsa({ notBefore: after(random.pick([-1, 0, 1])) }), tsaRoot.der),
    () =>
      of(world.makeTsa({ key: newKey(random.pick(['P-384', 'P-521', 'ed25519'] as const)) }), tsaRoot.der),
    () => of(world.makeTsa({ key: keyFor('rsa') }), tsaRoot.der),
    () => of(tsa),
    () => of(tsa, tsaRoot.der, tsaRoot.der),
    () => of(tsa, world.root.der),
    () => ({ root: withChain([tsaRoot.der, tsa.der]) }),
    () => ({ root: withChain([tsaRoot.der]) }),
    () => {
      const issuer = makeAuthority(
        'tsa root',
        newKey(),
        random.pick([
          { notAfter: after(-1) },
          { notAfter: after(0) },
          { uses: ['cRLSign'] as const },
          { purposes: [keyPurposes.codeSigning] },
          { purposes: [purpose] },
          { extra: [encodeExtension('1.2.3.4', derNull(), true)] },
          { pathLength: 0 },
        ]),
      );
      return of(world.makeTsa({ issuer }), issuer.der);
    },
    () => {
      const middle = makeAuthority('tsa middle', newKey(), {
        issuer: tsaRoot,
        pathLength: 0,
        purposes: [purpose],
      });
      return of(
        world.makeTsa({ issuer: middle }),
        ...random.pick([[middle.der, tsaRoot.der], [middle.der], [tsaRoot.der, middle.der]]),
      );
    },
  ])();
}

const oid = (dotted: string): DerNode => ({ tag: 0x06, content: derOid(dotted).subarray(2) });
const parent = (tag: number, ...parts: readonly DerNode[]): DerNode => ({
  tag,
  content: new Uint8Array(0),
  parts: [...parts],
});
const leaf = (tag: number, content: string | Uint8Array): DerNode => ({ tag, content: Buffer.from(content) });

/** An extension of TSTInfo. */
function extension(isCritical: boolean): DerNode {
  const flag = isCritical ? [leaf(0x01, Uint8Array.of(0xff))] : [];
  return parent(0xa1, parent(0x30, oid('1.2.3.4'), ...flag, leaf(0x04, 'x')));
}

function replace(list: DerNode[] | undefined, at: number, node: DerNode): void {
  list?.splice(at, 1, node);
}

/** The attribute that names the signing certificate in its first version, with SHA-1 of `certificate`. */
function firstVersion(certificate: Uint8Array): DerNode {
  const digest = createHash('sha1').update(certificate).digest();
  const identifiers = parent(0x30, parent(0x30, parent(0x30, leaf(0x04, digest))));
  return parent(0x30, oid('1.2.840.113549.1.9.16.2.12'), parent(0x31, identifiers));
}

/** What a timestamp says that authorities do not usually say; in the places that RFC 3161 and RFC 5652 have for it. */
function edits(world: World, random: Random): (parts: StampParts) => void {
  const info = ({ content }: StampParts): DerNode[] => content.parts?.[0]?.parts ?? [];
  const attributes = ({ signer }: StampParts): DerNode[] => signer.parts?.[3]?.parts ?? [];
  const identifier = keyIdentifier(world.tsaKey.publicKey.spki);
  return random.pick<(parts: StampParts) => void>([
    (parts) =>
      replace(
        info(parts),
        4,
        leaf(0x18, `20261122090000.${random.pick(['5', '25', '50', '000', '001', '123456', '999', ''])}Z`),
      ),
    (parts) =>
      replace(
        info(parts),
        4,
        leaf(
          0x18,
          random.pick(['20261122090000+0100', '202611220900Z', '20261122090060Z', '20261322090000Z']),
        ),
      ),
    ({ status }) => replace(status.parts, 0, leaf(0x02, Uint8Array.of(random.below(7)))),
    ({ status }) => status.parts?.push(parent(0x30, leaf(0x0c, 'granted')), leaf(0x03, Uint8Array.of(0, 1))),
    ({ signer }) => {
      replace(signer.parts, 0, leaf(0x02, Uint8Array.of(random.pick([1, 3]))));
      replace(signer.parts, 1, leaf(0x80, random.once(4) ? random.bytes(20) : identifier));
    },
    (parts) => void info(parts).push(extension(true)),
    (parts) => void info(parts).push(extension(false)),
    (parts) =>
      void info(parts).splice(
        6,
        0,
        leaf(0x01, Uint8Array.of(random.pick([0, 0xff]))),
        leaf(0x02, random.bytes(8)),
      ),
    (parts) => replace(info(parts), 0, leaf(0x02, Uint8Array.of(random.pick([0, 2])))),
    (parts) =>
      replace(attributes(parts), 3, firstVersion(random.once(2) ? world.tsa.der : world.tsaRoot.der)),
    (parts) => void attributes(parts).splice(random.below(4), 1),
    (parts) => void attributes(parts).push(parent(0x30, oid('1.2.3.4'), parent(0x31, leaf(0x0c, 'x')))),
    (parts) => void attributes(parts).reverse(),
    ({ signer }) => void signer.parts?.push(parent(0xa1, parent(0x30, oid('1.2.3.4'), parent(0x31)))),
    ({ data }) => void data.parts?.splice(3, 0, parent(0xa0, parent(0x30, leaf(0x02, Uint8Array.of(1))))),
    ({ data }) => void data.parts?.splice(3, 0, parent(0xa1, leaf(0x02, Uint8Array.of(1)))),
    ({ data }) => replace(data.parts, 0, leaf(0x02, Uint8Array.of(random.below(7)))),
    ({ data }) => replace(data.parts, 1, parent(0x31)),
    ({ data, signer }) => void data.parts?.at(-1)?.parts?.push(structuredClone(signer)),
  ]);
}

const times = [-61, -60, -59, -1, 0, 1, 540, 541, 86_400, -year, -year - 1, 11 * year].map(after);

function stampChanges(world: World, random: Random): Changes {
  const stranger = world.makeTsa({ key: newKey() });
  return random.pick<() => Changes>([
    () => ({ stamp: { time: random.pick(times) } }),
    () => ({ stamp: { time: random.pick(times) } }),
    () => ({ stamp: { hash: random.pick(['sha384', 'sha512'] as const) } }),
    () => ({ stamp: { embed: true } }),
    () => ({ stamp: { authority: stranger, embed: random.once(2) } }),
    () => ({ stamp: { authority: { ...world.tsa, key: newKey() } } }),
    () => ({ stamp: { authority: stranger, named: world.tsa.der } }),
    () => ({ stamp: { named: stranger.der } }),
    () => ({
      stamp: {
        algorithm: random.pick([
          signatureAlgorithms.ecdsaSha384.identifier,
          signatureAlgorithms.ecdsaSha512.identifier,
          signatureAlgorithms.rsaSha256.identifier,
          derSequence(derOid('1.2.840.10045.4.3.2'), derNull()),
          derSequence(derOid('1.2.840.10045.4.1')),
          derSequence(derOid('1.2.3.4')),
        ]),
      },
    }),
    () => {
      const second = makeAuthority('second tsa root', newKey());
      const tsa = world.makeTsa({ key: newKey(), issuer: second });
      return {
        ...(random.once(2) ? { stamp: { authority: tsa } } : {}),
        root: (root) => ({
          ...root,
          timestampAuthorities: [
            ...root.timestampAuthorities,
            authorityOf('https://tsa2.example.com', [tsa.der, second.der], validFor),
          ],
        }),
      };
    },
    () => ({ timestamp: () => world.timestamp(random.bytes(8)) }),
    () => ({ timestamp: (signature) => world.timestamp(signature.subarray(1)) }),
  ])();
}

/** Several timestamps, or one where there was none. */
function moreTimestamps(world: World, random: Random): Changes {
  const stranger = world.makeTsa({ key: newKey() });
  return {
    document(document) {
      const { verificationMaterial: material, messageSignature, dsseEnvelope } = document;
      const signature = new Uint8Array(
        Buffer.from(messageSignature?.signature ?? dsseEnvelope.signatures[0].sig, 'base64'),
      );
      const made = random.pick([
        () => [world.timestamp(signature)],
        () => [world.timestamp(signature, { time: after(1) })],
        () => [world.timestamp(signature, { time: after(random.pick([-61, 541])) })],
        () => [world.timestamp(signature, { authority: stranger })],
        () => [
          world.timestamp(signature, { authority: stranger }),
          world.timestamp(signature, { time: after(2) }),
        ],
        () => [world.timestamp(random.bytes(4))],
        () => [random.bytes(10)],
        () => Array.from({ length: 33 }, (_, index) => world.timestamp(signature, { time: after(index) })),
      ])();
      const list = material.timestampVerificationData.rfc3161Timestamps;
      const more = made.map((der) => ({ signedTimestamp: Buffer.from(der).toString('base64') }));
      material.timestampVerificationData.rfc3161Timestamps = random.once(2)
        ? [...list, ...more]
        : [...more, ...list];
    },
  };
}

/** Changes of timestamps. */
export const timestampMutators: readonly Mutator[] = [
  remaking('timestamp authority, its chain', 7, (recipe, random) =>
    recipe.timestamps === 0 ? undefined : build(recipe, authorityChanges(recipe.world, random)),
  ),
  remaking('timestamp, what it says', 6, (recipe, random) =>
    recipe.timestamps === 0 ? undefined : build(recipe, stampChanges(recipe.world, random)),
  ),
  remaking('timestamp, what is seldom in it', 7, (recipe, random) =>
    recipe.timestamps === 0
      ? undefined
      : build(recipe, {
          timestamp: (signature) => editedStamp(recipe.world, signature, edits(recipe.world, random)),
        }),
  ),
  remaking('more timestamps', 4, (recipe, random) => build(recipe, moreTimestamps(recipe.world, random))),
  remaking('time of everything', 3, (recipe, random) => {
    const time = random.pick(times);
    return build(recipe, { logged: { time }, stamp: { time: random.once(2) ? time : signingTime } });
  }),
];
