import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { fromUtf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { parseBundle } from './bundle.ts';
import {
  type EntryKeyDetails,
  type EntryV2,
  encodeEntryV2,
  encodeTransparencyLogEntry,
  entryAlgorithms,
  parseEntryRequestV2,
  parseEntryV2,
  type SignatureV2,
} from './log-entry-v2.ts';

const bytes = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: max });
const signatureWith = (details: EntryKeyDetails): fc.Arbitrary<SignatureV2> =>
  fc.record({
    signature: bytes(80),
    verifier: fc.record(
      {
        kind: fc.constantFrom('certificate' as const, 'publicKey' as const),
        der: bytes(100),
        keyDetails: fc.constant(details),
      },
      { noNullPrototype: true },
    ),
  });
const anyDetails = fc.constantFrom(...(Object.keys(entryAlgorithms) as EntryKeyDetails[]));
const anyEntry: fc.Arbitrary<EntryV2> = fc.oneof(
  anyDetails.chain((details) => {
    const length = Number(entryAlgorithms[details].hash.slice(3)) / 8;
    return fc
      .tuple(signatureWith(details), fc.uint8Array({ minLength: length, maxLength: length }))
      .map(([signature, digest]) => ({ kind: 'hashedrekord' as const, digest, ...signature }));
  }),
  fc.record({
    kind: fc.constant('dsse' as const),
    payloadHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    signatures: fc.array(anyDetails.chain(signatureWith), { minLength: 1, maxLength: 10 }),
  }),
);

