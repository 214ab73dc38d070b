import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { digestOf, parseDigest } from '../core/digest.ts';
import { concatBytes, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodeBundle } from '../formats/bundle.ts';
import { signatureLayer } from '../formats/cosign-layer.ts';
import { inTotoPayloadType, preAuthEncoding } from '../formats/dsse.ts';
import { type PublicKey, publicKeyOf } from '../formats/public-key.ts';
import { encodeSimpleSigning } from '../formats/simple-signing.ts';
import { encodeSignStatement, signPredicateType } from '../formats/statement.ts';
import { authenticate, type SignatureHash } from './authenticate.ts';
import { entityFromBundle, entityFromSignatureLayer, type SignedEntity } from './entity.ts';
import { byKeys } from './requirements.ts';
import type { Evidence } from './verdict.ts';
import { type EntityRequirements, verifyEntity } from './verify-entity.ts';

const keyOf = ({ signedBy }: Evidence): string | undefined =>
  signedBy.kind === 'key' ? signedBy.hint : undefined;

const image = digestOf(utf8('image'));
const other = digestOf(utf8('other image'));
const trusted = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;
const stranger = publicKeyOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey, 'x');
const key = publicKeyOf(trusted, 'x');
const required: EntityRequirements = { signer: byKeys([key]), digest: image };

interface Making {
  readonly payload?: Uint8Array;
  readonly payloadType?: string;
  readonly key?: KeyObject;
  readonly hash?: SignatureHash | null;
  readonly certificates?: readonly Uint8Array[];
  readonly hint?: string;
}

/** A bundle as {@link required} wants it, with what the test changes. */
function bundleEntity(making: Making = {}): SignedEntity {
  const { payload = encodeSignStatement(image, { env: 'prod' }), payloadType = inTotoPayloadType } = making;
  const signer = making.key ?? trusted;
  const hash = making.hash === undefined ? 'sha256' : making.hash;
  const signature = new Uint8Array(sign(hash, preAuthEncoding(payloadType, payload), signer));
  const { certificates, hint = key.hint } = making;
  const material = certificates === undefined ? { publicKeyHint: hint } : { certificates };
  const bundle = encodeBundle({
    material: { ...material, timestamps: [], logEntries: [] },
    content: { kind: 'envelope', envelope: { payload, payloadType, signatures: [{ signature }] } },
  });
  return entityFromBundle(bundle, { place: 'file' });
}

/** The same in the cosign format. */
function layerEntity(making: Making = {}): SignedEntity {
  const { payload = encodeSimpleSigning('host/repo', image, { env: 'prod' }) } = making;
  const layer = signatureLayer(payload, new Uint8Array(sign('sha256', payload, making.key ?? trusted)));
  return entityFromSignatureLayer({ ...layer, mediaType: making.payloadType ?? layer.mediaType }, payload, {
    place: 'signature-tag',
    manifest: other,
  });
}

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
const statement = (change: object, subject: object = {}): Uint8Array => {
  const document = JSON.parse(fromUtf8(encodeSignStatement(image, {}), 'x'));
  const [first] = document.subject;
  return utf8(JSON.stringify({ ...document, subject: [{ ...first, ...subject }], ...change }));
};
const payloadText = (change: (text: string) => string): Uint8Array =>
  utf8(change(fromUtf8(encodeSimpleSigning('host/repo', image, {}), 'x')));

function refuses(
  entity: () => SignedEntity,
  expected: string,
  change: Partial<EntityRequirements> = {},
): void {
  assert.throws(
    () => verifyEntity(entity(), { ...required, ...change }),
    (error) => isBoltsealError(error) && error.code === expected,
  );
}

