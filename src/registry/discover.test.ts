import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedRegistry } from '../../test/support/embedded-registry.ts';
import {
  fetchInto,
  type InProcessRuntime,
  inProcessRuntime,
  respond,
} from '../../test/support/in-process.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { limits } from '../core/limits.ts';
import { attestationLayer, attestationTag } from '../formats/attestation-layer.ts';
import { bundleMediaType } from '../formats/bundle.ts';
import { signatureManifest } from '../formats/cosign-layer.ts';
import {
  type Descriptor,
  describe,
  emptyConfigBytes,
  emptyConfigDescriptor,
  encodeIndex,
  encodeManifest,
  mediaTypes,
} from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import { announcedPredicateType, bundleManifest } from '../formats/referrer-manifest.ts';
import { signPredicateType } from '../formats/statement.ts';
import { attachReferrer } from './attach.ts';
import { createRegistryClient } from './client.ts';
import { discoverSignatures } from './discover.ts';
import type { Repository } from './repository.ts';

const subject: Digest = `sha256:${'5'.repeat(64)}`;
const image: Descriptor = { mediaType: mediaTypes.manifest, digest: subject, size: 401 };
const spdx = 'https://spdx.dev/Document';

interface World {
  readonly repository: Repository;
  readonly runtime: InProcessRuntime;
}

async function makeWorld(referrers: boolean): Promise<World> {
  const runtime = inProcessRuntime(
    fetchInto(createEmbeddedRegistry({ referrers, validateManifests: false })),
  );
  const reference = parseReference('registry.example/acme/app');
  return { runtime, repository: await createRegistryClient(runtime).open(reference, { push: true }) };
}

/** Attaches a bundle; `plain` lists it as cosign lists its own in a fallback index: without its annotations. */
async function attach(
  { repository, runtime }: World,
  predicateType: string,
  text: string,
  plain = false,
): Promise<Digest> {
  const bundle = utf8(text);
  await Promise.all([repository.putBlob(bundle), repository.putBlob(emptyConfigBytes)]);
  const created = new Date(0);
  const { bytes, descriptor } = bundleManifest({ bundle, subject: image, predicateType, created });
  const { annotations: _, ...rest } = descriptor;
  const entry = plain ? { ...rest, artifactType: mediaTypes.empty } : descriptor;
  await attachReferrer(repository, { manifest: bytes, descriptor: entry, subject }, runtime);
  return descriptor.digest;
}

test('what announces another predicate type is not fetched, and reported', async () => {
  const world = await makeWorld(true);
  const signature = await attach(world, signPredicateType, 'a signature');
  for (let at = 0; at < 3; at++) await attach(world, spdx, `an SBOM ${at}`);
  const untold = await attach(world, '', 'who knows');
  const before = world.runtime.seen.length;
  const { places, candidates } = await discoverSignatures(world.repository, subject);
  assert.deepEqual(
    candidates.map(({ manifest }) => manifest),
    [signature, untold],
  );
  const [place] = places;
  assert.equal(place?.found, 2);
  assert.deepEqual(place?.others?.map(announcedPredicateType), [spdx, spdx, spdx]);
  // The list, the .sig tag, and two manifests with their bundles.
  assert.equal(world.runtime.seen.length - before, 6);
});

test('where only the manifest announces it, its bundle is not fetched', async () => {
  const world = await makeWorld(false);
  const sbom = await attach(world, spdx, 'an SBOM', true);
  const before = world.runtime.seen.length;
  const { places, candidates } = await discoverSignatures(world.repository, subject);
  assert.deepEqual(candidates, []);
  const [other] = places[0]?.others ?? [];
  assert.equal(other?.digest, sbom);
  assert.equal(other && announcedPredicateType(other), spdx);
  const asked = world.runtime.seen.slice(before).map(({ url }) => url.pathname);
  assert.ok(asked.every((path) => !path.includes('/blobs/')));
  const options = { predicateTypes: [spdx] };
  assert.equal((await discoverSignatures(world.repository, subject, options)).candidates.length, 1);
});

