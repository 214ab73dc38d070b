import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { createTestGcpKms, newServiceAccount } from '../../../test/support/gcp-kms.ts';
import { fetchInto, inProcessRuntime, respond } from '../../../test/support/in-process.ts';
import { kmsContract } from '../../../test/support/kms-contract.ts';
import { answer, type Step } from '../../../test/support/services.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { KeyContext } from '../provider.ts';
import { gcpKeys } from './gcpkms.ts';

const failure = (code: number, status: string): Step =>
  answer(code, { error: { code, message: 'for a reason', status } }, { 'content-type': 'application/json' });

const ring = 'projects/acme/locations/europe-west1/keyRings/release';

test('Google Cloud KMS, by its own SDK', async (t) => {
  const account = newServiceAccount();
  const folder = await temporaryDirectory(t);
  // Where the SDK looks for credentials.
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'account.json');
  await writeFile(join(folder, 'account.json'), account.file);
  const kms = createTestGcpKms(account);
  let keys = 0;
  const path = (reference: string): string => reference.slice('gcpkms://'.length);
  await kmsContract(t, {
    provider: gcpKeys,
    fetch: fetchInto(kms),
    newReference: () => `gcpkms://${ring}/cryptoKeys/key-${++keys}`,
    makes: ['ecdsa-p256', 'ecdsa-p384', 'ed25519', 'rsa-2048'],
    refuses: ['ecdsa-p521'],
    longestMessage: 65_536,
    disable: async (reference) => kms.setState(path(reference), 'DISABLED'),
    rotate: async (reference) => kms.rotate(path(reference)),
    async makeOthers() {
      const make = (algorithm: string): string => {
        const key = `${ring}/cryptoKeys/${algorithm}`;
        kms.make(key, algorithm);
        kms.setState(`${key}/cryptoKeyVersions/1`, 'ENABLED');
        return `gcpkms://${key}`;
      };
      const strange = ['RSA_SIGN_PSS_2048_SHA256', 'EC_SIGN_SECP256K1_SHA256'].map(make);
      return {
        encrypts: make('GOOGLE_SYMMETRIC_ENCRYPTION'),
        strange: [...strange, ...strange.map((one) => `${one}/cryptoKeyVersions/1`)],
      };
    },
    throttled: failure(429, 'RESOURCE_EXHAUSTED'),
    denied: failure(403, 'PERMISSION_DENIED'),
    expired: failure(401, 'UNAUTHENTICATED'),
    empty: 'ERR_KEY_DISABLED',
    spoil: (body) => ('signature' in body ? { ...body, signature: 'MAYCAQECAQE=' } : body),
    secrets: ['PRIVATE KEY', 'eyJ'],
  });
});

test('Google Cloud KMS without credentials, and with broken ones_fail', async (t) => {
  const folder = await temporaryDirectory(t);
  const { GOOGLE_APPLICATION_CREDENTIALS, HOME } = process.env;
  t.after(async () => {
    Object.assign(process.env, { GOOGLE_APPLICATION_CREDENTIALS, HOME });
  });
  process.env['HOME'] = folder;
  // No machine of Google is looked for.
  process.env['METADATA_SERVER_DETECTION'] = 'none';
  const context: KeyContext = {
    runtime: inProcessRuntime(async () => {
      // The token of a user, refused.
      const body = JSON.stringify({
        error: 'invalid_grant',
        error_description: 'Token has been expired or revoked.',
      });
      return respond({ status: 400, headers: { 'content-type': 'application/json' }, body });
    }),
    password: () => Promise.reject(new Error('no password')),
    readStdin: () => Promise.reject(new Error('no input')),
  };
  const load = () => gcpKeys.loadVerificationKeys(`gcpkms://${ring}/cryptoKeys/k`, context);
  const isAccess = (error: unknown): boolean => isBoltsealError(error, 'ERR_KEY_ACCESS');
  delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
  await assert.rejects(load(), isAccess);
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'none.json');
  await assert.rejects(load(), isAccess);
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'user.json');
  const user = {
    type: 'authorized_user',
    client_id: 'c',
    client_secret: 's',
    refresh_token: 'a-refresh-token',
  };
  await writeFile(join(folder, 'user.json'), JSON.stringify(user));
  await assert.rejects(load(), (error) => {
    assert.ok(isBoltsealError(error, 'ERR_KEY_ACCESS'), String(error));
    return !`${error.message}${String(error.cause)}`.includes('a-refresh-token');
  });
});

test('a key of Google Cloud KMS that signs over SHA-512 verifies, and signs nothing here', async (t) => {
  const account = newServiceAccount();
  const folder = await temporaryDirectory(t);
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = join(folder, 'account.json');
  await writeFile(join(folder, 'account.json'), account.file);
  const kms = createTestGcpKms(account);
  kms.make(`${ring}/cryptoKeys/k`, 'RSA_SIGN_PKCS1_4096_SHA512');
  kms.setState(`${ring}/cryptoKeys/k/cryptoKeyVersions/1`, 'ENABLED');
  const context: KeyContext = {
    runtime: inProcessRuntime(fetchInto(kms)),
    password: () => Promise.reject(new Error('no password')),
    readStdin: () => Promise.reject(new Error('no input')),
  };
  const reference = `gcpkms://${ring}/cryptoKeys/k`;
  const keys = await gcpKeys.loadVerificationKeys(reference, context);
  assert.deepEqual(
    keys.map(({ type }) => type),
    ['rsa-4096'],
  );
  const unsupported = (error: unknown): boolean => isBoltsealError(error, 'ERR_KEY_UNSUPPORTED');
  await assert.rejects(gcpKeys.loadSigner?.(reference, context) ?? Promise.resolve(), unsupported);
  await assert.rejects(gcpKeys.generate?.(reference, 'rsa-4096', context) ?? Promise.resolve(), unsupported);
});
