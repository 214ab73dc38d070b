/**
 * Keys in Google Cloud KMS. A key has numbered versions; the highest that is enabled signs, and all that are enabled
 * verify. {@link https://cloud.google.com/kms/docs/algorithms}
 */
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import { type KeyType, type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import type { KeyContext } from '../provider.ts';
import { remoteSigner } from '../remote-signer.ts';
import type { Signer } from '../signer.ts';
import {
  explainGcp,
  type GcpClient,
  type GcpSignInput,
  type GcpUse,
  type GcpVersion,
  gcpClient,
} from './gcpkms-client.ts';
import { askKms, type KmsAsker, kmsError } from './kms-ask.ts';
import { digestToSign, messageToSign } from './kms-digest.ts';
import { existsAlready, isAnotherKind, makesNone, tooManyVersions } from './kms-words.ts';
import type { KeyPlace } from './lazy.ts';

/** What `gcpkms://` references do. */
export const gcpPlace: KeyPlace = {
  async loadSigner(reference, context) {
    const gcp = await openGcp(reference, context);
    if (gcp.version !== undefined) return signerOf(gcp, await readVersion(gcp, gcp.version));
    const [newest] = await enabledVersions(gcp);
    return signerOf(gcp, await describe(gcp, newest));
  },
  async generate(reference, keyType, context) {
    const gcp = await openGcp(reference, context);
    if (gcp.version !== undefined) {
      throw new BoltsealError('ERR_USAGE', 'a new key has no version yet: leave it out of the reference');
    }
    const { pinned, publicKey } = await existingKey(gcp, keyType).catch((error: unknown) => {
      if (isBoltsealError(error, 'ERR_KEY_NOT_FOUND')) return makeKey(gcp, keyType);
      throw error;
    });
    return { reference: pinned, publicKey };
  },
  async loadVerificationKeys(reference, context) {
    const gcp = await openGcp(reference, context);
    if (gcp.version !== undefined) return [(await readVersion(gcp, gcp.version)).publicKey];
    const versions = await enabledVersions(gcp);
    const usable = versions.filter(({ algorithm }) => algorithmOf(algorithm) !== undefined);
    // When none is of use, the newest tells why.
    const keys = await Promise.all(
      (usable.length === 0 ? versions.slice(0, 1) : usable).map((version) => describe(gcp, version)),
    );
    return keys.map(({ publicKey }) => publicKey);
  },
};

const service = 'Google Cloud KMS';

/** The service, ready to be asked about one key. */
interface Gcp {
  readonly client: GcpClient;
  readonly location: string;
  readonly ring: string;
  readonly key: string;
  readonly version: string | undefined;
  /** The name of the key in the API. */
  readonly path: string;
  readonly asker: KmsAsker;
}

const grammar =
  /^gcpkms:\/\/(?<location>projects\/[\w.:-]+\/locations\/[\w-]+)\/keyRings\/(?<ring>[\w-]{1,63})\/cryptoKeys\/(?<key>[\w-]{1,63})(?:\/(?:cryptoKeyVersions|versions)\/(?<version>\d{1,18}))?$/;

async function openGcp(reference: string, { runtime, signal }: KeyContext): Promise<Gcp> {
  const groups = reference.length <= limits.kmsReferenceLength ? grammar.exec(reference)?.groups : undefined;
  const { location = '', ring = '', key = '', version } = groups ?? {};
  if (groups === undefined || /\/\.{1,2}\//.test(location)) {
    throw new BoltsealError('ERR_USAGE', 'the reference to a key in Google Cloud KMS is malformed', {
      hint: 'It is gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K, with /cryptoKeyVersions/V behind it for exactly that version.',
    });
  }
  const path = `${location}/keyRings/${ring}/cryptoKeys/${key}`;
  return { client: await gcpClient(runtime), location, ring, key, version, path, asker: { runtime, signal } };
}

/** Asks; `use` gets the client of the SDK and the options of its calls. */
async function ask<T>(
  gcp: Gcp,
  what: string,
  use: GcpUse<T>,
  { asker = gcp.asker, once = false }: { readonly asker?: KmsAsker; readonly once?: boolean } = {},
): Promise<T> {
  return await askKms(asker, {
    service,
    what,
    once,
    ask: (signal) => gcp.client.call(signal, use),
    explain: explainGcp,
  });
}

/** How versions of one algorithm are called, and sign. */
interface SigningAlgorithm {
  readonly name: string;
  readonly type: KeyType;
  /** Absent when it signs in another way than all keys do here, so that it only verifies. */
  readonly input?: (message: Uint8Array, what: string) => GcpSignInput;
}

type SignInput = NonNullable<SigningAlgorithm['input']>;

const sha256: SignInput = (message) => ({ digest: { sha256: digestToSign(message) } });
const padded: SignInput = (message) => ({ digest: { sha384: digestToSign(message, 48) } });

/** Bytes of a message that is signed without being hashed before. */
const longestRawMessage = 65_536;

const algorithms: readonly SigningAlgorithm[] = [
  { name: 'EC_SIGN_P256_SHA256', type: 'ecdsa-p256', input: sha256 },
  { name: 'EC_SIGN_P384_SHA384', type: 'ecdsa-p384', input: padded },
  {
    name: 'EC_SIGN_ED25519',
    type: 'ed25519',
    input: (message, what) => ({ data: messageToSign(message, longestRawMessage, what) }),
  },
  { name: 'RSA_SIGN_PKCS1_2048_SHA256', type: 'rsa-2048', input: sha256 },
  { name: 'RSA_SIGN_PKCS1_3072_SHA256', type: 'rsa-3072', input: sha256 },
  { name: 'RSA_SIGN_PKCS1_4096_SHA256', type: 'rsa-4096', input: sha256 },
  { name: 'RSA_SIGN_PKCS1_4096_SHA512', type: 'rsa-4096' },
];

function algorithmOf(name: unknown): SigningAlgorithm | undefined {
  return algorithms.find((algorithm) => algorithm.name === name);
}

/** A version that can be used here. */
interface UsableVersion {
  /** Its name in the API. */
  readonly path: string;
  readonly pinned: string;
  readonly publicKey: PublicKey;
  readonly algorithm: SigningAlgorithm;
}

/** The versions that verify, the newest first; at least one. Throws `ERR_KEY_DISABLED` when there is none. */
async function enabledVersions(gcp: Gcp): Promise<readonly [GcpVersion, ...GcpVersion[]]> {
  const what = `listing the versions of the key ${gcp.key}`;
  const all = await ask(gcp, what, async (client, options) => {
    const request = { parent: gcp.path, filter: 'state=ENABLED', pageSize: 50 };
    const versions: GcpVersion[] = [];
    for await (const version of client.listCryptoKeyVersionsAsync(request, {
      ...options,
      autoPaginate: false,
    })) {
      versions.push(version);
      if (versions.length > limits.kmsKeyVersions) throw tooManyVersions(gcp.key, service);
    }
    return versions;
  });
  const [newest, ...older] = all
    .filter(({ state }) => state === 'ENABLED')
    .sort((a, b) => numberOf(b) - numberOf(a));
  if (newest !== undefined) return [newest, ...older];
  throw kmsError(service, what, { ...explainGcp({ code: 9 }), problem: 'has no version of it enabled' });
}

function numberOf({ name }: GcpVersion): number {
  return Number(/\/(\d+)$/.exec(name ?? '')?.[1] ?? 0);
}

/** The version with that number: what it is and its key are asked for at once. */
async function readVersion(gcp: Gcp, number: string): Promise<UsableVersion> {
  const name = `${gcp.path}/cryptoKeyVersions/${number}`;
  const version = ask(gcp, `reading the key ${gcp.key}`, (client, options) =>
    client.getCryptoKeyVersion({ name }, options),
  );
  const pem = readPem(gcp, name);
  // What the version says of itself is the better error.
  pem.catch(() => undefined);
  const [found] = await version;
  return describe(gcp, { ...found, name }, pem);
}

async function readPem(gcp: Gcp, name: string): Promise<unknown> {
  const [{ pem }] = await ask(gcp, `reading the key ${gcp.key}`, (client, options) =>
    client.getPublicKey({ name }, options),
  );
  return pem;
}

async function describe(gcp: Gcp, version: GcpVersion, asked?: Promise<unknown>): Promise<UsableVersion> {
  const what = `reading the key ${gcp.key}`;
  const { name, state, algorithm: algorithmName } = version;
  const path = `${gcp.path}/cryptoKeyVersions/${numberOf(version)}`;
  // Projects have a name and a number, and both name the same key.
  if (typeof name !== 'string' || numberOf(version) === 0) throw badAnswer(what, 'no version of a key');
  if (state !== 'ENABLED') {
    const problem = `has that version in the state ${printable(String(state))}`;
    throw kmsError(service, what, { ...explainGcp({ code: 9 }), problem });
  }
  const algorithm = algorithmOf(algorithmName);
  if (algorithm === undefined) throw isUnsupported(gcp, algorithmName);
  const pem = await (asked ?? readPem(gcp, path));
  if (typeof pem !== 'string') throw badAnswer(what, 'no public key');
  const publicKey = parsePublicKey(pem, `the Google Cloud key ${gcp.key}`);
  if (publicKey.type !== algorithm.type) throw badAnswer(what, `a key that is not ${algorithm.name}`);
  return { path, pinned: `gcpkms://${path}`, publicKey, algorithm };
}

function isUnsupported(gcp: Gcp, algorithm: unknown): BoltsealError {
  const able = algorithms.filter(({ input }) => input !== undefined).map(({ name }) => name);
  return new BoltsealError(
    'ERR_KEY_UNSUPPORTED',
    `the Google Cloud key ${gcp.key} is of a kind that is not supported: ${printable(String(algorithm))}`,
    {
      hint: `Signatures are over SHA-256, and RSA PKCS#1 v1.5, because that is what all verify: ${able.join(', ')}.`,
    },
  );
}

function badAnswer(what: string, problem: string): BoltsealError {
  return kmsError(service, what, { code: 'ERR_KEY_PROVIDER', problem: `answered with ${problem}` });
}

function signerOf(gcp: Gcp, { path, pinned, publicKey, algorithm }: UsableVersion): Signer {
  const what = `the Google Cloud key ${gcp.key}`;
  const { input } = algorithm;
  if (input === undefined) throw isUnsupported(gcp, algorithm.name);
  return remoteSigner({
    publicKey,
    reference: pinned,
    what,
    // Checksums of the API are left out: a signature over anything else, or changed on its way, does not verify.
    async sign(message, { signal = gcp.asker.signal }) {
      const request = { name: path, ...input(message, what) };
      const asker = { runtime: gcp.asker.runtime, signal };
      const [{ signature }] = await ask(
        gcp,
        `signing with ${gcp.key}`,
        (client, options) => client.asymmetricSign(request, options),
        { asker },
      );
      if (signature instanceof Uint8Array && signature.length > 0) return new Uint8Array(signature);
      throw badAnswer(`signing with ${gcp.key}`, 'no signature');
    },
  });
}

async function existingKey(gcp: Gcp, keyType: KeyType): Promise<UsableVersion> {
  const [newest] = await enabledVersions(gcp);
  const found = await describe(gcp, newest);
  if (found.publicKey.type !== keyType) throw isAnotherKind(gcp.key, service, found.publicKey.type, keyType);
  if (found.algorithm.input === undefined) throw isUnsupported(gcp, found.algorithm.name);
  existsAlready(gcp.asker.runtime, gcp.key, service);
  return found;
}

async function makeKey(gcp: Gcp, keyType: KeyType): Promise<UsableVersion> {
  const algorithm = algorithms.find(({ type, input }) => type === keyType && input !== undefined);
  if (algorithm === undefined) throw makesNone(service, keyType);
  await makeRing(gcp);
  const request = {
    parent: `${gcp.location}/keyRings/${gcp.ring}`,
    cryptoKeyId: gcp.key,
    cryptoKey: { purpose: 'ASYMMETRIC_SIGN', versionTemplate: { algorithm: algorithm.name } },
  };
  await ask(gcp, `making the key ${gcp.key}`, (client, options) => client.createCryptoKey(request, options), {
    once: true,
  });
  return await generated(gcp);
}

/** The key ring, made when it is not there. */
async function makeRing(gcp: Gcp): Promise<void> {
  const name = `${gcp.location}/keyRings/${gcp.ring}`;
  try {
    await ask(gcp, `looking for the key ring ${gcp.ring}`, (client, options) =>
      client.getKeyRing({ name }, options),
    );
  } catch (error) {
    if (!isBoltsealError(error, 'ERR_KEY_NOT_FOUND')) throw error;
    const request = { parent: gcp.location, keyRingId: gcp.ring };
    await ask(
      gcp,
      `making the key ring ${gcp.ring}`,
      (client, options) => client.createKeyRing(request, options),
      { once: true },
    );
  }
}

/** Milliseconds between two looks at a key that is being made. */
const lookAgain = 500;

/** The first version of a new key, once it is there: asymmetric keys take a moment. */
async function generated(gcp: Gcp): Promise<UsableVersion> {
  const { runtime, signal } = gcp.asker;
  const name = `${gcp.path}/cryptoKeyVersions/1`;
  const deadline = runtime.monotonic() + limits.kmsTotalTime;
  for (;;) {
    const [version] = await ask(gcp, `reading the key ${gcp.key}`, (client, options) =>
      client.getCryptoKeyVersion({ name }, options),
    );
    if (version.state !== 'PENDING_GENERATION' || runtime.monotonic() > deadline) {
      return await describe(gcp, { ...version, name });
    }
    await runtime.sleep(lookAgain, signal);
  }
}
