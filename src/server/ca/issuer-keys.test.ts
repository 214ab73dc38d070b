import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Answer,
  ask,
  type CaWorld,
  clientKey,
  createCaWorld,
  signingRequest,
} from '../../../test/support/ca-world.ts';
import { answerWith, createTestIssuer, issuerKey } from '../../../test/support/test-issuer.ts';
import { limits } from '../../core/limits.ts';
import type { FetchInit, FetchResponse } from '../../core/runtime.ts';
import { issuerTimes } from './issuer-keys.ts';

const email = 'dev@lab.test';
const claims = { email, email_verified: true, sub: 'user-1' };
const key = clientKey();

const present = (world: CaWorld, token = world.issuer.token(claims)): Promise<Answer> =>
  ask(world.ca, 'POST', '/api/v2/signingCert', signingRequest(token, key, email));

const metadata = 'https://issuer.test/.well-known/openid-configuration';
const keys = 'https://issuer.test/keys';

test('keys are asked for once, and kept', async (t) => {
  const world = await createCaWorld(t);
  for (let count = 0; count < 3; count++) assert.equal((await present(world)).status, 200);
  assert.deepEqual(world.issuer.asked, [metadata, keys]);
});

test('a trailing slash of an issuer is not doubled', async (t) => {
  const world = await createCaWorld(t, { issuerUrl: 'https://issuer.test/' });
  assert.equal((await present(world)).status, 200);
  assert.deepEqual(world.issuer.asked, [metadata, keys]);
});

test('a new key is found at once, and an issuer is not asked more often for unknown ones', async (t) => {
  const world = await createCaWorld(t);
  const { issuer, runtime } = world;
  assert.equal((await present(world)).status, 200);
  runtime.time += issuerTimes.again;
  issuer.keys.unshift(issuerKey('ES256'));
  assert.equal((await present(world)).status, 200);
  assert.equal(issuer.asked.length, 4);

  const unknown = (): string => issuer.token(claims, { key: issuerKey('ES256') });
  for (let count = 0; count < 5; count++) assert.equal((await present(world, unknown())).status, 400);
  assert.equal(issuer.asked.length, 4, 'asked a moment ago');
  runtime.time += issuerTimes.again;
  await Promise.all(Array.from({ length: 5 }, () => present(world, unknown())));
  assert.equal(issuer.asked.length, 6, 'once for all of them');
});

test('a key that was taken away is no longer accepted once the keys are old', async (t) => {
  const world = await createCaWorld(t);
  const { issuer, runtime } = world;
  const old = issuer.keys[0];
  assert.ok(old);
  const token = (): string => issuer.token(claims, { key: old });
  assert.equal((await present(world, token())).status, 200);
  issuer.keys.splice(0, 1, issuerKey('ES256'));
  runtime.time += issuerTimes.fresh;
  // The answer is not waited for; the next request sees it.
  assert.equal((await present(world, token())).status, 200);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await present(world, token())).status, 400);
});

test('an issuer that is down for a while does no harm; for long, it does', async (t) => {
  const world = await createCaWorld(t);
  const { issuer, runtime } = world;
  assert.equal((await present(world)).status, 200);
  issuer.intercept = async () => answerWith(500, 'down');
  runtime.time += issuerTimes.fresh;
  assert.equal((await present(world)).status, 200);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(issuer.asked.length, 3);
  assert.equal((await present(world)).status, 200);
  assert.equal(issuer.asked.length, 3, 'not asked again right after a failure');
  runtime.time += issuerTimes.stale;
  const answer = await present(world);
  assert.deepEqual([answer.status, answer.json.code], [503, 14]);
  assert.ok(answer.headers['retry-after']);
  issuer.intercept = undefined;
  assert.equal((await present(world)).status, 503, 'the failure is remembered');
  runtime.time += issuerTimes.afterFailure;
  assert.equal((await present(world)).status, 200);
});

test('requests at the same time wait for one answer', async (t) => {
  const world = await createCaWorld(t);
  const answers = await Promise.all(Array.from({ length: 10 }, () => present(world)));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  assert.equal(world.issuer.asked.length, 2);
});

test('an issuer that never answers is given up', async (t) => {
  const world = await createCaWorld(t);
  const waits: number[] = [];
  let wake = (): void => undefined;
  const sleeping = new Promise<void>((resolve) => {
    wake = resolve;
  });
  world.runtime.sleep = (milliseconds) => {
    waits.push(milliseconds);
    return sleeping;
  };
  world.issuer.intercept = (_, init) =>
    new Promise((_resolve, reject) => {
      init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
      wake();
    });
  assert.equal((await present(world)).status, 503);
  assert.deepEqual(waits, [limits.issuerTime]);
});

type Interceptor = (url: string, init: FetchInit) => FetchResponse | undefined;
const onMetadata =
  (answer: (url: string) => FetchResponse): Interceptor =>
  (url) =>
    url === metadata ? answer(url) : undefined;
const redirectTo = (location: string): Interceptor => onMetadata(() => answerWith(302, '', { location }));

