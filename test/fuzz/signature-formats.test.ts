/**
 * Every decoder of signatures and keys under hostile input: it returns, or throws an error of ours; it never throws
 * anything else and never hangs. The input is noise, real samples with changed bytes, and real JSON with changed values.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../../src/core/digest.ts';
import { fromUtf8, utf8 } from '../../src/core/encoding.ts';
import { isBoltsealError } from '../../src/core/errors.ts';
import { attestationLayer } from '../../src/formats/attestation-layer.ts';
import { parseBlobBundle } from '../../src/formats/blob-bundle.ts';
import { encodeBundle, parseBundle } from '../../src/formats/bundle.ts';
import { parseSignatureLayer, signatureAnnotations } from '../../src/formats/cosign-layer.ts';
import { parseEnvelope } from '../../src/formats/dsse.ts';
import { decodeEncryptedKey } from '../../src/formats/encrypted-key.ts';
import { parsePem } from '../../src/formats/pem.ts';
import { parsePublicKey } from '../../src/formats/public-key.ts';
import { parseSimpleSigning, simpleSigningMediaType } from '../../src/formats/simple-signing.ts';
import { parseStatement } from '../../src/formats/statement.ts';
import { entityFromAttestationLayer, entityFromBundle } from '../../src/verify/entity.ts';
import { byKeys } from '../../src/verify/requirements.ts';
import { verifyEntity } from '../../src/verify/verify-entity.ts';
import { vector, vectorImage } from '../vectors/vectors.ts';

/** A decoder and real input for it. */
interface Target {
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly samples: readonly Uint8Array[];
}

const layerOf = (name: string): Record<string, string> =>
  JSON.parse(fromUtf8(vector(name), name)).layers[0].annotations;

/** An annotation of a signature layer, fuzzed as the text it is. */
function annotation(name: string, sample: string): Target {
  return {
    samples: [utf8(sample)],
    decode: (bytes) =>
      parseSignatureLayer(
        {
          mediaType: simpleSigningMediaType,
          digest: digestOf(bytes),
          size: 2,
          annotations: { [signatureAnnotations.signature]: 'AA==', [name]: Buffer.from(bytes).toString() },
        },
        utf8('{}'),
        'x',
      ),
  };
}

const statement = (name: string): Uint8Array => {
  const { content } = parseBundle(vector(name), name);
  assert.ok(content.kind === 'envelope');
  return content.envelope.payload;
};
const [keyBlock] = parsePem(vector('keys/signing.key'), 'x');
assert.ok(keyBlock !== undefined);

const targets: Readonly<Record<string, Target>> = {
  bundle: {
    decode: (bytes) => parseBundle(bytes, 'x'),
    samples: ['key-tlog-sc-v1.bundle.json', 'keyless-sc-v1.bundle.json', 'blob-bundle-c3.json'].map(vector),
  },
  'bundle, verified': {
    decode: (bytes) =>
      verifyEntity(entityFromBundle(bytes, { place: 'file' }), {
        signer: byKeys([parsePublicKey(vector('keys/signing.pub'), 'x')]),
        digest: digestOf(utf8('never this one')),
      }),
    samples: [vector('c3-sign-notlog-oci11.layer1.json')],
  },
  'blob bundle': {
    decode: (bytes) => parseBlobBundle(bytes, 'x'),
    samples: ['old/blob-keyless-c2.json', 'old/attest-keyless-c3.json', 'old/blob-key-c3.json'].map(vector),
  },
  'attestation of a layer, verified': {
    decode: (bytes) =>
      verifyEntity(
        entityFromAttestationLayer(attestationLayer(bytes, 'x'), bytes, { place: 'attestation-tag' }),
        {
          signer: byKeys([parsePublicKey(vector('keys/signing.pub'), 'x')]),
          digest: digestOf(utf8('never this one')),
          predicateTypes: ['https://cosign.sigstore.dev/attestation/v1'],
        },
      ),
    samples: ['attest/attest-custom-old2.layer1.json', 'attest/attest-custom-old3.layer1.json'].map(vector),
  },
  envelope: {
    decode: (bytes) => parseEnvelope(bytes, 'x'),
    samples: [vector('attest/attest-custom-old2.layer1.json')],
  },
  statement: {
    decode: (bytes) => parseStatement(bytes, 'x'),
    samples: ['keyless-sc-v1.bundle.json', 'attest/attest-slsaprovenance1-new.layer1.json'].map(statement),
  },
  'simple signing': {
    decode: (bytes) => parseSimpleSigning(bytes, 'x'),
    samples: ['c2-sig-dockerreg-1.layer1.json', 'c3-odd-annotations.payload.json'].map(vector),
  },
  'encrypted key': {
    decode: (bytes) => decodeEncryptedKey({ ...keyBlock, der: bytes }, 'x'),
    samples: [keyBlock.der],
  },
  PEM: { decode: (bytes) => parsePem(bytes, 'x'), samples: [vector('keys/signing.key')] },
  'public key': {
    decode: (bytes) => parsePublicKey(bytes, 'x'),
    samples: [
      vector('keys/signing.pub'),
      vector('imported/rsa2048-pkcs1.pub'),
      parsePublicKey(vector('keys/signing.pub'), 'x').spki,
    ],
  },
  'log entry of a layer': annotation(
    signatureAnnotations.bundle,
    layerOf('services/legacy2rekor.sig-manifest.json')[signatureAnnotations.bundle] ?? '',
  ),
  'certificate of a layer': annotation(
    signatureAnnotations.certificate,
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  ),
  'timestamp of a layer': annotation(signatureAnnotations.timestamp, '{"SignedRFC3161Timestamp":"AAAA"}'),
};

