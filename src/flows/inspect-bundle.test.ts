import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { vector, vectorNames } from '../../test/vectors/vectors.ts';
import { base64, fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodeEnvelope } from '../formats/dsse.ts';
import { encodePem } from '../formats/pem.ts';
import { inspectBundle, payloadOfBundle } from './inspect-bundle.ts';
import { isBroken, type Part, type SignatureInspection } from './inspection.ts';

function whole<T extends object>(part: Part<T> | undefined): T {
  assert.ok(part !== undefined && !isBroken(part), JSON.stringify(part));
  return part;
}

const inspect = (name: string) => inspectBundle(vector(name), name);
const only = (name: string): SignatureInspection => whole(inspect(name).signatures[0]);
const json = (name: string) => JSON.parse(fromUtf8(vector(name), name));
const changed = (document: unknown) => inspectBundle(utf8(JSON.stringify(document)), 'x');
const code = (part: Part<object> | undefined): string | undefined =>
  part !== undefined && isBroken(part) ? part.broken.code : undefined;

/** Every vector that is a signature in some form. */
const samples = [
  ...vectorNames().filter((name) => /bundle.*json$|oldbundle|blob-c3.json$/.test(name)),
  ...vectorNames('old').filter((name) => /(blob|attest|image).*json$/.test(name)),
  ...vectorNames('services').filter((name) => /bundle\.0\.json|sg-v1|sig-manifest/.test(name)),
  'c2-sig-dockerreg-2.manifest.json',
];

