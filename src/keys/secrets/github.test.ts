import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ApiAnswer, apiFetch, serveApi } from '../../../test/support/api-server.ts';
import { type GitHubChoices, type GitHubDouble, githubDouble } from '../../../test/support/github.ts';
import { type InProcessRuntime, inProcessRuntime } from '../../../test/support/in-process.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { KeyPairFiles } from '../generate.ts';
import { generateKeyPair } from '../generate.ts';
import { openPrivateKey } from '../private-key.ts';
import { loadSigner, loadVerificationKeys } from '../reference.ts';
import { openGitHubSecrets, parseGitHubOwner } from './github.ts';

const password = utf8('hush-hush');
const pair: KeyPairFiles = await generateKeyPair('ecdsa-p256', password);
const names = ['COSIGN_PASSWORD', 'COSIGN_PRIVATE_KEY', 'COSIGN_PUBLIC_KEY'];

interface World extends GitHubDouble {
  readonly runtime: InProcessRuntime;
}

function world(choices: GitHubChoices = {}, env: Runtime['env'] = {}): World {
  let now = (): Date => new Date();
  const double = githubDouble({ now: () => now(), ...choices });
  const runtime = inProcessRuntime(apiFetch(double.handler), { GITHUB_TOKEN: 'ghp_test', ...env });
  now = () => runtime.now();
  return { ...double, runtime };
}

async function store(reference: string, { runtime }: Pick<World, 'runtime'>): Promise<readonly string[]> {
  const stored: string[] = [];
  const place = await openGitHubSecrets(parseGitHubOwner(reference, 'it'), { runtime });
  await place.store(pair, password, (name) => stored.push(name));
  return stored;
}

const refused = (code: ErrorCode, hint?: RegExp) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.equal(error.code, code, error.message);
  if (hint !== undefined) assert.match(`${error.message} ${error.hint}`, hint);
  const shown = JSON.stringify([error.message, error.hint, error.details, String(error.cause)]);
  for (const secret of ['ghp_test', 'hush-hush', 'PRIVATE KEY-----'])
    assert.ok(!shown.includes(secret), shown);
  return true;
};

