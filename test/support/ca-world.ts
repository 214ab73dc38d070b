/** A certificate authority with its CT log and an issuer of tokens, all in this process and without a socket. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { BoltsealError } from '../../src/core/errors.ts';
import type { LogEvent, Runtime } from '../../src/core/runtime.ts';
import { type Certificate, parseCertificate, serialNumber } from '../../src/formats/certificate.ts';
import {
  createIntermediateCertificate,
  createRootCertificate,
} from '../../src/formats/certificate-profiles.ts';
import { treeHeadSigner } from '../../src/formats/note-keys.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import type { Signer } from '../../src/keys/signer.ts';
import { type CaOptions, createCa } from '../../src/server/ca/ca.ts';
import { type CtLog, createCtLog } from '../../src/server/ct/ct-log.ts';
import type { Service } from '../../src/server/http/service.ts';
import { openLog } from '../../src/server/log/engine.ts';
import type { TransparencyLog } from '../../src/server/log/log.ts';
import { sqliteStorage } from '../../src/server/log/storage/sqlite.ts';
import { answerService, splitTarget } from './answer-service.ts';
import type { Releases } from './temporary.ts';
import { createTestIssuer, type TestIssuer } from './test-issuer.ts';

/** A clock, randomness and a `fetch` that a test holds in its hands. */
export interface TestRuntime extends Runtime {
  /** Milliseconds since 1970; tests move it. */
  time: number;
  readonly events: LogEvent[];
}