describe('entries of Rekor v2', () => {
  it('have canonical bodies, which are read as what they were', () => {
    fc.assert(
      fc.property(anyEntry, (entry) => {
        const body = encodeEntryV2(entry);
        const text = fromUtf8(body, 'x');
        assert.equal(text, canonicalize(JSON.parse(text)));
        const read = parseEntryV2(body, 'x');
        assert.deepEqual(encodeEntryV2(read), body);
        if (entry.kind !== 'dsse') assert.deepEqual(read, entry);
      }),
      { numRuns: 300 },
    );
  });

  it('and answers are those that the real server made', () => {
    const { request, response } = transcripts().get('rekor2 ok') ?? assert.fail();
    const answer = JSON.parse(response) as Record<string, Json>;
    const proposal = parseEntryRequestV2(JSON.parse(request) as Json, 'x');
    assert.ok(proposal?.kind === 'hashedrekord');
    const body = encodeEntryV2(proposal);
    assert.equal(Buffer.from(body).toString('base64'), answer['canonicalizedBody']);
    const proof = answer['inclusionProof'] as Record<string, string & string[]>;
    const decode = (text: string | undefined): Uint8Array =>
      new Uint8Array(Buffer.from(text ?? '', 'base64'));
    const ours = encodeTransparencyLogEntry({
      logIndex: 1,
      logId: decode((answer['logId'] as Record<string, string>)['keyId']),
      kind: 'hashedrekord',
      rootHash: decode(proof['rootHash']),
      treeSize: 2,
      hashes: (proof['hashes'] ?? []).map(decode),
      checkpoint: (answer['inclusionProof'] as { checkpoint: { envelope: string } }).checkpoint.envelope,
      canonicalizedBody: body,
    });
    assert.deepEqual(JSON.parse(fromUtf8(ours, 'x')), answer);
    // Only white space differs, which Go chooses at random.
    assert.equal(fromUtf8(ours, 'x'), JSON.stringify(answer));
  });

  it('are read from bundles', () => {
    for (const name of ['blob-keyless-rekor2.bundle.json', 'key-tlog-sc-v2.bundle.json']) {
      const { logEntries } = parseBundle(vector(name), name).material;
      assert.equal(logEntries.length, 1);
      for (const { canonicalizedBody } of logEntries) {
        assert.deepEqual(encodeEntryV2(parseEntryV2(canonicalizedBody, name)), canonicalizedBody);
      }
    }
  });

  it('are never read from anything else, and the errors are ours', () => {
    fc.assert(
      fc.property(anyEntry, fc.nat(), fc.nat(255), (entry, at, value) => {
        const body = [...encodeEntryV2(entry)];
        body[at % body.length] = value;
        try {
          const read = parseEntryV2(Uint8Array.from(body), 'x');
          const again = encodeEntryV2(read);
          assert.deepEqual(encodeEntryV2(parseEntryV2(again, 'x')), again);
        } catch (error) {
          assert.ok(
            isBoltsealError(
              error,
              'ERR_LOG_ENTRY_INVALID',
              'ERR_JSON_INVALID',
              'ERR_ENCODING_INVALID',
              'ERR_LIMIT_EXCEEDED',
            ),
            String(error),
          );
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** A proposal with the value at `path` changed; undefined removes it. */
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

const digest = Buffer.alloc(32, 1).toString('base64');
const verifier = { publicKey: { rawBytes: 'AAAA' }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
const hashedrekord = { hashedRekordRequestV002: { digest, signature: { content: 'AAAA', verifier } } };
const dsse = {
  dsseRequestV002: {
    envelope: { payload: 'AAAA', payloadType: 'x', signatures: [{ sig: 'AAAA', keyid: '' }] },
    verifiers: [verifier],
  },
};

describe('proposals to Rekor v2', () => {
  it('are read, also with names and numbers as protobuf has them', () => {
    const usual = parseEntryRequestV2(hashedrekord as Json, 'x');
    const original = {
      hashed_rekord_request_v002: {
        digest,
        signature: {
          content: 'AAAA',
          verifier: { public_key: { raw_bytes: 'AAAA' }, x509Certificate: null, key_details: 5 },
        },
      },
      dsseRequestV002: null,
    };
    assert.deepEqual(parseEntryRequestV2(original, 'x'), usual);
    assert.equal(parseEntryRequestV2(dsse as Json, 'x')?.kind, 'dsse');
    assert.equal(parseEntryRequestV2({}, 'x'), undefined);
  });

  const at = 'hashedRekordRequestV002';
  const wrong: Readonly<Record<string, Json>> = {
    null_fail: null,
    list_fail: [],
    text_fail: 'x',
    unknown_field_fail: changed(hashedrekord, 'more', 1),
    unknown_inner_field_fail: changed(hashedrekord, `${at}.more`, 1),
    two_kinds_fail: { ...hashedrekord, ...dsse } as Json,
    no_digest_fail: changed(hashedrekord, `${at}.digest`, undefined),
    short_digest_fail: changed(hashedrekord, `${at}.digest`, 'YWE='),
    long_digest_fail: changed(hashedrekord, `${at}.digest`, Buffer.alloc(48).toString('base64')),
    digest_hex_fail: changed(hashedrekord, `${at}.digest`, 'ab'.repeat(32)),
    digest_number_fail: changed(hashedrekord, `${at}.digest`, 7),
    no_signature_fail: changed(hashedrekord, `${at}.signature`, undefined),
    empty_signature_fail: changed(hashedrekord, `${at}.signature.content`, ''),
    no_verifier_fail: changed(hashedrekord, `${at}.signature.verifier`, null),
    no_details_fail: changed(hashedrekord, `${at}.signature.verifier.keyDetails`, undefined),
    pure_ed25519_fail: changed(hashedrekord, `${at}.signature.verifier.keyDetails`, 'PKIX_ED25519'),
    weak_details_fail: changed(hashedrekord, `${at}.signature.verifier.keyDetails`, 'PKIX_RSA_PSS'),
    details_of_object_fail: changed(hashedrekord, `${at}.signature.verifier.keyDetails`, 'constructor'),
    details_number_fail: changed(hashedrekord, `${at}.signature.verifier.keyDetails`, 7),
    no_key_fail: changed(hashedrekord, `${at}.signature.verifier.publicKey`, undefined),
    key_and_certificate_fail: changed(hashedrekord, `${at}.signature.verifier.x509Certificate`, {
      rawBytes: 'AAAA',
    }),
    empty_key_fail: changed(hashedrekord, `${at}.signature.verifier.publicKey.rawBytes`, ''),
    no_envelope_fail: changed(dsse, 'dsseRequestV002.envelope', undefined),
    no_signatures_fail: changed(dsse, 'dsseRequestV002.envelope.signatures', []),
    no_verifiers_fail: changed(dsse, 'dsseRequestV002.verifiers', []),
    too_many_signatures_fail: changed(
      dsse,
      'dsseRequestV002.envelope.signatures',
      Array.from({ length: 11 }, () => ({ sig: 'AAAA' })),
    ),
  };
  for (const [name, proposal] of Object.entries(wrong)) {
    it(name, () => {
      assert.throws(() => parseEntryRequestV2(proposal, 'x'), { code: 'ERR_LOG_ENTRY_INVALID' });
    });
  }

  it('too_many_verifiers_fail', () => {
    const many = changed(
      dsse,
      'dsseRequestV002.verifiers',
      Array.from({ length: 11 }, () => verifier),
    );
    assert.throws(() => parseEntryRequestV2(many, 'x'), { code: 'ERR_LIMIT_EXCEEDED' });
  });
});
