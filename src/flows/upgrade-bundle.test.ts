import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logWith } from '../../test/support/entry-answer.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { base64, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { parseBlobBundle } from '../formats/blob-bundle.ts';
import { parseBundle } from '../formats/bundle.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { upgradeBundle } from './upgrade-bundle.ts';

const rekorUrl = 'http://127.0.0.1:1/rekor';
const fails = (code: string) => (error: unknown) => isBoltsealError(error) && error.code === code;
const bytesOf = (document: unknown) => utf8(JSON.stringify(document));

/** A real bundle as an older version has it: with a chain, and of 0.1 without inclusion proof. */
function older(version: '0.1' | '0.2') {
  const document = JSON.parse(fromUtf8(vector('keyless-sc-v1.bundle.json'), 'x'));
  const { certificate, ...material } = document.verificationMaterial;
  const root = JSON.parse(fromUtf8(vector('trust/trusted-root-private-full.json'), 'x'));
  const authorities = root.certificateAuthorities[0].certChain.certificates;
  const [{ inclusionProof, ...entry }] = material.tlogEntries;
  return {
    ...document,
    mediaType: `application/vnd.dev.sigstore.bundle+json;version=${version}`,
    verificationMaterial: {
      ...material,
      x509CertificateChain: { certificates: [certificate, ...authorities] },
      tlogEntries: [version === '0.1' ? entry : { ...entry, inclusionProof }],
    },
  };
}

const entryOf = (bytes: Uint8Array): LogEntry => parseBundle(bytes, 'x').material.logEntries[0] as LogEntry;

describe('an upgrade', () => {
  it('of version 0.2 keeps all but the chain, and asks nobody', async () => {
    const old = bytesOf(older('0.2'));
    const runtime = logWith();
    const { bytes, bundle, from, leftOut, proven } = await upgradeBundle(old, 'x', {}, runtime);
    assert.deepEqual([from, proven, runtime.seen], ['0.2', [], []]);
    assert.deepEqual(leftOut, ['O=mock.dev, CN=fulcio-intermediate', 'O=mock.dev, CN=fulcio-root']);
    // It is again what it was made of.
    const original = parseBundle(vector('keyless-sc-v1.bundle.json'), 'x');
    assert.deepEqual(parseBundle(bytes, 'x'), bundle);
    assert.deepEqual({ ...bundle, mediaType: '' }, { ...original, mediaType: '' });
  });

  it('of version 0.1 asks the log for the inclusion proof', async () => {
    const old = bytesOf(older('0.1'));
    const entry = entryOf(old);
    const runtime = logWith(entry);
    const { bundle, from, proven } = await upgradeBundle(old, 'x', { rekorUrl }, runtime);
    assert.deepEqual([from, proven, runtime.seen.length], ['0.1', [entry.logIndex], 1]);
    const [upgraded] = bundle.material.logEntries;
    assert.equal(upgraded?.inclusionProof?.treeSize, 1n);
    assert.deepEqual(upgraded?.signedEntryTimestamp, entry.signedEntryTimestamp);
  });

  it('of version 0.3 changes nothing, not a byte', async () => {
    for (const name of ['keyless-sc-v1.bundle.json', 'blob-bundle-c2-new.json']) {
      const given = vector(name);
      const { from, bytes } = await upgradeBundle(given, name, {}, logWith());
      assert.deepEqual([from, bytes], ['0.3', given]);
    }
  });

  it('of a bundle with a key keeps its hint', async () => {
    const document = JSON.parse(fromUtf8(vector('key-tlog-sc-v1.bundle.json'), 'x'));
    document.mediaType = 'application/vnd.dev.sigstore.bundle+json;version=0.2';
    const { bundle } = await upgradeBundle(bytesOf(document), 'x', {}, logWith());
    assert.equal(bundle.material.publicKeyHint, document.verificationMaterial.publicKey.hint);
  });

  for (const name of [
    'blob-keyless-c2',
    'blob-keyless-c3',
    'blob-key-c2',
    'blob-key-c3',
    'attest-keyless-c2',
    'attest-keyless-c3',
  ]) {
    it(`of the blob bundle ${name} needs only its log`, async () => {
      const given = vector(`old/${name}.json`);
      const { logEntry } = parseBlobBundle(given, name);
      assert.ok(logEntry !== undefined);
      const { from, bundle, proven } = await upgradeBundle(given, name, { rekorUrl }, logWith(logEntry));
      assert.deepEqual([from, proven], ['blob-bundle', [logEntry.logIndex]]);
      assert.equal(bundle.version, '0.3');
      if (name.includes('key-c')) {
        assert.equal(bundle.material.publicKeyHint, parsePublicKey(vector('old/key.pub'), 'x').hint);
      } else assert.equal(bundle.material.certificates?.length, 1);
      if (name.startsWith('blob')) {
        assert.ok(bundle.content.kind === 'message');
        assert.equal(
          base64(bundle.content.digest?.digest as Uint8Array),
          'WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=',
        );
      }
    });
  }
});

describe('an upgrade is refused', () => {
  const blob = JSON.parse(fromUtf8(vector('old/blob-keyless-c2.json'), 'x'));
  const other = JSON.parse(fromUtf8(vector('old/blob-keyless-c3.json'), 'x'));
  const cases: Readonly<Record<string, readonly [unknown, string]>> = {
    'without the log that has the proof': [older('0.1'), 'ERR_USAGE'],
    'of a blob bundle without the log that has the proof': [blob, 'ERR_USAGE'],
    'of a blob bundle that does not say which file': [{ ...blob, rekorBundle: undefined }, 'ERR_USAGE'],
    'of a blob bundle that does not say who signed': [{ base64Signature: blob.base64Signature }, 'ERR_USAGE'],
    'of a blob bundle with the entry of another': [
      { ...blob, rekorBundle: other.rekorBundle },
      'ERR_VERIFY_LOG_ENTRY',
    ],
    'of a blob bundle with the certificate of another': [
      { ...blob, cert: other.cert },
      'ERR_VERIFY_SIGNATURE',
    ],
    'of an unknown version': [
      { ...older('0.2'), mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.4' },
      'ERR_VERIFY_UNSUPPORTED',
    ],
    'of version 0.2 without its proof': [
      { ...older('0.1'), mediaType: older('0.2').mediaType },
      'ERR_BUNDLE_INVALID',
    ],
    'of another document': [[], 'ERR_BUNDLE_INVALID'],
  };
  for (const [name, [document, code]] of Object.entries(cases)) {
    it(`${name}_fail`, async () => {
      const runtime = logWith();
      await assert.rejects(upgradeBundle(bytesOf(document), 'x', {}, runtime), fails(code));
      assert.deepEqual(runtime.seen, []);
    });
  }

  it('when the log has another entry there_fail', async () => {
    const old = bytesOf(older('0.1'));
    const logEntry = parseBlobBundle(bytesOf(blob), 'x').logEntry as LogEntry;
    const elsewhere = logWith({ ...logEntry, logIndex: entryOf(old).logIndex });
    await assert.rejects(upgradeBundle(old, 'x', { rekorUrl }, elsewhere), fails('ERR_SERVICE_RESPONSE'));
    await assert.rejects(upgradeBundle(old, 'x', { rekorUrl }, logWith()), fails('ERR_SERVICE_REFUSED'));
  });
});
