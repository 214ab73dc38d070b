import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { fetchInto, inProcessRuntime } from '../../../test/support/in-process.ts';
import { kmsContract } from '../../../test/support/kms-contract.ts';
import { answer } from '../../../test/support/services.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { createTestTransit, type TestTransit } from '../../../test/support/vault-transit.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Fetch, FetchInit, Runtime } from '../../core/runtime.ts';
import type { KeyContext, KeyProvider } from '../provider.ts';
import { openBaoKeys, vaultKeys } from './vault.ts';

const token = 'hvs.a-token-of-vault-that-nobody-may-see';
const code = (expected: ErrorCode) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.ok(!`${error.message}${error.hint}${JSON.stringify(error.details)}`.includes(token));
  return error.code === expected;
};

test('the transit engine of Vault', async (t) => {
  const transit = createTestTransit({ token });
  await kmsContract(t, {
    ...world('hashivault', vaultKeys, transit),
    env: { VAULT_ADDR: 'https://vault.example:8200', VAULT_TOKEN: token },
  });
});

function world(
  scheme: string,
  provider: KeyProvider,
  transit: TestTransit,
): Parameters<typeof kmsContract>[1] {
  let keys = 0;
  const partsOf = (reference: string): readonly [string, number] => {
    const [, , name = '', version = '0'] = reference.split('/');
    return [name, Number(version)];
  };
  const versions = new Map<string, number>();
  return {
    provider,
    fetch: fetchInto(transit),
    newReference: () => `${scheme}://key-${++keys}`,
    makes: ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'ed25519', 'rsa-2048'],
    refuses: [],
    longestMessage: 16_777_216,
    async disable(reference) {
      const [name, version] = partsOf(reference);
      // The newest version is never refused: then it is the key that goes.
      if (version === (versions.get(name) ?? 1)) transit.set(name, { soft_deleted: true });
      else transit.set(name, { min_decryption_version: version + 1 });
    },
    async rotate(reference) {
      const [name] = partsOf(reference);
      versions.set(name, (versions.get(name) ?? 1) + 1);
      transit.rotate(name);
    },
    async makeOthers() {
      transit.make('aes', 'aes256-gcm96');
      transit.make('mac', 'hmac');
      transit.make('derived', 'ed25519');
      transit.set('derived', { derived: true });
      return { encrypts: `${scheme}://aes`, strange: [`${scheme}://mac`, `${scheme}://derived`] };
    },
    throttled: answer(429, { errors: ['request path rate limited'] }, { 'retry-after': '1' }),
    denied: answer(403, { errors: ['1 error occurred:\n\t* permission denied\n\n'] }),
    expired: answer(403, { errors: [`2 errors occurred: permission denied, invalid token`] }),
    empty: 'ERR_KEY_PROVIDER',
    spoil: (body) => {
      const data = body['data'] as Record<string, unknown> | undefined;
      return data !== undefined && 'signature' in data
        ? {
            ...body,
            data: { ...data, signature: `vault:v1:${Buffer.from('MAYCAQECAQE').toString('base64')}` },
          }
        : body;
    },
    secrets: [token],
  };
}

/** A context whose requests are kept. */
function contextFor(
  service: TestTransit,
  env: Record<string, string>,
  home?: string,
): KeyContext & {
  readonly asked: { readonly url: string; readonly init: FetchInit }[];
  readonly warned: string[];
} {
  const asked: { url: string; init: FetchInit }[] = [];
  const inner = fetchInto(service);
  const fetch: Fetch = (url, init) => {
    asked.push({ url, init });
    return inner(url, init);
  };
  const runtime = inProcessRuntime(fetch, env);
  const whole: Runtime = { ...runtime, home };
  return {
    runtime: whole,
    password: () => Promise.reject(new Error('no password')),
    readStdin: () => Promise.reject(new Error('no input')),
    asked,
    get warned() {
      return runtime.events.filter(({ level }) => level === 'warn').map(({ message }) => message);
    },
  };
}

const verificationKeys = async (provider: KeyProvider, reference: string, context: KeyContext) =>
  (await provider.loadVerificationKeys(reference, context)).length;

