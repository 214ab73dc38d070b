/** Certificates that say something wrong, or unusual, with valid signatures all around. */
import {
  derBoolean,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derUtf8,
} from '../../../src/core/der.ts';
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtension,
  type GeneralName,
  type KeyUsage,
  keyPurposes,
} from '../../../src/formats/extensions.ts';
import { usernameOid } from '../../../src/formats/fulcio-extensions.ts';
import { encodeName } from '../../../src/formats/name.ts';
import { type TrustedRoot, trustedLog } from '../../../src/formats/trusted-root.ts';
import { identity, issuerUrl, type World } from '../../support/sigstore-world.ts';
import {
  after,
  type LeafChoices,
  makeAuthority,
  newKey,
  type TestAuthority,
  year,
} from '../../support/test-certificates.ts';
import { build, type Changes, keyFor, type Recipe } from './build.ts';
import { authorityOf, type Mutator, remaking } from './mutator.ts';
import type { Random } from './random.ts';
import type { Trial } from './trial.ts';

const anyPurpose = '2.5.29.37.0';
const serverPurpose = '1.3.6.1.5.5.7.3.1';

const email: GeneralName = { type: 'email', value: identity };
const names: readonly (readonly GeneralName[])[] = [
  [],
  [email, email],
  [email, { type: 'email', value: 'other@example.com' }],
  [{ type: 'email', value: 'other@example.com' }, email],
  [{ type: 'uri', value: identity }],
  [{ type: 'dns', value: identity }],
  [{ type: 'other', oid: usernameOid, value: derUtf8(identity) }],
  [{ type: 'other', oid: '1.2.3.4', value: derUtf8(identity) }],
  [email, { type: 'uri', value: 'https://example.com/x' }],
  [
    { type: 'uri', value: identity },
    { type: 'email', value: 'x@example.com' },
  ],
  [{ type: 'ip', value: Uint8Array.of(127, 0, 0, 1) }],
  [{ type: 'email', value: `${identity}\u0000` }],
  [{ type: 'email', value: `x${identity}` }],
  [{ type: 'email', value: identity.toUpperCase() }],
  [{ type: 'unread', tag: 0x88, bytes: Uint8Array.of(0x88, 1, 42) }],
];

const uses: readonly (readonly KeyUsage[])[] = [
  [],
  ['keyCertSign'],
  ['digitalSignature', 'keyCertSign'],
  ['digitalSignature', 'keyEncipherment'],
  ['contentCommitment'],
  ['keyAgreement', 'encipherOnly'],
];

const purposes: readonly (readonly string[])[] = [
  [],
  [serverPurpose],
  [anyPurpose],
  [keyPurposes.timeStamping],
  [keyPurposes.codeSigning, serverPurpose],
  [serverPurpose, keyPurposes.codeSigning],
];

function extraExtensions(random: Random): readonly Uint8Array[] {
  return random.pick([
    () => [encodeExtension('1.2.3.4', derNull(), true)],
    () => [encodeExtension('1.2.3.4', derNull())],
    () => [encodeExtension('1.2.3.4', derNull()), encodeExtension('1.2.3.4', derNull())],
    () => [encodeExtension('2.5.29.30', derSequence(), true)],
    () => [encodeExtension('2.5.29.30', derSequence())],
    () => [encodeExtension('2.5.29.36', derSequence(), true)],
    () => [encodeBasicConstraints({ ca: false, pathLength: undefined })],
    () => [encodeBasicConstraints({ ca: true, pathLength: undefined })],
    () => [encodeExtension('2.5.29.19', derSequence(derBoolean(false)), true)],
    () => [encodeExtension('2.5.29.19', derSequence(derInteger(0)), true)],
    () => [encodeExtension('1.3.6.1.4.1.57264.1.8', derUtf8('https://other.example.com'))],
    () => [encodeExtension('1.3.6.1.4.1.57264.1.20', derUtf8('push'))],
    () => [encodeExtension('1.3.6.1.4.1.57264.1.20', Uint8Array.of(0x0c, 0x05, 0x41))],
    () => [encodeExtension('1.3.6.1.4.1.11129.2.4.3', derNull(), true)],
    () => [encodeAuthorityKeyIdentifier(random.bytes(20))],
    () => [encodeExtension('2.5.29.14', derOctetString(random.bytes(20)))],
    () => Array.from({ length: 70 }, (_, index) => encodeExtension(`1.2.3.${index}`, derNull())),
    () => [encodeExtension('1.2.3.4', random.bytes(random.pick([10, 70_000])))],
  ])();
}

