import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { digestOf, parseDigest } from '../core/digest.ts';
import { base64, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import {
  isSignatureLayer,
  parseSignatureLayer,
  signatureAnnotations,
  signatureConfig,
  signatureLayer,
  signatureManifest,
  signatureTag,
} from './cosign-layer.ts';
import { type Descriptor, type Manifest, parseManifest } from './oci.ts';
import { encodePem } from './pem.ts';
import { simpleSigningMediaType } from './simple-signing.ts';

function manifestOf(name: string): Manifest {
  const manifest = parseManifest(vector(name));
  assert.ok(manifest.kind === 'manifest');
  return manifest;
}

describe('signature layers', () => {
  it('and their descriptors are as cosign writes them', () => {
    const manifests = vectorNames().filter((name) => /^(c2-sig-dockerreg|c3-oldsig).*manifest/.test(name));
    assert.ok(manifests.length >= 4);
    for (const name of manifests) {
      const manifest = manifestOf(name);
      for (const [index, layer] of manifest.layers.entries()) {
        assert.ok(isSignatureLayer(layer));
        const payload = vector(name.replace('manifest', `layer${index + 1}`));
        const parsed = parseSignatureLayer(layer, payload, name);
        assert.equal(parsed.payloadType, simpleSigningMediaType);
        assert.deepEqual(parsed.material, { publicKeyHint: '', timestamps: [], logEntries: [] });
        assert.deepEqual(signatureLayer(payload, parsed.signature), layer);
      }
      assert.equal(fromUtf8(signatureManifest(manifest.layers), name), fromUtf8(vector(name), name));
      const config = signatureConfig(manifest.layers.map(({ digest }) => digest));
      assert.equal(fromUtf8(config, name), fromUtf8(vector(name.replace('manifest', 'config')), name));
    }
  });

  it('carry a log entry of Rekor', () => {
    const [layer] = manifestOf('services/legacy2rekor.sig-manifest.json').layers;
    assert.ok(layer !== undefined);
    const { material } = parseSignatureLayer(layer, utf8('{}'), 'x');
    const [entry] = material.logEntries;
    assert.equal(entry?.kind, 'hashedrekord');
    assert.equal(entry?.version, '0.0.1');
    assert.equal(entry?.logIndex, 2399n);
    assert.equal(entry?.integratedTime, 1795335839n);
    assert.equal(entry?.logId.length, 32);
    assert.equal(entry?.inclusionProof, undefined);
    assert.ok((entry?.signedEntryTimestamp?.length ?? 0) > 60);
  });

  const payload = utf8('payload');
  const annotated = (annotations: Record<string, string>): Descriptor => ({
    mediaType: simpleSigningMediaType,
    digest: digestOf(payload),
    size: payload.length,
    annotations: { [signatureAnnotations.signature]: 'AA==', ...annotations },
  });
  const { certificate, chain, timestamp, bundle, signature } = signatureAnnotations;

  it('carry certificates, leaf first, and timestamps; empty annotations count as none', () => {
    const pem = (byte: number) => encodePem('CERTIFICATE', new Uint8Array([byte]));
    const layer = annotated({
      [certificate]: pem(1),
      [chain]: pem(2) + pem(3),
      [timestamp]: '{"SignedRFC3161Timestamp":"BA=="}',
      [bundle]: '',
    });
    assert.deepEqual(parseSignatureLayer(layer, payload, 'x').material, {
      certificates: [new Uint8Array([1]), new Uint8Array([2]), new Uint8Array([3])],
      timestamps: [new Uint8Array([4])],
      logEntries: [],
    });
    const empty = annotated({ [certificate]: '', [chain]: '', [timestamp]: '' });
    assert.deepEqual(parseSignatureLayer(empty, payload, 'x').material.timestamps, []);
  });

  const body = (entry: unknown) => base64(utf8(JSON.stringify(entry)));
  const log = (change: object) => ({
    [bundle]: JSON.stringify({
      SignedEntryTimestamp: 'AA==',
      Payload: {
        body: body({ kind: 'k', apiVersion: '1' }),
        integratedTime: 1,
        logIndex: 2,
        logID: 'ab',
        ...change,
      },
    }),
  });
  it('accept the log entry that the refusals below change', () => {
    assert.equal(parseSignatureLayer(annotated(log({})), payload, 'x').material.logEntries.length, 1);
  });
  const cases: Readonly<Record<string, readonly [Record<string, string>, string]>> = {
    'no signature': [{ [signature]: '' }, 'ERR_VERIFY_UNSUPPORTED'],
    'loose base64': [{ [signature]: 'AA==\n' }, 'ERR_SIGNATURE_LAYER_INVALID'],
    'no certificate': [{ [certificate]: 'x' }, 'ERR_SIGNATURE_LAYER_INVALID'],
    'a key as certificate': [
      { [certificate]: encodePem('PUBLIC KEY', new Uint8Array(1)) },
      'ERR_SIGNATURE_LAYER_INVALID',
    ],
    'timestamp no JSON': [{ [timestamp]: 'x' }, 'ERR_SIGNATURE_LAYER_INVALID'],
    'timestamp empty': [{ [timestamp]: '{}' }, 'ERR_SIGNATURE_LAYER_INVALID'],
    'log no payload': [{ [bundle]: '{"SignedEntryTimestamp":"AA=="}' }, 'ERR_SIGNATURE_LAYER_INVALID'],
    'log index negative': [log({ logIndex: -1 }), 'ERR_SIGNATURE_LAYER_INVALID'],
    'log id no hex': [log({ logID: 'xy' }), 'ERR_SIGNATURE_LAYER_INVALID'],
    'log body no JSON': [log({ body: 'AA==' }), 'ERR_SIGNATURE_LAYER_INVALID'],
    'log body no kind': [log({ body: body({}) }), 'ERR_SIGNATURE_LAYER_INVALID'],
  };
  for (const [name, [annotations, expected]] of Object.entries(cases)) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => parseSignatureLayer(annotated(annotations), payload, 'x'),
        (error) => isBoltsealError(error) && error.code === expected,
      );
    });
  }

  it('refuse a giant payload', () => {
    assert.throws(
      () => parseSignatureLayer(annotated({}), new Uint8Array(1_048_577), 'x'),
      (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
    );
  });
});

it('signature tags are named after the digest', () => {
  const digest = parseDigest(`sha256:${'0a'.repeat(32)}`);
  assert.equal(signatureTag(digest), `sha256-${'0a'.repeat(32)}.sig`);
  assert.equal(signatureTag(digest, 'p-'), `p-sha256-${'0a'.repeat(32)}.sig`);
});
