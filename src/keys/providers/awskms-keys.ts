/**
 * Keys in AWS KMS. A key has one key pair for ever: what rotates is the alias that names it.
 * {@link https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html}
 */
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import { type KeyType, type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import type { KeyContext } from '../provider.ts';
import { remoteSigner } from '../remote-signer.ts';
import type { Signer } from '../signer.ts';
import {
  type AwsClient,
  type AwsSdk,
  type AwsSignInput,
  awsRequestHandler,
  awsSdk,
  explainAws,
  explainAwsMaking,
} from './awskms-client.ts';
import { askKms, type KmsAsker, kmsError } from './kms-ask.ts';
import { digestToSign, messageToSign } from './kms-digest.ts';
import { existsAlready, isAnotherKind } from './kms-words.ts';
import type { KeyPlace } from './lazy.ts';

/** What `awskms://` references do. */
export const awsPlace: KeyPlace = {
  async loadSigner(reference, context) {
    const service = await openAws(reference, context);
    return signerOf(service, await describeKey(service));
  },
  async generate(reference, keyType, context) {
    const service = await openAws(reference, context);
    const { pinned, publicKey } = await existingKey(service, keyType).catch((error: unknown) => {
      if (isBoltsealError(error, 'ERR_KEY_NOT_FOUND')) return makeKey(service, keyType);
      throw error;
    });
    return { reference: pinned, publicKey };
  },
  async loadVerificationKeys(reference, context) {
    return [(await describeKey(await openAws(reference, context))).publicKey];
  },
};

const service = 'AWS KMS';

/** A key reference, taken apart. */
interface AwsReference {
  /** Host and port; empty for that of the region. */
  readonly endpoint: string;
  /** As the service takes it: ID, ARN, alias or alias ARN. */
  readonly keyId: string;
  /** `alias/NAME`, when it is one. */
  readonly alias: string | undefined;
  /** Of an ARN. */
  readonly region: string | undefined;
}

const uuid = '(?:mrk-?)?[A-Fa-f0-9]{8}-?(?:[A-Fa-f0-9]{4}-?){3}[A-Fa-f0-9]{12}';
const aliasName = 'alias/[A-Za-z0-9/_-]{1,250}';
const grammar = new RegExp(
  `^awskms://(?<endpoint>[^/]*)/(?<keyId>(?:arn:aws[a-z-]*:kms:(?<region>[a-z0-9-]+):\\d{12}:(?:key/${uuid}|(?<arnAlias>${aliasName})))|${uuid}|(?<alias>${aliasName}))$`,
);

function parseAwsReference(reference: string): AwsReference {
  const groups = reference.length <= limits.kmsReferenceLength ? grammar.exec(reference)?.groups : undefined;
  const { endpoint = '', keyId } = groups ?? {};
  if (keyId !== undefined && (endpoint === '' || isHost(endpoint))) {
    return { endpoint, keyId, alias: groups?.['alias'] ?? groups?.['arnAlias'], region: groups?.['region'] };
  }
  throw new BoltsealError('ERR_USAGE', 'the reference to a key in AWS KMS is malformed', {
    hint: 'It is awskms:///ID, awskms:///ARN or awskms:///alias/NAME; an end point may stand before the third slash.',
  });
}

/** Whether `text` is a host with or without a port, and nothing else of a URL. */
function isHost(text: string): boolean {
  if (!/^[A-Za-z0-9.:[\]-]+$/.test(text) || !URL.canParse(`https://${text}`)) return false;
  const { host, hostname } = new URL(`https://${text}`);
  return text.toLowerCase() === host || text.toLowerCase() === `${hostname}:443`;
}

/** The service, ready to be asked about one key. */
interface Aws {
  readonly sdk: AwsSdk;
  readonly client: AwsClient;
  readonly key: AwsReference;
  /** The key, for errors. */
  readonly name: string;
  readonly asker: KmsAsker;
}

async function openAws(reference: string, { runtime, signal }: KeyContext): Promise<Aws> {
  const key = parseAwsReference(reference);
  const sdk = await awsSdk();
  if (runtime.env['AWS_TLS_INSECURE_SKIP_VERIFY'] === '1') {
    runtime.log({
      level: 'warn',
      event: 'keys.strict',
      message:
        'AWS_TLS_INSECURE_SKIP_VERIFY is not heeded: NODE_EXTRA_CA_CERTS names certificates to trust instead',
    });
  }
  const region = key.region ?? runtime.env['AWS_REGION'] ?? runtime.env['AWS_DEFAULT_REGION'];
  const client = new sdk.KMSClient({
    ...(region === undefined || region === '' ? {} : { region }),
    ...(key.endpoint === '' ? {} : { endpoint: `https://${key.endpoint}` }),
    // Repeated by askKms, whose limits hold for everyone.
    maxAttempts: 1,
    requestHandler: awsRequestHandler(runtime),
  });
  return { sdk, client, key, name: key.keyId, asker: { runtime, signal } };
}

async function ask(
  aws: Aws,
  what: string,
  command: unknown,
  { asker = aws.asker, once = false }: { readonly asker?: KmsAsker; readonly once?: boolean } = {},
): Promise<Readonly<Record<string, unknown>>> {
  return await askKms(asker, {
    service,
    what,
    once,
    ask: (abortSignal) => aws.client.send(command, { abortSignal }),
    explain: explainAws,
  });
}

/** A key that can be used here. */
interface AwsKey {
  readonly arn: string;
  readonly pinned: string;
  readonly publicKey: PublicKey;
  readonly algorithm: SigningAlgorithm;
}

/** How keys of one kind are called, and sign. */
interface SigningAlgorithm {
  readonly keySpec: string;
  readonly name: string;
  readonly message: (message: Uint8Array, what: string) => Pick<AwsSignInput, 'Message' | 'MessageType'>;
}

const digest =
  (length: 32 | 48 | 64): SigningAlgorithm['message'] =>
  (message) => ({ Message: digestToSign(message, length), MessageType: 'DIGEST' });

/** Bytes of a message that is signed without being hashed before. */
const longestRawMessage = 4_096;

const raw: SigningAlgorithm['message'] = (message, what) => ({
  Message: messageToSign(message, longestRawMessage, what),
  MessageType: 'RAW',
});

/** {@link https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html} */
const algorithms: Readonly<Record<KeyType, SigningAlgorithm>> = {
  'ecdsa-p256': { keySpec: 'ECC_NIST_P256', name: 'ECDSA_SHA_256', message: digest(32) },
  'ecdsa-p384': { keySpec: 'ECC_NIST_P384', name: 'ECDSA_SHA_384', message: digest(48) },
  'ecdsa-p521': { keySpec: 'ECC_NIST_P521', name: 'ECDSA_SHA_512', message: digest(64) },
  ed25519: { keySpec: 'ECC_NIST_EDWARDS25519', name: 'ED25519_SHA_512', message: raw },
  'rsa-2048': { keySpec: 'RSA_2048', name: 'RSASSA_PKCS1_V1_5_SHA_256', message: digest(32) },
  'rsa-3072': { keySpec: 'RSA_3072', name: 'RSASSA_PKCS1_V1_5_SHA_256', message: digest(32) },
  'rsa-4096': { keySpec: 'RSA_4096', name: 'RSASSA_PKCS1_V1_5_SHA_256', message: digest(32) },
};

async function describeKey(aws: Aws, keyId = aws.key.keyId): Promise<AwsKey> {
  const what = `reading the key ${aws.name}`;
  const answer = await ask(aws, what, new aws.sdk.GetPublicKeyCommand({ KeyId: keyId }));
  const { KeyId: arn, PublicKey: spki, KeySpec: spec, KeyUsage: usage, SigningAlgorithms: can } = answer;
  if (typeof arn !== 'string' || !(spki instanceof Uint8Array) || typeof spec !== 'string') {
    throw badAnswer(what, 'no public key');
  }
  if (usage !== 'SIGN_VERIFY') throw kmsError(service, what, explainAws(named('InvalidKeyUsageException')));
  const known = Object.values(algorithms).find(({ keySpec }) => keySpec === spec);
  if (known === undefined || !Array.isArray(can) || !can.includes(known.name)) {
    throw new BoltsealError(
      'ERR_KEY_UNSUPPORTED',
      `the AWS key ${aws.name} is of a kind that is not supported: ${printable(spec)}`,
      {
        hint: `Supported are ${Object.values(algorithms)
          .map(({ keySpec }) => keySpec)
          .join(', ')}.`,
      },
    );
  }
  const publicKey = parsePublicKey(new Uint8Array(spki), `the AWS key ${aws.name}`);
  const algorithm = algorithms[publicKey.type];
  if (algorithm.keySpec !== spec) throw badAnswer(what, `a key that is not ${printable(spec)}, as it says`);
  const pinned = `awskms://${aws.key.endpoint}/${arn}`;
  if (!grammar.test(pinned)) throw badAnswer(what, 'no ARN');
  return { arn, pinned, publicKey, algorithm };
}

function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}

