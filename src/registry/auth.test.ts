import assert from 'node:assert/strict';
import { describe as suite, test } from 'node:test';
import { createEmbeddedRegistry } from '../../test/support/embedded-registry.ts';
import {
  fetchInto,
  type InProcessRuntime,
  inProcessRuntime,
  respond,
} from '../../test/support/in-process.ts';
import { utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { Fetch, FetchInit, FetchResponse } from '../core/runtime.ts';
import { describe, emptyConfigBytes, encodeManifest, mediaTypes } from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import { createRegistryClient, type RegistryClientOptions } from './client.ts';
import type { Credential } from './credentials/credential.ts';

const user: Credential = { kind: 'basic', username: 'alice', password: 'open-sesame', origin: 'a test' };
const credentials = async (): Promise<Credential> => user;
const content = utf8('content');

async function failsWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isBoltsealError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.ok(!JSON.stringify([error.message, error.hint, error.details]).includes('open-sesame'));
    return true;
  });
}

interface Protected {
  readonly runtime: InProcessRuntime;
  open(path: string, push?: boolean, options?: RegistryClientOptions): ReturnType<typeof openFirst>;
}

async function openFirst(
  runtime: InProcessRuntime,
  path: string,
  options: RegistryClientOptions,
  push: boolean,
): ReturnType<ReturnType<typeof createRegistryClient>['open']> {
  return createRegistryClient(runtime, options).open(parseReference(path), { push });
}

/** An embedded registry that wants tokens, behind the name registry.example. */
function protectedRegistry(options: { tokenLifetime?: number; anonymousPull?: boolean } = {}): Protected {
  const registry = createEmbeddedRegistry({
    auth: { kind: 'bearer', username: 'alice', password: 'open-sesame', ...options },
    runtime: { monotonic: () => runtime.monotonic() },
  });
  const runtime: InProcessRuntime = inProcessRuntime(fetchInto(registry));
  const client = createRegistryClient(runtime, { credentials });
  return {
    runtime,
    open: (path, push = true, own) =>
      own === undefined
        ? client.open(parseReference(`registry.example/${path}`), { push })
        : openFirst(runtime, `registry.example/${path}`, own, push),
  };
}

const tokenRequests = (runtime: InProcessRuntime): number =>
  runtime.seen.filter(({ url }) => url.pathname === '/token').length;

