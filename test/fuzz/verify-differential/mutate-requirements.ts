/** What a bundle is verified with: the artifact, who must have signed, the periods of a trusted root, the payload. */
import { derUtf8 } from '../../../src/core/der.ts';
import { encodeExtension } from '../../../src/formats/extensions.ts';
import { identity, issuerUrl, statementFor } from '../../support/sigstore-world.ts';
import { after, newKey, signingTime } from '../../support/test-certificates.ts';
import { build, bytesOf, type Changes, type Document } from './build.ts';
import { documentOf, type Mutator, mutateBytes, remaking } from './mutator.ts';
import type { Random } from './random.ts';
import { artifactDigest, type Trial } from './trial.ts';

const artifactChanged: Mutator = {
  name: 'artifact',
  weight: 2,
  mutate({ trial }, random): Trial {
    const { artifact } = trial;
    if (artifact.kind === 'digest') {
      return {
        ...trial,
        artifact: { kind: 'digest', sha256: mutateBytes(artifact.sha256, random).slice(0, 32) },
      };
    }
    return { ...trial, artifact: { kind: 'bytes', bytes: mutateBytes(artifact.bytes, random) } };
  },
};

const digestAlone: Mutator = {
  name: 'digest of the artifact alone',
  weight: 1,
  mutate: ({ trial }) => ({ ...trial, artifact: { kind: 'digest', sha256: artifactDigest(trial.artifact) } }),
};

const signerChanged: Mutator = {
  name: 'who must have signed',
  weight: 4,
  mutate({ trial }, random, donor): Trial {
    const { signer } = trial;
    if (random.once(5)) return { ...trial, signer: donor.trial.signer };
    if (signer.kind === 'key') return { ...trial, signer: { kind: 'key', key: newKey().publicKey.spki } };
    const { issuer } = signer;
    const subject = signer.subject.kind === 'exact' ? signer.subject.value : signer.subject.pattern;
    const change = (text: string): string => Buffer.from(mutateBytes(Buffer.from(text), random)).toString();
    const escaped = subject.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    return {
      ...trial,
      signer: random.pick([
        () => ({ ...signer, subject: { kind: 'exact' as const, value: change(subject) } }),
        () => ({ ...signer, issuer: change(issuer) }),
        () => ({ ...signer, issuer: '' }),
        () => ({ ...signer, subject: { kind: 'exact' as const, value: '' } }),
        () => ({
          ...signer,
          subject: {
            kind: 'pattern' as const,
            pattern: random.pick([
              `^${escaped}$`,
              escaped,
              `^${escaped}`,
              `${escaped}$`,
              subject.slice(2, 6),
              '.*',
              '^.*$',
              '^(?:a|b)$',
              `^x$|${escaped}`,
              `^(?i:${escaped.toUpperCase()})$`,
              '^[^@]+@[^@]+$',
              '(',
            ]),
          },
        }),
      ])(),
    };
  },
};

/** A moment near those at which something was signed. */
function moment(random: Random, text: unknown): string {
  const base = random.once(4) && typeof text === 'string' ? Date.parse(text) : signingTime.getTime();
  const off = random.pick([
    -2_000,
    -1_000,
    -1,
    0,
    1,
    999,
    1_000,
    2_000,
    86_400_000,
    -86_400_000,
    400 * 86_400_000,
  ]);
  return new Date(base + off).toISOString();
}

const periods: Mutator = {
  name: 'period of the trusted root',
  weight: 8,
  mutate({ trial }, random): Trial | undefined {
    const document = documentOf(trial.root);
    const kinds = ['tlogs', 'certificateAuthorities', 'ctlogs', 'timestampAuthorities'];
    const instances: Document[] = kinds.flatMap((kind) => document[kind] ?? []);
    if (instances.length === 0) return undefined;
    const instance = random.pick(instances);
    const holder = instance.publicKey ?? instance;
    holder.validFor ??= {};
    const range = holder.validFor;
    const end = random.pick(['start', 'end', 'both'] as const);
    if (end !== 'end') range.start = moment(random, range.start);
    if (end !== 'start') range.end = moment(random, range.end ?? range.start);
    if (random.once(10)) delete range[random.pick(['start', 'end'])];
    if (random.once(12)) delete holder.validFor;
    if (random.once(12))
      range.start = random.pick([
        '2026-11-22',
        '2020-01-01T00:00:00',
        '2020-01-01T00:00:00+01:00',
        'x',
        1_577_836_800,
        '2020-02-30T00:00:00Z',
        '0001-01-01T00:00:00Z',
      ]);
    return { ...trial, root: bytesOf(document) };
  },
};

/** The same instance for several periods, in any order. */
const severalPeriods: Mutator = {
  name: 'several periods of an instance',
  weight: 3,
  mutate({ trial }, random): Trial | undefined {
    const document = documentOf(trial.root);
    const kind = random.pick(['tlogs', 'certificateAuthorities', 'ctlogs', 'timestampAuthorities']);
    const list: Document[] | undefined = document[kind];
    if (list === undefined || list.length === 0) return undefined;
    const old = structuredClone(random.pick(list));
    const holder = old.publicKey ?? old;
    holder.validFor = { start: '2020-01-01T00:00:00Z', end: moment(random, undefined) };
    document[kind] = random.once(2) ? [old, ...list] : [...list, old];
    const first = document[kind][random.below(list.length)];
    if (random.once(2)) (first.publicKey ?? first).validFor.start = moment(random, undefined);
    return { ...trial, root: bytesOf(document) };
  },
};

/** The material of another: bundles of one Sigstore under the trusted root of another. */
const otherTrust: Mutator = {
  name: 'another trusted root',
  weight: 1,
  mutate: ({ trial }, _random, donor) => ({ ...trial, root: donor.trial.root }),
};

