import test from 'node:test';
import { kmsContract } from '../../../test/support/kms-contract.ts';
import { motoEnvironment, startMoto } from '../../../test/support/moto.ts';
import { needPrograms } from '../../../test/support/programs.ts';
import { answer, type Step } from '../../../test/support/services.ts';
import type { Fetch } from '../../core/runtime.ts';
import { createHttpClient } from '../../node/http-client.ts';
import { awsKeys } from './awskms.ts';

/** The SDK looks for credentials in the process. */
Object.assign(process.env, motoEnvironment);

/** An error as AWS writes it. {@link https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html} */
const failure = (name: string, message = 'for a reason', status = 400): Step =>
  answer(status, { __type: name, message }, { 'content-type': 'application/x-amz-json-1.1' });

test('AWS KMS, as moto plays it', async (t) => {
  const programs = needPrograms(t, 'moto-python');
  if (programs === undefined) return;
  const moto = await startMoto(programs['moto-python']);
  t.after(() => moto.stop());
  const client = createHttpClient();
  t.after(async () => client.close());
  // References lead to https; TLS is tested with the command line.
  const fetch: Fetch = (url, init) => client(url.replace(/^https:/, 'http:'), init);
  const admin = await administration(moto.url);
  let keys = 0;
  await kmsContract(t, {
    provider: awsKeys,
    fetch,
    env: motoEnvironment,
    // moto takes the beginning of an alias for the alias.
    newReference: () => `awskms://${moto.host}/alias/key-${++keys}-end`,
    makes: ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521', 'rsa-2048'],
    // moto knows no Ed25519 yet; AWS does: see below.
    refuses: ['ed25519'],
    disable: (reference) => admin.disable(reference.slice(reference.lastIndexOf('/') + 1)),
    makeOthers: async () => ({
      encrypts: `awskms://${moto.host}/${await admin.make('RSA_2048', 'ENCRYPT_DECRYPT')}`,
      strange: [
        `awskms://${moto.host}/${await admin.make('ECC_SECG_P256K1', 'SIGN_VERIFY')}`,
        `awskms://${moto.host}/${await admin.make('SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT')}`,
        `awskms://${moto.host}/${await admin.make('HMAC_256', 'GENERATE_VERIFY_MAC')}`,
      ],
    }),
    throttled: failure('ThrottlingException'),
    denied: failure('AccessDeniedException', 'User: arn:aws:iam::1:user/x is not authorized'),
    expired: failure('ExpiredTokenException', 'The security token included in the request is expired'),
    empty: 'ERR_KEY_PROVIDER',
    spoil: (body) => ('Signature' in body ? { ...body, Signature: 'MAYCAQECAQE=' } : body),
    secrets: ['testing'],
  });
});

async function administration(endpoint: string): Promise<{
  make(spec: string, usage: string): Promise<string>;
  disable(key: string): Promise<void>;
}> {
  const { KMSClient, CreateKeyCommand, DisableKeyCommand } = await import('@aws-sdk/client-kms');
  const client = new KMSClient({ endpoint });
  return {
    async make(spec, usage) {
      const { KeyMetadata } = await client.send(
        new CreateKeyCommand({ KeySpec: spec as 'RSA_2048', KeyUsage: usage as 'SIGN_VERIFY' }),
      );
      return KeyMetadata?.KeyId ?? '';
    },
    async disable(key) {
      await client.send(new DisableKeyCommand({ KeyId: key }));
    },
  };
}
