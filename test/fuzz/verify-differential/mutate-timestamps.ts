/** Timestamps and their authorities, made wrong before they sign. */
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
import { authorityOf, type Mutator, remaking } from './mutator.ts';
import type { Random } from './random.ts';

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
  remaking('more timestamps', 4, (recipe, random) => build(recipe, moreTimestamps(recipe.world, random))),
  remaking('time of everything', 3, (recipe, random) => {
    const time = random.pick(times);
    return build(recipe, { logged: { time }, stamp: { time: random.once(2) ? time : signingTime } });
  }),
];
