/** A Rekor of either version on a log in memory, asked without a socket, and proposals for it. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { HttpRequest } from '../../src/core/http.ts';
import { encodeCertificate, encodeTbs } from '../../src/formats/certificate.ts';
import { preAuthEncoding } from '../../src/formats/dsse.ts';
import { encodeSubjectAltName, type GeneralName } from '../../src/formats/extensions.ts';
import { emptyName } from '../../src/formats/name.ts';
import { logIdOf, noteSigner } from '../../src/formats/note-keys.ts';
import { encodePem } from '../../src/formats/pem.ts';
import { signatureAlgorithms } from '../../src/formats/signature-algorithm.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import type { Signer } from '../../src/keys/signer.ts';
import { createRuntime } from '../../src/node/runtime.ts';
import type { Service } from '../../src/server/http/service.ts';
import { openLog } from '../../src/server/log/engine.ts';
import type { TransparencyLog } from '../../src/server/log/log.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';
import type { RekorShard } from '../../src/server/rekor/shards.ts';
import { answerService, splitTarget } from './answer-service.ts';
import type { Releases } from './temporary.ts';

/** A new signer. */
export function newSigner(type: 'p256' | 'p384' | 'ed25519' = 'p256'): Signer {
  const { privateKey } =
    type === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: type === 'p256' ? 'prime256v1' : 'secp384r1' });
  return localSigner(privateKey, 'the key of a test');
}

/** A new log in memory, closed with the test. */
export async function newLog(releases: Releases, origin: string, signer: Signer): Promise<TransparencyLog> {
  const log = await openLog(createRuntime(), {
    storage: await sqliteStorage('memory'),
    id: 'log',
    origin,
    key: noteSigner(origin.replace(/ - .*/, ''), signer),
  });
  releases.after(() => log.close());
  return log;
}

/** A new tree of a Rekor v1. */
export async function newShard(
  releases: Releases,
  treeId: bigint,
  signer: Signer = newSigner(),
): Promise<RekorShard> {
  return { treeId, signer, log: await newLog(releases, `rekor.example.com - ${treeId}`, signer) };
}

/** A new log of a Rekor v2 with the id of its key. */
export async function newLogV2(
  releases: Releases,
): Promise<{ readonly log: TransparencyLog; readonly logId: Uint8Array; readonly signer: Signer }> {
  const signer = newSigner('ed25519');
  const log = await newLog(releases, 'rekor2.example.com', signer);
  return { log, signer, logId: logIdOf('rekor2.example.com', signer.publicKey) };
}

/** An answer as a test looks at it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly json: any;
}

/** Asks a service. A body that is no text and no bytes is sent as JSON. */
export async function ask(service: Service, method: string, target: string, body?: unknown): Promise<Answer> {
  const bytes =
    body === undefined
      ? undefined
      : body instanceof Uint8Array
        ? body
        : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const request: HttpRequest = {
    method,
    url: `http://rekor.example.com${target}`,
    headers: { get: () => null },
    body: bytes === undefined ? null : once(bytes),
    signal: new AbortController().signal,
  };
  const { path, query } = splitTarget(request.url);
  const answer = await answerService(service, request, path, query);
  assert.ok(answer.body === null || answer.body instanceof Uint8Array);
  const text = Buffer.from(answer.body ?? []).toString();
  return {
    status: answer.status,
    headers: answer.headers as Record<string, string>,
    text,
    json: answer.headers['content-type'] === 'application/json' ? JSON.parse(text) : undefined,
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A key pair of a signer. */
export interface Pair {
  readonly privateKey: KeyObject;
  readonly pem: string;
  readonly der: Buffer;
}

/** A self-signed certificate of a pair with alternative names, valid long ago: a log does not ask. */
export function certificateOf(
  pair: Pair,
  names: readonly GeneralName[],
): { readonly der: Buffer; readonly pem: string } {
  const { identifier, hash } = signatureAlgorithms.ecdsaSha256;
  const tbs = encodeTbs({
    serial: Uint8Array.of(1),
    signatureAlgorithm: identifier,
    issuer: emptyName,
    notBefore: new Date('2020-01-01'),
    notAfter: new Date('2020-01-02'),
    subject: emptyName,
    spki: pair.der,
    extensions: [encodeSubjectAltName(names, true)],
  });
  const der = Buffer.from(encodeCertificate(tbs, identifier, sign(hash, tbs, pair.privateKey)));
  return { der, pem: encodePem('CERTIFICATE', der) };
}

/** A key pair of any kind that may sign entries. */
export function newPair(type = 'prime256v1'): Pair {
  const { privateKey, publicKey } = type.startsWith('rsa')
    ? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(3)) })
    : type === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: type });
  return {
    privateKey,
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    der: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

export const base64 = (bytes: string | Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A proposal of a hashedrekord for v1, of a new message. */
export function hashedRekordV1(pair: Pair, hash = 'sha256', message: Uint8Array = randomBytes(40)): Proposal {
  return {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: hash, value: createHash(hash).update(message).digest('hex') } },
      signature: {
        content: base64(sign(hash, message, pair.privateKey)),
        publicKey: { content: base64(pair.pem) },
      },
    },
  };
}

