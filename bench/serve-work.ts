/** What the private Sigstore is asked to do in its bench: requests made beforehand, each another one. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { preAuthEncoding } from '../src/formats/dsse.ts';
import { type RawRequest, rawRequest } from './serve-load.ts';

/** One kind of work. */
export interface Work {
  readonly name: string;
  /** The status of a good answer. */
  readonly status: number;
  /** Requests in a run with `clients`, about: enough for some seconds. */
  count(clients: number): number;
  /** `count` requests to the server at `base`. */
  requests(base: string, token: string, count: number): readonly RawRequest[];
  /** Aims by number of clients. */
  readonly aims: Readonly<Record<number, { readonly rate?: number; readonly p50?: number }>>;
  /** What the stock stack did on two shared cores, by number of clients, for the reader. */
  readonly stock: Readonly<Record<number, string>>;
}

interface Pair {
  readonly key: KeyObject;
  readonly pem: string;
  readonly der: Buffer;
}

function newPair(): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    key: privateKey,
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    der: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/** The identity that the bench's token is for. */
export const identity = 'bench@example.com';

const certificates: Work = {
  name: 'certificate with SCT and CT entry (Fulcio v2)',
  status: 200,
  count: (clients) => (clients === 1 ? 1_500 : 4_000),
  requests(base, token, count) {
    const url = new URL(`${base}/api/v2/signingCert`);
    return Array.from({ length: count }, () => {
      const { key, pem } = newPair();
      const body = {
        credentials: { oidcIdentityToken: token },
        publicKeyRequest: {
          publicKey: { algorithm: 'ECDSA', content: pem },
          proofOfPossession: sign('sha256', Buffer.from(identity), key).toString('base64'),
        },
      };
      return rawRequest(url, 'application/json', Buffer.from(JSON.stringify(body)));
    });
  },
  aims: { 8: { rate: 900 }, 32: { rate: 1_200 } },
  stock: { 1: '111/s', 8: '178/s' },
};

const dsse: Work = {
  name: 'Rekor v1, dsse',
  status: 201,
  count: (clients) => (clients === 1 ? 1_500 : 8_000),
  requests(base, _token, count) {
    const url = new URL(`${base}/rekor/api/v1/log/entries`);
    const { key, pem } = newPair();
    const payloadType = 'application/vnd.in-toto+json';
    return Array.from({ length: count }, () => {
      const digest = randomBytes(32).toString('hex');
      const payload = Buffer.from(
        JSON.stringify({
          _type: 'https://in-toto.io/Statement/v1',
          subject: [{ digest: { sha256: digest } }],
          predicateType: 'https://sigstore.dev/cosign/sign/v1',
          predicate: {},
        }),
      );
      const sig = sign('sha256', preAuthEncoding(payloadType, payload), key).toString('base64');
      const envelope = JSON.stringify({
        payload: payload.toString('base64'),
        payloadType,
        signatures: [{ sig }],
      });
      const verifiers = [Buffer.from(pem).toString('base64')];
      const body = { apiVersion: '0.0.1', kind: 'dsse', spec: { proposedContent: { envelope, verifiers } } };
      return rawRequest(url, 'application/json', Buffer.from(JSON.stringify(body)));
    });
  },
  aims: { 1: { p50: 15 }, 256: { rate: 1_700 } },
  stock: { 1: 'p50 180 ms', 8: '41/s' },
};

const hashedrekord: Work = {
  name: 'Rekor v2, hashedrekord',
  status: 201,
  count: (clients) => (clients === 1 ? 1_500 : 8_000),
  requests(base, _token, count) {
    const url = new URL(`${base}/rekor2/api/v2/log/entries`);
    const { key, der } = newPair();
    return Array.from({ length: count }, () => {
      const message = randomBytes(64);
      const body = {
        hashedRekordRequestV002: {
          digest: createHash('sha256').update(message).digest('base64'),
          signature: {
            content: sign('sha256', message, key).toString('base64'),
            verifier: {
              publicKey: { rawBytes: der.toString('base64') },
              keyDetails: 'PKIX_ECDSA_P256_SHA_256',
            },
          },
        },
      };
      return rawRequest(url, 'application/json', Buffer.from(JSON.stringify(body)));
    });
  },
  aims: { 1: { p50: 15 }, 256: { rate: 1_700 } },
  stock: { 1: 'p50 1,000 ms', 256: '1,690/s at 3,000 clients' },
};

const timestamps: Work = {
  name: 'timestamp (RFC 3161)',
  status: 200,
  count: (clients) => (clients === 1 ? 4_000 : 12_000),
  requests(base, _token, count) {
    const url = new URL(`${base}/api/v1/timestamp`);
    const head = Buffer.from('30410201013031300d060960864801650304020105000420', 'hex');
    const nonce = Buffer.from('0209', 'hex');
    return Array.from({ length: count }, () => {
      const query = Buffer.concat([
        head,
        randomBytes(32),
        nonce,
        Buffer.of(0),
        Buffer.of(0x81),
        randomBytes(7),
      ]);
      return rawRequest(url, 'application/timestamp-query', query);
    });
  },
  aims: { 8: { rate: 2_000 } },
  stock: { 1: '1,330/s', 8: '1,918/s', 32: '3,013/s' },
};

/** Every kind of work. */
export const works: readonly Work[] = [certificates, dsse, hashedrekord, timestamps];
