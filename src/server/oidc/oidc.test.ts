import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import { array, asyncProperty, assert as check, constantFrom, json, oneof, string, tuple } from 'fast-check';
import { createLocalJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import type { HttpResponse } from '../../core/http.ts';
import type { JsonObject } from '../../core/json.ts';
import { createApp } from '../app/app.ts';
import { createOidc, type OidcService } from './oidc.ts';

const issuer = 'http://127.0.0.1:5200';
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const verifier = 'THwfMhYebfqKLdIPrhpq_x6yqjzGxwCc57Eu6j0OVNuDTG-nUMojC4aUxpagNO_P';
const challenge = createHash('sha256').update(verifier).digest('base64url');
const callback = 'http://localhost:43123/auth/callback';

interface Answer {
  readonly status: number;
  readonly headers: HttpResponse['headers'];
  readonly text: string;
  json(): JsonObject;
}

/** An issuer behind an app, its clock the test's. */
async function world() {
  let time = 0;
  let chance = 0;
  const runtime = {
    now: () => new Date(Date.parse('2026-11-22T08:00:00Z') + time),
    monotonic: () => time,
    random: (length: number) => {
      const digest = createHash('sha512').update(String(chance++)).digest();
      return new Uint8Array(digest.subarray(0, length));
    },
    log: () => undefined,
  };
  const oidc = await createOidc(runtime, { issuer, key: privateKey });
  const app = createApp(runtime, { mounts: [{ service: oidc, prefix: '', cors: false }] });
  const send = async (
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: string,
  ): Promise<Answer> => {
    const response = await app.answer({
      method,
      url: `${issuer}${path}`,
      headers: { get: (name) => ({ host: '127.0.0.1:5200', ...headers })[name] ?? null },
      body: body === undefined ? null : once(body),
      signal: new AbortController().signal,
    });
    const text = response.body === null ? '' : Buffer.from(response.body as Uint8Array).toString();
    return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
  };
  return {
    oidc,
    send,
    pass(milliseconds: number): void {
      time += milliseconds;
    },
    get: (path: string) => send('GET', path),
    form: (path: string, fields: Readonly<Record<string, string>>, headers = {}) =>
      send(
        'POST',
        path,
        { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        new URLSearchParams(fields).toString(),
      ),
    mint: (request: unknown, headers = {}) =>
      send(
        'POST',
        '/oauth2/mint',
        { 'content-type': 'application/json', ...headers },
        JSON.stringify(request),
      ),
    now: () => runtime.now(),
  };
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

type World = Awaited<ReturnType<typeof world>>;

/** The claims of a token that verifies with the published keys. */
async function claimsOf(token: unknown, from: World, audience = 'sigstore'): Promise<JWTPayload> {
  const keys = (await from.get('/oauth2/keys')).json() as unknown as Parameters<typeof createLocalJWKSet>[0];
  const { payload } = await jwtVerify(String(token), createLocalJWKSet(keys), {
    issuer,
    audience,
    algorithms: ['RS256'],
    currentDate: from.now(),
  });
  return payload;
}

const authorization = {
  response_type: 'code',
  client_id: 'sigstore',
  redirect_uri: callback,
  scope: 'openid email',
  state: 'st4te',
  nonce: 'n0nce',
  access_type: 'online',
  code_challenge: challenge,
  code_challenge_method: 'S256',
};

const authorizePath = (changes: Readonly<Record<string, string | undefined>> = {}): string => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...authorization, ...changes }))
    if (value !== undefined) query.set(name, value);
  return `/oauth2/auth?${query}`;
};

const locationOf = ({ headers }: Answer): URL => new URL(String(headers['location']));

/** A code for dev@example.com. */
async function newCode(from: World): Promise<string> {
  const answer = await from.get(authorizePath({ login_hint: 'dev@example.com' }));
  return locationOf(answer).searchParams.get('code') ?? '';
}

const exchange = (code: string, changes = {}): Record<string, string> => ({
  grant_type: 'authorization_code',
  client_id: 'sigstore',
  code,
  redirect_uri: callback,
  code_verifier: verifier,
  ...changes,
});

test('discovery names the issuer exactly, and end points below it', async () => {
  const metadata = (await (await world()).get('/.well-known/openid-configuration')).json();
  assert.equal(metadata['issuer'], issuer);
  assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
  assert.deepEqual(metadata['id_token_signing_alg_values_supported'], ['RS256']);
  for (const name of [
    'authorization_endpoint',
    'token_endpoint',
    'device_authorization_endpoint',
    'jwks_uri',
  ]) {
    assert.ok(String(metadata[name]).startsWith(`${issuer}/oauth2/`), name);
  }
});