suite('tokens', () => {
  test('one token is asked for by 32 requests at once, and kept', async () => {
    const { runtime, open } = protectedRegistry();
    const repository = await open('acme/app');
    await Promise.all(Array.from({ length: 32 }, (_, n) => repository.getManifest(`v${n}`)));
    assert.equal(tokenRequests(runtime), 1);
    const before = runtime.seen.length;
    await repository.putBlob(content);
    await repository.putBlob(emptyConfigBytes);
    const manifest = encodeManifest({
      mediaType: mediaTypes.manifest,
      config: describe(mediaTypes.empty, emptyConfigBytes),
      layers: [],
    });
    await repository.putManifest(manifest, mediaTypes.manifest, { tag: 'v1' });
    assert.equal(tokenRequests(runtime), 1, 'the first token could push already');
    assert.equal(runtime.seen.length - before, 7);
    assert.ok(
      runtime.seen.slice(before).every(({ headers }) => headers['authorization']?.startsWith('Bearer ')),
    );
  });

  test('a deletion asks for a token that may delete', async () => {
    const { open, runtime } = protectedRegistry();
    const repository = await open('acme/app');
    await repository.putBlob(emptyConfigBytes);
    const config = describe(mediaTypes.config, emptyConfigBytes);
    const manifest = encodeManifest({ mediaType: mediaTypes.manifest, config, layers: [] });
    await repository.putManifest(manifest, mediaTypes.manifest, { tag: 'v1' });
    assert.equal(await repository.deleteManifest('v1'), true);
    const scopes = runtime.seen.flatMap(({ url }) => url.searchParams.getAll('scope'));
    assert.deepEqual(scopes, ['repository:acme/app:pull,push', 'repository:acme/app:pull,push,delete']);
  });

  test('a challenge learnt once serves other repositories', async () => {
    const { runtime, open } = protectedRegistry();
    await (await open('acme/one', false)).getManifest('v1');
    const before = runtime.seen.length;
    await (await open('acme/two', false)).getManifest('v1');
    assert.deepEqual(
      runtime.seen.slice(before).map(({ url }) => url.pathname),
      ['/token', '/v2/acme/two/manifests/v1'],
    );
  });

  test('a token that expires while it is used is replaced, once for all', async () => {
    const { runtime, open } = protectedRegistry({ tokenLifetime: 60_000 });
    const repository = await open('acme/app');
    await repository.putBlob(content);
    runtime.pass(30_000);
    await repository.getManifest('v1');
    assert.equal(tokenRequests(runtime), 1);
    runtime.pass(25_000);
    await Promise.all([repository.getManifest('v1'), repository.getManifest('v2')]);
    assert.equal(tokenRequests(runtime), 2, 'a little before its end');
  });

  test('a token that is refused before its end is replaced, once for all', async () => {
    let issued = 0;
    let valid = 'token1';
    const { repository, runtime } = await openAgainst(({ url, init }) => {
      if (url.pathname === '/token') return json({ token: `token${++issued}`, expires_in: 3600 });
      if (init.headers['authorization'] === `Bearer ${valid}`) return respond({ status: 404 });
      return bearer('https://registry.example/token');
    });
    await repository.getManifest('v1');
    valid = 'token2';
    await Promise.all(Array.from({ length: 8 }, (_, n) => repository.getManifest(`v${n}`)));
    assert.equal(tokenRequests(runtime), 2);
  });

  test('a registry that refuses every token is asked twice, not for ever', async () => {
    const { repository, runtime } = await openAgainst(({ url }) =>
      url.pathname === '/token' ? json({ token: 'x' }) : bearer('https://registry.example/token'),
    );
    await failsWith('ERR_REGISTRY_UNAUTHORIZED', repository.getManifest('v1'));
    assert.equal(runtime.seen.length, 3);
  });

  test('wrong credentials, no credentials, anonymous pull', async () => {
    const wrong = protectedRegistry();
    const badly = async (): Promise<Credential> => ({ ...user, username: 'mallory' }) as Credential;
    await failsWith(
      'ERR_REGISTRY_UNAUTHORIZED',
      (await wrong.open('a/b', false, { credentials: badly })).getManifest('v1'),
    );
    const none = protectedRegistry();
    await failsWith('ERR_REGISTRY_UNAUTHORIZED', (await none.open('a/b', false, {})).getManifest('v1'));
    const open = protectedRegistry({ anonymousPull: true });
    assert.equal(await (await open.open('a/b', false, {})).getManifest('v1'), undefined);
    await failsWith('ERR_REGISTRY_UNAUTHORIZED', (await open.open('a/b', true, {})).putBlob(content));
  });

  test('an identity token is exchanged by POST and never sent to the registry', async () => {
    const identity: Credential = { kind: 'identity-token', token: 'open-sesame', origin: 'a test' };
    const { repository, runtime } = await openAgainst(
      ({ url, init }) => {
        if (url.pathname === '/token') {
          const form = new URLSearchParams(Buffer.from(init.body as Uint8Array).toString());
          assert.equal(init.method, 'POST');
          assert.equal(form.get('refresh_token'), 'open-sesame');
          assert.equal(form.get('grant_type'), 'refresh_token');
          assert.equal(form.get('scope'), 'repository:acme/app:pull');
          return json({ access_token: 'short-lived' });
        }
        return init.headers['authorization'] === 'Bearer short-lived'
          ? respond({ status: 404 })
          : bearer('https://registry.example/token');
      },
      { credentials: async () => identity },
    );
    assert.equal(await repository.getManifest('v1'), undefined);
    assert.ok(!JSON.stringify(runtime.seen).includes('open-sesame'));
    assert.ok(!JSON.stringify(runtime.events).includes('open-sesame'));
  });

  test('a registry token is sent as it is, once it is asked for', async () => {
    const token: Credential = { kind: 'registry-token', token: 'open-sesame', origin: 'a test' };
    const { repository, runtime } = await openAgainst(
      ({ init }) =>
        respond({
          status: init.headers['authorization'] === 'Bearer open-sesame' ? 404 : 401,
          headers: { 'www-authenticate': 'Bearer realm="https://elsewhere.example/"' },
        }),
      { credentials: async () => token },
    );
    assert.equal(await repository.getManifest('v1'), undefined);
    assert.ok(runtime.seen.every(({ url }) => url.host === 'registry.example'));
  });

  test('answers of token services that are none', async () => {
    const answers: readonly (readonly [ErrorCode, FetchResponse])[] = [
      ['ERR_REGISTRY_RESPONSE', json({})],
      ['ERR_REGISTRY_RESPONSE', json({ token: 'with\r\nheader: x' })],
      ['ERR_REGISTRY_RESPONSE', json([])],
      ['ERR_JSON_INVALID', respond({ status: 200, body: '<html>' })],
      ['ERR_LIMIT_EXCEEDED', respond({ status: 200, body: utf8(' '.repeat(2_000_000)) })],
      ['ERR_REGISTRY_REDIRECT', respond({ status: 302, headers: { location: 'https://evil.example/' } })],
      ['ERR_REGISTRY_RESPONSE', respond({ status: 500 })],
    ];
    for (const [code, answer] of answers) {
      const { repository } = await openAgainst(({ url }) =>
        url.pathname === '/token' ? answer : bearer('https://registry.example/token'),
      );
      await failsWith(code, repository.getManifest('v1'));
    }
  });
});

