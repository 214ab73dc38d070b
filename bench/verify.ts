/**
 * How many bundles are verified in a second on one core, trusted root loaded once: ours, npm's `@sigstore/verify` on the
 * same bundles, and the floor: the signature checks alone, with keys and messages ready. A second floor imports the
 * signer's key each time, which no verifier can have ready: it comes with the bundle.
 *
 *     npm run bench:verify -- [--rounds 9] [--write]
 *
 * A bundle is read from its JSON each time, and each of them has a certificate of its own. What is counted is the time
 * of the processor.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { parseArgs } from 'node:util';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { encodeBundle, parseBundle } from '../src/formats/bundle.ts';
import { parseCertificate } from '../src/formats/certificate.ts';
import { parseCheckpoint } from '../src/formats/checkpoint.ts';
import { encodeCtEntry, encodeMerkleTreeLeaf } from '../src/formats/ct-entry.ts';
import { preAuthEncoding } from '../src/formats/dsse.ts';
import { parsePublicKey } from '../src/formats/public-key.ts';
import { embeddedScts, precertificateEntry } from '../src/formats/sct.ts';
import { parseTimestampResponse, requireGranted } from '../src/formats/timestamp.ts';
import { encodeTrustedRoot, parseTrustedRoot } from '../src/formats/trusted-root.ts';
import { byIdentities } from '../src/verify/requirements.ts';
import { openTrust } from '../src/verify/trust.ts';
import { verifyBlob } from '../src/verify/verify-blob.ts';
import { identity, issuerUrl, sha256Hex, statementFor, World } from '../test/support/sigstore-world.ts';
import { promiseText } from '../test/support/test-logs.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';
import { median, ratio } from './statistics.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    write: { type: 'boolean', default: false },
  },
});

/** Bundles of one kind, each another one; as many are verified in one go. */
const count = 64;
const artifact = new Uint8Array(Buffer.from('an artifact, small because hashing is nobody’s difference\n'));

/** One signature check, ready. */
type Check = readonly [hash: string | null, message: Uint8Array, key: KeyObject, signature: Uint8Array];

/** What is measured of one kind of bundle: each runs through all of them. */
interface Contest {
  readonly name: string;
  readonly checks: number;
  readonly ours: () => Promise<void>;
  readonly theirs: () => void;
  readonly floor: () => void;
  readonly imported: () => void;
}

const kinds = {
  'blob, Rekor v1': (world: World) => world.blob(artifact),
  'DSSE, Rekor v1': (world: World) => world.envelope(statementFor(sha256Hex(artifact))),
  'blob, Rekor v2 and timestamp': (world: World) => world.blob(artifact, { log: 'v2' }),
} as const;

/** Every signature that a verification has to check, taken out of a bundle. */
function checksOf(world: World, json: Uint8Array): readonly Check[] {
  const { material, content } = parseBundle(json, 'a bundle');
  const leaf = parseCertificate(material.certificates?.[0] ?? new Uint8Array(0));
  const key = parsePublicKey(leaf.spki).key;
  const caKey = world.ca.key.publicKey;
  const caHash = caKey.type === 'ecdsa-p384' ? 'sha384' : 'sha256';
  const [sct] = embeddedScts(leaf);
  const [entry] = material.logEntries;
  if (sct === undefined || entry === undefined) throw new Error('a bundle lacks a part');
  const ctEntry = encodeCtEntry(precertificateEntry(leaf, caKey.spki));
  const isFirst = entry.signedEntryTimestamp !== undefined;
  const checkpoint = parseCheckpoint(entry.inclusionProof?.checkpoint ?? '');
  const [line] = checkpoint.signatures;
  if (line === undefined) throw new Error('a checkpoint lacks a signature');
  const rekorKey = (isFirst ? world.rekor1Key : world.rekor2Key).publicKey.key;
  const checks: Check[] = [
    [caHash, leaf.tbs, caKey.key, leaf.signature],
    [
      'sha256',
      encodeMerkleTreeLeaf(ctEntry, sct.time, sct.extensions),
      world.ctKey.publicKey.key,
      sct.signature,
    ],
    content.kind === 'message'
      ? ['sha256', artifact, key, content.signature]
      : [
          'sha256',
          preAuthEncoding(content.envelope.payloadType, content.envelope.payload),
          key,
          content.envelope.signatures[0]?.signature ?? new Uint8Array(0),
        ],
    [isFirst ? 'sha256' : null, Buffer.from(checkpoint.body), rekorKey, line.signature],
  ];
  if (isFirst) {
    const text = Buffer.from(promiseText(entry, Number(entry.integratedTime)));
    checks.push(['sha256', text, rekorKey, entry.signedEntryTimestamp ?? new Uint8Array(0)]);
  }
  for (const der of material.timestamps) {
    const { signer } = requireGranted(parseTimestampResponse(der));
    checks.push(['sha256', signer.signedAttributes, world.tsa.key.publicKey.key, signer.signature]);
  }
  return checks;
}

