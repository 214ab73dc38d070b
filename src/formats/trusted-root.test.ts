import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TrustedRoot as ProtobufTrustedRoot } from '@sigstore/protobuf-specs';
import fc from 'fast-check';
import { vector } from '../../test/vectors/vectors.ts';
import { fromUtf8, hex, utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { parseCertificate, parsePemCertificates } from './certificate.ts';
import { parsePublicKey } from './public-key.ts';
import { isWithin } from './time-range.ts';
import {
  encodeTrustedRoot,
  parseTrustedRoot,
  type TrustedRoot,
  trustedAuthority,
  trustedLog,
} from './trusted-root.ts';

const files = [
  'services/trusted-root.json',
  'trust/trusted-root-private-full.json',
  'trust/trusted-root-empty.json',
];
const publicGood = vector('trust/public-good-trusted_root.json');
const text = (bytes: Uint8Array): string => fromUtf8(bytes, 'x');
const invalid = (error: unknown): boolean => isBoltsealError(error, 'ERR_TRUSTED_ROOT_INVALID');

describe('trusted roots', () => {
  for (const name of files) {
    it(`by cosign are written again byte for byte: ${name}`, () => {
      assert.equal(text(encodeTrustedRoot(parseTrustedRoot(vector(name)))), text(vector(name)));
    });
  }

  it('of the public instance are read and written', () => {
    const root = parseTrustedRoot(publicGood);
    assert.deepEqual(JSON.parse(text(encodeTrustedRoot(root))), JSON.parse(text(publicGood)));
    assert.deepEqual(
      root.tlogs.map(({ baseUrl, keyDetails }) => [baseUrl, keyDetails]),
      [
        ['https://rekor.sigstore.dev', 'PKIX_ECDSA_P256_SHA_256'],
        ['https://log2025-1.rekor.sigstore.dev', 'PKIX_ED25519'],
      ],
    );
    const [retired] = root.certificateAuthorities;
    assert.equal(retired?.validFor.end?.toISOString(), '2022-12-31T23:59:59.999Z');
    for (const { chain } of [...root.certificateAuthorities, ...root.timestampAuthorities]) {
      for (const der of chain) assert.equal(parseCertificate(der).version, 3);
    }
  });

  it('say what the generated code of the protocol says', () => {
    for (const bytes of [publicGood, ...files.map(vector)]) {
      const theirs = ProtobufTrustedRoot.fromJSON(JSON.parse(text(bytes)));
      const ours = parseTrustedRoot(bytes);
      for (const kind of ['tlogs', 'ctlogs'] as const) {
        assert.deepEqual(
          ours[kind].map((log) => [log.baseUrl, hex(log.key), hex(log.logId), log.validFor.start]),
          theirs[kind].map((log) => [
            log.baseUrl,
            hex(log.publicKey?.rawBytes ?? utf8('')),
            hex(log.logId?.keyId ?? utf8('')),
            log.publicKey?.validFor?.start,
          ]),
        );
      }
      for (const kind of ['certificateAuthorities', 'timestampAuthorities'] as const) {
        assert.deepEqual(
          ours[kind].map(({ uri, commonName, chain, validFor }) => [
            uri,
            commonName,
            chain.map(hex),
            validFor.end,
          ]),
          theirs[kind].map(({ uri, subject, certChain, validFor }) => [
            uri,
            subject?.commonName,
            certChain?.certificates.map(({ rawBytes }) => hex(rawBytes)),
            validFor?.end,
          ]),
        );
      }
    }
  });

  it('are made of keys and certificates as cosign makes them', () => {
    const recorded = parseTrustedRoot(vector('services/trusted-root.json'));
    const validFor = { start: new Date('2024-01-01T00:00:00Z') };
    const chain = (name: string): Uint8Array[] => parsePemCertificates(vector(name)).map(({ der }) => der);
    const [rekor2, rekor1] = recorded.tlogs;
    const [ct] = recorded.ctlogs;
    assert.ok(rekor1 && rekor2 && ct);
    const key = (der: Uint8Array) => parsePublicKey(der);
    const made: TrustedRoot = {
      tlogs: [
        trustedLog({
          baseUrl: rekor2.baseUrl,
          publicKey: key(rekor2.key),
          validFor,
          origin: '127.0.0.1',
        }),
        trustedLog({ baseUrl: rekor1.baseUrl, publicKey: key(rekor1.key), validFor }),
      ],
      ctlogs: [trustedLog({ baseUrl: ct.baseUrl, publicKey: key(ct.key), validFor })],
      certificateAuthorities: [
        trustedAuthority('http://127.0.0.1:5310', chain('services/fulcio-chain.pem'), validFor),
      ],
      timestampAuthorities: [
        trustedAuthority('http://127.0.0.1:5330/api/v1/timestamp', chain('services/tsa-chain.pem'), validFor),
      ],
    };
    assert.equal(text(encodeTrustedRoot(made)), text(vector('services/trusted-root.json')));
  });

  it('name a log of Rekor v2 as the public instance does', () => {
    const log = parseTrustedRoot(publicGood).tlogs[1];
    assert.ok(log);
    const made = trustedLog({
      baseUrl: log.baseUrl,
      publicKey: parsePublicKey(log.key),
      validFor: log.validFor,
      origin: 'log2025-1.rekor.sigstore.dev',
    });
    assert.deepEqual(made, log);
    assert.throws(() => trustedLog({ ...made, publicKey: parsePublicKey(log.key) }), invalid);
  });

  it('an authority without a certificate cannot be made', () => {
    assert.throws(() => trustedAuthority('https://ca.example', [], {}), invalid);
  });
});

const document = (): { [name: string]: unknown } => JSON.parse(text(vector('services/trusted-root.json')));
/** The recorded document with the value at `path` replaced; undefined takes it out. */
function changed(path: string, value: unknown): Uint8Array {
  const root = document();
  const parts = path.split('.');
  let at: { [name: string]: unknown } = root;
  for (const part of parts.slice(0, -1)) at = at[part] as { [name: string]: unknown };
  at[parts.at(-1) ?? ''] = value;
  return utf8(JSON.stringify(root));
}

describe('a trusted root of another spelling', () => {
  for (const mediaType of [
    'application/vnd.dev.sigstore.trustedroot.v0.1+json',
    'application/vnd.dev.sigstore.trustedroot.v0.2+json',
  ]) {
    it(mediaType, () => {
      assert.equal(parseTrustedRoot(changed('mediaType', mediaType)).tlogs.length, 2);
    });
  }
  it('has fields of version 0.2, which are not written', () => {
    const bytes = changed('tlogs.0.checkpointKeyId', { keyId: 'AAAAAA==' });
    const root = parseTrustedRoot(bytes);
    assert.equal(hex(root.tlogs[0]?.checkpointKeyId ?? utf8('')), '00000000');
    assert.equal(text(encodeTrustedRoot(root)), text(vector('services/trusted-root.json')));
    assert.equal(
      parseTrustedRoot(changed('ctlogs.0.operator', 'example.com')).ctlogs[0]?.operator,
      'example.com',
    );
  });
  it('has original field names, numbers for names, and null for what is not there', () => {
    const root = document();
    const { certificateAuthorities: list, ...rest } = root;
    const bytes = utf8(JSON.stringify({ ...rest, certificate_authorities: list }));
    assert.equal(parseTrustedRoot(bytes).certificateAuthorities.length, 1);
    assert.equal(parseTrustedRoot(changed('ctlogs', null)).ctlogs.length, 0);
    const numbered = parseTrustedRoot(changed('tlogs.1.publicKey.keyDetails', 5));
    assert.equal(numbered.tlogs[1]?.keyDetails, 'PKIX_ECDSA_P256_SHA_256');
  });
  const times: Readonly<Record<string, string>> = {
    '2024-01-01T00:00:00.5Z': '2024-01-01T00:00:00.500Z',
    '2024-01-01T00:00:00.123456789Z': '2024-01-01T00:00:00.123Z',
    '2024-01-01T01:00:00+01:30': '2023-12-31T23:30:00.000Z',
    '2024-01-01T00:00:00-00:30': '2024-01-01T00:30:00.000Z',
    '0001-01-01T00:00:00Z': '0001-01-01T00:00:00.000Z',
  };
  for (const [given, read] of Object.entries(times)) {
    it(`has the time ${given}`, () => {
      const root = parseTrustedRoot(changed('tlogs.0.publicKey.validFor.start', given));
      assert.equal(root.tlogs[0]?.validFor.start.toISOString(), read);
    });
  }
});

describe('a trusted root that is refused', () => {
  const cases: Readonly<Record<string, Uint8Array>> = {
    media_type_absent_fail: changed('mediaType', undefined),
    media_type_fail: changed('mediaType', 'application/json'),
    signing_config_fail: vector('trust/signing-config-full.json'),
    list_fail: utf8('[]'),
    unknown_field_fail: changed('more', 1),
    unknown_log_field_fail: changed('tlogs.0.more', 1),
    both_spellings_fail: changed('certificate_authorities', []),
    logs_no_list_fail: changed('tlogs', {}),
    log_no_key_fail: changed('tlogs.0.publicKey', undefined),
    log_empty_key_fail: changed('tlogs.0.publicKey.rawBytes', ''),
    log_key_base64_fail: changed('tlogs.0.publicKey.rawBytes', '!'),
    log_key_url_base64_fail: changed('tlogs.0.publicKey.rawBytes', '_-8='),
    log_no_details_fail: changed('tlogs.0.publicKey.keyDetails', undefined),
    log_unspecified_details_fail: changed('tlogs.0.publicKey.keyDetails', 0),
    log_unknown_details_fail: changed('tlogs.0.publicKey.keyDetails', 'PKIX_SECRET'),
    log_inherited_details_fail: changed('tlogs.0.publicKey.keyDetails', 'toString'),
    log_no_start_fail: changed('tlogs.0.publicKey.validFor', {}),
    log_no_period_fail: changed('tlogs.0.publicKey.validFor', undefined),
    log_time_fail: changed('tlogs.0.publicKey.validFor.start', '2024-02-30T00:00:00Z'),
    log_time_zone_fail: changed('tlogs.0.publicKey.validFor.start', '2024-02-01T00:00:00'),
    log_time_leap_fail: changed('tlogs.0.publicKey.validFor.start', '2024-02-01T23:59:60Z'),
    log_time_offset_fail: changed('tlogs.0.publicKey.validFor.start', '2024-02-01T00:00:00+24:00'),
    log_time_year_0_fail: changed('tlogs.0.publicKey.validFor.start', '0000-01-01T00:00:00Z'),
    log_time_before_year_1_fail: changed('tlogs.0.publicKey.validFor.start', '0001-01-01T00:00:00+01:00'),
    log_time_digits_fail: changed('tlogs.0.publicKey.validFor.start', '2024-01-01T00:00:00.0123456789Z'),
    log_time_number_fail: changed('tlogs.0.publicKey.validFor.start', 1),
    log_no_id_fail: changed('tlogs.0.logId', undefined),
    log_empty_id_fail: changed('tlogs.0.logId.keyId', ''),
    log_hash_fail: changed('tlogs.0.hashAlgorithm', 'SHA2_512'),
    log_no_hash_fail: changed('tlogs.0.hashAlgorithm', undefined),
    authority_no_chain_fail: changed('certificateAuthorities.0.certChain', undefined),
    authority_empty_chain_fail: changed('certificateAuthorities.0.certChain.certificates', []),
    authority_empty_certificate_fail: changed('timestampAuthorities.0.certChain.certificates', [{}]),
    authority_subject_fail: changed('timestampAuthorities.0.subject', 'CN=x'),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(name, () => assert.throws(() => parseTrustedRoot(bytes), invalid));
  }
  const others: Readonly<Record<string, readonly [Uint8Array, ErrorCode]>> = {
    text_fail: [utf8('trusted'), 'ERR_JSON_INVALID'],
    twice_fail: [utf8('{"tlogs":[],"tlogs":[]}'), 'ERR_JSON_INVALID'],
    too_large_fail: [new Uint8Array(4_194_305), 'ERR_LIMIT_EXCEEDED'],
    too_many_fail: [
      changed(
        'tlogs',
        Array.from({ length: 1_001 }, () => ({})),
      ),
      'ERR_LIMIT_EXCEEDED',
    ],
    long_chain_fail: [
      changed(
        'certificateAuthorities.0.certChain.certificates',
        Array.from({ length: 17 }, () => ({ rawBytes: 'AA==' })),
      ),
      'ERR_LIMIT_EXCEEDED',
    ],
  };
  for (const [name, [bytes, code]] of Object.entries(others)) {
    it(name, () =>
      assert.throws(
        () => parseTrustedRoot(bytes),
        (error) => isBoltsealError(error, code),
      ),
    );
  }
});

const bytesOf = fc.uint8Array({ minLength: 1, maxLength: 40 });
const date = fc.date({
  min: new Date('0001-01-02T00:00:00Z'),
  max: new Date('9999-12-30T00:00:00Z'),
  noInvalidDate: true,
});
const end = fc.oneof(
  fc.constant({}),
  date.map((value) => ({ end: value })),
);
const log = fc.record(
  {
    baseUrl: fc.string(),
    key: bytesOf,
    keyDetails: fc.constantFrom(
      'PKIX_ED25519' as const,
      'PKIX_ECDSA_P256_SHA_256' as const,
      'ML_DSA_44' as const,
    ),
    validFor: fc.tuple(date, end).map(([start, rest]) => ({ start, ...rest })),
    logId: bytesOf,
  },
  { noNullPrototype: true },
);
const authority = fc.record(
  {
    organization: fc.string(),
    commonName: fc.string(),
    uri: fc.string(),
    chain: fc.array(bytesOf, { minLength: 1, maxLength: 3 }),
    validFor: fc.oneof(
      end,
      date.map((start) => ({ start })),
    ),
  },
  { noNullPrototype: true },
);
const anyRoot = fc.record(
  {
    tlogs: fc.array(log, { maxLength: 2 }),
    certificateAuthorities: fc.array(authority, { maxLength: 2 }),
    ctlogs: fc.array(log, { maxLength: 2 }),
    timestampAuthorities: fc.array(authority, { maxLength: 2 }),
  },
  { noNullPrototype: true },
);

it('every trusted root is read as it was written', () => {
  fc.assert(
    fc.property(anyRoot, (root) => assert.deepEqual(parseTrustedRoot(encodeTrustedRoot(root)), root)),
    { numRuns: 200 },
  );
});

it('hostile trusted roots give an answer or an error of ours', () => {
  const refused = (bytes: Uint8Array): void => {
    try {
      parseTrustedRoot(bytes);
    } catch (error) {
      assert.ok(isBoltsealError(error) && error.code !== 'ERR_INTERNAL', String(error));
    }
  };
  const sample = Buffer.from(vector('services/trusted-root.json'));
  fc.assert(
    fc.property(fc.nat(sample.length - 1), fc.integer({ min: 32, max: 126 }), (at, value) => {
      const bytes = new Uint8Array(sample);
      bytes[at] = value;
      refused(bytes);
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.jsonValue(), (value) => refused(utf8(JSON.stringify(value)))));
  const paths = fc.constantFrom(
    'tlogs',
    'tlogs.0',
    'ctlogs.0.publicKey',
    'timestampAuthorities.0.certChain',
    'tlogs.0.logId',
  );
  fc.assert(fc.property(paths, fc.jsonValue(), (path, value) => refused(changed(path, value))));
});

it('the ends of a period belong to it', () => {
  const start = new Date('2026-01-01T00:00:00Z');
  const last = new Date('2026-02-01T00:00:00Z');
  const at = (time: Date, shift = 0): boolean =>
    isWithin({ start, end: last }, new Date(time.getTime() + shift));
  assert.deepEqual([at(start), at(start, -1), at(last), at(last, 1)], [true, false, true, false]);
  assert.equal(isWithin({}, start), true);
});
