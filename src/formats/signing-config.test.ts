import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SigningConfig as ProtobufSigningConfig } from '@sigstore/protobuf-specs';
import fc from 'fast-check';
import { vector } from '../../test/vectors/vectors.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { encodeSigningConfig, parseSigningConfig, type SigningConfig } from './signing-config.ts';

const text = (bytes: Uint8Array): string => fromUtf8(bytes, 'x');
const invalid = (error: unknown): boolean => isBoltsealError(error, 'ERR_TRUSTED_ROOT_INVALID');
const names = [
  'signing-config-full.json',
  'signing-config-none.json',
  'signing-config-v1.json',
  'signing-config-v2.json',
  'signing-config-private-rekor1.json',
  'signing-config-private-rekor2.json',
].map((name) => `trust/${name}`);

describe('signing configurations', () => {
  for (const name of names) {
    it(`by cosign are written again byte for byte: ${name}`, () => {
      assert.equal(text(encodeSigningConfig(parseSigningConfig(vector(name)))), text(vector(name)).trim());
    });
  }

  it('of the public instance are read', () => {
    const config = parseSigningConfig(vector('trust/public-good-signing_config.v0.2.json'));
    assert.deepEqual(config.ca, [
      {
        url: 'https://fulcio.sigstore.dev',
        majorApiVersion: 1,
        validFor: { start: new Date('2022-04-13T20:06:15Z') },
        operator: 'sigstore.dev',
      },
    ]);
    assert.deepEqual(config.rekor.selector, { selector: 'ANY' });
    assert.deepEqual(parseSigningConfig(encodeSigningConfig(config)), config);
  });

  it('with empty selectors name no service', () => {
    const config = parseSigningConfig(vector('trust/signing-config-empty.json'));
    assert.deepEqual(config, { ca: [], oidc: [], rekor: { services: [] }, tsa: { services: [] } });
    assert.equal(text(encodeSigningConfig(config)), text(vector('trust/signing-config-none.json')).trim());
    assert.equal(
      text(encodeSigningConfig(config, { emptySelectors: true })),
      text(vector('trust/signing-config-empty.json')).trim(),
    );
  });

  it('are read by the generated code of the protocol', () => {
    const config = parseSigningConfig(vector('trust/signing-config-full.json'));
    const theirs = ProtobufSigningConfig.fromJSON(JSON.parse(text(encodeSigningConfig(config))));
    assert.deepEqual(
      theirs.rekorTlogUrls.map(({ url, majorApiVersion }) => [url, majorApiVersion]),
      config.rekor.services.map(({ url, majorApiVersion }) => [url, majorApiVersion]),
    );
    assert.equal(theirs.rekorTlogConfig?.count, 1);
  });
});

const mediaType = 'application/vnd.dev.sigstore.signingconfig.v0.2+json';
const document = (fields: object): Uint8Array => utf8(JSON.stringify({ mediaType, ...fields }));
const url = 'https://service.example';