suite('basic', () => {
  test('is sent only after it was asked for, and refused once', async () => {
    const { repository, runtime } = await openAgainst(({ init }) =>
      respond(
        init.headers['authorization'] === `Basic ${Buffer.from('alice:open-sesame').toString('base64')}`
          ? { status: 404 }
          : { status: 401, headers: { 'www-authenticate': 'Negotiate abc==, Basic realm="a, b"' } },
      ),
    );
    assert.equal(await repository.getManifest('v1'), undefined);
    assert.equal(await repository.getManifest('v2'), undefined);
    assert.equal(runtime.seen.length, 3);
    const refusing = await openAgainst(() =>
      respond({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }),
    );
    await failsWith('ERR_REGISTRY_UNAUTHORIZED', refusing.repository.getManifest('v1'));
    await failsWith('ERR_REGISTRY_UNAUTHORIZED', refusing.repository.getManifest('v1'));
    const silent = await openAgainst(() => respond({ status: 401 }));
    await failsWith('ERR_REGISTRY_UNAUTHORIZED', silent.repository.getManifest('v1'));
  });
});

suite('realms', () => {
  const asksAt =
    (realm: string) =>
    ({ url, init }: { url: URL; init: FetchInit }): FetchResponse => {
      if (url.href.startsWith(realm)) return json({ token: 'good' });
      return init.headers['authorization'] === 'Bearer good' ? respond({ status: 404 }) : bearer(realm);
    };

  test('get credentials only where they belong', async () => {
    const cases: readonly (readonly [string, string, readonly string[], boolean])[] = [
      ['registry.example/a', 'https://registry.example/token', [], true],
      ['registry.example:5000/a', 'https://registry.example:5001/token', [], false],
      ['registry.example:5000/a', 'https://registry.example:5001/token', ['registry.example:5001'], true],
      ['registry.corp.example/a', 'https://auth.corp.example/token', [], false],
      ['registry.acme-corp.com/a', 'https://gitlab.acme-corp.com/jwt/auth', [], false],
      ['nginx', 'https://auth.docker.io/token', [], true],
      ['registry.gitlab.com/a/b', 'https://gitlab.com/jwt/auth', [], true],
      ['registry.example/a', 'https://elsewhere.test/token', [], false],
      ['registry.example/a', 'https://elsewhere.test/token', ['elsewhere.test'], true],
      ['registry.example/a', 'https://elsewhere.test/token', ['registry.example=elsewhere.test'], true],
      ['registry.example/a', 'https://elsewhere.test/token', ['other.example=elsewhere.test'], false],
      ['registry.example/a', 'https://elsewhere.test:8443/token', ['elsewhere.test'], false],
      ['one.co.uk/a', 'https://two.co.uk/token', [], false],
      ['one.azurecr.io/a', 'https://two.azurecr.io/token', [], false],
      ['registry.example/a', 'https://registry.example.evil.test/token', [], false],
      ['registry.example/a', 'https://evilregistry.example/token', [], false],
      ['localhost:5000/a', 'http://127.0.0.1:5001/token', [], false],
      ['localhost:5000/a', 'http://localhost:5000/token', [], true],
      ['127.0.0.1:5000/a', 'https://evil.test/token', [], false],
    ];
    for (const [reference, realm, trustedRealms, isAllowed] of cases) {
      const { repository, runtime } = await openAgainst(asksAt(realm), { trustedRealms }, reference);
      const work = repository.getManifest('v1');
      if (isAllowed) assert.equal(await work, undefined, `${reference} ${realm}`);
      else {
        await failsWith('ERR_REGISTRY_REALM', work);
        assert.equal(runtime.seen.length, 1, `${reference} ${realm}`);
      }
      // Without credentials there is nothing to lose: an anonymous token may come from any public host.
      const anonymous = await openAgainst(asksAt(realm), { credentials: async () => undefined }, reference);
      assert.equal(await anonymous.repository.getManifest('v1'), undefined, `${reference} ${realm}`);
    }
  });

  test('that must not be asked at all', async () => {
    const realms = [
      'http://registry.example/token',
      'http://elsewhere.test/token',
      'https://127.0.0.1/token',
      'https://localhost/token',
      'https://10.0.0.1/token',
      'https://[fd00::1]/token',
      'https://[::ffff:7f00:1]/token',
      'https://169.254.169.254/latest',
      'https://metadata.google.internal/token',
      'https://vault/token',
      'https://u:p@registry.example/token',
      'https://registry.example/token#x',
      'ftp://registry.example/token',
      '/token',
      '',
    ];
    for (const realm of realms) {
      for (const source of [credentials, async (): Promise<undefined> => undefined]) {
        const { repository, runtime } = await openAgainst(asksAt(realm === '' ? 'none' : realm), {
          credentials: source,
        });
        await failsWith('ERR_REGISTRY_REALM', repository.getManifest('v1'));
        assert.equal(runtime.seen.length, 1, realm);
      }
    }
    const named = await openAgainst(asksAt('https://10.0.0.1/token'), { trustedRealms: ['10.0.0.1'] });
    assert.equal(await named.repository.getManifest('v1'), undefined);
    const inside = await openAgainst(asksAt('https://10.0.0.1/token'), {}, '10.0.0.1/a');
    assert.equal(await inside.repository.getManifest('v1'), undefined);
  });
});

function json(value: unknown): FetchResponse {
  return respond({ status: 200, body: JSON.stringify(value) });
}

function bearer(realm: string): FetchResponse {
  return respond({
    status: 401,
    headers: { 'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:acme/app:pull"` },
  });
}

async function openAgainst(
  answer: (request: { url: URL; init: FetchInit }) => FetchResponse,
  options: RegistryClientOptions = {},
  reference = 'registry.example/acme/app',
): Promise<{ repository: Awaited<ReturnType<typeof openFirst>>; runtime: InProcessRuntime }> {
  const fetch: Fetch = async (url, init) => answer({ url: new URL(url), init });
  const runtime = inProcessRuntime(fetch);
  return { runtime, repository: await openFirst(runtime, reference, { credentials, ...options }, false) };
}
