/** What other commands and programs make of images that Boltseal signed: listing, deleting and copying signatures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signImage } from '../../src/flows/index.ts';
import { runProgram } from '../support/programs.ts';
import type { RegistryName, TestImage } from './laboratory.ts';
import { attachForeign, foreignType, referrerTypes } from './oras.ts';
import { checkSection, observations, table } from './page.ts';
import { type PeerName, type Session, sigstoreRegistries, skopeoCopy, useSession } from './peers.ts';

const session = useSession();
const found = observations();
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** With the referrers API and with the fallback tag. */
const registries: readonly RegistryName[] = ['Boltseal’s registry', 'docker-registry'];
let copies = 0;

const tree = found.expect('`cosign tree` (cosign 3)');
test('cosign 3 shows both formats in its tree', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  for (const registry of registries) {
    const image = await signedByBoltseal(open, registry);
    const { code, stdout, stderr } = await runProgram(open.paths.cosign3, ['tree', image.image.reference]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /https:\/\/sigstore\.dev\/cosign\/sign\/v1 artifacts via OCI referrer: .*@sha256:/);
    assert.match(stdout, /Signatures for an image tag: .*\.sig/);
  }
  tree.observed('shows the bundle and the `.sig`, with the referrers API and with the fallback tag');
});

const discover = found.expect('`oras discover`');
test('oras finds bundles by their artifact type', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const types = async (signer: PeerName, registry: RegistryName): Promise<readonly string[]> => {
    const image = await open.lab.push(registry, 'single');
    const key = await open.lab.key('P-256');
    assert.ok((await open.peers[signer].sign({ image, key, format: 'bundle' })).ok);
    return referrerTypes(open, image);
  };
  for (const registry of registries) assert.deepEqual(await types('Boltseal', registry), [bundleType]);
  assert.deepEqual(await types('cosign 3', 'Boltseal’s registry'), [bundleType]);
  assert.deepEqual(await types('cosign 3', 'docker-registry'), ['application/vnd.oci.empty.v1+json']);
  discover.observed(
    `lists Boltseal’s bundles as \`${bundleType}\` everywhere. **Defect of cosign 3:** its entries in the fallback tag are of type \`application/vnd.oci.empty.v1+json\``,
  );
});

const clean = found.expect('`cosign clean` (cosign 3)');
test('cosign 3 removes signatures of Boltseal', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  for (const registry of registries) {
    const image = await signedByBoltseal(open, registry);
    await attachForeign(open, image);
    const { code, stderr } = await runProgram(open.paths.cosign3, ['clean', '-f', image.image.reference]);
    assert.equal(code, 0, stderr);
    const { message } = await open.peers.Boltseal.verify({ image, key: await open.lab.key('P-256') });
    assert.match(message, /^ERR_NO_SIGNATURES/);
    const left = await referrerTypes(open, image);
    assert.deepEqual(left, registry === 'docker-registry' ? [] : [foreignType]);
  }
  clean.observed(
    'removes both formats. **Defect of cosign 3:** without the referrers API it deletes the whole fallback tag, and what others attached is not found any more',
  );
});

const cosignCopy = found.expect('`cosign copy` (cosign 3)');
test('cosign 3 copies the .sig', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await signedByBoltseal(open, 'docker-registry');
  const copy = await copyOf(open, image);
  const args = ['copy', image.image.reference, `${copy.repository}:copy`];
  const { code, stderr } = await runProgram(open.paths.cosign3, args);
  assert.equal(code, 0, stderr);
  await verify(open, copy, ['Boltseal', 'cosign 3', 'cosign 2']);
  assert.deepEqual(await bundlesIn(open, copy), []);
  cosignCopy.observed(
    'the `.sig` arrives and verifies with Boltseal, cosign 3 and cosign 2. **Defect of cosign 3:** it leaves bundles behind',
  );
});

const orasCopy = found.expect('`oras cp -r`');
test('oras copies the bundle', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  for (const registry of registries) {
    const image = await signedByBoltseal(open, registry);
    const copy = await copyOf(open, image);
    const insecure = ['--from-plain-http', '--to-plain-http'];
    const args = ['cp', '-r', ...insecure, image.image.reference, `${copy.repository}:copy`];
    const { code, stderr } = await runProgram(open.paths.oras, args);
    assert.equal(code, 0, stderr);
    await verify(open, copy, ['Boltseal', 'cosign 3']);
    assert.deepEqual(await bundlesIn(open, copy), [bundleType]);
    const { ok } = await open.peers['cosign 2'].verify({ image: copy, key: await open.lab.key('P-256') });
    assert.equal(ok, false, 'oras copies .sig tags now');
  }
  orasCopy.observed(
    'the bundle arrives and verifies with Boltseal and cosign 3; the `.sig`, which is a tag of its own, has to be copied by its tag',
  );
});

