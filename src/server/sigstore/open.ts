/** A private Sigstore, opened from its data folder; made at the first start. */

import { mapConcurrent } from '../../core/concurrent.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { HttpService } from '../../core/http.ts';
import type { Fetch, Runtime } from '../../core/runtime.ts';
import { parseCertificate } from '../../formats/certificate.ts';
import { parseVerifierKey } from '../../formats/note-keys.ts';
import { newPrivateKey } from '../../keys/generate.ts';
import type { Signer } from '../../keys/signer.ts';
import { createApp, type OtherMount } from '../app/app.ts';
import { createAdmin, createHealth } from '../app/health.ts';
import { createMetrics } from '../app/metrics.ts';
import { createRequestScope, type RequestScope } from '../app/request-scope.ts';
import type { Mount } from '../app/router.ts';
import type { IssuerConfig } from '../ca/issuers.ts';
import { configError, mountPoints, type ServiceName, type SigstoreConfig } from '../config/config.ts';
import type { LogStorage } from '../log/storage.ts';
import { createOidc } from '../oidc/oidc.ts';
import { folderStorage } from '../registry/folder-storage.ts';
import { createRegistry } from '../registry/registry.ts';
import { createTufService } from '../tuf/service.ts';
import type { TufRepository } from '../tuf/tuf-repository.ts';
import { withConfiguredKeys } from './configured-keys.ts';
import { makeState, originOf } from './create.ts';
import { createSigstoreFolder, type DataFolder, readState } from './folder.ts';
import { acceptedIssuers } from './issuers.ts';
import { type KeyRing, openKey } from './keys.ts';
import { type LogKind, type LogRoom, logKey, type OpenedLog, openLogsOf } from './logs.ts';
import { chainOf, type OpenedLogs, sigstoreMounts } from './services.ts';
import { servingSigner } from './serving-signer.ts';
import { activeOf, type LogRecord, type SigstoreState } from './state.ts';
import { openStorage } from './storage.ts';
import { openTrust } from './trust.ts';

/** What a private Sigstore is opened with. */
export interface OpenSigstoreOptions {
  readonly config: SigstoreConfig;
  readonly folder: DataFolder;
  /** Public base URLs. */
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly ring: KeyRing;
  /** An HTTP client that also trusts these PEM certificates. */
  readonly clientFor: (authorities: string | undefined) => Fetch;
  /** Adds the development issuer and the embedded registry. */
  readonly isDevelopment: boolean;
}

/** A running private Sigstore. */
export interface Sigstore {
  /** Everything that clients use. */
  readonly service: HttpService;
  /** Metrics and health, for monitoring. */
  readonly admin: HttpService;
  readonly state: SigstoreState;
  readonly tuf: TufRepository;
  /** Whether this start made it. */
  readonly isNew: boolean;
  /** Signs again what grows old; to be called every few minutes. Failures are logged. */
  tend(): Promise<void>;
  /** Ends it: what waits is committed first. */
  close(): Promise<void>;
}

/**
 * Opens it. Throws `ERR_SERVER_CONFIG`, `ERR_SERVER_DATA` (in use, damaged, of other keys), `ERR_LOG_ROLLBACK`, and what
 * key providers throw; then nothing is left open.
 */
export async function openSigstore(runtime: Runtime, options: OpenSigstoreOptions): Promise<Sigstore> {
  const closers: (() => Promise<void>)[] = [];
  try {
    return await open(runtime, options, closers);
  } catch (error) {
    for (const close of closers.reverse()) await close().catch(() => undefined);
    throw error;
  }
}