/** A runtime whose clock stands still until it is moved; `sleep` ends only by its signal. */
export function testRuntime(fetch: Runtime['fetch']): TestRuntime {
  const start = Date.parse('2026-11-22T09:00:00Z');
  const runtime: TestRuntime = {
    time: start,
    events: [],
    fetch,
    now: () => new Date(runtime.time),
    monotonic: () => runtime.time - start + 1_000_000,
    sleep: (_, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    random: (length) => new Uint8Array(randomBytes(length)),
    env: {},
    home: undefined,
    platform: 'linux',
    log: (event) => runtime.events.push(event),
  };
  return runtime;
}

/** A key pair of a client. */
export interface ClientKey {
  readonly pem: string;
  readonly privateKey: KeyObject;
  readonly hash: string | null;
}

/** A new key, and the hash it must sign with. */
export function clientKey(kind: 'P-256' | 'P-384' | 'P-521' | 'ed25519' | 'rsa' = 'P-256'): ClientKey {
  const pair =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
  const hash = { 'P-256': 'sha256', 'P-384': 'sha384', 'P-521': 'sha512', ed25519: null, rsa: 'sha256' }[
    kind
  ];
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { pem, privateKey: pair.privateKey, hash };
}

/** The proof of possession of `key` for `challenge`, base64. */
export function proofOf(key: ClientKey, challenge: string): string {
  return sign(key.hash, Buffer.from(challenge), key.privateKey).toString('base64');
}

/** A signer on a new key. */
export function newSigner(curve: 'P-256' | 'P-384' = 'P-256'): Signer {
  return localSigner(generateKeyPairSync('ec', { namedCurve: curve }).privateKey, 'a key of a test');
}

/** What a service answered. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly bytes: Uint8Array;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  readonly json: any;
}

/** Asks a service. */
export async function ask(
  service: Service,
  method: string,
  target: string,
  body: string | Uint8Array | object | undefined = undefined,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const { path, query } = splitTarget(`http://test${target}`);
  const isRaw = typeof body === 'string' || body instanceof Uint8Array || body === undefined;
  const bytes = body === undefined ? undefined : Buffer.from(isRaw ? body : JSON.stringify(body));
  async function* pieces(): AsyncGenerator<Uint8Array> {
    if (bytes !== undefined) yield bytes;
  }
  const request = {
    method,
    url: `http://test${target}`,
    headers: { get: (name: string) => headers[name] ?? null },
    body: bytes === undefined ? null : pieces(),
    signal: new AbortController().signal,
  };
  const response = await answerService(service, request, path, query);
  const answer = response.body;
  if (answer !== null && !(answer instanceof Uint8Array)) throw new Error('no service here streams');
  const content = answer ?? new Uint8Array(0);
  const text = Buffer.from(content).toString();
  return {
    status: response.status,
    headers: response.headers,
    bytes: content,
    text,
    get json() {
      return JSON.parse(text);
    },
  };
}

/** Everything together. */
export interface CaWorld {
  readonly runtime: TestRuntime;
  readonly issuer: TestIssuer;
  readonly ca: Service;
  readonly ct: CtLog;
  readonly log: TransparencyLog;
  /** Issuing certificate and root. */
  readonly chain: readonly [issuing: Certificate, root: Certificate];
  readonly root: Signer;
  readonly signer: Signer;
}

/** What differs from the usual world. */
export interface CaWorldOptions extends Partial<CaOptions> {
  readonly issuerUrl?: string;
  readonly caSigner?: Signer;
  /** Wraps the log before it is used. */
  readonly wrapLog?: (log: TransparencyLog) => TransparencyLog;
}

export const testOrigin = 'ct.test/2026';

/** A world whose only issuer says by `email` who somebody is, unless told otherwise. */
export async function createCaWorld(releases: Releases, options: CaWorldOptions = {}): Promise<CaWorld> {
  const url = options.issuerUrl ?? 'https://issuer.test';
  const holder: { issuer?: TestIssuer } = {};
  const runtime = testRuntime((asked, init) => {
    const issuer = holder.issuer;
    if (issuer === undefined) throw new BoltsealError('ERR_SERVICE_NETWORK', 'nobody is there');
    return issuer.fetch(asked, init);
  });
  const issuer = createTestIssuer(url, runtime.now);
  holder.issuer = issuer;

  const [root, signer, ctSigner] = [newSigner(), options.caSigner ?? newSigner(), newSigner()];
  const validity = {
    notBefore: new Date(runtime.time - 3_600_000),
    notAfter: new Date(runtime.time + 3_650 * 86_400_000),
  };
  const named = (commonName: string) => ({
    ...validity,
    serial: serialNumber(runtime.random),
    name: { organization: 'lab', commonName },
  });
  const rootDer = await createRootCertificate(root, named('lab-root'));
  const rootCertificate = parseCertificate(rootDer);
  const issuingDer = await createIntermediateCertificate(
    { certificate: rootCertificate, signer: root },
    signer.publicKey,
    named('lab-intermediate'),
  );

  const storage = await sqliteStorage('memory');
  releases.after(() => storage.close());
  const opened = await openLog(runtime, {
    storage,
    id: 'ct',
    origin: testOrigin,
    key: treeHeadSigner(testOrigin, ctSigner),
  });
  releases.after(() => opened.close());
  const log = options.wrapLog?.(opened) ?? opened;
  const ct = createCtLog({ log, signer: ctSigner, chains: [[issuingDer, rootDer]] });
  const ca = createCa(runtime, {
    signer,
    chain: [issuingDer, rootDer],
    ct,
    issuers: {
      issuers: [{ url, type: 'email', audience: 'sigstore' }],
      metaIssuers: [],
      ciProviders: {},
    },
    ...options,
  });
  return {
    runtime,
    issuer,
    ca,
    ct,
    log,
    chain: [parseCertificate(issuingDer), rootCertificate],
    root,
    signer,
  };
}

/** The body of a request for a certificate by a key. */
export function signingRequest(token: string, key: ClientKey, challenge: string): object {
  return {
    credentials: { oidcIdentityToken: token },
    publicKeyRequest: {
      publicKey: { algorithm: 'ECDSA', content: key.pem },
      proofOfPossession: proofOf(key, challenge),
    },
  };
}

/** DER of the PEM texts of a `signingCert` answer. */
export function certificatesOf(answer: Answer): readonly Uint8Array[] {
  const pems: readonly string[] = answer.json.signedCertificateEmbeddedSct.chain.certificates;
  return pems.map((pem) => new Uint8Array(Buffer.from(pem.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64')));
}
