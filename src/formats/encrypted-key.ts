/**
 * cosign's encrypted private key: PEM around JSON around NaCl secretbox around PKCS#8.
 *
 *     -----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
 *     base64({"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"…32 bytes"},
 *             "cipher":{"name":"nacl/secretbox","nonce":"…24 bytes"},"ciphertext":"…16-byte tag, then PKCS#8"})
 *     -----END ENCRYPTED SIGSTORE PRIVATE KEY-----
 *
 * {@link https://pkg.go.dev/github.com/secure-systems-lab/go-securesystemslib@v0.9.0/encrypted}
 */
import { createHash, randomBytes, scrypt } from 'node:crypto';
import { base64, equalBytes, fromBase64, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { encodePem, type PemBlock } from './pem.ts';

/** The PEM labels cosign reads; the first is what it writes. */
export const encryptedKeyLabels: readonly string[] = [
  'ENCRYPTED SIGSTORE PRIVATE KEY',
  'ENCRYPTED COSIGN PRIVATE KEY',
];

/** The scrypt cost parameters N that cosign accepts; r is always 8 and p 1. */
const acceptedCosts: readonly number[] = [32_768, 65_536, 131_072];
const saltLength = 32;
const nonceLength = 24;
const tagLength = 16;

/** An encrypted key, decoded and not decrypted. */
export interface EncryptedKey {
  /** The PEM label it came under. */
  readonly label: string;
  /** scrypt's N. */
  readonly cost: number;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** Whether a PEM label announces this format. */
export function isEncryptedKeyLabel(label: string): boolean {
  return encryptedKeyLabels.includes(label);
}

/**
 * Decodes the PEM block of an encrypted key strictly: each field exactly once, none unknown. Throws
 * `ERR_KEY_PARAMETERS` for a key derivation or cipher cosign would not accept, and `ERR_KEY_INVALID`.
 */
export function decodeEncryptedKey(block: PemBlock, what: string): EncryptedKey {
  if (!isEncryptedKeyLabel(block.label)) throw invalid(what, `it is labelled ${block.label}`);
  let document: Json;
  try {
    document = parseJson(block.der, { what, maxBytes: limits.keyBytes });
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not an encrypted key: no JSON inside`, { cause });
  }
  const root = fields(document, ['kdf', 'cipher', 'ciphertext'], what, 'the document');
  const kdf = fields(root['kdf'], ['name', 'params', 'salt'], what, 'kdf');
  const params = fields(kdf['params'], ['N', 'r', 'p'], what, 'kdf.params');
  const cipher = fields(root['cipher'], ['name', 'nonce'], what, 'cipher');
  const cost = params['N'];
  if (
    kdf['name'] !== 'scrypt' ||
    cipher['name'] !== 'nacl/secretbox' ||
    typeof cost !== 'number' ||
    !acceptedCosts.includes(cost) ||
    params['r'] !== 8 ||
    params['p'] !== 1
  ) {
    throw new BoltsealError(
      'ERR_KEY_PARAMETERS',
      `${what} is encrypted with parameters that are not accepted`,
      {
        hint: 'Accepted are scrypt with N 32768, 65536 or 131072, r 8 and p 1, and nacl/secretbox: what cosign writes.',
      },
    );
  }
  const salt = binary(kdf['salt'], what, 'kdf.salt');
  const nonce = binary(cipher['nonce'], what, 'cipher.nonce');
  const ciphertext = binary(root['ciphertext'], what, 'ciphertext');
  if (salt.length !== saltLength) throw invalid(what, `kdf.salt has ${salt.length} bytes`);
  if (nonce.length !== nonceLength) throw invalid(what, `cipher.nonce has ${nonce.length} bytes`);
  if (ciphertext.length <= tagLength) throw invalid(what, 'the ciphertext is too short');
  return { label: block.label, cost, salt, nonce, ciphertext };
}

/** The PEM text of an encrypted key, byte for byte as cosign writes it. */
export function encodeEncryptedKey(key: EncryptedKey): string {
  const document = {
    kdf: { name: 'scrypt', params: { N: key.cost, r: 8, p: 1 }, salt: base64(key.salt) },
    cipher: { name: 'nacl/secretbox', nonce: base64(key.nonce) },
    ciphertext: base64(key.ciphertext),
  };
  return encodePem(key.label, utf8(JSON.stringify(document)));
}

/**
 * The PKCS#8 DER inside, by the first of `passwords` that opens it. Equal passwords are tried once; each trial is one
 * scrypt in the thread pool, so other work goes on meanwhile. The caller wipes the result. Throws `ERR_PASSWORD_WRONG`.
 */
export async function decryptKey(
  key: EncryptedKey,
  passwords: readonly Uint8Array[],
  what: string,
  derivation?: KeyDerivation,
): Promise<Uint8Array> {
  const tried: Uint8Array[] = [];
  for (const password of passwords) {
    if (tried.some((earlier) => equalBytes(earlier, password))) continue;
    tried.push(password);
    const plain = await open(key, password, derivation);
    if (plain !== undefined) return plain;
  }
  throw new BoltsealError('ERR_PASSWORD_WRONG', `${what} cannot be decrypted with the password given`, {
    hint: 'Check COSIGN_PASSWORD (or BOLTSEAL_PASSWORD), or the password typed; an empty variable is an empty password.',
  });
}

/**
 * `pkcs8` encrypted under `password`, with a fresh nonce and cosign's own parameters. The salt is fresh, too, unless
 * `derivation` has one for all of its keys.
 */
export async function encryptKey(
  pkcs8: Uint8Array,
  password: Uint8Array,
  derivation?: KeyDerivation,
): Promise<EncryptedKey> {
  const salt = derivation?.salt ?? new Uint8Array(randomBytes(saltLength));
  const nonce = new Uint8Array(randomBytes(nonceLength));
  const cost = 65_536;
  const [secret, { xsalsa20poly1305 }] = await Promise.all([
    derivation?.derive(password, salt, cost) ?? deriveKey(password, salt, cost),
    import('@noble/ciphers/salsa.js'),
  ]);
  try {
    const ciphertext = xsalsa20poly1305(secret, nonce).encrypt(pkcs8);
    return { label: encryptedKeyLabels[0] ?? '', cost, salt, nonce, ciphertext };
  } finally {
    secret.fill(0);
  }
}

async function open(
  key: EncryptedKey,
  password: Uint8Array,
  derivation: KeyDerivation | undefined,
): Promise<Uint8Array | undefined> {
  const [secret, { xsalsa20poly1305 }] = await Promise.all([
    derivation?.derive(password, key.salt, key.cost) ?? deriveKey(password, key.salt, key.cost),
    import('@noble/ciphers/salsa.js'),
  ]);
  try {
    return xsalsa20poly1305(secret, key.nonce).decrypt(key.ciphertext);
  } catch {
    // The library throws one kind of error here, for a tag that does not match.
    return undefined;
  } finally {
    secret.fill(0);
  }
}

/**
 * The derivation of several keys that are encrypted with one password: those with the same salt cost one scrypt (a
 * quarter of a second, 64 MiB) together. Each key still has a nonce of its own, which is what secretbox asks for, and
 * whoever guesses passwords needs one file as before.
 */
export interface KeyDerivation {
  /** The salt of new keys: the first that was seen, or a fresh one. */
  readonly salt: Uint8Array;
  /** What a key is encrypted with; a copy, which the caller wipes. */
  derive(password: Uint8Array, salt: Uint8Array, cost: number): Promise<Uint8Array>;
  /** Wipes everything derived so far. */
  forget(): void;
}

/** A derivation that remembers until it is told to forget. */
export function sharedDerivation(): KeyDerivation {
  const known = new Map<string, Promise<Uint8Array>>();
  let first: Uint8Array | undefined;
  return {
    get salt() {
      first ??= new Uint8Array(randomBytes(saltLength));
      return first;
    },
    async derive(password, salt, cost) {
      first ??= salt;
      // The password itself is not kept.
      const name = createHash('sha256').update(password).update(salt).update(String(cost)).digest('hex');
      const secret = known.get(name) ?? deriveKey(password, salt, cost);
      known.set(name, secret);
      return new Uint8Array(await secret);
    },
    forget() {
      for (const secret of known.values()) secret.then((bytes) => bytes.fill(0)).catch(() => undefined);
      known.clear();
    },
  };
}

function deriveKey(password: Uint8Array, salt: Uint8Array, cost: number): Promise<Uint8Array> {
  const options = { N: cost, r: 8, p: 1, maxmem: 268_435_456 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, 32, options, (error, secret) => {
      if (error === null) resolve(secret);
      else reject(new BoltsealError('ERR_INTERNAL', 'scrypt failed', { cause: error }));
    });
  });
}

function fields(value: Json | undefined, names: readonly string[], what: string, where: string): JsonObject {
  if (!isJsonObject(value)) throw invalid(what, `${where} is not an object`);
  for (const name of names) if (value[name] === undefined) throw invalid(what, `${where} lacks ${name}`);
  const extra = Object.keys(value).find((name) => !names.includes(name));
  if (extra !== undefined)
    throw invalid(what, `${where} has the unknown field ${JSON.stringify(extra.slice(0, 40))}`);
  return value;
}

function binary(value: Json | undefined, what: string, where: string): Uint8Array {
  if (typeof value !== 'string') throw invalid(what, `${where} is not a string`);
  try {
    return fromBase64(value, where);
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not an encrypted key: ${where} is not base64`, {
      cause,
    });
  }
}

function invalid(what: string, why: string): BoltsealError {
  return new BoltsealError('ERR_KEY_INVALID', `${what} is not an encrypted key: ${why}`);
}