function leafChoices(world: World, random: Random): LeafChoices {
  return random.pick<() => LeafChoices>([
    () => ({ names: random.pick(names) }),
    () => ({ uses: random.pick(uses) }),
    () => ({ purposes: random.pick(purposes) }),
    () => ({ extra: extraExtensions(random) }),
    () => ({
      fulcio: random.pick([{}, { issuer: 'https://other.example.com' }, { issuer: `${issuerUrl}/` }]),
    }),
    () => ({ subject: random.pick([encodeName({ organization: 'x', commonName: 'y' }), world.ca.subject]) }),
    () => ({ notBefore: after(random.pick([-1, 0, 1, 60])) }),
    () => ({ notAfter: after(random.pick([-1, 0, 1, -30])) }),
    () => ({ notBefore: after(-60), notAfter: after(-120) }),
    () => ({ notAfter: new Date('9999-12-31T23:59:59Z') }),
    () => ({ issuer: world.root }),
    () => ({ issuer: { ...world.ca, key: newKey() } }),
    () => ({ issuer: { ...world.ca, subject: encodeName({ organization: 'x', commonName: 'y' }) } }),
    () => ({ issuer: makeAuthority('stranger', newKey()) }),
    () => ({ issuer: makeAuthority('deeper', newKey(), { issuer: world.ca }) }),
    () => ({ scts: scts(world, random) }),
    () => ({ scts: scts(world, random) }),
  ])();
}

/** Certificate timestamps of one certificate. */
function scts(world: World, random: Random): NonNullable<LeafChoices['scts']> {
  const stranger = newKey();
  return random.pick<NonNullable<LeafChoices['scts']>>([
    () => [],
    (tbs, issuer) => [world.sct(tbs, issuer), world.sct(tbs, issuer)],
    (tbs, issuer) => [world.sct(tbs, issuer), world.sct(tbs, issuer, { key: stranger })],
    (tbs, issuer) => [world.sct(tbs, issuer, { key: stranger }), world.sct(tbs, issuer)],
    (tbs, issuer) => [world.sct(tbs, issuer, { key: stranger })],
    (tbs, issuer) => [
      world.sct(tbs, issuer, { time: random.pick([new Date(0), after(-year), after(-year - 1)]) }),
    ],
    (tbs, issuer) => [world.sct(tbs, issuer, { time: after(20 * year) })],
    (tbs, issuer) => [world.sct(tbs, issuer, { extensions: random.bytes(random.pick([1, 8])) })],
    (tbs) => [world.sct(tbs, world.root)],
    (tbs, issuer) => [world.sct(tbs.subarray(0, -1), issuer)],
    (tbs, issuer) => [world.sct(tbs, issuer), random.bytes(random.pick([1, 60]))],
    (tbs, issuer) => Array.from({ length: random.pick([3, 40]) }, () => world.sct(tbs, issuer)),
    (tbs, issuer) => {
      const sct = world.sct(tbs, issuer);
      sct[random.pick([0, 43, 44, sct.length - 1])] = random.below(8);
      return [sct];
    },
  ]);
}

/** Chains of a certificate authority that are made differently, and the authority that issues. */
function chains(
  world: World,
  random: Random,
): { readonly issuer: TestAuthority; readonly chain: readonly TestAuthority[] } {
  const curve = random.pick(['P-256', 'P-384', 'rsa'] as const);
  const { root } = world;
  const key = world.ca.key;
  const usual = { issuer: root, pathLength: 0, purposes: [keyPurposes.codeSigning] };
  const below = (choices: Parameters<typeof makeAuthority>[2]): TestAuthority =>
    makeAuthority('intermediate', key, { ...usual, ...choices });
  const pair = (ca: TestAuthority) => ({ issuer: ca, chain: [ca, root] });
  return random.pick([
    () =>
      pair(
        below({
          uses: random.pick<readonly KeyUsage[]>([
            ['cRLSign'],
            ['digitalSignature'],
            ['keyCertSign', 'digitalSignature'],
          ]),
        }),
      ),
    () => pair(below({ purposes: random.pick(purposes) })),
    () => pair(below({ extra: extraExtensions(random) })),
    () => pair(below({ notAfter: after(random.pick([-1, 0, 1])) })),
    () => pair(below({ notBefore: after(random.pick([-1, 0, 1])) })),
    () => pair(makeAuthority('intermediate', keyFor(curve), usual)),
    () => ({ issuer: world.ca, chain: [world.ca] }),
    () => ({ issuer: world.ca, chain: [root, world.ca] }),
    () => ({ issuer: world.ca, chain: [root] }),
    () => ({ issuer: root, chain: [root] }),
    () => ({ issuer: root, chain: [world.ca, root] }),
    () => ({ issuer: world.ca, chain: [world.ca, root, root] }),
    () => ({ issuer: world.ca, chain: [world.ca, world.tsaRoot] }),
    () => ({ issuer: world.ca, chain: [world.ca, world.ca, root] }),
    () => {
      const top = makeAuthority('root', newKey(), { pathLength: random.pick([0, 1, 2]) });
      const middle = makeAuthority('middle', newKey(), { issuer: top, pathLength: random.pick([0, 1]) });
      const ca = below({ issuer: middle });
      return {
        issuer: ca,
        chain: random.pick([
          [ca, middle, top],
          [ca, middle],
          [ca, top, middle],
          [middle, ca, top],
        ]),
      };
    },
    () => {
      const old = makeAuthority('root', newKey(), { notAfter: after(random.pick([-1, 0, 1])) });
      const ca = below({ issuer: old });
      return { issuer: ca, chain: [ca, old] };
    },
    () => {
      const top = makeAuthority('root', root.key, { uses: ['cRLSign'], purposes: random.pick(purposes) });
      return { issuer: world.ca, chain: [world.ca, top] };
    },
  ])();
}

