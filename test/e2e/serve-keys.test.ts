/** A private Sigstore whose keys are kept elsewhere: in an HSM, or in a key management service. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { HttpRequest, HttpResponse } from '../../src/core/http.ts';
import { listen } from '../../src/node/http-server.ts';
import { keyRoles } from '../../src/server/config/config.ts';
import { parseState, type SigstoreState } from '../../src/server/sigstore/state.ts';
import { cleanEnvironment, needPrograms, runProgram } from '../support/programs.ts';
import { addRekorEntry } from '../support/rekor-entry.ts';
import { runInProcess } from '../support/run-cli.ts';
import { type Serving, serve } from '../support/serve.ts';
import { softHsm } from '../support/softhsm.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { createTestTransit } from '../support/vault-transit.ts';

const email = 'dev@example.com';

/** A data folder and a configuration that names these keys. */
async function place(t: TestContext, folder: string, keys: Readonly<Record<string, string>>) {
  const file = join(folder, 'boltseal.yaml');
  const name = (names: Readonly<Record<string, string>>): Promise<void> =>
    writeFile(file, JSON.stringify({ keys: names }));
  await name(keys);
  const words = ['--config', file, '--data', join(folder, 'data'), '--listen', '127.0.0.1:0', '--dev'];
  return {
    /** Writes the configuration anew. */
    name,
    start: (env: Readonly<Record<string, string>>): Promise<Serving> =>
      serve(t, words, { BOLTSEAL_PASSWORD: '', ...env }),
    rotate: (kind: string, env: Readonly<Record<string, string>>) =>
      runInProcess(['serve', 'rotate', kind, '--config', file, '--data', join(folder, 'data')], {
        env: { BOLTSEAL_PASSWORD: '', ...env },
      }),
    async state(): Promise<SigstoreState> {
      return parseState(await readFile(join(folder, 'data', 'sigstore', 'state.json')), 'the state');
    },
  };
}

function urlOf({ url, printed }: Serving): string {
  assert.ok(url !== undefined, printed().stderr);
  return url;
}

async function assertRefuses(serving: Serving, code: string): Promise<void> {
  assert.equal(serving.url, undefined, 'it started');
  const { stderr } = await serving.stop();
  assert.match(stderr, new RegExp(`\\(${code}\\)$`, 'm'));
}

/** Signs a file with an identity and verifies it, with Boltseal and, where it is there, with cosign. */
async function signAndVerify(t: TestContext, url: string, folder: string): Promise<void> {
  const env = { ...(await cleanEnvironment(folder)), HOME: folder };
  const run = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runInProcess(words, { env });
    assert.equal(code, 0, `${words.join(' ')}\n${stderr}`);
    return stdout;
  };
  const [file, bundle, root, trusted] = ['file', 'bundle', 'root.json', 'trusted.json'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  await writeFile(file, `signed at ${url}`);
  await writeFile(root, await (await fetch(`${url}/tuf/1.root.json`)).text());
  await run('initialize', '--mirror', `${url}/tuf`, '--root', root);
  const token = await run('token', '--url', url, '--email', email);
  await run('sign-blob', '--identity-token', token, '--bundle', bundle, file);
  const signer = ['--certificate-identity', email, '--certificate-oidc-issuer', url];
  await run('verify-blob', ...signer, '--bundle', bundle, file);
  await run('trust', 'export', '--out', trusted);
  const programs = needPrograms(t, 'cosign3');
  if (programs === undefined) return;
  const words = ['verify-blob', ...signer, '--bundle', bundle, '--trusted-root', trusted, file];
  const { code, stderr } = await runProgram(programs.cosign3, words, { cwd: folder, env });
  assert.equal(code, 0, stderr);
}

test('every key in an HSM', async (t) => {
  const hsm = await softHsm(t);
  if (hsm === undefined) return;
  await hsm.addToken('sigstore');
  const env = { COSIGN_PKCS11_MODULE_PATH: hsm.module, COSIGN_PKCS11_PIN: '1234' };
  const folder = await temporaryDirectory(t);
  const keys: Record<string, string> = {};
  const make = async (object: string): Promise<string> => {
    const uri = `pkcs11:token=sigstore;object=${object}`;
    const words = ['generate-key-pair', '--kms', uri, '--output-key-prefix', join(folder, object)];
    const made = await runInProcess(words, { env });
    assert.equal(made.code, 0, made.stderr);
    return uri;
  };
  for (const role of keyRoles) keys[role] = await make(role);
  const { name, start, rotate, state } = await place(t, folder, keys);

  const first = await start(env);
  await signAndVerify(t, urlOf(first), folder);
  const { root, ca, tsa, ct, rekor, rekor2, tuf } = await state();
  for (const key of [root, ...ca, ...tsa, ...ct, ...rekor, ...rekor2].map((one) => one.key)) {
    assert.equal(key.file, undefined);
    assert.match(key.pinned ?? '', /^pkcs11:token=sigstore;serial=[0-9a-f]+;/);
  }
  assert.deepEqual(
    Object.values(tuf).flatMap((all) => all.map(({ file }) => file)),
    [undefined, undefined, undefined],
  );
  await first.stop();

  // A PIN that is wrong keeps it from starting, and the right one is still good after it.
  await assertRefuses(await start({ ...env, COSIGN_PKCS11_PIN: '9999' }), 'ERR_KEY_ACCESS');
  await assertRefuses(await start({ COSIGN_PKCS11_MODULE_PATH: hsm.module }), 'ERR_KEY_ACCESS');
  const second = await start(env);
  await addRekorEntry(urlOf(second));
  await second.stop();

  // The authority goes on with another key of the HSM; what the old one issued still verifies.
  const same = await rotate('ca', env);
  assert.match(same.stderr, /\(ERR_SERVER_CONFIG\)$/m);
  await name({ ...keys, ca: await make('ca-second') });
  const rotated = await rotate('ca', env);
  assert.equal(rotated.code, 0, rotated.stderr);
  const third = await start(env);
  await signAndVerify(t, urlOf(third), folder);
  assert.equal((await state()).ca.length, 2);
});

