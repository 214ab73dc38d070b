/** Keyless sessions, on the certificate authority of `serve` and on authorities that lie. */
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { test } from 'node:test';
import { type CaWorld, type CaWorldOptions, createCaWorld } from '../../test/support/ca-world.ts';
import { type InProcessRuntime, inProcessRuntime } from '../../test/support/in-process.ts';
import { newSigner } from '../../test/support/rekor.ts';
import { answer, broken, fetchService, hang, type Step, scripted } from '../../test/support/services.ts';
import type { Releases } from '../../test/support/temporary.ts';
import { derOctetString } from '../core/der.ts';
import { utf8 } from '../core/encoding.ts';
import { BoltsealError, type ErrorCode } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Fetch } from '../core/runtime.ts';
import { encodeTbs, parseCertificate, signCertificate } from '../formats/certificate.ts';
import { encodeExtension, encodeSubjectAltName, type GeneralName } from '../formats/extensions.ts';
import { encodeFulcioExtensions, type FulcioExtensions } from '../formats/fulcio-extensions.ts';
import { emptyName } from '../formats/name.ts';
import { encodePem } from '../formats/pem.ts';
import { parsePublicKey } from '../formats/public-key.ts';
import { sctListOid } from '../formats/sct.ts';
import { signatureAlgorithms } from '../formats/signature-algorithm.ts';
import {
  type CertificateToken,
  createKeylessSession,
  type KeylessOptions,
  type KeylessSession,
} from './keyless.ts';

const caUrl = 'https://fulcio.example.com';
const email = 'a@example.com';

interface World {
  readonly ca: CaWorld;
  readonly runtime: InProcessRuntime;
  /** How often a token was asked for. */
  readonly tokens: { count: number };
  readonly getToken: KeylessOptions['getToken'];
  readonly session: KeylessSession;
  /** Moves the clocks of everybody on, or only the one that tells the time of day here. */
  pass(milliseconds: number): void;
  skew(milliseconds: number): void;
}

async function newWorld(
  releases: Releases,
  options: Partial<KeylessOptions> = {},
  caOptions: CaWorldOptions = {},
  wrap: (fetch: Fetch) => Fetch = (fetch) => fetch,
): Promise<World> {
  const ca = await createCaWorld(releases, caOptions);
  const tokens = { count: 0 };
  let skewed = 0;
  const own = inProcessRuntime(wrap(fetchService(ca.ca)));
  const runtime: InProcessRuntime = {
    ...own,
    now: () => new Date(ca.runtime.time + skewed),
    monotonic: () => ca.runtime.monotonic(),
  };
  const getToken = async (): Promise<CertificateToken> => {
    tokens.count++;
    const claims = { sub: 'subject', email, email_verified: true };
    const token = ca.issuer.token(claims);
    return tokenOf(token, claims, new Date(ca.runtime.time + 600_000), ca.issuer.url);
  };
  return {
    ca,
    runtime,
    tokens,
    getToken,
    session: createKeylessSession({ caUrl, getToken, ...options }, runtime),
    pass: (milliseconds) => {
      ca.runtime.time += milliseconds;
    },
    skew: (milliseconds) => {
      skewed = milliseconds;
    },
  };
}

function tokenOf(
  token: string,
  claims: JsonObject,
  expires: Date,
  issuer = 'https://issuer.test',
): CertificateToken {
  const { email: address, sub } = claims;
  return { token, subject: String(address ?? sub), issuer, expires, claims };
}