/** A trusted root whose certificate authority has this chain. */
function withChain(chain: readonly TestAuthority[]): (root: TrustedRoot) => TrustedRoot {
  return (root) => ({
    ...root,
    certificateAuthorities: [
      authorityOf(
        'https://fulcio.example.com',
        chain.map(({ der }) => der),
        { start: after(-year) },
      ),
    ],
  });
}

/** Certificate logs, and several authorities. */
function manyInstances(world: World, random: Random): Changes {
  const validFor = { start: after(-year) };
  const more = makeAuthority('intermediate', newKey(), { issuer: world.root, pathLength: 0 });
  const second = authorityOf('https://second.example.com', [more.der, world.root.der], validFor);
  const log = keyFor(random.pick(['P-256', 'rsa', 'P-384'] as const));
  const ctlog = trustedLog({ baseUrl: 'https://ct2.example.com', publicKey: log.publicKey, validFor });
  return random.pick<() => Changes>([
    () => ({
      root: (root) => ({ ...root, certificateAuthorities: [second, ...root.certificateAuthorities] }),
    }),
    () => ({
      root: (root) => ({ ...root, certificateAuthorities: [...root.certificateAuthorities, second] }),
    }),
    () => ({
      root: (root) => ({
        ...root,
        certificateAuthorities: [...root.certificateAuthorities, ...root.certificateAuthorities],
      }),
    }),
    () => ({
      leaf: { issuer: more },
      root: (root) => ({ ...root, certificateAuthorities: [...root.certificateAuthorities, second] }),
    }),
    () => ({
      root: (root) => ({ ...root, ctlogs: [...root.ctlogs, ctlog] }),
      leaf: { scts: (tbs, issuer) => [world.sct(tbs, issuer), world.sct(tbs, issuer, { key: log })] },
    }),
    () => ({
      root: (root) => ({ ...root, ctlogs: [ctlog] }),
      leaf: { scts: (tbs, issuer) => [world.sct(tbs, issuer, { key: log })] },
    }),
    () => ({
      root: (root) => ({
        ...root,
        ctlogs: root.ctlogs.flatMap((one) => [{ ...one, validFor: { start: after(year) } }, one]),
      }),
    }),
    () => ({
      root: (root) => ({
        ...root,
        ctlogs: root.ctlogs.map((one) => ({ ...one, keyDetails: 'PKIX_ECDSA_P384_SHA_384' as const })),
      }),
    }),
    () => ({ root: (root) => ({ ...root, ctlogs: root.ctlogs.map((one) => ({ ...one, baseUrl: '' })) }) }),
  ])();
}

/** Keys of every kind, with every hash. */
function keyChanges(random: Random): Changes {
  const kind = random.pick(['P-256', 'P-384', 'P-521', 'ed25519', 'rsa'] as const);
  const key = keyFor(kind);
  const hash = random.pick(['sha256', 'sha384', 'sha512'] as const);
  return { key, hash };
}

function certified(
  name: string,
  weight: number,
  changes: (recipe: Recipe, random: Random) => Changes,
): Mutator {
  return remaking(name, weight, (recipe, random): Trial | undefined =>
    recipe.signer === 'key' ? undefined : build(recipe, changes(recipe, random)),
  );
}

/** Changes of certificates. */
export const certificateMutators: readonly Mutator[] = [
  certified('certificate, what it says', 14, ({ world }, random) => ({ leaf: leafChoices(world, random) })),
  certified('certificate, two things it says', 4, ({ world }, random) => ({
    leaf: { ...leafChoices(world, random), ...leafChoices(world, random) },
  })),
  certified('certificate authority, its chain', 8, ({ world }, random) => {
    const { issuer, chain } = chains(world, random);
    return { leaf: { issuer }, root: withChain(chain) };
  }),
  certified('several authorities and certificate logs', 4, ({ world }, random) =>
    manyInstances(world, random),
  ),
  remaking('key and hash of the signer', 5, (recipe, random) => build(recipe, keyChanges(random))),
];
