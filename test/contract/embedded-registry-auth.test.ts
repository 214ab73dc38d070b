import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStorage, type RegistryAuth } from '../../src/server/index.ts';
import { createEmbeddedRegistry } from '../support/embedded-registry.ts';
import { call, digestOf, emptyManifest, manifestType } from '../support/embedded-registry-requests.ts';

const account = { username: 'robot', password: 'p:ss wörd' };
const basic = (username: string, password: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
});
const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });
const good = basic(account.username, account.password);

test('basic: every request needs the account', async () => {
  const registry = createEmbeddedRegistry({ auth: { kind: 'basic', ...account } });
  for (const path of ['/v2/', '/v2/_catalog', '/v2/app/tags/list']) {
    const reply = await call(registry, 'GET', path);
    assert.equal(reply.status, 401, path);
    assert.equal(reply.code, 'UNAUTHORIZED');
    assert.match(reply.headers['www-authenticate'] ?? '', /^Basic realm="/);
  }
  for (const headers of [
    basic('robot', 'wrong'),
    basic('other', account.password),
    basic('robot', ''),
    { authorization: 'Basic ====' },
    { authorization: 'Basic' },
    bearer('x'),
  ]) {
    assert.equal((await call(registry, 'GET', '/v2/', { headers })).status, 401, headers.authorization);
  }
  assert.equal((await call(registry, 'GET', '/v2/', { headers: good })).status, 200);
  assert.equal((await call(registry, 'GET', '/token', { headers: good })).status, 404);
});

function openBearer(options: Partial<Extract<RegistryAuth, { kind: 'bearer' }>> = {}) {
  const clock = { time: 1_000 };
  const registry = createEmbeddedRegistry({
    storage: memoryStorage(),
    auth: { kind: 'bearer', ...account, ...options },
    runtime: { monotonic: () => clock.time },
  });
  const token = async (scope: string, headers: Record<string, string> = good): Promise<string> =>
    (await call(registry, 'GET', `/token?service=boltseal-registry&scope=${scope}`, { headers })).json.token;
  return { registry, clock, token };
}

test('bearer: challenges name realm, service and scope', async () => {
  const { registry } = openBearer();
  const challenge = async (method: string, path: string) =>
    (await call(registry, method, path)).headers['www-authenticate'];
  const start = 'Bearer realm="http://registry.test/token",service="boltseal-registry"';
  assert.equal(await challenge('GET', '/v2/'), start);
  const app = (actions: string) => `${start},scope="repository:a/b:${actions}"`;
  assert.equal(await challenge('GET', '/v2/a/b/tags/list'), app('pull'));
  assert.equal(await challenge('PUT', '/v2/a/b/manifests/x'), app('pull,push'));
  assert.equal(await challenge('POST', '/v2/a/b/blobs/uploads/'), app('pull,push'));
  assert.equal(await challenge('DELETE', '/v2/a/b/manifests/x'), app('delete'));
  assert.equal(await challenge('GET', '/v2/_catalog'), `${start},scope="registry:catalog:*"`);
});

test('bearer: a token does what its scope says, until it expires', async () => {
  const { registry, clock, token } = openBearer({ tokenLifetime: 60_000 });
  const pull = bearer(await token('repository:app:pull'));
  const push = bearer(await token('repository:app:pull,push%20repository:other:pull'));
  const upload = `/v2/app/blobs/uploads/?digest=${digestOf('{}')}`;
  assert.equal((await call(registry, 'GET', '/v2/', { headers: pull })).status, 200);
  const refused = await call(registry, 'POST', upload, { headers: pull, body: '{}' });
  assert.equal(refused.status, 401);
  assert.match(
    refused.headers['www-authenticate'] ?? '',
    /scope="repository:app:pull,push",error="insufficient_scope"/,
  );
  assert.equal((await call(registry, 'POST', upload, { headers: push, body: '{}' })).status, 201);
  const put = await call(registry, 'PUT', '/v2/app/manifests/v1', {
    headers: { ...push, 'content-type': manifestType },
    body: JSON.stringify(emptyManifest()),
  });
  assert.equal(put.status, 201);
  assert.equal((await call(registry, 'GET', '/v2/app/manifests/v1', { headers: pull })).status, 200);
  assert.equal((await call(registry, 'DELETE', '/v2/app/manifests/v1', { headers: push })).status, 401);
  assert.equal((await call(registry, 'GET', '/v2/third/tags/list', { headers: push })).status, 401);
  clock.time += 59_999;
  assert.equal((await call(registry, 'GET', '/v2/app/manifests/v1', { headers: pull })).status, 200);
  clock.time += 1;
  const expired = await call(registry, 'GET', '/v2/app/manifests/v1', { headers: pull });
  assert.equal(expired.status, 401);
  assert.match(expired.headers['www-authenticate'] ?? '', /error="invalid_token"/);
});

test('bearer: the catalog needs a scope of its own', async () => {
  const { registry, token } = openBearer();
  const push = bearer(await token('repository:app:pull,push'));
  const upload = `/v2/app/blobs/uploads/?digest=${digestOf('{}')}`;
  await call(registry, 'POST', upload, { headers: push, body: '{}' });
  assert.equal((await call(registry, 'GET', '/v2/_catalog', { headers: push })).status, 401);
  const headers = bearer(await token('registry:catalog:*'));
  assert.deepEqual((await call(registry, 'GET', '/v2/_catalog', { headers })).json, {
    repositories: ['app'],
  });
});

test('bearer: a blob is mounted only from where the token may read', async () => {
  const { registry, token } = openBearer();
  const digest = digestOf('{}');
  const from = bearer(await token('repository:from:pull,push'));
  await call(registry, 'POST', `/v2/from/blobs/uploads/?digest=${digest}`, { headers: from, body: '{}' });
  const mount = (headers: { authorization: string }) =>
    call(registry, 'POST', `/v2/to/blobs/uploads/?mount=${digest}&from=from`, { headers });
  assert.equal((await mount(bearer(await token('repository:to:pull,push')))).status, 202);
  const both = await token('repository:to:pull,push&scope=repository:from:pull');
  assert.equal((await mount(bearer(both))).status, 201);
});

test('bearer: forged, changed and foreign tokens', async () => {
  const { registry, token } = openBearer();
  const own = await token('repository:app:pull');
  const foreign = await openBearer().token('repository:app:pull');
  const [claims = '', mac = ''] = own.split('.');
  const wider = Buffer.from(Buffer.from(claims, 'base64url').toString().replace('"pull"', '"*"')).toString(
    'base64url',
  );
  for (const bad of [foreign, `${wider}.${mac}`, claims, `${claims}.`, '.', 'x.y', `${own}x`.slice(1)]) {
    assert.equal((await call(registry, 'GET', '/v2/', { headers: bearer(bad) })).status, 401, bad);
  }
  assert.equal((await call(registry, 'GET', '/v2/', { headers: good })).status, 401, 'no Basic here');
});

test('bearer: the token service', async () => {
  const { registry } = openBearer();
  assert.equal((await call(registry, 'GET', '/token?scope=repository:app:pull')).status, 401);
  const wrong = { headers: basic('robot', 'wrong') };
  assert.equal((await call(registry, 'GET', '/token', wrong)).status, 401);
  const form = (fields: Record<string, string>) =>
    call(registry, 'POST', '/token', { body: new URLSearchParams(fields).toString() });
  const password = await form({
    grant_type: 'password',
    ...account,
    access_type: 'offline',
    scope: 'repository:app:pull',
  });
  assert.equal(password.status, 200);
  assert.equal(password.json.expires_in, 300);
  assert.equal(password.headers['cache-control'], 'no-store');
  const refresh = password.json.refresh_token;
  assert.equal((await call(registry, 'GET', '/v2/', { headers: bearer(refresh) })).status, 401);
  const again = await form({
    grant_type: 'refresh_token',
    refresh_token: refresh,
    scope: 'repository:app:pull',
  });
  const headers = bearer(again.json.access_token);
  assert.equal((await call(registry, 'GET', '/v2/app/tags/list', { headers })).code, 'NAME_UNKNOWN');
  assert.equal((await form({ grant_type: 'refresh_token', refresh_token: 'x' })).status, 401);
  assert.equal((await form({ grant_type: 'password', username: 'robot', password: 'x' })).status, 401);
  assert.equal((await form({ grant_type: 'other' })).status, 401);
  const large = await call(registry, 'POST', '/token', { body: 'x'.repeat(100_000) });
  assert.equal(large.status, 413);
});

test('bearer: anyone may pull where that is said', async () => {
  const { registry, token } = openBearer({ anonymousPull: true, realm: 'https://auth.test/t', service: 's' });
  const challenge = (await call(registry, 'GET', '/v2/')).headers['www-authenticate'];
  assert.equal(challenge, 'Bearer realm="https://auth.test/t",service="s"');
  const headers = bearer(await token('repository:app:pull,push', {}));
  assert.equal((await call(registry, 'GET', '/v2/app/tags/list', { headers })).code, 'NAME_UNKNOWN');
  assert.equal((await call(registry, 'POST', '/v2/app/blobs/uploads/', { headers })).status, 401);
  assert.equal((await call(registry, 'GET', '/v2/_catalog', { headers })).status, 401);
});
