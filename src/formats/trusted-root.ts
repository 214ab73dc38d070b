/**
 * Trusted roots: all keys and certificates that signatures of one Sigstore are verified with, of today and of the past.
 * {@link https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto}
 */
import { base64, utf8 } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Json, type JsonObject, parseJson } from '../core/json.ts';
import { limits } from '../core/limits.ts';
import { parseCertificate } from './certificate.ts';
import { sha256 } from './merkle.ts';
import { nameParts } from './name.ts';
import { logIdOf } from './note-keys.ts';
import { type ProtoReader, protoReader } from './proto-json.ts';
import type { KeyType, PublicKey } from './public-key.ts';
import { readTimeRange, type TimeRange, timeRangeJson } from './time-range.ts';

/** The only media type of trusted roots that cosign 3.1.1 accepts, and so the one that is written. */
export const trustedRootMediaType = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';

/** Every media type of trusted roots. */
const mediaTypes: readonly string[] = [
  trustedRootMediaType,
  'application/vnd.dev.sigstore.trustedroot.v0.1+json',
  'application/vnd.dev.sigstore.trustedroot.v0.2+json',
];

/** Kinds of keys and what they sign with, by the numbers of the protocol. */
const keyDetails = {
  PKCS1_RSA_PKCS1V5: 1,
  PKCS1_RSA_PSS: 2,
  PKIX_RSA_PKCS1V5: 3,
  PKIX_RSA_PSS: 4,
  PKIX_ECDSA_P256_SHA_256: 5,
  PKIX_ECDSA_P256_HMAC_SHA_256: 6,
  PKIX_ED25519: 7,
  PKIX_ED25519_PH: 8,
  PKIX_RSA_PKCS1V15_2048_SHA256: 9,
  PKIX_RSA_PKCS1V15_3072_SHA256: 10,
  PKIX_RSA_PKCS1V15_4096_SHA256: 11,
  PKIX_ECDSA_P384_SHA_384: 12,
  PKIX_ECDSA_P521_SHA_512: 13,
  LMS_SHA256: 14,
  LMOTS_SHA256: 15,
  PKIX_RSA_PSS_2048_SHA256: 16,
  PKIX_RSA_PSS_3072_SHA256: 17,
  PKIX_RSA_PSS_4096_SHA256: 18,
  PKIX_ECDSA_P384_SHA_256: 19,
  PKIX_ECDSA_P521_SHA_256: 20,
  ML_DSA_65: 21,
  ML_DSA_87: 22,
  ML_DSA_44: 23,
} as const;

/** A kind of key and what it signs with. */
export type KeyDetails = keyof typeof keyDetails;

/** The hash algorithm of every Merkle tree that is known (RFC 6962). */
const treeHashes = { SHA2_256: 1 } as const;

/** A transparency log: of signatures, or of certificates. */
export interface TrustedLog {
  /** Where the log is; of Rekor v2 its host name is the origin of checkpoints. */
  readonly baseUrl: string;
  /** The key as written: SubjectPublicKeyInfo for every kind that begins with PKIX. */
  readonly key: Uint8Array;
  readonly keyDetails: KeyDetails;
  /** When the log signed with this key; an end means it is retired. */
  readonly validFor: TimeRange & { readonly start: Date };
  /** What entries name the log by. */
  readonly logId: Uint8Array;
  /** Of version 0.2: what checkpoints name the key by. Never written, because it breaks the npm `sigstore` package. */
  readonly checkpointKeyId?: Uint8Array;
  /** Of version 0.2: who runs it. */
  readonly operator?: string;
}

/** A certificate authority, or a timestamp authority. */
export interface TrustedAuthority {
  /** Of the root's name; for people. */
  readonly organization: string;
  readonly commonName: string;
  readonly uri: string;
  /** DER, the root last. A certificate authority's begins with what issues, a timestamp authority's with what signs. */
  readonly chain: readonly Uint8Array[];
  readonly validFor: TimeRange;
  /** Who runs it. */
  readonly operator?: string;
}

/** A trusted root. */
export interface TrustedRoot {
  readonly tlogs: readonly TrustedLog[];
  readonly certificateAuthorities: readonly TrustedAuthority[];
  readonly ctlogs: readonly TrustedLog[];
  readonly timestampAuthorities: readonly TrustedAuthority[];
}

/**
 * Reads a trusted root: strict proto JSON (see `proto-json.ts`), of every media type that exists. Each log must have a
 * key, an id and the start of its validity, each authority a certificate; certificates and keys are not parsed. Throws
 * `ERR_TRUSTED_ROOT_INVALID` and what `parseJson` throws.
 */
