import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
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
import type { VerificationMaterial } from './verification-material.ts';

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

  for (const name of ['keyless-c2', 'keyless-c3', 'key-c2', 'key-c3']) {
    it(`with what proves them, of ${name}, are written byte for byte`, () => {
      const [layer] = manifestOf(`old/image-${name}.sig-manifest.json`).layers;
      assert.ok(layer !== undefined);
      const { signature, material } = parseSignatureLayer(layer, utf8('{}'), name);
      const written = signatureLayer(utf8('{}'), signature, material);
      assert.equal(JSON.stringify(written.annotations), JSON.stringify(layer.annotations));
    });
  }

  it('read back as what was written', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
    const whole = fc.bigInt({ min: 0n, max: BigInt(Number.MAX_SAFE_INTEGER) });
    const entry = fc
      .tuple(whole, whole, bytes, bytes, fc.string({ minLength: 1 }))
      .map(([logIndex, integratedTime, logId, signedEntryTimestamp, kind]) => ({
        logIndex,
        logId,
        kind,
        version: '0.0.1',
        integratedTime,
        signedEntryTimestamp,
        canonicalizedBody: utf8(JSON.stringify({ kind, apiVersion: '0.0.1', other: '<&>\u2028' })),
      }));
    const material = fc.record({
      logEntries: fc.array(entry, { maxLength: 1 }),
      timestamps: fc.array(bytes, { maxLength: 1 }),
      certificates: fc.option(fc.array(bytes, { minLength: 1, maxLength: 4 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(bytes, bytes, material, (payload, signature, { certificates, ...rest }) => {
        const signer = certificates === undefined ? { publicKeyHint: '' } : { certificates };
        const layer = signatureLayer(payload, signature, { ...signer, ...rest });
        assert.deepEqual(parseSignatureLayer(layer, payload, 'x'), {
          payloadType: simpleSigningMediaType,
          payload,
          signature,
          material: { ...signer, ...rest },
        });
      }),
    );
  });

  it('leave out what has no place in them: hints and inclusion proofs', () => {
    const [layer] = manifestOf('old/image-key-c3.sig-manifest.json').layers;
    assert.ok(layer !== undefined);
    const { signature, material } = parseSignatureLayer(layer, utf8('{}'), 'x');
    const hash = new Uint8Array(32);
    const inclusionProof = { logIndex: 1n, rootHash: hash, treeSize: 2n, hashes: [hash], checkpoint: 'x' };
    const logEntries = material.logEntries.map((entry) => ({ ...entry, inclusionProof }));
    const written = signatureLayer(utf8('{}'), signature, { ...material, publicKeyHint: 'hint', logEntries });
    assert.deepEqual(written.annotations, layer.annotations);
  });

  const entryV1 = {
    logIndex: 0n,
    logId: new Uint8Array(32),
    kind: 'hashedrekord',
    version: '0.0.1',
    integratedTime: 1n,
    signedEntryTimestamp: Uint8Array.of(1),
    canonicalizedBody: utf8('{}'),
  };
  const { signedEntryTimestamp: _, integratedTime: __, ...entryV2 } = entryV1;
  const unfit: Readonly<Record<string, readonly [Partial<VerificationMaterial>, string]>> = {
    'an entry of Rekor v2': [{ logEntries: [entryV2] }, 'ERR_USAGE'],
    'two entries': [{ logEntries: [entryV1, entryV1] }, 'ERR_USAGE'],
    'two timestamps': [{ timestamps: [Uint8Array.of(1), Uint8Array.of(2)] }, 'ERR_USAGE'],
    'an index that JSON cannot hold': [
      { logEntries: [{ ...entryV1, logIndex: 2n ** 53n }] },
      'ERR_LIMIT_EXCEEDED',
    ],
  };
  for (const [name, [material, expected]] of Object.entries(unfit)) {
    it(`of ${name} are not written_fail`, () => {
      assert.throws(
        () =>
          signatureLayer(utf8('{}'), Uint8Array.of(1), {
            publicKeyHint: '',
            timestamps: [],
            logEntries: [],
            ...material,
          }),
        (error) => isBoltsealError(error) && error.code === expected,
      );
    });
  }

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