test('a token verifies with the published key, and says what it was asked to say', async () => {
  const at = await world();
  const token = await at.oidc.mintToken({
    email: 'a@example.com',
    claims: { groups: ['x'], email_verified: false },
  });
  const claims = await claimsOf(token, at);
  assert.equal(claims.sub, 'a@example.com');
  assert.equal(claims['email'], 'a@example.com');
  assert.equal(claims['email_verified'], false);
  assert.deepEqual(claims['groups'], ['x']);
  assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 3_600);
  const { alg, kid } = decodeProtectedHeader(token);
  assert.equal(alg, 'RS256');
  const [key] = (await at.get('/oauth2/keys')).json()['keys'] as readonly JsonObject[];
  assert.equal(key?.['kid'], kid);
  assert.equal(key?.['d'], undefined);
  const other = await claimsOf(
    await at.oidc.mintToken({ subject: 'repo:a/b', audience: 'x', expiresIn: 60_000 }),
    at,
    'x',
  );
  assert.equal(other.sub, 'repo:a/b');
  assert.equal(other['email'], undefined);
  await assert.rejects(at.oidc.mintToken({}), { code: 'ERR_USAGE' });
  for (const name of ['iss', 'aud', 'iat', 'nbf', 'exp']) {
    await assert.rejects(at.oidc.mintToken({ subject: 'x', claims: { [name]: 1 } }), { code: 'ERR_USAGE' });
  }
});

test('only an RSA key can sign', async () => {
  const { privateKey: wrong } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const runtime = { now: () => new Date(0), monotonic: () => 0, random: (n: number) => new Uint8Array(n) };
  await assert.rejects(createOidc(runtime, { issuer, key: wrong }), {
    code: 'ERR_KEY_UNSUPPORTED',
  });
});

test('authorization code: page, form, redirect, token', async () => {
  const at = await world();
  const page = await at.get(authorizePath({ state: '"><script>alert(1)</script>' }));
  assert.equal(page.status, 200);
  assert.match(String(page.headers['content-type']), /^text\/html/);
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'/);
  assert.equal(page.headers['cache-control'], 'no-store');
  assert.ok(!page.text.includes('<script'));
  assert.match(page.text, /<label for="email">/);
  const hidden = [...page.text.matchAll(/type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, value.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))],
  );
  const fields = Object.fromEntries(hidden) as Record<string, string>;
  const wrong = await at.form('/oauth2/auth', { ...fields, email: 'nobody' });
  assert.equal(wrong.status, 400);
  assert.match(wrong.text, /role="alert"/);
  const answer = await at.form('/oauth2/auth', { ...fields, email: 'dev@example.com' });
  assert.equal(answer.status, 303);
  const location = locationOf(answer);
  assert.equal(location.origin + location.pathname, callback);
  assert.equal(location.searchParams.get('state'), '"><script>alert(1)</script>');
  const code = location.searchParams.get('code') ?? '';
  const token = await at.form('/oauth2/token', exchange(code));
  assert.equal(token.status, 200);
  assert.equal(token.headers['cache-control'], 'no-store');
  assert.equal(token.json()['token_type'], 'Bearer');
  const claims = await claimsOf(token.json()['id_token'], at);
  assert.equal(claims['email'], 'dev@example.com');
  assert.equal(claims['email_verified'], true);
  assert.equal(claims['nonce'], 'n0nce');
  const again = await at.form('/oauth2/token', exchange(code));
  assert.equal(again.json()['error'], 'invalid_grant');
});

test('the client may be named by basic authentication, as Go does first', async () => {
  const at = await world();
  const { client_id: _, ...fields } = exchange(await newCode(at));
  const authorization = `Basic ${Buffer.from('sigstore:').toString('base64')}`;
  const token = await at.form('/oauth2/token', fields, { authorization });
  assert.equal(token.status, 200, token.text);
  const none = await at.form('/oauth2/token', fields);
  assert.equal(none.status, 401);
  assert.equal(none.json()['error'], 'invalid_client');
  const two = await at.form('/oauth2/token', { ...fields, client_id: 'other' }, { authorization });
  assert.equal(two.json()['error'], 'invalid_client');
});

