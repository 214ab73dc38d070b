import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { identity, issuerUrl, World } from '../../test/support/sigstore-world.ts';
import { after, type TestSigner } from '../../test/support/test-certificates.ts';
import { hashedRekordV1, type LogChoices } from '../../test/support/test-logs.ts';
import { anybody, flip } from '../../test/support/verification.ts';
import { parseDigest } from '../core/digest.ts';
import { base64, hex, utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { encodeBundle } from '../formats/bundle.ts';
import { signatureAnnotations, signatureLayer } from '../formats/cosign-layer.ts';
import type { Descriptor } from '../formats/oci.ts';
import { encodePem } from '../formats/pem.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { encodeSignStatement } from '../formats/statement.ts';
import { entityFromBundle, entityFromSignatureLayer, type SignedEntity } from './entity.ts';
import { byIdentities } from './requirements.ts';
import { openTrust } from './trust.ts';
import { type EntityRequirements, verifyEntity } from './verify-entity.ts';

const world = new World();
const image = parseDigest(`sha256:${'ab'.repeat(32)}`);
const other = parseDigest(`sha256:${'cd'.repeat(32)}`);
const required: EntityRequirements = {
  signer: anybody,
  trust: openTrust(world.trustedRoot),
  digest: image,
  annotations: { env: 'prod' },
};

function refuses(entity: SignedEntity, code: ErrorCode, changes: Partial<EntityRequirements> = {}): void {
  assert.throws(
    () => verifyEntity(entity, { ...required, ...changes }),
    (error) => {
      assert.ok(isBoltsealError(error), String(error));
      assert.equal(error.code, code, error.message);
      return true;
    },
  );
}

/** How a layer differs from a right one. */
interface LayerChoices {
  readonly logged?: Partial<LogChoices>;
  readonly body?: Uint8Array;
  readonly annotations?: Readonly<Record<string, string | undefined>>;
  readonly timestamp?: boolean;
  readonly signer?: Required<TestSigner>;
}

/** The layer of a keyless signature in the cosign format, with everything cosign writes. */
function layerEntity(choices: LayerChoices = {}): SignedEntity {
  const { signer = world.issue(), logged = {}, timestamp = false } = choices;
  const payload = encodeSimpleSigning('registry.example.com/app', image, { env: 'prod' });
  const signature = signer.key.sign(payload);
  const body = choices.body ?? hashedRekordV1(payload, signature, signer);
  const entry = world.entryV1(body, { proof: false, ...logged });
  const pem = (...ders: readonly Uint8Array[]): string =>
    ders.map((der) => encodePem('CERTIFICATE', der)).join('');
  const layer = signatureLayer(payload, signature);
  const annotations: Record<string, string | undefined> = {
    ...layer.annotations,
    [signatureAnnotations.certificate]: pem(signer.certificate),
    [signatureAnnotations.chain]: pem(world.ca.der, world.root.der),
    [signatureAnnotations.bundle]: JSON.stringify({
      SignedEntryTimestamp: base64(entry.signedEntryTimestamp ?? new Uint8Array(1)),
      Payload: {
        body: base64(entry.canonicalizedBody),
        integratedTime: Number(entry.integratedTime),
        logIndex: Number(entry.logIndex),
        logID: hex(entry.logId),
      },
    }),
    ...(timestamp
      ? {
          [signatureAnnotations.timestamp]: JSON.stringify({
            SignedRFC3161Timestamp: base64(world.timestamp(signature)),
          }),
        }
      : {}),
    ...choices.annotations,
  };
  const kept = Object.entries(annotations).filter((pair): pair is [string, string] => pair[1] !== undefined);
  const made: Descriptor = { ...layer, annotations: Object.fromEntries(kept) };
  return entityFromSignatureLayer(made, payload, { place: 'signature-tag' });
}

/** A bundle of an image signature. */
function bundleEntity(log: 'v1' | 'v2' = 'v1', signer = world.issue()): SignedEntity {
  const bundle = world.envelope(encodeSignStatement(image, { env: 'prod' }), { log, signer });
  return entityFromBundle(encodeBundle(bundle), { place: 'referrers-api' });
}

describe('an image signature by an identity', () => {
  it('in a bundle, of either Rekor', () => {
    for (const log of ['v1', 'v2'] as const) {
      const evidence = verifyEntity(bundleEntity(log), required);
      assert.ok(evidence.signedBy.kind === 'certificate');
      assert.equal(evidence.signedBy.identity.subject, identity);
      assert.equal(evidence.signedBy.identity.issuer, issuerUrl);
      assert.deepEqual(evidence.annotations, { env: 'prod' });
      assert.deepEqual(
        evidence.material.times.map(({ source }) => source),
        [log === 'v1' ? 'log' : 'timestamp'],
      );
    }
  });

  it('in the cosign format, with a chain that has the root, and only a promise', () => {
    const evidence = verifyEntity(layerEntity(), required);
    assert.equal(evidence.signedBy.kind, 'certificate');
    assert.deepEqual(evidence.material.times, [
      { source: 'log', time: after(0), authority: 'https://rekor.example.com' },
    ]);
    const stamped = verifyEntity(layerEntity({ timestamp: true }), { ...required, timestamps: 1 });
    assert.equal(stamped.material.times.length, 2);
    verifyEntity(layerEntity({ annotations: { [signatureAnnotations.chain]: '' } }), required);
  });

  it('in the cosign format without a log, with a timestamp', () => {
    const unlogged = { annotations: { [signatureAnnotations.bundle]: undefined } };
    const entity = layerEntity({ ...unlogged, timestamp: true });
    verifyEntity(entity, { ...required, logEntries: 0, timestamps: 1 });
    refuses(entity, 'ERR_VERIFY_LOG_MISSING');
    refuses(layerEntity(unlogged), 'ERR_VERIFY_TIME', { logEntries: 0 });
  });

  const { certificate, chain, bundle } = signatureAnnotations;
  const stranger = world.issue();
  const refusals: Readonly<
    Record<string, readonly [() => SignedEntity, ErrorCode, Partial<EntityRequirements>?]>
  > = {
    'of another image': [() => bundleEntity(), 'ERR_VERIFY_DIGEST', { digest: other }],
    'of another image, cosign format': [() => layerEntity(), 'ERR_VERIFY_DIGEST', { digest: other }],
    'without an annotation': [
      () => bundleEntity(),
      'ERR_VERIFY_ANNOTATIONS',
      { annotations: { env: 'dev' } },
    ],
    'by somebody else': [
      () => bundleEntity(),
      'ERR_VERIFY_IDENTITY',
      {
        signer: byIdentities([
          { subject: { kind: 'exact', value: 'x@example.com' }, issuer: { kind: 'exact', value: issuerUrl } },
        ]),
      },
    ],
    'without a certificate': [
      () => layerEntity({ annotations: { [certificate]: undefined, [chain]: undefined } }),
      'ERR_VERIFY_NO_CERTIFICATE',
    ],
    'with the certificate of somebody else': [
      () => layerEntity({ annotations: { [certificate]: encodePem('CERTIFICATE', stranger.certificate) } }),
      'ERR_VERIFY_SIGNATURE',
    ],
    'with the chain alone': [
      () => layerEntity({ annotations: { [certificate]: undefined } }),
      'ERR_VERIFY_CERTIFICATE',
    ],
    'logged for another signature': [
      () => layerEntity({ body: utf8('{"kind":"hashedrekord","apiVersion":"0.0.1"}') }),
      'ERR_LOG_ENTRY_INVALID',
    ],
    'logged when the certificate had ended': [
      () => layerEntity({ logged: { time: after(541) } }),
      'ERR_VERIFY_CERTIFICATE_TIME',
    ],
    'whose log is unknown': [() => layerEntity({ logged: { key: stranger.key } }), 'ERR_VERIFY_LOG_UNKNOWN'],
    'without a log': [() => layerEntity({ annotations: { [bundle]: undefined } }), 'ERR_VERIFY_LOG_MISSING'],
    'of a changed payload': [
      () => {
        const entity = layerEntity();
        const payload = flip(entity.payload, 60);
        return { ...entity, payload, signedBytes: payload };
      },
      'ERR_VERIFY_SIGNATURE',
    ],
    'by a trusted root that is missing': [() => bundleEntity(), 'ERR_TRUST', { trust: undefined }],
  };
  for (const [name, [make, code, changes]] of Object.entries(refusals)) {
    it(`${name}_fail`, () => refuses(make(), code, changes));
  }

  it('that was logged for another payload of the same signer_fail', () => {
    const signer = world.issue();
    const payload = encodeSimpleSigning('registry.example.com/app', other, {});
    const logged = hashedRekordV1(payload, signer.key.sign(payload), signer);
    refuses(layerEntity({ signer, body: Buffer.from(bodyOf(logged)) }), 'ERR_VERIFY_LOG_ENTRY');
  });

  it('whose claims are not checked must still be by the right one', () => {
    const changes = { checkClaims: false, digest: other, annotations: {} };
    verifyEntity(bundleEntity(), { ...required, ...changes });
    refuses(layerEntity({ annotations: { [bundle]: undefined } }), 'ERR_VERIFY_LOG_MISSING', changes);
  });
});

function bodyOf(entry: Parameters<World['entryV1']>[0]): Uint8Array {
  return world.entryV1(entry).canonicalizedBody;
}
