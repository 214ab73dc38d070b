/** One contract, every kind of repository: registries with and without referrers API, and an image layout. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startEmbeddedRegistry } from '../../test/support/embedded-registry.ts';
import { needPrograms } from '../../test/support/programs.ts';
import { startCraneRegistry, startDockerRegistry } from '../../test/support/registries.ts';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { signatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import {
  type Descriptor,
  describe,
  emptyConfigBytes,
  emptyConfigDescriptor,
  encodeIndex,
  encodeManifest,
  mediaTypes,
  parseManifest,
} from '../formats/oci.ts';
import { parseReference, referenceTarget } from '../formats/reference.ts';
import { bundleManifest } from '../formats/referrer-manifest.ts';
import { signPredicateType } from '../formats/statement.ts';
import { createRuntime } from '../node/runtime.ts';
import { attachReferrer } from './attach.ts';
import { createRegistryClient } from './client.ts';
import { discoverSignatures } from './discover.ts';
import { createLayout } from './layout.ts';
import type { Repository } from './repository.ts';
import { attachSignatureLayer } from './signature-tag.ts';

interface Place {
  readonly title: string;
  readonly source: 'api' | 'fallback-tag';
  readonly isLayout?: boolean;
  /** Two repositories of one registry, or the same one twice; undefined when a program is missing. */
  open(t: TestContext): Promise<readonly [Repository, Repository] | undefined>;
}

const runtime = createRuntime();

async function openBoth(host: string): Promise<readonly [Repository, Repository]> {
  const client = createRegistryClient(runtime);
  const open = (path: string): Promise<Repository> =>
    client.open(parseReference(`${host}/${path}`), { push: true });
  return [await open('contract/one'), await open('contract/two')];
}

const places: readonly Place[] = [
  ...[true, false].map(
    (referrers): Place => ({
      title: `embedded registry ${referrers ? 'with' : 'without'} referrers API`,
      source: referrers ? 'api' : 'fallback-tag',
      async open(t) {
        const registry = await startEmbeddedRegistry({ referrers });
        t.after(() => registry.stop());
        return openBoth(registry.host);
      },
    }),
  ),
  {
    title: 'docker-registry',
    source: 'fallback-tag',
    async open(t) {
      if (needPrograms(t, 'docker-registry') === undefined) return undefined;
      const registry = await startDockerRegistry({ delete: true });
      t.after(() => registry.stop());
      return openBoth(registry.host);
    },
  },
  {
    title: 'the registry of crane',
    source: 'fallback-tag',
    async open(t) {
      if (needPrograms(t, 'crane') === undefined) return undefined;
      const registry = await startCraneRegistry();
      t.after(() => registry.stop());
      return openBoth(registry.host);
    },
  },
  {
    title: 'an image layout',
    source: 'api',
    isLayout: true,
    async open(t) {
      const layout = await createLayout(join(await temporaryDirectory(t), 'layout'), runtime);
      return [layout, layout];
    },
  },
];

for (const place of places) {
  test(`${place.title} keeps the contract`, async (t) => {
    const opened = await place.open(t);
    if (opened === undefined) return;
    const [one, two] = opened;
    await t.test('blobs', () => checkBlobs(one));
    await t.test('manifests and tags', () => checkManifests(one, place));
    await t.test('copying and mounting', () => checkMount(one, two));
    await t.test('referrers and signatures', () => checkSignatures(one, place));
    await t.test('deleting', () => checkDeleting(one));
  });
}

async function failsWith(code: string, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => isBoltsealError(error) && error.code === code, code);
}

async function checkBlobs(repository: Repository): Promise<void> {
  const bytes = utf8('a blob');
  const { digest } = describe('x', bytes);
  assert.equal(await repository.hasBlob(digest), false);
  const descriptor = await repository.putBlob(bytes);
  assert.equal(descriptor.digest, digest);
  assert.equal(await repository.hasBlob(digest), true);
  assert.deepEqual(await repository.getBlob(descriptor, { maxBytes: 100 }), bytes);
  await repository.putBlob(bytes, { fresh: true });
  await failsWith('ERR_LIMIT_EXCEEDED', repository.getBlob(descriptor, { maxBytes: 5 }));
  await failsWith('ERR_SIZE_MISMATCH', repository.getBlob({ ...descriptor, size: 5 }, { maxBytes: 100 }));
  await failsWith('ERR_SIZE_MISMATCH', repository.getBlob({ ...descriptor, size: 7 }, { maxBytes: 100 }));
  const absent: Descriptor = { ...descriptor, digest: `sha256:${'0'.repeat(64)}` };
  await failsWith('ERR_BLOB_NOT_FOUND', repository.getBlob(absent, { maxBytes: 100 }));

  const pending = await repository.beginUpload();
  const late = await pending.complete(utf8('announced before it was known'));
  assert.equal(await repository.hasBlob(late.digest), true);
  const cancelled = await repository.beginUpload();
  await cancelled.cancel();

  const large = new Uint8Array(3_000_000).fill(7);
  const whole = describe('x', large);
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < large.length; at += 100_000) yield large.subarray(at, at + 100_000);
  };
  await repository.writeBlob(whole, chunks);
  let size = 0;
  for await (const chunk of repository.readBlob(whole)) size += chunk.length;
  assert.equal(size, large.length);
  await failsWith('ERR_DIGEST_MISMATCH', repository.writeBlob({ ...whole, digest: absent.digest }, chunks));
  assert.equal(await repository.hasBlob(absent.digest), false);
}

