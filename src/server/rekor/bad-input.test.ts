/** Bad input to both versions of Rekor: the API's own kind of error, nothing stored, no crash. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Answer,
  ask,
  base64,
  certificateOf,
  dsseV1,
  dsseV2,
  hashedRekordV1,
  hashedRekordV2,
  intotoV1,
  newLogV2,
  newPair,
  newShard,
  type Pair,
  type Proposal,
} from '../../../test/support/rekor.ts';
import type { Releases } from '../../../test/support/temporary.ts';
import { BoltsealError, type ErrorCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Service } from '../http/service.ts';
import type { TransparencyLog } from '../log/log.ts';
import { createRekorV1 } from './rekor-v1.ts';
import { createRekorV2 } from './rekor-v2.ts';

/** One version: how it is asked and how it refuses. */
interface Version {
  readonly service: Service;
  readonly log: TransparencyLog;
  /** `/api/v1/log/entries` */
  readonly entries: string;
  checkRefusal(answer: Answer, status: number): void;
}

async function version1(releases: Releases): Promise<Version> {
  const shard = await newShard(releases, 77n);
  return {
    service: createRekorV1({ shards: [shard] }),
    log: shard.log,
    entries: '/api/v1/log/entries',
    checkRefusal(answer, status) {
      assert.equal(answer.status, status, answer.text);
      assert.deepEqual(Object.keys(answer.json), ['code', 'message']);
      if (status !== 422) assert.equal(answer.json.code, status);
    },
  };
}

async function version2(releases: Releases): Promise<Version> {
  const { log, logId } = await newLogV2(releases);
  return {
    service: createRekorV2({ log, logId, allowDsse: true }),
    log,
    entries: '/api/v2/log/entries',
    checkRefusal(answer, status) {
      assert.equal(answer.status, status, answer.text);
      const { code, details } = answer.json;
      const codes: Readonly<Record<number, number>> = { 400: 3, 404: 5, 405: 12, 413: 8, 503: 14, 500: 13 };
      assert.deepEqual(
        [Object.keys(answer.json), code, details],
        [['code', 'message', 'details'], codes[status], []],
      );
    },
  };
}

/** A copy of `proposal` with `change` made to it. */
function changed(proposal: Proposal, change: (copy: Proposal) => void): Proposal {
  const copy = structuredClone(proposal);
  change(copy);
  return copy;
}

const signature1 = (proposal: Proposal): Proposal => proposal['spec'].signature;
const content1 = (proposal: Proposal): Proposal => proposal['spec'].proposedContent;
const record2 = (proposal: Proposal): Proposal => proposal['hashedRekordRequestV002'];
const dsse2 = (proposal: Proposal): Proposal => proposal['dsseRequestV002'];