/** A proposal of any kind, to be changed by tests. */
// biome-ignore lint/suspicious/noExplicitAny: tests change proposals everywhere
export type Proposal = Record<string, any>;

const inToto = 'application/vnd.in-toto+json';

/** A statement about `subject`, a SHA-256 in hexadecimal. */
export function statement(subject: string = randomBytes(32).toString('hex')): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'x', digest: { sha256: subject } }],
      predicateType: 'https://example.com/x',
      predicate: { materials: [{ digest: { sha1: 'A'.repeat(40) } }] },
    }),
  );
}

/** An envelope signed by `pairs`, as JSON values. */
export function envelopeOf(pairs: readonly Pair[], payload: Uint8Array = statement()): Proposal {
  const message = preAuthEncoding(inToto, payload);
  return {
    payload: base64(payload),
    payloadType: inToto,
    signatures: pairs.map(({ privateKey }) => ({
      sig: base64(sign(privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256', message, privateKey)),
    })),
  };
}

/** A proposal of dsse for v1. */
export function dsseV1(pairs: readonly Pair[], payload?: Uint8Array): Proposal {
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      proposedContent: {
        envelope: JSON.stringify(envelopeOf(pairs, payload)),
        verifiers: pairs.map(({ pem }) => base64(pem)),
      },
    },
  };
}

/** A proposal of intoto for v1. */
export function intotoV1(pairs: readonly Pair[], payload?: Uint8Array): Proposal {
  const envelope = envelopeOf(pairs, payload);
  return {
    apiVersion: '0.0.2',
    kind: 'intoto',
    spec: {
      content: {
        envelope: {
          payloadType: envelope['payloadType'],
          payload: base64(envelope['payload']),
          signatures: pairs.map(({ pem }, index) => ({
            publicKey: base64(pem),
            sig: base64(envelope['signatures'][index].sig),
          })),
        },
        hash: {
          algorithm: 'sha256',
          value: createHash('sha256').update(JSON.stringify(envelope)).digest('hex'),
        },
      },
    },
  };
}

const detailsOf: Readonly<Record<string, string>> = {
  prime256v1: 'PKIX_ECDSA_P256_SHA_256',
  secp384r1: 'PKIX_ECDSA_P384_SHA_384',
  secp521r1: 'PKIX_ECDSA_P521_SHA_512',
  rsa: 'PKIX_RSA_PKCS1V15_2048_SHA256',
};

/** A proposal for v2, of a new message. */
export function hashedRekordV2(pair: Pair, message: Uint8Array = randomBytes(40)): Proposal {
  const { privateKey } = pair;
  const curve = privateKey.asymmetricKeyDetails?.namedCurve ?? 'rsa';
  const hash = { secp384r1: 'sha384', secp521r1: 'sha512' }[curve] ?? 'sha256';
  return {
    hashedRekordRequestV002: {
      digest: base64(createHash(hash).update(message).digest()),
      signature: {
        content: base64(sign(hash, message, privateKey)),
        verifier: { publicKey: { rawBytes: base64(pair.der) }, keyDetails: detailsOf[curve] },
      },
    },
  };
}

/** A proposal of dsse for v2. */
export function dsseV2(pairs: readonly Pair[], payload?: Uint8Array): Proposal {
  return {
    dsseRequestV002: {
      envelope: envelopeOf(pairs, payload),
      verifiers: pairs.map(({ der }) => ({
        publicKey: { rawBytes: base64(der) },
        keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      })),
    },
  };
}
