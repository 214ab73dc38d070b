/**
 * Keys behind plugins: programs `sigstore-kms-NAME` on PATH that keep the keys of `NAME://…`.
 * {@link https://github.com/sigstore/sigstore/blob/main/pkg/signature/kms/cliplugin/README.md}
 */
import { fromBase64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { goJson, isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import { type KeyType, type PublicKey, parsePublicKey } from '../../formats/public-key.ts';
import { findProgram, runProgram } from '../program.ts';
import type { KeyContext } from '../provider.ts';
import { remoteSigner } from '../remote-signer.ts';
import type { KeyPlace } from './lazy.ts';

/** Everything about keys behind plugins. */
export const pluginPlace: KeyPlace = {
  async loadSigner(reference, context) {
    const plugin = await openPlugin(reference, context);
    return remoteSigner({
      publicKey: await publicKeyOf(plugin, context),
      reference,
      what: plugin.what,
      sign: async (message, { signal = context.signal }) =>
        bytesOf(
          await call(plugin, 'signMessage', { signOptions: messageOptions }, { ...context, signal }, message),
          'signMessage',
          'signature',
          plugin,
        ),
    });
  },
  async loadVerificationKeys(reference, context) {
    return [await publicKeyOf(await openPlugin(reference, context), context)];
  },
  async generate(reference, keyType, context) {
    const plugin = await openPlugin(reference, context);
    const algorithm = await algorithmFor(keyType, plugin, context);
    const answer = await call(plugin, 'createKey', { algorithm }, context);
    return { reference, publicKey: readPublicKey(answer, 'createKey', plugin) };
  },
};

interface Plugin {
  readonly path: string;
  /** What follows the scheme. */
  readonly key: string;
  /** In errors. The key itself is not named: it may be a secret in the wrong place. */
  readonly what: string;
}

async function openPlugin(reference: string, { runtime }: KeyContext): Promise<Plugin> {
  const scheme = reference.slice(0, reference.indexOf('://'));
  const name = `sigstore-kms-${scheme}`;
  if (reference.length > limits.keyReferenceLength) {
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `a key reference ${scheme}:// is too long`);
  }
  const path = await findProgram(name, runtime);
  if (path !== undefined) {
    return { path, key: reference.slice(scheme.length + 3), what: `the plugin ${name}` };
  }
  throw new BoltsealError(
    'ERR_KEY_REFERENCE_UNKNOWN',
    `the scheme ${scheme}: of the key reference is not known, and there is no plugin ${name} on PATH`,
    { details: { scheme: `${scheme}:` } },
  );
}

type Method = 'defaultAlgorithm' | 'supportedAlgorithms' | 'createKey' | 'publicKey' | 'signMessage';

const remoteOptions = { keyVersion: '', remoteVerification: false };
const messageOptions = { rpcOptions: remoteOptions, messageOptions: { digest: null } };
/** `crypto.SHA256` of Go. */
const sha256 = 5;

/**
 * Asks the plugin: version and arguments on its command line, the message on its standard input. Its exit code says
 * nothing by the protocol. Returns what it answers for `method`.
 */
async function call(
  plugin: Plugin,
  method: Method,
  args: JsonObject,
  context: Pick<KeyContext, 'runtime' | 'signal'>,
  message: Uint8Array = new Uint8Array(0),
): Promise<JsonObject> {
  const { runtime, signal } = context;
  const initOptions = {
    protocolVersion: 'v1',
    keyResourceID: plugin.key,
    hashFunc: sha256,
    rpcOptions: remoteOptions,
  };
  const { output } = await runProgram({
    path: plugin.path,
    args: ['v1', goJson({ initOptions, methodName: method, [method]: args })],
    env: runtime.env,
    input: message,
    what: plugin.what,
    signal,
    onText: (text) =>
      runtime.log({ level: 'info', event: 'keys.plugin', message: `${plugin.what}: ${text}` }),
  });
  return readAnswer(output, method, plugin);
}

function readAnswer(output: Uint8Array, method: Method, plugin: Plugin): JsonObject {
  let answer: Json;
  try {
    answer = parseJson(output, {
      what: `the answer of ${plugin.what}`,
      maxBytes: limits.keyProgramBytes,
    });
  } catch (cause) {
    throw failure(
      plugin,
      method,
      output.length === 0 ? 'it answered nothing' : 'its answer is not JSON',
      cause,
    );
  }
  const said = isJsonObject(answer) ? answer['errorMessage'] : undefined;
  if (typeof said === 'string' && said !== '') throw failure(plugin, method, printable(said));
  const result = isJsonObject(answer) ? answer[method] : undefined;
  if (isJsonObject(result)) return result;
  throw failure(plugin, method, 'its answer does not have the shape of the protocol');
}

function failure({ what }: Plugin, method: Method, why: string, cause?: unknown): BoltsealError {
  return new BoltsealError('ERR_KEY_PROVIDER', `${what} could not ${deeds[method]}: ${why}`, {
    cause,
    hint: 'Plugins speak protocol v1 of sigstore. What it printed for people is shown above.',
  });
}

const deeds: Readonly<Record<Method, string>> = {
  defaultAlgorithm: 'name its algorithm',
  supportedAlgorithms: 'name its algorithms',
  createKey: 'make a key',
  publicKey: 'give the public key',
  signMessage: 'sign',
};

function bytesOf(answer: JsonObject, method: Method, field: string, plugin: Plugin): Uint8Array {
  const text = answer[field];
  try {
    if (typeof text === 'string' && text !== '') return fromBase64(text, field);
  } catch (cause) {
    throw failure(plugin, method, `the ${field} in its answer is not base64`, cause);
  }
  throw failure(plugin, method, `its answer has no ${field}`);
}

function readPublicKey(answer: JsonObject, method: Method, plugin: Plugin): PublicKey {
  const pem = bytesOf(answer, method, 'publicKeyPEM', plugin);
  return parsePublicKey(pem, `the public key of ${plugin.what}`);
}

async function publicKeyOf(plugin: Plugin, context: KeyContext): Promise<PublicKey> {
  const args = { publicKeyOptions: { rpcOptions: remoteOptions } };
  return readPublicKey(await call(plugin, 'publicKey', args, context), 'publicKey', plugin);
}

/** What plugins call a kind of key; each has its own words. */
const spellings: Readonly<Record<KeyType, RegExp>> = {
  'ecdsa-p256': /p-?256|prime256v1|secp256r1/i,
  'ecdsa-p384': /p-?384|secp384r1/i,
  'ecdsa-p521': /p-?521|secp521r1/i,
  ed25519: /ed25519(?!ph|-ph)/i,
  'rsa-2048': /rsa[-_ ]?(?:[a-z]+[-_ ])*2048/i,
  'rsa-3072': /rsa[-_ ]?(?:[a-z]+[-_ ])*3072/i,
  'rsa-4096': /rsa[-_ ]?(?:[a-z]+[-_ ])*4096/i,
};

/**
 * The plugin's word for `keyType`, or what it makes by default when it is the default here that it has not: nobody asked
 * for that one. PSS is another signature than ours.
 */
async function algorithmFor(keyType: KeyType, plugin: Plugin, context: KeyContext): Promise<string> {
  const { supportedAlgorithms } = await call(plugin, 'supportedAlgorithms', {}, context);
  const words = Array.isArray(supportedAlgorithms)
    ? supportedAlgorithms.filter((word): word is string => typeof word === 'string')
    : [];
  const word = words.find((one) => spellings[keyType].test(one) && !/pss|sha-?(?:384|512)/i.test(one));
  if (word !== undefined) return word;
  if (keyType === 'ecdsa-p256') {
    const { defaultAlgorithm } = await call(plugin, 'defaultAlgorithm', {}, context);
    if (typeof defaultAlgorithm === 'string' && defaultAlgorithm !== '') return defaultAlgorithm;
  }
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `${plugin.what} makes no ${keyType} keys`, {
    hint: words.length === 0 ? undefined : `It makes: ${printable(words.slice(0, 20).join(', '))}.`,
  });
}
