import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { before, describe, it } from 'node:test';
import type { ErrorCode } from '../../src/core/errors.ts';
import type { HttpResponse } from '../../src/core/http.ts';
import { memoryStorage, type RegistryAuth } from '../../src/server/index.ts';
import { type Fault, startLatencyProxy } from '../support/latency-proxy.ts';
import { type PushedManifest, pushSmallImage } from '../support/small-image.ts';
import type { Releases } from '../support/temporary.ts';
import {
  assertRefused,
  deepJson,
  type KeyBench,
  openKeyBench,
  releasesOfFile,
  verifyJson,
} from './support/bad-input-bench.ts';
import {
  bodyOf,
  type HostileRegistry,
  type HostileRegistryOptions,
  type Interference,
  jsonAnswer,
  type SeenRequest,
  useHostileRegistry,
} from './support/hostile-registry.ts';
import { makeCertificate, useDemandingServer, useNamesProxy, useTlsFront } from './support/names-proxy.ts';

const releases = releasesOfFile();
let bench: KeyBench;

const account = { username: 'ci', password: 'hunter2-of-the-registry' };
const login = ['--registry-username', account.username, '--registry-password', account.password];
const authorization = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`;

before(async () => {
  bench = await openKeyBench(releases);
  bench.secrets.push(account.password, authorization.slice('Basic '.length));
});

/** A registry with one image, pushed before the registry starts to lie. */
async function stage(
  to: Releases,
  options: HostileRegistryOptions = {},
): Promise<{ hostile: HostileRegistry; image: PushedManifest }> {
  const storage = memoryStorage();
  const open = await useHostileRegistry(to, { storage });
  const image = await pushSmallImage(open, 'acme/app', { tag: 'v1' });
  const hostile = await useHostileRegistry(to, { ...options, storage });
  return { hostile, image: { ...image, reference: `${hostile.host}/acme/app@${image.digest}` } };
}

const bearer: RegistryAuth = { kind: 'bearer', ...account };

function sign(reference: string, ...flags: readonly string[]) {
  return bench.run(['sign', '--key', bench.file('a.key'), ...flags, reference]);
}

function verify(reference: string, ...flags: readonly string[]) {
  return bench.run(['verify', '--key', bench.file('a.pub'), ...flags, reference]);
}

describe('a registry that goes away_fail', () => {
  for (const referrers of [true, false]) {
    for (const [at, isIt] of [
      ['the first upload', (method: string, path: string) => method === 'PUT' && path.includes('/uploads/')],
      [
        'the first manifest',
        (method: string, path: string) => method === 'PUT' && path.includes('/manifests/'),
      ],
      ['a list', (method: string, path: string) => method === 'PUT' && /\/manifests\/sha256-/.test(path)],
    ] as const) {
      it(`at ${at}, ${referrers ? 'with' : 'without'} the referrers API`, async (t) => {
        const hostile = await useHostileRegistry(t, { referrers });
        const image = await pushSmallImage(hostile, 'acme/app');
        let gone = false;
        const fault = ({ method, path }: { method: string; path: string }): Fault | undefined => {
          gone ||= isIt(method, path);
          return gone ? 'reset' : undefined;
        };
        const proxy = await startLatencyProxy(hostile.host, { fault });
        t.after(() => proxy.stop());
        const reference = `${proxy.host}/acme/app@${image.digest}`;
        assertRefused(await sign(reference), 'ERR_REGISTRY_NETWORK', 21);
        assert.ok(proxy.requests.length < 100, `${proxy.requests.length} requests`);

        // What was stored before is whole, or not found at all.
        const found = await verifyJson(bench, image.reference);
        assert.deepEqual(found.refused, []);
        assert.ok(found.code === (found.accepted > 0 ? 0 : 10));
        if (at === 'the first upload') assert.equal(found.accepted, 0);
        assert.equal((await sign(image.reference)).code, 0);
        assert.equal((await verifyJson(bench, image.reference)).accepted, found.accepted + 2);
      });
    }
  }

  it('before anything, and with a name nobody has', async (t) => {
    const { hostile, image } = await stage(t);
    await hostile.stop();
    assertRefused(await sign(image.reference), 'ERR_REGISTRY_NETWORK', 21);
    const verified = await verifyJson(bench, image.reference);
    assert.deepEqual([verified.code, verified.error], [21, 'ERR_REGISTRY_NETWORK']);
    const nowhere = await useNamesProxy(t, {});
    const words = ['verify', '--key', bench.file('a.pub'), 'registry.example/acme/app:v1'];
    assertRefused(await bench.run(words, { env: nowhere.env }), 'ERR_REGISTRY_NETWORK', 21);
  });

  it('500, 503 and a page of HTML are never "not found"', async (t) => {
    const { hostile, image } = await stage(t);
    const html: HttpResponse = {
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: Buffer.from('<html>log in to the guest network</html>'),
    };
    for (const [answer, code, exit] of [
      [jsonAnswer(500, {}), 'ERR_REGISTRY_RESPONSE', 21],
      [jsonAnswer(403, {}), 'ERR_REGISTRY_DENIED', 20],
      [html, 'ERR_JSON_INVALID', 15],
    ] as const) {
      hostile.interfere = () => answer;
      const result = await verifyJson(bench, image.reference);
      assert.deepEqual([result.code, result.error], [exit, code]);
      assert.equal(result.places.length, 2);
      assertRefused(await sign(image.reference), answer === html ? 'ERR_DIGEST_MISMATCH' : code, exit);
    }
  });

  it('no such image, tag or repository', async (t) => {
    const { hostile, image } = await stage(t);
    const digest = `sha256:${'1'.repeat(64)}`;
    for (const name of ['acme/app:v2', `acme/app@${digest}`, 'acme/none:v1', `acme/none@${image.digest}`]) {
      assertRefused(await verify(`${hostile.host}/${name}`), 'ERR_IMAGE_NOT_FOUND', 11);
      assertRefused(await sign(`${hostile.host}/${name}`), 'ERR_IMAGE_NOT_FOUND', 11);
    }
  });
});

describe('authorization that fails_fail', () => {
  const challenge = (hostile: HostileRegistry): string => `Bearer realm="${hostile.url}/token",service="x"`;
  const always =
    (header: (hostile: HostileRegistry) => string | undefined, token?: () => HttpResponse) =>
    (hostile: HostileRegistry): Interference =>
    ({ path }) => {
      if (path.startsWith('/token')) return token?.() ?? jsonAnswer(200, { token: 'abc', expires_in: 300 });
      const value = header(hostile);
      return jsonAnswer(401, { errors: [] }, value === undefined ? {} : { 'www-authenticate': value });
    };
  const cases: Readonly<
    Record<string, readonly [(hostile: HostileRegistry) => Interference, ErrorCode, number]>
  > = {
    'every token is refused': [always(challenge), 'ERR_REGISTRY_UNAUTHORIZED', 20],
    'the challenge changes each time': [
      always((hostile) => `${challenge(hostile)},scope="registry:x${hostile.seen.length}:*"`),
      'ERR_REGISTRY_UNAUTHORIZED',
      20,
    ],
    'Basic and Bearer in turn': [
      always((hostile) => (hostile.seen.length % 2 === 0 ? challenge(hostile) : 'Basic realm="x"')),
      'ERR_REGISTRY_UNAUTHORIZED',
      20,
    ],
    'Basic for ever': [always(() => 'Basic realm="x"'), 'ERR_REGISTRY_UNAUTHORIZED', 20],
    'no challenge': [always(() => undefined), 'ERR_REGISTRY_UNAUTHORIZED', 20],
    'an unknown scheme': [always(() => 'Negotiate'), 'ERR_REGISTRY_UNAUTHORIZED', 20],
    'the token service refuses': [
      always(challenge, () => jsonAnswer(401, {})),
      'ERR_REGISTRY_UNAUTHORIZED',
      20,
    ],
    'the token service redirects': [
      always(challenge, () => jsonAnswer(307, {}, { location: 'http://127.0.0.1:1/' })),
      'ERR_REGISTRY_REDIRECT',
      21,
    ],
    'the token is no text': [
      always(challenge, () => jsonAnswer(200, { token: 1 })),
      'ERR_REGISTRY_RESPONSE',
      21,
    ],
    'the token breaks the header': [
      always(challenge, () => jsonAnswer(200, { token: 'a\r\nx-header: b' })),
      'ERR_REGISTRY_RESPONSE',
      21,
    ],
    'the answer is nested 10,000 deep': [
      always(challenge, () => jsonAnswer(200, deepJson())),
      'ERR_LIMIT_EXCEEDED',
      15,
    ],
    'the answer has no end': [
      always(challenge, () => ({
        status: 200,
        headers: {},
        body: (async function* () {
          for (;;) yield Buffer.alloc(65_536, 0x20);
        })(),
      })),
      'ERR_LIMIT_EXCEEDED',
      15,
    ],
  };
  for (const [name, [interference, code, exit]] of Object.entries(cases)) {
    it(`401: ${name}`, async (t) => {
      const { hostile, image } = await stage(t);
      hostile.interfere = interference(hostile);
      const signing = [[sign, login] as const].slice(0, name === 'every token is refused' ? 1 : 0);
      for (const [command, flags] of [[verify, []] as const, [verify, login] as const, ...signing]) {
        hostile.seen.length = 0;
        assertRefused(await command(image.reference, ...flags), code, exit);
        assert.ok(hostile.seen.length <= 24, `${hostile.seen.length} requests`);
      }
    });
  }

  it('wrong password: Basic and Bearer', async (t) => {
    for (const auth of [bearer, { kind: 'basic', ...account }] satisfies RegistryAuth[]) {
      const { image } = await stage(t, { auth });
      const wrong = ['--registry-username', 'ci', '--registry-password', 'wrong-wrong-wrong'];
      bench.secrets.push('wrong-wrong-wrong');
      for (const flags of [[], wrong]) {
        assertRefused(await sign(image.reference, ...flags), 'ERR_REGISTRY_UNAUTHORIZED', 20);
        const { code, error } = await verifyJson(bench, image.reference, ...flags);
        assert.deepEqual([code, error], [20, 'ERR_REGISTRY_UNAUTHORIZED']);
      }
      assert.equal((await sign(image.reference, ...login)).code, 0);
      assert.equal((await verify(image.reference, ...login)).code, 0);
    }
  });

  it('a token that expires in the middle of a run is replaced', async (t) => {
    for (const referrers of [true, false]) {
      let clock = 0;
      const auth: RegistryAuth = { ...bearer, tokenLifetime: 2_000 };
      const { hostile, image } = await stage(t, { auth, referrers, runtime: { monotonic: () => clock } });
      // Time jumps when a blob is stored, when a manifest is, and when a list is read.
      const jumps = [/^PUT .*\/uploads\//, /^PUT .*\/manifests\//, /^GET .*\/referrers\/|^GET .*\.sig$/];
      hostile.interfere = ({ method, path }) => {
        const at = jumps.findIndex((pattern) => pattern.test(`${method} ${path}`));
        if (at >= 0) {
          jumps.splice(at, 1);
          clock += 10_000;
        }
        return undefined;
      };
      assert.equal((await sign(image.reference, ...login)).code, 0);
      const asked = hostile.seen.filter(({ path }) => path.startsWith('/token')).length;
      assert.ok(asked >= 3, `${asked} tokens`);
      assert.equal((await verifyJson(bench, image.reference, ...login)).accepted, 2);
      assert.deepEqual(jumps, []);
      for (const one of hostile.seen) {
        const token = one.authorization?.split(' ')[1];
        if (token !== undefined) assert.ok(token.length > 10);
        if (!one.path.startsWith('/token')) assert.ok(!one.authorization?.startsWith('Basic'), one.path);
      }
    }
  });
});

describe('other hosts_fail', () => {
  it('a redirect of a download: followed without credentials', async (t) => {
    const other = await useHostileRegistry(t);
    const stored = new Map<string, Buffer>();
    other.interfere = ({ path }) => {
      const body = stored.get(path);
      return body === undefined ? undefined : { status: 200, headers: {}, body };
    };
    for (const auth of [bearer, { kind: 'basic', ...account }] satisfies RegistryAuth[]) {
      const { hostile, image } = await stage(t, { auth });
      hostile.interfere = async ({ method, path }, proceed) => {
        if (method !== 'GET' || !path.includes('/blobs/')) return undefined;
        const response = await proceed();
        if (response.status !== 200) return response;
        stored.set(path, await bodyOf(response));
        return { status: 307, headers: { location: `${other.url}${path}` }, body: null };
      };
      other.seen.length = 0;
      const signed = await sign(image.reference, '-a', 'env=prod', ...login);
      assert.equal(signed.code, 0, signed.stderr);
      assert.equal((await verifyJson(bench, image.reference, ...login)).accepted, 2);
      assert.ok(other.seen.length > 0);
      assert.deepEqual(
        other.seen.filter((request) => request.authorization !== null),
        [],
      );
    }
  });

  it('redirects of everything that stores: not followed', async (t) => {
    for (const part of ['/uploads/', '/manifests/']) {
      const other = await useHostileRegistry(t);
      const { hostile, image } = await stage(t);
      hostile.interfere = ({ method, path }) =>
        method !== 'GET' && method !== 'HEAD' && path.includes(part)
          ? { status: 307, headers: { location: `${other.url}${path}` }, body: null }
          : undefined;
      assertRefused(await sign(image.reference), 'ERR_REGISTRY_REDIRECT', 21);
      assert.deepEqual(other.seen, []);
    }
  });

  it('an upload location elsewhere: the content goes to the registry or nowhere', async (t) => {
    const other = await useHostileRegistry(t);
    const { hostile, image } = await stage(t, { auth: { kind: 'basic', ...account } });
    hostile.interfere = async ({ method, path }, proceed) => {
      if (method !== 'POST' || !path.includes('/uploads/')) return undefined;
      const response = await proceed();
      const location = new URL(String(response.headers['location']), hostile.url);
      return { ...response, headers: { ...response.headers, location: `${other.url}${location.pathname}` } };
    };
    const result = await sign(image.reference, ...login);
    assert.ok(result.code === 0 || result.code === 21, result.stderr);
    assert.deepEqual(other.seen, []);
  });

  it('redirects in a circle, to nowhere, to files', async (t) => {
    const { hostile, image } = await stage(t);
    assert.equal((await sign(image.reference, '-a', 'env=prod')).code, 0);
    for (const location of [
      `${hostile.url}/round/blobs/`,
      '',
      'file:///etc/passwd',
      'http://u:p@127.0.0.1/',
    ]) {
      hostile.interfere = ({ path }) =>
        path.includes('/blobs/')
          ? { status: 302, headers: location === '' ? {} : { location }, body: null }
          : undefined;
      const result = await verifyJson(bench, image.reference);
      assert.deepEqual([result.code, result.error], [21, 'ERR_REGISTRY_REDIRECT']);
    }
  });

  it('a token realm: another host gets no credentials, a named one does', async (t) => {
    const certificate = await makeCertificate(t, 'DNS:registry.example', 'DNS:tokens.test');
    const tls = { cert: certificate.cert, key: certificate.key };
    const trust = ['--registry-cacert', certificate.certFile];
    const name = 'registry.example/acme/app';
    for (const [realm, code, exit, allowed] of [
      ['https://tokens.test/token', 'ERR_REGISTRY_REALM', 20, ['--registry-auth-realm', 'tokens.test']],
      ['http://tokens.test/token', 'ERR_REGISTRY_REALM', 20, undefined],
      ['http://registry.example/token', 'ERR_REGISTRY_REALM', 20, undefined],
      ['https://127.0.0.1/token', 'ERR_REGISTRY_REALM', 20, undefined],
    ] as const) {
      const other = await useHostileRegistry(t, { auth: bearer, tls });
      const { hostile, image } = await stage(t, { auth: { ...bearer, realm }, tls });
      const proxy = await useNamesProxy(t, {
        'registry.example:443': Number(hostile.host.split(':')[1]),
        'tokens.test:443': Number(other.host.split(':')[1]),
        'tokens.test:80': Number(other.host.split(':')[1]),
      });
      const words = (command: string, key: string) =>
        [command, '--key', bench.file(key), `${name}@${image.digest}`, ...trust, ...login] as const;
      const runs = [words('verify', 'a.pub'), words('sign', 'a.key')];
      for (const run of allowed === undefined ? runs.slice(0, 1) : runs) {
        assertRefused(await bench.run(run, { env: proxy.env }), code, exit);
      }
      assert.deepEqual(other.seen, [], realm);
      assert.deepEqual(
        proxy.seen.filter((line) => !line.startsWith('CONNECT registry.example:443')),
        [],
      );
      assert.deepEqual(
        hostile.seen.filter((request) => request.authorization !== null),
        [],
      );
      const heard: readonly SeenRequest[] = other.seen;
      if (allowed === undefined) continue;
      // Nobody's token may come from there; the account's only when the user says so.
      const anonymous = ['verify', '--key', bench.file('a.pub'), `${name}@${image.digest}`, ...trust];
      const refused = await bench.run(anonymous, { env: proxy.env });
      assertRefused(refused, 'ERR_REGISTRY_UNAUTHORIZED', 20);
      assert.deepEqual([...new Set(heard.map((request) => request.authorization))], [null]);
      await bench.run([...words('verify', 'a.pub'), ...allowed], { env: proxy.env });
      assert.ok(heard.some((request) => request.authorization === authorization));
    }
  });

  it('a redirect from a public name to this machine', async (t) => {
    const certificate = await makeCertificate(t, 'DNS:registry.example');
    const other = await useHostileRegistry(t);
    const tls = { cert: certificate.cert, key: certificate.key };
    const { hostile, image } = await stage(t, { tls });
    const proxy = await useNamesProxy(t, { 'registry.example:443': Number(hostile.host.split(':')[1]) });
    const reference = `registry.example/acme/app@${image.digest}`;
    const trust = ['--registry-cacert', certificate.certFile];
    const signed = await bench.run(
      ['sign', '--key', bench.file('a.key'), '-a', 'env=prod', reference, ...trust],
      { env: proxy.env },
    );
    assert.equal(signed.code, 0, signed.stderr);
    hostile.interfere = ({ path }) =>
      path.includes('/blobs/')
        ? { status: 307, headers: { location: `${other.url}${path}` }, body: null }
        : undefined;
    const words = ['verify', '--key', bench.file('a.pub'), reference, ...trust];
    assertRefused(await bench.run(words, { env: proxy.env }), 'ERR_REGISTRY_REDIRECT', 21);
    assert.deepEqual(other.seen, []);
  });
});

describe('plain HTTP and certificates_fail', () => {
  it('plain HTTP to a name that is not loopback: only with permission', async (t) => {
    const { hostile, image } = await stage(t);
    const proxy = await useNamesProxy(t, { 'registry.example:5000': Number(hostile.host.split(':')[1]) });
    const reference = `registry.example:5000/acme/app@${image.digest}`;
    for (const command of ['sign', 'verify', 'tree', 'triangulate']) {
      const key = command === 'sign' ? 'a.key' : 'a.pub';
      const keys = command === 'sign' || command === 'verify' ? ['--key', bench.file(key)] : [];
      const words = [command, ...keys, ...(keys.length === 0 ? [] : login), reference];
      if (command === 'triangulate') continue;
      assertRefused(await bench.run(words, { env: proxy.env }), 'ERR_REGISTRY_INSECURE', 2);
    }
    assert.deepEqual(hostile.seen, []);
    assert.ok(
      proxy.seen.every((line) => line === 'CONNECT registry.example:5000'),
      proxy.seen.join(),
    );
    const allowed = ['verify', '--key', bench.file('a.pub'), '--allow-http-registry', reference];
    assertRefused(await bench.run(allowed, { env: proxy.env }), 'ERR_NO_SIGNATURES', 10);
  });

  it('a self-signed certificate: refused with a hint, accepted with its authority', async (t) => {
    const certificate = await makeCertificate(t, 'IP:127.0.0.1');
    const { image } = await stage(t, { tls: { cert: certificate.cert, key: certificate.key } });
    for (const command of [sign, verify]) {
      const refused = await command(image.reference);
      assertRefused(refused, 'ERR_REGISTRY_TLS', 21);
      assert.match(refused.stderr, /hint: .*--registry-cacert/);
    }
    const trust = ['--registry-cacert', certificate.certFile];
    assert.equal((await sign(image.reference, ...trust)).code, 0);
    assert.equal((await verifyJson(bench, image.reference, ...trust)).accepted, 2);
    assert.equal((await verify(image.reference, '--allow-insecure-registry')).code, 0);
    const other = await makeCertificate(t, 'IP:127.0.0.1');
    const wrong = await verify(image.reference, '--registry-cacert', other.certFile);
    assertRefused(wrong, 'ERR_REGISTRY_TLS', 21);
  });

  it('a certificate of another name', async (t) => {
    const certificate = await makeCertificate(t, 'DNS:other.example');
    const { image } = await stage(t, { tls: { cert: certificate.cert, key: certificate.key } });
    const trust = ['--registry-cacert', certificate.certFile];
    assertRefused(await verify(image.reference, ...trust), 'ERR_REGISTRY_TLS', 21);
    const named = await verify(image.reference, ...trust, '--registry-server-name', 'other.example');
    assertRefused(named, 'ERR_NO_SIGNATURES', 10);
  });

  it('client certificates: needed, given, broken', async (t) => {
    const server = await makeCertificate(t, 'IP:127.0.0.1');
    const client = await makeCertificate(t, 'DNS:client.example');
    const stranger = await makeCertificate(t, 'DNS:stranger.example');
    bench.secrets.push(...client.key.split('\n').slice(1, -2), ...stranger.key.split('\n').slice(1, -2));
    const { hostile, image } = await stage(t);
    const port = await useTlsFront(t, Number(hostile.host.split(':')[1]), {
      cert: server.cert,
      key: server.key,
      ca: client.cert,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const reference = `127.0.0.1:${port}/acme/app@${image.digest}`;
    const trust = ['--registry-cacert', server.certFile];
    const certificate = ['--registry-client-cert', client.certFile, '--registry-client-key', client.keyFile];
    assertRefused(await verify(reference, ...trust, ...certificate), 'ERR_NO_SIGNATURES', 10);
    const strange = ['--registry-client-cert', stranger.certFile, '--registry-client-key', stranger.keyFile];
    const demanding = `127.0.0.1:${await useDemandingServer(t, server, client)}/acme/app@${image.digest}`;
    for (const flags of [[], strange]) {
      assertRefused(await verify(demanding, ...trust, ...flags), 'ERR_REGISTRY_TLS', 21);
    }
    await writeFile(bench.file('empty.pem'), '');
    const broken = client.cert.replace(/\n[A-Za-z0-9+/]{64}\n/, '\nAAAA\n');
    await writeFile(bench.file('broken.pem'), broken);
    for (const [flags, code, exit] of [
      [['--registry-client-cert', client.certFile], 'ERR_USAGE', 2],
      [['--registry-client-key', client.keyFile], 'ERR_USAGE', 2],
      [['--registry-cacert', bench.file('none.pem')], 'ERR_FILE_READ', 1],
      [['--registry-cacert', bench.file('empty.pem')], 'ERR_ENCODING_INVALID', 15],
      [['--registry-cacert', client.keyFile], 'ERR_ENCODING_INVALID', 15],
      [['--registry-cacert', bench.file('broken.pem')], 'ERR_ENCODING_INVALID', 15],
      [
        ['--registry-client-cert', client.certFile, '--registry-client-key', stranger.keyFile],
        'ERR_USAGE',
        2,
      ],
      [
        ['--registry-client-cert', bench.file('broken.pem'), '--registry-client-key', client.keyFile],
        'ERR_ENCODING_INVALID',
        15,
      ],
    ] as const) {
      const all = flags[0] === '--registry-cacert' ? flags : [...trust, ...flags];
      assertRefused(await verify(reference, ...all), code, exit);
    }
  });
});