async function open(
  outer: Runtime,
  options: OpenSigstoreOptions,
  closers: (() => Promise<void>)[],
): Promise<Sigstore> {
  const { config, folder, urls, ring, isDevelopment } = options;
  // Events of services have the id of their request.
  const scope = createRequestScope(outer);
  const { runtime } = scope;
  const onClose = (close: () => Promise<void>): void => void closers.push(close);
  const storage = await openStorage(runtime, config, folder);
  onClose(() => storage.close());
  const { state: stored, isNew } = await loadState(runtime, options);
  const state = withConfiguredKeys(stored, config.keys);
  checkOrigins(state, urls);
  await openKeys(state, options);
  const logs = await openLogs(runtime, options, state, storage.logs, onClose);
  const key = (id: string, record: SigstoreState['root']['key']): Promise<Signer> =>
    openKey(id, record, folder, ring);
  const ca = activeOf(state.ca);
  const tsa = activeOf(state.tsa);
  const serving = async ({ id, key: record }: typeof ca): Promise<Signer> =>
    servingSigner(id, await key(id, record), runtime);
  const signers = { ca: await serving(ca), tsa: await serving(tsa) };
  checkChain(ca.id, chainOf(ca), signers.ca);
  checkChain(tsa.id, chainOf(tsa), signers.tsa);
  const { repository: tuf } = await openTrust(runtime, {
    config,
    storage: storage.tuf,
    state,
    urls,
    openKey: key,
    isDevelopment,
  });
  ring.derivation.forget();
  const development = isDevelopment ? await openDevelopment(runtime, folder, urls) : undefined;
  if (development !== undefined) onClose(() => development.close());
  const accepted = await acceptedIssuers(config, development?.issuer);
  const mounts: Mount[] = [
    ...sigstoreMounts({
      runtime,
      config,
      state,
      logs,
      signers,
      issuers: accepted.issuers,
      fetchFor: ({ url }) => options.clientFor(accepted.authorities.get(url)),
      allowHttp: config.allowHttp,
    }),
    ...mountPoints(config, 'tuf').map((point) => ({ ...point, service: createTufService(tuf) })),
    ...(development?.mounts ?? []),
  ];
  return assemble(scope, options, {
    state,
    isNew,
    logs,
    tuf,
    mounts,
    others: development?.others ?? [],
    closers,
  });
}

interface Parts {
  readonly state: SigstoreState;
  readonly isNew: boolean;
  readonly logs: OpenedLogs;
  readonly tuf: TufRepository;
  readonly mounts: readonly Mount[];
  readonly others: readonly OtherMount[];
  readonly closers: readonly (() => Promise<void>)[];
}

function assemble(scope: RequestScope, { config }: OpenSigstoreOptions, parts: Parts): Sigstore {
  const { logs, tuf } = parts;
  const { runtime } = scope;
  const active = [activeOf(logs.ct), activeOf(logs.rekor), activeOf(logs.rekor2)];
  const readiness = (): readonly string[] => [
    ...active
      .filter(({ source }) => source.isStopped())
      .map(({ record }) => `the log ${record.id} is stopped`),
    ...(tuf.status().daysToExpiry.timestamp <= 0 ? ['the TUF timestamp has expired'] : []),
  ];
  const metrics = createMetrics({
    now: () => runtime.now().getTime(),
    logs: active.map(({ source }) => source),
    tufExpires: () =>
      Object.fromEntries(
        Object.entries(tuf.status().expires).map(([role, expires]) => [role, expires.getTime()]),
      ),
    process: true,
  });
  const health = createHealth(readiness);
  const service = createApp(runtime, {
    mounts: [{ prefix: '', service: health }, ...parts.mounts],
    others: parts.others,
    metrics,
    scope,
    counts: {
      ca: { 'signing-cert-v2': 'certificate', 'signing-cert-v1': 'certificate' },
      tsa: { timestamp: 'timestamp' },
      rekor: { add: 'entry' },
      rekor2: { add: 'entry' },
    },
    inFlight: config.limits.inFlight,
    bodyTime: config.limits.requestTime,
    writesPerMinute: config.limits.writesPerMinute,
    logRequests: config.logging.requests,
  });
  const admin = createApp(runtime, {
    mounts: [{ prefix: '', service: createAdmin(readiness, metrics) }],
    logRequests: false,
  });
  return {
    service,
    admin,
    state: parts.state,
    tuf,
    isNew: parts.isNew,
    async tend() {
      try {
        await tuf.tend();
      } catch (error) {
        const message = `the TUF repository could not be signed again: ${error instanceof Error ? error.message : error}`;
        runtime.log({ level: 'warn', event: 'tuf.failure', message });
      }
    },
    async close() {
      for (const close of [...parts.closers].reverse()) await close();
    },
  };
}

async function loadState(
  runtime: Runtime,
  { config, folder, urls, ring }: OpenSigstoreOptions,
): Promise<{ readonly state: SigstoreState; readonly isNew: boolean }> {
  const state = await readState(folder);
  if (state !== undefined) return { state, isNew: false };
  const { made, files } = await makeState({ runtime, config, urls, ring });
  await createSigstoreFolder(folder, made, files, Buffer.from(runtime.random(6)).toString('hex'));
  return { state: made, isNew: true };
}