describe('verification accepts', () => {
  it('a bundle, with evidence', () => {
    const entity = bundleEntity();
    const evidence = verifyEntity(entity, { ...required, annotations: { env: 'prod' } });
    assert.deepEqual(evidence, {
      entity,
      claim: { type: signPredicateType, subjects: [{ digest: image, annotations: { env: 'prod' } }] },
      digest: image,
      annotations: { env: 'prod' },
      claimsChecked: true,
      signedBy: { kind: 'key', hint: key.hint, hash: 'sha256' },
      material: { times: [], logEntries: [] },
    });
  });

  it('a cosign-format signature, with evidence', () => {
    const evidence = verifyEntity(layerEntity(), { ...required, annotations: { env: 'prod' } });
    assert.equal(evidence.claim.dockerReference, 'host/repo');
    assert.equal(evidence.claim.type, 'cosign container image signature');
    assert.deepEqual(evidence.annotations, { env: 'prod' });
    assert.equal(evidence.entity.origin.manifest, other);
  });

  it('any one of the keys, whatever the hint says', () => {
    for (const hint of ['', key.hint, stranger.hint, 'nonsense']) {
      for (const keys of [
        [key, stranger],
        [stranger, key],
      ]) {
        assert.equal(
          keyOf(verifyEntity(bundleEntity({ hint }), { ...required, signer: byKeys(keys) })),
          key.hint,
        );
      }
    }
  });

  it('the matching one of several subjects', () => {
    const subject = (digest: string, annotations: object) => ({
      digest: { sha256: digest.slice(7) },
      annotations,
    });
    const payload = statement({
      subject: [
        subject(other, { env: 'dev' }),
        subject(image, { env: 'dev' }),
        subject(image, { env: 'prod' }),
      ],
    });
    const evidence = verifyEntity(bundleEntity({ payload }), { ...required, annotations: { env: 'prod' } });
    assert.equal(evidence.digest, image);
    assert.deepEqual(evidence.annotations, { env: 'prod' });
  });

  it('a statement without annotations, or with a name and other fields', () => {
    verifyEntity(
      bundleEntity({ payload: statement({ more: 1 }, { annotations: undefined, name: 'n' }) }),
      required,
    );
  });

  it('another predicate type only when asked', () => {
    const payload = statement({ predicateType: 'https://example.com/p' });
    refuses(() => bundleEntity({ payload }), 'ERR_VERIFY_PREDICATE_TYPE');
    const evidence = verifyEntity(bundleEntity({ payload }), {
      ...required,
      predicateTypes: ['https://example.com/p'],
    });
    assert.equal(evidence.claim.type, 'https://example.com/p');
    refuses(() => layerEntity(), 'ERR_VERIFY_PREDICATE_TYPE', { predicateTypes: ['https://example.com/p'] });
  });

  it('a signature of another image when claims are not checked, and says so', () => {
    for (const entity of [bundleEntity(), layerEntity()]) {
      const evidence = verifyEntity(entity, { ...required, digest: other, checkClaims: false });
      assert.equal(evidence.claimsChecked, false);
      assert.deepEqual(evidence.annotations, {});
    }
    const attestation = statement({ predicateType: 'https://example.com/p' });
    refuses(() => bundleEntity({ payload: attestation }), 'ERR_VERIFY_PREDICATE_TYPE', {
      checkClaims: false,
    });
    refuses(() => bundleEntity(), 'ERR_VERIFY_SIGNATURE', { checkClaims: false, signer: byKeys([stranger]) });
    refuses(() => bundleEntity(), 'ERR_USAGE', { checkClaims: false, annotations: { env: 'prod' } });
  });

  it('a signature with a certificate, when the key given verifies it', () => {
    assert.equal(keyOf(verifyEntity(bundleEntity({ certificates: [utf8('x')] }), required)), key.hint);
  });
});

describe('hashes', () => {
  const curves = { 'ecdsa-p256': 'prime256v1', 'ecdsa-p384': 'secp384r1', 'ecdsa-p521': 'secp521r1' };
  const keys: Readonly<Record<string, KeyObject>> = {
    ...Object.fromEntries(
      Object.entries(curves).map(([type, namedCurve]) => [
        type,
        generateKeyPairSync('ec', { namedCurve }).privateKey,
      ]),
    ),
    'rsa-2048': generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  };
  const own: Readonly<Record<string, SignatureHash>> = { 'ecdsa-p384': 'sha384', 'ecdsa-p521': 'sha512' };
  for (const [type, signer] of Object.entries(keys)) {
    it(`of ${type}: SHA-256 and the curve's own, or exactly the one asked for`, () => {
      const asked = { ...required, signer: byKeys([publicKeyOf(signer, 'x')]) };
      for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
        const entity = bundleEntity({ key: signer, hash });
        if (hash === 'sha256' || hash === own[type]) {
          assert.equal(verifyEntity(entity, asked).signedBy.hash, hash);
        } else refuses(() => entity, 'ERR_VERIFY_SIGNATURE', asked);
        for (const explicit of ['sha256', 'sha384', 'sha512'] as const) {
          if (explicit === hash) assert.equal(verifyEntity(entity, { ...asked, hash }).signedBy.hash, hash);
          else refuses(() => entity, 'ERR_VERIFY_SIGNATURE', { ...asked, hash: explicit });
        }
      }
    });
  }

  it('of Ed25519: none, whatever is asked for', () => {
    const signer = generateKeyPairSync('ed25519').privateKey;
    const asked = { ...required, signer: byKeys([publicKeyOf(signer, 'x')]) };
    const entity = bundleEntity({ key: signer, hash: null });
    assert.equal(verifyEntity(entity, asked).signedBy.hash, 'pure');
    assert.equal(verifyEntity(entity, { ...asked, hash: 'sha512' }).signedBy.hash, 'pure');
  });

  it('of RSA: PKCS#1 v1.5 padding and no other', () => {
    const signer = keys['rsa-2048'];
    assert.ok(signer !== undefined);
    const entity = bundleEntity({ key: signer });
    const pss = sign('sha256', entity.signedBytes, { key: signer, padding: 6 });
    const asked = { ...required, signer: byKeys([publicKeyOf(signer, 'x')]) };
    refuses(() => ({ ...entity, signature: new Uint8Array(pss) }), 'ERR_VERIFY_SIGNATURE', asked);
  });
});

