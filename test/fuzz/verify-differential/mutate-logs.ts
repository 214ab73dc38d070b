/** Log entries that say something wrong, with valid proofs and signatures of the log around them. */
import { concatBytes } from '../../../src/core/encoding.ts';
import { type KeyDetails, type TrustedRoot, trustedLog } from '../../../src/formats/trusted-root.ts';
import type { InclusionProof, LogEntry } from '../../../src/formats/verification-material.ts';
import type { World } from '../../support/sigstore-world.ts';
import { after, newKey, year } from '../../support/test-certificates.ts';
import { type LogChoices, promiseText } from '../../support/test-logs.ts';
import { build, type Changes, type Document, type EntryKind, type Recipe } from './build.ts';
import { checkpointChanges, keyOf } from './mutate-checkpoints.ts';
import { type Mutator, mutateBytes, remaking } from './mutator.ts';
import type { Random } from './random.ts';

/** One field of a JSON document changed. */
function changeField(document: Document, random: Random): void {
  const places: { holder: Document; key: string }[] = [];
  const walk = (holder: Document): void => {
    if (typeof holder !== 'object' || holder === null) return;
    for (const key of Object.keys(holder)) {
      places.push({ holder, key });
      walk(holder[key]);
    }
  };
  walk(document);
  const { holder, key } = random.pick(places);
  const value = holder[key];
  random.pick([
    () => delete holder[key],
    () => (holder[key] = null),
    () => (holder[`${key}x`] = value),
    () => (holder['unknown'] = 1),
    () => (holder[key] = [value, value]),
    () => (holder[key] = typeof value === 'string' ? value.toUpperCase() : 'x'),
    () => (holder[key] = typeof value === 'string' ? value.replace(/=+$/, '') : {}),
    () => {
      if (typeof value !== 'string') return;
      const decoded = Buffer.from(value, 'base64');
      const isBinary = decoded.length > 5 && decoded.toString('base64') === value;
      holder[key] = isBinary
        ? Buffer.from(mutateBytes(decoded, random)).toString('base64')
        : Buffer.from(mutateBytes(Buffer.from(value), random)).toString();
    },
    () => {
      if (typeof value === 'string')
        holder[key] = random.pick(['sha512', 'sha384', 'SHA2_512', 'sha256', '0.0.1', '0.0.2', '']);
    },
  ])();
}

/** Bodies that are about something else, or written in another way. */
function bodyChanges(
  random: Random,
  other: (kind: EntryKind) => Uint8Array | undefined,
): NonNullable<Changes['body']> {
  return (body, kind) => {
    const text = Buffer.from(body).toString();
    const document = JSON.parse(text) as Document;
    return random.pick<() => Uint8Array>([
      () => {
        changeField(document, random);
        return Buffer.from(JSON.stringify(document));
      },
      () => {
        changeField(document, random);
        return Buffer.from(JSON.stringify(document));
      },
      () => {
        changeField(document, random);
        return Buffer.from(JSON.stringify(document));
      },
      () => Buffer.from(JSON.stringify(document, null, 1)),
      () => Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(document).reverse()))),
      () => Buffer.from(text.replace('{', '{"kind":"x",')),
      () => Buffer.from(`${text}\n`),
      () => other(kind) ?? body,
      () => mutateBytes(body, random),
    ])();
  };
}

/** Who signed, exchanged in a body. */
function otherVerifier(world: World, random: Random): NonNullable<Changes['body']> {
  return (body) => {
    const document = JSON.parse(Buffer.from(body).toString()) as Document;
    const { certificate, key } = world.issue();
    const pem = random.once(2)
      ? `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`
      : key.publicKey.pem;
    const walk = (holder: Document): void => {
      if (typeof holder !== 'object' || holder === null) return;
      for (const name of Object.keys(holder)) {
        const value = holder[name];
        if (name === 'verifier' && typeof value === 'string')
          holder[name] = Buffer.from(pem).toString('base64');
        else if (name === 'publicKey' && typeof value === 'string')
          holder[name] = Buffer.from(pem).toString('base64');
        else if (name === 'publicKey' && value?.content !== undefined)
          value.content = Buffer.from(pem).toString('base64');
        else if (name === 'x509Certificate') value.rawBytes = Buffer.from(certificate).toString('base64');
        else if (name === 'keyDetails' && random.once(2)) {
          holder[name] = random.pick([
            'PKIX_ECDSA_P384_SHA_384',
            'PKIX_ED25519',
            'PKIX_ECDSA_P256_SHA_256',
            5,
            0,
            99,
          ]);
        } else walk(value);
      }
    };
    walk(document);
    return Buffer.from(JSON.stringify(document));
  };
}

