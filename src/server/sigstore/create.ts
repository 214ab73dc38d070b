/** The first start: everything a private Sigstore is, made at once. */
import { BoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { parseCertificate, serialNumber } from '../../formats/certificate.ts';
import {
  createIntermediateCertificate,
  createRootCertificate,
  createTimestampCertificate,
  type Issuer,
} from '../../formats/certificate-profiles.ts';
import type { NameParts } from '../../formats/name.ts';
import { encodePem } from '../../formats/pem.ts';
import type { KeyType } from '../../formats/public-key.ts';
import type { KeyRole, ServiceName, SigstoreConfig } from '../config/config.ts';
import { checkDistinctKeys } from './configured-keys.ts';
import type { NewFile } from './folder.ts';
import { type KeyRing, type PreparedKey, prepareKey } from './keys.ts';
import type { AuthorityRecord, InstanceKind, LogRecord, SigstoreState } from './state.ts';

const day = 86_400_000;
/** The root is valid for 20 years, what it issues for 10. */
const rootLifetime = 7_305 * day;
const authorityLifetime = 3_652 * day;
/** Clocks of clients that are behind must not find a certificate that is not valid yet. */
const backdate = 3_600_000;

const ecdsa: readonly KeyType[] = ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521'];

/** What each key is made as, and what clients accept there (sigstore-go, cosign 2, sigstore-js). */
const keyRules: Readonly<Record<KeyRole, { type: KeyType; allowed: readonly KeyType[] }>> = {
  root: { type: 'ecdsa-p256', allowed: [...ecdsa] },
  ca: { type: 'ecdsa-p256', allowed: [...ecdsa, 'rsa-2048', 'rsa-3072', 'rsa-4096'] },
  ct: { type: 'ecdsa-p256', allowed: ['ecdsa-p256'] },
  rekor: { type: 'ecdsa-p256', allowed: ['ecdsa-p256'] },
  rekor2: { type: 'ed25519', allowed: ['ed25519', 'ecdsa-p256'] },
  tsa: { type: 'ecdsa-p256', allowed: ecdsa },
  'tuf-root': { type: 'ecdsa-p256', allowed: ['ecdsa-p256', 'ed25519'] },
  'tuf-targets': { type: 'ecdsa-p256', allowed: ['ecdsa-p256', 'ed25519'] },
  'tuf-online': { type: 'ecdsa-p256', allowed: ['ecdsa-p256', 'ed25519'] },
};

/** What the first start and a rotation need. */
export interface Workshop {
  readonly runtime: Pick<Runtime, 'now' | 'random'>;
  readonly config: SigstoreConfig;
  /** Public base URLs. */
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly ring: KeyRing;
}

/** A new state and the files that belong to it. */
export interface Made<T> {
  readonly made: T;
  readonly files: readonly NewFile[];
}

/** Makes the state of a new Sigstore. Throws `ERR_SERVER_CONFIG` for keys that do not fit, and what key providers throw. */
export async function makeState(workshop: Workshop): Promise<Made<SigstoreState>> {
  const { runtime, config } = workshop;
  const root = await newKey('root-1', 'root', workshop);
  const now = runtime.now();
  const certificate = await createRootCertificate(root.signer, {
    name: authorityName(config.organization, 'root'),
    serial: serialNumber((length) => runtime.random(length)),
    notBefore: new Date(now.getTime() - backdate),
    notAfter: new Date(now.getTime() + rootLifetime),
  });
  const issuer: Issuer = { certificate: parseCertificate(certificate), signer: root.signer };
  const pem = encodePem('CERTIFICATE', certificate);
  const ca = await newAuthority('ca', 1, issuer, pem, workshop);
  const tsa = await newAuthority('tsa', 1, issuer, pem, workshop);
  const ct = await newLog('ct', 1, workshop);
  const rekor = await newLog('rekor', 1, workshop);
  const rekor2 = await newLog('rekor2', 1, workshop);
  const tuf = {
    root: await newKey('tuf-root-1', 'tuf-root', workshop),
    targets: await newKey('tuf-targets-1', 'tuf-targets', workshop),
    online: await newKey('tuf-online-1', 'tuf-online', workshop),
  };
  const made: SigstoreState = {
    schema: 'boltseal.sigstore/1',
    created: now.toISOString(),
    organization: config.organization,
    root: { key: root.record, certificate: pem },
    ca: [ca.made],
    tsa: [tsa.made],
    ct: [ct.made],
    rekor: [rekor.made],
    rekor2: [rekor2.made],
    tuf: { root: [tuf.root.record], targets: [tuf.targets.record], online: [tuf.online.record] },
  };
  checkDistinctKeys(made);
  return {
    made,
    files: [root, ca, tsa, ct, rekor, rekor2, ...Object.values(tuf)].flatMap(({ files }) => files),
  };
}

/** A new key for `role`, by the name `id`. */
export async function newKey(id: string, role: KeyRole, workshop: Workshop): Promise<PreparedKey> {
  const { type, allowed } = keyRules[role];
  return prepareKey(id, type, allowed, workshop.config.keys[role], workshop.ring);
}

/** A new certificate or timestamp authority below the root. */
export async function newAuthority(
  kind: 'ca' | 'tsa',
  number: number,
  root: Issuer,
  rootPem: string,
  workshop: Workshop,
): Promise<Made<AuthorityRecord>> {
  const { runtime, config, urls } = workshop;
  const id = `${kind}-${number}`;
  const key = await newKey(id, kind, workshop);
  const now = runtime.now();
  const create = kind === 'ca' ? createIntermediateCertificate : createTimestampCertificate;
  const title = kind === 'ca' ? 'intermediate' : 'timestamps';
  const certificate = await create(root, key.signer.publicKey, {
    name: authorityName(config.organization, `${title} ${number}`),
    serial: serialNumber((length) => runtime.random(length)),
    notBefore: new Date(now.getTime() - backdate),
    notAfter: new Date(now.getTime() + authorityLifetime),
  });
  const chain = encodePem('CERTIFICATE', certificate) + rootPem;
  const record = { id, key: key.record, chain, url: urls[kind], start: startOf(now) };
  return { made: record, files: key.files };
}

/** A new, empty log. */
export async function newLog(
  kind: 'ct' | 'rekor' | 'rekor2',
  number: number,
  workshop: Workshop,
): Promise<Made<LogRecord>> {
  const { runtime, urls } = workshop;
  const id = `${kind}-${number}`;
  const key = await newKey(id, kind, workshop);
  const url = urls[kind];
  const made: LogRecord = {
    id,
    key: key.record,
    origin: originOf(kind, url),
    ...(kind === 'rekor' ? { treeId: newTreeId(runtime) } : {}),
    url,
    start: startOf(runtime.now()),
  };
  return { made, files: key.files };
}

/**
 * The first line of checkpoints. Clients compare the Rekors' with the host name alone, without port and path; a CT
 * log's is its submission prefix without a scheme (C2SP static-ct-api).
 */
export function originOf(kind: Exclude<InstanceKind, 'ca' | 'tsa'>, url: string): string {
  const { hostname, host, pathname } = new URL(url);
  if (kind !== 'ct') return hostname;
  return host + (pathname === '/' ? '' : pathname);
}

/** Both parts have at most 64 characters (RFC 5280 appendix A.1). */
function authorityName(organization: string, title: string): NameParts {
  const owner = organization.slice(0, 63 - title.length).trimEnd();
  return { organization, commonName: `${owner} ${title}` };
}

/** Windows are inclusive and counted in seconds; a start must not be later than the first signature. */
function startOf(now: Date): string {
  return new Date(Math.floor((now.getTime() - backdate) / 1000) * 1000).toISOString();
}

function newTreeId(runtime: Pick<Runtime, 'random'>): string {
  const bytes = Buffer.from(runtime.random(8));
  const value = bytes.readBigUInt64BE() & 0x7fffffffffffffffn;
  if (value === 0n) throw new BoltsealError('ERR_INTERNAL', 'the random source gave zeros');
  return value.toString();
}
