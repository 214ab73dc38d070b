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
import { encodePem } from '../../src/formats/pem.ts';
import { parseTrustedRoot, type TrustedRoot } from '../../src/formats/trusted-root.ts';
import { needPrograms } from '../support/programs.ts';
import { runInProcess } from '../support/run-cli.ts';
import { clientIn } from '../support/sigstore.ts';
import { pushSmallImage } from '../support/small-image.ts';
import { blobPeers } from './sigstore-peers.ts';
import { email, initialized, useSigstore } from './sigstore-session.ts';

const session = useSigstore();
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

/** Runs Boltseal, which must succeed. */
async function boltseal(...argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runInProcess(argv);
  assert.equal(code, 0, `${argv.join(' ')}\n${stderr}`);
  return stdout;
}

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
  if (by === 'Boltseal') await boltseal(...flags);
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

test('what cosign signed without a bundle becomes one, by either program', async (t) => {
  const world = await opened(t);
  if (world === undefined) return;
  const { open, rekor, token, identity, path } = world;
  const { cosign3, cosign2 } = open.clients;
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
    await boltseal(...create, ...all, '--out', byUs);
    await cosign3.must([...create, ...all, '--out', byCosign]);
    await boltseal(...create, '--bundle', parts.bundle, '--rekor-url', rekor, '--out', fromOld);
    await assertSame(byUs, byCosign);
    await verifies('cosign 3', world, byUs, artifact, identity);
    await verifies('Boltseal', world, byCosign, artifact, identity);
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
    await boltseal('bundle', 'create', ...flags);
    await verifies(given[0] === '--bundle' ? 'cosign 3' : 'Boltseal', world, made, artifact, ['--key', pub]);
  }
});

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
    await boltseal('bundle', 'create', ...flags);
    await boltseal('bundle', 'upgrade', old, '--rekor-url', rekor, '--out', upgraded);
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
  }
});

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
    await boltseal('bundle', 'upgrade', bundle, '--rekor-url', rekor, '--out', byUs);
    await open.clients.cosign3.must(['bundle', 'upgrade', bundle, '--rekor-url', rekor, '--out', byCosign]);
    await verifies('cosign 3', world, byUs, signed.blob, identity);
    await verifies('Boltseal', world, byCosign, signed.blob, identity);
    await assertSame(byUs, byCosign);
  }
});

interface SignatureTag {
  readonly repository: string;
  readonly tag: string;
  readonly layer: Descriptor;
  readonly payload: Uint8Array;
}

/** The one signature of the `.sig` tag of an image. */
async function signatureTagOf(url: string, repository: string, digest: string): Promise<SignatureTag> {
  const tag = `${digest.replace(':', '-')}.sig`;
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const response = await fetch(`${url}/v2/${repository}/manifests/${tag}`, { headers: { accept } });
  const manifest = parseManifest(new Uint8Array(await response.arrayBuffer()));
  assert.ok(manifest.kind === 'manifest');
  const [layer] = manifest.layers;
  assert.ok(layer !== undefined);
  const blob = await fetch(`${url}/v2/${repository}/blobs/${layer.digest}`);
  return { repository, tag, layer, payload: new Uint8Array(await blob.arrayBuffer()) };
}