test('without a browser the code is shown', async () => {
  const at = await world();
  const redirect_uri = 'urn:ietf:wg:oauth:2.0:oob';
  const page = await at.get(authorizePath({ redirect_uri, login_hint: 'dev@example.com' }));
  const code = /<code>([^<]+)</.exec(page.text)?.[1] ?? '';
  const token = await at.form('/oauth2/token', exchange(code, { redirect_uri }));
  assert.equal(token.status, 200, token.text);
});

test('an authorization request that is wrong is told to the program, or shown when there is none to trust_fail', async () => {
  const at = await world();
  for (const [changes, error] of [
    [{ code_challenge: undefined }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ code_challenge_method: undefined }, 'invalid_request'],
    [{ code_challenge: 'short' }, 'invalid_request'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ response_type: undefined }, 'invalid_request'],
    [{ scope: 'email' }, 'invalid_scope'],
  ] as const) {
    const answer = await at.get(authorizePath({ login_hint: 'dev@example.com', ...changes }));
    assert.equal(answer.status, 303, JSON.stringify(changes));
    assert.equal(locationOf(answer).searchParams.get('error'), error, JSON.stringify(changes));
    assert.equal(locationOf(answer).searchParams.get('state'), 'st4te');
    assert.equal(locationOf(answer).searchParams.get('code'), null);
  }
  for (const redirect_uri of [
    undefined,
    'http://evil.test/auth/callback',
    'https://localhost:1/auth/callback',
    'http://localhost.evil.test:1/auth/callback',
    'http://localhost:1/auth/callback/../x',
    'http://localhost:1/auth/callback?x',
    'http://a@localhost:1/auth/callback',
    'http://localhost:1/other',
    'javascript:alert(1)',
    'http://localhost:1\n/auth/callback',
  ]) {
    const answer = await at.get(authorizePath({ redirect_uri, login_hint: 'dev@example.com' }));
    assert.equal(answer.status, 400, String(redirect_uri));
    assert.equal(answer.headers['location'], undefined);
  }
  const twice = await at.get(`${authorizePath({ login_hint: 'dev@example.com' })}&state=other`);
  assert.equal(twice.status, 400);
  const foreign = await at.form(
    '/oauth2/auth',
    { ...authorization, email: 'dev@example.com' },
    { origin: 'https://evil.test' },
  );
  assert.equal(foreign.status, 403);
  const own = await at.form(
    '/oauth2/auth',
    { ...authorization, email: 'dev@example.com' },
    { origin: 'http://127.0.0.1:5200' },
  );
  assert.equal(own.status, 303);
});

test('a code is for one client, one address, one verifier, once and for a minute_fail', async () => {
  const at = await world();
  for (const changes of [
    { code_verifier: `${verifier}x` },
    { code_verifier: '' },
    { client_id: 'other' },
    { redirect_uri: 'http://localhost:1/auth/callback' },
    { code: 'nonsense' },
  ]) {
    const code = await newCode(at);
    const answer = await at.form('/oauth2/token', exchange(code, changes));
    assert.equal(answer.status, 400);
    assert.equal(answer.json()['error'], 'invalid_grant', JSON.stringify(changes));
    if ('code' in changes) continue;
    const late = await at.form('/oauth2/token', exchange(code));
    assert.equal(late.json()['error'], 'invalid_grant', 'a code that was tried is used up');
  }
  const code = await newCode(at);
  at.pass(60_000);
  assert.equal((await at.form('/oauth2/token', exchange(code))).json()['error'], 'invalid_grant');
});

test('token requests that are none_fail', async () => {
  const at = await world();
  const error = async (fields: Readonly<Record<string, string>>): Promise<unknown> =>
    (await at.form('/oauth2/token', fields)).json()['error'];
  assert.equal(await error({ client_id: 'sigstore' }), 'invalid_request');
  assert.equal(await error({ client_id: 'sigstore', grant_type: 'password' }), 'unsupported_grant_type');
  assert.equal(await error({ client_id: 'sigstore', grant_type: 'constructor' }), 'unsupported_grant_type');
  assert.equal(await error({ client_id: 'sigstore', grant_type: 'authorization_code' }), 'invalid_request');
  const plain = await at.send('POST', '/oauth2/token', { 'content-type': 'text/plain' }, 'grant_type=x');
  assert.equal(plain.status, 415);
  assert.equal((await at.send('POST', '/oauth2/token', {}, 'x'.repeat(20_000))).status, 413);
  const binary = at.send(
    'POST',
    '/oauth2/token',
    { 'content-type': 'application/x-www-form-urlencoded', authorization: 'Basic /////w==' },
    'grant_type=authorization_code',
  );
  assert.ok([400, 401].includes((await binary).status));
});