const skopeoCarries = found.expect('`skopeo copy` with `use-sigstore-attachments`');
test('skopeo copies the .sig', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await signedByBoltseal(open, 'docker-registry');
  const copy = await copyOf(open, image);
  const settings = await sigstoreRegistries(open.lab, image.host, copy.host);
  const policy = await open.lab.file('accept.json', '{"default":[{"type":"insecureAcceptAnything"}]}');
  const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  const places = [`docker://${image.image.reference}`, `docker://${copy.repository}:copy`];
  const args = ['--registries.d', settings, '--policy', policy, 'copy', ...insecure, ...places];
  const { code, stderr } = await runProgram(open.paths.skopeo, args);
  assert.equal(code, 0, stderr);
  await verify(open, copy, ['Boltseal', 'cosign 3', 'cosign 2']);
  const refused = await open.peers.skopeo.verify({ image: copy, key: await open.lab.key('P-256') });
  assert.match(refused.message, /Signature for identity .* is not accepted/);
  const { reference } = copy.image;
  const key = await open.lab.key('P-256');
  const original = { type: 'exactRepository', dockerRepository: image.repository };
  const told = await skopeoCopy(open.paths.skopeo, open.lab, reference, key, copy.host, [], original);
  assert.equal(told.code, 0, told.stderr);
  skopeoCarries.observed(
    'the `.sig` arrives and verifies with Boltseal, cosign 3 and cosign 2; skopeo itself then needs `exactRepository` with the first repository in its policy, because that is what the signature names',
  );
});

const strict = found.expect('a skopeo policy without `signedIdentity`, which wants the tag to be signed');
test('skopeo’s own default is met with an identity', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const key = await open.lab.key('P-256');
  const codes: (number | null)[] = [];
  for (const withTag of [false, true]) {
    const image = await open.lab.push('docker-registry', 'single', { tag: 'v1' });
    const reference = `${image.repository}:v1`;
    const identity = withTag ? reference : undefined;
    await signImage(image.image.reference, { signer: key.signer(), identity }, open.lab.runtime);
    const policy = { type: 'matchRepoDigestOrExact' };
    const copied = await skopeoCopy(open.paths.skopeo, open.lab, reference, key, image.host, [], policy);
    codes.push(copied.code);
  }
  assert.deepEqual(codes, [1, 0]);
  strict.observed(
    'skopeo accepts what was signed with `--identity HOST/REPOSITORY:TAG`; else `matchRepository` is needed, as for cosign',
  );
});

const index = found.expect('`skopeo copy --multi-arch=index-only` of an index that nobody signed');
test('skopeo does not look at signatures of an index', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await open.lab.push('docker-registry', 'multi-arch');
  const key = await open.lab.key('P-256');
  const only = ['--multi-arch=index-only'];
  const { code } = await skopeoCopy(
    open.paths.skopeo,
    open.lab,
    image.image.reference,
    key,
    image.host,
    only,
  );
  assert.equal(code, 0);
  assert.equal((await open.peers.Boltseal.verify({ image, key })).ok, false);
  index.observed(
    'skopeo accepts: its policy is asked about images, never about the index. Boltseal and cosign refuse',
  );
});

const all = found.expect('`skopeo copy --all` of an index with attestation manifests (`unknown/unknown`)');
test('skopeo wants a signature on attestation manifests', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const key = await open.lab.key('P-256');
  const codes: Partial<Record<PeerName, number | null>> = {};
  for (const signer of ['cosign 2', 'Boltseal'] as const) {
    const image = await open.lab.push('docker-registry', 'multi-arch');
    assert.ok((await open.peers[signer].sign({ image, key, format: 'cosign' })).ok);
    const { reference } = image.image;
    const { code } = await skopeoCopy(open.paths.skopeo, open.lab, reference, key, image.host, ['--all']);
    codes[signer] = code;
  }
  assert.equal(codes['cosign 2'], 0);
  assert.equal(codes.Boltseal, 1, 'Boltseal signs attestation manifests now');
  all.observed(
    'accepted when cosign signed, which signs everything an index lists; refused when Boltseal signed, which signs what can be run',
  );
});

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  const text = 'Of images that Boltseal signed in both formats:';
  await checkSection('tools', `${text}\n\n${table(['With', 'Outcome'], found.rows())}`);
});

async function signedByBoltseal({ lab }: Session, registry: RegistryName): Promise<TestImage> {
  const image = await lab.push(registry, 'single');
  const key = await lab.key('P-256');
  await signImage(image.image.reference, { signer: key.signer() }, lab.runtime);
  return image;
}

/** Where a copy of the image goes: crane's registry, which is empty of it. */
async function copyOf({ lab }: Session, { image }: TestImage): Promise<TestImage> {
  const { host } = await lab.registry('crane’s registry');
  const path = `copied/${image.repository}-${++copies}`;
  const repository = `${host}/${path}`;
  return {
    host,
    repository,
    platforms: [],
    image: { ...image, repository: path, reference: `${repository}@${image.digest}` },
  };
}

async function verify(
  { lab, peers }: Session,
  image: TestImage,
  readers: readonly PeerName[],
): Promise<void> {
  const key = await lab.key('P-256');
  for (const reader of readers) {
    const { ok, message } = await peers[reader].verify({ image, key });
    assert.ok(ok, `${reader}: ${message}`);
  }
}

async function bundlesIn(open: Session, image: TestImage): Promise<readonly string[]> {
  return (await referrerTypes(open, image)).filter((type) => type === bundleType);
}