async function storeImage(repository: Repository, text: string, tag?: string): Promise<Descriptor> {
  const layer = await repository.putBlob(utf8(text));
  await repository.putBlob(emptyConfigBytes);
  const bytes = encodeManifest({
    mediaType: mediaTypes.manifest,
    config: emptyConfigDescriptor,
    layers: [layer],
  });
  const options = tag === undefined ? {} : { tag };
  return (await repository.putManifest(bytes, mediaTypes.manifest, options)).descriptor;
}

async function checkManifests(repository: Repository, place: Place): Promise<void> {
  const image = await storeImage(repository, 'first', 'v1');
  for (const target of ['v1', image.digest]) {
    assert.deepEqual(await repository.resolve(target), image);
    const stored = await repository.getManifest(target);
    assert.deepEqual(stored?.descriptor, image);
    assert.equal(digestOf(stored?.bytes ?? new Uint8Array()), image.digest);
  }
  for (const target of ['v9', `sha256:${'1'.repeat(64)}`]) {
    assert.equal(await repository.resolve(target), undefined);
    assert.equal(await repository.getManifest(target), undefined);
  }
  await failsWith('ERR_REFERENCE_INVALID', repository.resolve('../v1'));
  if (place.isLayout) assert.deepEqual(await repository.resolve(undefined), image);

  const second = await storeImage(repository, 'second', 'v1');
  assert.deepEqual(await repository.resolve('v1'), second);
  const index = encodeIndex({ mediaType: mediaTypes.index, manifests: [image, second] });
  const stored = await repository.putManifest(index, mediaTypes.index, { tag: 'all' });
  assert.equal(stored.descriptor.mediaType, mediaTypes.index);
  assert.deepEqual(await repository.resolve('all'), stored.descriptor);
  const tags: string[] = [];
  for await (const tag of repository.tags()) tags.push(tag);
  assert.deepEqual(tags.sort(), ['all', 'v1']);
  if (place.isLayout) await failsWith('ERR_REFERENCE_INVALID', repository.resolve(undefined));
}

async function checkMount(from: Repository, to: Repository): Promise<void> {
  const blob = await from.putBlob(utf8('to be mounted'));
  const mounted = await to.mountBlob(blob.digest, 'contract/one');
  if (mounted) assert.equal(await to.hasBlob(blob.digest), true);
}

async function storeBundle(repository: Repository, subject: Descriptor, text: string): Promise<Digest> {
  const bundle = utf8(text);
  await Promise.all([repository.putBlob(bundle), repository.putBlob(emptyConfigBytes)]);
  const parts = { bundle, subject, predicateType: signPredicateType, created: runtime.now() };
  const { bytes, descriptor } = bundleManifest(parts);
  await attachReferrer(repository, { manifest: bytes, descriptor, subject: subject.digest }, runtime);
  return descriptor.digest;
}

async function checkSignatures(repository: Repository, place: Place): Promise<void> {
  const image = await storeImage(repository, 'signed');
  assert.deepEqual((await repository.referrers(image.digest)).descriptors, []);
  const before = await discoverSignatures(repository, image.digest);
  assert.deepEqual(before.candidates, []);
  assert.deepEqual(
    before.places.map(({ error }) => error),
    [undefined, undefined],
  );

  const bundles = [await storeBundle(repository, image, 'one'), await storeBundle(repository, image, 'two')];
  const list = await repository.referrers(image.digest);
  assert.equal(list.source, place.source);
  assert.deepEqual(list.descriptors.map(({ digest }) => digest).sort(), bundles.sort());

  const payload = utf8('payload');
  await repository.putBlob(payload);
  const layers = ['a', 'b'].map((name) => signatureLayer(payload, utf8(name)));
  for (const layer of layers) {
    const attached = await attachSignatureLayer(repository, { layer, subject: image.digest }, runtime);
    assert.deepEqual(attached.layer, layer);
  }
  const signatures = await repository.getManifest(signatureTag(image.digest));
  const manifest = parseManifest(signatures?.bytes ?? new Uint8Array());
  assert.deepEqual(manifest.kind === 'manifest' && manifest.layers, layers);

  const found = await discoverSignatures(repository, image.digest);
  assert.deepEqual(
    found.places.map(({ found: count, error }) => [count, error]),
    [
      [2, undefined],
      [2, undefined],
    ],
  );
  const texts = found.candidates.map(({ content }) => new TextDecoder().decode(content));
  assert.deepEqual(texts.sort(), ['one', 'payload', 'payload', 'two']);
}

async function checkDeleting(repository: Repository): Promise<void> {
  const image = await storeImage(repository, 'to be deleted');
  assert.equal(await repository.deleteManifest(image.digest), true);
  assert.equal(await repository.getManifest(image.digest), undefined);
  assert.equal(await repository.deleteManifest(image.digest), false);
}

test('a reference without a tag is latest', async (t) => {
  const registry = await startEmbeddedRegistry();
  t.after(() => registry.stop());
  const reference = parseReference(`${registry.host}/some/image`);
  const repository = await createRegistryClient(runtime).open(reference, { push: true });
  const image = await storeImage(repository, 'x', 'latest');
  assert.deepEqual(await repository.resolve(referenceTarget(reference)), image);
});
