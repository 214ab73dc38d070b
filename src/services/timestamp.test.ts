/** Timestamps: of the authority of `serve`, recorded ones, and those of authorities that lie. */
import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { inProcessRuntime } from '../../test/support/in-process.ts';
import { answer, fetchService, type Step, scripted } from '../../test/support/services.ts';
import { newTimestampAuthority } from '../../test/support/timestamp-authority.ts';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { derInteger, derSequence, derUtf8 } from '../core/der.ts';
import { hex } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { Fetch } from '../core/runtime.ts';
import { parseTimestampResponse, requireGranted, type TimestampToken } from '../formats/timestamp.ts';
import { encodeTimestampRequest, parseTimestampRequest } from '../formats/timestamp-request.ts';
import { requestTimestamp } from './timestamp.ts';

const url = 'https://tsa.example.com/api/v1/timestamp';
const message = new Uint8Array(randomBytes(70));
const clock = inProcessRuntime(async () => assert.fail('nobody is asked'));
const authority = await newTimestampAuthority(clock);
const real = fetchService(authority.service);

async function stamp(fetch: Fetch): Promise<TimestampToken> {
  const der = await requestTimestamp(url, message, inProcessRuntime(fetch));
  return requireGranted(parseTimestampResponse(der));
}

async function fails(step: Step): Promise<void> {
  const script = scripted(step);
  await assert.rejects(stamp(script.fetch), (error) => isBoltsealError(error, 'ERR_SERVICE_RESPONSE'));
  assert.equal(script.asked.length, 1);
}

test('a timestamp of the authority of serve: over the message, with a nonce of its own, without certificates', async () => {
  const nonces = new Set<string>();
  for (let count = 0; count < 3; count++) {
    const { info, certificates } = await stamp(async (asked, init) => {
      assert.equal(asked, url);
      assert.equal(init.headers['content-type'], 'application/timestamp-query');
      return real(asked, init);
    });
    assert.equal(hex(info.imprint.digest), hash('sha256', message));
    assert.deepEqual(certificates, []);
    nonces.add(hex(info.nonce ?? new Uint8Array(0)));
  }
  assert.equal(nonces.size, 3);
});

test('a nonce that begins with zeros or a set bit', async () => {
  for (const first of [0x00, 0x80, 0xff]) {
    for (const second of [0x00, 0x80]) {
      const random = (length: number): Uint8Array =>
        new Uint8Array(length).fill(7).fill(first, 0, 1).fill(second, 1, 2);
      await requestTimestamp(url, message, { ...inProcessRuntime(real), random });
    }
  }
  await requestTimestamp(url, message, {
    ...inProcessRuntime(real),
    random: (length) => new Uint8Array(length),
  });
});

test('a recorded timestamp of the real authority is of another request_fail', async () => {
  const one = transcripts().get('tsa no certreq');
  assert.ok(one);
  await fails(answer(one.status, new Uint8Array(Buffer.from(one.response, 'base64')), one.headers));
});

test('a recorded timestamp of the real authority, for the request that it answers', async () => {
  const one = transcripts().get('tsa no certreq');
  const query = /^<\d+ bytes ([0-9a-f]+)>$/.exec(one?.request ?? '')?.[1] ?? '';
  const { imprint, nonce } = parseTimestampRequest(new Uint8Array(Buffer.from(query, 'hex')));
  const response = new Uint8Array(Buffer.from(one?.response ?? '', 'base64'));
  const { info } = requireGranted(parseTimestampResponse(response));
  assert.deepEqual([info.imprint.digest, info.nonce], [imprint.digest, nonce]);
});

test('recorded refusals: the message is read whatever the content type says', async () => {
  for (const [name, says] of [
    ['tsa sha1', /Weak hash/],
    ['tsa wrong length', /incorrect length/],
    ['tsa other policy', /unaccepted policy/],
  ] as const) {
    const one = transcripts().get(name);
    assert.ok(one);
    const body = new Uint8Array(Buffer.from(one.response, 'base64'));
    const script = scripted(answer(one.status, body, one.headers));
    await assert.rejects(stamp(script.fetch), (error) => {
      assert.ok(isBoltsealError(error, 'ERR_SERVICE_REFUSED'));
      assert.match(error.message, says);
      return true;
    });
  }
});

/** What the real authority answers to another request. */
const answersTo = (change: (query: Uint8Array) => Uint8Array): Step => {
  return async ({ url: asked }, init) => real(asked, { ...init, body: change(init.body as Uint8Array) });
};

const digest = new Uint8Array(randomBytes(32));

const lies: readonly (readonly [what: string, step: Step])[] = [
  [
    'a timestamp of something else',
    answersTo((query) => {
      const { nonce = new Uint8Array(0) } = parseTimestampRequest(query);
      return encodeTimestampRequest({ hash: 'sha256', digest, nonce });
    }),
  ],
  [
    'a timestamp with another nonce',
    answersTo((query) =>
      encodeTimestampRequest({
        hash: 'sha256',
        digest: parseTimestampRequest(query).imprint.digest,
        nonce: new Uint8Array(8).fill(1),
      }),
    ),
  ],
  [
    'a timestamp without a nonce',
    answersTo((query) =>
      encodeTimestampRequest({ hash: 'sha256', digest: parseTimestampRequest(query).imprint.digest }),
    ),
  ],
  [
    'a timestamp with another hash',
    answersTo((query) => {
      const { nonce = new Uint8Array(0) } = parseTimestampRequest(query);
      return encodeTimestampRequest({ hash: 'sha512', digest: new Uint8Array(64), nonce });
    }),
  ],
  [
    'a rejection',
    answer(200, derSequence(derSequence(derInteger(2), derSequence(derUtf8('no time today'))))),
  ],
  ['a granted status without a token', answer(200, derSequence(derSequence(derInteger(0))))],
  ['nothing', answer(200, new Uint8Array(0))],
  ['JSON', answer(200, '{"code":400,"message":"x"}')],
  [
    'the token without its response',
    async (asked, init) => {
      const response = await real(asked.url, init);
      const parts: Uint8Array[] = [];
      for await (const part of response.body ?? []) parts.push(part);
      const parsed = parseTimestampResponse(new Uint8Array(Buffer.concat(parts)));
      return answer(200, parsed.granted ? parsed.tokenBytes : '')(asked, init);
    },
  ],
  [
    'a response with a byte behind it',
    async (asked, init) => {
      const response = await real(asked.url, init);
      const parts: Uint8Array[] = [];
      for await (const part of response.body ?? []) parts.push(part);
      return answer(200, new Uint8Array(Buffer.concat([...parts, Buffer.from([0])])))(asked, init);
    },
  ],
];

for (const [what, step] of lies) test(`an authority that answers ${what}_fail`, () => fails(step));

test('no answer gives an error that is not ours', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (noise) => fails(answer(200, noise))),
    { numRuns: 100 },
  );
  const edit = fc.tuple(fc.nat(400), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(edit, async ([at, flip]) => {
      const step: Step = async (asked, init) => {
        const response = await real(asked.url, init);
        const parts: Uint8Array[] = [];
        for await (const part of response.body ?? []) parts.push(part);
        const whole = new Uint8Array(Buffer.concat(parts));
        whole[at] = (whole[at] ?? 0) ^ flip;
        return answer(200, whole)(asked, init);
      };
      // What is changed may be the signature, which is not verified here.
      await stamp(scripted(step).fetch).catch((error: unknown) => {
        assert.ok(isBoltsealError(error, 'ERR_SERVICE_RESPONSE'), String(error));
      });
    }),
    { numRuns: 150 },
  );
});