function contest(kind: keyof typeof kinds, caCurve: 'P-256' | 'P-384'): Contest {
  const world = new World({ caCurve, treeSize: 100_000_000 });
  const jsons = Array.from({ length: count }, () => encodeBundle(kinds[kind](world)));
  const rootJson = encodeTrustedRoot(world.trustedRoot);
  const trust = openTrust(parseTrustedRoot(rootJson));
  const required = {
    signer: byIdentities([
      { subject: { kind: 'exact', value: identity }, issuer: { kind: 'exact', value: issuerUrl } },
    ]),
    trust,
  } as const;
  const document = JSON.parse(Buffer.from(rootJson).toString()) as object;
  const theirVerifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(document)));
  const policy = { subjectAlternativeName: `^${identity}$`, extensions: { issuer: issuerUrl } };
  const checks = jsons.map((json) => checksOf(world, json));
  // The third check of every bundle is that of the signer.
  const signers = checks.map((list) => list[2]?.[2]);
  const pems = signers.map((key) => key?.export({ type: 'spki', format: 'pem' }).toString() ?? '');
  for (const check of checks.flat()) {
    if (!verify(...check)) throw new Error('a signature of the floor does not verify');
  }
  return {
    name: `${kind}, ${caCurve} CA`,
    checks: checks[0]?.length ?? 0,
    ours: async () => {
      for (const json of jsons) await verifyBlob(parseBundle(json, 'the bundle'), artifact, required);
    },
    theirs: () => {
      for (const json of jsons) {
        const bundle = bundleFromJSON(JSON.parse(Buffer.from(json).toString()) as object);
        const isMessage = bundle.content.$case === 'messageSignature';
        theirVerifier.verify(toSignedEntity(bundle, isMessage ? Buffer.from(artifact) : undefined), policy);
      }
    },
    floor: () => {
      for (const check of checks.flat()) verify(...check);
    },
    imported: () => {
      for (const [index, pem] of pems.entries()) {
        const fresh = createPublicKey(pem);
        for (const [hash, message, key, signature] of checks[index] ?? []) {
          verify(hash, message, key === signers[index] ? fresh : key, signature);
        }
      }
    },
  };
}

/** Bundles per second of processor time. */
async function rate(run: () => Promise<void> | void, minimum: number): Promise<number> {
  const start = process.cpuUsage();
  let bundles = 0;
  let spent = 0;
  while (spent < minimum) {
    await run();
    bundles += count;
    const { user, system } = process.cpuUsage(start);
    spent = (user + system) / 1_000;
  }
  return (bundles * 1_000) / spent;
}

const rounds = Number(options.rounds);
const rows: string[][] = [];
for (const caCurve of ['P-256', 'P-384'] as const) {
  for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
    const { name, checks, ...runs } = contest(kind, caCurve);
    const rates = { ours: [], theirs: [], floor: [], imported: [] } as Record<keyof typeof runs, number[]>;
    const names = Object.keys(rates) as (keyof typeof runs)[];
    for (const one of names) await rate(runs[one], 300);
    for (let round = 0; round < rounds; round++) {
      for (const one of names) rates[one].push(await rate(runs[one], 300));
    }
    rows.push([
      name,
      String(checks),
      ...names.map((one) => median(rates[one]).toFixed(0)),
      ratio(rates.ours, rates.theirs).toFixed(1),
      ratio(rates.floor, rates.ours).toFixed(2),
      ratio(rates.imported, rates.ours).toFixed(2),
    ]);
    process.stderr.write(`${rows.at(-1)?.join('  ')}\n`);
  }
}

const header = [
  'Bundle',
  'Checks',
  'Boltseal/s',
  'npm/s',
  'Floor/s',
  'Floor with key/s',
  'Boltseal ÷ npm',
  'Floor ÷ Boltseal',
  'With key ÷ Boltseal',
];
const markdown = `## Bundles verified

Keyless bundles from their JSON to evidence, in seconds of one core, trusted root loaded once; medians of ${rounds} rounds, in
turn. npm is \`@sigstore/verify\` on the same bundles. The floor are the signature checks alone (\`Checks\` of them), with
keys and messages ready; “with key” imports the signer's key for each bundle, which nobody can have ready. Aims: 8 × npm
with a P-256 CA, 4 × with a P-384 CA; at most 1.3 × the time of the floor.

${table(header, rows)}

\`${commandLine('npm run bench:verify --')}\`, ${circumstances(new Date())}, Node ${process.version}.
`;
process.stdout.write(markdown);
if (options.write) await writeSection('verify', markdown);
