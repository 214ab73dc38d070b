/** The part of the Azure SDK that keys need, and what its errors mean. */
import type { RequestHeaders, Runtime } from '../../core/runtime.ts';
import { importPeer } from '../peer.ts';
import type { KmsFailure } from './kms-failure.ts';
import { sendToKms } from './kms-http.ts';

/** A key as the SDK describes it; what is in it is checked by whoever asked. */
export interface AzureKey {
  readonly id?: string | undefined;
  readonly name: string;
  /** A JSON Web Key, whose numbers are bytes. */
  readonly key?: Readonly<Record<string, unknown>> | undefined;
  readonly properties: AzureVersion;
}

/** A version of a key. */
export interface AzureVersion {
  readonly version?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly notBefore?: Date | undefined;
  readonly expiresOn?: Date | undefined;
  readonly createdOn?: Date | undefined;
}

/** An operation may be aborted. */
export interface AzureOptions {
  readonly abortSignal: AbortSignal;
}

/** `KeyClient`. */
export interface AzureKeyClient {
  getKey(name: string, options: AzureOptions & { version?: string }): Promise<AzureKey>;
  createKey(name: string, type: string, options: AzureOptions & AzureNewKey): Promise<AzureKey>;
  listPropertiesOfKeyVersions(name: string, options: AzureOptions): AsyncIterable<AzureVersion>;
}

/** What a new key is made with. */
export interface AzureNewKey {
  readonly curve?: string;
  readonly keySize?: number;
  readonly keyOps: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

/** `CryptographyClient`. */
export interface AzureSigner {
  sign(
    algorithm: string,
    digest: Uint8Array,
    options: AzureOptions,
  ): Promise<{ readonly result?: Uint8Array }>;
}

/** `@azure/keyvault-keys` and `@azure/identity`, as far as they are used: they are not installed with Boltseal. */
export interface AzureSdk {
  readonly KeyClient: new (url: string, credential: object, options: object) => AzureKeyClient;
  readonly CryptographyClient: new (key: AzureKey, credential: object, options: object) => AzureSigner;
  readonly DefaultAzureCredential: new (options: object) => object;
}

/** Both packages. Throws `ERR_KEY_PEER`. */
export async function azureSdk(): Promise<AzureSdk> {
  const user = 'keys in Azure Key Vault';
  const [keys, identity] = await Promise.all([
    importPeer<Pick<AzureSdk, 'KeyClient' | 'CryptographyClient'>>({
      name: '@azure/keyvault-keys',
      versions: '^4.8.0',
      user,
    }),
    importPeer<Pick<AzureSdk, 'DefaultAzureCredential'>>({
      name: '@azure/identity',
      versions: '^4.5.0',
      user,
    }),
  ]);
  const { KeyClient, CryptographyClient } = keys;
  return { KeyClient, CryptographyClient, DefaultAzureCredential: identity.DefaultAzureCredential };
}

/** Where tokens of sovereign clouds come from, by the value of `AZURE_ENVIRONMENT`. */
const authorities: Readonly<Record<string, string>> = {
  AZUREUSGOVERNMENT: 'https://login.microsoftonline.us',
  AZUREUSGOVERNMENTCLOUD: 'https://login.microsoftonline.us',
  AZURECHINACLOUD: 'https://login.chinacloudapi.cn',
};

/** The settings of `DefaultAzureCredential` for a cloud. */
export function credentialOptions(cloud: string | undefined): object {
  const authorityHost =
    cloud !== undefined && Object.hasOwn(authorities, cloud) ? authorities[cloud] : undefined;
  return authorityHost === undefined ? {} : { authorityHost };
}

/** A request as the SDK hands it to whatever sends it. */
interface AzureHttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Iterable<readonly [string, string]>;
  readonly body?: unknown;
  readonly abortSignal?: unknown;
}

/** The settings of clients: requests go through the client of the runtime, and are repeated by askKms alone. */
export function clientOptions(runtime: Pick<Runtime, 'fetch'>): object {
  return {
    retryOptions: { maxRetries: 0 },
    httpClient: {
      async sendRequest(request: AzureHttpRequest) {
        const { method, url, body, abortSignal: signal } = request;
        const answer = await sendToKms(runtime, {
          method,
          url,
          headers: Object.fromEntries(request.headers) as RequestHeaders,
          body: typeof body === 'string' ? Buffer.from(body) : undefined,
          signal: signal instanceof AbortSignal ? signal : undefined,
        });
        return {
          request,
          status: answer.status,
          headers: answerHeaders(answer.headers),
          bodyAsText: Buffer.from(answer.body).toString('utf8'),
        };
      },
    },
  };
}

