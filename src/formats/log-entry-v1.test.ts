import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { parseBundle } from './bundle.ts';
import { type EntryV1, encodeEntryV1, parseEntryRequestV1, parseEntryV1 } from './log-entry-v1.ts';

const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: max });
const digest = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const some = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { minLength: 1, maxLength: 10 });

/** Any entry. Texts have everything that canonical JSON escapes or does not escape. */
const anyText = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
const anyEntry: fc.Arbitrary<EntryV1> = fc.oneof(
  fc
    .constantFrom(['sha256', 32] as const, ['sha384', 48] as const, ['sha512', 64] as const)
    .chain(([hash, length]) =>
      fc.record({
        kind: fc.constant('hashedrekord' as const),
        hash: fc.constant(hash),
        digest: digest(length),
        signature: bytes(80),
        verifier: bytes(200),
      }),
    ),
  fc.record({
    kind: fc.constant('dsse' as const),
    envelopeHash: digest(32),
    payloadHash: digest(32),
    signatures: some(fc.record({ signature: bytes(80), verifier: bytes(100) })),
  }),
  fc.record({
    kind: fc.constant('intoto' as const),
    payloadType: anyText,
    signatures: some(
      fc.record(
        { signature: bytes(80), verifier: bytes(100), keyId: anyText },
        { requiredKeys: ['signature', 'verifier'], noNullPrototype: true },
      ),
    ),
    envelopeHash: digest(32),
    payloadHash: digest(32),
  }),
);

const parsed = (body: Uint8Array): Json => JSON.parse(fromUtf8(body, 'x')) as Json;