describe('a signing configuration that is refused', () => {
  const cases: Readonly<Record<string, Uint8Array>> = {
    media_type_absent_fail: utf8('{}'),
    media_type_v1_fail: document({ mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.1+json' }),
    trusted_root_fail: vector('services/trusted-root.json'),
    unknown_field_fail: document({ more: [] }),
    unknown_service_field_fail: document({ caUrls: [{ url, more: 1 }] }),
    tsa_without_selector_fail: document({ tsaUrls: [{ url }] }),
    tsa_with_empty_selector_fail: document({ tsaUrls: [{ url }], tsaConfig: {} }),
    tsa_undefined_selector_fail: document({ tsaUrls: [{ url }], tsaConfig: { selector: 0 } }),
    tsa_selector_without_services_fail: document({ tsaConfig: { selector: 'ANY' } }),
    rekor_without_selector_fail: document({ rekorTlogUrls: [{ url }] }),
    rekor_selector_without_services_fail: document({ rekorTlogConfig: { selector: 'ALL' } }),
    selector_unknown_fail: document({ tsaUrls: [{ url }], tsaConfig: { selector: 'SOME' } }),
    exact_without_count_fail: document({ tsaUrls: [{ url }], tsaConfig: { selector: 'EXACT' } }),
    count_without_exact_fail: document({ tsaUrls: [{ url }], tsaConfig: { selector: 'ANY', count: 1 } }),
    count_negative_fail: document({ tsaUrls: [{ url }], tsaConfig: { selector: 'EXACT', count: -1 } }),
    count_large_fail: document({ tsaUrls: [{ url }], tsaConfig: { selector: 'EXACT', count: 4294967296 } }),
    url_absent_fail: document({ caUrls: [{}] }),
    url_scheme_fail: document({ caUrls: [{ url: 'file:///etc/passwd' }] }),
    url_host_fail: document({ caUrls: [{ url: 'https:///x' }] }),
    version_fraction_fail: document({ caUrls: [{ url, majorApiVersion: 1.5 }] }),
    version_negative_fail: document({ caUrls: [{ url, majorApiVersion: -1 }] }),
    start_fail: document({ caUrls: [{ url, validFor: { start: 'yesterday' } }] }),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(name, () => assert.throws(() => parseSigningConfig(bytes), invalid));
  }
  it('too_large_fail', () => {
    assert.throws(
      () => parseSigningConfig(new Uint8Array(1_048_577)),
      (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
    );
  });
  it('written_without_selector_fail', () => {
    const config = parseSigningConfig(vector('trust/signing-config-v1.json'));
    const { services } = config.tsa;
    assert.throws(() => encodeSigningConfig({ ...config, tsa: { services } }), invalid);
    const rekor = { services: [], selector: { selector: 'ANY' as const } };
    assert.throws(() => encodeSigningConfig({ ...config, rekor }), invalid);
  });
});

const year = fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-30'), noInvalidDate: true });
const service = fc.record(
  {
    url: fc.webUrl(),
    majorApiVersion: fc.nat(),
    validFor: fc.oneof(
      fc.constant({}),
      year.map((start) => ({ start })),
      year.map((end) => ({ end })),
    ),
    operator: fc.string(),
  },
  { noNullPrototype: true },
);
const set = fc.oneof(
  fc.constant({ services: [] }),
  fc
    .tuple(fc.array(service, { minLength: 1, maxLength: 3 }), fc.constantFrom('ANY' as const, 'ALL' as const))
    .map(([services, selector]) => ({ services, selector: { selector } })),
  fc
    .tuple(fc.array(service, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 9 }))
    .map(([services, count]) => ({ services, selector: { selector: 'EXACT' as const, count } })),
);
const anyConfig: fc.Arbitrary<SigningConfig> = fc.record(
  {
    ca: fc.array(service, { maxLength: 2 }),
    oidc: fc.array(service, { maxLength: 2 }),
    rekor: set,
    tsa: set,
  },
  { noNullPrototype: true },
);

it('every signing configuration is read as it was written', () => {
  fc.assert(
    fc.property(anyConfig, (config) =>
      assert.deepEqual(parseSigningConfig(encodeSigningConfig(config)), config),
    ),
    { numRuns: 200 },
  );
});

it('hostile signing configurations give an answer or an error of ours', () => {
  const refused = (bytes: Uint8Array): void => {
    try {
      parseSigningConfig(bytes);
    } catch (error) {
      assert.ok(isBoltsealError(error) && error.code !== 'ERR_INTERNAL', String(error));
    }
  };
  const sample = vector('trust/signing-config-full.json');
  fc.assert(
    fc.property(fc.nat(sample.length - 1), fc.integer({ min: 32, max: 126 }), (at, value) => {
      const bytes = new Uint8Array(sample);
      bytes[at] = value;
      refused(bytes);
    }),
    { numRuns: 500 },
  );
  const keys = fc.constantFrom('caUrls', 'tsaUrls', 'tsaConfig', 'rekorTlogUrls', 'rekorTlogConfig');
  fc.assert(fc.property(keys, fc.jsonValue(), (key, value) => refused(document({ [key]: value }))));
});
