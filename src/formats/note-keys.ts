/**
 * The kinds of keys that sign checkpoints: how each makes its key id, what exactly it signs, and how its signature is
 * laid out.
 *
 * | kind                         | id of the key (the first 4 bytes)                          | signature                       |
 * | ---------------------------- | ---------------------------------------------------------- | ------------------------------- |
 * | ECDSA, both Rekors           | SHA-256(SPKI)                                              | DER, over the text              |
 * | Ed25519 (type 01)            | SHA-256(name ‖ 0A ‖ 01 ‖ key)                              | 64 bytes, over the text         |
 * | RSA, Rekor v2                | SHA-256(name ‖ 0A ‖ FF ‖ "PKIX-RSA-PKCS#1v1.5" ‖ SPKI)     | PKCS#1 v1.5, over the text      |
 * | RFC 6962 tree head (type 05) | SHA-256(name ‖ 0A ‖ 05 ‖ SHA-256(SPKI))                    | u64 time in ms ‖ DigitallySigned |
 * | cosignature/v1 (type 04)     | SHA-256(name ‖ 0A ‖ 04 ‖ key)                              | u64 time in s ‖ 64 bytes        |
 *
 * {@link https://github.com/C2SP/C2SP/blob/main/signed-note.md#signatures},
 * {@link https://github.com/C2SP/C2SP/blob/main/static-ct-api.md#checkpoints},
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-cosignature.md}
 */
import { createPublicKey, verify } from 'node:crypto';
import { base64, concatBytes, equalBytes, fromBase64, hex, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  isKeyName,
  type NoteKeyKind,
  type NoteSigner,
  type NoteVerifier,
  type SignedCheckpoint,
} from './checkpoint.ts';
import { sha256 } from './merkle.ts';
import { type PublicKey, parsePublicKey, publicKeyOf } from './public-key.ts';

/** What signs: a `Signer` of the keys layer fits. ECDSA is DER over SHA-256, RSA PKCS#1 v1.5 over SHA-256, Ed25519 pure. */
export interface NoteKey {
  readonly publicKey: PublicKey;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

const types = { ed25519: 0x01, ecdsa: 0x02, cosignature: 0x04, treeHead: 0x05, other: 0xff } as const;

function keyHash(name: string, type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes(utf8(`${name}\n`), Uint8Array.of(type), ...parts));
}

/** The 32 bytes of an Ed25519 key are the end of its SubjectPublicKeyInfo (RFC 8410 section 4). */
function rawEd25519(publicKey: PublicKey): Uint8Array {
  if (publicKey.type === 'ed25519') return publicKey.spki.subarray(-32);
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `an Ed25519 key is needed, not ${publicKey.type}`);
}

function checkName(name: string): void {
  if (isKeyName(name)) return;
  throw new BoltsealError(
    'ERR_CHECKPOINT_INVALID',
    `not a name of a key: ${JSON.stringify(name.slice(0, 100))}`,
  );
}

/**
 * The id of a log by its key, 32 bytes, as trusted roots and bundles name it. An Ed25519 or RSA key has another one under
 * every name; of an ECDSA key it is SHA-256 of the key.
 * {@link https://github.com/sigstore/rekor-tiles/blob/main/pkg/note/note.go}
 */
export function logIdOf(name: string, publicKey: PublicKey): Uint8Array {
  if (publicKey.type === 'ed25519') return keyHash(name, types.ed25519, rawEd25519(publicKey));
  if (publicKey.type.startsWith('ecdsa')) return sha256(publicKey.spki);
  return keyHash(name, types.other, utf8('PKIX-RSA-PKCS#1v1.5'), publicKey.spki);
}

function checkSignature(
  publicKey: PublicKey,
  name: string,
  message: Uint8Array,
  signature: Uint8Array,
): void {
  let valid = false;
  try {
    valid = verify(publicKey.type === 'ed25519' ? null : 'sha256', message, publicKey.key, signature);
  } catch {
    // OpenSSL reports some malformed signatures as errors.
  }
  if (!valid) throw refused(name);
}

function refused(name: string): BoltsealError {
  return new BoltsealError(
    'ERR_VERIFY_SIGNATURE',
    `the signature of the checkpoint by ${name} does not verify with its key`,
  );
}

/** Verifies signatures over the text itself: ECDSA, Ed25519 and RSA keys. Throws `ERR_CHECKPOINT_INVALID` for a bad name. */
export function noteVerifier(name: string, publicKey: PublicKey): NoteVerifier {
  checkName(name);
  return {
    name,
    keyId: logIdOf(name, publicKey).subarray(0, 4),
    verify: ({ body }, signature) => {
      checkSignature(publicKey, name, utf8(body), signature);
      return { name, kind: 'note' };
    },
  };
}

