import assert from 'node:assert/strict';
import { open, readFile, writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import { isDigest } from '../../src/core/digest.ts';
import { type ErrorCode, errorTable } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { attestationLayer, attestationTag } from '../../src/formats/attestation-layer.ts';
import { signatureConfig, signatureManifest } from '../../src/formats/cosign-layer.ts';
import { encodeEnvelope, inTotoPayloadType, preAuthEncoding } from '../../src/formats/dsse.ts';
import { type Descriptor, mediaTypes } from '../../src/formats/oci.ts';
import { bundleManifest } from '../../src/formats/referrer-manifest.ts';
import { statementType } from '../../src/formats/statement.ts';
import { type EmbeddedRegistry, useEmbeddedRegistry } from '../support/embedded-registry.ts';
import type { CliResult } from '../support/run-cli.ts';
import {
  type PushedManifest,
  pushBlob,
  pushManifest,
  pushSmallImage,
  pushSmallIndex,
} from '../support/small-image.ts';
import {
  assertRefused,
  bundleOf,
  type KeyBench,
  openKeyBench,
  releasesOfFile,
} from './support/bad-input-bench.ts';

const releases = releasesOfFile();
const type = 'https://example.com/review/v1';

let bench: KeyBench;
let registry: EmbeddedRegistry;
let images = 0;

before(async () => {
  bench = await openKeyBench(releases);
  registry = await useEmbeddedRegistry(releases);
  await writeFile(bench.file('review.json'), '{ "verdict": "good" }\n');
});

function newImage(): Promise<PushedManifest> {
  return pushSmallImage(registry, `acme/app${++images}`, { content: `image ${images}\n` });
}

function attest(...words: readonly string[]): Promise<CliResult> {
  const said = words.includes('--predicate')
    ? []
    : ['--predicate', bench.file('review.json'), '--type', type];
  return bench.run(['attest', '--key', bench.file('a.key'), ...said, ...words]);
}

function verify(...words: readonly string[]): Promise<CliResult> {
  const key = words.includes('--key') ? [] : ['--key', bench.file('a.pub')];
  return bench.run([
    'verify-attestation',
    ...key,
    ...(words.includes('--type') ? [] : ['--type', type]),
    ...words,
  ]);
}

/** What `--output json` says of one image. */
interface Told {
  readonly code: number;
  readonly error: ErrorCode | undefined;
  readonly refused: readonly ErrorCode[];
  readonly places: readonly string[];
  readonly payloads: readonly string[];
}

async function told(...words: readonly string[]): Promise<Told> {
  const { code, stdout, stderr } = await verify('--output', 'json', '--explain', ...words);
  const { schema, images: [image] = [] } = JSON.parse(stdout);
  assert.equal(schema, 'boltseal.verify-attestation/1');
  assert.equal(image.verified, code === 0, stderr);
  const refused: { code: ErrorCode }[] = image.refused ?? [];
  for (const one of refused) assert.ok(one.code in errorTable && one.code !== 'ERR_INTERNAL', stderr);
  const accepted: { place: string; payload: string }[] = image.accepted ?? [];
  return {
    code,
    error: image.error?.code,
    refused: refused.map((one) => one.code).sort(),
    places: accepted.map(({ place }) => place),
    payloads: accepted.map(({ payload }) => Buffer.from(payload, 'base64').toString()),
  };
}

function statementOf({ digest }: Pick<PushedManifest, 'digest'>, change: object = {}): string {
  const subject = [{ digest: { sha256: digest.slice('sha256:'.length) } }];
  return JSON.stringify({ _type: statementType, subject, predicateType: type, predicate: {}, ...change });
}

function digestIn({ digest }: Pick<PushedManifest, 'digest'>): Descriptor['digest'] {
  assert.ok(isDigest(digest));
  return digest;
}

/** What is signed by the bench's key, without the checks of `attest`. */
async function sign(text: string, payloadType = inTotoPayloadType) {
  const payload = new Uint8Array(Buffer.from(text));
  const signature = await bench.signer.sign(preAuthEncoding(payloadType, payload));
  return { payload, payloadType, signatures: [{ signature }] };
}

type Envelope = Awaited<ReturnType<typeof sign>>;

/** Stores an envelope in a bundle that announces `announced`. */
async function storeBundle(image: PushedManifest, envelope: Envelope, announced = type): Promise<void> {
  const bundle = bundleOf(envelope);
  const subject = { ...image, digest: digestIn(image) };
  const { bytes } = bundleManifest({ bundle, subject, predicateType: announced, created: new Date(0) });
  await pushBlob(registry, image.repository, mediaTypes.empty, Buffer.from('{}'));
  await pushBlob(registry, image.repository, 'application/octet-stream', bundle);
  await pushManifest(registry, image.repository, mediaTypes.manifest, bytes);
}

/** Stores envelopes as the layers of an `.att` manifest; `change` alters the descriptors. */
async function storeLayers(
  image: PushedManifest,
  envelopes: readonly Envelope[],
  change: (layer: Descriptor) => Descriptor = (layer) => layer,
): Promise<void> {
  const layers = envelopes.map(encodeEnvelope);
  for (const bytes of layers) await pushBlob(registry, image.repository, 'application/octet-stream', bytes);
  const described = layers.map((bytes) => change(attestationLayer(bytes, type)));
  const config = signatureConfig(described.map(({ digest }) => digest));
  await pushBlob(registry, image.repository, mediaTypes.config, config);
  const manifest = signatureManifest(described);
  await storeTag(image, mediaTypes.manifest, manifest);
}

async function storeTag(
  image: PushedManifest,
  mediaType: string,
  manifest: Uint8Array | object,
): Promise<void> {
  await pushManifest(registry, image.repository, mediaType, manifest, attestationTag(digestIn(image)));
}

describe('attest and verify-attestation', { concurrency: 4 }, () => {
  it('both formats hold one statement, printed once, beside an image that is not signed', async () => {
    const { reference, digest } = await newImage();
    assert.equal((await verify(reference)).code, 10);
    const attested = await attest(reference);
    assert.equal(attested.code, 0, attested.stderr);
    assert.equal(attested.stdout, '');
    assert.ok(
      attested.stderr.includes(`boltseal verify-attestation --key ${bench.file('a.pub')} --type ${type} `),
    );

    const { code, stdout } = await verify(reference);
    assert.equal(code, 0);
    const envelope = JSON.parse(stdout) as { payload: string };
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString());
    assert.deepEqual(statement.predicate, { verdict: 'good' });
    assert.equal((await verify('--output', 'text', reference)).stdout, stdout);

    const report = await told(reference);
    assert.deepEqual(report.places, ['referrers-api', 'attestation-tag']);
    assert.equal(report.payloads[0], report.payloads[1]);
    assert.ok(report.payloads[0]?.includes(digest.slice('sha256:'.length)));

    assertRefused(
      await bench.run(['verify', '--key', bench.file('a.pub'), reference]),
      'ERR_NO_SIGNATURES',
      10,
    );
    assertRefused(await verify('--key', bench.file('b.pub'), reference), 'ERR_NO_MATCHING_SIGNATURES', 12);
  });

  it('a signature is no attestation: 10', async () => {
    const { reference } = await newImage();
    assert.equal((await bench.run(['sign', '--key', bench.file('a.key'), reference])).code, 0);
    const refused = await verify('--explain', reference);
    assertRefused(refused, 'ERR_NO_SIGNATURES', 10);
    assert.match(refused.stderr, /not asked for: signature/);
  });

  it('every platform of an index, one format, a document', async () => {
    const { reference, children } = await pushSmallIndex(registry, 'acme/multi');
    const { code, stdout } = await attest('-r', '--format', 'cosign', '--output', 'json', reference);
    assert.equal(code, 0);
    const { schema, images: [image] = [] } = JSON.parse(stdout);
    assert.equal(schema, 'boltseal.attest/1');
    const formats = image.attested.flatMap(
      (one: { signatures: { format: string; predicateType: string }[] }) =>
        one.signatures.map(({ format, predicateType }) => `${format} ${predicateType}`),
    );
    assert.deepEqual(formats, Array(3).fill(`cosign ${type}`));
    const verified = await verify(reference, ...children.map((child) => child.reference));
    assert.equal(verified.code, 0, verified.stderr);
    assert.equal(verified.stdout.trim().split('\n').length, 3);
  });

  it('without upload: on standard output, or in a file', async () => {
    const { reference } = await newImage();
    // As cosign's users write it.
    const printed = await attest('--no-upload=true', '--format', 'bundle', reference);
    assert.equal(JSON.parse(printed.stdout).payloadType, inTotoPayloadType);
    const bundle = bench.file('bundle.json');
    const written = await attest('--no-upload', '--bundle', bundle, reference);
    assert.equal(written.code, 0, written.stderr);
    assert.equal(written.stdout, '');
    assert.ok((await readFile(bundle, 'utf8')).includes('dsseEnvelope'));
    assert.equal((await verify(reference)).code, 10, 'nothing is stored');
  });

  it('a predicate on standard input, of the type custom, is text', async () => {
    const { reference } = await newImage();
    const words = [
      'attest',
      '--key',
      bench.file('a.key'),
      '--format',
      'bundle',
      '--predicate',
      '-',
      reference,
    ];
    assert.equal((await bench.run(words, { stdin: 'looks "good"\n' })).code, 0);
    const { payloads } = await told('--type', 'custom', reference);
    assert.equal(JSON.parse(payloads[0] ?? '').predicate.Data, 'looks "good"\n');
  });

  it('a plan signs nothing', async () => {
    const { reference } = await newImage();
    const { code, stdout } = await attest('--dry-run', reference);
    assert.equal(code, 0);
    assert.match(stdout, /would attest, in both formats/);
    assert.equal((await verify(reference)).code, 10);
  });
});