const broken: Readonly<Record<string, Interceptor>> = {
  other_issuer_fail: onMetadata(() =>
    answerWith(200, JSON.stringify({ issuer: 'https://evil.test', jwks_uri: keys })),
  ),
  no_keys_uri_fail: onMetadata(() => answerWith(200, JSON.stringify({ issuer: 'https://issuer.test' }))),
  http_keys_uri_fail: onMetadata(() =>
    answerWith(200, JSON.stringify({ issuer: 'https://issuer.test', jwks_uri: 'http://issuer.test/keys' })),
  ),
  file_keys_uri_fail: onMetadata(() =>
    answerWith(200, JSON.stringify({ issuer: 'https://issuer.test', jwks_uri: 'file:///etc/passwd' })),
  ),
  not_json_fail: onMetadata(() => answerWith(200, '<html>')),
  list_fail: onMetadata(() => answerWith(200, '[]')),
  not_found_fail: onMetadata(() => answerWith(404, '')),
  too_large_fail: onMetadata(() => answerWith(200, ' '.repeat(limits.issuerAnswerBytes + 1))),
  redirect_other_host_fail: redirectTo('https://evil.test/'),
  redirect_other_port_fail: redirectTo('https://issuer.test:8443/'),
  redirect_http_fail: redirectTo('http://issuer.test/'),
  redirect_credentials_fail: redirectTo('https://a:b@issuer.test/'),
  redirect_loop_fail: redirectTo(metadata),
  redirect_nowhere_fail: onMetadata(() => answerWith(302, '')),
  redirect_broken_fail: redirectTo('https://['),
  connection_fail: () => {
    throw new Error('connect ECONNREFUSED');
  },
  keys_no_list_fail: (url) => (url === keys ? answerWith(200, '{"keys":{}}') : undefined),
  keys_too_many_fail: (url) =>
    url === keys
      ? answerWith(200, JSON.stringify({ keys: Array.from({ length: limits.issuerKeys + 1 }, () => ({})) }))
      : undefined,
  keys_redirect_fail: (url) =>
    url === keys ? answerWith(307, '', { location: 'https://evil.test/keys' }) : undefined,
};

for (const [name, intercept] of Object.entries(broken)) {
  test(`an issuer is not believed: ${name}`, async (t) => {
    const world = await createCaWorld(t);
    world.issuer.intercept = async (url, init) => intercept(url, init);
    const answer = await present(world);
    assert.deepEqual([answer.status, answer.json.code, answer.json.details], [503, 14, []]);
    assert.ok(
      world.issuer.asked.every((url) => url.startsWith('https://issuer.test/')),
      world.issuer.asked.join(),
    );
    assert.ok(world.runtime.events.some(({ event }) => event === 'ca.issuer-failed'));
    assert.equal((await world.log.head()).size, 0);
  });
}

test('an issuer that answers without end is cut off', async (t) => {
  const world = await createCaWorld(t);
  let count = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (; count < 1_000; count++) yield new Uint8Array(65_536).fill(32);
  }
  world.issuer.intercept = async () => ({ status: 200, headers: { get: () => null }, body: endless() });
  assert.equal((await present(world)).status, 503);
  assert.ok(count <= limits.issuerAnswerBytes / 65_536);
});

test('a redirect on the same host is followed, and keys may be on another', async (t) => {
  const world = await createCaWorld(t);
  const own = world.issuer.fetch;
  world.issuer.intercept = async (url, init) => {
    if (url === metadata) return answerWith(301, '', { location: '/moved' });
    if (url === 'https://issuer.test/moved') {
      return answerWith(
        200,
        JSON.stringify({ issuer: 'https://issuer.test', jwks_uri: 'https://keys.test/all' }),
      );
    }
    return url === 'https://keys.test/all' ? own(keys, init) : undefined;
  };
  assert.equal((await present(world)).status, 200);
});

test('an issuer is asked by the client that is chosen for it', async (t) => {
  const asked: string[] = [];
  const holder: { world?: CaWorld } = {};
  const world = await createCaWorld(t, {
    fetchFor: ({ url }) => {
      asked.push(url);
      return (target, init) => (holder.world as CaWorld).issuer.fetch(target, init);
    },
  });
  holder.world = world;
  assert.equal((await present(world)).status, 200);
  assert.deepEqual(asked, ['https://issuer.test']);
});

test('issuers of a pattern are asked where the pattern leads, and not too many at once', async (t) => {
  const world = await createCaWorld(t, {
    issuers: {
      issuers: [],
      metaIssuers: [{ url: 'https://*.k8s.test/id/*', type: 'email', audience: 'sigstore' }],
      ciProviders: {},
    },
  });
  const url = 'https://eu-1.k8s.test/id/A1';
  const concrete = createTestIssuer(url, world.runtime.now);
  world.issuer.intercept = async (asked, init) =>
    asked.startsWith(`${url}/`) ? concrete.fetch(asked, init) : undefined;
  assert.equal((await present(world, concrete.token(claims))).status, 200);
  assert.deepEqual(world.issuer.asked, [`${url}/.well-known/openid-configuration`, `${url}/keys`]);

  let open = (_: FetchResponse): void => undefined;
  const gate = new Promise<FetchResponse>((resolve) => {
    open = resolve;
  });
  world.issuer.intercept = () => gate;
  const waiting = Array.from({ length: limits.issuerFetches + 2 }, (_, index) =>
    present(world, concrete.token({ ...claims, iss: `https://eu-1.k8s.test/id/${index}` })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  open(answerWith(404, ''));
  const answers = await Promise.all(waiting);
  assert.ok(answers.every(({ status }) => status === 503));
  assert.equal(world.issuer.asked.length, 2 + limits.issuerFetches);
});