describe('inspecting', () => {
  it('reads every real sample whole, and nothing in it is called verified', () => {
    assert.ok(samples.length >= 25, samples.join(' '));
    for (const name of samples) {
      const inspection = inspect(name);
      assert.equal(inspection.verified, false);
      assert.equal(inspection.problem, undefined, name);
      assert.ok(inspection.signatures.length > 0, name);
      assert.ok(!JSON.stringify(inspection).includes('"broken"'), name);
      for (const signature of inspection.signatures) {
        const { logEntries, timestamps } = whole(signature);
        for (const entry of logEntries) {
          const body = whole(whole(entry).body);
          assert.equal(body.namesSignature, true, name);
          assert.notEqual(body.namesSigner, false, name);
        }
        for (const timestamp of timestamps) assert.equal(whole(timestamp).namesSignature, true, name);
      }
    }
  });

  it('tells of a certificate who it is for, with every extension by name', () => {
    const { signer, timestamps, content } = only('blob-keyless-rekor2.bundle.json');
    const said = whole(signer);
    assert.ok(said.kind === 'certificate');
    const leaf = whole(said.certificates[0]);
    assert.deepEqual(leaf.subjects, [{ type: 'email', value: 'dev@example.com' }]);
    assert.deepEqual(
      leaf.identity.map(({ name, text }) => [name, text]),
      [
        ['issuer', 'http://127.0.0.1:5115'],
        ['issuer', 'http://127.0.0.1:5115'],
      ],
    );
    assert.equal(leaf.serial, '51ae4825f46409d26d2352f3d903dea525a140c6');
    assert.deepEqual(
      [leaf.notBefore, leaf.notAfter],
      ['2026-11-22T08:04:39.000Z', '2026-11-22T08:14:39.000Z'],
    );
    assert.deepEqual(leaf.extendedKeyUsage, ['codeSigning']);
    assert.deepEqual(leaf.certificateTimestamps, [
      {
        logId: 'c174c3ed154fa5cd7081db796040e2b8d3709aae823dd08e00e119eb1f60bb9a',
        time: '2026-11-22T08:04:39.934Z',
      },
    ]);
    assert.equal(whole(timestamps[0]).serial, '08');
    assert.deepEqual(whole(timestamps[0]).time, '2026-11-22T08:04:39.000Z');
    const signed = whole(content);
    assert.ok(signed.kind === 'file');
    assert.equal(signed.digest, 'sha256:e997afd18e5f6be004fc193aed2c90291e68ab2c7599a62538c935b7fca6ab0f');
  });

  it('tells of a log entry where it is and what it is about', () => {
    const entry = whole(only('blob-keyless-rekor2.bundle.json').logEntries[0]);
    assert.deepEqual([entry.kind, entry.version, entry.logIndex], ['hashedrekord', '0.0.2', '2']);
    assert.equal(entry.integratedTime, undefined);
    const checkpoint = whole(entry.inclusionProof?.checkpoint);
    assert.deepEqual([checkpoint.origin, checkpoint.size], ['127.0.0.1', 3]);
    assert.deepEqual(checkpoint.signatures, [{ name: '127.0.0.1', keyId: '34eadfb7' }]);
    const old = whole(only('old/image-key-c2.sig-manifest.json').logEntries[0]);
    assert.equal(old.integratedTime, '2026-11-26T01:12:38.000Z');
    assert.equal(old.hasSignedEntryTimestamp, true);
    assert.equal(old.inclusionProof, undefined);
    assert.equal(whole(old.body).digestOf, 'signed bytes');
  });

  it('reads an entry that still holds its payload, as old clients wrote them', () => {
    const document = json('keyless-sc-v1.bundle.json');
    const { payload, payloadType, signatures } = document.dsseEnvelope;
    const twice = (text: string) => base64(utf8(text));
    const der = Buffer.from(document.verificationMaterial.certificate.rawBytes, 'base64');
    const publicKey = base64(utf8(encodePem('CERTIFICATE', der)));
    const envelope = {
      payload: twice(payload),
      payloadType,
      signatures: [{ publicKey, sig: twice(signatures[0].sig) }],
    };
    const hash = { algorithm: 'sha256', value: '0'.repeat(64) };
    const body = { apiVersion: '0.0.2', kind: 'intoto', spec: { content: { envelope, hash } } };
    const [entry] = document.verificationMaterial.tlogEntries;
    entry.kindVersion = { kind: 'intoto', version: '0.0.2' };
    entry.canonicalizedBody = base64(utf8(JSON.stringify(body)));
    const read = whole(whole(changed(document).signatures[0]).logEntries[0]);
    assert.deepEqual(read.body, {
      digest: 'sha256:3c64df069d0472f6da0f572ce00e52a357002091a4ecbf1344ce597084acf8ea',
      digestOf: 'payload',
      namesSignature: true,
      namesSigner: true,
    });
  });

  it('tells what a statement is about', () => {
    const content = whole(only('keyless-sc-v1.bundle.json').content);
    assert.ok(content.kind === 'envelope' && content.statement !== undefined);
    const statement = whole(content.statement);
    assert.equal(statement.predicateType, 'https://sigstore.dev/cosign/sign/v1');
    assert.equal(statement.subjects.length, 1);
  });

  it('reads an envelope alone, and a line of download signature', () => {
    const envelope = encodeEnvelope({
      payload: utf8('hello'),
      payloadType: 'text/plain',
      signatures: [{ signature: utf8('a'), keyId: 'k' }],
    });
    const { kind, signatures } = inspectBundle(envelope, 'x');
    assert.equal(kind, 'envelope');
    const { content } = whole(signatures[0]);
    assert.deepEqual(content, {
      kind: 'envelope',
      payloadType: 'text/plain',
      payloadBytes: 5,
      payloadDigest: 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
      signatures: [{ signature: 'YQ==', keyId: 'k' }],
    });
    assert.deepEqual(payloadOfBundle(envelope, 'x'), utf8('hello'));

    const payload = vector('c2-sig-dockerreg-1.layer1.json');
    const line = { Base64Signature: 'YQ==', Payload: base64(payload), Cert: null, Chain: null, Bundle: null };
    const downloaded = changed({ ...line, RFC3161Timestamp: json('old/timestamp-c3.json') });
    assert.equal(downloaded.kind, 'downloaded-signature');
    const signature = whole(downloaded.signatures[0]);
    const image = whole(signature.content);
    assert.ok(image.kind === 'image' && image.claim !== undefined);
    assert.match(whole(image.claim).digest, /^sha256:5d94a5c2/);
    assert.equal(whole(signature.timestamps[0]).namesSignature, false);
    assert.deepEqual(payloadOfBundle(utf8(JSON.stringify(line)), 'x'), payload);
    assert.equal(
      code(whole(changed({ ...line, Payload: 'x' }).signatures[0]).content),
      'ERR_ENCODING_INVALID',
    );
  });

  it('gives the payload of every form that holds one', () => {
    for (const name of [
      'keyless-sc-v1.bundle.json',
      'attest-blob-c2-oldbundle.json',
      'attest-blob-c3.json',
    ]) {
      assert.match(fromUtf8(payloadOfBundle(vector(name), name), name), /"predicateType"/);
    }
    for (const name of [
      'blob-bundle-c3.json',
      'old/blob-key-c2.json',
      'old/image-key-c2.sig-manifest.json',
    ]) {
      assert.throws(
        () => payloadOfBundle(vector(name), name),
        (error) => isBoltsealError(error, 'ERR_USAGE'),
      );
    }
  });
});

