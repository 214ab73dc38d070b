import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import test from 'node:test';
import { type InProcessRuntime, inProcessRuntime, respond } from '../../../test/support/in-process.ts';
import { kmsContract } from '../../../test/support/kms-contract.ts';
import { motoEnvironment, startMoto } from '../../../test/support/moto.ts';
import { needPrograms } from '../../../test/support/programs.ts';
import { answer, connectionError, type Step } from '../../../test/support/services.ts';
import { type ErrorCode, isBoltsealError } from '../../core/errors.ts';
import type { Fetch } from '../../core/runtime.ts';
import { createHttpClient } from '../../node/http-client.ts';
import type { KeyContext } from '../provider.ts';
import type { Signer } from '../signer.ts';
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

/** AWS KMS with one key of a kind that moto has not, and answers that moto does not give. */
function scriptedAws(answers: Readonly<Record<string, (input: Input) => object>>): Fetch {
  return async (_url, init) => {
    const operation = init.headers['x-amz-target']?.split('.')[1] ?? '';
    const body = init.body instanceof Uint8Array ? Buffer.from(init.body).toString('utf8') : '{}';
    const made = answers[operation]?.(JSON.parse(body));
    const status = made === undefined || '__type' in made ? 400 : 200;
    const headers = { 'content-type': 'application/x-amz-json-1.1' };
    return respond({
      status,
      headers,
      body: JSON.stringify(made ?? { __type: 'UnknownOperationException' }),
    });
  };
}

type Input = Readonly<Record<string, unknown>>;

const arn = 'arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';

function contextFor(
  fetch: Fetch,
  env: Record<string, string> = {},
): KeyContext & { runtime: InProcessRuntime } {
  return {
    runtime: inProcessRuntime(fetch, env),
    password: () => Promise.reject(new Error('no password')),
    readStdin: () => Promise.reject(new Error('no input')),
  };
}

