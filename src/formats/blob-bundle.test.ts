import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { vector } from '../../test/vectors/vectors.ts';
import { base64, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { isBlobBundle, parseBlobBundle } from './blob-bundle.ts';
import { parseCertificate } from './certificate.ts';
import { parseEntryV1 } from './log-entry-v1.ts';
import { encodePem } from './pem.ts';
import { parsePublicKey } from './public-key.ts';

const parse = (document: object) => parseBlobBundle(utf8(JSON.stringify(document)), 'x');
const sample = (name: string) => parseBlobBundle(vector(name), name);

describe('blob bundles', () => {
  for (const version of ['c2', 'c3']) {
    it(`of ${version} with an identity and a log`, () => {
      const { content, signer, logEntry } = sample(`old/blob-keyless-${version}.json`);
      assert.equal(content.kind, 'signature');
      assert.ok(signer?.kind === 'certificates' && signer.certificates.length === 1);
      const [leaf] = signer.certificates;
      assert.deepEqual(parseCertificate(leaf as Uint8Array).subjectAltName, [
        { type: 'email', value: 'dev@example.com' },
      ]);
      const logged = parseEntryV1(logEntry?.canonicalizedBody as Uint8Array, 'x');
      assert.ok(logged.kind === 'hashedrekord' && content.kind === 'signature');
      assert.deepEqual(logged.signature, content.signature);
      assert.equal(logEntry?.inclusionProof, undefined);
    });

    it(`of ${version} with an envelope, whose text the log knows`, () => {
      const { content, logEntry } = sample(`old/attest-keyless-${version}.json`);
      assert.ok(content.kind === 'envelope');
      const logged = parseEntryV1(logEntry?.canonicalizedBody as Uint8Array, 'x');
      assert.ok(logged.kind === 'dsse');
      assert.deepEqual(logged.signatures[0]?.signature, content.envelope.signatures[0]?.signature);
    });
  }

  it('of cosign 3 with a key name it, and those of cosign 2 do not', () => {
    const key = parsePublicKey(vector('old/key.pub'), 'x');
    const { signer } = sample('old/blob-key-c3.json');
    assert.ok(signer?.kind === 'publicKey');
    assert.deepEqual(signer.spki, key.spki);
    const named = sample('old/blob-key-c2.json');
    assert.equal(named.signer, undefined);
    assert.equal(named.logEntry?.kind, 'hashedrekord');
    assert.deepEqual(Object.keys(sample('blob-oldbundle-c2.json')), ['content']);
  });

  it('with a certificate as PEM, null and empty members are read too', () => {
    const pem = encodePem('CERTIFICATE', Uint8Array.of(1));
    assert.deepEqual(parse({ base64Signature: 'AQ==', cert: pem, rekorBundle: null }), {
      content: { kind: 'signature', signature: Uint8Array.of(1) },
      signer: { kind: 'certificates', certificates: [Uint8Array.of(1)] },
    });
    assert.equal(parse({ base64Signature: 'AQ==', cert: '' }).signer, undefined);
    // A signature that looks like the beginning of JSON is one all the same.
    assert.equal(parse({ base64Signature: base64(utf8('{no')) }).content.kind, 'signature');
  });

  it('are told from other documents', () => {
    assert.ok(isBlobBundle({ base64Signature: '' }));
    assert.ok(!isBlobBundle({ mediaType: 'x' }) && !isBlobBundle([]) && !isBlobBundle(null));
  });

  const encoded = (label: string) => base64(utf8(encodePem(label, Uint8Array.of(1))));
  const refused: Readonly<Record<string, object>> = {
    'no object': [],
    'no signature': { cert: encoded('CERTIFICATE') },
    'empty signature': { base64Signature: '' },
    'loose base64': { base64Signature: 'AQ' },
    'unknown member': { base64Signature: 'AQ==', certificate: 'x' },
    'an envelope without signatures': {
      base64Signature: base64(utf8('{"payload":"AQ==","payloadType":"a","signatures":[]}')),
    },
    'other JSON as signature': { base64Signature: base64(utf8('{}')) },
    'cert no text': { base64Signature: 'AQ==', cert: 1 },
    'cert no PEM': { base64Signature: 'AQ==', cert: 'AQ==' },
    'cert a private key': { base64Signature: 'AQ==', cert: encoded('PRIVATE KEY') },
    'a key and a certificate': {
      base64Signature: 'AQ==',
      cert: base64(
        utf8(encodePem('PUBLIC KEY', Uint8Array.of(1)) + encodePem('CERTIFICATE', Uint8Array.of(1))),
      ),
    },
    'log no object': { base64Signature: 'AQ==', rekorBundle: 'x' },
    'log no payload': { base64Signature: 'AQ==', rekorBundle: { SignedEntryTimestamp: 'AQ==' } },
  };
  for (const [name, document] of Object.entries(refused)) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => parse(document),
        (error) => isBoltsealError(error, 'ERR_BUNDLE_INVALID'),
      );
    });
  }
});