async function fails(code: ErrorCode, promise: Promise<unknown>): Promise<BoltsealError> {
  const error = await promise.then(
    () => assert.fail('it succeeded'),
    (one: unknown) => one,
  );
  assert.ok(error instanceof BoltsealError, String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(!`${error.message} ${error.hint} ${JSON.stringify(error.details)}`.includes('eyJ'));
  return error;
}

test('one token and one certificate for any number of signatures, one after the other and at once', async (t) => {
  const { session, runtime, tokens, ca } = await newWorld(t);
  const held = await Promise.all(Array.from({ length: 50 }, () => session.current()));
  for (let count = 0; count < 20; count++) held.push(await session.current());
  assert.equal(new Set(held).size, 1);
  assert.equal(runtime.seen.length, 1);
  assert.equal(tokens.count, 1);

  const [credential] = held;
  assert.ok(credential);
  const leaf = parseCertificate(credential.certificates[0] ?? new Uint8Array(0));
  assert.equal(credential.certificates.length, 3);
  assert.equal(credential.identity.subject, email);
  assert.equal(credential.identity.issuer, ca.issuer.url);
  assert.equal(credential.expires.getTime(), leaf.notAfter.getTime());
  const message = utf8('anything');
  const signature = await credential.signer.sign(message);
  assert.ok(verify('sha256', message, parsePublicKey(leaf.spki).key, signature));
});

test('nothing is asked before it is needed', async (t) => {
  const { runtime, tokens } = await newWorld(t);
  assert.equal(runtime.seen.length, 0);
  assert.equal(tokens.count, 0);
});

test('another certificate, key and token near the end of the first, and not before', async (t) => {
  const { session, runtime, tokens, pass } = await newWorld(t);
  const first = await session.current();
  pass(500_000);
  assert.equal(await session.current(), first);
  // 600 s are left at the start; from 30 s before its end it is not used any more.
  pass(100_000 - 30_000 - 1_000);
  assert.equal(await session.current(), first);
  pass(2_000);
  const renewed = await Promise.all([session.current(), session.current()]);
  assert.equal(renewed[0], renewed[1]);
  assert.notEqual(renewed[0], first);
  assert.notDeepEqual(renewed[0]?.signer.publicKey.spki, first.signer.publicKey.spki);
  assert.equal(runtime.seen.length, 2);
  assert.equal(tokens.count, 2);
});

test('more slack can be asked for, and not less', async (t) => {
  const long = await newWorld(t, { slack: 120_000 });
  const first = await long.session.current();
  long.pass(481_000);
  assert.notEqual(await long.session.current(), first);
  const none = await newWorld(t, { slack: 0 });
  const held = await none.session.current();
  none.pass(571_000);
  assert.notEqual(await none.session.current(), held);
});

test('certificates that live shorter than the slack are used for half of their life', async (t) => {
  const { session, pass, runtime } = await newWorld(t, {}, { lifetime: 20_000, backdate: 0 });
  const first = await session.current();
  pass(9_000);
  assert.equal(await session.current(), first);
  pass(2_000);
  assert.notEqual(await session.current(), first);
  assert.equal(runtime.seen.length, 2);
});

test('a failure is told to everybody who waited, and not kept', async (t) => {
  let steps: readonly Step[] = [answer(400, { code: 3, message: 'no' })];
  const { session, tokens } = await newWorld(t, {}, {}, (real) => (url, init) => {
    const [step, ...rest] = steps;
    steps = rest;
    return step === undefined ? real(url, init) : scripted(step).fetch(url, init);
  });
  const both = await Promise.allSettled([session.current(), session.current()]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.equal(tokens.count, 1);
  await session.current();
  assert.equal(tokens.count, 2);
});

test('an outage is waited out with the same token', async (t) => {
  let failures = 4;
  const { session, tokens, runtime } = await newWorld(t, {}, {}, (real) => (url, init) => {
    return failures-- > 0
      ? scripted(failures % 2 === 0 ? answer(502) : broken()).fetch(url, init)
      : real(url, init);
  });
  await session.current();
  assert.equal(runtime.seen.length, 5);
  assert.equal(tokens.count, 1);
});

test('a token that cannot be had', async (t) => {
  const { runtime } = await newWorld(t);
  const problem = new BoltsealError('ERR_IDENTITY_MISSING', 'no provider');
  const session = createKeylessSession({ caUrl, getToken: () => Promise.reject(problem) }, runtime);
  assert.equal(await fails('ERR_IDENTITY_MISSING', session.current()), problem);
  assert.equal(runtime.seen.length, 0);
});

test('one caller that gives up does not take the others with it; when all do, the request ends', async (t) => {
  const signals: AbortSignal[] = [];
  let held = 1;
  const { session, tokens } = await newWorld(t, {}, {}, (real) => async (url, init) => {
    if (init.signal !== undefined) signals.push(init.signal);
    return held-- > 0 ? scripted(hang()).fetch(url, init) : real(url, init);
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const waiting = [session.current({ signal: first.signal }), session.current({ signal: second.signal })];
  while (signals.length === 0) await new Promise(setImmediate);
  first.abort();
  await fails('ERR_INTERRUPTED', waiting[0] as Promise<unknown>);
  assert.equal(signals[0]?.aborted, false);
  second.abort();
  // Whoever comes now does not wait for a request that has ended.
  const third = session.current();
  await fails('ERR_INTERRUPTED', waiting[1] as Promise<unknown>);
  assert.equal(signals[0]?.aborted, true);
  assert.equal((await third).identity.subject, email);
  assert.equal(tokens.count, 2);
  assert.equal(await session.current(), await third);
  await fails('ERR_INTERRUPTED', session.current({ signal: AbortSignal.abort() }));
});

test('a caller that gives up while another still waits: the request goes on for that one', async (t) => {
  const { session } = await newWorld(t);
  const controller = new AbortController();
  const given = session.current({ signal: controller.signal });
  const kept = session.current();
  controller.abort();
  await fails('ERR_INTERRUPTED', given);
  assert.equal((await kept).identity.subject, email);
});

test('clocks that differ a little do no harm, and do not make a certificate seem longer', async (t) => {
  for (const off of [-50_000, -20_000, 20_000, 50_000]) {
    const { session, skew, pass } = await newWorld(t);
    skew(off);
    const first = await session.current();
    pass(60_000);
    assert.equal(await session.current(), first);
    // Nor does the authority's backdating, of 5 s, count for more than the slack.
    pass(516_000);
    assert.notEqual(await session.current(), first, `${off}`);
  }
});

test('a clock that is wrong is named, with what it says and what the certificate says_fail', async (t) => {
  for (const [off, word] of [
    [-3_600_000, 'behind'],
    [3_600_000, 'ahead'],
  ] as const) {
    const { session, skew, ca } = await newWorld(t);
    skew(off);
    const error = await fails('ERR_SERVICE_RESPONSE', session.current());
    assert.ok(error.message.includes(new Date(ca.runtime.time + off).toISOString()), error.message);
    assert.match(error.message, /valid from/);
    assert.match(error.hint ?? '', new RegExp(`clock.*${word}`));
  }
});

test('a token that has expired: said with both times_fail', async (t) => {
  const { runtime, ca } = await newWorld(t);
  const claims = { sub: 'x', email, email_verified: true, exp: Math.floor(ca.runtime.time / 1_000) - 7_200 };
  const expires = new Date(ca.runtime.time - 7_200_000);
  const getToken = async (): Promise<CertificateToken> =>
    tokenOf(ca.issuer.token(claims), claims, expires, ca.issuer.url);
  const error = await fails(
    'ERR_IDENTITY_TOKEN',
    createKeylessSession({ caUrl, getToken }, runtime).current(),
  );
  assert.ok(error.message.includes(expires.toISOString()));
  const down = { ...runtime, fetch: scripted(answer(404)).fetch };
  await fails('ERR_SERVICE_REFUSED', createKeylessSession({ caUrl, getToken }, down).current());
});

/** An authority that certifies our key for whomever it likes. */
function liar(name: GeneralName | undefined, extensions: FulcioExtensions, now: Date): Step {
  const signer = newSigner();
  return async (asked, init) => {
    const { content } = JSON.parse(asked.body).publicKeyRequest.publicKey;
    const { identifier } = signatureAlgorithms.ecdsaSha256;
    const tbs = encodeTbs({
      serial: Uint8Array.of(1),
      signatureAlgorithm: identifier,
      issuer: emptyName,
      notBefore: now,
      notAfter: new Date(now.getTime() + 600_000),
      subject: emptyName,
      spki: parsePublicKey(content).spki,
      extensions: [
        ...(name === undefined ? [] : [encodeSubjectAltName([name], true)]),
        ...encodeFulcioExtensions(extensions),
        encodeExtension(sctListOid, derOctetString(new Uint8Array(4))),
      ],
    });
    const pem = encodePem('CERTIFICATE', await signCertificate(tbs, identifier, (one) => signer.sign(one)));
    return answer(200, { signedCertificateEmbeddedSct: { chain: { certificates: [pem] } } })(asked, init);
  };
}

const uri = (value: string): GeneralName => ({ type: 'uri', value });
const issuer = 'https://issuer.test';
const byEmail = { sub: 'CgsubEg', email, email_verified: true };
const byJob = {
  sub: 'repo:o/r:ref:refs/heads/main',
  job_workflow_ref: 'o/r/.github/workflows/x.yml@refs/heads/main',
};
const job = uri(`https://github.com/${byJob.job_workflow_ref}`);
const dex = { ...byEmail, federated_claims: { connector_id: 'https://accounts.google.com', user_id: '1' } };

const judged: readonly (readonly [
  what: string,
  claims: JsonObject,
  name: GeneralName | undefined,
  extensions: FulcioExtensions,
  good: boolean,
])[] = [
  ['the address of the token', byEmail, { type: 'email', value: email }, { issuer }, true],
  [
    'the address of somebody else',
    byEmail,
    { type: 'email', value: 'b@example.com' },
    { issuer, subject: byEmail.sub },
    false,
  ],
  ['an address in other letters', byEmail, { type: 'email', value: 'A@example.com' }, { issuer }, false],
  [
    'the issuer behind the issuer',
    dex,
    { type: 'email', value: email },
    { issuer: 'https://accounts.google.com' },
    true,
  ],
  ['another issuer', byEmail, { type: 'email', value: email }, { issuer: 'https://evil.test' }, false],
  ['no issuer', { ...byEmail, empty: '' }, { type: 'email', value: email }, {}, false],
  ['a job, with the subject of its token', byJob, job, { issuer, subject: byJob.sub }, true],
  ['a job, by an authority that does not say whose token it was', byJob, job, { issuer }, true],
  ['another job', byJob, job, { issuer, subject: 'repo:o/other:ref:refs/heads/main' }, false],
  ['an address for a job', byJob, { type: 'email', value: email }, { issuer, subject: byJob.sub }, false],
  [
    'a SPIFFE id',
    { sub: 'spiffe://x.test/a' },
    uri('spiffe://x.test/a'),
    { issuer, subject: 'spiffe://x.test/a' },
    true,
  ],
  ['nobody', byEmail, undefined, { issuer }, false],
];

for (const [what, claims, name, extensions, good] of judged) {
  test(`a certificate that names ${what}${good ? '' : '_fail'}`, async (t) => {
    const { runtime, ca } = await newWorld(t);
    const script = scripted(liar(name, extensions, new Date(ca.runtime.time)));
    const getToken = async (): Promise<CertificateToken> =>
      tokenOf(ca.issuer.token(claims), claims, new Date(ca.runtime.time + 600_000), issuer);
    const session = createKeylessSession({ caUrl, getToken }, { ...runtime, fetch: script.fetch });
    if (good) assert.equal((await session.current()).identity.issuer, extensions.issuer);
    else await fails('ERR_SERVICE_RESPONSE', session.current());
  });
}

test('the private key and the token go nowhere: not into requests, headers or logs', async (t) => {
  const seen: string[] = [];
  const { session, runtime } = await newWorld(t, {}, {}, (real) => (url, init) => {
    seen.push(url, JSON.stringify(init.headers));
    assert.ok(
      !Buffer.from(init.body as Uint8Array)
        .toString()
        .includes('PRIVATE'),
    );
    return real(url, init);
  });
  const credential = await session.current();
  assert.ok(seen.every((text) => !text.includes('eyJ')));
  assert.ok(!JSON.stringify(runtime.events).includes('eyJ'));
  assert.ok(!JSON.stringify(credential).includes('PRIVATE'));
  assert.ok(runtime.events.some(({ event }) => event === 'keyless.certificate'));
});
