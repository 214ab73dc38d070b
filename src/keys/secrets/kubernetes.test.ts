import assert from 'node:assert/strict';
import { createHmac, verify } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { ApiAnswer } from '../../../test/support/api-server.ts';
import { apiFetch } from '../../../test/support/api-server.ts';
import { inProcessRuntime } from '../../../test/support/in-process.ts';
import {
  type KubernetesChoices,
  kubeconfigText,
  kubernetesDouble,
  serveKubernetes,
} from '../../../test/support/kubernetes.ts';
import { needPrograms, runProgram } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { utf8 } from '../../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { LogEvent, Runtime } from '../../core/runtime.ts';
import { createRuntime } from '../../node/runtime.ts';
import { generateKeyPair } from '../generate.ts';
import { loadSigner, loadVerificationKeys } from '../reference.ts';
import { openKubernetesPlace, parseSecretName, readSecret } from './kubernetes.ts';
import { kubernetesAccess } from './kubernetes-access.ts';

const password = utf8('hush-hush');
const pair = await generateKeyPair('ecdsa-p256', password);
const names = ['cosign.password', 'cosign.key', 'cosign.pub'];
const of = { namespace: 'signing', name: 'cosign' };

/** A double in this process, behind a kubeconfig of plain http on loopback. */
async function world(t: TestContext, choices: KubernetesChoices = {}) {
  const double = kubernetesDouble(choices);
  const KUBECONFIG = join(await temporaryDirectory(t), 'config');
  await writeFile(KUBECONFIG, kubeconfigText({ server: 'http://127.0.0.1:1/' }, { token: 'test-token' }));
  return { ...double, runtime: inProcessRuntime(apiFetch(double.handler), { KUBECONFIG }) };
}

async function store(asker: { readonly runtime: Runtime }, name = of): Promise<void> {
  await (await openKubernetesPlace(name, asker)).store(pair, password);
}

const refused = (code: ErrorCode, text?: RegExp) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.equal(error.code, code, error.message);
  if (text !== undefined) assert.match(`${error.message} ${error.hint}`, text);
  const shown = JSON.stringify([error.message, error.hint, error.details, String(error.cause)]);
  for (const secret of ['test-token', 'hush-hush', 'PRIVATE KEY-----', 'SECRET']) {
    assert.ok(!shown.includes(secret), shown);
  }
  return true;
};