/** Proposals to v1 that must not be logged. */
function badProposals1(pair: Pair, other: Pair): Readonly<Record<string, Proposal | string>> {
  const record = hashedRekordV1(pair);
  const dsse = dsseV1([pair]);
  const intoto = intotoV1([pair]);
  const withKey = (pem: string): Proposal =>
    changed(record, (copy) => {
      signature1(copy)['publicKey'].content = base64(pem);
    });
  const { pem: certificate } = certificateOf(pair, [{ type: 'email', value: 'a@example.com' }]);
  const withEnvelope = (change: (envelope: Proposal) => void): Proposal =>
    changed(dsse, (copy) => {
      content1(copy)['envelope'] = JSON.stringify(changed(JSON.parse(content1(copy)['envelope']), change));
    });
  return {
    wrong_signature_fail: changed(record, (copy) => {
      signature1(copy)['content'] = signature1(hashedRekordV1(pair))['content'];
    }),
    wrong_digest_fail: changed(record, (copy) => {
      copy['spec'].data.hash.value = '0'.repeat(64);
    }),
    wrong_key_fail: withKey(other.pem),
    signature_garbage_fail: changed(record, (copy) => {
      signature1(copy)['content'] = base64(randomBytes(70));
    }),
    private_key_fail: withKey(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    weak_rsa_fail: hashedRekordV1(newPair('rsa1024')),
    other_curve_fail: hashedRekordV1(newPair('secp224r1')),
    bitcoin_curve_fail: hashedRekordV1(newPair('secp256k1')),
    hash_of_another_curve_fail: hashedRekordV1(newPair('secp384r1'), 'sha256'),
    longer_hash_fail: hashedRekordV1(pair, 'sha512'),
    not_pem_fail: withKey('zzz'),
    empty_pem_fail: withKey('-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'),
    two_keys_fail: withKey(pair.pem + pair.pem),
    chain_fail: withKey(certificate + certificate),
    cut_certificate_fail: withKey(certificate.replace(/\n[^\n]+\n-----END/, '\n-----END')),
    certificate_of_another_key_fail: withKey(certificateOf(other, [{ type: 'dns', value: 'x' }]).pem),
    unsupported_kind_fail: { ...record, kind: 'rekord' },
    no_kind_fail: { apiVersion: '0.0.1', spec: {} },
    mixed_fail: changed(dsse, (copy) => {
      copy['spec'].payloadHash = { algorithm: 'sha256', value: 'ab'.repeat(32) };
    }),
    logged_body_fail: {
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: {
        envelopeHash: { algorithm: 'sha256', value: 'ab'.repeat(32) },
        payloadHash: { algorithm: 'sha256', value: 'ab'.repeat(32) },
        signatures: [{ signature: 'AAAA', verifier: base64(pair.pem) }],
      },
    },
    envelope_not_json_fail: changed(dsse, (copy) => {
      content1(copy)['envelope'] = '{';
    }),
    envelope_changed_fail: withEnvelope((envelope) => {
      envelope['payload'] = base64('{}');
    }),
    envelope_type_changed_fail: withEnvelope((envelope) => {
      envelope['payloadType'] = 'text/plain';
    }),
    envelope_unsigned_fail: withEnvelope((envelope) => {
      envelope['signatures'] = [];
    }),
    envelope_one_signature_more_fail: withEnvelope((envelope) => {
      envelope['signatures'].push({ sig: base64(randomBytes(70)) });
    }),
    verifier_of_another_fail: changed(dsse, (copy) => {
      content1(copy)['verifiers'] = [base64(other.pem)];
    }),
    verifier_garbage_beside_a_good_one_fail: changed(dsse, (copy) => {
      content1(copy)['verifiers'].push(base64('x'));
    }),
    intoto_changed_fail: changed(intoto, (copy) => {
      copy['spec'].content.envelope.payload = base64(base64('{}'));
    }),
    intoto_key_of_another_fail: changed(intoto, (copy) => {
      copy['spec'].content.envelope.signatures[0].publicKey = base64(other.pem);
    }),
    intoto_logged_body_fail: changed(intoto, (copy) => {
      copy['spec'].content.payloadHash = copy['spec'].content.hash;
      delete copy['spec'].content.envelope.payload;
    }),
    too_large_to_log_fail: changed(intotoV1(Array.from({ length: 10 }, () => pair)), (copy) => {
      for (const [index, signature] of copy['spec'].content.envelope.signatures.entries()) {
        signature.publicKey = base64(`${'text around PEM is allowed\n'.repeat(300)}${index}\n${pair.pem}`);
      }
    }),
    not_json_fail: '{',
    empty_fail: '',
    two_values_fail: '{}{}',
    duplicate_key_fail: JSON.stringify(record).replace('"kind":', '"kind":"dsse","kind":'),
    deep_fail: '['.repeat(5_000) + ']'.repeat(5_000),
    null_fail: 'null',
    list_fail: '[]',
    number_fail: '5',
    not_utf8_fail: Buffer.from([0x7b, 0xff, 0x7d]) as unknown as Proposal,
    prototype_fail: '{"__proto__":{"kind":"dsse"},"apiVersion":"0.0.1","spec":{}}',
  };
}

/** Proposals to v2 that must not be logged. */
function badProposals2(pair: Pair, other: Pair): Readonly<Record<string, Proposal | string>> {
  const record = hashedRekordV2(pair);
  const dsse = dsseV2([pair]);
  const withVerifier = (verifier: Proposal): Proposal =>
    changed(record, (copy) => {
      record2(copy)['signature'].verifier = verifier;
    });
  const withKey = (der: Uint8Array, keyDetails: unknown = 'PKIX_ECDSA_P256_SHA_256'): Proposal =>
    withVerifier({ publicKey: { rawBytes: base64(der) }, keyDetails });
  const withCertificate = (der: Uint8Array): Proposal =>
    withVerifier({ x509Certificate: { rawBytes: base64(der) }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' });
  const { der: certificate } = certificateOf(pair, [{ type: 'email', value: 'a@example.com' }]);
  const offCurve = Buffer.from(pair.der);
  offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1;
  return {
    empty_object_fail: {},
    wrong_signature_fail: changed(record, (copy) => {
      record2(copy)['signature'].content = record2(hashedRekordV2(pair))['signature'].content;
    }),
    wrong_digest_fail: changed(record, (copy) => {
      record2(copy)['digest'] = base64(randomBytes(32));
    }),
    zero_digest_fail: changed(record, (copy) => {
      record2(copy)['digest'] = base64(new Uint8Array(32));
    }),
    short_digest_fail: changed(record, (copy) => {
      record2(copy)['digest'] = 'YWE=';
    }),
    wrong_key_fail: withKey(other.der),
    key_off_its_curve_fail: withKey(offCurve),
    key_cut_fail: withKey(pair.der.subarray(0, -1)),
    key_with_more_fail: withKey(Buffer.concat([pair.der, Buffer.alloc(1)])),
    key_of_other_details_fail: withKey(pair.der, 'PKIX_ECDSA_P384_SHA_384'),
    key_as_rsa_fail: withKey(pair.der, 'PKIX_RSA_PKCS1V15_2048_SHA256'),
    pure_ed25519_fail: withKey(newPair('ed25519').der, 'PKIX_ED25519'),
    details_unknown_fail: withKey(pair.der, 'PKIX_WHATEVER'),
    details_list_fail: withKey(pair.der, []),
    weak_rsa_fail: withKey(newPair('rsa1024').der, 'PKIX_RSA_PKCS1V15_2048_SHA256'),
    other_curve_fail: withKey(newPair('secp256k1').der),
    pem_instead_of_der_fail: withKey(Buffer.from(pair.pem)),
    certificate_as_key_fail: withKey(certificate),
    key_as_certificate_fail: withCertificate(pair.der),
    certificate_cut_fail: withCertificate(certificate.subarray(0, -9)),
    certificate_of_another_key_fail: withCertificate(certificateOf(other, [{ type: 'dns', value: 'x' }]).der),
    unknown_field_fail: { ...record, more: 1 },
    dsse_changed_fail: changed(dsse, (copy) => {
      dsse2(copy)['envelope'].payload = base64('{}');
    }),
    dsse_verifier_of_another_fail: changed(dsse, (copy) => {
      dsse2(copy)['verifiers'][0].publicKey.rawBytes = base64(other.der);
    }),
    dsse_verifier_twice_fail: changed(dsse, (copy) => {
      dsse2(copy)['verifiers'].push(dsse2(copy)['verifiers'][0]);
    }),
    dsse_one_signature_more_fail: changed(dsse, (copy) => {
      dsse2(copy)['envelope'].signatures.push({ sig: base64(randomBytes(70)) });
    }),
    too_large_to_log_fail: changed(dsse, (copy) => {
      dsse2(copy)['envelope'].payloadType = 'x'.repeat(100_000);
    }),
    not_json_fail: '{',
    empty_fail: '',
    duplicate_key_fail: JSON.stringify(record).replace('"digest":', '"digest":"","digest":'),
    deep_fail: '['.repeat(5_000) + ']'.repeat(5_000),
    null_fail: 'null',
    list_fail: '[]',
    not_utf8_fail: Buffer.from([0x7b, 0xff, 0x7d]) as unknown as Proposal,
  };
}

for (const [name, make, bad, good] of [
  ['Rekor v1', version1, badProposals1, (pair: Pair) => hashedRekordV1(pair)],
  ['Rekor v2', version2, badProposals2, (pair: Pair) => hashedRekordV2(pair)],
] as const) {
  describe(`bad proposals to ${name}`, () => {
    it('are refused in its own words, and nothing is stored', async (t) => {
      const version = await make(t);
      const [pair, other] = [newPair(), newPair()];
      for (const [proposalName, proposal] of Object.entries(bad(pair, other))) {
        const answer = await ask(version.service, 'POST', version.entries, proposal);
        await t.test(proposalName, () => version.checkRefusal(answer, 400));
      }
      assert.equal((await version.log.head()).size, 0);
      assert.equal((await ask(version.service, 'POST', version.entries, good(pair))).status, 201);
    });

    it('with any value changed are refused or logged, and never break it', async (t) => {
      const version = await make(t);
      const pair = newPair();
      const sample = JSON.stringify(good(pair));
      await fc.assert(
        fc.asyncProperty(fc.nat(sample.length - 1), fc.integer({ min: 0, max: 255 }), async (at, code) => {
          const text = sample.slice(0, at) + String.fromCharCode(code) + sample.slice(at + 1);
          const answer = await ask(version.service, 'POST', version.entries, text);
          assert.ok([201, 400, 409].includes(answer.status), answer.text);
        }),
        { numRuns: 150 },
      );
      const { size } = await version.log.head();
      // Nothing of a proposal is free: whatever was logged is the one entry.
      assert.ok(size <= 1, String(size));
    });

    it('too large are refused before they are read', async (t) => {
      const version = await make(t);
      const answer = await ask(
        version.service,
        'POST',
        version.entries,
        Buffer.alloc(limits.rekorRequestBytes + 1, 0x20),
      );
      version.checkRefusal(answer, 413);
    });

    it('that cannot be stored are answered as what they are', async (t) => {
      const { service, entries, log, checkRefusal } = await make(t);
      const failures: readonly (readonly [ErrorCode, number])[] = [
        ['ERR_SERVER_BUSY', 503],
        ['ERR_LOG_STOPPED', 503],
        ['ERR_SIGNING_FAILED', 500],
      ];
      for (const [code, status] of failures) {
        t.mock.method(log, 'add', () => Promise.reject(new BoltsealError(code, 'secret details')));
        const answer = await ask(service, 'POST', entries, good(newPair()));
        checkRefusal(answer, status);
        assert.ok(!answer.text.includes('secret'));
        if (code === 'ERR_SERVER_BUSY') assert.equal(answer.headers['retry-after'], '1');
      }
      t.mock.method(log, 'add', () => Promise.reject(new TypeError('secret details')));
      const answer = await ask(service, 'POST', entries, good(newPair()));
      checkRefusal(answer, 500);
      assert.ok(!answer.text.includes('secret'));
    });

    it('and other paths and methods are refused in its own words', async (t) => {
      const { service, entries, checkRefusal } = await make(t);
      checkRefusal(await ask(service, 'GET', '/nothing'), 404);
      checkRefusal(await ask(service, 'GET', '/'), 404);
      checkRefusal(await ask(service, 'GET', `${entries}/../..`), 404);
      checkRefusal(await ask(service, 'DELETE', entries), 405);
      checkRefusal(await ask(service, 'PUT', entries, {}), 405);
    });
  });
}

describe('bad questions to Rekor v1', () => {
  it('by id and index are refused', async (t) => {
    const { service, entries, checkRefusal } = await version1(t);
    const cases: readonly (readonly [string, number])[] = [
      [`${entries}/abc`, 605],
      [`${entries}/${'g'.repeat(64)}`, 605],
      [`${entries}/${'a'.repeat(63)}`, 605],
      [`${entries}/${'a'.repeat(72)}`, 605],
      [`${entries}/${'a'.repeat(81)}`, 605],
      [`${entries}/..%2f..%2fetc%2fpasswd`, 605],
      [`${entries}/%00`, 605],
      [`${entries}/'%20or%201=1`, 605],
      [entries, 602],
      [`${entries}?logIndex=`, 602],
      [`${entries}?logIndex=-1`, 609],
      [`${entries}?logIndex=abc`, 601],
      [`${entries}?logIndex=1.5`, 601],
      [`${entries}?logIndex=1e3`, 601],
      [`${entries}?logIndex=0x10`, 601],
      [`${entries}?logIndex=99999999999999999999`, 601],
      ['/api/v1/log/proof', 602],
      ['/api/v1/log/proof?lastSize=0', 609],
      ['/api/v1/log/proof?firstSize=0&lastSize=1', 609],
      ['/api/v1/log/proof?firstSize=x&lastSize=1', 601],
      ['/api/v1/log/proof?lastSize=1&treeID=abc', 605],
      ['/api/v1/log/publicKey?treeID=-5', 605],
    ];
    for (const [target, code] of cases) {
      const answer = await ask(service, 'GET', target);
      checkRefusal(answer, 422);
      assert.equal(answer.json.code, code, target);
    }
    checkRefusal(await ask(service, 'GET', '/api/v1/log/proof?firstSize=3&lastSize=2'), 400);
    checkRefusal(await ask(service, 'GET', '/api/v1/log/proof?lastSize=1'), 400);
    checkRefusal(await ask(service, 'GET', '/api/v1/log/publicKey?treeID=9'), 400);
    checkRefusal(await ask(service, 'GET', `${entries}/%zz`), 404);
  });

  it('for several entries are refused', async (t) => {
    const { service, entries, checkRefusal } = await version1(t);
    const id = 'ab'.repeat(32);
    const proposal = hashedRekordV1(newPair());
    const cases: readonly (readonly [unknown, number, number?])[] = [
      ['{', 400],
      ['[]', 400],
      ['null', 400],
      [{ entryUUIDs: Array.from({ length: 11 }, () => id) }, 422, 611],
      [{ logIndexes: Array.from({ length: 11 }, (_, index) => index) }, 422, 611],
      [{ entries: Array.from({ length: 11 }, () => proposal) }, 422, 611],
      [{ entryUUIDs: Array.from({ length: 10 }, () => id), logIndexes: [1] }, 422, 422],
      [{ entryUUIDs: id }, 422, 601],
      [{ entryUUIDs: [5] }, 422, 605],
      [{ entryUUIDs: ['../../x'] }, 422, 605],
      [{ logIndexes: [-1] }, 422, 609],
      [{ logIndexes: [1.5] }, 422, 601],
      [{ logIndexes: ['1'] }, 422, 601],
      [{ logIndexes: [2 ** 60] }, 422, 601],
      [{ entries: [{}] }, 400],
      [{ entries: [null] }, 400],
      [{ entries: [{ ...proposal, kind: 'rekord' }] }, 400],
      [{ entries: [{ ...proposal, spec: hashedRekordV1(newPair())['spec'], apiVersion: '9' }] }, 400],
      [
        {
          entries: [
            changed(proposal, (copy) => {
              copy['spec'].data.hash.value = '0'.repeat(64);
            }),
          ],
        },
        400,
      ],
    ];
    for (const [query, status, code] of cases) {
      const answer = await ask(service, 'POST', `${entries}/retrieve`, query);
      checkRefusal(answer, status);
      if (code !== undefined) assert.equal(answer.json.code, code, JSON.stringify(query));
    }
  });

  it('of the search index are refused', async (t) => {
    const { service, checkRefusal } = await version1(t);
    const cases: readonly (readonly [unknown, number, number?])[] = [
      ['{', 400],
      ['5', 400],
      [{ hash: 'abc' }, 422, 605],
      [{ hash: `md5:${'a'.repeat(32)}` }, 422, 605],
      [{ hash: `sha1:${'a'.repeat(64)}` }, 422, 605],
      [{ hash: 5 }, 422, 601],
      [{ email: 'nobody' }, 422, 601],
      [{ email: {} }, 422, 601],
      [{ subject: 'x'.repeat(513) }, 422, 603],
      [{ subject: [] }, 422, 601],
      [{ operator: 'xor' }, 422, 606],
      [{ publicKey: { format: 'pgp', content: 'AAAA' } }, 400],
      [{ publicKey: { content: 'AAAA' } }, 400],
      [{ publicKey: 'x' }, 400],
      [{ publicKey: { format: 'x509' } }, 400],
      [{ publicKey: { format: 'x509', content: 'AAAA' } }, 400],
      [{ publicKey: { format: 'x509', content: '!' } }, 400],
    ];
    for (const [query, status, code] of cases) {
      const answer = await ask(service, 'POST', '/api/v1/index/retrieve', query);
      checkRefusal(answer, status);
      if (code !== undefined) assert.equal(answer.json.code, code, JSON.stringify(query));
    }
    checkRefusal(
      await ask(service, 'POST', '/api/v1/index/retrieve', ' '.repeat(limits.rekorSmallRequestBytes + 1)),
      413,
    );
  });

  it('hold statements of any shape', async (t) => {
    const { service, entries } = await version1(t);
    const pair = newPair();
    const payloads = [
      'no json',
      'null',
      '[]',
      '{"subject":5}',
      '{"subject":[null,5,{"digest":[]},{"digest":{"sha256":5}}]}',
      '{"subject":[{"digest":{"__proto__":"x","sha256":"y"}}],"predicate":{"materials":{"length":9}}}',
      JSON.stringify({
        subject: Array.from({ length: 1_000 }, (_, at) => ({ digest: { sha256: `${at}` } })),
      }),
    ];
    for (const payload of payloads) {
      const { status, text } = await ask(service, 'POST', entries, dsseV1([pair], Buffer.from(payload)));
      assert.equal(status, 201, text);
    }
  });
});
