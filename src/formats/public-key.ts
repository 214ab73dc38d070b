/** Public keys as SubjectPublicKeyInfo. {@link https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.7} */
import { constants, createPublicKey, hash, type JsonWebKeyInput, type KeyObject } from 'node:crypto';
import { equalBytes, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { encodePem, type PemBlock, parsePem } from './pem.ts';

/** A key type and size, named as RFC 5480 / FIPS 186-5 curves and RSA moduli. */
export type KeyType =
  | 'ecdsa-p256'
  | 'ecdsa-p384'
  | 'ecdsa-p521'
  | 'ed25519'
  | 'rsa-2048'
  | 'rsa-3072'
  | 'rsa-4096';

/** Every key type, the default first. */
export const keyTypes: readonly KeyType[] = [
  'ecdsa-p256',
  'ecdsa-p384',
  'ecdsa-p521',
  'ed25519',
  'rsa-2048',
  'rsa-3072',
  'rsa-4096',
];

/** A public key, parsed once. */
export interface PublicKey {
  readonly type: KeyType;
  readonly key: KeyObject;
  /** SubjectPublicKeyInfo, DER (RFC 5280 section 4.1). */
  readonly spki: Uint8Array;
  /** SubjectPublicKeyInfo, PEM with label `PUBLIC KEY`, one final newline: byte for byte what cosign writes. */
  readonly pem: string;
  /** Standard base64 of SHA-256 over {@link spki}: cosign's key hint. */
  readonly hint: string;
}

const curves: Readonly<Record<string, KeyType>> = {
  prime256v1: 'ecdsa-p256',
  secp384r1: 'ecdsa-p384',
  secp521r1: 'ecdsa-p521',
};

const moduli: Readonly<Record<number, KeyType>> = { 2048: 'rsa-2048', 3072: 'rsa-3072', 4096: 'rsa-4096' };

const supported = 'ECDSA P-256, P-384 and P-521, Ed25519, and RSA of 2048, 3072 or 4096 bits are supported.';

/**
 * The type of a public or private key. Throws `ERR_KEY_UNSUPPORTED` for every other: the sizes are those cosign's
 * `import-key-pair` accepts, no others verify either. An RSA exponent must be odd and at least 3.
 */
export function keyTypeOf(key: KeyObject, what: string): KeyType {
  const { asymmetricKeyType: family, asymmetricKeyDetails: details } = key;
  let type: KeyType | undefined;
  if (family === 'ed25519') type = 'ed25519';
  else if (family === 'ec') type = curves[details?.namedCurve ?? ''];
  else if (family === 'rsa') {
    const exponent = details?.publicExponent ?? 0n;
    type = exponent >= 3n && exponent % 2n === 1n ? moduli[details?.modulusLength ?? 0] : undefined;
  }
  if (type !== undefined) return type;
  const size =
    details?.namedCurve ?? (details?.modulusLength === undefined ? '' : `${details.modulusLength} bits`);
  const found = [family ?? 'unknown', size].filter((part) => part !== '').join(' ');
  throw new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is of an unsupported type: ${found}`, {
    hint: supported,
  });
}

/**
 * How the SubjectPublicKeyInfo of keys begins that have one DER spelling of fixed length: uncompressed points (RFC 5480
 * section 2) and Ed25519 (RFC 8410 section 4). What OpenSSL accepts of these is what it would write, so that such a key
 * need not be written to be compared, which takes longer than reading it.
 */
const fixedSpellings: readonly (readonly [type: KeyType, length: number, start: Buffer])[] = [
  ['ecdsa-p256', 91, Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex')],
  ['ecdsa-p384', 120, Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex')],
  ['ecdsa-p521', 158, Buffer.from('30819b301006072a8648ce3d020106052b810400230381860004', 'hex')],
  ['ed25519', 44, Buffer.from('302a300506032b6570032100', 'hex')],
];

/** A key object as {@link PublicKey}; of a private key, its public half. Throws `ERR_KEY_UNSUPPORTED`. */
export function publicKeyOf(key: KeyObject, what: string): PublicKey {
  const type = keyTypeOf(key, what);
  const half = key.type === 'private' ? createPublicKey(key) : key;
  return new DescribedKey(type, half, new Uint8Array(half.export({ type: 'spki', format: 'der' })));
}

/** The other forms are made when they are asked for: most keys only verify something. */
class DescribedKey implements PublicKey {
  readonly type: KeyType;
  readonly key: KeyObject;
  readonly spki: Uint8Array;

  constructor(type: KeyType, key: KeyObject, spki: Uint8Array) {
    this.type = type;
    this.key = key;
    this.spki = spki;
  }

  get pem(): string {
    return encodePem('PUBLIC KEY', this.spki);
  }

  get hint(): string {
    return hash('sha256', this.spki, 'base64');
  }
}

/**
 * The public key that `content` is: PEM `PUBLIC KEY` or `RSA PUBLIC KEY`, or SubjectPublicKeyInfo DER. One key, in its
 * one DER spelling. `what` names it in errors. Throws `ERR_KEY_PRIVATE_GIVEN` for a private key, `ERR_KEY_UNSUPPORTED`, `ERR_KEY_EMPTY`, and
 * `ERR_KEY_INVALID` for everything that is no key.
 */
export function parsePublicKey(content: string | Uint8Array, what = 'the public key'): PublicKey {
  const bytes = typeof content === 'string' ? utf8(content) : content;
  const block = readKeyBlock(bytes, what);
  const { label, der } = block ?? { label: 'PUBLIC KEY', der: bytes };
  if (label.endsWith('PRIVATE KEY')) {
    throw new BoltsealError('ERR_KEY_PRIVATE_GIVEN', `${what} is a private key, and a public key is needed`, {
      hint: 'Write its public half with: boltseal public-key --key KEY > cosign.pub',
    });
  }
  if (label === 'CERTIFICATE') {
    throw new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is a certificate, and a public key is needed`, {
      hint: 'Take its key out with: openssl x509 -in FILE -noout -pubkey',
    });
  }
  if (label !== 'PUBLIC KEY' && label !== 'RSA PUBLIC KEY') {
    throw new BoltsealError('ERR_KEY_UNSUPPORTED', `${what} is labelled ${label}`, { hint: supported });
  }
  const isSpki = label === 'PUBLIC KEY';
  const fixed = isSpki
    ? fixedSpellings.find(
        ([, length, start]) => der.length === length && start.compare(der, 0, start.length) === 0,
      )
    : undefined;
  if (fixed !== undefined) return new DescribedKey(fixed[0], importFixed(fixed[0], der, what), der);
  const key = publicKeyOf(importDer(der, isSpki ? 'spki' : 'pkcs1', what), what);
  if (!key.type.startsWith('rsa')) {
    // OpenSSL keeps compressed and hybrid points as they are; a hybrid one must not be used (RFC 5480 section 2.2).
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a public key in its one DER spelling`, {
      hint: 'Points of elliptic curves are not compressed: openssl ec -pubin -in FILE -conv_form uncompressed',
    });
  }
  // SubjectPublicKeyInfo of an RSA key ends with its PKCS#1 form.
  if (!equalBytes(isSpki ? key.spki : key.spki.subarray(-der.length), der)) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a public key in its one DER spelling`);
  }
  return key;
}