/** Signs the text itself: both Rekors. Throws `ERR_CHECKPOINT_INVALID` for a bad name. */
export function noteSigner(name: string, key: NoteKey): NoteSigner {
  return {
    verifier: noteVerifier(name, key.publicKey),
    sign: (_, body) => key.sign(utf8(body)),
  };
}

/** A tree head of RFC 6962, as it stands in the signature line of a CT log's checkpoint. */
export interface TreeHeadSignature {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** `tree_head_signature` of get-sth: hash and signature algorithm, u16 length, signature (RFC 5246 section 4.7). */
  readonly digitallySigned: Uint8Array;
}

/** What a CT log signs of its tree: `00 01 | u64 time | u64 size | root` (RFC 6962 section 3.5). */
export function encodeTreeHead(size: number, root: Uint8Array, time: number): Uint8Array {
  const bytes = new Uint8Array(50);
  const view = new DataView(bytes.buffer);
  bytes[1] = 1;
  view.setBigUint64(2, BigInt(time));
  view.setBigUint64(10, BigInt(size));
  bytes.set(root, 18);
  return bytes;
}

/** Takes the signature of a CT log's checkpoint apart. Throws `ERR_CHECKPOINT_INVALID`. */
export function parseTreeHeadSignature(signature: Uint8Array): TreeHeadSignature {
  const view = new DataView(signature.buffer, signature.byteOffset, signature.byteLength);
  if (signature.length < 12 || view.getUint16(10) !== signature.length - 12) {
    throw new BoltsealError('ERR_CHECKPOINT_INVALID', 'the tree head of a checkpoint is malformed');
  }
  const time = Number(view.getBigUint64(0));
  if (!Number.isSafeInteger(time)) {
    throw new BoltsealError('ERR_CHECKPOINT_INVALID', 'the time of a checkpoint is out of range');
  }
  return { time, digitallySigned: signature.subarray(8) };
}

/** SHA-256 with ECDSA or RSA, as RFC 5246 section 7.4.1.4.1 numbers them. */
function treeHeadAlgorithm(publicKey: PublicKey): Uint8Array {
  if (publicKey.type === 'ecdsa-p256') return Uint8Array.of(4, 3);
  if (publicKey.type.startsWith('rsa')) return Uint8Array.of(4, 1);
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `a CT log needs a P-256 or RSA key, not ${publicKey.type}`);
}

/** Verifies a CT log's checkpoints. Throws `ERR_KEY_UNSUPPORTED`, `ERR_CHECKPOINT_INVALID` for a bad name. */
export function treeHeadVerifier(name: string, publicKey: PublicKey): NoteVerifier {
  checkName(name);
  const algorithm = treeHeadAlgorithm(publicKey);
  return {
    name,
    keyId: keyHash(name, types.treeHead, sha256(publicKey.spki)).subarray(0, 4),
    verify: ({ size, root, extensions }, bytes) => {
      const { time, digitallySigned } = parseTreeHeadSignature(bytes);
      // Lines after the root are not part of what such a signature covers.
      if (extensions.length > 0 || !equalBytes(digitallySigned.subarray(0, 2), algorithm))
        throw refused(name);
      checkSignature(publicKey, name, encodeTreeHead(size, root, time), digitallySigned.subarray(4));
      return { name, kind: 'tree head', time };
    },
  };
}

/** Signs a CT log's checkpoints. Throws `ERR_KEY_UNSUPPORTED`, `ERR_CHECKPOINT_INVALID` for a bad name. */
export function treeHeadSigner(name: string, key: NoteKey): NoteSigner {
  const algorithm = treeHeadAlgorithm(key.publicKey);
  return {
    verifier: treeHeadVerifier(name, key.publicKey),
    sign: async ({ size, root }, _, time) => {
      const signature = await key.sign(encodeTreeHead(size, root, time));
      const head = new Uint8Array(12);
      const view = new DataView(head.buffer);
      view.setBigUint64(0, BigInt(time));
      head.set(algorithm, 8);
      view.setUint16(10, signature.length);
      return concatBytes(head, signature);
    },
  };
}

/** Milliseconds of a cosignature's whole seconds; undefined when it has not the length it must have. */
function cosignatureTime(signature: Uint8Array): number | undefined {
  if (signature.length !== 72) return undefined;
  const seconds = Number(new DataView(signature.buffer, signature.byteOffset).getBigUint64(0));
  return Number.isSafeInteger(seconds * 1_000) ? seconds * 1_000 : undefined;
}

