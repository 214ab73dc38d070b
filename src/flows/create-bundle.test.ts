import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { logWith } from '../../test/support/entry-answer.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { fromBase64, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { type BlobBundle, parseBlobBundle } from '../formats/blob-bundle.ts';
import { type Envelope, preAuthEncoding } from '../formats/dsse.ts';
import { hashLeaf } from '../formats/merkle.ts';
import { parsePublicKey, publicKeyOf } from '../formats/public-key.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { type BundleParts, createBundle } from './create-bundle.ts';

const artifact = vector('old/blob.txt');
const rekorUrl = 'http://127.0.0.1:1/rekor';
const fails = (code: string) => (error: unknown) => isBoltsealError(error) && error.code === code;

function partsOf(blob: BlobBundle): BundleParts & { readonly logEntry: LogEntry } {
  const { content, signer, logEntry } = blob;
  assert.ok(logEntry !== undefined);
  const certificate = signer?.kind === 'certificates' ? signer.certificates[0] : undefined;
  return {
    artifact,
    content,
    logEntry,
    signer:
      certificate === undefined
        ? { kind: 'key', key: parsePublicKey(vector('old/key.pub'), 'x') }
        : { kind: 'certificate', certificate },
  };
}

const sample = (name: string) => partsOf(parseBlobBundle(vector(`old/${name}.json`), name));
const timestamp = fromBase64(
  JSON.parse(fromUtf8(vector('old/timestamp-c3.json'), 'x')).SignedRFC3161Timestamp,
  'x',
);
const names = [
  'blob-keyless-c2',
  'blob-keyless-c3',
  'blob-key-c2',
  'blob-key-c3',
  'attest-keyless-c2',
  'attest-keyless-c3',
];

describe('a bundle of parts', () => {
  for (const name of names) {
    it(`of ${name} has the entry that is known, with the proof that the log has`, async () => {
      const parts = sample(name);
      const runtime = logWith(parts.logEntry);
      const { bundle } = await createBundle(parts, { rekorUrl }, runtime);
      const [entry, ...more] = bundle.material.logEntries;
      assert.equal(more.length, 0);
      assert.deepEqual(entry?.inclusionProof?.rootHash, hashLeaf(parts.logEntry.canonicalizedBody));
      // Everything else of the entry is what it was.
      assert.deepEqual(
        { ...entry, inclusionProof: undefined },
        { ...parts.logEntry, inclusionProof: undefined },
      );
      assert.equal(runtime.seen.length, 1);
    });

    it(`of ${name} has the entry that the log is asked for`, async () => {
      const { logEntry, content, ...parts } = sample(name);
      // How its envelope was written is not known any more.
      const bare = content.kind === 'envelope' ? { kind: content.kind, envelope: content.envelope } : content;
      const { bundle } = await createBundle({ ...parts, content: bare }, { rekorUrl }, logWith(logEntry));
      assert.deepEqual(bundle.material.logEntries[0]?.canonicalizedBody, logEntry.canonicalizedBody);
    });

    it(`of ${name} asks nobody without an address, and has no entry`, async () => {
      const { logEntry: _, ...parts } = sample(name);
      const runtime = logWith();
      const { bundle } = await createBundle(parts, {}, runtime);
      assert.deepEqual([bundle.material.logEntries, runtime.seen], [[], []]);
      assert.equal(bundle.version, '0.3');
    });
  }

  it('names the digest of the file, and who signed', async () => {
    const { logEntry: _, ...parts } = sample('blob-key-c2');
    const { bundle } = await createBundle(parts, {}, logWith());
    assert.ok(bundle.content.kind === 'message');
    const digest = createHash('sha256').update(artifact).digest();
    assert.deepEqual(bundle.content.digest, { algorithm: 'SHA2_256', digest: new Uint8Array(digest) });
    assert.equal(bundle.material.publicKeyHint, parsePublicKey(vector('old/key.pub'), 'x').hint);
    // The digest is all that is needed of a large file.
    const large = await createBundle({ ...parts, artifact: { sha256: digest } }, {}, logWith());
    assert.deepEqual(large.bundle, bundle);
  });

  it('has the timestamp of its signature', async () => {
    const { logEntry: _, ...parts } = sample('blob-keyless-c3');
    const { bundle } = await createBundle({ ...parts, timestamps: [timestamp] }, {}, logWith());
    assert.deepEqual(bundle.material.timestamps, [timestamp]);
  });

  it('of a P-384 key names the digest that was signed; of Ed25519 that of SHA-256', async () => {
    const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    const ed25519 = generateKeyPairSync('ed25519');
    for (const [hash, { privateKey, publicKey }, algorithm] of [
      ['sha384', p384, 'SHA2_384'],
      ['sha256', p384, 'SHA2_256'],
      [null, ed25519, 'SHA2_256'],
    ] as const) {
      const parts: BundleParts = {
        artifact,
        content: { kind: 'signature', signature: sign(hash, artifact, privateKey) },
        signer: { kind: 'key', key: publicKeyOf(publicKey, 'x') },
      };
      const { bundle } = await createBundle(parts, {}, logWith());
      assert.ok(bundle.content.kind === 'message');
      assert.equal(bundle.content.digest?.algorithm, algorithm);
    }
  });

  it('of an envelope needs no file, and drops key ids, which cosign refuses', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const payload = utf8('anything');
    const signature = sign('sha256', preAuthEncoding('text/plain', payload), privateKey);
    const envelope: Envelope = {
      payload,
      payloadType: 'text/plain',
      signatures: [{ signature, keyId: 'k' }],
    };
    const parts: BundleParts = {
      content: { kind: 'envelope', envelope },
      signer: { kind: 'key', key: publicKeyOf(publicKey, 'x') },
    };
    const { bundle } = await createBundle(parts, {}, logWith());
    assert.ok(bundle.content.kind === 'envelope');
    assert.deepEqual(bundle.content.envelope.signatures, [{ signature: new Uint8Array(signature) }]);
    const twice = { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] };
    await assert.rejects(
      createBundle({ ...parts, content: { kind: 'envelope', envelope: twice } }, {}, logWith()),
      fails('ERR_USAGE'),
    );
  });
});

