/**
 * Bundles made of parts and of older bundles, by Boltseal and by cosign 3, each verified by the other; and the older forms
 * of keyless signatures as cosign writes them and other clients read them.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import { parseBundle } from '../../src/formats/bundle.ts';
import {
  parseSignatureLayer,
  signatureConfig,
  signatureLayer,
  signatureManifest,
} from '../../src/formats/cosign-layer.ts';
import { type Descriptor, parseManifest } from '../../src/formats/oci.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../src/formats/trusted-root.ts';
import type { PushedManifest } from '../support/small-image.ts';
import { checkSection, observations, table } from './page.ts';
import { newImage, signImage, verifyImage } from './sigstore-image-peers.ts';
import { blobPeers } from './sigstore-peers.ts';
import { email, initialized, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
const found = observations();
let names = 0;

/** A session whose clients know the server, with what these tests need of it. */
async function opened(t: Parameters<typeof session>[0]) {
  const open = await session(t);
  if (open === undefined) return undefined;
  await initialized(open);
  const { url } = open.server;
  const trustFile = await open.target('trusted_root.json');
  return {
    open,
    url,
    rekor: `${url}/rekor`,
    trustFile,
    trust: parseTrustedRoot(await readFile(trustFile)),
    token: await open.server.token(email),
    identity: ['--certificate-identity', email, '--certificate-oidc-issuer', url],
    path: (name: string) => join(open.folder, `${++names}-${name}`),
  };
}

type World = NonNullable<Awaited<ReturnType<typeof opened>>>;

/** What cosign's own flags for an older format are. */
function oldFlags({ url, rekor }: World, cosign: 2 | 3): readonly string[] {
  const older = cosign === 3 ? ['--new-bundle-format=false', '--use-signing-config=false'] : [];
  return ['--yes', ...older, '--fulcio-url', url, '--rekor-url', rekor];
}

function stampFlags({ url }: World): readonly string[] {
  return ['--timestamp-server-url', `${url}/api/v1/timestamp`];
}

/** The key pair of the vectors. */
const pair = {
  key: join(import.meta.dirname, '../vectors/data/keys/signing.key'),
  pub: join(import.meta.dirname, '../vectors/data/keys/signing.pub'),
  env: { COSIGN_PASSWORD: 'secret' },
};

/** Verifies a bundle with the program that did not make it. */
async function verifies(
  by: 'cosign 3' | 'Boltseal',
  { open, trustFile }: World,
  bundle: string,
  artifact: string,
  who: readonly string[],
): Promise<void> {
  const flags = ['verify-blob', '--trusted-root', trustFile, '--bundle', bundle, ...who, artifact];
  if (by === 'Boltseal') await open.clients.boltseal.must(flags);
  else await open.clients.cosign3.must(flags);
}

/** Two bundles that say the same; a log signs anew whenever it is asked. */
async function assertSame(one: string, other: string, without?: 'without timestamps'): Promise<void> {
  const [first, second] = await Promise.all(
    [one, other].map(async (file) => {
      const { content, material } = parseBundle(await readFile(file), file);
      const logEntries = material.logEntries.map(
        ({ signedEntryTimestamp: _, inclusionProof: __, ...entry }) => entry,
      );
      const timestamps = without === undefined ? material.timestamps : [];
      return { content, material: { ...material, timestamps, logEntries } };
    }),
  );
  assert.deepEqual(first, second);
}

