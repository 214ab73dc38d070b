import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { vector } from '../../test/vectors/vectors.ts';
import {
  derBoolean,
  derConcat,
  derExplicit,
  derImplicit,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSetOf,
  derTags,
  derUtf8,
  encodeDer,
} from '../core/der.ts';
import { equalBytes, fromBase64, hex, utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { parseBundle } from './bundle.ts';
import { certificateKey, parseCertificate, parsePemCertificates } from './certificate.ts';
import { hashOids, parseSignedData, signedDataEncoder } from './cms.ts';
import { readSignatureAlgorithm, signatureAlgorithms, verifiesWith } from './signature-algorithm.ts';
import {
  encodeTimestampResponse,
  parseTimestampResponse,
  parseTimestampToken,
  requireGranted,
  type TimestampToken,
  timestampContentType,
  timestampInfoEncoder,
} from './timestamp.ts';
import {
  encodeMessageImprint,
  encodeTimestampRequest,
  integerContent,
  integerElement,
  parseTimestampRequest,
} from './timestamp-request.ts';

const recorded = (name: string): Uint8Array => fromBase64(transcripts().get(name)?.response ?? '', name);
const [leaf, root] = parsePemCertificates(vector('services/tsa-chain.pem'));
assert.ok(leaf && root);
const digest = Buffer.from('398895ad26bfafcefceaabea325be1d72d6b3f4fd777d212744e9e86a466fcac', 'hex');

const code =
  (expected: ErrorCode) =>
  (error: unknown): boolean =>
    isBoltsealError(error, expected);
const invalid = code('ERR_TIMESTAMP_INVALID');

function granted(der: Uint8Array): TimestampToken {
  return requireGranted(parseTimestampResponse(der));
}

function verifies({ signer, infoBytes }: TimestampToken): boolean {
  const algorithm = readSignatureAlgorithm(signer.signatureAlgorithm);
  assert.ok(algorithm && leaf);
  assert.equal(hex(signer.messageDigest), hash('sha256', infoBytes, 'hex'));
  return verifiesWith(algorithm, certificateKey(leaf).key, signer.signedAttributes, signer.signature);
}

describe('timestamps of the real authority', () => {
  it('are read', () => {
    const { info, signer, certificates } = granted(recorded('tsa ok'));
    assert.equal(info.policy, '1.3.6.1.4.1.57264.2');
    assert.equal(info.imprint.hashAlgorithm, hashOids.sha256);
    assert.equal(hex(info.imprint.digest), hex(digest));
    assert.equal(info.time.toISOString(), '2026-11-22T08:54:04.000Z');
    assert.equal(info.accuracy, 1_000);
    assert.equal(info.ordering, false);
    assert.equal(hex(info.nonce ?? new Uint8Array()), '00aabbccddeeff0011');
    assert.deepEqual(info.criticalExtensions, []);
    assert.ok('issuer' in signer.identifier);
    assert.ok(equalBytes(signer.identifier.issuer, leaf.issuer));
    assert.ok(equalBytes(signer.identifier.serial, leaf.serial));
    assert.equal(signer.signingTime?.toISOString(), '2026-11-22T08:54:04.000Z');
    assert.deepEqual(
      signer.signingCertificates.map((one) => [one.hashAlgorithm, hex(one.certificateHash)]),
      [[hashOids.sha256, hash('sha256', leaf.der, 'hex')]],
    );
    assert.deepEqual(certificates.map(hex), [hex(leaf.der)]);
  });

  for (const name of ['tsa ok', 'tsa no certreq', 'tsa json']) {
    it(`verify with what was kept of them: ${name}`, () => {
      assert.equal(verifies(granted(recorded(name))), true);
    });
  }

  for (const name of ['keyless-sc-v1.bundle.json', 'key-tlog-sc-v2.bundle.json']) {
    it(`are read out of a bundle: ${name}`, () => {
      const { timestamps } = parseBundle(vector(name), name).material;
      assert.ok(timestamps.length > 0);
      for (const der of timestamps) assert.ok(granted(der).info.time.getUTCFullYear() === 2026);
    });
  }

  for (const name of ['tsa ok', 'tsa json']) {
    it(`are written again byte for byte: ${name}`, () => {
      const der = recorded(name);
      const { info, signer } = granted(der);
      const encodeInfo = timestampInfoEncoder({ accuracySeconds: 1, authority: leaf.subject });
      const content = encodeInfo({
        policy: info.policy,
        imprint: info.imprint.bytes,
        serial: info.serial,
        time: info.time,
        nonce: info.nonce,
      });
      const encoder = signedDataEncoder({
        contentType: timestampContentType,
        certificate: leaf,
        signatureAlgorithm: signatureAlgorithms.ecdsaSha256.identifier,
      });
      const attributes = encoder.attributes(content, info.time);
      assert.equal(hex(attributes), hex(signer.signedAttributes));
      const token = encoder.encode(content, attributes, signer.signature, true);
      assert.equal(hex(encodeTimestampResponse(token)), hex(der));
    });
  }
});

describe('timestamp responses', () => {
  it('that refuse say why', () => {
    const status = derSequence(derInteger(2), derSequence(derUtf8('no'), derUtf8('time')));
    const response = parseTimestampResponse(derSequence(status));
    assert.deepEqual(response, { granted: false, status: 2, text: 'no time' });
    assert.throws(() => requireGranted(response), invalid);
  });

  const token = (der: Uint8Array): Uint8Array => {
    const response = parseTimestampResponse(der);
    assert.ok(response.granted);
    return response.tokenBytes;
  };
  const good = token(recorded('tsa ok'));
  const cases: Readonly<Record<string, Uint8Array>> = {
    empty_fail: new Uint8Array(),
    text_fail: utf8('not DER'),
    token_without_response_fail: good,
    refusal_with_token_fail: derSequence(derSequence(derInteger(2)), good),
    granted_without_token_fail: derSequence(derSequence(derInteger(0))),
    trailing_fail: derConcat(recorded('tsa ok'), Uint8Array.of(0)),
    cut_fail: recorded('tsa ok').subarray(0, -1),
    other_content_fail: derSequence(
      derSequence(derInteger(0)),
      derSequence(derOid('1.2.840.113549.1.7.1'), derExplicit(0, derOctetString(utf8('x')))),
    ),
  };
  for (const [name, der] of Object.entries(cases)) {
    it(name, () => assert.throws(() => parseTimestampResponse(der), invalid));
  }
  it('response_too_large_fail', () => {
    const der = new Uint8Array(limits.timestampBytes + 1);
    assert.throws(() => parseTimestampResponse(der), code('ERR_LIMIT_EXCEEDED'));
  });
});

/** A token around `info`, with what is told in place of what is usual. */
function tokenOf(
  info: Uint8Array,
  change: { attributes?: readonly Uint8Array[]; signers?: number; signerVersion?: number } = {},
): Uint8Array {
  const attribute = (oid: string, ...values: readonly Uint8Array[]): Uint8Array =>
    derSequence(derOid(oid), derSetOf(...values));
  const attributes = change.attributes ?? [
    attribute('1.2.840.113549.1.9.3', derOid(timestampContentType)),
    attribute('1.2.840.113549.1.9.4', derOctetString(hash('sha256', info, 'buffer'))),
  ];
  const signer = derSequence(
    derInteger(change.signerVersion ?? 3),
    derImplicit(0, utf8('key')),
    derSequence(derOid(hashOids.sha256), derNull()),
    derExplicit(0, ...attributes),
    signatureAlgorithms.ecdsaSha256.identifier,
    derOctetString(utf8('signature')),
  );
  const signers = Array.from({ length: change.signers ?? 1 }, () => signer);
  const data = derSequence(
    derInteger(3),
    derSetOf(derSequence(derOid(hashOids.sha256))),
    derSequence(derOid(timestampContentType), derExplicit(0, derOctetString(info))),
    encodeDer(derTags.set, ...signers),
  );
  return derSequence(derOid('1.2.840.113549.1.7.2'), derExplicit(0, data));
}

const imprint = encodeMessageImprint(hashOids.sha256, digest);
const genTime = (text: string): Uint8Array => encodeDer(derTags.generalizedTime, utf8(text));
const infoOf = (time: string, ...rest: readonly Uint8Array[]): Uint8Array =>
  derSequence(derInteger(1), derOid('1.2.3'), imprint, derInteger(7), genTime(time), ...rest);

describe('what a timestamp says', () => {
  const times: Readonly<Record<string, string>> = {
    '20260102030405Z': '2026-01-02T03:04:05.000Z',
    '20260102030405.5Z': '2026-01-02T03:04:05.500Z',
    '20260102030405.123456789Z': '2026-01-02T03:04:05.123Z',
    '99991231235959Z': '9999-12-31T23:59:59.000Z',
  };
  for (const [text, iso] of Object.entries(times)) {
    it(`has the time ${text}`, () => {
      assert.equal(parseTimestampToken(tokenOf(infoOf(text))).info.time.toISOString(), iso);
    });
  }
  for (const text of [
    '20260102030405',
    '20260102030405.Z',
    '20260102030405.50Z',
    '20260102030405+0100',
    '20260230030405Z',
    '20260102030460Z',
    '260102030405Z',
    '202601020304Z',
    '20260102030405,5Z',
  ]) {
    it(`time_${text}_fail`, () => {
      assert.throws(() => parseTimestampToken(tokenOf(infoOf(text))), invalid);
    });
  }

  it('has an accuracy in milliseconds, rounded up', () => {
    const accuracyOf = (...parts: readonly Uint8Array[]): number | undefined =>
      parseTimestampToken(tokenOf(infoOf('20260102030405Z', derSequence(...parts)))).info.accuracy;
    assert.equal(accuracyOf(derInteger(2)), 2_000);
    assert.equal(accuracyOf(derImplicit(0, Uint8Array.of(5))), 5);
    assert.equal(accuracyOf(derInteger(1), derImplicit(1, Uint8Array.of(9))), 1_001);
    assert.equal(accuracyOf(), 0);
    assert.throws(() => accuracyOf(derImplicit(0, Uint8Array.of(0))), invalid);
    assert.throws(() => accuracyOf(derImplicit(1, Uint8Array.of(0x04, 0))), invalid);
  });

  it('has ordering, nonce and the name of its authority', () => {
    const name = derExplicit(4, leaf.subject);
    const { info } = parseTimestampToken(
      tokenOf(
        infoOf(
          '20260102030405Z',
          derBoolean(true),
          integerElement(Uint8Array.of(0xff)),
          derExplicit(0, name),
        ),
      ),
    );
    assert.equal(info.ordering, true);
    assert.deepEqual([...(info.nonce ?? [])], [0xff]);
    assert.deepEqual(info.authority, name);
  });

  it('names its critical extensions, so that a verifier can refuse them', () => {
    const extensions = derExplicit(
      1,
      derSequence(derOid('1.2.3.4'), derBoolean(true), derOctetString(utf8('x'))),
      derSequence(derOid('1.2.3.5'), derOctetString(utf8('x'))),
    );
    const { info } = parseTimestampToken(tokenOf(infoOf('20260102030405Z', extensions)));
    assert.deepEqual(info.criticalExtensions, ['1.2.3.4']);
  });

  const info = infoOf('20260102030405Z');
  // A SEQUENCE around an element that says it is longer than it is.
  const unfinished = derSequence(Uint8Array.of(derTags.utf8String, 5, 0x61));
  const contentType = derSequence(derOid('1.2.840.113549.1.9.3'), derSetOf(derOid(timestampContentType)));
  const messageDigest = derSequence(derOid('1.2.840.113549.1.9.4'), derSetOf(derOctetString(digest)));
  const cases: Readonly<Record<string, Uint8Array>> = {
    two_signers_fail: tokenOf(info, { signers: 2 }),
    no_signer_fail: tokenOf(info, { signers: 0 }),
    signer_version_fail: tokenOf(info, { signerVersion: 1 }),
    no_attributes_fail: tokenOf(info, { attributes: [] }),
    no_content_type_fail: tokenOf(info, { attributes: [messageDigest] }),
    no_digest_fail: tokenOf(info, { attributes: [contentType] }),
    digest_twice_fail: tokenOf(info, { attributes: [contentType, messageDigest, messageDigest] }),
    digest_two_values_fail: tokenOf(info, {
      attributes: [
        contentType,
        derSequence(
          derOid('1.2.840.113549.1.9.4'),
          derSetOf(derOctetString(digest), derOctetString(utf8('other'))),
        ),
      ],
    }),
    content_type_differs_fail: tokenOf(info, {
      attributes: [
        derSequence(derOid('1.2.840.113549.1.9.3'), derSetOf(derOid('1.2.840.113549.1.7.1'))),
        messageDigest,
      ],
    }),
    version_fail: tokenOf(
      derSequence(derInteger(2), derOid('1.2.3'), imprint, derInteger(7), genTime('20260102030405Z')),
    ),
    two_times_fail: tokenOf(infoOf('20260102030405Z', genTime('20260102030405Z'))),
    nonce_before_ordering_fail: tokenOf(infoOf('20260102030405Z', derInteger(1), derBoolean(true))),
    content_trailing_fail: tokenOf(derConcat(info, derNull())),
    // Where nobody reads: in a value of an unknown attribute, and in the name of the authority.
    unread_attribute_fail: tokenOf(info, {
      attributes: [contentType, messageDigest, derSequence(derOid('1.2.3'), derSetOf(unfinished))],
    }),
    unread_name_fail: tokenOf(infoOf('20260102030405Z', derExplicit(0, derExplicit(4, unfinished)))),
  };
  for (const [name, der] of Object.entries(cases)) {
    it(name, () => assert.throws(() => parseTimestampToken(der), invalid));
  }
  it('many_certificates_fail', () => {
    const response = parseTimestampResponse(recorded('tsa ok'));
    assert.ok(response.granted);
    const { content, signer } = parseSignedData(response.tokenBytes, 'x');
    const encoder = signedDataEncoder({
      contentType: timestampContentType,
      certificate: { ...leaf, der: derConcat(...Array.from({ length: 33 }, () => derSequence())) },
      signatureAlgorithm: signer.signatureAlgorithm,
    });
    const der = encoder.encode(content, signer.signedAttributes, signer.signature, true);
    assert.throws(() => parseTimestampToken(der), code('ERR_LIMIT_EXCEEDED'));
  });
});

describe('timestamp requests', () => {
  it('are what was written', () => {
    const names = fc.constantFrom('sha256', 'sha384', 'sha512');
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 64 });
    const policy = fc.constantFrom(undefined, '1.2.3', '1.3.6.1.4.1.57264.2', '2.999.1');
    fc.assert(
      fc.property(names, bytes, policy, fc.option(bytes, { nil: undefined }), fc.boolean(), (...fields) => {
        const [name, value, asked, nonce, certificates] = fields;
        const request = parseTimestampRequest(
          encodeTimestampRequest({
            hash: name as 'sha256',
            digest: value,
            policy: asked,
            nonce,
            certificates,
          }),
        );
        assert.equal(request.imprint.hashAlgorithm, hashOids[name as 'sha256']);
        assert.deepEqual(request.imprint.digest, value);
        assert.deepEqual(request.imprint.bytes, encodeMessageImprint(hashOids[name as 'sha256'], value));
        assert.equal(request.policy, asked);
        assert.equal(request.certificates, certificates);
        assert.equal(request.hasExtensions, false);
        if (nonce === undefined) assert.equal(request.nonce, undefined);
        else assert.equal(BigInt(`0x${hex(request.nonce ?? new Uint8Array())}`), BigInt(`0x${hex(nonce)}`));
      }),
      { numRuns: 200 },
    );
  });

  it('take integers of either sign in as few bytes as possible', () => {
    fc.assert(
      fc.property(fc.bigInt(-(1n << 200n), 1n << 200n), (value) => {
        const content = integerContent(value);
        assert.equal(BigInt.asIntN(content.length * 8, BigInt(`0x${hex(content)}`)), value);
        if (content.length > 1) {
          const [first = 0, second = 0] = content;
          assert.ok(!((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)));
        }
      }),
    );
    assert.deepEqual(
      [0n, 127n, 128n, -1n, -128n, -129n].map((value) => hex(integerContent(value))),
      ['00', '7f', '0080', 'ff', '80', 'ff7f'],
    );
  });

  const version = derInteger(1);
  const cases: Readonly<Record<string, Uint8Array>> = {
    empty_fail: new Uint8Array(),
    garbage_fail: utf8('zzz'),
    version_fail: derSequence(derInteger(2), imprint),
    no_imprint_fail: derSequence(version),
    digest_is_text_fail: derSequence(
      version,
      derSequence(derSequence(derOid(hashOids.sha256)), derUtf8('x')),
    ),
    parameters_fail: derSequence(
      version,
      derSequence(derSequence(derOid(hashOids.sha256), derInteger(1)), derOctetString(digest)),
    ),
    null_with_content_fail: derSequence(
      version,
      derSequence(
        derSequence(derOid(hashOids.sha256), encodeDer(derTags.null, utf8('x'))),
        derOctetString(digest),
      ),
    ),
    nonce_padded_fail: derSequence(version, imprint, integerElement(Uint8Array.of(0, 1))),
    nonce_empty_fail: derSequence(version, imprint, integerElement(new Uint8Array())),
    nonce_huge_fail: derSequence(version, imprint, integerElement(new Uint8Array(2_000).fill(1))),
    boolean_fail: derSequence(version, imprint, Uint8Array.of(derTags.boolean, 1, 1)),
    order_fail: derSequence(version, imprint, derBoolean(true), derInteger(1)),
    trailing_fail: derConcat(derSequence(version, imprint), derNull()),
  };
  for (const [name, der] of Object.entries(cases)) {
    it(name, () => assert.throws(() => parseTimestampRequest(der), invalid));
  }
  it('request_too_large_fail', () => {
    const der = derSequence(version, imprint, integerElement(new Uint8Array(limits.timestampBytes)));
    assert.throws(() => parseTimestampRequest(der), code('ERR_LIMIT_EXCEEDED'));
  });
});

