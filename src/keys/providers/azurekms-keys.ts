/**
 * Keys in Azure Key Vault. A key has versions; the newest signs, and all that are enabled verify.
 * {@link https://learn.microsoft.com/azure/key-vault/keys/about-keys-details}
 */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import { type KeyType, type PublicKey, publicKeyOf } from '../../formats/public-key.ts';
import { derEcdsaSignature } from '../ecdsa-signature.ts';
import type { KeyContext } from '../provider.ts';
import { remoteSigner } from '../remote-signer.ts';
import type { Signer } from '../signer.ts';
import {
  type AzureKey,
  type AzureKeyClient,
  type AzureNewKey,
  type AzureOptions,
  type AzureSdk,
  type AzureVersion,
  azureSdk,
  clientOptions,
  credentialOptions,
  explainAzure,
} from './azurekms-client.ts';
import { askKms, type KmsAsker, kmsError } from './kms-ask.ts';
import { type DigestLength, digestToSign } from './kms-digest.ts';
import { existsAlready, isAnotherKind, makesNone, tooManyVersions } from './kms-words.ts';
import type { KeyPlace } from './lazy.ts';

/** What `azurekms://` references do. */
export const azurePlace: KeyPlace = {
  async loadSigner(reference, context) {
    const azure = await openAzure(reference, context);
    return signerOf(azure, await describeKey(azure, azure.version));
  },
  async generate(reference, keyType, context) {
    const azure = await openAzure(reference, context);
    if (azure.version !== undefined) {
      throw new BoltsealError('ERR_USAGE', 'a new key has no version yet: leave it out of the reference');
    }
    const { pinned, publicKey } = await existingKey(azure, keyType).catch((error: unknown) => {
      if (isBoltsealError(error, 'ERR_KEY_NOT_FOUND')) return makeKey(azure, keyType);
      throw error;
    });
    return { reference: pinned, publicKey };
  },
  async loadVerificationKeys(reference, context) {
    const azure = await openAzure(reference, context);
    if (azure.version !== undefined) return [(await describeKey(azure, azure.version)).publicKey];
    const versions = await enabledVersions(azure);
    const keys = await Promise.all(versions.map((version) => describeKey(azure, version)));
    return keys.map(({ publicKey }) => publicKey);
  },
};

const service = 'Azure Key Vault';

/** The service, ready to be asked about one key. */
interface Azure {
  readonly sdk: AzureSdk;
  readonly client: AzureKeyClient;
  readonly credential: object;
  readonly host: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly asker: KmsAsker;
}

const grammar =
  /^azurekms:\/\/(?<host>[A-Za-z0-9][A-Za-z0-9.-]*(?::\d{1,5})?)\/(?<name>[A-Za-z0-9-]{1,127})(?:\/(?<version>[a-z0-9]*))?$/;

async function openAzure(reference: string, { runtime, signal }: KeyContext): Promise<Azure> {
  const groups = reference.length <= limits.kmsReferenceLength ? grammar.exec(reference)?.groups : undefined;
  const { host = '', name = '', version } = groups ?? {};
  if (groups === undefined || !isHost(host)) {
    throw new BoltsealError('ERR_USAGE', 'the reference to a key in Azure Key Vault is malformed', {
      hint: 'It is azurekms://NAME.vault.azure.net/KEY, with /VERSION behind it for exactly that version.',
    });
  }
  const sdk = await azureSdk();
  const credential = new sdk.DefaultAzureCredential(credentialOptions(runtime.env['AZURE_ENVIRONMENT']));
  const client = new sdk.KeyClient(`https://${host}`, credential, clientOptions(runtime));
  return {
    sdk,
    client,
    credential,
    host,
    name,
    version: version === '' ? undefined : version,
    asker: { runtime, signal },
  };
}

function isHost(text: string): boolean {
  return (
    URL.canParse(`https://${text}`) &&
    new URL(`https://${text}`).hostname === text.replace(/:\d+$/, '').toLowerCase()
  );
}

/** A key that can be used here. */
interface UsableKey {
  readonly key: AzureKey;
  readonly pinned: string;
  readonly publicKey: PublicKey;
}

