/**
 * A test of one's own code against a registry that lives inside the test: no container, no port, no network.
 *
 *     node --test test-with-embedded-registry.ts
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import {
  createRegistryClient,
  generateKeyPair,
  isBoltsealError,
  openPrivateKey,
  type PublicKey,
  parseReference,
  type Runtime,
  signImage,
  verifyImage,
} from 'boltseal';
import { createRuntime } from 'boltseal/node';
import { createRegistry, memoryStorage } from 'boltseal/server';

/** What is tested: may this image run? */
async function mayRun(image: string, trusted: PublicKey, runtime: Runtime): Promise<boolean> {
  try {
    await verifyImage(image, { keys: [trusted] }, runtime);
    return true;
  } catch (error) {
    if (isBoltsealError(error, 'ERR_NO_SIGNATURES', 'ERR_NO_MATCHING_SIGNATURES')) return false;
    // A registry that is down is not a refusal.
    throw error;
  }
}

/** A runtime whose whole network is one new registry, under whatever host name it is called. */
function runtimeWithRegistry(): Runtime {
  const registry = createRegistry(createRuntime(), { storage: memoryStorage() });
  return createRuntime({ fetch: registry.fetch });
}

/** Pushes an image without layers: enough to be signed. */
async function pushImage(image: string, runtime: Runtime): Promise<void> {
  const reference = parseReference(image);
  const repository = await createRegistryClient(runtime).open(reference, { push: true });
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' } }),
  );
  await repository.putBlob(config);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: `sha256:${createHash('sha256').update(config).digest('hex')}`,
      size: config.length,
    },
    layers: [],
  };
  await repository.putManifest(Buffer.from(JSON.stringify(manifest)), mediaType, { tag: 'v1' });
}

test('only what our key signed may run', async () => {
  const runtime = runtimeWithRegistry();
  const image = 'registry.example/you/app:v1';
  await pushImage(image, runtime);

  const [ours, theirs] = await Promise.all([
    generateKeyPair('ecdsa-p256', 'our password'),
    generateKeyPair('ecdsa-p256', 'their password'),
  ]);
  assert.equal(await mayRun(image, ours.publicKey, runtime), false, 'nobody signed it');

  await signImage(image, { signer: openPrivateKey(theirs.privateKeyPem, 'their password') }, runtime);
  assert.equal(await mayRun(image, ours.publicKey, runtime), false, 'somebody else signed it');

  await signImage(image, { signer: openPrivateKey(ours.privateKeyPem, 'our password') }, runtime);
  assert.equal(await mayRun(image, ours.publicKey, runtime), true, 'we signed it');
});
