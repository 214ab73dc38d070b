import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkManifest, describeManifest } from './manifest-check.ts';
import { Refusal } from './refusal.ts';

const image = 'application/vnd.oci.image.manifest.v1+json';
const index = 'application/vnd.oci.image.index.v1+json';
const digest = `sha256:${'a'.repeat(64)}`;

test('any bytes are a manifest or a refusal, and can be described', () => {
  const descriptor = fc.record(
    {
      mediaType: fc.oneof(fc.string(), fc.nat()),
      digest: fc.oneof(fc.constant(digest), fc.string()),
      size: fc.oneof(fc.nat(), fc.double(), fc.string()),
      urls: fc.anything(),
    },
    { requiredKeys: [] },
  );
  const manifest = fc.record(
    {
      schemaVersion: fc.constantFrom(1, 2, '2'),
      mediaType: fc.constantFrom(image, index, '', 7),
      config: fc.oneof(descriptor, fc.anything()),
      layers: fc.oneof(fc.array(descriptor), fc.anything()),
      manifests: fc.oneof(fc.array(descriptor), fc.anything()),
      subject: fc.oneof(descriptor, fc.anything()),
      annotations: fc.oneof(fc.dictionary(fc.string(), fc.string()), fc.anything()),
      artifactType: fc.oneof(fc.string(), fc.anything()),
    },
    { requiredKeys: [] },
  );
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => Buffer.from(text)),
    manifest.map((value) => Buffer.from(JSON.stringify(value, plainNumbers))),
  );
  fc.assert(
    fc.property(bytes, fc.option(fc.constantFrom(image, index), { nil: undefined }), (given, type) => {
      describeManifest(given, type);
      try {
        const checked = checkManifest(given, type, 100_000);
        assert.ok([image, index].includes(checked.mediaType));
        for (const link of [...checked.blobs, ...checked.manifests]) assert.equal(link.digest, digest);
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

function plainNumbers(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

test('what is read out of a manifest', () => {
  const config = { mediaType: 'a/config', digest, size: 2 };
  const subject = { mediaType: image, digest, size: 3 };
  const annotations = { k: 'v' };
  const read = (value: object) =>
    checkManifest(Buffer.from(JSON.stringify({ schemaVersion: 2, ...value })), undefined, 10_000);
  const foreign = { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', digest, size: 9 };
  assert.deepEqual(read({ mediaType: image, config, layers: [config, foreign], subject, annotations }), {
    mediaType: image,
    subject: digest,
    artifactType: 'a/config',
    annotations,
    blobs: [
      { digest, size: 2 },
      { digest, size: 2 },
    ],
    manifests: [],
  });
  assert.equal(read({ mediaType: image, config, artifactType: 'a/own' }).artifactType, 'a/own');
  assert.equal(read({ mediaType: image, config, artifactType: '' }).artifactType, 'a/config');
  const list = read({ mediaType: index, manifests: [subject], subject, artifactType: 'a/list' });
  assert.equal(list.artifactType, 'a/list');
  assert.deepEqual(list.manifests, [{ digest, size: 3 }]);
  assert.equal(read({ mediaType: index, manifests: null, subject: null }).artifactType, undefined);
});