describe('entries of Rekor v1', () => {
  it('have canonical bodies, which are read as what they were', () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const body = encodeEntryV1(entry);
        assert.equal(fromUtf8(body, 'x'), canonicalize(parsed(body)));
        const read = parseEntryV1(body, 'x');
        assert.deepEqual(encodeEntryV1(read), body);
        if (entry.kind !== 'dsse') assert.deepEqual(read, { ...entry });
      }),
      { numRuns: 300 },
    );
  });

  it('are those that the real server made', () => {
    const { request, response } = transcripts().get('rekor1 ok') ?? assert.fail();
    const [answer] = Object.values(JSON.parse(response) as Record<string, { body: string }>);
    const proposal = parseEntryRequestV1(JSON.parse(request) as Json, 'x');
    assert.ok(proposal.kind === 'hashedrekord');
    assert.equal(Buffer.from(encodeEntryV1(proposal)).toString('base64'), answer?.body);
  });

  it('are read from bundles', () => {
    const kinds: string[] = [];
    for (const name of [
      'services/keyless-v1.bundle.0.json',
      'services/sg-v1.b.json',
      'keyless-sc-v1.bundle.json',
    ]) {
      for (const { canonicalizedBody } of parseBundle(vector(name), name).material.logEntries) {
        const entry = parseEntryV1(canonicalizedBody, name);
        kinds.push(entry.kind);
        assert.deepEqual(encodeEntryV1(entry), canonicalizedBody);
      }
    }
    assert.deepEqual(kinds.sort(), ['dsse', 'dsse', 'hashedrekord']);
  });

  it('are never read from anything else, and the errors are ours', () => {
    const sample = utf8('{"apiVersion":"0.0.1"}');
    fc.assert(
      fc.property(anyEntry, fc.nat(), fc.nat(255), fc.nat(2), (entry, at, value, kind) => {
        const body = kind === 0 ? [...sample] : [...encodeEntryV1(entry)];
        body[at % body.length] = value;
        try {
          const read = parseEntryV1(Uint8Array.from(body), 'x');
          const again = encodeEntryV1(read);
          assert.deepEqual(encodeEntryV1(parseEntryV1(again, 'x')), again);
        } catch (error) {
          assert.ok(
            isBoltsealError(error, 'ERR_LOG_ENTRY_INVALID', 'ERR_JSON_INVALID', 'ERR_ENCODING_INVALID'),
            String(error),
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** A proposal by path: `spec.data.hash` = value; undefined removes. */
function changed(proposal: object, path: string, value: unknown): Json {
  const copy = structuredClone(proposal) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop() ?? '';
  let place = copy;
  for (const name of names) place = place[name] as Record<string, unknown>;
  if (value === undefined) delete place[last];
  else place[last] = value;
  return copy as Json;
}

const b64 = (text: string): string => Buffer.from(text).toString('base64');
const hashValue = { algorithm: 'sha256', value: 'ab'.repeat(32) };
const hashedrekord = {
  apiVersion: '0.0.1',
  kind: 'hashedrekord',
  spec: { data: { hash: hashValue }, signature: { content: 'AAAA', publicKey: { content: b64('pem') } } },
};
const dsse = {
  apiVersion: '0.0.1',
  kind: 'dsse',
  spec: { proposedContent: { envelope: '{}', verifiers: [b64('pem')] }, signatures: null },
};
const loggedDsse = {
  ...dsse,
  spec: {
    envelopeHash: hashValue,
    payloadHash: hashValue,
    signatures: [{ signature: 'AAAA', verifier: b64('pem') }],
  },
};
const intoto = {
  apiVersion: '0.0.2',
  kind: 'intoto',
  spec: {
    content: {
      envelope: {
        payload: b64(b64('{}')),
        payloadType: 'x',
        signatures: [{ keyid: '', publicKey: b64('pem'), sig: b64('AAAA') }],
      },
      hash: hashValue,
      payloadHash: hashValue,
    },
  },
};

describe('proposals to Rekor v1', () => {
  it('are read', () => {
    const read = [hashedrekord, dsse, loggedDsse, intoto].map((proposal) =>
      parseEntryRequestV1(proposal as Json, 'x'),
    );
    assert.deepEqual(read[1], { kind: 'dsse', envelope: '{}', verifiers: [utf8('pem')] });
    assert.deepEqual(read[3], {
      kind: 'intoto',
      envelope: { payload: utf8('{}'), payloadType: 'x', signatures: [{ signature: new Uint8Array(3) }] },
      verifiers: [utf8('pem')],
      envelopeHash: new Uint8Array(32).fill(0xab),
    });
    const logged = parseEntryRequestV1(changed(intoto, 'spec.content.envelope.payload', undefined), 'x');
    assert.ok(logged.kind === 'intoto' && 'payloadHash' in logged);
  });

  const many = Array.from({ length: 11 }, () => b64('pem'));
  const wrong: Readonly<Record<string, Json>> = {
    null_fail: null,
    list_fail: [],
    text_fail: 'x',
    no_kind_fail: changed(dsse, 'kind', undefined),
    other_kind_fail: changed(dsse, 'kind', 'rekord'),
    kind_number_fail: changed(dsse, 'kind', 5),
    kind_of_object_fail: changed(dsse, 'kind', 'constructor'),
    version_fail: changed(dsse, 'apiVersion', '0.0.2'),
    intoto_version_fail: changed(intoto, 'apiVersion', '0.0.1'),
    no_spec_fail: changed(dsse, 'spec', undefined),
    unknown_field_fail: changed(dsse, 'more', 1),
    unknown_spec_field_fail: changed(hashedrekord, 'spec.more', 1),
    hash_algorithm_fail: changed(hashedrekord, 'spec.data.hash.algorithm', 'sha1'),
    hash_short_fail: changed(hashedrekord, 'spec.data.hash.value', 'ab'.repeat(31)),
    hash_long_fail: changed(hashedrekord, 'spec.data.hash.value', 'ab'.repeat(48)),
    hash_upper_fail: changed(hashedrekord, 'spec.data.hash.value', 'AB'.repeat(32)),
    hash_not_hex_fail: changed(hashedrekord, 'spec.data.hash.value', 'xy'.repeat(32)),
    hash_number_fail: changed(hashedrekord, 'spec.data.hash.value', 7),
    no_hash_fail: changed(hashedrekord, 'spec.data.hash', null),
    signature_not_base64_fail: changed(hashedrekord, 'spec.signature.content', 'A'),
    signature_url_base64_fail: changed(hashedrekord, 'spec.signature.content', '_-_-'),
    signature_empty_fail: changed(hashedrekord, 'spec.signature.content', ''),
    signature_object_fail: changed(hashedrekord, 'spec.signature.content', {}),
    no_key_fail: changed(hashedrekord, 'spec.signature.publicKey', undefined),
    mixed_hash_fail: changed(dsse, 'spec.payloadHash', hashValue),
    mixed_envelope_hash_fail: changed(dsse, 'spec.envelopeHash', hashValue),
    mixed_signatures_fail: changed(dsse, 'spec.signatures', loggedDsse.spec.signatures),
    nothing_proposed_fail: changed(dsse, 'spec.proposedContent', null),
    envelope_not_text_fail: changed(dsse, 'spec.proposedContent.envelope', {}),
    no_verifiers_fail: changed(dsse, 'spec.proposedContent.verifiers', []),
    too_many_verifiers_fail: changed(dsse, 'spec.proposedContent.verifiers', many),
    logged_without_payload_hash_fail: changed(loggedDsse, 'spec.payloadHash', undefined),
    logged_without_signatures_fail: changed(loggedDsse, 'spec.signatures', []),
    logged_hash_fail: changed(loggedDsse, 'spec.envelopeHash.algorithm', 'sha512'),
    intoto_no_hash_fail: changed(intoto, 'spec.content.hash', undefined),
    intoto_payload_once_fail: changed(intoto, 'spec.content.envelope.payload', b64('{}')),
    intoto_sig_once_fail: changed(intoto, 'spec.content.envelope.signatures.0.sig', b64('not base64!')),
    intoto_no_payload_type_fail: changed(intoto, 'spec.content.envelope.payloadType', ''),
    intoto_half_a_pair_fail: changed(intoto, 'spec.content.envelope.payloadType', '\ud800'),
    intoto_keyid_fail: changed(intoto, 'spec.content.envelope.signatures.0.keyid', 3),
    intoto_payload_hash_fail: changed(intoto, 'spec.content.payloadHash', { algorithm: 'sha256' }),
  };
  for (const [name, proposal] of Object.entries(wrong)) {
    it(name, () => {
      assert.throws(() => parseEntryRequestV1(proposal, 'x'), { code: 'ERR_LOG_ENTRY_INVALID' });
    });
  }
});
