/**
 * Keys in the transit engine of HashiCorp Vault and of OpenBao. A key has numbered versions, whose public keys come all at
 * once; the newest signs, and all that the key still accepts verify.
 * {@link https://developer.hashicorp.com/vault/api-docs/secret/transit}
 */
import { base64, concatBytes, fromBase64 } from '../../core/encoding.ts';
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import { type KeyType, keyTypes, type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import type { KeyContext } from '../provider.ts';
import { remoteSigner } from '../remote-signer.ts';
import { askRest, type RestRequest } from '../secrets/rest.ts';
import type { Signer } from '../signer.ts';
import { type KmsAsker, kmsError } from './kms-ask.ts';
import { digestToSign, messageToSign } from './kms-digest.ts';
import { existsAlready, isAnotherKind, tooManyVersions } from './kms-words.ts';
import type { KeyPlace } from './lazy.ts';
import { openVault, type VaultAccess, type VaultProduct } from './vault-access.ts';

/** What `hashivault://` and `openbao://` references do. */
export const vaultPlace: KeyPlace = {
  async loadSigner(reference, context) {
    const vault = await open(reference, context);
    const key = await readKey(vault);
    return signerOf(vault, versionOf(vault, key, vault.version ?? key.latest));
  },
  async generate(reference, keyType, context) {
    const vault = await open(reference, context);
    if (vault.version !== undefined) {
      throw new BoltsealError('ERR_USAGE', 'a new key has no version yet: leave it out of the reference');
    }
    const key = await existingKey(vault, keyType).catch((error: unknown) => {
      if (isBoltsealError(error, 'ERR_KEY_NOT_FOUND')) return makeKey(vault, keyType);
      throw error;
    });
    const { pinned, publicKey } = versionOf(vault, key, key.latest);
    return { reference: pinned, publicKey };
  },
  async loadVerificationKeys(reference, context) {
    const vault = await open(reference, context);
    const key = await readKey(vault);
    if (vault.version !== undefined) return [versionOf(vault, key, vault.version).publicKey];
    const versions = [...key.versions.keys()]
      .filter((version) => version >= key.oldest)
      .sort((a, b) => b - a);
    if (versions.length > limits.kmsKeyVersions) throw tooManyVersions(vault.name, vault.access.service.name);
    return versions.map((version) => versionOf(vault, key, version).publicKey);
  },
};

/** The service, ready to be asked about one key. */
interface Vault {
  readonly access: VaultAccess;
  readonly scheme: string;
  readonly name: string;
  readonly version: number | undefined;
  readonly asker: KmsAsker;
}

const grammar =
  /^(?<scheme>hashivault|openbao):\/\/(?<name>\w(?:[\w.-]*\w)?)(?:\/(?<version>[1-9]\d{0,8}))?$/;

async function open(reference: string, { runtime, signal }: KeyContext): Promise<Vault> {
  const groups = reference.length <= limits.kmsReferenceLength ? grammar.exec(reference)?.groups : undefined;
  const { scheme = '', name = '', version } = groups ?? {};
  const product: VaultProduct = scheme === 'openbao' ? 'OpenBao' : 'HashiCorp Vault';
  if (groups === undefined) {
    throw new BoltsealError('ERR_USAGE', 'the reference to a key in Vault or OpenBao is malformed', {
      hint: 'It is hashivault://KEY or openbao://KEY, with /VERSION behind it for exactly that version. The path of the engine is in TRANSIT_SECRET_ENGINE_PATH.',
    });
  }
  return {
    access: await openVault(product, runtime),
    scheme,
    name,
    version: version === undefined ? undefined : Number(version),
    asker: { runtime, signal },
  };
}

async function ask(vault: Vault, request: RestRequest, asker: KmsAsker = vault.asker): Promise<JsonObject> {
  const { access } = vault;
  const { json } = await askRest(
    access.service,
    { ...request, path: `${access.engine}${request.path}` },
    asker,
  );
  return isJsonObject(json) && isJsonObject(json['data']) ? json['data'] : {};
}

/** A key with all of its versions. */
interface TransitKey {
  readonly type: KeyType;
  readonly latest: number;
  /** The first version that still verifies. */
  readonly oldest: number;
  /** Public keys as they were answered. */
  readonly versions: ReadonlyMap<number, string>;
}

async function readKey(vault: Vault): Promise<TransitKey> {
  const { name } = vault;
  const what = `reading the key ${name}`;
  const data = await ask(vault, { method: 'GET', path: `/keys/${name}`, what, accept: [200] });
  const { type, latest_version: latest, keys } = data;
  if (typeof type !== 'string' || typeof latest !== 'number' || !isJsonObject(keys)) {
    throw badAnswer(vault, what, 'no key');
  }
  const { name: product } = vault.access.service;
  const known = keyTypes.find((one) => one === type);
  if (known === undefined || data['derived'] === true) {
    const kind = data['derived'] === true ? `${type}, derived` : type;
    throw new BoltsealError(
      'ERR_KEY_UNSUPPORTED',
      `the key ${name} in ${product} is of a kind that is not supported: ${printable(kind)}`,
      { hint: `Supported are ${keyTypes.join(', ')}.` },
    );
  }
  if (data['soft_deleted'] === true) {
    throw kmsError(product, what, {
      code: 'ERR_KEY_DISABLED',
      problem: 'has that key deleted, and can still restore it',
      hint: 'See `bao write -f transit/keys/NAME/soft-delete-restore`.',
    });
  }
  const versions = new Map<number, string>();
  for (const [version, entry] of Object.entries(keys)) {
    const text = isJsonObject(entry) ? entry['public_key'] : undefined;
    if (typeof text === 'string' && /^[1-9]\d{0,8}$/.test(version)) versions.set(Number(version), text);
  }
  const oldest = data['min_decryption_version'];
  return { type: known, latest, oldest: typeof oldest === 'number' ? oldest : 1, versions };
}

function badAnswer(vault: Vault, what: string, problem: string): BoltsealError {
  const failure = { code: 'ERR_KEY_PROVIDER', problem: `answered with ${problem}` } as const;
  return kmsError(vault.access.service.name, what, failure);
}

/** A version that can be used here. */
interface UsableVersion {
  readonly version: number;
  readonly pinned: string;
  readonly publicKey: PublicKey;
}

/** Before the 32 bytes of an Ed25519 key. {@link https://www.rfc-editor.org/rfc/rfc8410#section-4} */
const ed25519Start = new Uint8Array(Buffer.from('302a300506032b6570032100', 'hex'));

function versionOf(vault: Vault, key: TransitKey, version: number): UsableVersion {
  const what = `reading version ${version} of the key ${vault.name}`;
  const { name: product } = vault.access.service;
  if (version < key.oldest) {
    throw kmsError(product, what, {
      code: 'ERR_KEY_DISABLED',
      problem: 'accepts no signatures of that version any more',
      hint: 'min_decryption_version of the key says so.',
    });
  }
  const text = key.versions.get(version);
  if (text === undefined) {
    throw kmsError(product, what, {
      code: 'ERR_KEY_NOT_FOUND',
      problem: 'has no such version of it',
      hint: `The newest is ${key.latest}.`,
    });
  }
  const name = `version ${version} of the key ${vault.name} in ${product}`;
  const publicKey = parsePublicKey(
    key.type === 'ed25519' ? concatBytes(ed25519Start, fromBase64(text, name)) : text,
    name,
  );
  if (publicKey.type !== key.type) throw badAnswer(vault, what, `a key that is not ${key.type}`);
  return { version, pinned: `${vault.scheme}://${vault.name}/${version}`, publicKey };
}

/** Bytes of a message that is signed without being hashed before: Vault takes 32 MiB, and base64 makes a third more. */
const longestRawMessage = 16_777_216;

function signerOf(vault: Vault, { version, pinned, publicKey }: UsableVersion): Signer {
  const { name: product } = vault.access.service;
  const what = `the key ${vault.name} in ${product}`;
  const isEd25519 = publicKey.type === 'ed25519';
  return remoteSigner({
    publicKey,
    reference: pinned,
    what,
    async sign(message, { signal = vault.asker.signal }) {
      const input = isEd25519 ? messageToSign(message, longestRawMessage, what) : digestToSign(message);
      const request: RestRequest = {
        method: 'POST',
        path: `/sign/${vault.name}`,
        what: `signing with ${vault.name}`,
        repeatable: true,
        accept: [200],
        body: {
          input: base64(input),
          key_version: version,
          ...(isEd25519 ? {} : { prehashed: true, hash_algorithm: 'sha2-256' }),
          signature_algorithm: 'pkcs1v15',
          marshaling_algorithm: 'asn1',
        },
      };
      const data = await ask(vault, request, { runtime: vault.asker.runtime, signal });
      const { signature } = data;
      const [, used, text = ''] =
        typeof signature === 'string' ? (/^vault:v(\d+):([A-Za-z0-9+/]+=*)$/.exec(signature) ?? []) : [];
      if (used !== String(version)) throw badAnswer(vault, request.what, 'no signature of that version');
      return fromBase64(text, `the signature of ${what}`);
    },
  });
}

async function existingKey(vault: Vault, keyType: KeyType): Promise<TransitKey> {
  const key = await readKey(vault);
  const { name: product } = vault.access.service;
  if (key.type !== keyType) throw isAnotherKind(vault.name, product, key.type, keyType);
  existsAlready(vault.asker.runtime, vault.name, product);
  return key;
}

async function makeKey(vault: Vault, keyType: KeyType): Promise<TransitKey> {
  await ask(vault, {
    method: 'POST',
    path: `/keys/${vault.name}`,
    what: `making the key ${vault.name}`,
    // A key that exists stays as it is.
    repeatable: true,
    accept: [200, 204],
    body: { type: keyType },
  });
  return await readKey(vault);
}
