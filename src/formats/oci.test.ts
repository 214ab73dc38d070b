import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type Descriptor,
  describe,
  emptyConfigBytes,
  emptyConfigDescriptor,
  encodeIndex,
  encodeManifest,
  mediaTypes,
  parseManifest,
} from './oci.ts';

const digest = `sha256:${'b'.repeat(64)}` as const;
const descriptor = { mediaType: 'application/x', digest, size: 3 };
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value));
const refuses = (value: unknown, mediaType?: string, code: ErrorCode = 'ERR_MANIFEST_INVALID'): void => {
  const bytes = value instanceof Uint8Array ? value : json(value);
  assert.throws(
    () => parseManifest(bytes, mediaType),
    (error) => isBoltsealError(error, code),
    value instanceof Uint8Array ? 'bytes' : JSON.stringify(value).slice(0, 200),
  );
};

test('manifests and indexes of OCI and docker', () => {
  const manifest = { schemaVersion: 2, config: descriptor, layers: [descriptor], extra: { kept: 1 } };
  assert.equal(parseManifest(json(manifest)).kind, 'manifest');
  assert.equal(parseManifest(json(manifest)).mediaType, mediaTypes.manifest);
  assert.equal(
    parseManifest(json(manifest), `${mediaTypes.dockerManifest}; charset=utf-8`).mediaType,
    mediaTypes.dockerManifest,
  );
  assert.equal(parseManifest(json({ ...manifest, layers: null }), 'application/json').kind, 'manifest');
  const index = { schemaVersion: 2, mediaType: mediaTypes.dockerManifestList, manifests: [descriptor] };
  assert.equal(parseManifest(json(index)).kind, 'index');
  assert.equal(parseManifest(json({ schemaVersion: 2, manifests: null })).kind, 'index');
  assert.equal(digestOf(emptyConfigBytes), emptyConfigDescriptor.digest);
});

test('refused content', () => {
  const manifest = { schemaVersion: 2, config: descriptor, layers: [] };
  refuses([]);
  refuses({ schemaVersion: 1, fsLayers: [] });
  refuses({ ...manifest, fsLayers: [] });
  refuses({ ...manifest, manifests: [] });
  refuses({ ...manifest, mediaType: 'application/x' });
  refuses({ ...manifest, mediaType: mediaTypes.index });
  refuses({ ...manifest, mediaType: mediaTypes.manifest }, mediaTypes.dockerManifest);
  refuses(manifest, mediaTypes.index);
  refuses({ schemaVersion: 2, manifests: [] }, mediaTypes.manifest);
  refuses({ schemaVersion: 2 });
  for (const bad of [
    { ...descriptor, size: -1 },
    { ...descriptor, size: 1.5 },
    { ...descriptor, size: 2 ** 53 },
    { ...descriptor, size: '3' },
    { ...descriptor, digest: 'sha256:../../etc' },
    { ...descriptor, digest: undefined },
    { ...descriptor, mediaType: '' },
    { ...descriptor, annotations: { a: 1 } },
    { ...descriptor, annotations: [] },
    { ...descriptor, platform: { os: 1 } },
    null,
    'x',
  ]) {
    refuses({ ...manifest, layers: [bad] });
    refuses({ schemaVersion: 2, manifests: [bad] });
    if (bad !== null) refuses({ ...manifest, subject: bad });
  }
  const many = Object.fromEntries(Array.from({ length: limits.annotations + 1 }, (_, i) => [`a${i}`, '']));
  refuses({ ...manifest, annotations: many }, undefined, 'ERR_LIMIT_EXCEEDED');
  refuses(utf8(`{"schemaVersion":2,${' '.repeat(limits.manifestBytes)}}`), undefined, 'ERR_LIMIT_EXCEEDED');
  refuses(utf8('{"schemaVersion":2,"config":{},"config":{}}'), undefined, 'ERR_JSON_INVALID');
  refuses(utf8('['.repeat(10_000)), undefined, 'ERR_LIMIT_EXCEEDED');
});

test('what cosign writes is written byte for byte', () => {
  const text =
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"},"layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":659,"digest":"sha256:b678b678b678b678b678b678b678b678b678b678b678b678b678b678b678b678"}],"annotations":{"dev.sigstore.bundle.content":"dsse-envelope","org.opencontainers.image.created":"2026-11-22T07:38:33Z"},"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":401,"digest":"sha256:b678b678b678b678b678b678b678b678b678b678b678b678b678b678b678b678"},"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}';
  const parsed = parseManifest(utf8(text));
  assert.ok(parsed.kind === 'manifest');
  assert.equal(new TextDecoder().decode(encodeManifest(parsed)), text);
});

const arbitraryDescriptor: fc.Arbitrary<Descriptor> = fc
  .record({
    mediaType: fc.constantFrom('application/a', 'application/b+json'),
    content: fc.uint8Array({ maxLength: 8 }),
    annotations: fc.option(fc.dictionary(fc.string(), fc.string()), { nil: undefined }),
    artifactType: fc.option(fc.string(), { nil: undefined }),
  })
  .map(({ mediaType, content, annotations, artifactType }) => ({
    ...describe(mediaType, content),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
  }));

test('encode and parse are inverse', () => {
  fc.assert(
    fc.property(fc.array(arbitraryDescriptor, { maxLength: 4 }), arbitraryDescriptor, (list, one) => {
      const manifest = { mediaType: mediaTypes.manifest, config: one, layers: list, subject: one };
      assert.deepEqual(
        JSON.parse(JSON.stringify(parseManifest(encodeManifest(manifest)))),
        JSON.parse(JSON.stringify({ kind: 'manifest', ...manifest })),
      );
      const index = { mediaType: mediaTypes.index, manifests: list };
      assert.deepEqual(
        JSON.parse(JSON.stringify(parseManifest(encodeIndex(index)))),
        JSON.parse(JSON.stringify({ kind: 'index', ...index })),
      );
    }),
  );
});

test('any bytes are a manifest or our error', () => {
  const key = fc.constantFrom(
    'schemaVersion',
    'mediaType',
    'config',
    'layers',
    'manifests',
    'subject',
    'size',
    'digest',
    'annotations',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>(2, -1, null, digest, mediaTypes.index, mediaTypes.manifest, [], {}),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
    ),
  }));
  const document = fc.dictionary(key, tree).map((value) => json({ ...value, schemaVersion: 2 }));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), document), (bytes) => {
      try {
        parseManifest(bytes);
      } catch (error) {
        if (!isBoltsealError(error)) throw error;
      }
    }),
  );
});
