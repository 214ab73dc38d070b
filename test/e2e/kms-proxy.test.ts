/** The SDKs of Google and Microsoft on the command line's own connections: over TLS, through the proxy of the environment. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { HttpService } from '../../src/core/http.ts';
import { listen } from '../../src/node/http-server.ts';
import { createTestVault } from '../support/azure-key-vault.ts';
import { createTestGcpKms, newServiceAccount } from '../support/gcp-kms.ts';
import { runInProcess } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { makeCertificate, useNamesProxy, useTlsFront } from './support/names-proxy.ts';

/** A proxy under which `host` is `service`. */
async function behindProxy(t: TestContext, host: string, service: HttpService) {
  const [certificate, listener] = await Promise.all([
    makeCertificate(t, `DNS:${host}`),
    // The front takes TLS away, so that the service hears of http.
    listen({
      answer: ({ method, url, headers, body, signal }) =>
        service.answer({
          method,
          url: url.replace(/^http:\/\/[^/]*/, `https://${host}`),
          headers,
          body,
          signal,
        }),
    }),
  ]);
  t.after(() => listener.close());
  setDefaultCACertificates([...getCACertificates('default'), certificate.cert]);
  const { cert, key } = certificate;
  const port = await useTlsFront(t, listener.port, { cert, key });
  return await useNamesProxy(t, { [`${host}:443`]: port });
}

/** Makes a key, signs a file with it and verifies that. */
async function useKey(
  t: TestContext,
  reference: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = await temporaryDirectory(t);
  const [artifact, bundle] = [join(folder, 'artifact'), join(folder, 'bundle')];
  await writeFile(artifact, 'what is signed');
  const prefix = ['--output-key-prefix', join(folder, 'cosign')];
  for (const words of [
    ['generate-key-pair', '--kms', reference, ...prefix],
    ['sign-blob', '--key', reference, '--bundle', bundle, artifact],
    ['verify-blob', '--key', reference, '--bundle', bundle, artifact],
    ['verify-blob', '--key', join(folder, 'cosign.pub'), '--bundle', bundle, artifact],
  ]) {
    const { code, stderr } = await runInProcess(words, { env });
    assert.equal(code, 0, stderr);
  }
}

test('Google Cloud KMS', async (t) => {
  const account = newServiceAccount();
  const file = join(await temporaryDirectory(t), 'account.json');
  await writeFile(file, account.file);
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = file;
  const proxy = await behindProxy(t, 'cloudkms.googleapis.com', createTestGcpKms(account));
  await useKey(t, 'gcpkms://projects/acme/locations/global/keyRings/r/cryptoKeys/k', proxy.env);
  assert.ok(proxy.seen.includes('CONNECT cloudkms.googleapis.com:443'));
});

test('Azure Key Vault', async (t) => {
  const token = 'a-token-of-azure';
  const identity = createServer((_request, response) => {
    const expires = Math.floor(Date.now() / 1_000) + 3_600;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ access_token: token, expires_on: expires, token_type: 'Bearer' }));
  });
  await new Promise<void>((resolve) => identity.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    identity.closeAllConnections();
    await new Promise((resolve) => identity.close(resolve));
  });
  const { port } = identity.address() as AddressInfo;
  process.env['IDENTITY_ENDPOINT'] = `http://127.0.0.1:${port}/msi/token`;
  process.env['IDENTITY_HEADER'] = 'secret';
  const host = 'acme.vault.azure.net';
  const proxy = await behindProxy(t, host, createTestVault(host, token));
  await useKey(t, `azurekms://${host}/k`, proxy.env);
  assert.ok(proxy.seen.includes(`CONNECT ${host}:443`));
});