/** Places in the tree. */
function places(random: Random): Partial<LogChoices> {
  const size = random.pick([1, 2, 3, 7, 8, 9, 1_000, 2 ** 31 + 5, 2 ** 40]);
  const index = random.pick([0, size - 1, Math.floor(size / 2)]);
  return { size, index, offset: random.pick([0, 1, 1_000, 2 ** 40]) };
}

/** What is in an entry beside what was signed. */
function entryChanges(world: World, random: Random): (entry: LogEntry) => LogEntry {
  return (entry) => {
    const proof = entry.inclusionProof;
    const withProof = (change: Partial<InclusionProof>): LogEntry =>
      proof === undefined ? entry : { ...entry, inclusionProof: { ...proof, ...change } };
    return random.pick<() => LogEntry>([
      () => ({ ...entry, logIndex: entry.logIndex + BigInt(random.pick([1, -1, 1_000])) }),
      () => ({ ...entry, logIndex: proof?.logIndex ?? 0n }),
      () => ({ ...entry, integratedTime: BigInt(random.pick([0, 1, 1_795_337_221, 2 ** 40])) }),
      () => ({
        ...entry,
        logId: random.pick([random.bytes(32), new Uint8Array(0), entry.logId.subarray(0, 4)]),
      }),
      () => ({ ...entry, kind: random.pick(['dsse', 'intoto', 'hashedrekord', 'rekord', '']) }),
      () => ({ ...entry, version: random.pick(['0.0.1', '0.0.2', '0.0.3', '']) }),
      () => withProof({ treeSize: (proof?.treeSize ?? 0n) + BigInt(random.pick([1, -1, 100])) }),
      () => withProof({ rootHash: random.pick([random.bytes(32), new Uint8Array(0)]) }),
      () => withProof({ logIndex: (proof?.logIndex ?? 0n) + BigInt(random.pick([1, 2])) }),
      () => withProof({ hashes: [...(proof?.hashes ?? []), random.bytes(32)] }),
      () => withProof({ hashes: (proof?.hashes ?? []).slice(1) }),
      () => withProof({ hashes: (proof?.hashes ?? []).toReversed() }),
      () =>
        withProof({ hashes: Array.from({ length: random.pick([63, 64, 65, 500]) }, () => random.bytes(32)) }),
      () =>
        withProof({ hashes: (proof?.hashes ?? []).map((hash) => hash.subarray(0, random.pick([31, 32]))) }),
      () => ({
        ...entry,
        signedEntryTimestamp: random.pick([random.bytes(70), keyOf(world, entry).sign(random.bytes(3))]),
      }),
      () => {
        // A promise where there is none, or with another time.
        const time = random.pick([after(-61), after(0), after(541), new Date(0)]);
        const seconds = time.getTime() / 1_000;
        const text = promiseText(entry, seconds);
        return {
          ...entry,
          integratedTime: BigInt(seconds),
          signedEntryTimestamp: keyOf(world, entry).sign(Buffer.from(text)),
        };
      },
    ])();
  };
}

const details: readonly KeyDetails[] = [
  'PKIX_ECDSA_P256_SHA_256',
  'PKIX_ECDSA_P384_SHA_384',
  'PKIX_ECDSA_P384_SHA_256',
  'PKIX_ED25519',
  'PKIX_ED25519_PH',
  'PKIX_RSA_PKCS1V15_2048_SHA256',
  'PKCS1_RSA_PKCS1V5',
  'PKIX_RSA_PSS',
];

/** The log of the first version is another one, and is in the trusted root in another way. */
function logChanges({ entries }: Recipe, random: Random): Changes {
  const validFor = { start: after(-year) };
  const change = (make: (log: TrustedRoot['tlogs'][number], index: number) => object): Changes => ({
    root: (root) => ({ ...root, tlogs: root.tlogs.map((log, index) => ({ ...log, ...make(log, index) })) }),
  });
  const isFirst = entries.every((kind) => kind.endsWith('0.0.1') || kind.startsWith('intoto'));
  const key = newKey(random.pick(['P-384', 'P-521', 'ed25519', 'P-256'] as const));
  const name = 'new.example.com';
  return random.pick<() => Changes>([
    () =>
      change(() => ({
        baseUrl: random.pick([
          '',
          'https://other.example.com',
          'rekor.example.com',
          'http://log2.example.com:80/x/',
          'https://rekor.example.com/log2.example.com',
        ]),
      })),
    () => change(() => ({ keyDetails: random.pick(details) })),
    () => change(() => ({ logId: random.bytes(32) })),
    () => change(({ logId }) => ({ logId: logId.subarray(0, 4) })),
    () => change((log) => ({ checkpointKeyId: log.logId })),
    () =>
      change(({ key: bytes }, index) =>
        index === random.below(2) ? { key: mutateBytes(bytes, random) } : {},
      ),
    () => ({ root: (root) => ({ ...root, tlogs: root.tlogs.toReversed() }) }),
    () => ({ root: (root) => ({ ...root, tlogs: [...root.tlogs, ...root.tlogs] }) }),
    () => ({ root: (root) => ({ ...root, tlogs: root.tlogs.slice(random.below(2), 1 + random.below(2)) }) }),
    () => ({ root: (root) => ({ ...root, tlogs: [] }) }),
    () => ({
      root: (root) => ({
        ...root,
        tlogs: [
          ...root.tlogs,
          ...(isFirst && key.publicKey.type === 'ed25519'
            ? [trustedLog({ baseUrl: `https://${name}`, publicKey: key.publicKey, validFor, origin: name })]
            : [
                trustedLog({
                  baseUrl: `https://${name}`,
                  publicKey: key.publicKey,
                  validFor,
                  ...(isFirst ? {} : { origin: name }),
                }),
              ]),
        ],
      }),
      logged: { key, name, origin: isFirst ? `${name} - 1` : name },
    }),
  ])();
}