async function describeKey(azure: Azure, version: string | undefined): Promise<UsableKey> {
  const what = `reading the key ${azure.name}`;
  const key = await askKms(azure.asker, {
    service,
    what,
    ask: (abortSignal) =>
      azure.client.getKey(azure.name, { abortSignal, ...(version === undefined ? {} : { version }) }),
    explain: explainAzure,
  });
  return useKey(azure, key);
}

function isEnabled({ enabled }: AzureVersion): boolean {
  return enabled !== false;
}

/** What is expired, or not valid yet, signs nothing, and still verifies. */
function requireCurrent({ notBefore, expiresOn }: AzureVersion, now: Date, what: string): void {
  const isCurrent =
    (notBefore === undefined || notBefore <= now) && (expiresOn === undefined || expiresOn > now);
  if (!isCurrent) throw kmsError(service, what, explainAzure({ code: 'KeyExpired' }));
}

function useKey(azure: Azure, key: AzureKey): UsableKey {
  const what = `reading the key ${azure.name}`;
  const { version, ...state } = key.properties;
  if (typeof version !== 'string' || !/^[a-z0-9]{1,64}$/.test(version) || key.key === undefined) {
    throw kmsError(service, what, { code: 'ERR_KEY_PROVIDER', problem: 'answered with no version of a key' });
  }
  if (!isEnabled(state)) {
    throw kmsError(service, what, {
      code: 'ERR_KEY_DISABLED',
      problem: 'has that key disabled',
      hint: 'Whoever disabled it may have had a reason. `az keyvault key set-attributes --enabled true` undoes it.',
    });
  }
  const operations = key.key['keyOps'];
  if (Array.isArray(operations) && !operations.includes('sign') && !operations.includes('verify')) {
    throw kmsError(service, what, explainAzure({ code: 'KeyOperationNotPermitted' }));
  }
  const publicKey = publicKeyOfJwk(key.key, `the Azure key ${azure.name}`);
  return { key, pinned: `azurekms://${azure.host}/${azure.name}/${version}`, publicKey };
}