/** Replaces the `.sig` manifest by one with `layer`, whose payload is there. */
async function replaceSignature(url: string, found: SignatureTag, layer: Descriptor): Promise<void> {
  const config = signatureConfig([layer.digest]);
  const upload = await fetch(`${url}/v2/${found.repository}/blobs/uploads/`, { method: 'POST' });
  const location = new URL(upload.headers.get('location') ?? '', url);
  location.searchParams.set('digest', digestOf(config));
  await fetch(location, { method: 'PUT', body: Buffer.from(config) });
  const response = await fetch(`${url}/v2/${found.repository}/manifests/${found.tag}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: Buffer.from(signatureManifest([layer])),
  });
  assert.equal(response.status, 201);
}

function withChain(found: SignatureTag, trust: TrustedRoot): Descriptor {
  const { signature, material } = parseSignatureLayer(found.layer, found.payload, 'x');
  const leaf = material.certificates?.slice(0, 1) ?? [];
  const certificates = [...leaf, ...(trust.certificateAuthorities[0]?.chain ?? [])];
  return signatureLayer(found.payload, signature, { ...material, certificates });
}

test('layers of keyless signatures are as cosign writes them, and skopeo takes them', async (t) => {
  const world = await opened(t);
  const programs = needPrograms(t, 'skopeo');
  if (world === undefined || programs === undefined) return;
  const { open, url, rekor, token, identity, trust } = world;
  const { cosign2, cosign3 } = open.clients;
  const host = new URL(url).host;
  const { key, pub, env } = pair;
  const keyless = ['--identity-token', token];
  const withKey = ['--key', key];
  const cases = [
    [cosign2, [...oldFlags(world, 2), ...keyless], identity],
    [cosign3, [...oldFlags(world, 3), ...keyless], identity],
    [cosign2, [...oldFlags(world, 2), ...withKey], ['--key', pub]],
  ] as const;
  const policies = await skopeoPolicies(world, host, pub);
  const skopeo = await clientIn(open.folder, 'skopeo', programs.skopeo);
  for (const [index, [cosign, flags, who]] of cases.entries()) {
    const repository = `bundles/image${index}`;
    const image = await pushSmallImage(open.server, repository, {
      content: `bundle image ${index}\n`,
      tag: 'it',
    });
    await cosign.must(['sign', ...flags, ...stampFlags(world), image.reference], env);
    const found = await signatureTagOf(url, repository, image.digest);
    const { signature, material } = parseSignatureLayer(found.layer, found.payload, 'x');
    assert.equal(material.logEntries.length, 1);
    assert.equal(material.timestamps.length, 1);
    const written = signatureLayer(found.payload, signature, material);
    assert.equal(JSON.stringify(written.annotations), JSON.stringify(found.layer.annotations));

    // cosign 3 leaves the chain out, and skopeo needs it.
    const isKeyless = material.certificates !== undefined;
    const policy = isKeyless ? policies.keyless : policies.key;
    const copy = ['--registries.d', policies.folder, '--policy', policy, 'copy', '--src-tls-verify=false'];
    const skopeoTakes = async () =>
      skopeo.run([
        ...copy,
        `docker://${host}/${repository}:it`,
        `dir:${join(open.folder, `copy${++names}`)}`,
      ]);
    const asItWas = await skopeoTakes();
    assert.equal(asItWas.code === 0, !(isKeyless && cosign === cosign3), asItWas.stderr);
    if (!isKeyless) continue;
    await replaceSignature(url, found, withChain(found, trust));
    const rewritten = await skopeoTakes();
    assert.equal(rewritten.code, 0, rewritten.stderr);
    // The one that did not make the signature.
    if (cosign === cosign2) await cosign3.must(['verify', ...who, image.reference]);
    else await cosign2.must(['verify', ...who, '--rekor-url', rekor, image.reference]);
  }
});

/** What skopeo is told: where signatures are, and whose it accepts. */
async function skopeoPolicies(
  { open, url, trust }: World,
  host: string,
  keyPath: string,
): Promise<{ readonly folder: string; readonly keyless: string; readonly key: string }> {
  const { mkdir } = await import('node:fs/promises');
  const folder = join(open.folder, 'registries.d');
  await mkdir(folder, { recursive: true });
  await open.file('registries.d/x.yaml', `docker:\n  ${host}:\n    use-sigstore-attachments: true\n`);
  const chain = trust.certificateAuthorities[0]?.chain ?? [];
  const root = chain.slice(-1).map((der) => encodePem('CERTIFICATE', der));
  const caPath = await open.file('fulcio.pem', root.join(''));
  const log = trust.tlogs.find(({ keyDetails }) => keyDetails === 'PKIX_ECDSA_P256_SHA_256');
  const rekorPublicKeyPath = await open.file(
    'rekor.pub',
    encodePem('PUBLIC KEY', log?.key ?? new Uint8Array(0)),
  );
  const policy = async (name: string, who: object): Promise<string> => {
    const rule = { type: 'sigstoreSigned', ...who, signedIdentity: { type: 'matchRepository' } };
    return open.file(
      name,
      JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: { [host]: [rule] } } }),
    );
  };
  return {
    folder,
    keyless: await policy('keyless.json', {
      fulcio: { caPath, oidcIssuer: url, subjectEmail: email },
      rekorPublicKeyPath,
    }),
    key: await policy('key.json', { keyPath, rekorPublicKeyPath }),
  };
}