function badAnswer(what: string, problem: string): BoltsealError {
  return kmsError(service, what, { code: 'ERR_KEY_PROVIDER', problem: `answered with ${problem}` });
}

function signerOf(aws: Aws, { arn, pinned, publicKey, algorithm }: AwsKey): Signer {
  const what = `the AWS key ${aws.name}`;
  return remoteSigner({
    publicKey,
    reference: pinned,
    what,
    async sign(message, { signal }) {
      // By its ARN: an alias may name another key by now.
      const command = new aws.sdk.SignCommand({
        KeyId: arn,
        ...algorithm.message(message, what),
        SigningAlgorithm: algorithm.name,
      });
      const asker = { runtime: aws.asker.runtime, signal: signal ?? aws.asker.signal };
      const { Signature: signature } = await ask(aws, `signing with ${aws.name}`, command, { asker });
      if (signature instanceof Uint8Array) return new Uint8Array(signature);
      throw badAnswer(`signing with ${aws.name}`, 'no signature');
    },
  });
}

/** The key that is there already. Throws `ERR_KEY_NOT_FOUND`, and `ERR_KEY_EXISTS` for one of another kind. */
async function existingKey(aws: Aws, keyType: KeyType): Promise<AwsKey> {
  const key = await describeKey(aws);
  if (key.publicKey.type !== keyType) throw isAnotherKind(aws.name, service, key.publicKey.type, keyType);
  existsAlready(aws.asker.runtime, aws.name, service);
  return key;
}