describe('attestations that say something else_fail', { concurrency: 4 }, () => {
  it('of another type, announced or not', async () => {
    const image = await newImage();
    const other = await sign(statementOf(image, { predicateType: 'https://example.com/other/v1' }));
    // What is announced is not what is signed.
    await storeBundle(image, other);
    await storeLayers(image, [other]);
    const lied = await told(image.reference);
    assert.deepEqual([lied.code, lied.error], [12, 'ERR_NO_MATCHING_SIGNATURES']);
    assert.deepEqual(lied.refused, ['ERR_VERIFY_PREDICATE_TYPE', 'ERR_VERIFY_PREDICATE_TYPE']);
    const unseen = await told('--type', 'vuln', image.reference);
    assert.deepEqual([unseen.code, unseen.error, unseen.refused], [10, 'ERR_NO_SIGNATURES', []]);
  });

  it('a layer that announces nothing is looked at', async () => {
    const image = await newImage();
    await storeLayers(image, [await sign(statementOf(image))], (layer) => ({ ...layer, annotations: {} }));
    assert.equal((await told(image.reference)).code, 0);
  });

  it('about another image, alone or among several subjects', async () => {
    const [image, other] = [await newImage(), await newImage()];
    const replayed = await sign(statementOf(other));
    await storeBundle(image, replayed);
    await storeLayers(image, [replayed]);
    const refused = await told(image.reference);
    assert.deepEqual([refused.code, refused.error], [12, 'ERR_NO_MATCHING_SIGNATURES']);
    assert.deepEqual(refused.refused, ['ERR_VERIFY_DIGEST', 'ERR_VERIFY_DIGEST']);
    const anyway = await verify('--check-claims=false', image.reference);
    assert.equal(anyway.code, 0);
    assert.match(anyway.stderr, /warning: --check-claims=false/);
    assert.doesNotMatch(anyway.stderr, /claims were validated/);

    const several = (digests: readonly string[]) => ({
      subject: digests.map((digest) => ({ name: 'x', digest: { sha256: digest.slice('sha256:'.length) } })),
    });
    const third = await newImage();
    const elsewhere = several([image.digest, other.digest]);
    await storeBundle(third, await sign(statementOf(third, elsewhere)));
    assert.deepEqual((await told(third.reference)).refused, ['ERR_VERIFY_DIGEST']);
    const among = several([image.digest, third.digest, other.digest]);
    await storeLayers(third, [await sign(statementOf(third, among))]);
    const accepted = await told(third.reference);
    assert.deepEqual([accepted.code, accepted.places], [0, ['attestation-tag']]);
  });

  it('changed after it was signed, and one bad one never hides a good one', async () => {
    const image = await newImage();
    const good = await sign(statementOf(image));
    const changed = { ...good, payload: Buffer.from(statementOf(image, { predicate: { verdict: 'bad' } })) };
    await storeBundle(image, changed);
    await storeLayers(image, [changed]);
    const refused = await told(image.reference);
    assert.deepEqual([refused.code, refused.error], [12, 'ERR_NO_MATCHING_SIGNATURES']);
    assert.deepEqual(refused.refused, ['ERR_VERIFY_SIGNATURE', 'ERR_VERIFY_SIGNATURE']);
    await storeLayers(image, [changed, good, changed]);
    assert.deepEqual((await told(image.reference)).places, ['attestation-tag']);
  });

  it('no statement, another payload type, several signatures', async () => {
    const image = await newImage();
    const [good] = (await sign(statementOf(image))).signatures;
    const envelopes = [
      await sign('{}'),
      await sign('not JSON'),
      await sign(statementOf(image), 'text/plain'),
      await sign(statementOf(image, { subject: [] })),
    ];
    const twice = await sign(statementOf(image));
    assert.ok(good);
    twice.signatures.push(good);
    await storeLayers(image, [...envelopes, twice]);
    const refused = await told(image.reference);
    assert.equal(refused.code, 12);
    assert.deepEqual(refused.refused, [
      'ERR_JSON_INVALID',
      'ERR_STATEMENT_INVALID',
      'ERR_STATEMENT_INVALID',
      'ERR_VERIFY_PAYLOAD_TYPE',
      'ERR_VERIFY_UNSUPPORTED',
    ]);
  });

  it('a tag that cannot be read is never an absence', async () => {
    const image = await newImage();
    await storeTag(image, mediaTypes.index, { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
    assert.equal((await told(image.reference)).error, 'ERR_MANIFEST_INVALID');
    // A good one elsewhere is found all the same.
    await storeBundle(image, await sign(statementOf(image)));
    assert.deepEqual((await told(image.reference)).places, ['referrers-api']);
  });
});

describe('what cannot be attested_fail', { concurrency: 4 }, () => {
  const refusals: readonly [what: string, words: readonly string[], code: ErrorCode][] = [
    ['no predicate', ['--key', 'a.key'], 'ERR_USAGE'],
    ['a predicate that is not there', ['--predicate', 'nowhere.json'], 'ERR_FILE_READ'],
    ['a type that nobody knows', ['--predicate', 'review.json', '--type', 'sbom'], 'ERR_USAGE'],
    ['no JSON where JSON is needed', ['--predicate', 'text', '--type', 'spdxjson'], 'ERR_JSON_INVALID'],
    ['JSON that is no object', ['--predicate', 'list', '--type', type], 'ERR_USAGE'],
    ['JSON that ends the statement', ['--predicate', 'ended', '--type', type], 'ERR_JSON_INVALID'],
    ['SPDX as text in a bundle', ['--predicate', 'text', '--type', 'spdx'], 'ERR_USAGE'],
    [
      'the type of signatures',
      ['--predicate', 'review.json', '--type', 'https://sigstore.dev/cosign/sign/v1'],
      'ERR_USAGE',
    ],
    ['more than the limit', ['--predicate', 'huge'], 'ERR_LIMIT_EXCEEDED'],
    ['more than the limit, of text', ['--predicate', 'quotes'], 'ERR_LIMIT_EXCEEDED'],
    [
      'a bundle of the other format',
      ['--predicate', 'review.json', '--type', type, '--bundle', 'b', '--format', 'cosign'],
      'ERR_USAGE',
    ],
    ['cosign’s --replace', ['--predicate', 'review.json', '--replace'], 'ERR_USAGE'],
  ];

  before(async () => {
    await writeFile(bench.file('text'), 'SPDXVersion: SPDX-2.3\n');
    await writeFile(bench.file('list'), '[]');
    await writeFile(bench.file('ended'), `{}},"predicateType":"https://example.com/other/v1","x":{"y":{}}`);
    await writeFile(bench.file('quotes'), Buffer.alloc(limits.predicateBytes / 2 + 1, '"'));
    const huge = await open(bench.file('huge'), 'w');
    await huge.truncate(limits.predicateBytes + 1);
    await huge.close();
  });

  for (const [what, words, code] of refusals) {
    it(what, async () => {
      const named = words.map((word, index) =>
        ['--predicate', '--key', '--bundle'].includes(words[index - 1] ?? '') ? bench.file(word) : word,
      );
      const key = words.includes('--key') ? [] : ['--key', bench.file('a.key')];
      const result = await bench.run([
        'attest',
        ...key,
        ...named,
        `${registry.host}/acme/none@sha256:${'0'.repeat(64)}`,
      ]);
      assert.match(result.stderr, new RegExp(`^error: .*\\(${code}\\)$`, 'm'));
      assert.notEqual(result.code, 0);
      assert.equal(result.stdout, '');
    });
  }

  it('an image that is not there, a type that cannot be asked for', async () => {
    const nowhere = `${registry.host}/acme/none@sha256:${'0'.repeat(64)}`;
    assertRefused(await attest(nowhere), 'ERR_IMAGE_NOT_FOUND', 11);
    assertRefused(await verify(nowhere), 'ERR_IMAGE_NOT_FOUND', 11);
    assertRefused(await verify('--type', 'https://sigstore.dev/cosign/sign/v1', nowhere), 'ERR_USAGE', 2);
    assertRefused(await verify('--policy', 'allow.rego', nowhere), 'ERR_USAGE', 2);
  });
});
