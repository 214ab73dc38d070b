import assert from 'node:assert/strict';
import { it } from 'node:test';
import { vector } from '../../test/vectors/vectors.ts';
import { digestOf, parseDigest } from '../core/digest.ts';
import { fromUtf8 } from '../core/encoding.ts';
import { bundleMediaType } from './bundle.ts';
import { parseManifest } from './oci.ts';
import { bundleAnnotations, bundleLayer, bundleManifest, referrersTag } from './referrer-manifest.ts';

it('a bundle manifest is written byte for byte as cosign 3 writes it', () => {
  const expected = vector('c3-sign-notlog-oci11.manifest.json');
  const bundle = vector('c3-sign-notlog-oci11.layer1.json');
  const theirs = parseManifest(expected);
  assert.ok(theirs.kind === 'manifest' && theirs.subject !== undefined);
  const made = bundleManifest({
    bundle,
    subject: { ...theirs.subject, annotations: { not: 'written' } },
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    created: new Date('2026-11-22T07:38:33.999Z'),
  });
  assert.equal(fromUtf8(made.bytes, 'x'), fromUtf8(expected, 'x'));
  assert.equal(made.descriptor.digest, digestOf(expected));
  assert.equal(made.descriptor.size, expected.length);
  assert.equal(made.descriptor.artifactType, bundleMediaType);
  assert.equal(made.descriptor.annotations?.[bundleAnnotations.content], 'dsse-envelope');
  assert.equal(bundleLayer(theirs)?.digest, digestOf(bundle));
});

it('a manifest with another layer, or several, holds no bundle', () => {
  const manifest = parseManifest(vector('c2-sig-dockerreg-1.manifest.json'));
  assert.ok(manifest.kind === 'manifest');
  assert.equal(bundleLayer(manifest), undefined);
  const layer = { mediaType: bundleMediaType, digest: digestOf(new Uint8Array()), size: 0 };
  assert.equal(bundleLayer({ ...manifest, layers: [layer] }), layer);
  assert.equal(bundleLayer({ ...manifest, layers: [layer, layer] }), undefined);
  assert.equal(bundleLayer({ ...manifest, layers: [] }), undefined);
});

it('the fallback tag is the digest, cut as the specification says', () => {
  assert.equal(referrersTag(parseDigest(`sha256:${'ab'.repeat(32)}`)), `sha256-${'ab'.repeat(32)}`);
  assert.equal(referrersTag(parseDigest(`sha512:${'cd'.repeat(64)}`)), `sha512-${'cd'.repeat(32)}`);
});
