/** The part of the Google Cloud SDK that keys need, and what its errors mean. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Runtime } from '../../core/runtime.ts';
import { importPeer } from '../peer.ts';
import { type KmsFailure, KmsFailureError } from './kms-failure.ts';
import { sendToKms } from './kms-http.ts';

/** A version of a key. */
export interface GcpVersion {
  readonly name?: string | null;
  readonly state?: unknown;
  readonly algorithm?: unknown;
}

/** What is signed: a digest, or with Ed25519 the message. */
export type GcpSignInput =
  | { readonly digest: Readonly<Partial<Record<'sha256' | 'sha384', Uint8Array>>> }
  | { readonly data: Uint8Array };

/** The options of every call. */
export interface CallOptions {
  /** Repeated by askKms, whose limits hold for everyone. */
  readonly retry: null;
}

/** `KeyManagementServiceClient`, as far as it is used. */
export interface GcpSdkClient {
  initialize(): Promise<unknown>;
  getPublicKey(request: { name: string }, options: CallOptions): Promise<[{ readonly pem?: unknown }]>;
  getCryptoKeyVersion(request: { name: string }, options: CallOptions): Promise<[GcpVersion]>;
  listCryptoKeyVersionsAsync(
    request: { parent: string; filter: string; pageSize: number },
    options: CallOptions & { readonly autoPaginate: false },
  ): AsyncIterable<GcpVersion>;
  getKeyRing(request: { name: string }, options: CallOptions): Promise<unknown>;
  createKeyRing(request: { parent: string; keyRingId: string }, options: CallOptions): Promise<unknown>;
  createCryptoKey(
    request: { parent: string; cryptoKeyId: string; cryptoKey: object },
    options: CallOptions,
  ): Promise<unknown>;
  asymmetricSign(
    request: { name: string } & GcpSignInput,
    options: CallOptions,
  ): Promise<[{ readonly signature?: unknown }]>;
}

/** `@google-cloud/kms`: it is not installed with Boltseal. */
interface GcpSdk {
  readonly KeyManagementServiceClient: new (options: object) => GcpSdkClient;
}

/** Something that is asked of the SDK. */
export type GcpUse<T> = (client: GcpSdkClient, options: CallOptions) => Promise<T>;

/** A client whose calls can be aborted. */
export interface GcpClient {
  /** Runs `use`; all requests that it makes end with `signal`. */
  call<T>(signal: AbortSignal, use: GcpUse<T>): Promise<T>;
}

/** A client on the client of the runtime. Throws `ERR_KEY_PEER`. */
export async function gcpClient(runtime: Pick<Runtime, 'fetch'>): Promise<GcpClient> {
  const sdk = await importPeer<GcpSdk>({
    name: '@google-cloud/kms',
    versions: '^5.0.1 || ^6.0.0',
    user: 'keys in Google Cloud KMS',
  });
  // The SDK hands no signal to the requests of a call, and not all of their answers to whoever calls.
  const calls = new AsyncLocalStorage<Call>();
  const fetchImplementation = async (url: URL | string, init: SdkRequest): Promise<object> =>
    await send(runtime, url, init, calls.getStore());
  const client = new sdk.KeyManagementServiceClient({
    // HTTP in place of gRPC: through the runtime's client, and its proxies.
    fallback: true,
    clientOptions: { transporterOptions: { fetchImplementation } },
  });
  return {
    async call(signal, use) {
      const call: Call = { signal };
      try {
        return await calls.run(call, async () => {
          // Every call does it, and where it fails lets the error of one promise go by unheard, which ends the process.
          await client.initialize().catch((cause: unknown) => {
            throw new KmsFailureError(noCredentials, cause);
          });
          return await use(client, { retry: null });
        });
      } catch (error) {
        throw new GcpCallError(error, call.status);
      }
    },
  };
}

/** A call under way. */
interface Call {
  readonly signal: AbortSignal;
  /** Of the last answer. */
  status?: number;
}

/** An error of the SDK, with the status of the last answer: a body that is not Google's hides it. */
class GcpCallError extends Error {
  override readonly name = 'GcpCallError';
  readonly code: unknown;
  readonly status: number | undefined;

  constructor(error: unknown, status: number | undefined) {
    super(error instanceof Error ? error.message : String(error), { cause: error });
    this.code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    this.status = status;
  }
}

/** A request as the SDK makes it of what `fetch` takes. */
interface SdkRequest {
  readonly method?: string;
  readonly headers?: Iterable<readonly [string, string]>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | null;
}