/** The names that the SDK may ask for when it wants them all. */
const listedHeaders = ['content-type', 'retry-after', 'www-authenticate', 'x-ms-request-id'];

/** Headers in the shape that the SDK wants. */
function answerHeaders(headers: { get(name: string): string | null }): object {
  const listed = (): [string, string][] =>
    listedHeaders.flatMap((name): [string, string][] => {
      const value = headers.get(name);
      return value === null ? [] : [[name, value]];
    });
  return {
    get: (name: string) => headers.get(name.toLowerCase()) ?? undefined,
    has: (name: string) => headers.get(name.toLowerCase()) !== null,
    set: () => undefined,
    delete: () => undefined,
    toJSON: () => Object.fromEntries(listed()),
    [Symbol.iterator]: () => listed()[Symbol.iterator](),
  };
}

const access = 'ERR_KEY_ACCESS';
const place = 'ERR_KEY_PROVIDER';
const signIn = 'Sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET.';

const disabled: KmsFailure = {
  code: 'ERR_KEY_DISABLED',
  problem: 'has that key disabled, expired, or not valid yet',
  hint: 'See `az keyvault key show`.',
};

/** By the innermost code of an answer. {@link https://learn.microsoft.com/azure/key-vault/general/rest-error-codes} */
const failures: Readonly<Record<string, KmsFailure>> = {
  KeyDisabled: disabled,
  KeyExpired: disabled,
  KeyNotYetValid: disabled,
  KeyOperationNotPermitted: {
    code: 'ERR_KEY_UNSUPPORTED',
    problem: 'keeps that key for something else than signing',
    hint: 'Its permitted operations must have sign: `az keyvault key set-attributes --ops sign verify`.',
  },
  ConflictError: {
    code: 'ERR_KEY_EXISTS',
    problem: 'has that name for a key that was deleted and can still be recovered',
    hint: 'Choose another name, or see `az keyvault key recover` and `purge`.',
  },
};

/** What an error of the SDK means. */
export function explainAzure(error: unknown): KmsFailure {
  const name = error instanceof Error ? error.name : '';
  if (/^(?:CredentialUnavailable|Authentication|AggregateAuthentication|AuthenticationRequired)/.test(name)) {
    return {
      code: access,
      problem: 'needs credentials, and none were found that work',
      hint: `${signIn} In GitHub Actions, azure/login gives them.`,
    };
  }
  const { status, code, retryAfter } = answerOf(error);
  const known = code !== undefined && Object.hasOwn(failures, code) ? failures[code] : undefined;
  if (known !== undefined) return known;
  switch (status) {
    case undefined:
      return {
        code: place,
        problem: 'answered something else than it should',
        hint: 'Is the host that of a vault?',
      };
    case 401:
      return { code: access, problem: 'does not accept the credentials', hint: signIn };
    case 403:
      return {
        code: access,
        problem: 'does not permit that',
        hint: 'Who signs needs the role Key Vault Crypto User, or get, list and sign in the access policy; to make a key, Key Vault Crypto Officer, or create.',
      };
    case 404:
      return {
        code: 'ERR_KEY_NOT_FOUND',
        problem: 'has no such key',
        hint: 'See `az keyvault key list --vault-name NAME`.',
      };
    case 429:
      return {
        code: place,
        problem: 'is asked too often',
        hint: 'Try again later.',
        again: 'nothing-done',
        retryAfter,
      };
    default:
      return status >= 500 || status === 408
        ? {
            code: place,
            problem: `failed (${status})`,
            hint: 'Try again later.',
            again: 'unknown',
            retryAfter,
          }
        : { code: place, problem: `refuses it (${status})` };
  }
}

interface AzureAnswer {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly retryAfter: string | null;
}

/** What a `RestError` holds: `{ "error": { "code", "innererror": { "code" } } }`. */
function answerOf(error: unknown): AzureAnswer {
  const { statusCode, code, details, response } = fields(error);
  const body = fields(fields(details)['error'] ?? details);
  // Versions of the SDK write it differently.
  const inner = fields(body['innerError'] ?? body['innererror'])['code'] ?? body['code'] ?? code;
  const { headers } = fields(response);
  const after =
    typeof headers === 'object' && headers !== null && 'get' in headers && typeof headers.get === 'function'
      ? headers.get('retry-after')
      : undefined;
  return {
    status: typeof statusCode === 'number' ? statusCode : undefined,
    code: typeof inner === 'string' ? inner : undefined,
    retryAfter: typeof after === 'string' ? after : null,
  };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