/** Runs a decoder; anything but success and our own error fails the test. */
function survives(decode: Target['decode'], bytes: Uint8Array): void {
  try {
    decode(bytes);
  } catch (error) {
    if (!isBoltsealError(error) || error.code === 'ERR_INTERNAL') throw error;
  }
}

/** `bytes` with pieces replaced, removed, doubled or inserted. */
const damage = (bytes: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc
    .array(fc.tuple(fc.nat(bytes.length), fc.nat(8), fc.uint8Array({ maxLength: 8 })), {
      minLength: 1,
      maxLength: 6,
    })
    .map((edits) => {
      let text = Buffer.from(bytes);
      for (const [at, removed, inserted] of edits) {
        text = Buffer.concat([text.subarray(0, at), inserted, text.subarray(at + removed)]);
      }
      return new Uint8Array(text);
    });

/** A JSON document with one value somewhere inside replaced by any other. */
function otherJson(sample: Uint8Array): fc.Arbitrary<Uint8Array> {
  const document: unknown = JSON.parse(fromUtf8(sample, 'x'));
  const paths: string[][] = [];
  const collect = (value: unknown, path: string[]): void => {
    paths.push(path);
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) collect(inner, [...path, key]);
    }
  };
  collect(document, []);
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>(
      -1,
      1e308,
      2 ** 53,
      '',
      '__proto__',
      '9223372036854775808',
      [],
      {},
      [[]],
      '\u0000',
    ),
  );
  return fc.tuple(fc.constantFrom(...paths), values).map(([path, value]) => {
    const last = path.at(-1);
    if (last === undefined) return utf8(JSON.stringify(value));
    const copy = structuredClone(document);
    let parent = copy as Record<string, unknown>;
    for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
    parent[last] = value;
    return utf8(JSON.stringify(copy));
  });
}

const isJson = (bytes: Uint8Array): boolean => bytes[0] === 0x7b;

for (const [name, { decode, samples }] of Object.entries(targets)) {
  describe(`the decoder of ${name} survives`, () => {
    it('noise', () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(decode, bytes)));
      fc.assert(fc.property(fc.json(), (text) => survives(decode, utf8(text))));
    });
    it('damaged samples', () => {
      for (const sample of samples) {
        fc.assert(
          fc.property(damage(sample), (bytes) => survives(decode, bytes)),
          { numRuns: 200 },
        );
      }
    });
    it('every truncation', () => {
      for (const sample of samples) {
        const step = Math.max(1, Math.floor(sample.length / 200));
        for (let end = 0; end < sample.length; end += step) survives(decode, sample.subarray(0, end));
      }
    });
    it('changed values', () => {
      for (const sample of samples.filter(isJson)) {
        fc.assert(
          fc.property(otherJson(sample), (bytes) => survives(decode, bytes)),
          { numRuns: 300 },
        );
      }
    });
    it('depth and breadth', () => {
      const many = 10_000;
      for (const text of [
        '['.repeat(many) + ']'.repeat(many),
        '{"a":'.repeat(many),
        `{${'"a":1,'.repeat(many)}"b":1}`,
        `[${'0,'.repeat(many)}0]`,
        '"'.repeat(many),
        '-----BEGIN A-----\n'.repeat(many),
      ]) {
        survives(decode, utf8(text));
      }
    });
  });
}

it('bundles read back as what was encoded', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const int64 = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
  const entry = fc
    .tuple(
      int64,
      bytes,
      fc.string(),
      int64,
      bytes,
      fc.array(bytes, { maxLength: 3 }),
      fc.string({ minLength: 1 }),
    )
    .map(([logIndex, logId, kind, integratedTime, body, hashes, checkpoint]) => ({
      logIndex,
      logId,
      kind,
      version: '0.0.1',
      integratedTime,
      signedEntryTimestamp: body,
      inclusionProof: { logIndex, rootHash: logId, treeSize: logIndex, hashes, checkpoint },
      canonicalizedBody: body,
    }));
  const signer = fc.oneof(
    fc.string().map((publicKeyHint) => ({ publicKeyHint })),
    bytes.map((certificate) => ({ certificates: [certificate] })),
  );
  fc.assert(
    fc.property(
      signer,
      fc.array(bytes, { maxLength: 3 }),
      fc.array(entry, { maxLength: 3 }),
      bytes,
      (who, timestamps, logEntries, signature) => {
        const material = { ...who, timestamps, logEntries };
        const content = {
          kind: 'envelope' as const,
          envelope: { payload: signature, payloadType: 'a/b', signatures: [{ signature }] },
        };
        const bundle = parseBundle(encodeBundle({ material, content }), 'x');
        assert.deepEqual({ material: bundle.material, content: bundle.content }, { material, content });
      },
    ),
  );
});

it('no damaged bundle verifies for the image, unless it says the same', () => {
  const sample = vector('c3-sign-notlog-oci11.layer1.json');
  const keys = [parsePublicKey(vector('keys/signing.pub'), 'x')];
  const required = { signer: byKeys(keys), digest: vectorImage as `sha256:${string}` };
  const original = entityFromBundle(sample, { place: 'file' });
  assert.equal(verifyEntity(original, required).digest, vectorImage);
  fc.assert(
    fc.property(fc.oneof(damage(sample), otherJson(sample)), (bytes) => {
      survives((damaged) => {
        const { entity } = verifyEntity(entityFromBundle(damaged, { place: 'file' }), required);
        assert.deepEqual([entity.payload, entity.payloadType], [original.payload, original.payloadType]);
      }, bytes);
    }),
    { numRuns: 500 },
  );
});