export function parseTrustedRoot(bytes: Uint8Array, what = 'the trusted root'): TrustedRoot {
  const document = parseJson(bytes, { what, maxBytes: limits.trustedRootBytes });
  const reader = protoReader('ERR_TRUSTED_ROOT_INVALID', what);
  const fields = reader.message(document, 'it', [
    'mediaType',
    'tlogs',
    'certificateAuthorities',
    'ctlogs',
    'timestampAuthorities',
  ]);
  const mediaType = reader.text(fields.mediaType, 'mediaType');
  if (!mediaTypes.includes(mediaType)) {
    throw reader.invalid(`its media type is ${JSON.stringify(mediaType.slice(0, 100))}`);
  }
  const list = <T>(
    name: keyof TrustedRoot,
    read: (value: Json, reader: ProtoReader, where: string) => T,
  ): readonly T[] =>
    reader
      .list(fields[name], name, limits.trustedInstances)
      .map((item, index) => read(item, reader, `${name}[${index}]`));
  return {
    tlogs: list('tlogs', readLog),
    certificateAuthorities: list('certificateAuthorities', readAuthority),
    ctlogs: list('ctlogs', readLog),
    timestampAuthorities: list('timestampAuthorities', readAuthority),
  };
}

function readLog(value: Json, reader: ProtoReader, where: string): TrustedLog {
  const fields = reader.message(value, where, [
    'baseUrl',
    'hashAlgorithm',
    'publicKey',
    'logId',
    'checkpointKeyId',
    'operator',
  ]);
  if (reader.enumName(fields.hashAlgorithm, `${where}.hashAlgorithm`, treeHashes) === undefined) {
    throw reader.invalid(`${where} has no hash algorithm`);
  }
  const operator = reader.text(fields.operator, `${where}.operator`);
  return {
    baseUrl: reader.text(fields.baseUrl, `${where}.baseUrl`),
    ...readKey(fields.publicKey, reader, `${where}.publicKey`),
    logId: readId(fields.logId, reader, `${where}.logId`),
    ...(fields.checkpointKeyId === undefined
      ? {}
      : { checkpointKeyId: readId(fields.checkpointKeyId, reader, `${where}.checkpointKeyId`) }),
    ...(operator === '' ? {} : { operator }),
  };
}

function readKey(
  value: Json | undefined,
  reader: ProtoReader,
  where: string,
): Pick<TrustedLog, 'key' | 'keyDetails' | 'validFor'> {
  const fields = reader.message(value, where, ['rawBytes', 'keyDetails', 'validFor']);
  const key = reader.bytes(fields.rawBytes, `${where}.rawBytes`);
  const details = reader.enumName(fields.keyDetails, `${where}.keyDetails`, keyDetails);
  const { start, ...rest } = readTimeRange(fields.validFor, reader, `${where}.validFor`);
  if (key.length === 0 || key.length > limits.keyBytes) throw reader.invalid(`${where} holds no key`);
  if (details === undefined) throw reader.invalid(`${where} does not say what kind of key it is`);
  if (start === undefined) throw reader.invalid(`${where} does not say from when on it is valid`);
  return { key, keyDetails: details, validFor: { start, ...rest } };
}

function readId(value: Json | undefined, reader: ProtoReader, where: string): Uint8Array {
  const { keyId } = reader.message(value, where, ['keyId']);
  const id = reader.bytes(keyId, `${where}.keyId`);
  if (id.length === 0) throw reader.invalid(`${where} is empty`);
  return id;
}

function readAuthority(value: Json, reader: ProtoReader, where: string): TrustedAuthority {
  const fields = reader.message(value, where, ['subject', 'uri', 'certChain', 'validFor', 'operator']);
  const subject =
    fields.subject === undefined
      ? {}
      : reader.message(fields.subject, `${where}.subject`, ['organization', 'commonName']);
  const { certificates } = reader.message(fields.certChain, `${where}.certChain`, ['certificates']);
  const list = reader.list(certificates, `${where}.certChain.certificates`, limits.chainCertificates);
  if (list.length === 0) throw reader.invalid(`${where} has no certificate`);
  const operator = reader.text(fields.operator, `${where}.operator`);
  return {
    organization: reader.text(subject.organization, `${where}.subject.organization`),
    commonName: reader.text(subject.commonName, `${where}.subject.commonName`),
    uri: reader.text(fields.uri, `${where}.uri`),
    chain: list.map((item, index) => readCertificate(item, reader, `${where}.certChain[${index}]`)),
    validFor: readTimeRange(fields.validFor, reader, `${where}.validFor`),
    ...(operator === '' ? {} : { operator }),
  };
}