/** Fields that trusted roots of version 0.2 have. */
const newerRoot: Mutator = {
  name: 'trusted root of version 0.2',
  weight: 2,
  mutate({ trial }, random): Trial {
    const document = documentOf(trial.root);
    document.mediaType = 'application/vnd.dev.sigstore.trustedroot.v0.2+json';
    for (const log of [...(document.tlogs ?? []), ...(document.ctlogs ?? [])] as Document[]) {
      const id = Buffer.from(log.logId?.keyId ?? '', 'base64');
      if (random.once(2)) log.operator = random.pick(['example.com', '']);
      if (random.once(4))
        log.checkpointKeyId = { keyId: id.subarray(0, random.pick([4, 32])).toString('base64') };
    }
    for (const authority of document.certificateAuthorities ?? []) authority.operator = 'example.com';
    return { ...trial, root: bytesOf(document) };
  },
};

/** The parts of two bundles of a kind, mixed: with keys of their own, or one key in two certificates. */
const mixed: Mutator = remaking('parts of two bundles', 6, (recipe, random) => {
  const key = newKey(recipe.key === 'rsa' ? undefined : recipe.key);
  const [one, other] = [build(recipe, { key }), build(recipe, random.once(2) ? { key } : {})];
  const [into, from] = [documentOf(one.bundle), documentOf(other.bundle)];
  const { verificationMaterial: material } = into;
  for (const name of [
    'certificate',
    'x509CertificateChain',
    'publicKey',
    'tlogEntries',
    'timestampVerificationData',
  ]) {
    if (random.once(2) && material[name] !== undefined) material[name] = from.verificationMaterial[name];
  }
  for (const name of ['messageSignature', 'dsseEnvelope']) {
    if (random.once(3) && into[name] !== undefined) into[name] = from[name];
  }
  const entry = random.once(4) ? material.tlogEntries[0] : undefined;
  if (entry !== undefined) {
    const part = random.pick([
      'canonicalizedBody',
      'inclusionProof',
      'inclusionPromise',
      'logIndex',
      'integratedTime',
    ]);
    entry[part] = from.verificationMaterial.tlogEntries[0][part];
  }
  return { ...one, bundle: bytesOf(into) };
});

function payloadChanges(trialDigest: string, random: Random): Changes {
  const text = Buffer.from(statementFor(trialDigest)).toString();
  return random.pick<() => Changes>([
    () => ({ payload: statementFor('0'.repeat(64)) }),
    () => ({
      payload: Buffer.from(text.replace('sha256', random.pick(['sha512', 'sha384', 'SHA256', 'gitCommit']))),
    }),
    () => ({ payload: Buffer.from(text.replace('"digest":{', '"digest":{"sha512":"00",')) }),
    () => ({
      payload: Buffer.from(
        text.replace('Statement/v1', random.pick(['Statement/v0.1', 'Statement/v2', 'Link/v1'])),
      ),
    }),
    () => ({ payload: Buffer.from(text.replace('{', '{"more":1,')) }),
    () => ({ payload: Buffer.from(text.replace('"subject":[', '"subject":[{"digest":{"sha256":"00"}},')) }),
    () => ({ payload: Buffer.from(text.replace(trialDigest, trialDigest.toUpperCase())) }),
    () => ({ payload: mutateBytes(Buffer.from(text), random) }),
    () => ({ payload: Buffer.from('') }),
    () => ({ payload: Buffer.from('{}') }),
    () => ({
      payloadType: random.pick([
        'application/json',
        'text/plain',
        'application/vnd.in-toto+jsoné',
        'naïve — type',
        'APPLICATION/VND.IN-TOTO+JSON',
      ]),
    }),
  ])();
}

/** Changes of everything around a bundle. */
export const requirementMutators: readonly Mutator[] = [
  artifactChanged,
  digestAlone,
  signerChanged,
  periods,
  severalPeriods,
  otherTrust,
  newerRoot,
  mixed,
  remaking('payload, signed and logged anew', 5, (recipe, random) => {
    if (recipe.content === 'message') return undefined;
    const digest = Buffer.from(artifactDigest(build(recipe).artifact)).toString('hex');
    return build(recipe, payloadChanges(digest, random));
  }),
  remaking('issuer extensions', 2, (recipe, random) =>
    recipe.signer === 'key'
      ? undefined
      : build(recipe, {
          leaf: {
            fulcio: {},
            extra: random.pick([
              [encodeExtension('1.3.6.1.4.1.57264.1.8', derUtf8(issuerUrl))],
              [encodeExtension('1.3.6.1.4.1.57264.1.1', Buffer.from(issuerUrl))],
              [
                encodeExtension('1.3.6.1.4.1.57264.1.1', Buffer.from('https://x.example.com')),
                encodeExtension('1.3.6.1.4.1.57264.1.8', derUtf8(issuerUrl)),
              ],
              [
                encodeExtension('1.3.6.1.4.1.57264.1.1', Buffer.from(issuerUrl)),
                encodeExtension('1.3.6.1.4.1.57264.1.8', derUtf8('https://x.example.com')),
              ],
              [encodeExtension('1.3.6.1.4.1.57264.1.8', Buffer.from(issuerUrl))],
              [
                encodeExtension(
                  '1.3.6.1.4.1.57264.1.8',
                  Buffer.from([0x16, issuerUrl.length, ...Buffer.from(issuerUrl)]),
                ),
              ],
              [encodeExtension('1.3.6.1.4.1.57264.1.24', derUtf8(identity))],
            ]),
          },
          logged: { time: after(0) },
        }),
  ),
];
