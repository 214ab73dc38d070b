import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodeBundle, parseBundle } from './bundle.ts';

const isBundle = (name: string): boolean => fromUtf8(vector(name), name).includes('"verificationMaterial"');
const names = [...vectorNames(), ...vectorNames('attest'), ...vectorNames('services')].filter(isBundle);

/** A fresh copy of a bundle as plain JSON, for changing. */
function copy(name = 'key-tlog-sc-v1.bundle.json'): Record<string, Record<string, unknown>> {
  return JSON.parse(fromUtf8(vector(name), name));
}
const parse = (document: unknown) => parseBundle(utf8(JSON.stringify(document)), 'x');

describe('bundles', () => {
  it('are written byte for byte as cosign 3 writes them', () => {
    assert.ok(names.length >= 15);
    for (const name of names) {
      // cosign 2 puts random spaces between fields, as protojson does.
      const expected = JSON.stringify(JSON.parse(fromUtf8(vector(name), name)));
      assert.equal(fromUtf8(encodeBundle(parseBundle(vector(name), name)), name), expected, name);
    }
  });

  it('decode to every part', () => {
    const { version, material, content } = parseBundle(vector('key-tlog-sc-v1.bundle.json'), 'x');
    assert.equal(version, '0.3');
    assert.equal(material.publicKeyHint, 'R0YTNgRLyGwG1ci7BkzhWdwFWp9wtSr40stmH4+Gtnw=');
    assert.equal(material.certificates, undefined);
    assert.equal(material.timestamps.length, 1);
    const [entry] = material.logEntries;
    assert.equal(entry?.logIndex, 3n);
    assert.equal(entry?.kind, 'dsse');
    assert.equal(entry?.integratedTime, 1795334675n);
    assert.equal(entry?.inclusionProof?.treeSize, 4n);
    assert.equal(entry?.inclusionProof?.hashes.length, 2);
    assert.ok(entry?.inclusionProof?.checkpoint.startsWith('rekor1.mock.dev'));
    assert.equal(content.kind, 'envelope');
    const keyless = parseBundle(vector('keyless-sc-v1.bundle.json'), 'x');
    assert.equal(keyless.material.certificates?.length, 1);
    assert.equal(keyless.material.logEntries[0]?.logIndex, 0n);
    assert.equal(keyless.material.publicKeyHint, undefined);
    const blob = parseBundle(vector('blob-bundle-c3.json'), 'x');
    assert.ok(blob.content.kind === 'message');
    assert.equal(blob.content.digest?.algorithm, 'SHA2_256');
    assert.equal(blob.content.digest?.digest.length, 32);
  });

  it('are read under both names of a field, with numbers as numbers, and null as absent', () => {
    const text = fromUtf8(vector('key-tlog-sc-v1.bundle.json'), 'x')
      .replace('"verificationMaterial"', '"verification_material"')
      .replace('"dsseEnvelope"', '"dsse_envelope"')
      .replace('"rfc3161Timestamps"', '"rfc3161_timestamps"')
      .replace('"integratedTime":"1795334675"', '"integrated_time":1795334675')
      .replace('"publicKey":{', '"certificate":null,"x509_certificate_chain":null,"public_key":{');
    assert.deepEqual(parseBundle(utf8(text), 'x'), parseBundle(vector('key-tlog-sc-v1.bundle.json'), 'x'));
  });

  it('are read in every version, with its own rules', () => {
    const document = copy('keyless-sc-v1.bundle.json');
    const material = document['verificationMaterial'] ?? {};
    const { certificate, ...rest } = material;
    const chain = { ...rest, x509CertificateChain: { certificates: [certificate, certificate] } };
    for (const version of ['0.1', '0.2']) {
      const mediaType = `application/vnd.dev.sigstore.bundle+json;version=${version}`;
      const parsed = parse({ ...document, mediaType, verificationMaterial: chain });
      assert.equal(parsed.version, version);
      assert.equal(parsed.material.certificates?.length, 2);
    }
    const other = parse({ ...document, mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.3' });
    assert.equal(other.version, '0.3');
    assert.throws(
      () => parse({ ...document, verificationMaterial: chain }),
      (error) => isBoltsealError(error, 'ERR_BUNDLE_INVALID'),
    );
  });

  describe('are refused', () => {
    type Change = (bundle: Record<string, Record<string, unknown>>) => unknown;
    const entry = (bundle: Parameters<Change>[0]): Record<string, unknown> => {
      const list = bundle['verificationMaterial']?.['tlogEntries'] as Record<string, unknown>[];
      assert.ok(list[0] !== undefined);
      return list[0];
    };
    const set = (target: object | undefined, change: object): void => {
      assert.ok(target !== undefined);
      Object.assign(target, change);
    };
    const material =
      (change: object): Change =>
      (bundle) =>
        set(bundle['verificationMaterial'], change);
    const version =
      (mediaType: unknown): Change =>
      (bundle) =>
        set(bundle, { mediaType });
    const cases: Readonly<Record<string, readonly [Change, string]>> = {
      'no media type': [version(undefined), 'ERR_VERIFY_UNSUPPORTED'],
      'version 0.4': [version('application/vnd.dev.sigstore.bundle.v0.4+json'), 'ERR_VERIFY_UNSUPPORTED'],
      '__proto__ as version': [version('__proto__'), 'ERR_VERIFY_UNSUPPORTED'],
      'unknown field': [(bundle) => set(bundle, { more: {} }), 'ERR_BUNDLE_INVALID'],
      'unknown inner field': [material({ more: {} }), 'ERR_BUNDLE_INVALID'],
      'both spellings': [material({ tlog_entries: [] }), 'ERR_BUNDLE_INVALID'],
      'two signers': [material({ certificate: { rawBytes: 'AA==' } }), 'ERR_BUNDLE_INVALID'],
      'no signer': [material({ publicKey: undefined }), 'ERR_BUNDLE_INVALID'],
      'empty certificate': [
        material({ publicKey: undefined, certificate: { rawBytes: '' } }),
        'ERR_BUNDLE_INVALID',
      ],
      'no material': [(bundle) => set(bundle, { verificationMaterial: undefined }), 'ERR_BUNDLE_INVALID'],
      'no content': [(bundle) => set(bundle, { dsseEnvelope: undefined }), 'ERR_BUNDLE_INVALID'],
      'two contents': [
        (bundle) => set(bundle, { messageSignature: { signature: 'AA==' } }),
        'ERR_BUNDLE_INVALID',
      ],
      'two signatures': [
        (bundle) => set(bundle['dsseEnvelope'], { signatures: [{ sig: 'AA==' }, { sig: 'AA==' }] }),
        'ERR_BUNDLE_INVALID',
      ],
      'no signature': [(bundle) => set(bundle['dsseEnvelope'], { signatures: [] }), 'ERR_BUNDLE_INVALID'],
      'empty message signature': [
        (bundle) => set(bundle, { dsseEnvelope: undefined, messageSignature: { signature: '' } }),
        'ERR_BUNDLE_INVALID',
      ],
      'unknown hash': [
        (bundle) =>
          set(bundle, {
            dsseEnvelope: undefined,
            messageSignature: { signature: 'AA==', messageDigest: { algorithm: 'MD5', digest: '' } },
          }),
        'ERR_BUNDLE_INVALID',
      ],
      'no inclusion proof': [
        (bundle) => set(entry(bundle), { inclusionProof: undefined }),
        'ERR_BUNDLE_INVALID',
      ],
      'no promise in v0.1': [
        (bundle) => {
          version('application/vnd.dev.sigstore.bundle+json;version=0.1')(bundle);
          set(entry(bundle), { inclusionPromise: undefined });
        },
        'ERR_BUNDLE_INVALID',
      ],
      'index as text': [(bundle) => set(entry(bundle), { logIndex: 'three' }), 'ERR_BUNDLE_INVALID'],
      'index with zeros': [(bundle) => set(entry(bundle), { logIndex: '03' }), 'ERR_BUNDLE_INVALID'],
      'index negative': [(bundle) => set(entry(bundle), { logIndex: '-3' }), 'ERR_BUNDLE_INVALID'],
      'index of 65 bits': [
        (bundle) => set(entry(bundle), { logIndex: '9223372036854775808' }),
        'ERR_BUNDLE_INVALID',
      ],
      'index a fraction': [(bundle) => set(entry(bundle), { logIndex: 1.5 }), 'ERR_BUNDLE_INVALID'],
      'index not exact': [(bundle) => set(entry(bundle), { logIndex: 2 ** 60 }), 'ERR_BUNDLE_INVALID'],
      'no log id': [(bundle) => set(entry(bundle), { logId: undefined }), 'ERR_BUNDLE_INVALID'],
      'too many entries': [
        (bundle) => set(bundle['verificationMaterial'], { tlogEntries: Array(33).fill(entry(bundle)) }),
        'ERR_LIMIT_EXCEEDED',
      ],
      'too many hashes': [
        (bundle) => set(entry(bundle)['inclusionProof'] as object, { hashes: Array(65).fill('AA==') }),
        'ERR_LIMIT_EXCEEDED',
      ],
      'too many timestamps': [
        material({ timestampVerificationData: { rfc3161Timestamps: Array(33).fill({}) } }),
        'ERR_LIMIT_EXCEEDED',
      ],
    };
    for (const [name, [change, expected]] of Object.entries(cases)) {
      it(`${name}_fail`, () => {
        const document = copy();
        change(document);
        assert.throws(
          () => parse(document),
          (error) => isBoltsealError(error) && error.code === expected,
        );
      });
    }
  });
});