const code = (expected: ErrorCode) => (error: unknown) => {
  assert.ok(isBoltsealError(error), String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

function publicKeyAnswer(key: KeyObject, spec: string, algorithms: readonly string[]): object {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return {
    KeyId: arn,
    PublicKey: spki.toString('base64'),
    KeySpec: spec,
    KeyUsage: 'SIGN_VERIFY',
    SigningAlgorithms: algorithms,
  };
}

test('Ed25519 in AWS KMS: the message itself, as long as it is short', async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const asked: Input[] = [];
  const fetch = scriptedAws({
    GetPublicKey: () =>
      publicKeyAnswer(privateKey, 'ECC_NIST_EDWARDS25519', ['ED25519_SHA_512', 'ED25519_PH_SHA_512']),
    Sign: (input) => {
      asked.push(input);
      const signature = sign(null, Buffer.from(String(input['Message']), 'base64'), privateKey);
      return {
        KeyId: arn,
        Signature: signature.toString('base64'),
        SigningAlgorithm: input['SigningAlgorithm'],
      };
    },
  });
  const signer = await loadSigner(`awskms:///${arn}`, contextFor(fetch));
  const message = Buffer.alloc(4_096, 1);
  assert.ok(verify(null, message, createPublicKey(privateKey), await signer.sign(message)));
  assert.equal(asked[0]?.['MessageType'], 'RAW');
  assert.equal(asked[0]?.['SigningAlgorithm'], 'ED25519_SHA_512');
  await assert.rejects(signer.sign(Buffer.alloc(4_097)), code('ERR_LIMIT_EXCEEDED'));
  assert.equal(asked.length, 1);
});

test('where AWS KMS is: the region of the key, of the environment, an end point', async () => {
  const urls: string[] = [];
  const fetch: Fetch = async (url, init) => {
    urls.push(url);
    assert.match(init.headers['authorization'] ?? '', /^AWS4-HMAC-SHA256 Credential=testing\//);
    return respond({ status: 400, body: '{"__type":"NotFoundException"}' });
  };
  const ask = async (reference: string, env: Record<string, string> = {}): Promise<string | undefined> => {
    await assert.rejects(
      awsKeys.loadVerificationKeys(reference, contextFor(fetch, env)),
      code('ERR_KEY_NOT_FOUND'),
    );
    return urls.at(-1);
  };
  const us = arn.replace('eu-central-1', 'us-west-2');
  assert.equal(
    await ask(`awskms:///${us}`, { AWS_REGION: 'eu-west-1' }),
    'https://kms.us-west-2.amazonaws.com/',
  );
  assert.equal(
    await ask('awskms:///alias/a', { AWS_REGION: 'eu-west-1' }),
    'https://kms.eu-west-1.amazonaws.com/',
  );
  assert.equal(
    await ask('awskms:///alias/a', { AWS_DEFAULT_REGION: 'eu-west-3' }),
    'https://kms.eu-west-3.amazonaws.com/',
  );
  assert.equal(await ask('awskms://kms.example:4566/alias/a'), 'https://kms.example:4566/');
  const china = 'arn:aws-cn:kms:cn-north-1:123456789012:alias/a';
  assert.equal(await ask(`awskms:///${china}`), 'https://kms.cn-north-1.amazonaws.com.cn/');
});

test('AWS KMS without credentials, and without a region_fail', async (t) => {
  const fetch: Fetch = () => Promise.reject(new Error('nobody is asked'));
  const given = { ...process.env };
  t.after(async () => void Object.assign(process.env, given));
  for (const name of Object.keys(motoEnvironment)) delete process.env[name];
  Object.assign(process.env, {
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    HOME: '/nonexistent',
  });
  process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/dev/null';
  const load = (env: Record<string, string>) =>
    awsKeys.loadVerificationKeys('awskms:///alias/a', contextFor(fetch, env));
  await assert.rejects(load({ AWS_REGION: 'eu-west-1' }), code('ERR_KEY_ACCESS'));
  await assert.rejects(load({}), code('ERR_USAGE'));
});

test('answers of AWS KMS that are not what they must be_fail', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const good = publicKeyAnswer(privateKey, 'ECC_NIST_P256', ['ECDSA_SHA_256']);
  const bad: readonly (readonly [string, object, ErrorCode])[] = [
    [
      'another kind of key',
      { ...good, KeySpec: 'ECC_NIST_P384', SigningAlgorithms: ['ECDSA_SHA_384'] },
      'ERR_KEY_PROVIDER',
    ],
    ['another algorithm', { ...good, SigningAlgorithms: ['ECDSA_SHA_384'] }, 'ERR_KEY_UNSUPPORTED'],
    ['no algorithm', { ...good, SigningAlgorithms: undefined }, 'ERR_KEY_UNSUPPORTED'],
    [
      'a kind of tomorrow',
      { ...good, KeySpec: 'ML_DSA_65', SigningAlgorithms: ['ML_DSA_SHAKE_256'] },
      'ERR_KEY_UNSUPPORTED',
    ],
    ['no key', { ...good, PublicKey: undefined }, 'ERR_KEY_PROVIDER'],
    ['a broken key', { ...good, PublicKey: 'MFkw' }, 'ERR_KEY_INVALID'],
    ['a name that is none', { ...good, KeyId: '../../x' }, 'ERR_KEY_PROVIDER'],
    ['a key agreement key', { ...good, KeyUsage: 'KEY_AGREEMENT' }, 'ERR_KEY_UNSUPPORTED'],
  ];
  for (const [name, made, expected] of bad) {
    const context = contextFor(scriptedAws({ GetPublicKey: () => made }));
    await assert.rejects(awsKeys.loadVerificationKeys(`awskms:///${arn}`, context), code(expected), name);
  }
});

test('what AWS KMS refuses, by its names_fail', async () => {
  const refusals: Readonly<Record<string, ErrorCode>> = {
    DisabledException: 'ERR_KEY_DISABLED',
    // Pending deletion, or import.
    KMSInvalidStateException: 'ERR_KEY_DISABLED',
    InvalidKeyUsageException: 'ERR_KEY_UNSUPPORTED',
    UnsupportedOperationException: 'ERR_KEY_UNSUPPORTED',
    UnrecognizedClientException: 'ERR_KEY_ACCESS',
    InvalidSignatureException: 'ERR_KEY_ACCESS',
    ExpiredTokenException: 'ERR_KEY_ACCESS',
    KMSInternalException: 'ERR_KEY_PROVIDER',
    InvalidArnException: 'ERR_KEY_PROVIDER',
  };
  for (const [name, expected] of Object.entries(refusals)) {
    const context = contextFor(
      scriptedAws({ GetPublicKey: () => ({ __type: name, message: 'for a reason' }) }),
    );
    await assert.rejects(awsKeys.loadVerificationKeys(`awskms:///${arn}`, context), code(expected), name);
  }
});

test('making a key in AWS KMS never makes two', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made: string[] = [];
  const notFound = { __type: 'NotFoundException' };
  const answers = (lost: string): Readonly<Record<string, (input: Input) => object>> => ({
    GetPublicKey: ({ KeyId }) =>
      String(KeyId).startsWith('arn:')
        ? publicKeyAnswer(privateKey, 'ECC_NIST_P256', ['ECDSA_SHA_256'])
        : notFound,
    CreateKey: () => {
      made.push('key');
      if (lost === 'key') throw connectionError('ECONNRESET');
      return { KeyMetadata: { Arn: arn, KeyId: arn.slice(-36) } };
    },
    CreateAlias: ({ AliasName, TargetKeyId }) => {
      assert.deepEqual([AliasName, TargetKeyId], ['alias/a', arn]);
      return lost === 'alias' ? { __type: 'AlreadyExistsException' } : {};
    },
  });
  const generate = (reference: string, lost: string) =>
    awsKeys.generate?.(reference, 'ecdsa-p256', contextFor(scriptedAws(answers(lost)), motoEnvironment)) ??
    Promise.reject(new Error('it can'));
  assert.equal((await generate('awskms:///alias/a', '')).reference, `awskms:///${arn}`);
  const whole = 'awskms:///arn:aws:kms:eu-central-1:123456789012:alias/a';
  assert.equal((await generate(whole, '')).reference, `awskms:///${arn}`);
  made.length = 0;
  await assert.rejects(generate('awskms:///alias/a', 'key'), code('ERR_KEY_PROVIDER'));
  assert.equal(made.length, 1);
  await assert.rejects(generate('awskms:///alias/a', 'alias'), (error) => {
    assert.ok(isBoltsealError(error, 'ERR_KEY_EXISTS'));
    // The key that is left over costs money.
    return error.message.includes(arn);
  });
  await assert.rejects(generate(`awskms:///${arn.slice(-36)}`, ''), (error) => isBoltsealError(error));
});

test('certificates that are not trusted are not trusted, whatever a variable says', async () => {
  const context = contextFor(async () => respond({ status: 400, body: '{"__type":"NotFoundException"}' }), {
    ...motoEnvironment,
    AWS_TLS_INSECURE_SKIP_VERIFY: '1',
  });
  await assert.rejects(awsKeys.loadVerificationKeys('awskms:///alias/a', context), code('ERR_KEY_NOT_FOUND'));
  assert.equal(context.runtime.events.filter(({ level }) => level === 'warn').length, 1);
});

const loadSigner = (reference: string, context: KeyContext): Promise<Signer> =>
  awsKeys.loadSigner?.(reference, context) ?? Promise.reject(new Error('it can'));