describe('key pairs in secrets of Kubernetes', () => {
  it('are stored as cosign stores them, immutable where that is possible, and are used', async (t) => {
    for (const [version, immutable] of [
      ['v1.20.15', undefined],
      ['v1.21.0-gke.1', true],
      ['v1.32.3+k3s1', true],
      ['v2.0.0', true],
    ] as const) {
      const cluster = await world(t, { version });
      await store(cluster);
      const kept = cluster.secrets.get('signing/cosign');
      assert.equal(kept?.immutable, immutable, version);
      assert.equal(kept?.type, 'Opaque');
      const value = (name: string) => Buffer.from(kept?.data?.[name] ?? '', 'base64').toString();
      assert.deepEqual(names.map(value), ['hush-hush', pair.privateKeyPem, pair.publicKeyPem]);
      const post = cluster.requests.find(({ method }) => method === 'POST');
      assert.deepEqual(Object.keys(JSON.parse(post?.body ?? '{}').metadata), ['name', 'namespace']);
      if (version !== 'v2.0.0') continue;
      const signer = await loadSigner('k8s://signing/cosign', cluster);
      const [key] = await loadVerificationKeys('k8s://signing/cosign', cluster);
      assert.ok(key !== undefined && verify('sha256', utf8('m'), key.key, await signer.sign(utf8('m'))));
    }
  });

  it('go into a secret that is there, and leave in it what is not theirs', async (t) => {
    const cluster = await world(t);
    const metadata = { name: 'cosign', namespace: 'signing', labels: { team: 'x' }, resourceVersion: '7' };
    const before = {
      kind: 'Secret',
      apiVersion: 'v1',
      metadata,
      data: { other: 'eA==', 'cosign.pub': 'eA==' },
    };
    cluster.secrets.set('signing/cosign', { ...before, type: 'acme/keys' });
    const place = await openKubernetesPlace(of, cluster);
    assert.deepEqual(place.existing, ['cosign.pub']);
    await place.store(pair, password);
    const kept = cluster.secrets.get('signing/cosign');
    assert.deepEqual(
      [kept?.type, kept?.data?.['other'], kept?.metadata['labels']],
      ['acme/keys', 'eA==', { team: 'x' }],
    );
    // Now it is immutable.
    await assert.rejects(
      openKubernetesPlace(of, cluster),
      refused('ERR_KEY_EXISTS', /kubectl delete secret/),
    );
  });

  it('do not replace what somebody else stored meanwhile_fail', async (t) => {
    const cluster = await world(t, { version: 'v1.20.0' });
    const [first, second] = [await openKubernetesPlace(of, cluster), await openKubernetesPlace(of, cluster)];
    await first.store(pair, password);
    await assert.rejects(second.store(pair, password), refused('ERR_KEY_EXISTS'));
    const [third, fourth] = [await openKubernetesPlace(of, cluster), await openKubernetesPlace(of, cluster)];
    await third.store(pair, password);
    await assert.rejects(fourth.store(pair, password), refused('ERR_KEY_EXISTS'));
  });

  it('are never empty_fail', async (t) => {
    const cluster = await world(t);
    const place = await openKubernetesPlace(of, cluster);
    await assert.rejects(place.store(pair, new Uint8Array(0)), refused('ERR_PASSWORD_MISSING'));
    assert.equal(cluster.secrets.size, 0);
  });

  it('that are not kept are found out_fail', async (t) => {
    const cluster = await world(t, {
      disturb: ({ method }) => (method === 'POST' ? { status: 201, body: { kind: 'Secret' } } : undefined),
    });
    await assert.rejects(store(cluster), refused('ERR_KEY_PROVIDER', /is not there/));
  });

  const encode = (text: string) => Buffer.from(text).toString('base64');
  const data: Readonly<Record<string, readonly [Record<string, string>, ErrorCode, ErrorCode]>> = {
    'nothing in it': [{}, 'ERR_KEY_NOT_FOUND', 'ERR_KEY_NOT_FOUND'],
    'empty parts': [
      { 'cosign.key': '', 'cosign.password': '', 'cosign.pub': '' },
      'ERR_KEY_EMPTY',
      'ERR_KEY_EMPTY',
    ],
    'no key': [
      { 'cosign.key': encode('SECRET'), 'cosign.pub': encode('SECRET') },
      'ERR_KEY_INVALID',
      'ERR_KEY_INVALID',
    ],
    'not base64': [{ 'cosign.key': '!', 'cosign.pub': '!' }, 'ERR_ENCODING_INVALID', 'ERR_ENCODING_INVALID'],
    'halves swapped': [
      { 'cosign.key': encode(pair.publicKeyPem), 'cosign.pub': encode(pair.privateKeyPem) },
      'ERR_KEY_PUBLIC_GIVEN',
      'ERR_KEY_PRIVATE_GIVEN',
    ],
    'a wrong password': [
      { 'cosign.key': encode(pair.privateKeyPem), 'cosign.password': encode('SECRET') },
      'ERR_PASSWORD_WRONG',
      'ERR_KEY_NOT_FOUND',
    ],
    'no password': [
      { 'cosign.key': encode(pair.privateKeyPem) },
      'ERR_PASSWORD_MISSING',
      'ERR_KEY_NOT_FOUND',
    ],
  };
  for (const [name, [content, signing, verifying]] of Object.entries(data)) {
    it(`${name}_fail`, async (t) => {
      const cluster = await world(t);
      const secret = { kind: 'Secret', apiVersion: 'v1', metadata: {}, data: content, type: 'Opaque' };
      cluster.secrets.set('signing/cosign', secret);
      await assert.rejects(loadSigner('k8s://signing/cosign', cluster), refused(signing));
      await assert.rejects(loadVerificationKeys('k8s://signing/cosign', cluster), refused(verifying));
    });
  }

  const status = (code: number, message: string): ApiAnswer => ({
    status: code,
    body: { kind: 'Status', status: 'Failure', message, code },
  });
  const answers: Readonly<Record<string, readonly [ApiAnswer, ErrorCode, RegExp?]>> = {
    'no such secret': [status(404, 'secrets "cosign" not found'), 'ERR_KEY_NOT_FOUND', /generate-key-pair/],
    'expired credentials': [status(401, 'Unauthorized'), 'ERR_KEY_ACCESS', /kubectl auth whoami/],
    'no permission': [status(403, 'User "x" cannot get'), 'ERR_KEY_ACCESS', /cannot get.*can-i get/],
    trouble: [status(500, 'etcd'), 'ERR_KEY_PROVIDER', /etcd/],
    'a page': [{ status: 200, body: '<html>SECRET' }, 'ERR_KEY_PROVIDER'],
    'another object': [{ status: 200, body: { kind: 'Status' } }, 'ERR_KEY_PROVIDER'],
    'numbers for data': [
      { status: 200, body: { kind: 'Secret', data: { 'cosign.key': 7 } } },
      'ERR_KEY_PROVIDER',
    ],
    'a redirect': [{ status: 302, headers: { location: 'https://evil.example/' } }, 'ERR_KEY_PROVIDER'],
    'too much': [{ status: 200, body: 'x'.repeat(5_000_000) }, 'ERR_KEY_PROVIDER'],
  };
  for (const [name, [answer, code, text]] of Object.entries(answers)) {
    it(`${name}_fail`, async (t) => {
      const cluster = await world(t, { disturb: () => answer });
      await assert.rejects(loadSigner('k8s://signing/cosign', cluster), refused(code, text));
    });
  }

  it('a version that is none_fail', async (t) => {
    const cluster = await world(t, { version: 'unknown' });
    await assert.rejects(store(cluster), refused('ERR_KEY_PROVIDER'));
  });

  it('have a name that is one_fail', () => {
    for (const name of [
      '',
      'a',
      'a/',
      '/b',
      'a/b/c',
      'A/b',
      'a/b_c',
      '../b',
      'a/..',
      'a/b?c',
      'a/b%2fc',
      'a.b/c',
      'a/.b',
    ]) {
      assert.throws(() => parseSecretName(name), refused('ERR_USAGE'), name);
    }
    assert.deepEqual(parseSecretName('a-1/b.c-2'), { namespace: 'a-1', name: 'b.c-2' });
  });
});