/** The public key in a JSON Web Key whose numbers are bytes, and whose type may say that it is in an HSM. */
function publicKeyOfJwk(jwk: Readonly<Record<string, unknown>>, what: string): PublicKey {
  const { kty, crv } = jwk;
  const family = typeof kty === 'string' ? kty.replace(/-HSM$/, '') : '';
  const text = (name: string): string => {
    const value = jwk[name];
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : '';
  };
  const curve = typeof crv === 'string' ? crv : '';
  const isKnown = family === 'RSA' || (family === 'EC' && /^P-(?:256|384|521)$/.test(curve));
  if (!isKnown) {
    throw new BoltsealError(
      'ERR_KEY_UNSUPPORTED',
      `${what} is of a kind that is not supported: ${printable(`${String(kty)} ${curve}`)}`,
      { hint: 'EC keys on P-256, P-384 and P-521 are supported, and RSA of 2048, 3072 or 4096 bits.' },
    );
  }
  const key: JsonWebKey =
    family === 'RSA'
      ? { kty: 'RSA', n: text('n'), e: text('e') }
      : { kty: 'EC', crv: curve, x: text('x'), y: text('y') };
  try {
    return publicKeyOf(createPublicKey({ key, format: 'jwk' }), what);
  } catch (cause) {
    if (isBoltsealError(cause)) throw cause;
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a public key`, { cause });
  }
}

/** The versions that verify, the newest first. Throws `ERR_KEY_DISABLED` when there is none. */
async function enabledVersions(azure: Azure): Promise<readonly string[]> {
  const what = `listing the versions of the key ${azure.name}`;
  const all = await askKms(azure.asker, {
    service,
    what,
    ask: (abortSignal) => collect(azure, { abortSignal }),
    explain: explainAzure,
  });
  // A key that is not there has an empty list.
  if (all.length === 0) throw kmsError(service, what, explainAzure({ statusCode: 404 }));
  const versions = all
    .filter(isEnabled)
    .sort((a, b) => (b.createdOn?.getTime() ?? 0) - (a.createdOn?.getTime() ?? 0))
    .flatMap(({ version }) => (version === undefined ? [] : [version]));
  if (versions.length === 0) throw kmsError(service, what, explainAzure({ code: 'KeyDisabled' }));
  return versions;
}

async function collect(azure: Azure, options: AzureOptions): Promise<AzureVersion[]> {
  const all: AzureVersion[] = [];
  for await (const version of azure.client.listPropertiesOfKeyVersions(azure.name, options)) {
    all.push(version);
    if (all.length > limits.kmsKeyVersions) throw tooManyVersions(azure.name, service);
  }
  return all;
}

/** What a digest of a curve is called, and how long it is. RSA signs with whatever it is told. */
const algorithms: Readonly<Partial<Record<KeyType, readonly [name: string, length: DigestLength]>>> = {
  'ecdsa-p256': ['ES256', 32],
  'ecdsa-p384': ['ES384', 48],
  'ecdsa-p521': ['ES512', 64],
  'rsa-2048': ['RS256', 32],
  'rsa-3072': ['RS256', 32],
  'rsa-4096': ['RS256', 32],
};

function signerOf(azure: Azure, { key, pinned, publicKey }: UsableKey): Signer {
  const what = `the Azure key ${azure.name}`;
  const { runtime } = azure.asker;
  const client = new azure.sdk.CryptographyClient(key, azure.credential, clientOptions(runtime));
  const [algorithm = '', length] = algorithms[publicKey.type] ?? [];
  return remoteSigner({
    publicKey,
    reference: pinned,
    what,
    async sign(message, { signal = azure.asker.signal }) {
      requireCurrent(key.properties, runtime.now(), `signing with ${azure.name}`);
      const digest = digestToSign(message, length);
      const { result } = await askKms(
        { runtime, signal },
        {
          service,
          what: `signing with ${azure.name}`,
          ask: (abortSignal) => client.sign(algorithm, digest, { abortSignal }),
          explain: explainAzure,
        },
      );
      if (!(result instanceof Uint8Array)) {
        const failure = { code: 'ERR_KEY_PROVIDER', problem: 'answered with no signature' } as const;
        throw kmsError(service, `signing with ${azure.name}`, failure);
      }
      return publicKey.type.startsWith('ecdsa')
        ? derEcdsaSignature(new Uint8Array(result), publicKey.type, what)
        : new Uint8Array(result);
    },
  });
}

async function existingKey(azure: Azure, keyType: KeyType): Promise<UsableKey> {
  const found = await describeKey(azure, undefined);
  if (found.publicKey.type !== keyType)
    throw isAnotherKind(azure.name, service, found.publicKey.type, keyType);
  existsAlready(azure.asker.runtime, azure.name, service);
  return found;
}

const kinds: Readonly<
  Partial<Record<KeyType, readonly [type: string, size: Pick<AzureNewKey, 'curve' | 'keySize'>]>>
> = {
  'ecdsa-p256': ['EC', { curve: 'P-256' }],
  'ecdsa-p384': ['EC', { curve: 'P-384' }],
  'ecdsa-p521': ['EC', { curve: 'P-521' }],
  'rsa-2048': ['RSA', { keySize: 2048 }],
  'rsa-3072': ['RSA', { keySize: 3072 }],
  'rsa-4096': ['RSA', { keySize: 4096 }],
};

async function makeKey(azure: Azure, keyType: KeyType): Promise<UsableKey> {
  const [type, size] = kinds[keyType] ?? [];
  if (type === undefined) throw makesNone(service, keyType);
  const key = await askKms(azure.asker, {
    service,
    what: `making the key ${azure.name}`,
    once: true,
    ask: (abortSignal) =>
      azure.client.createKey(azure.name, type, {
        abortSignal,
        ...size,
        keyOps: ['sign', 'verify'],
        // As cosign does.
        tags: { use: 'sigstore' },
      }),
    explain: explainAzure,
  });
  return useKey(azure, key);
}