test('client credentials: a client is who it says', async () => {
  const at = await world();
  const token = async (client_id: string): Promise<JWTPayload> => {
    const answer = await at.form('/oauth2/token', {
      grant_type: 'client_credentials',
      client_id,
      client_secret: 'anything',
      scope: 'openid email',
    });
    return claimsOf(answer.json()['id_token'], at, client_id);
  };
  assert.equal((await token('sigstore'))['email'], 'sigstore@example.com');
  assert.equal((await token('bot@example.org'))['email'], 'bot@example.org');
});

/** What cosign 3 sends to begin, as it was recorded. */
const deviceRequest = {
  client_id: 'sigstore',
  code_challenge: challenge,
  code_challenge_method: 'S256',
  scope: 'openid email',
};

const poll = (device_code: unknown, changes = {}): Record<string, string> => ({
  client_id: 'sigstore',
  code_verifier: verifier,
  device_code: String(device_code),
  grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
  scope: 'openid email',
  ...changes,
});

test('device flow, as cosign 3 goes through it', async () => {
  const at = await world();
  const begun = (await at.form('/oauth2/device/code', deviceRequest)).json();
  const { device_code, user_code, interval, expires_in } = begun;
  assert.match(String(user_code), /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  assert.equal(begun['verification_uri'], `${issuer}/oauth2/device`);
  assert.equal(begun['verification_uri_complete'], `${issuer}/oauth2/device?user_code=${user_code}`);
  assert.equal(expires_in, 300);
  const ask = async (): Promise<JsonObject> => {
    at.pass(Number(interval) * 1_000);
    return (await at.form('/oauth2/token', poll(device_code))).json();
  };
  assert.equal((await ask())['error'], 'authorization_pending');
  const page = await at.get(`/oauth2/device?user_code=${user_code}`);
  assert.ok(page.text.includes(`value="${user_code}"`));
  assert.match(page.text, /<label for="user_code">/);
  assert.equal((await at.form('/oauth2/device', { user_code: 'XXXX-XXXX', email: 'a@b.c' })).status, 400);
  assert.equal((await at.form('/oauth2/device', { user_code: String(user_code), email: 'x' })).status, 400);
  const typed = String(user_code).toLowerCase().replace('-', ' ');
  const allowed = await at.form('/oauth2/device', {
    user_code: typed,
    email: 'dev@example.com',
    decision: 'allow',
  });
  assert.equal(allowed.status, 200, allowed.text);
  const claims = await claimsOf((await ask())['id_token'], at);
  assert.equal(claims['email'], 'dev@example.com');
  assert.equal((await ask())['error'], 'invalid_grant');
  assert.equal((await at.form('/oauth2/device', { user_code: typed, email: 'a@b.c' })).status, 400);
});

test('device flow: denied, too eager, too late, of somebody else_fail', async () => {
  const at = await world();
  const begin = async (): Promise<JsonObject> => (await at.form('/oauth2/device/code', deviceRequest)).json();
  const ask = async (code: unknown, changes = {}): Promise<unknown> =>
    (await at.form('/oauth2/token', poll(code, changes))).json()['error'];

  const denied = await begin();
  const answer = await at.form('/oauth2/device', {
    user_code: String(denied['user_code']),
    decision: 'deny',
  });
  assert.equal(answer.status, 200);
  assert.equal(await ask(denied['device_code']), 'access_denied');
  assert.equal(await ask(denied['device_code']), 'invalid_grant');

  const eager = (await begin())['device_code'];
  assert.equal(await ask(eager), 'authorization_pending');
  assert.equal(await ask(eager), 'slow_down');
  at.pass(1_000);
  assert.equal(await ask(eager), 'slow_down');
  at.pass(11_000);
  assert.equal(await ask(eager), 'authorization_pending');
  assert.equal(await ask(eager, { code_verifier: 'wrong' }), 'invalid_grant');
  assert.equal(await ask(eager, { code_verifier: '' }), 'invalid_grant');
  assert.equal(await ask(eager, { client_id: 'other' }), 'invalid_grant');
  assert.equal(await ask('nonsense'), 'invalid_grant');

  const late = await begin();
  at.pass(300_000);
  assert.equal(await ask(late['device_code']), 'expired_token');
  const page = await at.form('/oauth2/device', { user_code: String(late['user_code']), email: 'a@b.c' });
  assert.equal(page.status, 400);
  const origin = await at.form('/oauth2/device', { user_code: 'x', email: 'a@b.c' }, { origin: 'null' });
  assert.equal(origin.status, 403);
  const plain = { ...deviceRequest, code_challenge_method: 'plain' };
  assert.equal((await at.form('/oauth2/device/code', plain)).json()['error'], 'invalid_request');
});

test('grants are bounded in number', async () => {
  const at = await world();
  const first = (await at.form('/oauth2/device/code', deviceRequest)).json()['device_code'];
  for (let n = 0; n < 1_000; n++) await at.form('/oauth2/device/code', deviceRequest);
  assert.equal((await at.form('/oauth2/token', poll(first))).json()['error'], 'invalid_grant');
});

test('the end point for programs takes what it knows and no page_fail', async () => {
  const at = await world();
  const good = await at.mint({ email: 'a@example.com', claims: { groups: [1] }, expiresIn: 60_000 });
  assert.equal(good.status, 200);
  const claims = await claimsOf(good.json()['token'], at);
  assert.deepEqual(claims['groups'], [1]);
  for (const request of [
    {},
    [],
    'x',
    { email: 'nobody' },
    { email: 1 },
    { subject: '' },
    { subject: 'x', audience: 1 },
    { subject: 'x', claims: [] },
    { subject: 'x', claims: { iss: 'y' } },
    { subject: 'x', expiresIn: 0 },
    { subject: 'x', expiresIn: 1e9 },
    { subject: 'x', other: 1 },
  ]) {
    const answer = await at.mint(request);
    assert.equal(answer.status, 400, JSON.stringify(request));
    assert.equal(answer.json()['error'], 'invalid_request');
  }
  assert.equal((await at.mint({ subject: 'x' }, { origin: issuer })).status, 403);
  assert.equal((await at.mint({ subject: 'x' }, { 'content-type': 'text/plain' })).status, 415);
  const broken = await at.send('POST', '/oauth2/mint', { 'content-type': 'application/json' }, '{');
  assert.equal(broken.json()['error'], 'invalid_request');
});

test('nothing that is sent makes it fail', async () => {
  const at = await world();
  const names = [
    'grant_type',
    'client_id',
    'code',
    'redirect_uri',
    'device_code',
    'user_code',
    'email',
    'state',
  ];
  const known = [
    'authorization_code',
    'client_credentials',
    'sigstore',
    callback,
    challenge,
    'S256',
    'openid',
    'code',
  ];
  const values = oneof(constantFrom(...known), string({ unit: 'binary', maxLength: 30 }));
  const form = array(tuple(oneof(constantFrom(...names), string({ maxLength: 8 })), values), {
    maxLength: 8,
  }).map((pairs) => new URLSearchParams(pairs).toString());
  const body = oneof(form, string({ unit: 'binary', maxLength: 60 }), json());
  const paths = at.oidc.routes.map(({ method, path }) => [method, path] as const);
  const type = constantFrom('application/x-www-form-urlencoded', 'application/json', 'text/plain', '');
  await check(
    asyncProperty(
      constantFrom(...paths),
      body,
      type,
      oneof(constantFrom('Basic OjpA', 'Basic JTAw'), string({ maxLength: 20 })),
      async ([method, path], text, contentType, authorization) => {
        const headers = { 'content-type': contentType, authorization };
        const answer =
          method === 'GET'
            ? await at.send('GET', `${path}?${text}`, headers)
            : await at.send('POST', path, headers, text);
        assert.ok(answer.status < 500, `${method} ${path} ${text}: ${answer.status} ${answer.text}`);
      },
    ),
    { numRuns: 800 },
  );
});

test('no page of another origin may read', async () => {
  const at = await world();
  const preflight = await at.send('OPTIONS', '/oauth2/mint', { 'access-control-request-method': 'POST' });
  assert.equal(preflight.status, 405);
  const answer = await at.mint({ subject: 'x' });
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
});

test('every route has a name of its own and none collides with Fulcio or the timestamp authority', async () => {
  const { oidc }: { oidc: OidcService } = await world();
  const paths = oidc.routes.map(({ method, path }) => `${method} ${path}`);
  assert.equal(new Set(paths).size, paths.length);
  assert.ok(oidc.routes.every(({ path }) => path.startsWith('/oauth2/') || path.startsWith('/.well-known/')));
});
