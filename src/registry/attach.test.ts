/** Attaching against writers that do not play by the rules. Time is the registry's own; nothing is really waited for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedRegistry } from '../../test/support/embedded-registry.ts';
import {
  fetchInto,
  type InProcessRuntime,
  inProcessRuntime,
  respond,
} from '../../test/support/in-process.ts';
import { type Digest, parseDigest } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { Fetch } from '../core/runtime.ts';
import { signatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import {
  type Descriptor,
  describe,
  emptyConfigBytes,
  encodeIndex,
  mediaTypes,
  parseManifest,
} from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import { bundleManifest, referrersTag } from '../formats/referrer-manifest.ts';
import { signPredicateType } from '../formats/statement.ts';
import { attachReferrer } from './attach.ts';
import { createRegistryClient } from './client.ts';
import { discoverSignatures } from './discover.ts';
import type { Repository } from './repository.ts';
import { attachSignatureLayer, prepareSignatureTag } from './signature-tag.ts';

const subject = parseDigest(`sha256:${'5'.repeat(64)}`);
const image: Descriptor = { mediaType: mediaTypes.manifest, digest: subject, size: 401 };
const tag = referrersTag(subject);

interface World {
  readonly repository: Repository;
  readonly runtime: InProcessRuntime;
}

/** A registry without referrers API; `intercept` sees each request first and may answer it. */
async function makeWorld(intercept?: (inner: Fetch) => Fetch, referrers = false): Promise<World> {
  const inner = fetchInto(createEmbeddedRegistry({ referrers, validateManifests: false }));
  const runtime = inProcessRuntime(intercept?.(inner) ?? inner);
  const reference = parseReference('registry.example/acme/app');
  return { runtime, repository: await createRegistryClient(runtime).open(reference, { push: true }) };
}

async function attachBundle(
  { repository, runtime }: World,
  text: string,
  created = new Date(0),
): Promise<Digest> {
  const bundle = utf8(text);
  const { bytes, descriptor } = bundleManifest({
    bundle,
    subject: image,
    predicateType: signPredicateType,
    created,
  });
  await Promise.all([repository.putBlob(bundle, { fresh: true }), repository.putBlob(emptyConfigBytes)]);
  await attachReferrer(repository, { manifest: bytes, descriptor, subject }, runtime);
  return descriptor.digest;
}

async function listed({ repository }: World): Promise<readonly Digest[]> {
  return (await repository.referrers(subject)).descriptors.map(({ digest }) => digest);
}

const isTagPut = (url: string, method: string): boolean =>
  method === 'PUT' && url.endsWith(`/manifests/${tag}`);

test('verify asks four requests, and sign few', async () => {
  const world = await makeWorld(undefined, true);
  const { runtime, repository } = world;
  await attachBundle(world, 'one');
  assert.deepEqual(runtime.seen.map(({ method }) => method).sort(), [
    'GET',
    'HEAD',
    'POST',
    'POST',
    'PUT',
    'PUT',
    'PUT',
  ]);
  const before = runtime.seen.length;
  assert.equal((await discoverSignatures(repository, subject)).candidates.length, 1);
  assert.equal(runtime.seen.length - before, 4);
});

test('a registry that acknowledges a subject and lists nothing gets a fallback index', async () => {
  const world = await makeWorld(
    (inner) => async (url, init) =>
      url.includes('/referrers/') ? respond({ status: 404 }) : inner(url, init),
    true,
  );
  const ours = await attachBundle(world, 'one');
  assert.deepEqual(await listed(world), [ours]);
});

test('an undisturbed writer reads, writes and confirms once', async () => {
  const world = await makeWorld();
  const { runtime } = world;
  await attachBundle(world, 'one');
  const onTag = runtime.seen.filter(({ url }) => url.pathname.endsWith(tag)).map(({ method }) => method);
  assert.deepEqual(onTag, ['GET', 'PUT', 'GET']);
  assert.ok(runtime.slept() >= 20 && runtime.slept() < 100, String(runtime.slept()));
});

test('a stale writer that overwrites after us is noticed, and loses nothing itself', async () => {
  const theirs = encodeIndex({
    mediaType: mediaTypes.index,
    manifests: [{ ...image, digest: parseDigest(`sha256:${'7'.repeat(64)}`) }],
  });
  let puts = 0;
  const world = await makeWorld((inner) => async (url, init) => {
    const response = await inner(url, init);
    if (isTagPut(url, init.method) && ++puts <= 3) await inner(url, { ...init, body: theirs });
    return response;
  });
  const ours = await attachBundle(world, 'one');
  assert.deepEqual(await listed(world), [`sha256:${'7'.repeat(64)}`, ours]);
});

test('a list that vanishes is not taken for an empty one', async () => {
  let hidden = 0;
  const world = await makeWorld((inner) => async (url, init) => {
    const isList = init.method === 'GET' && url.endsWith(tag);
    return isList && --hidden === 0 ? respond({ status: 404 }) : inner(url, init);
  });
  const first = await attachBundle(world, 'one');
  hidden = 2;
  const second = await attachBundle(world, 'two');
  assert.deepEqual([...(await listed(world))].sort(), [first, second].sort());
});

test('everything in a foreign list is kept byte for byte', async () => {
  const world = await makeWorld();
  const text = `{ "schemaVersion" : 2, "mediaType":"${mediaTypes.index}", "x":1.0,\n "manifests":[ {"mediaType":"${mediaTypes.manifest}","digest":"sha256:${'8'.repeat(64)}","size":7,"big":12345678901234567890,"é":"\\u00e9"} ], "annotations":{"a":"b"}}`;
  await world.repository.putManifest(utf8(text), mediaTypes.index, { tag });
  const ours = await attachBundle(world, 'one');
  const now = fromUtf8((await world.repository.getManifest(tag))?.bytes ?? new Uint8Array(), 'x');
  const [start = '', end = ''] = text.split(' ], ');
  assert.ok(now.startsWith(start.replace('[ {', '[{')), now);
  assert.ok(now.endsWith(`], ${end}`));
  assert.ok(now.includes(ours));
});

