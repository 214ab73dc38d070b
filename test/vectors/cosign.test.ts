import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Digest, parseDigest } from '../../src/core/digest.ts';
import { fromUtf8 } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { parseManifest } from '../../src/formats/oci.ts';
import { type PublicKey, parsePublicKey } from '../../src/formats/public-key.ts';
import { entityFromBundle, entityFromSignatureLayer } from '../../src/verify/entity.ts';
import { byKeys } from '../../src/verify/requirements.ts';
import { verifyEntity } from '../../src/verify/verify-entity.ts';
import { vector, vectorImage, vectorNames } from './vectors.ts';

const image = parseDigest(vectorImage);
const key = parsePublicKey(vector('keys/signing.pub'), 'x');
const anotherKey = parsePublicKey(vector('keys/gk3-empty.pub'), 'x');
const place = 'file';

/** What verifying one sample says: its annotations, or an error code. */
function outcome(verify: () => { annotations: object }): unknown {
  try {
    return { ...verify().annotations };
  } catch (error) {
    assert.ok(isBoltsealError(error));
    return error.code;
  }
}

describe('what cosign signed with a key verifies, and with another key does not', () => {
  const bundles: Readonly<Record<string, readonly [object, Digest, PublicKey]>> = {
    'c3-sign-notlog-oci11.layer1.json': [{}, image, key],
    'key-tlog-sc-v1.bundle.json': [{}, image, key],
    'key-tlog-sc-v2.bundle.json': [{}, image, key],
    'c3-odd-annotations.bundle.json': [
      { '10': 'a', '9': 'b', '<k>&': 'v\u2028é\b\u007f', ﬁ: 'y', '😀': 'x' },
      parseDigest('sha256:cfb9fbd954f1031ed93e96c90f3177978d8149071b7b0723c72b6a4fa18755c3'),
      parsePublicKey(vector('c3-odd-annotations.pub'), 'x'),
    ],
  };
  for (const [name, [annotations, digest, signer]] of Object.entries(bundles)) {
    it(name, () => {
      const entity = entityFromBundle(vector(name), { place });
      const verify = (keys: readonly PublicKey[]) =>
        outcome(() => verifyEntity(entity, { signer: byKeys(keys), digest }));
      assert.deepEqual(verify([signer]), annotations);
      assert.equal(verify([anotherKey]), 'ERR_VERIFY_SIGNATURE');
    });
  }

  for (const name of vectorNames().filter((file) => /^(c2-sig|c3-oldsig).*manifest/.test(file))) {
    it(name, () => {
      const manifest = parseManifest(vector(name));
      assert.ok(manifest.kind === 'manifest' && manifest.layers.length > 0);
      for (const [index, layer] of manifest.layers.entries()) {
        const payload = vector(name.replace('manifest', `layer${index + 1}`));
        const entity = entityFromSignatureLayer(layer, payload, { place });
        const { optional } = JSON.parse(fromUtf8(payload, name));
        const verify = (keys: readonly PublicKey[]) =>
          outcome(() => verifyEntity(entity, { signer: byKeys(keys), digest: image }));
        assert.deepEqual(verify([key]), optional ?? {});
        assert.equal(verify([anotherKey]), 'ERR_VERIFY_SIGNATURE');
      }
    });
  }
});

it('what cosign attested is no signature, though the key made it', () => {
  const names = vectorNames('attest').filter((name) => name.includes('new.layer1'));
  assert.ok(names.length >= 3);
  for (const name of names) {
    const entity = entityFromBundle(vector(name), { place });
    assert.equal(
      outcome(() => verifyEntity(entity, { signer: byKeys([key]), digest: image })),
      'ERR_VERIFY_PREDICATE_TYPE',
    );
    const predicateTypes = ['custom', 'slsa', 'example'].map((type) =>
      name.includes(type)
        ? { custom: 'https://cosign.sigstore.dev/attestation/v1', slsa: 'https://slsa.dev/provenance/v1' }[
            type
          ]
        : undefined,
    );
    const asked = [...predicateTypes, 'https://example.com/my/v1'].filter((type) => type !== undefined);
    assert.deepEqual(
      outcome(() => verifyEntity(entity, { signer: byKeys([key]), digest: image, predicateTypes: asked })),
      {},
    );
  }
});

it('what was signed without this key says why it is refused', () => {
  const refusals: Readonly<Record<string, string>> = {
    'byo-cert.bundle.json': 'ERR_VERIFY_KEY_MISMATCH',
    'keyless-sc-v1.bundle.json': 'ERR_VERIFY_KEY_MISMATCH',
    'keyless-sc-v1-notsa.bundle.json': 'ERR_VERIFY_KEY_MISMATCH',
    'services/keyless-v1.bundle.0.json': 'ERR_VERIFY_KEY_MISMATCH',
    'services/hsm.bundle.0.json': 'ERR_VERIFY_SIGNATURE',
    'blob-bundle-c3.json': 'ERR_VERIFY_UNSUPPORTED',
    'blob-bundle-c2-new.json': 'ERR_VERIFY_UNSUPPORTED',
    'blob-keyless-rekor1.bundle.json': 'ERR_VERIFY_UNSUPPORTED',
    'attest-blob-c3.json': 'ERR_VERIFY_PREDICATE_TYPE',
  };
  for (const [name, expected] of Object.entries(refusals)) {
    const verify = () =>
      verifyEntity(entityFromBundle(vector(name), { place }), { signer: byKeys([key]), digest: image });
    assert.equal(outcome(verify), expected, name);
  }
});