test('where a Vault is, by the variables of its product and then of the other', async (t) => {
  const home = await temporaryDirectory(t);
  const transit = createTestTransit({ token });
  transit.make('k', 'ecdsa-p256');
  const other = { VAULT_ADDR: 'https://vault.example', BAO_ADDR: 'https://bao.example/base/' };
  const both = { ...other, VAULT_TOKEN: token, BAO_TOKEN: token };
  const asked = async (
    provider: KeyProvider,
    scheme: string,
    env: Record<string, string>,
  ): Promise<string | undefined> => {
    const context = contextFor(transit, env, home);
    await verificationKeys(provider, `${scheme}://k`, context).catch(() => 0);
    return context.asked[0]?.url;
  };
  assert.equal(await asked(vaultKeys, 'hashivault', both), 'https://vault.example/v1/transit/keys/k');
  assert.equal(await asked(openBaoKeys, 'openbao', both), 'https://bao.example/base/v1/transit/keys/k');
  const { VAULT_ADDR, BAO_ADDR } = other;
  assert.equal(
    await asked(vaultKeys, 'hashivault', { BAO_ADDR, BAO_TOKEN: token, VAULT_ADDR: '' }),
    'https://bao.example/base/v1/transit/keys/k',
  );
  assert.equal(
    await asked(openBaoKeys, 'openbao', { VAULT_ADDR, VAULT_TOKEN: token }),
    'https://vault.example/v1/transit/keys/k',
  );
});

test('the token is that of the variable, else of vault login', async (t) => {
  const home = await temporaryDirectory(t);
  const transit = createTestTransit({ token });
  transit.make('k', 'ecdsa-p256');
  const env = { VAULT_ADDR: 'https://vault.example' };
  await assert.rejects(
    verificationKeys(vaultKeys, 'hashivault://k', contextFor(transit, env, home)),
    code('ERR_KEY_ACCESS'),
  );
  await assert.rejects(
    verificationKeys(vaultKeys, 'hashivault://k', contextFor(transit, env)),
    code('ERR_KEY_ACCESS'),
  );
  await writeFile(join(home, '.vault-token'), `${token}\n`);
  assert.equal(await verificationKeys(vaultKeys, 'hashivault://k', contextFor(transit, env, home)), 1);
  const wrong = { ...env, VAULT_TOKEN: 'hvs.another' };
  await assert.rejects(
    verificationKeys(vaultKeys, 'hashivault://k', contextFor(transit, wrong, home)),
    code('ERR_KEY_ACCESS'),
  );
  for (const bad of [`${token}\nx-other: header`, 'with space', 'ü']) {
    const context = contextFor(transit, { ...env, VAULT_TOKEN: bad }, home);
    await assert.rejects(verificationKeys(vaultKeys, 'hashivault://k', context), code('ERR_KEY_ACCESS'));
    assert.equal(context.asked.length, 0);
  }
  await writeFile(join(home, '.vault-token'), 'x'.repeat(70_000));
  await assert.rejects(
    verificationKeys(vaultKeys, 'hashivault://k', contextFor(transit, env, home)),
    code('ERR_LIMIT_EXCEEDED'),
  );
  const folder = await temporaryDirectory(t);
  await mkdir(join(folder, '.vault-token'));
  await assert.rejects(
    verificationKeys(vaultKeys, 'hashivault://k', contextFor(transit, env, folder)),
    code('ERR_FILE_READ'),
  );
});

test('namespace and path of the engine', async () => {
  const transit = createTestTransit({ token, namespace: 'team/a', mount: 'signing/transit' });
  transit.make('k', 'ecdsa-p256');
  const env = { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: token, VAULT_NAMESPACE: 'team/a' };
  const at = (path: string) => contextFor(transit, { ...env, TRANSIT_SECRET_ENGINE_PATH: path });
  assert.equal(await verificationKeys(vaultKeys, 'hashivault://k', at('signing/transit')), 1);
  assert.equal(await verificationKeys(vaultKeys, 'hashivault://k', at('/signing/transit/')), 1);
  await assert.rejects(verificationKeys(vaultKeys, 'hashivault://k', at('')), code('ERR_KEY_NOT_FOUND'));
  for (const bad of ['a/../b', '..', 'a b', 'a?b', 'a%2fb', 'a//b', 'x'.repeat(600)]) {
    await assert.rejects(verificationKeys(vaultKeys, 'hashivault://k', at(bad)), code('ERR_USAGE'), bad);
  }
});