async function makeKey(aws: Aws, keyType: KeyType): Promise<AwsKey> {
  const { alias, keyId } = aws.key;
  if (alias === undefined) {
    throw new BoltsealError(
      'ERR_USAGE',
      `there is no key ${keyId}, and AWS KMS chooses the IDs of new keys`,
      {
        hint: 'Name a new key by an alias: awskms:///alias/NAME.',
      },
    );
  }
  const create = new aws.sdk.CreateKeyCommand({
    KeySpec: algorithms[keyType].keySpec,
    KeyUsage: 'SIGN_VERIFY',
    Description: 'Signs container images; made by Boltseal',
  });
  const what = `making a key for ${alias}`;
  const { KeyMetadata: metadata } = await askKms(aws.asker, {
    service,
    what,
    once: true,
    ask: (abortSignal) => aws.client.send(create, { abortSignal }),
    explain: explainAwsMaking,
  });
  const arn = isRecord(metadata) ? metadata['Arn'] : undefined;
  if (typeof arn !== 'string') throw badAnswer(what, 'no ARN');
  const name = new aws.sdk.CreateAliasCommand({ AliasName: alias, TargetKeyId: arn });
  await ask(aws, `giving the name ${alias} to the new key ${arn}`, name, { once: true });
  return await describeKey(aws, arn);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