describe('hostile timestamps', () => {
  const samples = [recorded('tsa ok'), recorded('tsa no certreq')];
  const decoders: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
    response: parseTimestampResponse,
    request: parseTimestampRequest,
    token: parseTimestampToken,
  };
  for (const [name, decode] of Object.entries(decoders)) {
    it(`${name}: an answer or an error of ours`, () => {
      const change = fc.record({
        sample: fc.constantFrom(
          ...(name === 'request'
            ? [
                encodeTimestampRequest({
                  hash: 'sha256',
                  digest,
                  nonce: digest,
                  policy: '1.2.3',
                  certificates: true,
                }),
              ]
            : name === 'token'
              ? samples.map((der) => der.subarray(9))
              : samples),
        ),
        edits: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        cut: fc.option(fc.nat()),
      });
      fc.assert(
        fc.property(change, ({ sample, edits, cut }) => {
          const bytes = new Uint8Array(sample);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          answersOrRefuses(decode, cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
        }),
        { numRuns: 1_500 },
      );
      fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => answersOrRefuses(decode, bytes)));
    });
  }
});

function answersOrRefuses(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes);
  } catch (error) {
    assert.ok(isBoltsealError(error, 'ERR_TIMESTAMP_INVALID', 'ERR_LIMIT_EXCEEDED'), String(error));
  }
}

it('the certificate in a timestamp is the one of the chain', () => {
  const [der] = granted(recorded('tsa json')).certificates;
  assert.ok(der);
  assert.ok(equalBytes(parseCertificate(der).spki, leaf.spki));
});