function importDer(der: Uint8Array, type: 'spki' | 'pkcs1', what: string): KeyObject {
  // OpenSSL takes PEM in a third of the time that it takes DER.
  return importKey(encodePem(type === 'spki' ? 'PUBLIC KEY' : 'RSA PUBLIC KEY', der), what);
}

function importKey(input: string | JsonWebKeyInput, what: string): KeyObject {
  try {
    return createPublicKey(input);
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a public key`, { cause });
  }
}

/** OpenSSL before 3.5, in Node before 24, searches for a decoder for every key that it reads. */
const isReadingSlow = constants.OPENSSL_VERSION_NUMBER < 0x3050_0000;

/**
 * A key in its one DER spelling. Where reading is slow, a JSON Web Key goes past it: half of the time for P-256, a tenth
 * for Ed25519; larger curves would take longer. Either way a point that is not on its curve is refused.
 */
function importFixed(type: KeyType, der: Uint8Array, what: string): KeyObject {
  if (isReadingSlow && type === 'ecdsa-p256') {
    const x = base64url(der.subarray(-64, -32));
    return importKey(
      { key: { kty: 'EC', crv: 'P-256', x, y: base64url(der.subarray(-32)) }, format: 'jwk' },
      what,
    );
  }
  if (isReadingSlow && type === 'ed25519') {
    return importKey(
      { key: { kty: 'OKP', crv: 'Ed25519', x: base64url(der.subarray(-32)) }, format: 'jwk' },
      what,
    );
  }
  return importDer(der, 'spki', what);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

/**
 * The only PEM block of a key file, or undefined when it holds no PEM but may be DER. Throws `ERR_KEY_EMPTY`, and
 * `ERR_KEY_INVALID` with a hint for the ways in which secrets get damaged on their way into a variable.
 */
export function readKeyBlock(bytes: Uint8Array, what: string): PemBlock | undefined {
  if (bytes.length > limits.keyBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `${what} has ${bytes.length} bytes; the limit is ${limits.keyBytes}`,
    );
  }
  if (bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))) {
    throw new BoltsealError('ERR_KEY_EMPTY', `${what} is empty`, {
      hint: 'In CI an empty key is usually a secret that is not set, or not available to this job (as in pull requests from forks).',
    });
  }
  if (isDerSequence(bytes)) return undefined;
  let blocks: readonly PemBlock[];
  try {
    blocks = parsePem(bytes, what);
  } catch (cause) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a key: its PEM is damaged`, {
      cause,
      hint: damageHint(bytes),
    });
  }
  const [block, ...others] = blocks;
  if (block === undefined) {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} is not a key: no PEM block found`, {
      hint: damageHint(bytes),
    });
  }
  if (others.length > 0 && block.label !== 'EC PARAMETERS') {
    throw new BoltsealError('ERR_KEY_INVALID', `${what} holds ${blocks.length} PEM blocks`, {
      hint: 'Keep one key in one file.',
    });
  }
  return block;
}

/** Whether `bytes` are one DER SEQUENCE from first to last, judged by its header (X.690 section 8.1). */
function isDerSequence(bytes: Uint8Array): boolean {
  const [tag = 0, first = 0, second = 0, third = 0] = bytes;
  if (tag !== 0x30) return false;
  if (first < 0x80) return bytes.length === 2 + first;
  if (first === 0x81) return bytes.length === 3 + second;
  return first === 0x82 && bytes.length === 4 + second * 256 + third;
}

/** What usually happened to a text that should be PEM. Nothing of the text itself is shown: it may be a private key. */
function damageHint(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (/-----BEGIN [A-Z ]+-----\\n/.test(text)) {
    return 'Its line breaks are written as \\n: store the file as it is, with real line breaks.';
  }
  if (/-----BEGIN [A-Z ]+-----[ \t]*[A-Za-z0-9+/]/.test(text)) {
    return 'Its line breaks were lost: quote the variable where it is set ("$KEY"), or store the file as it is.';
  }
  if (text.trimStart().startsWith('LS0tLS1CRUdJTi'))
    return 'It is base64 of a PEM file: decode it first (base64 -d).';
  return 'A key is a PEM file: it has a line -----BEGIN … KEY-----, base64, and a line -----END … KEY-----.';
}