describe('ways to a cluster', () => {
  const asker = (env: Runtime['env'], events: LogEvent[] = []) => ({
    runtime: createRuntime({ env, home: '/nonexistent', log: (event) => events.push(event) }),
  });

  it('with a token, a token of a file, a certificate, or the certificates in files', async (t) => {
    const server = await serveKubernetes(t, { tokens: { 'test-token': 'release', 'file-token': 'release' } });
    await store(asker({ KUBECONFIG: await server.kubeconfig() }));
    const folder = await temporaryDirectory(t);
    const { cert, key } = server.clientCertificate('release');
    const encode = (text: string) => Buffer.from(text).toString('base64');
    await writeFile(join(folder, 'token'), 'file-token\n');
    await writeFile(join(folder, 'cert'), cert);
    await writeFile(join(folder, 'key'), key);
    const users = [
      { token: 'test-token' },
      { tokenFile: join(folder, 'token'), token: 'old' },
      { 'client-certificate-data': encode(cert), 'client-key-data': encode(key) },
      { 'client-certificate': join(folder, 'cert'), 'client-key': join(folder, 'key') },
    ];
    for (const user of users) {
      await readSecret(of, asker({ KUBECONFIG: await server.kubeconfig(user) }));
    }
    const strange = server.clientCertificate('stranger');
    for (const [user, code] of [
      [{ token: 'other' }, 'ERR_KEY_ACCESS'],
      [{}, 'ERR_KEY_ACCESS'],
      [{ username: 'u', password: 'hush-hush' }, 'ERR_KEY_ACCESS'],
      [
        { 'client-certificate-data': encode(strange.cert), 'client-key-data': encode(strange.key) },
        'ERR_KEY_ACCESS',
      ],
      [{ 'client-certificate-data': encode(cert), 'client-key-data': encode(strange.key) }, 'ERR_KEY_ACCESS'],
      [{ 'client-certificate-data': encode(cert) }, 'ERR_KEY_ACCESS'],
      [{ 'client-key-data': '!' }, 'ERR_KEY_ACCESS'],
      [{ tokenFile: join(folder, 'none') }, 'ERR_FILE_READ'],
      [{ token: 'a b' }, 'ERR_KEY_ACCESS'],
    ] as const) {
      const KUBECONFIG = await server.kubeconfig(user);
      await assert.rejects(readSecret(of, asker({ KUBECONFIG })), refused(code));
    }
  });

  it('over TLS with the authority of the cluster, and no other', async (t) => {
    const server = await serveKubernetes(t);
    const other = await serveKubernetes(t);
    const events: LogEvent[] = [];
    const read = async (cluster: object) => {
      const KUBECONFIG = await server.kubeconfig(undefined, cluster);
      return await readSecret(of, asker({ KUBECONFIG }, events));
    };
    await store(asker({ KUBECONFIG: await server.kubeconfig() }));
    const folder = await temporaryDirectory(t);
    await writeFile(join(folder, 'ca'), server.ca);
    const none = { 'certificate-authority-data': undefined };
    await read({ ...none, 'certificate-authority': join(folder, 'ca') });
    await read({ 'tls-server-name': 'localhost' });
    assert.equal(events.length, 0);
    await read({ ...none, 'insecure-skip-tls-verify': true });
    assert.equal(events[0]?.event, 'keys.insecure');
    const encode = (text: string) => Buffer.from(text).toString('base64');
    await assert.rejects(read(none), refused('ERR_KEY_PROVIDER', /not trusted/));
    await assert.rejects(
      read({ 'certificate-authority-data': encode(other.ca) }),
      refused('ERR_KEY_PROVIDER'),
    );
    await assert.rejects(read({ 'tls-server-name': 'another.example' }), refused('ERR_KEY_PROVIDER'));
    await assert.rejects(read({ 'insecure-skip-tls-verify': true }), refused('ERR_KEY_ACCESS'));
    await assert.rejects(read({ server: 'http://k8s.example.com' }), refused('ERR_SERVICE_INSECURE'));
    await assert.rejects(read({ server: '' }), refused('ERR_KEY_ACCESS'));
    await assert.rejects(read({ 'proxy-url': 'socks5://127.0.0.1:1' }), refused('ERR_KEY_PROVIDER'));
  });

  it('with a credential plugin', { skip: process.platform === 'win32' }, async (t) => {
    const server = await serveKubernetes(t);
    await store(asker({ KUBECONFIG: await server.kubeconfig() }));
    const folder = await temporaryDirectory(t);
    const script = async (name: string, text: string) => {
      await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`);
      await chmod(join(folder, name), 0o755);
    };
    const apiVersion = 'client.authentication.k8s.io/v1';
    const credential = (status: object) => JSON.stringify({ kind: 'ExecCredential', apiVersion, status });
    await script('give', `test "$1 $EXTRA" = "login yes" && echo '${credential({ token: 'test-token' })}'`);
    await script(
      'info',
      `echo "$KUBERNETES_EXEC_INFO" > '${folder}/info.json'; echo '${credential({ token: 'test-token' })}'`,
    );
    await script('fail', 'echo SECRET; echo please sign in >&2; exit 3');
    await script('chat', 'echo SECRET is no credential');
    await script('empty', `echo '${credential({})}'`);
    await script('flood', 'yes SECRET');
    const events: LogEvent[] = [];
    const read = async (exec: object) => {
      const KUBECONFIG = await server.kubeconfig({
        exec: { apiVersion, interactiveMode: 'IfAvailable', ...exec },
      });
      return await readSecret(of, asker({ KUBECONFIG, PATH: `${folder}${delimiter}/usr/bin:/bin` }, events));
    };
    await read({ command: 'give', args: ['login'], env: [{ name: 'EXTRA', value: 'yes' }] });
    await read({ command: join(folder, 'info'), provideClusterInfo: true });
    const info = JSON.parse(await readFile(join(folder, 'info.json'), 'utf8'));
    assert.equal(info.spec.cluster.server, server.url);
    assert.equal(
      Buffer.from(info.spec.cluster['certificate-authority-data'], 'base64').toString(),
      server.ca,
    );
    assert.equal(info.spec.interactive, false);
    await assert.rejects(read({ command: 'fail' }), refused('ERR_KEY_ACCESS', /ended with 3/));
    assert.ok(events.some(({ message }) => message.endsWith('please sign in')));
    for (const [exec, code, text] of [
      [{ command: 'none', installHint: 'get it here' }, 'ERR_KEY_ACCESS', /get it here/],
      [{ command: './none' }, 'ERR_KEY_ACCESS', /not there/],
      [{}, 'ERR_KEY_ACCESS', /not there/],
      [{ command: 'chat' }, 'ERR_KEY_ACCESS', /did not print/],
      [{ command: 'empty' }, 'ERR_KEY_ACCESS', /did not print/],
      [{ command: 'flood' }, 'ERR_KEY_PROVIDER', /printed more/],
      [{ command: 'give', apiVersion: 'client.authentication.k8s.io/v1alpha1' }, 'ERR_KEY_ACCESS', /version/],
      [{ command: 'give', interactiveMode: 'Always' }, 'ERR_KEY_ACCESS', /ask/],
      [{ command: 'give', args: 'login' }, 'ERR_KEY_ACCESS', /arguments/],
    ] as const) {
      await assert.rejects(read(exec), refused(code, text));
    }
  });

  it('with an identity token that is not expired', async (t) => {
    const token = (seconds: number) => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const exp = Math.floor(Date.now() / 1000) + seconds;
      const text = `${part({ alg: 'HS256' })}.${part({ exp })}`;
      return `${text}.${createHmac('sha256', 'k').update(text).digest('base64url')}`;
    };
    const fresh = token(600);
    const server = await serveKubernetes(t, { tokens: { [fresh]: 'release' } });
    const user = (name: string, config: object) => ({ 'auth-provider': { name, config } });
    const read = async (it: object) =>
      await kubernetesAccess(asker({ KUBECONFIG: await server.kubeconfig(it) }));
    assert.equal(
      (await read(user('oidc', { 'id-token': fresh }))).headers['authorization'],
      `Bearer ${fresh}`,
    );
    for (const bad of [
      user('oidc', { 'id-token': token(-5), 'refresh-token': 'SECRET' }),
      user('oidc', {}),
      user('oidc', { 'id-token': 'SECRET' }),
      user('gcp', { 'access-token': 'SECRET' }),
    ]) {
      await assert.rejects(read(bad), refused('ERR_KEY_ACCESS'));
    }
  });

  it('as somebody else', async (t) => {
    const server = await serveKubernetes(t, { users: ['release', 'signer'] });
    await store(
      asker({
        KUBECONFIG: await server.kubeconfig({ token: 'test-token', as: 'signer', 'as-groups': ['g'] }),
      }),
    );
    const post = server.requests.find(({ method }) => method === 'POST');
    assert.deepEqual(
      [post?.headers['impersonate-user'], post?.headers['impersonate-group']],
      ['signer', 'g'],
    );
    const stranger = await server.kubeconfig({ token: 'test-token', as: 'stranger' });
    await assert.rejects(
      readSecret(of, asker({ KUBECONFIG: stranger })),
      refused('ERR_KEY_ACCESS', /stranger/),
    );
    const many = await server.kubeconfig({ token: 'test-token', as: 'x', 'as-groups': ['a', 'b'] });
    await assert.rejects(
      readSecret(of, asker({ KUBECONFIG: many })),
      refused('ERR_KEY_ACCESS', /not supported/),
    );
  });

  it('from within a pod', async (t) => {
    const server = await serveKubernetes(t);
    const folder = await temporaryDirectory(t);
    await writeFile(join(folder, 'token'), 'test-token\n');
    await writeFile(join(folder, 'ca.crt'), server.ca);
    const { hostname, port } = new URL(server.url);
    const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const access = await kubernetesAccess(asker(env), folder);
    assert.equal(access.base, server.url);
    assert.equal(access.headers['authorization'], 'Bearer test-token');
    assert.deepEqual(access.connection.tls, { caCertificates: server.ca, onlyCaCertificates: true });
    const v6 = await kubernetesAccess(asker({ ...env, KUBERNETES_SERVICE_HOST: 'fd00::1' }), folder);
    assert.equal(v6.base, `https://[fd00::1]:${port}`);
    await assert.rejects(kubernetesAccess(asker(env), join(folder, 'none')), refused('ERR_FILE_READ'));
    await assert.rejects(kubernetesAccess(asker({})), refused('ERR_KEY_ACCESS', /KUBECONFIG/));
  });

  it('through several files, of which the first one counts', async (t) => {
    const folder = await temporaryDirectory(t);
    await mkdir(join(folder, '.kube'));
    const write = (name: string, value: object) => writeFile(join(folder, name), JSON.stringify(value));
    const cluster = (server: string) => ({ clusters: [{ name: 'c', cluster: { server } }] });
    await write('a', {
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      ...cluster('https://a.example'),
    });
    await write('b', {
      'current-context': 'x',
      ...cluster('https://b.example'),
      users: [{ name: 'u', user: { token: 'test-token' } }],
    });
    await write('.kube/config', {
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'c' } }],
      ...cluster('https://home.example/path/'),
    });
    const bases = async (env: Runtime['env']) =>
      (await kubernetesAccess({ runtime: createRuntime({ env, home: folder }) })).base;
    const list = ['missing', 'a', 'b'].map((name) => join(folder, name)).join(delimiter);
    assert.equal(await bases({ KUBECONFIG: list }), 'https://a.example');
    assert.equal(await bases({}), 'https://home.example/path');
  });

  const texts: Readonly<Record<string, string>> = {
    'no YAML': '{ SECRET',
    'a list': '[SECRET]',
    'aliases without end': `a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]`,
    'no context': kubeconfigText({ server: 'https://h' }, {}).replace('"current-context":"test",', ''),
    'a context that is not there': kubeconfigText({}, {}).replace(
      '"current-context":"test"',
      '"current-context":"y"',
    ),
    'a cluster that is not there': kubeconfigText({}, {}).replace('"cluster":"test"', '"cluster":"y"'),
    'a user that is not there': kubeconfigText({}, {}).replace('"user":"test"', '"user":"y"'),
    'no cluster': kubeconfigText({}, {}).replace('"cluster":"test",', ''),
    'a server that is a number': kubeconfigText({ server: 7 }, {}),
    'an exec that is text': kubeconfigText({ server: 'https://h' }, { exec: 'SECRET' }),
    'control characters': 'current-context: "\u0000x"',
  };
  for (const [name, text] of Object.entries(texts)) {
    it(`${name}_fail`, async (t) => {
      const KUBECONFIG = join(await temporaryDirectory(t), 'config');
      await writeFile(KUBECONFIG, text);
      await assert.rejects(kubernetesAccess(asker({ KUBECONFIG })), refused('ERR_KEY_ACCESS'));
    });
  }
});

