import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { createTestVault } from '../../../test/support/azure-key-vault.ts';
import { fetchInto } from '../../../test/support/in-process.ts';
import { kmsContract } from '../../../test/support/kms-contract.ts';
import { answer } from '../../../test/support/services.ts';
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