describe('what is broken is told in its place, and the rest is shown:', () => {
  const bundle = () => json('keyless-sc-v1.bundle.json');
  const parts = (document: unknown) => {
    const inspection = changed(document);
    return { ...inspection, signature: whole(inspection.signatures[0]) };
  };

  it('a certificate', () => {
    const document = bundle();
    document.verificationMaterial.certificate.rawBytes = 'AAAA';
    const { problem, signature } = parts(document);
    // The bundle itself is well-formed: only who verifies it looks into the certificate.
    assert.equal(problem, undefined);
    const signer = whole(signature.signer);
    assert.ok(signer.kind === 'certificate');
    assert.equal(code(signer.certificates[0]), 'ERR_CERTIFICATE_INVALID');
    assert.equal(whole(signature.content).kind, 'envelope');
    assert.equal(whole(whole(signature.logEntries[0]).body).namesSigner, false);
  });

  it('a chain, of which others can be read', () => {
    const document = bundle();
    const { certificate, ...material } = document.verificationMaterial;
    material.x509CertificateChain = { certificates: [{ rawBytes: 1 }, certificate] };
    document.verificationMaterial = material;
    const { problem, signature } = parts(document);
    assert.equal(problem?.code, 'ERR_BUNDLE_INVALID');
    const signer = whole(signature.signer);
    assert.ok(signer.kind === 'certificate');
    assert.equal(code(signer.certificates[0]), 'ERR_BUNDLE_INVALID');
    whole(signer.certificates[1]);
  });

  it('a log entry beside a good one, a body, a checkpoint', () => {
    const document = bundle();
    const [entry] = document.verificationMaterial.tlogEntries;
    document.verificationMaterial.tlogEntries = [
      { ...entry, logIndex: '-1' },
      { ...entry, canonicalizedBody: 'AAAA' },
      { ...entry, inclusionProof: { ...entry.inclusionProof, checkpoint: { envelope: 'x' } } },
      { ...entry, kindVersion: { kind: 'rekord', version: '0.0.1' } },
      entry,
    ];
    const [negative, body, checkpoint, kind, good] = parts(document).signature.logEntries;
    assert.equal(code(negative), 'ERR_BUNDLE_INVALID');
    assert.notEqual(code(whole(body).body), undefined);
    assert.equal(code(whole(checkpoint).inclusionProof?.checkpoint), 'ERR_CHECKPOINT_INVALID');
    assert.equal(code(whole(kind).body), 'ERR_VERIFY_UNSUPPORTED');
    assert.equal(whole(whole(good).body).namesSignature, true);
  });

  it('a time that no calendar has', () => {
    const document = bundle();
    document.verificationMaterial.tlogEntries[0].integratedTime = '9223372036854775807';
    assert.equal(code(parts(document).signature.logEntries[0]), 'ERR_LIMIT_EXCEEDED');
  });

  it('too many entries, or a list that is none', () => {
    const document = bundle();
    const [entry] = document.verificationMaterial.tlogEntries;
    document.verificationMaterial.tlogEntries = Array(33).fill(entry);
    document.verificationMaterial.timestampVerificationData.rfc3161Timestamps = {};
    const { logEntries, timestamps } = parts(document).signature;
    assert.deepEqual(
      [logEntries.map(code), timestamps.map(code)],
      [['ERR_LIMIT_EXCEEDED'], ['ERR_BUNDLE_INVALID']],
    );
  });

  it('a timestamp, a statement, a version and a field nobody knows', () => {
    const document = bundle();
    document.verificationMaterial.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp = 'AAAA';
    document.dsseEnvelope.payload = base64(utf8('{}'));
    document.mediaType = 'application/vnd.dev.sigstore.bundle+json;version=99.9';
    document.more = 1;
    const { problem, version, mediaType, signature } = parts(document);
    assert.equal(problem?.code, 'ERR_BUNDLE_INVALID');
    assert.deepEqual([version, mediaType], [undefined, document.mediaType]);
    assert.equal(code(signature.timestamps[0]), 'ERR_TIMESTAMP_INVALID');
    const content = whole(signature.content);
    assert.ok(content.kind === 'envelope');
    assert.equal(code(content.statement), 'ERR_STATEMENT_INVALID');
  });

  it('another signature than the log and the timestamp know', () => {
    const document = bundle();
    document.dsseEnvelope.signatures[0].sig = base64(utf8('other'));
    const { logEntries, timestamps } = parts(document).signature;
    assert.equal(whole(whole(logEntries[0]).body).namesSignature, false);
    assert.equal(whole(timestamps[0]).namesSignature, false);
  });

  it('no content and no signer', () => {
    const { mediaType } = bundle();
    const { problem, signature } = parts({ mediaType });
    assert.equal(problem?.code, 'ERR_BUNDLE_INVALID');
    assert.equal(code(signature.content), 'ERR_BUNDLE_INVALID');
    assert.deepEqual(signature.signer, { kind: 'unnamed' });
  });

  it('parts of a blob bundle and of layers', () => {
    const blob = parts({ ...json('old/blob-keyless-c2.json'), cert: base64(utf8('x')), rekorBundle: {} });
    assert.equal(blob.problem?.code, 'ERR_BUNDLE_INVALID');
    assert.equal(code(blob.signature.signer), 'ERR_BUNDLE_INVALID');
    assert.equal(code(blob.signature.logEntries[0]), 'ERR_BUNDLE_INVALID');
    assert.equal(whole(blob.signature.content).kind, 'file');

    const manifest = json('old/image-keyless-c2.sig-manifest.json');
    const [layer] = manifest.layers;
    const annotated = (annotations: object) => ({
      ...layer,
      annotations: { ...layer.annotations, ...annotations },
    });
    manifest.layers = [
      1,
      annotated({ 'dev.sigstore.cosign/chain': encodePem('PUBLIC KEY', utf8('x')) }),
      annotated({ 'dev.sigstore.cosign/bundle': '{}', 'dev.sigstore.cosign/rfc3161timestamp': '{}' }),
      annotated({ 'dev.cosignproject.cosign/signature': '!' }),
      { ...layer, annotations: {} },
    ];
    const [none, chain, evidence, signature, ...more] = changed(manifest).signatures;
    assert.equal(more.length, 0);
    assert.equal(code(none), 'ERR_MANIFEST_INVALID');
    assert.equal(code(whole(chain).signer), 'ERR_SIGNATURE_LAYER_INVALID');
    assert.equal(code(whole(evidence).logEntries[0]), 'ERR_SIGNATURE_LAYER_INVALID');
    assert.equal(code(whole(evidence).timestamps[0]), 'ERR_SIGNATURE_LAYER_INVALID');
    assert.equal(code(whole(signature).content), 'ERR_ENCODING_INVALID');
    assert.equal(whole(whole(signature).signer).kind, 'certificate');
  });

  for (const [name, text, expected] of [
    ['no JSON', 'x', 'ERR_JSON_INVALID'],
    ['a text', '"x"', 'ERR_BUNDLE_INVALID'],
    ['another document', '{"a":1}', 'ERR_BUNDLE_INVALID'],
    ['a key given twice', '{"mediaType":"a","mediaType":"b"}', 'ERR_JSON_INVALID'],
  ] as const) {
    it(`${name}_fail`, () => {
      assert.throws(
        () => inspectBundle(utf8(text), 'x'),
        (error) => isBoltsealError(error, expected),
      );
    });
  }
});

