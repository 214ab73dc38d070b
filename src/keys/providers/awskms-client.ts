/** The part of the AWS SDK that keys need, and what its errors mean. */
import type { Runtime } from '../../core/runtime.ts';
import { importPeer, type Peer } from '../peer.ts';
import type { KmsFailure } from './kms-failure.ts';
import { type KmsRequest, sendToKms } from './kms-http.ts';

/** `@aws-sdk/client-kms`, as far as it is used: it is not installed with Boltseal. */
export interface AwsSdk {
  readonly KMSClient: new (config: AwsConfig) => AwsClient;
  readonly GetPublicKeyCommand: new (input: { KeyId: string }) => unknown;
  readonly SignCommand: new (input: AwsSignInput) => unknown;
  readonly CreateKeyCommand: new (input: {
    KeySpec: string;
    KeyUsage: string;
    Description: string;
  }) => unknown;
  readonly CreateAliasCommand: new (input: { AliasName: string; TargetKeyId: string }) => unknown;
}

/** What a signature is asked for with. */
export interface AwsSignInput {
  readonly KeyId: string;
  readonly Message: Uint8Array;
  readonly MessageType: 'RAW' | 'DIGEST';
  readonly SigningAlgorithm: string;
}

/** The settings of a client. */
export interface AwsConfig {
  readonly region?: string;
  readonly endpoint?: string;
  readonly maxAttempts: number;
  readonly requestHandler: object;
}

/** A client; what commands answer is checked by whoever asked. */
export interface AwsClient {
  send(command: unknown, options: { abortSignal: AbortSignal }): Promise<Readonly<Record<string, unknown>>>;
}

const peer: Peer = { name: '@aws-sdk/client-kms', versions: '^3.699.0', user: 'keys in AWS KMS' };

/** The SDK. Throws `ERR_KEY_PEER`. */
export async function awsSdk(): Promise<AwsSdk> {
  return await importPeer<AwsSdk>(peer);
}

/** A request as the SDK hands it to whatever sends it. */
interface AwsHttpRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The headers of an answer that the SDK looks at. */
const answerHeaders = [
  'content-type',
  'date',
  'retry-after',
  'x-amzn-errortype',
  'x-amzn-query-error',
  'x-amzn-requestid',
];

/** The SDK’s port for requests, on the client of the runtime. */
export function awsRequestHandler(runtime: Pick<Runtime, 'fetch'>): object {
  return {
    async handle(request: AwsHttpRequest, { abortSignal }: { abortSignal?: AbortSignal } = {}) {
      const answer = await sendToKms(runtime, toRequest(request, abortSignal));
      const headers: Record<string, string> = {};
      for (const name of answerHeaders) {
        const value = answer.headers.get(name);
        if (value !== null) headers[name] = value;
      }
      return { response: { statusCode: answer.status, headers, body: answer.body } };
    },
    httpHandlerConfigs: () => ({}),
    updateHttpClientConfig: () => undefined,
  };
}

function toRequest(request: AwsHttpRequest, signal: AbortSignal | undefined): KmsRequest {
  const { method, protocol, hostname, port, path, query = {}, headers, body } = request;
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value ?? ''].flat()) url.searchParams.append(name, one);
  }
  return { method, url: url.href, headers, body: bytesOf(body), signal };
}

/** The bytes alone: the SDK’s own kind of array warns when something takes it for text. */
function bytesOf(body: unknown): Uint8Array | undefined {
  if (typeof body === 'string') return Buffer.from(body);
  return body instanceof Uint8Array
    ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
    : undefined;
}

const access = 'ERR_KEY_ACCESS';
const place = 'ERR_KEY_PROVIDER';
const unsupported = 'ERR_KEY_UNSUPPORTED';

const signIn =
  'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE after `aws sso login`; `aws sts get-caller-identity` shows who asks.';

const refused: KmsFailure = { code: access, problem: 'does not accept the credentials', hint: signIn };

const throttled: KmsFailure = {
  code: place,
  problem: 'is asked too often',
  hint: 'Try again later, or have the quota of the account raised.',
  again: 'nothing-done',
};

const broken: KmsFailure = {
  code: place,
  problem: 'failed',
  hint: 'Try again later; https://health.aws.amazon.com tells of outages.',
  again: 'unknown',
};