describe('verification refuses', () => {
  const bundle = bundleEntity();
  const layer = layerEntity();
  const long = (text: string): string => text.repeat(10_000);
  const deep = utf8(`${long('[')}${long(']')}`);
  const twice = (text: string): string => text.replace('"type":', '"type":"x","type":');
  const cases: Readonly<Record<string, readonly [() => SignedEntity, string, Partial<EntityRequirements>?]>> =
    {
      'bundle: another key': [() => bundle, 'ERR_VERIFY_SIGNATURE', { signer: byKeys([stranger]) }],
      'bundle: no key': [() => bundle, 'ERR_VERIFY_SIGNATURE', { signer: byKeys([]) }],
      'bundle: certificate and another key': [
        () => bundleEntity({ certificates: [utf8('x')] }),
        'ERR_VERIFY_KEY_MISMATCH',
        { signer: byKeys([stranger]) },
      ],
      'bundle: another image': [() => bundle, 'ERR_VERIFY_DIGEST', { digest: other }],
      'bundle: annotation missing': [() => bundle, 'ERR_VERIFY_ANNOTATIONS', { annotations: { team: 'x' } }],
      'bundle: annotation different': [
        () => bundle,
        'ERR_VERIFY_ANNOTATIONS',
        { annotations: { env: 'dev' } },
      ],
      'bundle: annotation of Object': [
        () => bundle,
        'ERR_VERIFY_ANNOTATIONS',
        { annotations: { constructor: '' } },
      ],
      'bundle: one annotation of two': [
        () => bundle,
        'ERR_VERIFY_ANNOTATIONS',
        { annotations: { env: 'prod', team: 'x' } },
      ],
      'bundle: payload changed': [
        () => {
          const payload = flip(bundle.payload, 5);
          return { ...bundle, payload, signedBytes: preAuthEncoding(bundle.payloadType, payload) };
        },
        'ERR_VERIFY_SIGNATURE',
      ],
      'bundle: payload type changed': [
        () => ({ ...bundle, payloadType: 'x/y', signedBytes: preAuthEncoding('x/y', bundle.payload) }),
        'ERR_VERIFY_SIGNATURE',
      ],
      'bundle: other payload type signed': [
        () => bundleEntity({ payloadType: 'application/json' }),
        'ERR_VERIFY_PAYLOAD_TYPE',
      ],
      'bundle: payload type in capitals': [
        () => bundleEntity({ payloadType: inTotoPayloadType.toUpperCase() }),
        'ERR_VERIFY_PAYLOAD_TYPE',
      ],
      'bundle: payload signed without its type': [
        () => ({ ...bundle, signature: new Uint8Array(sign('sha256', bundle.payload, trusted)) }),
        'ERR_VERIFY_SIGNATURE',
      ],
      'bundle: an attestation': [
        () => bundleEntity({ payload: statement({ predicateType: 'https://spdx.dev/Document' }) }),
        'ERR_VERIFY_PREDICATE_TYPE',
      ],
      'bundle: type with a space': [
        () => bundleEntity({ payload: statement({ predicateType: `${signPredicateType} ` }) }),
        'ERR_VERIFY_PREDICATE_TYPE',
      ],
      'bundle: simple signing inside': [
        () => bundleEntity({ payload: layer.payload }),
        'ERR_STATEMENT_INVALID',
      ],
      'bundle: digest of another algorithm': [
        () => bundleEntity({ payload: statement({}, { digest: { sha1: image.slice(7) } }) }),
        'ERR_VERIFY_DIGEST',
      ],
      'bundle: deep': [() => bundleEntity({ payload: deep }), 'ERR_LIMIT_EXCEEDED'],
      'bundle: digest twice': [
        () =>
          bundleEntity({
            payload: utf8(
              fromUtf8(bundle.payload, 'x').replace('"sha256":', `"sha256":"${other.slice(7)}","sha256":`),
            ),
          }),
        'ERR_JSON_INVALID',
      ],
      'bundle: bytes after the statement': [
        () => bundleEntity({ payload: concatBytes(bundle.payload, utf8('{}')) }),
        'ERR_JSON_INVALID',
      ],
      'bundle: not UTF-8': [
        () => bundleEntity({ payload: new Uint8Array([0x22, 0xff, 0x22]) }),
        'ERR_ENCODING_INVALID',
      ],
      'layer: another key': [() => layer, 'ERR_VERIFY_SIGNATURE', { signer: byKeys([stranger]) }],
      'layer: another image': [() => layer, 'ERR_VERIFY_DIGEST', { digest: other }],
      'layer: annotation different': [() => layer, 'ERR_VERIFY_ANNOTATIONS', { annotations: { env: 'dev' } }],
      'layer: payload changed': [
        () => ({ ...layer, payload: flip(layer.payload, 9), signedBytes: flip(layer.payload, 9) }),
        'ERR_VERIFY_SIGNATURE',
      ],
      'layer: other media type': [
        () => layerEntity({ payloadType: 'application/json' }),
        'ERR_VERIFY_PAYLOAD_TYPE',
      ],
      'layer: statement inside': [() => layerEntity({ payload: bundle.payload }), 'ERR_PAYLOAD_INVALID'],
      'layer: envelope text inside': [() => layerEntity({ payload: bundle.signedBytes }), 'ERR_JSON_INVALID'],
      'layer: other critical type': [
        () =>
          layerEntity({
            payload: payloadText((text) => text.replace('cosign container', 'atomic container')),
          }),
        'ERR_VERIFY_PREDICATE_TYPE',
      ],
      'layer: type twice': [() => layerEntity({ payload: payloadText(twice) }), 'ERR_JSON_INVALID'],
      'layer: deep': [() => layerEntity({ payload: deep }), 'ERR_LIMIT_EXCEEDED'],
      'layer: annotation as number': [
        () => layerEntity({ payload: payloadText((text) => text.replace('null', '{"n":1}')) }),
        'ERR_VERIFY_ANNOTATIONS',
        { annotations: { n: '1' } },
      ],
    };
  for (const [name, [entity, expected, change]] of Object.entries(cases)) {
    it(`${name}_fail`, () => refuses(entity, expected, change));
  }

  it('every signature with one bit changed, cut, extended or empty', () => {
    const mutants = [
      ...Array.from(bundle.signature, (_, at) => flip(bundle.signature, at)),
      bundle.signature.slice(0, -1),
      concatBytes(bundle.signature, new Uint8Array(1)),
      new Uint8Array(0),
      new Uint8Array(72),
    ];
    for (const signature of mutants) refuses(() => ({ ...bundle, signature }), 'ERR_VERIFY_SIGNATURE');
  });

  it('before it looks into the payload, when the signature is wrong', () => {
    const payload = utf8('{');
    refuses(
      () => ({ ...bundle, payload, signedBytes: preAuthEncoding(bundle.payloadType, payload) }),
      'ERR_VERIFY_SIGNATURE',
    );
  });

  it('and says by hint whether another key made the signature', () => {
    const hintOf = (entity: SignedEntity, keys: readonly PublicKey[]): string => {
      try {
        authenticate(entity, keys);
        return assert.fail('must be refused');
      } catch (error) {
        assert.ok(isBoltsealError(error, 'ERR_VERIFY_SIGNATURE'));
        return error.hint ?? '';
      }
    };
    const tampered = { ...bundle, signedBytes: utf8('x') };
    assert.notEqual(hintOf(bundle, [stranger]), hintOf(tampered, [key]));
    assert.ok(hintOf(bundle, [stranger]).includes(key.hint));
  });
});

it('a bundle that signs a blob is no signature of an image', () => {
  const bundle = encodeBundle({
    material: { publicKeyHint: '', timestamps: [], logEntries: [] },
    content: { kind: 'message', signature: new Uint8Array(1) },
  });
  assert.throws(
    () => entityFromBundle(bundle, { place: 'file' }),
    (error) => isBoltsealError(error, 'ERR_VERIFY_UNSUPPORTED'),
  );
});

it('SHA-512 digests bind like SHA-256 digests', () => {
  const digest = parseDigest(digestOf(utf8('image'), 'sha512'));
  const entity = bundleEntity({ payload: encodeSignStatement(digest, {}) });
  assert.equal(verifyEntity(entity, { signer: byKeys([key]), digest }).digest, digest);
});
