/** What goes wrong in workflows: each with an error that says what it means and what to do, and no secret in it. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { explain, knownFailures } from '../../src/action/explain.ts';
import { runAction } from '../../src/action/main.ts';
import { BoltsealError } from '../../src/core/errors.ts';
import { type Fault, type IncomingRequest, startLatencyProxy } from '../support/latency-proxy.ts';
import { startDockerRegistry } from '../support/registries.ts';
import { pushSmallImage } from '../support/small-image.ts';
import type { StepOptions, StepResult } from './step.ts';
import { password, requestToken, skip, useWorld } from './world.ts';

const get = useWorld();

/** Runs a step that must fail with one error of this code. */
async function fails(code: string, options: StepOptions): Promise<string> {
  const step = await get().run(options);
  assert.equal(step.code, 1, step.stdout);
  const errors = step.commands.filter(({ name }) => name === 'error');
  assert.deepEqual(
    errors.map(({ title }) => title),
    [`Boltseal: ${code}`],
    step.stdout,
  );
  assert.equal(step.stderr, '');
  hides(step, get().keys.private, password, requestToken, 'ghs_token-of-the-run');
  return errors[0]?.message ?? '';
}

/** The code of the one error that a run with these inputs ends with; in this process, which is sooner. */
async function codeOf(inputs: Readonly<Record<string, string>>): Promise<string | undefined> {
  let printed = '';
  const variables = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  const code = await runAction({
    env: Object.fromEntries(variables),
    platform: 'linux',
    stdout: { write: (text) => (printed += text) },
    signal: new AbortController().signal,
  });
  assert.equal(code, 1, printed);
  return /^::error title=Boltseal%3A (\w+)::/m.exec(printed)?.[1];
}

function hides(step: StepResult, ...secrets: readonly string[]): void {
  for (const secret of secrets.flatMap((one) => one.split('\n')).filter((one) => one.length > 8))
    assert.ok(!step.everything.includes(secret), secret.slice(0, 20));
}