describe('what comes from outside', () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  const field = (names: readonly string[], value: fc.Arbitrary<unknown>) =>
    fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 });
  const text = fc.oneof(fc.constantFrom('https://h', 'YQ==', '/nonexistent', 'a', ''), fc.string(), json);
  const exec = field(['apiVersion', 'command', 'args', 'env', 'interactiveMode', 'installHint'], text);

  it('kubeconfigs of every shape end in access or an error of ours', async (t) => {
    const KUBECONFIG = join(await temporaryDirectory(t), 'config');
    const runtime = createRuntime({ env: { KUBECONFIG, PATH: '' } });
    const clusters = [
      'server',
      'certificate-authority-data',
      'tls-server-name',
      'proxy-url',
      'insecure-skip-tls-verify',
    ];
    const users = [
      'token',
      'tokenFile',
      'client-certificate-data',
      'client-key-data',
      'username',
      'as',
      'as-groups',
    ];
    const user = fc.oneof(
      field(users, text),
      fc.record({ exec }),
      fc.record({ 'auth-provider': json }),
      json,
    );
    const config = fc.oneof(
      fc
        .tuple(fc.oneof(field(clusters, text), json), user)
        .map(([a, b]) => kubeconfigText(a as object, b as object)),
      json.map((value) => JSON.stringify(value)),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(config, async (content) => {
        await writeFile(KUBECONFIG, content);
        await kubernetesAccess({ runtime }).catch((error: unknown) =>
          assert.ok(isBoltsealError(error), String(error)),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('answers of every shape end in a secret or an error of ours', async (t) => {
    let answer: ApiAnswer = { status: 200 };
    const cluster = await world(t, { disturb: () => answer });
    const data = fc.dictionary(fc.constantFrom('cosign.key', 'cosign.pub', 'x'), text);
    const body = fc.oneof(json, fc.record({ kind: fc.constant('Secret'), data: fc.oneof(data, json) }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(200, 201, 400, 401, 403, 404, 409), body, async (status, content) => {
        answer = { status, body: JSON.stringify(content) };
        const asked = [
          readSecret(of, cluster).then((found) => found.get('cosign.pub')),
          openKubernetesPlace(of, cluster),
        ];
        for (const result of await Promise.allSettled(asked)) {
          if (result.status === 'rejected') assert.ok(isBoltsealError(result.reason), String(result.reason));
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('secrets of Kubernetes with real programs', () => {
  it('kubectl reads what is stored here, and what kubectl stores is used here', async (t) => {
    const programs = needPrograms(t, 'kubectl');
    if (programs === undefined) return;
    const server = await serveKubernetes(t);
    const KUBECONFIG = await server.kubeconfig();
    const runtime = createRuntime({ env: { KUBECONFIG } });
    const home = await temporaryDirectory(t);
    const kubectl = async (...args: readonly string[]) => {
      const result = await runProgram(programs.kubectl, [...args, '--namespace', 'signing'], {
        env: { HOME: home, KUBECONFIG },
        cwd: home,
      });
      assert.equal(result.code, 0, result.stderr);
      return result.stdout;
    };
    await store({ runtime });
    const read = JSON.parse(await kubectl('get', 'secret', 'cosign', '--output', 'json'));
    assert.equal(read.immutable, true);
    assert.equal(Buffer.from(read.data['cosign.key'], 'base64').toString(), pair.privateKeyPem);
    await assert.rejects(openKubernetesPlace(of, { runtime }), refused('ERR_KEY_EXISTS'));
    await kubectl('delete', 'secret', 'cosign');
    await store({ runtime });

    await writeFile(join(home, 'cosign.key'), pair.privateKeyPem);
    await writeFile(join(home, 'cosign.pub'), pair.publicKeyPem);
    const files = [
      '--from-file=cosign.key',
      '--from-file=cosign.pub',
      '--from-literal=cosign.password=hush-hush',
    ];
    await kubectl('create', 'secret', 'generic', 'theirs', ...files);
    const signer = await loadSigner('k8s://signing/theirs', { runtime });
    assert.equal(signer.publicKey.pem, pair.publicKeyPem);
  });

  it('cosign signs and verifies with what is stored here, and the other way round', async (t) => {
    const programs = needPrograms(t, 'cosign3');
    if (programs === undefined) return;
    const server = await serveKubernetes(t);
    const KUBECONFIG = await server.kubeconfig();
    const runtime = createRuntime({ env: { KUBECONFIG } });
    const home = await temporaryDirectory(t);
    const cosign = async (...args: readonly string[]) => {
      const env = { HOME: home, KUBECONFIG, COSIGN_PASSWORD: 'hush-hush' };
      const result = await runProgram(programs.cosign3, args, { env, cwd: home });
      assert.equal(result.code, 0, result.stderr);
    };
    await store({ runtime }, { namespace: 'signing', name: 'ours' });
    await cosign('generate-key-pair', 'k8s://signing/theirs');
    const [ours, theirs] = [server.secrets.get('signing/ours'), server.secrets.get('signing/theirs')];
    const shape = (secret: typeof ours) => [
      secret?.type,
      secret?.immutable,
      Object.keys(secret?.data ?? {}).sort(),
    ];
    assert.deepEqual(shape(ours), shape(theirs));
    await writeFile(join(home, 'blob'), 'a message');
    const old = ['--tlog-upload=false', '--new-bundle-format=false', '--use-signing-config=false', '-y'];
    await cosign('sign-blob', '--key', 'k8s://signing/ours', ...old, '--output-signature', 'sig', 'blob');
    const signature = Buffer.from(await readFile(join(home, 'sig'), 'utf8'), 'base64');
    const [key] = await loadVerificationKeys('k8s://signing/ours', { runtime });
    assert.ok(key !== undefined && verify('sha256', utf8('a message'), key.key, signature));
    const signer = await loadSigner('k8s://signing/theirs', { runtime });
    const made = Buffer.from(await signer.sign(utf8('a message'))).toString('base64');
    const check = ['verify-blob', '--insecure-ignore-tlog', '--signature', made, 'blob'];
    await cosign(...check, '--key', 'k8s://signing/theirs');
  });
});