describe('no input makes it fail with an error that is not ours:', () => {
  const survives = (bytes: Uint8Array): void => {
    for (const read of [inspectBundle, payloadOfBundle]) {
      try {
        JSON.stringify(read(bytes, 'x'));
      } catch (error) {
        if (!isBoltsealError(error) || error.code === 'ERR_INTERNAL') throw error;
      }
    }
  };
  for (const name of samples) {
    it(name, () => {
      const document = json(name);
      const paths: string[][] = [];
      const collect = (value: unknown, path: string[]): void => {
        paths.push(path);
        if (typeof value === 'object' && value !== null) {
          for (const [key, inner] of Object.entries(value)) collect(inner, [...path, key]);
        }
      };
      collect(document, []);
      const damagedBase64 = fc.tuple(fc.nat(4000), fc.nat(255)).map(([at, byte]) => (value: unknown) => {
        const bytes = Buffer.from(String(value), 'base64');
        if (bytes.length > 0) bytes[at % bytes.length] = byte;
        return bytes.toString('base64');
      });
      const other = fc
        .oneof(
          fc.jsonValue({ maxDepth: 1 }),
          fc.constantFrom<unknown>(-1, 1e308, '', '9223372036854775807', [], {}),
        )
        .map((value) => () => value);
      fc.assert(
        fc.property(fc.constantFrom(...paths), fc.oneof(damagedBase64, other), (path, change) => {
          const copy = structuredClone(document);
          const last = path.at(-1);
          if (last === undefined) return survives(utf8(JSON.stringify(change(document))));
          let parent = copy as Record<string, unknown>;
          for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
          parent[last] = change(parent[last]);
          survives(utf8(JSON.stringify(copy)));
        }),
        { numRuns: 60 },
      );
    });
  }
});