const elsewhere: KmsFailure = {
  code: unsupported,
  problem: 'keeps that key for something else than signing',
  hint: 'A key that signs has the usage SIGN_VERIFY: boltseal generate-key-pair --kms awskms:///alias/NAME makes one.',
};

/** By the name of the error. {@link https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html} */
const failures: Readonly<Record<string, KmsFailure>> = {
  NotFoundException: {
    code: 'ERR_KEY_NOT_FOUND',
    problem: 'has no such key',
    hint: 'Keys belong to one account and region: see `aws kms list-aliases`, and set AWS_REGION and AWS_PROFILE.',
  },
  DisabledException: {
    code: 'ERR_KEY_DISABLED',
    problem: 'has that key disabled',
    hint: 'Whoever disabled it may have had a reason. `aws kms enable-key` undoes it.',
  },
  KMSInvalidStateException: {
    code: 'ERR_KEY_DISABLED',
    problem: 'has that key in a state in which it cannot be used',
    hint: 'See `aws kms describe-key`. Deletion can be cancelled while it is pending: `aws kms cancel-key-deletion`.',
  },
  InvalidKeyUsageException: elsewhere,
  UnsupportedOperationException: elsewhere,
  AccessDeniedException: {
    code: access,
    problem: 'does not permit that',
    hint: 'Key policy and identity must allow kms:GetPublicKey and kms:Sign; to make a key, kms:CreateKey and kms:CreateAlias.',
  },
  AlreadyExistsException: {
    code: 'ERR_KEY_EXISTS',
    problem: 'has that alias already',
    hint: 'Somebody made it a moment ago. Run the command again to use it.',
  },
  UnrecognizedClientException: refused,
  InvalidClientTokenId: refused,
  InvalidSignatureException: refused,
  SignatureDoesNotMatch: refused,
  IncompleteSignature: refused,
  IncompleteSignatureException: refused,
  MissingAuthenticationToken: refused,
  MissingAuthenticationTokenException: refused,
  NotAuthorized: refused,
  OptInRequired: refused,
  ExpiredToken: { code: access, problem: 'does not accept the credentials: they are expired', hint: signIn },
  ExpiredTokenException: {
    code: access,
    problem: 'does not accept the credentials: they are expired',
    hint: signIn,
  },
  RequestExpired: {
    code: access,
    problem: 'does not accept the request: it is too old',
    hint: 'Is the clock of this machine right?',
  },
  CredentialsProviderError: {
    code: access,
    problem: 'needs credentials, and there are none',
    hint: `${signIn} In GitHub Actions, aws-actions/configure-aws-credentials gives them.`,
  },
  ThrottlingException: throttled,
  Throttling: throttled,
  RequestLimitExceeded: throttled,
  TooManyRequestsException: throttled,
  KMSInternalException: broken,
  DependencyTimeoutException: broken,
  KeyUnavailableException: broken,
  InternalFailure: broken,
  ServiceUnavailable: broken,
};

/** What an error of the SDK means. */
export function explainAws(error: unknown): KmsFailure {
  const { name, message } = error instanceof Error ? error : { name: '', message: '' };
  const known = Object.hasOwn(failures, name) ? failures[name] : undefined;
  if (known !== undefined) return known;
  if (name === 'TokenProviderError') return failures['CredentialsProviderError'] ?? broken;
  if (message === 'Region is missing') {
    return {
      code: 'ERR_USAGE',
      problem: 'has keys by region, and none is named',
      hint: 'Set AWS_REGION, or name the key by its ARN.',
    };
  }
  const status = statusOf(error);
  if (status === 429) return throttled;
  if (status !== undefined && status >= 500) return broken;
  return {
    code: place,
    problem: status === undefined ? 'answered something else than it should' : `refuses it (${status})`,
  };
}

/** What an error means where a key was to be made: not every region has every kind. */
export function explainAwsMaking(error: unknown): KmsFailure {
  const name = error instanceof Error ? error.name : '';
  if (name !== 'ValidationException' && name !== 'UnsupportedOperationException') return explainAws(error);
  return {
    code: unsupported,
    problem: 'makes no such key here',
    hint: 'Choose another --key-type; ecdsa-p256 is there everywhere.',
  };
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}