test('no Vault, or one that must not be spoken to', async () => {
  const transit = createTestTransit({ token });
  transit.make('k', 'ecdsa-p256');
  const at = (env: Record<string, string>) => contextFor(transit, { VAULT_TOKEN: token, ...env });
  const refused: readonly (readonly [Record<string, string>, ErrorCode])[] = [
    [{}, 'ERR_USAGE'],
    [{ VAULT_ADDR: '' }, 'ERR_USAGE'],
    [{ VAULT_ADDR: 'unix:///run/vault.sock' }, 'ERR_USAGE'],
    [{ VAULT_ADDR: 'https://user:pass@vault.example' }, 'ERR_USAGE'],
    [{ VAULT_ADDR: 'http://vault.example:8200' }, 'ERR_SERVICE_INSECURE'],
  ];
  for (const [env, expected] of refused) {
    const context = at(env);
    await assert.rejects(verificationKeys(vaultKeys, 'hashivault://k', context), code(expected));
    assert.equal(context.asked.length, 0);
  }
  assert.equal(
    await verificationKeys(vaultKeys, 'hashivault://k', at({ VAULT_ADDR: 'http://127.0.0.1:8200' })),
    1,
  );
});

test('a Vault with an authority of its own', async (t) => {
  const folder = await temporaryDirectory(t);
  const transit = createTestTransit({ token });
  transit.make('k', 'ecdsa-p256');
  await writeFile(join(folder, 'ca.pem'), 'certificates');
  await writeFile(join(folder, 'client.pem'), 'certificate');
  await writeFile(join(folder, 'client.key'), 'key');
  const env = { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: token };
  const plain = contextFor(transit, env);
  await verificationKeys(vaultKeys, 'hashivault://k', plain);
  assert.equal(plain.asked[0]?.init.connection, undefined);
  const context = contextFor(transit, {
    ...env,
    VAULT_CACERT: join(folder, 'ca.pem'),
    VAULT_CLIENT_CERT: join(folder, 'client.pem'),
    VAULT_CLIENT_KEY: join(folder, 'client.key'),
    VAULT_TLS_SERVER_NAME: 'vault.internal',
    VAULT_SKIP_VERIFY: 'true',
  });
  await verificationKeys(vaultKeys, 'hashivault://k', context);
  assert.deepEqual(context.asked[0]?.init.connection?.tls, {
    caCertificates: 'certificates',
    onlyCaCertificates: true,
    clientCertificate: 'certificate',
    clientKey: 'key',
    serverName: 'vault.internal',
  });
  // Nobody is ever trusted unseen.
  assert.equal(context.warned.length, 1);
  assert.match(context.warned[0] ?? '', /VAULT_SKIP_VERIFY/);
  const missing = contextFor(transit, { ...env, VAULT_CACERT: join(folder, 'none.pem') });
  await assert.rejects(verificationKeys(vaultKeys, 'hashivault://k', missing), code('ERR_FILE_READ'));
});

test('a version that Vault signs with no more', async () => {
  const transit = createTestTransit({ token });
  transit.make('k', 'ecdsa-p256');
  const context = contextFor(transit, { VAULT_ADDR: 'https://vault.example', VAULT_TOKEN: token });
  const signer = await vaultKeys.loadSigner?.('hashivault://k', context);
  transit.rotate('k');
  transit.set('k', { min_encryption_version: 2 });
  await assert.rejects(signer?.sign(Buffer.from('x')) ?? Promise.resolve(), code('ERR_KEY_DISABLED'));
  await assert.rejects(
    vaultKeys.loadVerificationKeys('hashivault://k/3', context),
    code('ERR_KEY_NOT_FOUND'),
  );
  for (let more = 0; more < 99; more++) transit.rotate('k');
  await assert.rejects(vaultKeys.loadVerificationKeys('hashivault://k', context), code('ERR_LIMIT_EXCEEDED'));
});