/** Origins are for ever: under another host name clients would refuse every checkpoint. */
function checkOrigins(state: SigstoreState, urls: Readonly<Record<ServiceName, string>>): void {
  for (const kind of ['rekor', 'rekor2'] as const) {
    const record = activeOf(state[kind]);
    const origin = originOf(kind, urls[kind]);
    if (record.origin === origin) continue;
    throw configError(
      `the log ${record.id} was made for the host ${record.origin}, and its URL is now ${urls[kind]}`,
      `Bring back the public URL, or start a new log under the new name: boltseal serve rotate ${kind}`,
    );
  }
}

function checkChain(id: string, chain: readonly Uint8Array[], signer: Signer): void {
  const [own] = chain;
  const certificate = own === undefined ? undefined : parseCertificate(own, `the certificate of ${id}`);
  if (certificate !== undefined && Buffer.compare(certificate.spki, signer.publicKey.spki) === 0) return;
  throw new BoltsealError('ERR_SERVER_DATA', `the certificate of ${id} is not for its key`);
}

/** All at once, so that remote ones do not wait for each other. Failures are told where the key is needed. */
async function openKeys(state: SigstoreState, { folder, ring }: OpenSigstoreOptions): Promise<void> {
  const { ca, tsa, ct, rekor, rekor2, tuf } = state;
  const used = [activeOf(ca), activeOf(tsa), ...ct, ...rekor, ...rekor2];
  const keys = [
    ...used.map(({ id, key }) => ({ id, key })),
    ...Object.values(tuf)
      .flat()
      .map((key) => ({ id: 'tuf', key })),
  ];
  await mapConcurrent(keys, 8, ({ id, key }) => openKey(id, key, folder, ring).catch(() => undefined));
}

async function openLogs(
  runtime: Runtime,
  { config, folder, ring }: OpenSigstoreOptions,
  state: SigstoreState,
  storage: LogStorage,
  onClose: (close: () => Promise<void>) => void,
): Promise<OpenedLogs> {
  const room: LogRoom = {
    runtime,
    storage,
    pins: config.pins ?? folder.pins,
    pendingEntries: config.limits.pendingEntries,
    witnesses:
      config.witnesses.length === 0
        ? undefined
        : {
            witnesses: config.witnesses.map(({ url, key }) => ({ url, verifier: parseVerifierKey(key) })),
            quorum: config.witnessQuorum,
          },
  };
  const logSigner = (record: LogRecord): Promise<Signer> =>
    openKey(record.id, record.key, folder, ring).catch((error: unknown) => {
      if (record.end === undefined) throw error;
      return missingSigner(record, error, runtime);
    });
  const all = async (kind: LogKind): Promise<readonly OpenedLog[]> => {
    const logs = await Promise.all(
      state[kind].map(async (record) => ({
        record,
        signer: servingSigner(record.id, await logSigner(record), runtime),
      })),
    );
    const opened = await openLogsOf(kind, logs, room);
    for (const { log } of opened) onClose(() => log.close());
    return opened;
  };
  return { ct: await all('ct'), rekor: await all('rekor'), rekor2: await all('rekor2') };
}

/** The key of a retired log that cannot be opened: what it signed already is still served, and nothing else. */
function missingSigner({ id, key }: LogRecord, cause: unknown, runtime: Runtime): Signer {
  const why = cause instanceof Error ? cause.message : 'something unforeseen';
  const message = `the key of the retired log ${id} cannot be used, and its entries have no signed entry timestamp: ${why}`;
  runtime.log({ level: 'warn', event: 'key.failure', message, fields: { key: id } });
  return {
    publicKey: logKey({ id, key }),
    async sign() {
      throw new BoltsealError('ERR_SERVER_BUSY', `the key ${id} is not here`, { cause });
    },
  };
}

interface Development {
  readonly issuer: IssuerConfig;
  readonly mounts: readonly Mount[];
  readonly others: readonly OtherMount[];
  close(): Promise<void>;
}

/** What a development server has besides: an issuer that believes everybody, and a registry. */
async function openDevelopment(
  runtime: Runtime,
  folder: DataFolder,
  urls: Readonly<Record<ServiceName, string>>,
): Promise<Development> {
  const issuer = urls.ca;
  // Tokens need not outlive the process.
  const oidc = await createOidc(runtime, { issuer, key: await newPrivateKey('rsa-2048') });
  const registry = createRegistry(runtime, { storage: folderStorage(folder.registry) });
  return {
    issuer: { url: issuer, type: 'email', audience: 'sigstore' },
    mounts: [{ prefix: '', service: oidc, cors: false }],
    others: [{ name: 'registry', prefix: '/v2', server: registry }],
    close: () => registry.close(),
  };
}
