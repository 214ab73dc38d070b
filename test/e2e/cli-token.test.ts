import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { createRuntime, listen } from '../../src/node/index.ts';
import { createApp } from '../../src/server/app/app.ts';
import { createOidc } from '../../src/server/oidc/oidc.ts';
import { runInProcess } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** The URL of a development issuer. */
async function startIssuer(t: TestContext): Promise<string> {
  const runtime = createRuntime();
  const listener = await listen({ answer: (request) => app.answer(request) });
  t.after(() => listener.close());
  const oidc = await createOidc(runtime, { issuer: listener.url, key: privateKey });
  const app = createApp(runtime, { mounts: [{ service: oidc, prefix: '', cors: false }] });
  return listener.url;
}

test('the token and nothing else is printed, and it verifies', async (t) => {
  const url = await startIssuer(t);
  const run = await runInProcess(['token', '--url', `${url}/`, '--email', 'dev@example.com']);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.stderr, '');
  assert.match(run.stdout, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  const keys = createRemoteJWKSet(new URL(`${url}/oauth2/keys`));
  const { payload } = await jwtVerify(run.stdout, keys, { issuer: url, audience: 'sigstore' });
  assert.equal(payload['email'], 'dev@example.com');
  assert.equal(payload['email_verified'], true);
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 3_600);
});

test('claims: JSON is JSON, anything else is text', async (t) => {
  const url = await startIssuer(t);
  const claims = [
    'flag=true',
    'number=42',
    'text=refs/heads/main',
    'quoted="42"',
    'object={"a":[1,2]}',
    'empty=',
  ];
  const run = await runInProcess([
    ...['token', '--url', url, '--subject', 'repo:acme/app', '--audience', 'other', '--expires-in', '1m'],
    ...claims.flatMap((claim) => ['--claim', claim]),
  ]);
  assert.equal(run.code, 0, run.stderr);
  const payload = decodeJwt(run.stdout);
  assert.equal(payload.sub, 'repo:acme/app');
  assert.equal(payload.aud, 'other');
  assert.equal(payload['email'], undefined);
  assert.equal(payload['flag'], true);
  assert.equal(payload['number'], 42);
  assert.equal(payload['text'], 'refs/heads/main');
  assert.equal(payload['quoted'], '42');
  assert.deepEqual(payload['object'], { a: [1, 2] });
  assert.equal(payload['empty'], '');
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60);
});

test('as JSON, and into a file that cosign can take', async (t) => {
  const url = await startIssuer(t);
  const json = await runInProcess(['token', '--url', url, '--email', 'dev@example.com', '-o', 'json']);
  const document = JSON.parse(json.stdout);
  assert.equal(document.schema, 'boltseal.token/1');
  assert.deepEqual(document.claims, decodeJwt(document.token));
  const file = join(await temporaryDirectory(t), 'token');
  const run = await runInProcess(['token', '--url', url, '--email', 'a@example.com', '--output-file', file]);
  assert.equal(run.code, 0, run.stderr);
  assert.match(await readFile(file, 'utf8'), /^[\w.-]+$/);
});

test('what cannot be asked for or answered_fail', async (t) => {
  const url = await startIssuer(t);
  const other = await listen({ answer: async () => ({ status: 404, headers: {}, body: Buffer.from('no') }) });
  t.after(() => other.close());
  const email = ['--email', 'dev@example.com'];
  for (const [args, code, error] of [
    [email, 2, 'ERR_USAGE'],
    [['--url', url], 2, 'ERR_USAGE'],
    [['--url', 'ftp://x', ...email], 2, 'ERR_USAGE'],
    [['--url', `${url}?x`, ...email], 2, 'ERR_USAGE'],
    [['--url', url, '--email', 'nobody'], 2, 'ERR_USAGE'],
    [['--url', url, ...email, '--claim', 'iss=x'], 2, 'ERR_USAGE'],
    [['--url', url, ...email, '--claim', '=x'], 2, 'ERR_USAGE'],
    [['--url', url, ...email, '--claim', 'novalue'], 2, 'ERR_USAGE'],
    [['--url', url, ...email, '--claim', 'a=1', '--claim', 'a=2'], 2, 'ERR_USAGE'],
    [['--url', url, ...email, '--expires-in', '48h'], 2, 'ERR_USAGE'],
    [['--url', other.url, ...email], 21, 'ERR_SERVICE_RESPONSE'],
    [['--url', 'http://127.0.0.1:1', ...email], 21, 'ERR_SERVICE_NETWORK'],
  ] as const) {
    const run = await runInProcess(['token', ...args, '-o', 'json']);
    assert.equal(run.code, code, `${args.join(' ')}: ${run.stderr}`);
    assert.equal(JSON.parse(run.stdout).code, error, args.join(' '));
  }
});