const createRow = found.expect(
  '`bundle create` of the files that `sign-blob` of cosign 3 and cosign 2 writes',
);
test('what cosign signed without a bundle becomes one, by either program', async (t) => {
  const world = await opened(t);
  if (world === undefined) return;
  const { open, rekor, token, identity, path } = world;
  const { boltseal, cosign3, cosign2 } = open.clients;
  const artifact = await open.file(`${++names}-artifact`, `artifact ${names}\n`);
  const { key, pub, env } = pair;
  for (const [cosign, version] of [
    [cosign3, 3],
    [cosign2, 2],
  ] as const) {
    const parts = {
      bundle: path('old.json'),
      signature: path('sig'),
      certificate: path('crt'),
      timestamp: path('tsr.json'),
    };
    const outputs = ['--bundle', parts.bundle, '--output-signature', parts.signature];
    const stamps = ['--rfc3161-timestamp', parts.timestamp, '--output-certificate', parts.certificate];
    const signing = ['sign-blob', ...oldFlags(world, version), ...stampFlags(world), ...outputs, ...stamps];
    await cosign.must([...signing, '--identity-token', token, artifact]);

    const files = ['--signature', parts.signature, '--certificate', parts.certificate];
    const all = [...files, '--rfc3161-timestamp', parts.timestamp, '--rekor-url', rekor];
    const create = ['bundle', 'create', '--artifact', artifact];
    const [byUs, byCosign, fromOld] = [path('us.json'), path('cosign.json'), path('from-old.json')];
    await boltseal.must([...create, ...all, '--out', byUs]);
    await cosign3.must([...create, ...all, '--out', byCosign]);
    await boltseal.must([...create, '--bundle', parts.bundle, '--rekor-url', rekor, '--out', fromOld]);
    await assertSame(byUs, byCosign);
    await verifies('cosign 3', world, byUs, artifact, identity);
    await verifies('Boltseal', world, byCosign, artifact, identity);
    await verifies('Boltseal', world, parts.bundle, artifact, identity);
    await assertSame(byUs, fromOld, 'without timestamps');
  }

  const [sig, old] = [path('key.sig'), path('key.json')];
  const files = ['--output-signature', sig, '--bundle', old];
  await cosign2.must(['sign-blob', '--yes', '--key', key, '--rekor-url', rekor, ...files, artifact], env);
  for (const given of [
    ['--signature', sig],
    ['--bundle', old],
  ]) {
    const made = path('key.bundle.json');
    const flags = ['--artifact', artifact, ...given, '--key', pub, '--rekor-url', rekor, '--out', made];
    await boltseal.must(['bundle', 'create', ...flags]);
    await verifies(given[0] === '--bundle' ? 'cosign 3' : 'Boltseal', world, made, artifact, ['--key', pub]);
  }
  createRow.observed(
    'the same bundle as cosign 3 makes; each program verifies what the other made, keyless and with a key. `boltseal verify-blob` takes the older bundle, too',
  );
});

const attestRow = found.expect(
  '`bundle create` and `bundle upgrade` of attestations in older bundles of cosign 3 and cosign 2',
);
test('attestations in older bundles become new ones; cosign 3 finds no entry of its own', async (t) => {
  const world = await opened(t);
  if (world === undefined) return;
  const { open, rekor, token, identity, path, trustFile } = world;
  const type = 'https://example.com/predicate/v1';
  const artifact = await open.file(`${++names}-artifact`, `artifact ${names}\n`);
  const predicate = await open.file('predicate.json', '{"answer":42}');
  for (const version of [3, 2] as const) {
    const cosign = open.clients[`cosign${version}`];
    const old = path('old.json');
    const about = ['--predicate', predicate, '--type', type, '--bundle', old, '--identity-token', token];
    await cosign.must(['attest-blob', ...oldFlags(world, version), ...about, artifact]);
    const [created, upgraded] = [path('created.json'), path('upgraded.json')];
    const flags = ['--artifact', artifact, '--bundle', old, '--rekor-url', rekor, '--out', created];
    await open.clients.boltseal.must(['bundle', 'create', ...flags]);
    const upgrade = ['bundle', 'upgrade', old, '--rekor-url', rekor, '--out', upgraded];
    await open.clients.boltseal.must(upgrade);
    // It looks for the envelope as cosign 2 writes it.
    const byCosign = path('cosign.json');
    const { code, stderr } = await open.clients.cosign3.run([
      ...['bundle', 'create', '--artifact', artifact, '--bundle', old],
      ...['--rekor-url', rekor, '--out', byCosign],
    ]);
    assert.equal(code === 0, version === 2, stderr);
    if (version === 3) assert.match(stderr, /signature not found in transparency log/);
    if (version === 2) await assertSame(created, byCosign);
    await assertSame(created, upgraded);
    const check = [
      'verify-blob-attestation',
      '--trusted-root',
      trustFile,
      '--bundle',
      created,
      '--type',
      type,
    ];
    await open.clients.cosign3.must([...check, ...identity, artifact]);
    await verifies('Boltseal', world, old, artifact, identity);
  }
  attestRow.observed(
    'cosign 3 verifies them, and Boltseal the older ones as they are. **Defect of cosign 3:** it cannot make one of its own older bundle, whose log entry it does not find',
  );
});