function cosignatureMessage(time: number, body: string): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time / 1_000}\n${body}`);
}

/** Verifies the cosignatures of a witness, which has an Ed25519 key. Throws `ERR_KEY_UNSUPPORTED`, `ERR_CHECKPOINT_INVALID`. */
export function cosignatureVerifier(name: string, publicKey: PublicKey): NoteVerifier {
  checkName(name);
  return {
    name,
    keyId: keyHash(name, types.cosignature, rawEd25519(publicKey)).subarray(0, 4),
    verify: ({ body }: SignedCheckpoint, bytes) => {
      const time = cosignatureTime(bytes);
      if (time === undefined) throw refused(name);
      checkSignature(publicKey, name, cosignatureMessage(time, body), bytes.subarray(8));
      return { name, kind: 'cosignature', time };
    },
  };
}

/** Cosigns as a witness does; `time` is cut to whole seconds. Throws `ERR_KEY_UNSUPPORTED`, `ERR_CHECKPOINT_INVALID`. */
export function cosignatureSigner(name: string, key: NoteKey): NoteSigner {
  return {
    verifier: cosignatureVerifier(name, key.publicKey),
    sign: async (_, body, time) => {
      const seconds = Math.floor(time / 1_000);
      const head = new Uint8Array(8);
      new DataView(head.buffer).setBigUint64(0, BigInt(seconds));
      return concatBytes(head, await key.sign(cosignatureMessage(seconds * 1_000, body)));
    },
  };
}

/**
 * The verifier that a key as text describes: `name+hash+base64(type ‖ key)`, of the types 01, 02, 04 and 05. Throws
 * `ERR_KEY_INVALID` when it is malformed or its hash is not that of its key, `ERR_KEY_UNSUPPORTED` for other types.
 * {@link https://pkg.go.dev/golang.org/x/mod/sumdb/note#NewVerifier}
 */
export function parseVerifierKey(text: string): NoteVerifier {
  const wrong = (why: string, cause?: unknown): BoltsealError =>
    new BoltsealError('ERR_KEY_INVALID', `not a verifier key: ${why}`, {
      cause,
      hint: 'It looks like example.com/log+1a2b3c4d+AZ… with a name, a hash and a key.',
    });
  if (text.length > limits.verifierKeyLength) throw wrong('it is too long');
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (match === null) throw wrong('it has no name, hash and key');
  const [, name = '', hash = '', encoded = ''] = match;
  let verifier: NoteVerifier;
  try {
    verifier = verifierOfType(name, fromBase64(encoded, 'the key'));
  } catch (cause) {
    if (cause instanceof BoltsealError && cause.code === 'ERR_KEY_UNSUPPORTED') throw cause;
    throw wrong('its key cannot be read', cause);
  }
  if (hex(verifier.keyId) !== hash) throw wrong('its hash is not that of its key');
  return verifier;
}

function verifierOfType(name: string, bytes: Uint8Array): NoteVerifier {
  const [type] = bytes;
  const key = bytes.subarray(1);
  if (type === types.ed25519) return noteVerifier(name, ed25519PublicKey(key));
  if (type === types.cosignature) return cosignatureVerifier(name, ed25519PublicKey(key));
  if (type === types.ecdsa) return noteVerifier(name, parsePublicKey(key));
  if (type === types.treeHead) return treeHeadVerifier(name, parsePublicKey(key));
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `verifier keys of type ${type} are not supported`);
}

/** The public key of 32 bytes of Ed25519. Throws `ERR_KEY_INVALID`. */
export function ed25519PublicKey(raw: Uint8Array): PublicKey {
  try {
    if (raw.length !== 32) throw new Error('32 bytes are needed');
    const x = Buffer.from(raw).toString('base64url');
    return publicKeyOf(createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), 'the key');
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', 'not an Ed25519 public key', { cause });
  }
}

/** The text of a verifier key, as {@link parseVerifierKey} reads it; of an RSA key there is none. */
export function encodeVerifierKey(name: string, publicKey: PublicKey, kind: NoteKeyKind): string {
  const [verifier, type, key] =
    kind === 'cosignature'
      ? [cosignatureVerifier(name, publicKey), types.cosignature, rawEd25519(publicKey)]
      : kind === 'tree head'
        ? [treeHeadVerifier(name, publicKey), types.treeHead, publicKey.spki]
        : publicKey.type === 'ed25519'
          ? [noteVerifier(name, publicKey), types.ed25519, rawEd25519(publicKey)]
          : [noteVerifier(name, publicKey), types.ecdsa, publicKey.spki];
  if (kind === 'note' && publicKey.type.startsWith('rsa')) {
    throw new BoltsealError('ERR_KEY_UNSUPPORTED', 'RSA keys have no form as a verifier key');
  }
  return `${name}+${hex(verifier.keyId)}+${base64(concatBytes(Uint8Array.of(type), key))}`;
}