function readCertificate(value: Json, reader: ProtoReader, where: string): Uint8Array {
  const { rawBytes } = reader.message(value, where, ['rawBytes']);
  const der = reader.bytes(rawBytes, `${where}.rawBytes`);
  if (der.length === 0) throw reader.invalid(`${where} is empty`);
  return der;
}

/**
 * A trusted root as cosign 3 writes it, byte for byte: compact, fields in the order of the protocol, without those of
 * version 0.2 (operator, checkpoint key id), which some clients stumble over.
 */
export function encodeTrustedRoot(root: TrustedRoot): Uint8Array {
  const document = {
    mediaType: trustedRootMediaType,
    ...listJson('tlogs', root.tlogs.map(logJson)),
    ...listJson('certificateAuthorities', root.certificateAuthorities.map(authorityJson)),
    ...listJson('ctlogs', root.ctlogs.map(logJson)),
    ...listJson('timestampAuthorities', root.timestampAuthorities.map(authorityJson)),
  };
  return utf8(JSON.stringify(document));
}

function listJson(name: keyof TrustedRoot, list: readonly JsonObject[]): JsonObject {
  return list.length === 0 ? {} : { [name]: list };
}

function logJson(log: TrustedLog): JsonObject {
  return {
    ...(log.baseUrl === '' ? {} : { baseUrl: log.baseUrl }),
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: base64(log.key),
      keyDetails: log.keyDetails,
      validFor: timeRangeJson(log.validFor),
    },
    logId: { keyId: base64(log.logId) },
  };
}

function authorityJson(authority: TrustedAuthority): JsonObject {
  const { organization, commonName, uri, chain, validFor } = authority;
  return {
    subject: {
      ...(organization === '' ? {} : { organization }),
      ...(commonName === '' ? {} : { commonName }),
    },
    ...(uri === '' ? {} : { uri }),
    certChain: { certificates: chain.map((der) => ({ rawBytes: base64(der) })) },
    validFor: timeRangeJson(validFor),
  };
}

const detailsOf: Readonly<Record<KeyType, KeyDetails>> = {
  'ecdsa-p256': 'PKIX_ECDSA_P256_SHA_256',
  'ecdsa-p384': 'PKIX_ECDSA_P384_SHA_384',
  'ecdsa-p521': 'PKIX_ECDSA_P521_SHA_512',
  ed25519: 'PKIX_ED25519',
  'rsa-2048': 'PKIX_RSA_PKCS1V15_2048_SHA256',
  'rsa-3072': 'PKIX_RSA_PKCS1V15_3072_SHA256',
  'rsa-4096': 'PKIX_RSA_PKCS1V15_4096_SHA256',
};

/** What {@link trustedLog} makes an instance of. */
export interface TrustedLogFields {
  readonly baseUrl: string;
  readonly publicKey: PublicKey;
  readonly validFor: TimeRange & { readonly start: Date };
  /** Of Rekor v2: the origin of its checkpoints, on which the id of its key depends. Others have none. */
  readonly origin?: string | undefined;
}

/**
 * A log of a trusted root. Its id is SHA-256 of the key for Rekor v1 and CT logs, and what {@link logIdOf} says for
 * Rekor v2. Throws `ERR_TRUSTED_ROOT_INVALID` when an Ed25519 key comes without an origin.
 */
export function trustedLog({ baseUrl, publicKey, validFor, origin }: TrustedLogFields): TrustedLog {
  if (origin === undefined && publicKey.type === 'ed25519') {
    throw new BoltsealError(
      'ERR_TRUSTED_ROOT_INVALID',
      `the log ${baseUrl} has an Ed25519 key and no origin`,
    );
  }
  return {
    baseUrl,
    key: publicKey.spki,
    keyDetails: detailsOf[publicKey.type],
    validFor,
    logId: origin === undefined ? sha256(publicKey.spki) : logIdOf(origin, publicKey),
  };
}

/**
 * An authority of a trusted root, named after the last certificate of its chain (DER, root last). Throws
 * `ERR_TRUSTED_ROOT_INVALID` for an empty chain, and what reading that certificate throws.
 */
export function trustedAuthority(
  uri: string,
  chain: readonly Uint8Array[],
  validFor: TimeRange,
): TrustedAuthority {
  const root = chain.at(-1);
  if (root === undefined) throw new BoltsealError('ERR_TRUSTED_ROOT_INVALID', `${uri} has no certificate`);
  const what = `the root certificate of ${uri}`;
  const { organization = '', commonName = '' } = nameParts(parseCertificate(root, what).subject, what);
  return { organization, commonName, uri, chain, validFor };
}