test('a registry that replaces the list for ever is given up', async () => {
  const empty = encodeIndex({ mediaType: mediaTypes.index, manifests: [] });
  const world = await makeWorld(
    (inner) => (url, init) => inner(url, isTagPut(url, init.method) ? { ...init, body: empty } : init),
  );
  const { repository, runtime } = world;
  // What is stored then has another digest than what was sent, which some registries say and this one does.
  await assert.rejects(attachBundle(world, 'one'), (error) =>
    isBoltsealError(error, 'ERR_ATTACH_CONFLICT', 'ERR_DIGEST_MISMATCH'),
  );
  assert.deepEqual(await listed({ repository, runtime }), []);
});

test('If-Match: a 412 means read again; a registry that always says it is asked without', async () => {
  let refusals = 0;
  const world = await makeWorld((inner) => async (url, init) => {
    if (isTagPut(url, init.method) && init.headers['if-match'] !== undefined) {
      refusals++;
      return respond({ status: 412 });
    }
    const response = await inner(url, init);
    if (init.method !== 'GET' || !url.endsWith(tag)) return response;
    const { headers } = response;
    return { ...response, headers: { get: (name) => (name === 'etag' ? '"strong"' : headers.get(name)) } };
  });
  const first = await attachBundle(world, 'one');
  assert.equal(refusals, 0);
  const second = await attachBundle(world, 'two');
  assert.equal(refusals, 1);
  assert.deepEqual([...(await listed(world))].sort(), [first, second].sort());
});

test('If-Match on a .sig tag: the same', async () => {
  const sig = `/manifests/${signatureTag(subject)}`;
  let refusals = 0;
  const { repository, runtime } = await makeWorld((inner) => async (url, init) => {
    if (url.endsWith(sig) && init.headers['if-match'] !== undefined) {
      refusals++;
      return respond({ status: 412 });
    }
    const response = await inner(url, init);
    if (init.method !== 'GET' || !url.endsWith(sig)) return response;
    const { headers } = response;
    return { ...response, headers: { get: (name) => (name === 'etag' ? '"strong"' : headers.get(name)) } };
  });
  const payload = utf8('payload');
  await repository.putBlob(payload);
  for (const name of ['a', 'b']) {
    const layer = signatureLayer(payload, utf8(name));
    await attachSignatureLayer(repository, { layer, subject }, runtime);
  }
  // For the signature, and for the configuration that follows it.
  assert.equal(refusals, 2);
  const stored = await repository.getManifest(signatureTag(subject));
  const manifest = parseManifest(stored?.bytes ?? new Uint8Array());
  assert.equal(manifest.kind === 'manifest' && manifest.layers.length, 2);
});

test('the writer of a very recent entry is waited for', async () => {
  const world = await makeWorld();
  const { runtime } = world;
  await attachBundle(world, 'one', runtime.now());
  const before = runtime.slept();
  await attachBundle(world, 'two', runtime.now());
  assert.ok(runtime.slept() - before >= 150);
});

test('layers are appended; two signatures over one payload are two layers, the same one is one', async () => {
  const { repository, runtime } = await makeWorld();
  const payload = utf8('payload');
  await repository.putBlob(payload);
  const layers = ['a', 'b'].map((name) => signatureLayer(payload, utf8(name)));
  for (const layer of [...layers, ...layers])
    await attachSignatureLayer(repository, { layer, subject }, runtime);
  const stored = await repository.getManifest(signatureTag(subject));
  const manifest = parseManifest(stored?.bytes ?? new Uint8Array());
  assert.deepEqual(manifest.kind === 'manifest' && manifest.layers, layers);
});

test('a .sig manifest keeps its media types and layers, and its config describes every layer', async () => {
  const { repository, runtime } = await makeWorld();
  const config = describe(mediaTypes.config, utf8('{"rootfs":{"diff_ids":["sha256:1"]}}'));
  const theirs = `{"mediaType":"text/plain","size":1,"digest":"sha256:${'4'.repeat(64)}","unknown":1.0}`;
  const text = `{"schemaVersion":2,"mediaType":"${mediaTypes.dockerManifest}","config":${JSON.stringify(config)},"layers":[${theirs}]}`;
  await repository.putManifest(utf8(text), mediaTypes.dockerManifest, { tag: signatureTag(subject) });
  const payload = utf8('payload');
  const layer = signatureLayer(payload, utf8('a'));
  const prepared = await prepareSignatureTag(repository, { payload: layer.digest, subject });
  for (const given of [prepared, undefined]) {
    const each = given ? layer : signatureLayer(payload, utf8('b'));
    const attached = await attachSignatureLayer(
      repository,
      { layer: each, subject, prepared: given },
      runtime,
    );
    const stored = await repository.getManifest(attached.manifest);
    assert.ok(stored);
    assert.equal(stored.descriptor.mediaType, mediaTypes.dockerManifest);
    assert.ok(fromUtf8(stored.bytes, 'x').includes(`"layers":[${theirs},`));
    const manifest = parseManifest(stored.bytes);
    assert.ok(manifest.kind === 'manifest');
    assert.equal(manifest.config.mediaType, mediaTypes.config);
    const bytes = await repository.getBlob(manifest.config, { maxBytes: 10_000 });
    const { rootfs } = JSON.parse(fromUtf8(bytes, 'x'));
    assert.deepEqual(
      rootfs.diff_ids,
      manifest.layers.map(({ digest }) => digest),
    );
  }
});