/** Vault's transit engine on this machine, and whether it answers. */
async function vault(t: TestContext) {
  const transit = createTestTransit({ token: 'hvs.test' });
  let failing = false;
  const answer = (request: HttpRequest): Promise<HttpResponse> =>
    failing
      ? Promise.resolve({ status: 400, headers: {}, body: null })
      : Promise.resolve(transit.answer(request));
  const listener = await listen({ answer });
  t.after(() => listener.close());
  return {
    transit,
    env: { VAULT_ADDR: listener.url, VAULT_TOKEN: 'hvs.test' },
    fail(now: boolean) {
      failing = now;
    },
  };
}

test('keys in a key management service: their versions, failures, and a retired one that is gone', async (t) => {
  const { transit, env, fail } = await vault(t);
  const keys: Record<string, string> = {};
  for (const role of ['ca', 'ct', 'rekor', 'tsa'] as const) {
    transit.make(role, 'ecdsa-p256');
    keys[role] = `hashivault://${role}`;
  }
  const folder = await temporaryDirectory(t);
  const { name, start, rotate, state } = await place(t, folder, keys);
  const first = await start(env);
  const url = urlOf(first);
  await signAndVerify(t, url, folder);
  const old = await addRekorEntry(url);

  // While the service fails clients are told to come back, and then the logs go on.
  fail(true);
  const entries = `${url}/rekor/api/v1/log/entries`;
  const refused = await fetch(`${entries}/${old.id}`);
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1']);
  await assert.rejects(addRekorEntry(url), /^Error: 503/);
  const timestamp = await fetch(`${url}/api/v1/timestamp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      artifactHash: Buffer.alloc(32, 1).toString('base64'),
      hashAlgorithm: 'sha256',
    }),
  });
  assert.equal(timestamp.status, 503);
  assert.match(first.printed().stderr, /key\.failure/);
  fail(false);
  assert.equal((await fetch(`${entries}/${old.id}`)).status, 200);
  await addRekorEntry(url);
  await first.stop();

  // Newer versions change nothing until they are rotated to.
  for (const role of Object.keys(keys)) transit.rotate(role);
  const second = await start(env);
  await signAndVerify(t, urlOf(second), folder);
  await second.stop();
  assert.equal((await state()).rekor[0]?.key.pinned, 'hashivault://rekor/1');
  const rotated = await rotate('rekor', env);
  assert.equal(rotated.code, 0, rotated.stderr);
  assert.equal((await state()).rekor[1]?.key.pinned, 'hashivault://rekor/2');

  // Another key under a role is no mistake that goes unnoticed.
  await name({ ...keys, tsa: 'hashivault://ca' });
  await assertRefuses(await start(env), 'ERR_SERVER_DATA');

  // The retired key is gone: its log cannot sign for its entries any more, and everything else goes on.
  await name({ ...keys, rekor: 'hashivault://rekor/2' });
  const folderState = join(folder, 'data', 'sigstore', 'state.json');
  const text = await readFile(folderState, 'utf8');
  await writeFile(
    folderState,
    text
      .replace('"hashivault://rekor"', '"hashivault://lost"')
      .replace('hashivault://rekor/1', 'hashivault://lost/1'),
  );
  const third = await start(env);
  const now = urlOf(third);
  await signAndVerify(t, now, folder);
  assert.equal((await fetch(`${now}/rekor/api/v1/log/entries/${old.id}`)).status, 503);
  const added = await addRekorEntry(now);
  assert.equal((await fetch(`${now}/rekor/api/v1/log/entries/${added.id}`)).status, 200);
});

test('keys that two share are refused_fail', async (t) => {
  const { transit, env } = await vault(t);
  transit.make('one', 'ecdsa-p256');
  const { start } = await place(t, await temporaryDirectory(t), {
    ct: 'hashivault://one',
    rekor: 'hashivault://one/1',
  });
  await assertRefuses(await start(env), 'ERR_SERVER_CONFIG');
});