/** One request, answered with as much of a `Response` as the SDK looks at. */
async function send(
  runtime: Pick<Runtime, 'fetch'>,
  url: URL | string,
  { method = 'GET', headers = [], body, signal }: SdkRequest,
  call: Call | undefined,
): Promise<object> {
  const signals = [signal, call?.signal].filter((one) => one instanceof AbortSignal);
  const answer = await sendToKms(runtime, {
    method,
    url: String(url),
    headers: Object.fromEntries(headers),
    body: bytesOf(body),
    signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
  });
  const { status, body: content } = answer;
  if (call !== undefined) call.status = status;
  const text = (): string => Buffer.from(content).toString('utf8');
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: String(status),
    url: String(url),
    headers: {
      get: (name: string) => answer.headers.get(name.toLowerCase()),
      has: (name: string) => answer.headers.get(name.toLowerCase()) !== null,
      forEach: () => undefined,
      [Symbol.iterator]: () => [][Symbol.iterator](),
    },
    body: stream(content),
    text: async () => text(),
    json: async () => JSON.parse(text()),
    arrayBuffer: async () => new Uint8Array(content).buffer,
  };
}

async function* stream(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body instanceof Uint8Array) return body;
  if (typeof body === 'string' || body instanceof URLSearchParams) return Buffer.from(String(body));
  return undefined;
}

const access = 'ERR_KEY_ACCESS';
const place = 'ERR_KEY_PROVIDER';

const broken: KmsFailure = {
  code: place,
  problem: 'failed',
  hint: 'Try again later; https://status.cloud.google.com tells of outages.',
  again: 'unknown',
};

/** By the code of gRPC. {@link https://cloud.google.com/apis/design/errors#error_codes} */
const failures: ReadonlyMap<unknown, KmsFailure> = new Map([
  [2, broken],
  [3, { code: place, problem: 'refuses the request' }],
  [4, broken],
  [
    5,
    {
      code: 'ERR_KEY_NOT_FOUND',
      problem: 'has no such key',
      hint: 'See `gcloud kms keys list --keyring RING --location LOCATION`.',
    },
  ],
  [6, { code: 'ERR_KEY_EXISTS', problem: 'has that already', hint: 'Run the command again to use it.' }],
  [
    7,
    {
      code: access,
      problem: 'does not permit that',
      hint: 'Who signs needs the roles Cloud KMS CryptoKey Signer/Verifier and Cloud KMS Viewer on the key; to make one, Cloud KMS Admin.',
    },
  ],
  [8, { code: place, problem: 'is asked too often', hint: 'Try again later.', again: 'nothing-done' }],
  [
    9,
    {
      code: 'ERR_KEY_DISABLED',
      problem: 'has that version in a state in which it cannot be used',
      hint: 'See `gcloud kms keys versions list`.',
    },
  ],
  [10, broken],
  [13, broken],
  [14, broken],
  [
    16,
    {
      code: access,
      problem: 'does not accept the credentials',
      hint: 'Sign in again: `gcloud auth application-default login`.',
    },
  ],
]);

/** The names of the codes of gRPC, in their order. {@link https://grpc.io/docs/guides/status-codes/} */
const codeNames: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** Codes of gRPC for statuses whose body says no code. {@link https://cloud.google.com/apis/design/errors#handling_errors} */
function codeOf(status: number): number | undefined {
  const codes: Readonly<Record<number, number>> = { 400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 409: 6, 429: 8 };
  return status >= 500 ? 14 : codes[status];
}

/** What an error of {@link GcpClient.call} means. */
export function explainGcp(error: unknown): KmsFailure {
  const { code, status, message = '' } = error as { code?: unknown; status?: unknown; message?: string };
  const strange: KmsFailure = { code: place, problem: 'answered something else than it should' };
  // The SDK says of a good answer that cannot be read that there was none.
  if (typeof status === 'number' && status < 300) return strange;
  // Older versions of it leave the body as it is, and make the code of the status.
  const [, named] = /"status"\s*:\s*"([A-Z_]+)"/.exec(message) ?? [];
  const known =
    failures.get(named === undefined ? code : codeNames.indexOf(named)) ??
    (typeof status === 'number' ? failures.get(codeOf(status)) : undefined);
  // A token that cannot be had is refused by another service, with statuses of its own.
  if (credentialWords.test(message) && known?.code !== 'ERR_KEY_NOT_FOUND') return noCredentials;
  return known ?? strange;
}

const credentialWords =
  /invalid_(?:grant|rapt|client)|unauthorized_client|private[ _]key|refresh token|universe domain/i;

const noCredentials: KmsFailure = {
  code: access,
  problem: 'needs credentials, and none were found that work',
  hint: 'Sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a file; in GitHub Actions, google-github-actions/auth does it.',
};