describe('what does not belong together is refused:', () => {
  const { logEntry, ...parts } = sample('blob-keyless-c2');
  const other = sample('blob-keyless-c3');
  const refused: Readonly<Record<string, readonly [BundleParts, string]>> = {
    'another file': [{ ...parts, artifact: utf8('x') }, 'ERR_VERIFY_SIGNATURE'],
    'no file': [{ ...parts, artifact: undefined }, 'ERR_USAGE'],
    'another certificate': [{ ...parts, signer: other.signer }, 'ERR_VERIFY_SIGNATURE'],
    'another key': [{ ...parts, signer: sample('blob-key-c2').signer }, 'ERR_VERIFY_SIGNATURE'],
    'another signature': [{ ...parts, content: other.content }, 'ERR_VERIFY_SIGNATURE'],
    'a certificate that is none': [
      { ...parts, signer: { kind: 'certificate', certificate: utf8('x') } },
      'ERR_CERTIFICATE_INVALID',
    ],
    'the timestamp of another signature': [{ ...parts, timestamps: [timestamp] }, 'ERR_VERIFY_TIMESTAMP'],
    'no timestamp': [{ ...parts, timestamps: [utf8('x')] }, 'ERR_TIMESTAMP_INVALID'],
    'the log entry of another signature': [{ ...parts, logEntry: other.logEntry }, 'ERR_VERIFY_LOG_ENTRY'],
    'an envelope about another file': [
      { ...sample('attest-keyless-c2'), artifact: utf8('x') },
      'ERR_VERIFY_DIGEST',
    ],
  };
  for (const [name, [damaged, code]] of Object.entries(refused)) {
    it(`${name}_fail`, async () => {
      await assert.rejects(createBundle(damaged, { rekorUrl }, logWith(logEntry)), fails(code));
    });
  }

  it('an entry without proof, and no log to ask_fail', async () => {
    await assert.rejects(createBundle({ ...parts, logEntry }, {}, logWith()), fails('ERR_USAGE'));
  });

  it('a log that has no entry of it_fail', async () => {
    await assert.rejects(
      createBundle(parts, { rekorUrl }, logWith(other.logEntry)),
      fails('ERR_VERIFY_LOG_MISSING'),
    );
  });

  it('a proof that leads elsewhere_fail', async () => {
    const honest = logWith(logEntry);
    const liar = {
      ...honest,
      fetch: async (url: string, init: Parameters<typeof honest.fetch>[1]) => {
        const answer = await honest.fetch(url, init);
        let text = '';
        for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString();
        const { respond } = await import('../../test/support/in-process.ts');
        return respond({ status: 200, body: text.replace(/"rootHash":"../, '"rootHash":"00') });
      },
    };
    await assert.rejects(createBundle(parts, { rekorUrl }, liar), fails('ERR_VERIFY_INCLUSION_PROOF'));
    await assert.rejects(
      createBundle({ ...parts, logEntry }, { rekorUrl }, liar),
      fails('ERR_VERIFY_INCLUSION_PROOF'),
    );
  });
});
