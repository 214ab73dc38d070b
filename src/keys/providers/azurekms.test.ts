import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { createTestVault } from '../../../test/support/azure-key-vault.ts';
import { fetchInto, inProcessRuntime, respond } from '../../../test/support/in-process.ts';
import { kmsContract } from '../../../test/support/kms-contract.ts';
import { answer } from '../../../test/support/services.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Fetch } from '../../core/runtime.ts';
import type { KeyContext } from '../provider.ts';
import type { Signer } from '../signer.ts';
import { azureKeys } from './azurekms.ts';

const token = 'a-token-of-azure-that-nobody-may-see';
const identitySecret = 'the-secret-of-the-identity-endpoint';

/** The managed identity of App Service, which the SDK finds by two variables and speaks to itself. */
async function managedIdentity(t: TestContext): Promise<void> {
  const server = createServer((request, response) => {
    assert.equal(request.headers['x-identity-header'], identitySecret);
    const resource = new URL(request.url ?? '', 'http://x').searchParams.get('resource');
    assert.equal(resource, 'https://vault.azure.net');
    const expires = Math.floor(Date.now() / 1_000) + 3_600;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ access_token: token, expires_on: expires, resource, token_type: 'Bearer' }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  t.after(() => server.closeAllConnections());
  process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}/msi/token`;
  process.env['IDENTITY_HEADER'] = identitySecret;
}

const host = 'acme.vault.azure.net';

test('Azure Key Vault, by its own SDK', async (t) => {
  await managedIdentity(t);
  const vault = createTestVault(host, token);
  let keys = 0;
  const partsOf = (reference: string): readonly [string, string] => {
    const [, , , name = '', version = ''] = reference.split('/');
    return [name, version];
  };
  await kmsContract(t, {
    provider: azureKeys,
    fetch: fetchInto(vault),
    newReference: () => `azurekms://${host}/key-${++keys}`,
    makes: ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048'],
    refuses: ['ed25519'],
    disable: async (reference) => vault.set(...partsOf(reference), { enabled: false }),
    rotate: async (reference) => void vault.rotate(partsOf(reference)[0]),
    async makeOthers() {
      vault.make('encrypts', { kty: 'RSA', key_ops: ['encrypt', 'decrypt'] });
      vault.make('k1', { kty: 'EC', crv: 'P-256K' });
      return { encrypts: `azurekms://${host}/encrypts`, strange: [`azurekms://${host}/k1`] };
    },
    throttled: answer(429, { error: { code: 'Throttled', message: 'slower' } }, { 'retry-after': '2' }),
    denied: answer(403, { error: { code: 'Forbidden', message: 'Caller is not authorized' } }),
    expired: answer(401, { error: { code: 'Unauthorized', message: 'AKV10022: Invalid audience' } }),
    empty: 'ERR_KEY_PROVIDER',
    spoil: (body) => ('kid' in body && 'value' in body ? { ...body, value: 'A'.repeat(86) } : body),
    secrets: [token, identitySecret],
  });
});

const isCode = (code: ErrorCode) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.equal(error.code, code, `${error.message} ${String(error.cause)}`);
  return true;
};

function contextFor(fetch: Fetch, now?: Date): KeyContext {
  const runtime = inProcessRuntime(fetch);
  return {
    runtime: { ...runtime, ...(now === undefined ? {} : { now: () => now }) },
    password: () => Promise.reject(new Error('no password')),
    readStdin: () => Promise.reject(new Error('no input')),
  };
}

const loadSigner = (reference: string, context: KeyContext): Promise<Signer> =>
  azureKeys.loadSigner?.(reference, context) ?? Promise.reject(new Error('it can'));

test('a version of Azure Key Vault that is expired, or not valid yet, verifies and signs nothing', async (t) => {
  await managedIdentity(t);
  const vault = createTestVault(host, token);
  const context = contextFor(fetchInto(vault), new Date());
  const made = await azureKeys.generate?.(`azurekms://${host}/k`, 'ecdsa-p256', context);
  const version = made?.reference.split('/').at(-1) ?? '';
  const now = Math.floor(Date.now() / 1_000);
  for (const attributes of [{ exp: now - 60 }, { nbf: now + 3_600, exp: now + 7_200 }]) {
    vault.set('k', version, attributes);
    const signer = await loadSigner(`azurekms://${host}/k`, context);
    const before = vault.seen.length;
    await assert.rejects(signer.sign(Buffer.from('x')), isCode('ERR_KEY_DISABLED'));
    assert.equal(vault.seen.length, before);
    const [key] = await azureKeys.loadVerificationKeys(`azurekms://${host}/k`, context);
    assert.equal(key?.pem, made?.publicKey.pem);
  }
  // By the clock of Azure alone.
  vault.set('k', version, { nbf: 0, exp: now - 60 });
  const signer = await loadSigner(
    `azurekms://${host}/k`,
    contextFor(fetchInto(vault), new Date((now - 600) * 1_000)),
  );
  await assert.rejects(signer.sign(Buffer.from('x')), (error) => isBoltsealError(error));
});

test('a vault asked for with the host of something else_fail', async (t) => {
  await managedIdentity(t);
  // The token of the vaults of Azure is for these, whatever a reference names.
  const seen: (string | undefined)[] = [];
  const fetch: Fetch = async (_url, init) => {
    seen.push(init.headers['authorization']);
    const challenge =
      'Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"';
    return respond({ status: 401, headers: { 'www-authenticate': challenge }, body: '{}' });
  };
  await assert.rejects(
    loadSigner('azurekms://evil.example/k', contextFor(fetch)),
    isCode('ERR_KEY_PROVIDER'),
  );
  assert.deepEqual(seen, [undefined]);
});

test('Azure Key Vault without credentials_fail', async (t) => {
  const { IDENTITY_ENDPOINT, AZURE_TOKEN_CREDENTIALS } = process.env;
  t.after(async () => {
    for (const [name, value] of Object.entries({ IDENTITY_ENDPOINT, AZURE_TOKEN_CREDENTIALS })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  delete process.env['IDENTITY_ENDPOINT'];
  process.env['AZURE_TOKEN_CREDENTIALS'] = 'EnvironmentCredential';
  const vault = createTestVault(host, token);
  await assert.rejects(
    loadSigner(`azurekms://${host}/k`, contextFor(fetchInto(vault))),
    isCode('ERR_KEY_ACCESS'),
  );
});

test('answers of Azure Key Vault that are not what they must be_fail', async (t) => {
  await managedIdentity(t);
  const good = {
    key: { kid: `https://${host}/keys/k/0123`, kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', key_ops: ['sign'] },
    attributes: { enabled: true },
  };
  const bad: readonly (readonly [string, object, ErrorCode])[] = [
    ['a point that is not on the curve', good, 'ERR_KEY_INVALID'],
    ['no key', { ...good, key: { kid: good.key.kid } }, 'ERR_KEY_UNSUPPORTED'],
    ['no version', { ...good, key: { ...good.key, kid: `https://${host}/keys/k` } }, 'ERR_KEY_PROVIDER'],
    ['a key that is symmetric', { ...good, key: { ...good.key, kty: 'oct-HSM' } }, 'ERR_KEY_UNSUPPORTED'],
  ];
  for (const [name, made, expected] of bad) {
    const context = contextFor(async () =>
      respond({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(made) }),
    );
    await assert.rejects(loadSigner(`azurekms://${host}/k`, context), isCode(expected), name);
  }
});