suite('before anything is asked', { concurrency: 2, skip }, () => {
  const images = `127.0.0.1:1/acme/app@sha256:${'0'.repeat(64)}`;

  test('no permission to ask for an identity token', async () => {
    const { image, trust } = get();
    const { reference } = await image();
    const message = await fails('ERR_IDENTITY_MISSING', { inputs: { images: reference, ...trust } });
    assert.match(message, /\.github\/workflows\/release\.yml/);
    assert.match(message, /\n {4}build:\n {6}permissions:\n {8}id-token: write/);
  });

  test('a secret that does not exist is empty, and never means: without a key', async () => {
    const env = get().identity();
    const message = await fails('ERR_KEY_EMPTY', { inputs: { images, key: '' }, env });
    assert.match(message, /input key is given, and empty/);
    assert.match(message, /Does the secret or variable exist/);
    for (const name of ['trusted-root', 'signing-config', 'log', 'digest'])
      assert.equal(await codeOf({ images, [name]: ' ' }), 'ERR_USAGE', name);
    for (const name of ['workflow', 'ref'])
      assert.equal(await codeOf({ mode: 'verify', images, repo: 'acme/app', [name]: '' }), 'ERR_USAGE', name);
  });

  test('no image', async () => {
    const message = await fails('ERR_USAGE', { inputs: { images: '\n\n', tags: '' } });
    assert.match(message, /no image is named/);
  });

  test('inputs that are none, are of no use, or contradict each other', async () => {
    const key = get().keys.public;
    const wrong: readonly Readonly<Record<string, string>>[] = [
      { images, 'certifcate-identity': 'x' },
      { images, mode: 'delete' },
      { images, recursive: 'yes' },
      { images, format: 'old' },
      { images, annotations: 'no pair' },
      { images, annotations: 'a=1\na=2' },
      { images, ref: 'refs/heads/main' },
      { images, predicate: 'x.json' },
      { images, 'registry-username': 'me' },
      { images: `${images}\nghcr.io/acme/app`, 'registry-username': 'me', 'registry-password': 'x' },
      { images, digest: `sha256:${'1'.repeat(64)}` },
      { images, mode: 'verify' },
      { images, mode: 'verify', key, repo: 'acme/app' },
      { images, mode: 'verify', workflow: 'release.yml' },
      { images, mode: 'verify', repo: 'acme/app', ref: 'main' },
      { images, mode: 'verify', 'certificate-identity': 'x' },
      { images, mode: 'verify', 'certificate-identity-regexp': '.*', 'certificate-oidc-issuer': 'x' },
      { images, mode: 'verify', key, password },
      { images, mode: 'attest', 'predicate-type': 'cyclonedx' },
      { images, mode: 'attest', predicate: 'x.json' },
      { images, 'metadata-file': '{}' },
      { 'metadata-file': `{"containerimage.digest":"sha256:${'1'.repeat(64)}"}` },
    ];
    for (const inputs of wrong) assert.equal(await codeOf(inputs), 'ERR_USAGE', JSON.stringify(inputs));
    assert.equal(await codeOf({ images, digest: 'x' }), 'ERR_DIGEST_INVALID');
    assert.equal(await codeOf({ 'metadata-file': 'missing.json' }), 'ERR_FILE_READ');
    assert.equal(await codeOf({ images: 'ghcr.io/a b/c:d:e' }), 'ERR_REFERENCE_INVALID');
    const near = await get().run({ inputs: { images, 'certifcate-identity': 'x' } });
    assert.match(near.annotations('error')[0] ?? '', /Did you mean certificate-identity\?/);
  });

  test('a library that a kind of key needs and nobody installed', async () => {
    const { reference } = await get().image();
    const inputs = { images: reference, key: 'awskms:///alias/release' };
    const message = await fails('ERR_KEY_PEER', { inputs });
    assert.match(message, /@aws-sdk\/client-kms/);
    assert.match(message, /npm install --no-save '@aws-sdk\/client-kms@\^3/);
    // Installed in the workspace it is found; this one is none, and says so.
    const files = {
      'node_modules/@aws-sdk/client-kms/package.json':
        '{"name":"@aws-sdk/client-kms","version":"3.0.0","main":"x.js"}',
      'node_modules/@aws-sdk/client-kms/x.js': 'throw new Error("the library of the workspace")',
    };
    assert.match(await fails('ERR_KEY_PEER', { inputs, files }), /the library of the workspace/);
  });
});

suite('at the registry', { concurrency: 2, skip }, () => {
  test('an image that was not pushed', async () => {
    const { registry, keys } = get();
    const images = `${registry.host}/acme/app@sha256:${'0'.repeat(64)}`;
    const message = await fails('ERR_IMAGE_NOT_FOUND', { inputs: { images, key: keys.private, password } });
    assert.match(message, /Was the image pushed\?/);
  });

  test('a wrong password, and none', async () => {
    const { image, keys } = get();
    const { reference } = await image();
    const inputs = { images: reference, key: keys.private };
    for (const wrong of ['not the password', ''])
      assert.match(
        await fails('ERR_PASSWORD_WRONG', { inputs: { ...inputs, password: wrong } }),
        /input password/,
      );
  });

  /** A step that signs through a registry with this fault. */
  async function through(fault: (request: IncomingRequest) => Fault | undefined): Promise<StepOptions> {
    const { image, registry, keys, releases } = get();
    const proxy = await startLatencyProxy(registry.host, { fault });
    releases.after(() => proxy.stop());
    const { digest } = await image();
    const images = `${proxy.host}/acme/app@${digest}`;
    return { inputs: { images, key: keys.private, password, format: 'bundle' } };
  }

  test('403: the package is not linked to the repository', async () => {
    const body = '{"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]}';
    const denied = await through(({ method }) =>
      method === 'POST' || method === 'PUT' ? { status: 403, body } : undefined,
    );
    const message = await fails('ERR_REGISTRY_DENIED', denied);
    assert.match(message, /write_package/);
    assert.match(message, /Manage Actions access/);
  });

  test('401: nobody is logged in', async () => {
    const headers = { 'www-authenticate': 'Basic realm="x"' };
    const message = await fails('ERR_REGISTRY_UNAUTHORIZED', await through(() => ({ status: 401, headers })));
    assert.match(message, /docker\/login-action/);
  });

  test('an image that fails does not stop the others', async () => {
    const { image, registry, keys, run } = get();
    const { reference } = await image();
    const missing = `${registry.host}/acme/app@sha256:${'0'.repeat(64)}`;
    const step = await run({ inputs: { images: `${missing}\n${reference}`, key: keys.private, password } });
    assert.equal(step.code, 1);
    assert.equal(step.outputs['digests'], reference);
    assert.equal(step.annotations('error').length, 1);
    assert.match(step.log, /verified 127/);
  });

  test('what a stranger cannot verify is told, beside what was stored', async () => {
    let isLookedFor = false;
    const options = await through(({ method, path }) => {
      // Nobody lists referrers before they are looked for.
      isLookedFor ||= path.includes('/referrers/');
      const isCarrier = method === 'GET' && path.includes('/manifests/sha256:');
      return isLookedFor && isCarrier ? { status: 404, body: '{}' } : undefined;
    });
    const step = await get().run(options);
    assert.equal(step.code, 1, step.stdout);
    assert.equal(step.annotations('error').length, 1);
    assert.equal(step.outputs['digests'], options.inputs?.['images']);
    assert.match(step.summary, /\| none \| no \|/);
    const unverified = await get().run({ ...options, inputs: { ...options.inputs, verify: 'false' } });
    assert.equal(unverified.code, 0, 'it is the verification that failed');
  });

  test('a run that is cancelled ends', async () => {
    let cancel = (): void => undefined;
    const options = await through(({ path }) => {
      if (path.includes('/manifests/')) cancel();
      return undefined;
    });
    const step = await get().run({ ...options, started: (kill) => (cancel = kill) });
    assert.equal(step.code, 1);
    assert.match(step.stdout, /title=Boltseal%3A ERR_INTERRUPTED/);
  });
});

suite('a registry that wants a login', { skip }, () => {
  const auth = { username: 'octocat', password: 'registry-password-0123' };
  const authorization = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;

  test('docker’s login, the inputs, and neither', async () => {
    const { keys, run, releases, folder } = get();
    const registry = await startDockerRegistry({ auth });
    releases.after(() => registry.stop());
    const { reference } = await pushSmallImage({ ...registry, authorization }, 'acme/private');
    const inputs = { images: reference, key: keys.private, password, format: 'bundle' };
    const config = join(folder, 'docker');
    await mkdir(config);
    const stored = { auths: { [registry.host]: { auth: authorization.slice('Basic '.length) } } };
    await writeFile(join(config, 'config.json'), JSON.stringify(stored));
    const given = { 'registry-username': auth.username, 'registry-password': auth.password };
    const steps = [
      await run({ inputs, env: { DOCKER_CONFIG: config } }),
      await run({ inputs: { ...inputs, ...given } }),
    ];
    for (const step of steps) {
      assert.equal(step.code, 0, step.stdout);
      assert.match(step.log, /verified .* with a new connection; strangers may not read it/);
      hides(step, auth.password, authorization.slice('Basic '.length));
    }
    // The token of the run goes to the registry of GitHub, and to no other.
    await fails('ERR_REGISTRY_UNAUTHORIZED', { inputs });
    await fails('ERR_REGISTRY_UNAUTHORIZED', {
      inputs: { ...inputs, ...given, 'registry-password': 'wrong-password-0123' },
    });
  });
});

suite('verify', { concurrency: 2, skip }, () => {
  test('by workflow, by identity, by key; anybody else is refused', async () => {
    const { image, identity, trust, run, keys, issuer } = get();
    const { reference } = await image();
    assert.equal((await run({ inputs: { images: reference, ...trust }, env: identity() })).code, 0);
    const mode = { mode: 'verify', images: reference, 'trusted-root': trust['trusted-root'] };
    const repo = { ...mode, repo: 'acme/app', 'certificate-oidc-issuer': issuer };
    const good = [
      repo,
      { ...repo, workflow: 'release.yml', ref: 'refs/heads/main' },
      {
        ...mode,
        'certificate-identity-regexp': '^https://github\\.com/acme/app/.+$',
        'certificate-oidc-issuer': issuer,
      },
    ];
    for (const inputs of good) {
      const step = await run({ inputs, event: 'pull_request' });
      assert.equal(step.code, 0, step.stdout);
      assert.equal(step.outputs['digests'], reference);
      assert.match(step.summary, /Verified with Boltseal/);
    }
    const message = await fails('ERR_NO_MATCHING_SIGNATURES', {
      inputs: { ...repo, ref: 'refs/heads/other' },
    });
    assert.match(message, /subject: required .*refs\/heads\/other/);
    await fails('ERR_NO_MATCHING_SIGNATURES', { inputs: { ...repo, repo: 'acme/other' } });
    await fails('ERR_NO_MATCHING_SIGNATURES', {
      inputs: { ...repo, 'certificate-oidc-issuer': 'https://token.actions.githubusercontent.com' },
    });
    await fails('ERR_NO_MATCHING_SIGNATURES', { inputs: { ...repo, annotations: 'environment=production' } });
    await fails('ERR_NO_MATCHING_SIGNATURES', { inputs: { ...mode, key: keys.public } });
  });

  test('nobody signed it, and a platform that nobody signed', async () => {
    const { image, keys, run, registry } = get();
    const { reference } = await image();
    await fails('ERR_NO_SIGNATURES', { inputs: { mode: 'verify', images: reference, key: keys.public } });
    const { pushSmallIndex } = await import('../support/small-image.ts');
    const index = await pushSmallIndex(registry, 'acme/half');
    const signed = await run({
      inputs: { images: index.reference, key: keys.private, password, format: 'bundle' },
    });
    assert.equal(signed.code, 0, signed.stdout);
    const verify = { mode: 'verify', images: index.reference, key: keys.public };
    assert.equal((await run({ inputs: verify })).code, 0);
    assert.equal((await run({ inputs: { ...verify, recursive: 'true' } })).code, 1);
  });
});

test('what is known of failures: each text has its meaning', () => {
  for (const { text, meaning } of knownFailures) {
    const cause = new Error(text);
    const { text: shown } = explain(new BoltsealError('ERR_INTERNAL', 'signing failed', { cause }));
    assert.ok(shown.includes(text) && shown.endsWith(meaning), shown);
  }
  assert.equal(explain(new TypeError('x')).title, 'Boltseal: ERR_INTERNAL');
  const cyclic = new Error('turns round');
  cyclic.cause = cyclic;
  assert.match(explain(cyclic).text, /caused by: turns round/);
});