function logged(name: string, weight: number, changes: (recipe: Recipe, random: Random) => Changes): Mutator {
  return remaking(name, weight, (recipe, random) =>
    recipe.entries.length === 0 ? undefined : build(recipe, changes(recipe, random)),
  );
}

/** More entries than there were: of the same log, of strangers. */
function moreEntries({ world }: Recipe, random: Random): Changes {
  return {
    document(document) {
      const entries = document.verificationMaterial.tlogEntries as Document[];
      const [first] = entries;
      const body = new Uint8Array(Buffer.from(first.canonicalizedBody, 'base64'));
      const [kind, version] = [first.kindVersion.kind, first.kindVersion.version];
      const isNew = version === '0.0.2' && kind !== 'intoto';
      const again = (choices: Partial<LogChoices>): Document => {
        const entry = isNew ? world.entryV2(body, choices) : world.entryV1(body, choices);
        return toJson(entry);
      };
      const stranger = { key: newKey(isNew ? 'ed25519' : 'P-256') };
      const more = random.pick([
        () => [first],
        () => [again({ index: 3 })],
        () => [again({ index: 3, time: after(1) })],
        () => [again(stranger)],
        () => [again({ ...stranger, index: 3 }), again({ index: 4 })],
        () => [again({ index: 3, promise: false })],
        () => [{ ...first, logIndex: '17' }],
        () => [
          {
            ...first,
            canonicalizedBody: Buffer.from(concatBytes(body, Uint8Array.of(0x20))).toString('base64'),
          },
        ],
        () => Array.from({ length: 33 }, () => first),
      ])();
      document.verificationMaterial.tlogEntries = random.once(2)
        ? [...entries, ...more]
        : [...more, ...entries];
    },
  };
}

function toJson(entry: LogEntry): Document {
  const { inclusionProof: proof, signedEntryTimestamp: promise } = entry;
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return {
    logIndex: String(entry.logIndex),
    logId: { keyId: text(entry.logId) },
    kindVersion: { kind: entry.kind, version: entry.version },
    ...(entry.integratedTime === undefined ? {} : { integratedTime: String(entry.integratedTime) }),
    ...(promise === undefined ? {} : { inclusionPromise: { signedEntryTimestamp: text(promise) } }),
    ...(proof === undefined
      ? {}
      : {
          inclusionProof: {
            logIndex: String(proof.logIndex),
            rootHash: text(proof.rootHash),
            treeSize: String(proof.treeSize),
            hashes: proof.hashes.map(text),
            checkpoint: { envelope: proof.checkpoint },
          },
        }),
    canonicalizedBody: text(entry.canonicalizedBody),
  };
}

/** Changes of log entries. */
export const logMutators: readonly Mutator[] = [
  logged('log entry, its body, logged anew', 9, (recipe, random) => ({
    body: bodyChanges(random, (kind) => otherBody(recipe, kind)),
  })),
  logged('log entry, its signer, logged anew', 5, ({ world }, random) => ({
    body: otherVerifier(world, random),
  })),
  logged('log entry, its place, logged anew', 4, (_, random) => ({ logged: places(random) })),
  logged('log entry, beside its body', 8, ({ world }, random) => ({ entry: entryChanges(world, random) })),
  logged('checkpoint, signed anew', 10, ({ world }, random) => ({ entry: checkpointChanges(world, random) })),
  logged('log, its key and name', 6, (recipe, random) => logChanges(recipe, random)),
  logged('more log entries', 5, moreEntries),
];

/** The body of an entry of another bundle of the same kind. */
function otherBody(recipe: Recipe, kind: EntryKind): Uint8Array | undefined {
  const at = recipe.entries.indexOf(kind);
  const document = JSON.parse(Buffer.from(build(recipe).bundle).toString()) as Document;
  const body = document.verificationMaterial.tlogEntries[at]?.canonicalizedBody;
  return body === undefined ? undefined : new Uint8Array(Buffer.from(body, 'base64'));
}