const upgradeRow = found.expect('`bundle upgrade` of bundles of version 0.2 (npm sigstore) and 0.1');
test('older bundles become new ones, the same by either program', async (t) => {
  const world = await opened(t);
  if (world === undefined) return;
  const { open, rekor, identity, path, trust } = world;
  // npm sigstore still writes version 0.2.
  const signed = await blobPeers['npm sigstore'].sign(open, 'Rekor v1', 'blob');
  assert.ok(signed !== undefined);
  const document = JSON.parse(await readFile(signed.bundle, 'utf8'));
  assert.match(document.mediaType, /version=0\.2$/);
  const [{ inclusionProof: _, ...entry }] = document.verificationMaterial.tlogEntries;
  const chain = document.verificationMaterial.x509CertificateChain.certificates;
  const authorities = trust.certificateAuthorities[0]?.chain ?? [];
  const v01 = {
    ...document,
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    verificationMaterial: {
      ...document.verificationMaterial,
      tlogEntries: [entry],
      x509CertificateChain: {
        certificates: [
          ...chain,
          ...authorities.map((der) => ({ rawBytes: Buffer.from(der).toString('base64') })),
        ],
      },
    },
  };
  const older = [signed.bundle, await open.file(`${++names}-v01.json`, JSON.stringify(v01))];
  for (const bundle of older) {
    const [byUs, byCosign] = [path('us.json'), path('cosign.json')];
    const upgrade = ['bundle', 'upgrade', bundle, '--rekor-url', rekor];
    await open.clients.boltseal.must([...upgrade, '--out', byUs]);
    await open.clients.cosign3.must([...upgrade, '--out', byCosign]);
    await verifies('cosign 3', world, byUs, signed.blob, identity);
    await verifies('Boltseal', world, byCosign, signed.blob, identity);
    await assertSame(byUs, byCosign);
  }
  upgradeRow.observed('the same bundle as cosign 3 makes; each program verifies what the other made');
});

interface SignatureTag {
  readonly tag: string;
  readonly layer: Descriptor;
  readonly payload: Uint8Array;
}

/** The one signature of the `.sig` tag of an image. */
async function signatureTagOf(url: string, { repository, digest }: PushedManifest): Promise<SignatureTag> {
  const tag = `${digest.replace(':', '-')}.sig`;
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const response = await fetch(`${url}/v2/${repository}/manifests/${tag}`, { headers: { accept } });
  const manifest = parseManifest(new Uint8Array(await response.arrayBuffer()));
  assert.ok(manifest.kind === 'manifest');
  const [layer] = manifest.layers;
  assert.ok(layer !== undefined);
  const blob = await fetch(`${url}/v2/${repository}/blobs/${layer.digest}`);
  return { tag, layer, payload: new Uint8Array(await blob.arrayBuffer()) };
}

/** Replaces the `.sig` manifest by one with `layer`, whose payload is there. */
async function replaceSignature(
  url: string,
  repository: string,
  { tag }: SignatureTag,
  layer: Descriptor,
): Promise<void> {
  const config = signatureConfig([layer.digest]);
  const upload = await fetch(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(upload.headers.get('location') ?? '', url);
  location.searchParams.set('digest', digestOf(config));
  await fetch(location, { method: 'PUT', body: Buffer.from(config) });
  const response = await fetch(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: Buffer.from(signatureManifest([layer])),
  });
  assert.equal(response.status, 201);
}

function withChain({ layer, payload }: SignatureTag, trust: TrustedRoot): Descriptor {
  const { signature, material } = parseSignatureLayer(layer, payload, 'x');
  const leaf = material.certificates?.slice(0, 1) ?? [];
  const certificates = [...leaf, ...(trust.certificateAuthorities[0]?.chain ?? [])];
  return signatureLayer(payload, signature, { ...material, certificates });
}

const layersRow = found.expect('the annotations of a `.sig` layer, keyless and with a key');
const chainRow = found.expect('a keyless `.sig` of cosign 3 with the whole chain, as Boltseal writes it');
test('layers of keyless signatures are as cosign writes them, and skopeo takes them', async (t) => {
  const world = await opened(t);
  if (world === undefined) return;
  const { open, url, trust } = world;
  const cases = [
    ['cosign 2', 'identity'],
    ['cosign 3', 'identity'],
    ['cosign 2', 'key'],
  ] as const;
  for (const [signer, who] of cases) {
    const image = await newImage(open);
    const signing = { signer, storage: 'cosign format', log: 'Rekor v1' } as const;
    await signImage(open, image.reference, signing, { who });
    const tag = await signatureTagOf(url, image);
    const { signature, material } = parseSignatureLayer(tag.layer, tag.payload, 'x');
    assert.equal(material.logEntries.length, 1);
    assert.equal(material.timestamps.length, 1);
    const written = signatureLayer(tag.payload, signature, material);
    assert.equal(JSON.stringify(written.annotations), JSON.stringify(tag.layer.annotations));
    if (signer === 'cosign 2') continue;

    // cosign 3 leaves the chain out, and skopeo needs it.
    const asItWas = await verifyImage(open, 'skopeo', image, { who });
    assert.equal(asItWas?.ok, false);
    await replaceSignature(url, image.repository, tag, withChain(tag, trust));
    for (const reader of ['skopeo', 'cosign 2'] as const) {
      const rewritten = await verifyImage(open, reader, image, { who });
      assert.ok(rewritten?.ok, rewritten?.message);
    }
  }
  layersRow.observed('byte for byte as cosign 2 and cosign 3 write them');
  chainRow.observed('skopeo accepts it, which refused it without; cosign 2 as well');
});

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  await checkSection('bundles', table(['What', 'Outcome'], found.rows()));
});
