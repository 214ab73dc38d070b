/** What must be refused, by Boltseal and by the others, on what the real programs wrote. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestOf, parseDigest } from '../../src/core/digest.ts';
import { signImage } from '../../src/flows/index.ts';
import { signatureTag } from '../../src/formats/cosign-layer.ts';
import { type Descriptor, mediaTypes } from '../../src/formats/oci.ts';
import { parseReference } from '../../src/formats/reference.ts';
import { attachReferrer, openRepository } from '../../src/registry/index.ts';
import { runProgram } from '../support/programs.ts';
import type { Laboratory, RegistryName, TestImage } from './laboratory.ts';
import { checkSection, observations, table } from './page.ts';
import { cosign3SignArguments, type PeerName, type Session, useSession } from './peers.ts';

const session = useSession();
const found = observations();
const registries: readonly RegistryName[] = ['docker-registry', 'Boltseal’s registry'];

for (const format of ['bundle', 'cosign'] as const) {
  const row = found.expect(
    `an image with nothing but an attestation of that key, as cosign 3 attests it: ${format} format`,
  );
  test(`an attestation is no signature: ${format} format`, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    for (const registry of registries) {
      const image = await open.lab.push(registry, 'single');
      await attest(open, image, 'cosign3', cosign3SignArguments(open.lab, format));
      const key = await open.lab.key('P-256');
      const refused = await open.peers.Boltseal.verify({ image, key });
      assert.equal(refused.ok, false);
      assert.match(refused.message, /^ERR_NO_SIGNATURES/);
      const cosign = await open.peers['cosign 3'].verify({ image, key });
      assert.equal(cosign.ok, format === 'bundle', cosign.message);
    }
    row.observed(
      format === 'bundle'
        ? 'Boltseal refuses. **Defect of cosign 3:** its `verify` takes any attestation for a signature'
        : 'Boltseal and cosign 3 refuse',
    );
  });
}

const oldAttestation = found.expect('the same by cosign 2');
test('an attestation of cosign 2 is no signature', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await open.lab.push('docker-registry', 'single');
  await attest(open, image, 'cosign2', ['--tlog-upload=false']);
  const key = await open.lab.key('P-256');
  const refused = await open.peers.Boltseal.verify({ image, key });
  assert.match(refused.message, /^ERR_NO_SIGNATURES/);
  for (const name of ['cosign 3', 'cosign 2', 'skopeo'] as const)
    assert.equal((await open.peers[name].verify({ image, key })).ok, false, name);
  oldAttestation.observed('Boltseal, cosign 3, cosign 2 and skopeo refuse');
});

for (const signer of ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'] as const) {
  const row = found.expect(`a \`.sig\` of ${signer}, copied to another image of the repository`);
  test(`a .sig of ${signer} is not replayed`, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    for (const registry of registries) {
      const [signed, other] = await pushTwo(open.lab, registry);
      const key = await open.lab.key('P-256');
      const { ok, message } = await open.peers[signer].sign({ image: signed, key, format: 'cosign' });
      assert.ok(ok, message);
      const repository = await repositoryOf(open, signed);
      const stored = await repository.getManifest(signatureTag(digestIn(signed)));
      assert.ok(stored !== undefined);
      const tag = signatureTag(digestIn(other));
      await repository.putManifest(stored.bytes, stored.descriptor.mediaType, { tag });
      await refuse(open, other, ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'], /ERR_VERIFY_DIGEST:/);
    }
    row.observed('Boltseal, cosign 3, cosign 2 and skopeo refuse');
  });
}

for (const signer of ['Boltseal', 'cosign 3'] as const) {
  const row = found.expect(`a bundle of ${signer}, attached to another image`);
  test(`a bundle of ${signer} is not replayed`, async (t) => {
    const open = await session(t);
    if (open === undefined) return;
    for (const registry of registries) {
      const [signed, other] = await pushTwo(open.lab, registry);
      const key = await open.lab.key('P-256');
      const { ok, message } = await open.peers[signer].sign({ image: signed, key, format: 'bundle' });
      assert.ok(ok, message);
      await moveBundle(open, signed, other);
      await refuse(open, other, ['Boltseal', 'cosign 3'], /ERR_VERIFY_DIGEST:/);
    }
    row.observed('Boltseal and cosign 3 refuse');
  });
}

const unsigned = found.expect('an image without any signature');
test('an unsigned image is refused', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  for (const registry of registries) {
    const image = await open.lab.push(registry, 'single');
    await refuse(open, image, ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'], /ERR_NO_SIGNATURES/);
  }
  unsigned.observed('Boltseal, cosign 3, cosign 2 and skopeo refuse');
});

const platforms = found.expect('the platforms of an index that was signed without `--recursive`');
test('a signed index does not sign its platforms', async (t) => {
  const open = await session(t);
  if (open === undefined) return;
  const image = await open.lab.push('docker-registry', 'multi-arch');
  const key = await open.lab.key('P-256');
  await signImage(image.image.reference, { signer: key.signer() }, open.lab.runtime);
  for (const platform of image.platforms) {
    const alone = { ...image, image: platform, platforms: [] };
    await refuse(open, alone, ['Boltseal', 'cosign 3', 'cosign 2', 'skopeo'], /ERR_NO_SIGNATURES/);
  }
  platforms.observed('Boltseal, cosign 3, cosign 2 and skopeo refuse');
});

test('docs/reference/interop.md says what was observed', async (t) => {
  if ((await session(t)) === undefined) return;
  const rest =
    'Wrong keys and annotations that were not signed are refused by every program: part of every line above.';
  await checkSection('refusals', `${table(['Given', 'Outcome'], found.rows())}\n\n${rest}`);
});

async function refuse(
  { lab, peers }: Session,
  image: TestImage,
  readers: readonly PeerName[],
  code: RegExp,
): Promise<void> {
  const key = await lab.key('P-256');
  for (const reader of readers) {
    const { ok, message } = await peers[reader].verify({ image, key });
    assert.equal(ok, false, `${reader} accepts`);
    if (reader === 'Boltseal') assert.match(message, code);
  }
}

async function attest(
  { lab, paths }: Session,
  image: TestImage,
  program: 'cosign3' | 'cosign2',
  how: readonly string[],
): Promise<void> {
  const predicate = await lab.file('predicate.json', '{"scan":"failed"}');
  const key = await lab.key('P-256');
  const args = [
    'attest',
    '--yes',
    '--key',
    key.private,
    '--predicate',
    predicate,
    ...how,
    image.image.reference,
  ];
  const { code, stderr } = await runProgram(paths[program], args, { env: lab.env });
  assert.equal(code, 0, stderr);
}

/** Two images in one repository. */
async function pushTwo(lab: Laboratory, registry: RegistryName): Promise<readonly [TestImage, TestImage]> {
  const first = await lab.push(registry, 'single');
  const path = first.repository.slice(first.host.length + 1);
  return [first, await lab.push(registry, 'single', { path })];
}

function repositoryOf({ lab }: Session, { repository }: TestImage): ReturnType<typeof openRepository> {
  return openRepository(parseReference(repository), lab.runtime, { push: true });
}

function digestIn({ image }: TestImage): Digest {
  return parseDigest(image.digest);
}

/** Attaches the bundle of one image to another, as somebody would who has no key: by a manifest with another subject. */
async function moveBundle(open: Session, from: TestImage, to: TestImage): Promise<void> {
  const repository = await repositoryOf(open, from);
  const { descriptors } = await repository.referrers(digestIn(from));
  const [listed] = descriptors;
  assert.ok(listed !== undefined && descriptors.length === 1);
  const stored = await repository.getManifest(listed.digest);
  assert.ok(stored !== undefined);
  const manifest = JSON.parse(new TextDecoder().decode(stored.bytes));
  manifest.subject = { ...manifest.subject, digest: to.image.digest, size: to.image.size };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  const descriptor: Descriptor = {
    mediaType: mediaTypes.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    artifactType: manifest.artifactType,
    annotations: manifest.annotations,
  };
  await attachReferrer(repository, { manifest: bytes, descriptor, subject: digestIn(to) }, open.lab.runtime);
}
