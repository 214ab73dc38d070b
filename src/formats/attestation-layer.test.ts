import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { vector } from '../../test/vectors/vectors.ts';
import { digestOf } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { parsePublicKey } from '../keys/index.ts';
import { entityFromAttestationLayer } from '../verify/entity.ts';
import { byKeys } from '../verify/requirements.ts';
import { verifyEntity } from '../verify/verify-entity.ts';
import {
  attestationLayer,
  attestationTag,
  isAttestationLayer,
  layerPredicateType,
  parseAttestationLayer,
} from './attestation-layer.ts';
import { signatureAnnotations, signatureManifest } from './cosign-layer.ts';
import { encodeEnvelope } from './dsse.ts';
import { type Descriptor, parseManifest } from './oci.ts';

const image = 'sha256:5d94a5c274ca159e5a000e4b63db163bd27b55a023a277efde18598e04724d51';
const key = parsePublicKey(vector('keys/signing.pub'), 'signing.pub');

/** The manifests that cosign 2 and 3 wrote. */
const manifests = ['custom', 'httpsexamplecommyv1', 'slsaprovenance1'].flatMap((type) => [
  `attest/attest-${type}-old2.manifest.json`,
  `attest/attest-${type}-old3.manifest.json`,
]);

function layerOf(name: string): { readonly layer: Descriptor; readonly content: Uint8Array } {
  const manifest = parseManifest(vector(name));
  assert.ok(manifest.kind === 'manifest');
  const [layer] = manifest.layers;
  assert.ok(layer);
  return { layer, content: vector(name.replace('manifest', 'layer1')) };
}

describe('attestation layers', () => {
  it('are written as cosign writes them, byte for byte, and verify', () => {
    for (const name of manifests) {
      const { layer, content } = layerOf(name);
      const type = layerPredicateType(layer);
      assert.ok(type !== undefined && isAttestationLayer(layer), name);
      const { envelope, material } = parseAttestationLayer(layer, content, name);
      assert.deepEqual(material, { publicKeyHint: '', timestamps: [], logEntries: [] });
      // cosign 2 has another order of members, and an empty keyid.
      if (name.includes('old3'))
        assert.equal(fromUtf8(encodeEnvelope(envelope), name), fromUtf8(content, name));
      const written = attestationLayer(content, type);
      assert.equal(fromUtf8(signatureManifest([written]), name), fromUtf8(vector(name), name));

      const entity = entityFromAttestationLayer(layer, content, { place: 'attestation-tag' });
      const required = { signer: byKeys([key]), digest: image, predicateTypes: [type] } as const;
      const { claim, digest } = verifyEntity(entity, required);
      assert.equal(claim.type, type);
      assert.equal(digest, image);
      for (const [change, code] of [
        [{ predicateTypes: ['https://example.com/other/v1'] }, 'ERR_VERIFY_PREDICATE_TYPE'],
        [{ predicateTypes: undefined }, 'ERR_VERIFY_PREDICATE_TYPE'],
        [{ digest: digestOf(utf8('another')) }, 'ERR_VERIFY_DIGEST'],
      ] as const) {
        assert.throws(
          () => verifyEntity(entity, { ...required, ...change }),
          (error) => isBoltsealError(error, code),
        );
      }
    }
  });

  it('are under the tag .att', () => {
    assert.equal(attestationTag(image), `${image.replace(':', '-')}.att`);
  });

  it('what is none_fail', () => {
    const { layer, content } = layerOf(manifests[0] ?? '');
    const { envelope } = parseAttestationLayer(layer, content, 'the layer');
    const refused = (of: Partial<Descriptor>, bytes: Uint8Array = content): unknown => {
      const changed = { ...layer, ...of };
      try {
        entityFromAttestationLayer(changed, bytes, { place: 'attestation-tag' });
      } catch (error) {
        return isBoltsealError(error) ? error.code : error;
      }
      return undefined;
    };
    assert.equal(refused({}), undefined);
    assert.equal(refused({ annotations: {} }), undefined, 'cosign’s annotations are not needed');
    assert.equal(refused({ mediaType: 'application/json' }), 'ERR_VERIFY_UNSUPPORTED');
    const [signature] = envelope.signatures;
    assert.ok(signature);
    const two = encodeEnvelope({ ...envelope, signatures: [signature, signature] });
    assert.equal(refused({}, two), 'ERR_VERIFY_UNSUPPORTED');
    assert.equal(refused({}, encodeEnvelope({ ...envelope, signatures: [] })), 'ERR_ENVELOPE_INVALID');
    assert.equal(refused({}, utf8('{')), 'ERR_JSON_INVALID');
    const broken = { ...layer.annotations, [signatureAnnotations.bundle]: '{}' };
    assert.equal(refused({ annotations: broken }), 'ERR_SIGNATURE_LAYER_INVALID');
  });

  it('never throw a foreign error', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.values(signatureAnnotations), 'predicateType'), fc.string()),
        fc.uint8Array({ maxLength: 200 }),
        (annotations, bytes) => {
          const content = new Uint8Array(bytes);
          try {
            parseAttestationLayer({ ...attestationLayer(content, 'x'), annotations }, content, 'the layer');
          } catch (error) {
            assert.ok(isBoltsealError(error), String(error));
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