describe('secrets of GitHub Actions', () => {
  it('take a pair as cosign stores it, and are read back', async () => {
    const github = world();
    assert.deepEqual(await store('acme/app', github), names);
    const kept = names.map((name) => github.secrets.get(`acme/app ${name}`)?.value);
    assert.deepEqual(kept, ['hush-hush', pair.privateKeyPem, pair.publicKeyPem]);
    const signer = await openPrivateKey(kept[1] ?? '', kept[0] ?? '');
    assert.equal(signer.publicKey.pem, kept[2]);
    const puts = github.requests.filter(({ method }) => method === 'PUT');
    assert.deepEqual(
      puts.map(({ path }) => path),
      names.map((name) => `/repos/acme/app/actions/secrets/${name}`),
    );
    assert.deepEqual(Object.keys(JSON.parse(puts[0]?.body ?? '')).sort(), ['encrypted_value', 'key_id']);
  });

  it('of an organization are for its private repositories, or for whom they were before', async () => {
    const github = world();
    assert.deepEqual(await store('acme', github), names);
    assert.equal(github.secrets.get('acme COSIGN_PRIVATE_KEY')?.visibility, 'private');
    const now = github.runtime.now().toISOString();
    github.secrets.set('acme COSIGN_PASSWORD', { value: 'x', visibility: 'all', created: now, updated: now });
    github.runtime.pass(5_000);
    await store('acme', github);
    assert.equal(github.secrets.get('acme COSIGN_PASSWORD')?.visibility, 'all');
    github.secrets.set('acme COSIGN_PASSWORD', {
      value: 'x',
      visibility: 'selected',
      created: now,
      updated: now,
    });
    await assert.rejects(store('acme', github), refused('ERR_KEY_EXISTS'));
  });

  it('say what an older pair would lose', async () => {
    const github = world();
    await store('acme/app', github);
    github.runtime.pass(60_000);
    const place = await openGitHubSecrets({ owner: 'acme', repository: 'app' }, github);
    assert.deepEqual(place.existing, names);
    await place.store(pair, password);
  });

  it('are never empty_fail', async () => {
    const github = world();
    const place = await openGitHubSecrets({ owner: 'acme', repository: 'app' }, github);
    await assert.rejects(place.store(pair, new Uint8Array(0)), refused('ERR_PASSWORD_MISSING'));
    for (const part of ['privateKeyPem', 'publicKeyPem']) {
      await assert.rejects(place.store({ ...pair, [part]: '' }, password), refused('ERR_KEY_EMPTY'));
    }
    assert.equal(github.secrets.size, 0);
  });

  it('are found at the address of each kind of server', async () => {
    const cases: Readonly<Record<string, string>> = {
      '': 'https://api.github.com/repos/',
      'github.com': 'https://api.github.com/repos/',
      'https://github.com/': 'https://api.github.com/repos/',
      'https://ghe.example.com': 'https://ghe.example.com/api/v3/repos/',
      'ghe.example.com:8443': 'https://ghe.example.com:8443/api/v3/repos/',
      'https://ghe.example.com/api/v3/': 'https://ghe.example.com/api/v3/repos/',
      'octo.ghe.com': 'https://api.octo.ghe.com/repos/',
      'https://api.octo.ghe.com': 'https://api.octo.ghe.com/repos/',
    };
    for (const [GITHUB_HOST, start] of Object.entries(cases)) {
      const prefix = start.includes('/api/v3') ? '/api/v3' : '';
      const github = world({ prefix }, { GITHUB_HOST });
      await store('acme/app', github);
      for (const { url } of github.runtime.seen)
        assert.ok(url.href.startsWith(start), `${GITHUB_HOST}: ${url}`);
    }
  });

  const scopes = { 'x-accepted-oauth-scopes': 'repo', 'x-oauth-scopes': 'gist' };
  const sso = {
    'x-github-sso': 'required; url=https://github.com/orgs/acme/sso?authorization_request=SECRET',
  };
  const failures: Readonly<Record<string, readonly [ApiAnswer, ErrorCode, RegExp]>> = {
    'a wrong token': [
      { status: 401, body: { message: 'Bad credentials' } },
      'ERR_KEY_ACCESS',
      /gh auth token/,
    ],
    'a repository that is not there': [{ status: 404, body: {} }, 'ERR_KEY_NOT_FOUND', /may not see it/],
    'a token without the scope': [
      { status: 403, headers: scopes, body: { message: 'Resource not accessible by personal access token' } },
      'ERR_KEY_ACCESS',
      /wants repo; the token has gist/,
    ],
    'a token without single sign-on': [
      {
        status: 403,
        headers: sso,
        body: { message: 'Resource protected by organization SAML enforcement.' },
      },
      'ERR_KEY_ACCESS',
      /single sign-on.*https:\/\/github\.com\/orgs\/acme\/sso /,
    ],
    'too many requests': [
      { status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1795000000' } },
      'ERR_KEY_PROVIDER',
      /2026-11-18T/,
    ],
    'a secondary limit': [
      { status: 403, headers: { 'retry-after': '1' } },
      'ERR_KEY_PROVIDER',
      /no more requests/,
    ],
    'a server in trouble': [{ status: 502, body: '<html>' }, 'ERR_KEY_PROVIDER', /502/],
    'a page and no API': [{ status: 200, body: '<html>' }, 'ERR_KEY_PROVIDER', /not JSON/],
    'an answer of another shape': [{ status: 200, body: { key: 7 } }, 'ERR_KEY_PROVIDER', /GITHUB_HOST/],
    'a redirect': [
      { status: 301, headers: { location: 'https://evil.example/' } },
      'ERR_KEY_PROVIDER',
      /redirects/,
    ],
    'a key of low order': [
      { status: 200, body: { key_id: '1', key: Buffer.alloc(32).toString('base64') } },
      'ERR_KEY_INVALID',
      /key/,
    ],
    'a key that is none': [{ status: 200, body: { key_id: '1', key: '!' } }, 'ERR_ENCODING_INVALID', /key/],
    'too long an answer': [{ status: 200, body: 'x'.repeat(5_000_000) }, 'ERR_KEY_PROVIDER', /limit/],
  };
  for (const [name, [answer, code, hint]] of Object.entries(failures)) {
    it(`${name}_fail`, async () => {
      const github = world({ disturb: ({ path }) => (path.endsWith('/public-key') ? answer : undefined) });
      await assert.rejects(store('acme/app', github), refused(code, hint));
      assert.equal(github.secrets.size, 0);
    });
  }

  it('a refusal in the middle leaves no doubt about what is stored_fail', async () => {
    const stored: string[] = [];
    const github = world({
      disturb: ({ method, path }) =>
        method === 'PUT' && path.endsWith('PRIVATE_KEY')
          ? { status: 422, body: { message: 'no' } }
          : undefined,
    });
    const place = await openGitHubSecrets({ owner: 'acme', repository: 'app' }, github);
    await assert.rejects(
      place.store(pair, password, (name) => stored.push(name)),
      refused('ERR_KEY_PROVIDER', /storing COSIGN_PRIVATE_KEY/),
    );
    assert.deepEqual(stored, ['COSIGN_PASSWORD']);
  });

  it('a secret that is not there afterwards, or is an old one, is found out_fail', async () => {
    const put = (answer: ApiAnswer) => ({
      disturb: ({ method }: { method: string }) => (method === 'PUT' ? answer : undefined),
    });
    await assert.rejects(
      store('acme/app', world(put({ status: 201, body: {} }))),
      refused('ERR_KEY_PROVIDER', /is not there/),
    );
    const old = world(put({ status: 204 }));
    for (const name of names) {
      const created = '2020-01-01T00:00:00Z';
      old.secrets.set(`acme/app ${name}`, { value: 'old', created, updated: created });
    }
    await assert.rejects(store('acme/app', old), refused('ERR_KEY_PROVIDER', /is not there/));
  });

  it('a secret that shows late is waited for', async () => {
    let asked = 0;
    const github = world({
      disturb: ({ method, path }) =>
        method === 'GET' && path.endsWith('PASSWORD') && asked++ < 3 ? { status: 404, body: {} } : undefined,
    });
    assert.deepEqual(await store('acme/app', github), names);
  });

  it('need a token, and a name that is one_fail', async () => {
    await assert.rejects(store('acme/app', world({}, { GITHUB_TOKEN: '' })), refused('ERR_KEY_ACCESS'));
    for (const name of [
      '',
      '/',
      'a/',
      '/b',
      'a/b/c',
      'a/..',
      'a/.',
      'a b',
      'a/b?x',
      '-a',
      'a/b#',
      'ä/b',
      'a%2f/b',
    ]) {
      const github = world();
      await assert.rejects(store(name, github), refused('ERR_USAGE'), name);
      assert.equal(github.requests.length, 0);
    }
    for (const GITHUB_HOST of ['https://u:p@h', 'ftp://h', 'https://h/?q', 'a b']) {
      await assert.rejects(store('acme/app', world({}, { GITHUB_HOST })), refused('ERR_USAGE'));
    }
    await assert.rejects(
      store('acme/app', world({}, { GITHUB_HOST: 'http://ghe.example.com' })),
      refused('ERR_SERVICE_INSECURE'),
    );
  });

  it('answers of every shape end in stored secrets or an error of ours', async () => {
    const key = fc.oneof(fc.constantFrom(Buffer.alloc(32, 9).toString('base64'), '', '!'), fc.jsonValue());
    const time = fc.oneof(fc.constantFrom('2026-11-22T08:00:00Z', '', 'now'), fc.jsonValue());
    const body = fc.oneof(
      fc.record({ key_id: fc.oneof(fc.constant('1'), fc.jsonValue()), key }),
      fc.record({ updated_at: time, visibility: fc.jsonValue() }),
      fc.jsonValue(),
    );
    const status = fc.constantFrom(200, 201, 204, 400, 401, 403, 404, 422);
    const answers = fc.array(fc.record({ status, body }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(answers, async (list) => {
        let asked = 0;
        const disturb = (): ApiAnswer => {
          const { status, body } = list[asked++ % list.length] ?? { status: 404, body: {} };
          return { status, body: JSON.stringify(body) };
        };
        await store('acme/app', world({ disturb })).catch((error: unknown) => {
          assert.ok(isBoltsealError(error), String(error));
        });
      }),
      { numRuns: 200 },
    );
  });

  it('never come back_fail', async () => {
    const { runtime } = world();
    await assert.rejects(loadSigner('github://acme/app', { runtime }), refused('ERR_USAGE', /env:\/\//));
    await assert.rejects(loadVerificationKeys('github://acme/app', { runtime }), refused('ERR_USAGE'));
  });

  it('are asked as the real cosign asks', async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const theirs = githubDouble({ prefix: '/api/v3', lenient: true });
    const server = await serveApi(t, theirs.handler);
    const home = await temporaryDirectory(t);
    const env = {
      GITHUB_HOST: server.url,
      GITHUB_TOKEN: 'ghp_test',
      SSL_CERT_FILE: server.caFile,
      COSIGN_PASSWORD: 'hush-hush',
    };
    const result = await runProgram(programs.cosign3, ['generate-key-pair', 'github://acme/app'], {
      env: { HOME: home, ...env },
      cwd: home,
    });
    assert.equal(result.code, 0, result.stderr);
    const kept = theirs.secrets.get('acme/app COSIGN_PRIVATE_KEY')?.value ?? '';
    const signer = await openPrivateKey(kept, 'hush-hush');
    assert.equal(theirs.secrets.get('acme/app COSIGN_PUBLIC_KEY')?.value, signer.publicKey.pem);

    const ours = world({ prefix: '/api/v3' }, { GITHUB_HOST: server.url });
    await store('acme/app', ours);
    // Ours looks at what is there before, and reads back after.
    const shape = ({ requests }: GitHubDouble) =>
      requests
        .filter(({ method, path }) => method === 'PUT' || path.endsWith('/public-key'))
        .map(({ method, path, headers, body }) => ({
          method,
          path,
          authorization: headers['authorization'],
          version: headers['x-github-api-version'],
          type: headers['content-type'],
          keys: body === '' ? [] : Object.keys(JSON.parse(body)).sort(),
        }));
    assert.deepEqual(shape(ours), shape(theirs));
  });
});