test('attestations are looked for under the .att tag in place of the .sig tag, of the types asked for', async () => {
  const { repository, runtime } = await makeWorld(true);
  const envelope = utf8('an envelope');
  const types = { wanted: 'https://example.com/wanted/v1', other: 'https://example.com/other/v1' };
  const wanted = attestationLayer(envelope, types.wanted);
  const large = { ...wanted, digest: digestOf(utf8('large')), size: limits.bundleBytes + 1 };
  const layers = [attestationLayer(utf8('{"other":1}'), types.other), wanted, large];
  await repository.putBlob(envelope);
  await repository.putManifest(signatureManifest(layers), mediaTypes.manifest, {
    tag: attestationTag(subject),
  });
  const before = runtime.seen.length;
  const found = await discoverSignatures(repository, subject, { predicateTypes: [types.wanted] });
  assert.deepEqual(
    found.candidates.map(({ place, format, layer, error }) => [place, format, layer?.digest, error?.code]),
    [
      ['attestation-tag', 'cosign', wanted.digest, undefined],
      ['attestation-tag', 'cosign', large.digest, 'ERR_LIMIT_EXCEEDED'],
    ],
  );
  const [, tag, ...others] = found.places;
  assert.deepEqual(others, []);
  assert.deepEqual(tag?.others?.map(announcedPredicateType), [types.other]);
  // The list, the tag, and the one envelope.
  const asked = runtime.seen.slice(before).map(({ url }) => url.pathname);
  assert.equal(asked.length, 3);
  assert.ok(asked.every((path) => !path.endsWith('.sig')));

  const placesFor = async (predicateTypes: readonly string[] | undefined): Promise<readonly string[]> =>
    (await discoverSignatures(repository, subject, { predicateTypes })).places.map(({ place }) => place);
  assert.deepEqual(await placesFor(undefined), ['referrers-api', 'signature-tag']);
  const both = ['referrers-api', 'signature-tag', 'attestation-tag'];
  assert.deepEqual(await placesFor([signPredicateType, types.wanted]), both);
});

test('the content of all candidates together has a bound', async () => {
  const large = limits.bundleBytes - 1_000_000;
  const carriers = ['1', '2', '3', '4'].map((digit, at): Descriptor & { bytes: Uint8Array } => {
    const layer: Descriptor = {
      mediaType: bundleMediaType,
      digest: at === 3 ? digestOf(utf8('{}')) : `sha256:${digit.repeat(64)}`,
      size: at === 3 ? 2 : large,
    };
    const bytes = encodeManifest({
      mediaType: mediaTypes.manifest,
      config: emptyConfigDescriptor,
      layers: [layer],
    });
    return { ...describe(mediaTypes.manifest, bytes), bytes };
  });
  const fetched: string[] = [];
  const runtime = inProcessRuntime(async (text) => {
    const { pathname } = new URL(text);
    if (pathname.includes('/referrers/')) {
      const manifests = carriers.map(({ bytes: _, ...entry }) => entry);
      const body = encodeIndex({ mediaType: mediaTypes.index, manifests });
      return respond({ status: 200, body, headers: { 'content-type': mediaTypes.index } });
    }
    const carrier = carriers.find(({ digest }) => pathname.endsWith(`/manifests/${digest}`));
    if (carrier !== undefined) return respond({ status: 200, body: carrier.bytes });
    if (!pathname.includes('/blobs/')) return respond({ status: 404 });
    fetched.push(pathname);
    return pathname.endsWith(digestOf(utf8('{}')))
      ? respond({ status: 200, body: '{}' })
      : respond({ status: 404 });
  });
  const repository = await createRegistryClient(runtime).open(parseReference('registry.example/acme/app'));
  const { places, candidates } = await discoverSignatures(repository, subject);
  assert.deepEqual(candidates.map(({ error }) => error?.code).sort(), [
    'ERR_BLOB_NOT_FOUND',
    'ERR_BLOB_NOT_FOUND',
    'ERR_LIMIT_EXCEEDED',
    undefined,
  ]);
  assert.equal(fetched.length, 2);
  assert.equal(places[0]?.error?.code, 'ERR_LIMIT_EXCEEDED');
});

test('the pages of a list of referrers together have a bound', async () => {
  const entry: Descriptor = {
    ...image,
    artifactType: 'application/spdx+json',
    annotations: { padding: 'x'.repeat(2_000_000) },
  };
  let pages = 0;
  const runtime = inProcessRuntime(async (text) => {
    const url = new URL(text);
    if (!url.pathname.includes('/referrers/')) return respond({ status: 404 });
    pages++;
    const digest = digestOf(utf8(String(pages)));
    const body = encodeIndex({ mediaType: mediaTypes.index, manifests: [{ ...entry, digest }] });
    const link = `<${url.pathname}?page=${pages}>; rel="next"`;
    return respond({ status: 200, body, headers: { 'content-type': mediaTypes.index, link } });
  });
  const repository = await createRegistryClient(runtime).open(parseReference('registry.example/acme/app'));
  const list = await repository.referrers(subject);
  assert.equal(list.problem?.code, 'ERR_LIMIT_EXCEEDED');
  assert.equal(pages, Math.ceil(limits.referrersTotalBytes / 2_000_000));
});
