/** What clients of a private Sigstore trust, published by TUF: made of its state, and signed again when that changes. */
import { isBoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import type { Signer } from '../../keys/signer.ts';
import type { ServiceName, SigstoreConfig } from '../config/config.ts';
import { openTufRepository } from '../tuf/repository.ts';
import type { TufSigners } from '../tuf/signing.ts';
import type { TufStorage } from '../tuf/storage.ts';
import {
  type AuthorityInstance,
  buildTargets,
  type InstancePeriod,
  type LogInstance,
  type SigstoreInstances,
} from '../tuf/targets.ts';
import type { TufRepository } from '../tuf/tuf-repository.ts';
import { logKey } from './logs.ts';
import { chainOf } from './services.ts';
import type { AuthorityRecord, KeyRecord, LogRecord, SigstoreState } from './state.ts';

/** What {@link openTrust} needs. */
export interface TrustParts {
  readonly config: SigstoreConfig;
  readonly storage: TufStorage;
  readonly state: SigstoreState;
  /** Public base URLs, which services in use are published under. */
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly openKey: (id: string, record: KeyRecord) => Promise<Signer>;
  readonly isDevelopment: boolean;
}

/** What clients trust. */
export interface Trust {
  readonly repository: TufRepository;
  /** Whether it says what the state says. */
  readonly isCurrent: boolean;
}

/**
 * Opens the TUF repository and publishes what the state says. The keys of root and targets may be kept elsewhere: then a
 * change waits, and the log says so (`tuf.unsigned`). Throws what the repository and key providers throw.
 */
export async function openTrust(runtime: Runtime, parts: TrustParts): Promise<Trust> {
  const { config, storage, state } = parts;
  const { root, targets, online } = state.tuf;
  const onlineSigners = await Promise.all(online.map((record) => parts.openKey('tuf-online', record)));
  const signers: TufSigners = {
    root: await atHand(runtime, 'tuf-root', root, parts),
    targets: await atHand(runtime, 'tuf-targets', targets, parts),
    snapshot: onlineSigners,
    timestamp: onlineSigners,
  };
  const { rootExpires, targetsExpires, snapshotExpires, timestampExpires, resignEvery } = config.tuf;
  const repository = await openTufRepository(runtime, {
    storage,
    signers,
    expires: {
      root: rootExpires,
      targets: targetsExpires,
      snapshot: snapshotExpires,
      timestamp: timestampExpires,
    },
    resignEvery,
  });
  const { status } = await repository.setTargets(buildTargets(instancesOf(parts)));
  if (status === 'unsigned') {
    runtime.log({
      level: 'warn',
      event: 'tuf.unsigned',
      message:
        'what clients trust is not published as it is now: the key of the TUF targets role is not here. Bring it back for one start.',
    });
  }
  return { repository, isCurrent: status !== 'unsigned' };
}

/** The signers of a role whose keys may be elsewhere. */
async function atHand(
  runtime: Runtime,
  id: string,
  records: readonly KeyRecord[],
  parts: TrustParts,
): Promise<readonly Signer[]> {
  const found: Signer[] = [];
  for (const record of records) {
    try {
      found.push(await parts.openKey(id, record));
    } catch (error) {
      if (!isBoltsealError(error, 'ERR_KEY_NOT_FOUND')) throw error;
      const message = `a key ${id} is not here; what it signs cannot be changed or renewed`;
      runtime.log({ level: 'info', event: 'tuf.key-elsewhere', message });
    }
  }
  return found;
}

/** Everything of a state as the trust root wants it. Services in use are under their present URLs. */
export function instancesOf({
  state,
  urls,
  config,
  isDevelopment,
}: Omit<TrustParts, 'openKey' | 'storage'>): SigstoreInstances {
  const authority =
    (kind: 'ca' | 'tsa') =>
    (record: AuthorityRecord): AuthorityInstance => ({
      url: record.end === undefined ? urls[kind] : record.url,
      chain: chainOf(record),
      validFor: periodOf(record),
    });
  const log =
    (kind: 'ct' | 'rekor' | 'rekor2') =>
    (record: LogRecord): LogInstance => ({
      url: record.end === undefined ? urls[kind] : record.url,
      publicKey: logKey(record),
      validFor: periodOf(record),
      ...(kind === 'rekor2' ? { origin: record.origin } : {}),
    });
  const created = { start: new Date(state.created) };
  const interactive = config.issuers.filter(({ type }) => type === 'email').map(({ url }) => url);
  return {
    operator: state.organization,
    certificateAuthorities: state.ca.map(authority('ca')),
    timestampAuthorities: state.tsa.map(authority('tsa')),
    ctLogs: state.ct.map(log('ct')),
    rekorLogs: state.rekor.map(log('rekor')),
    rekor2Logs: state.rekor2.map(log('rekor2')),
    issuers: (isDevelopment ? [urls.ca] : interactive.slice(0, 1)).map((url) => ({ url, validFor: created })),
  };
}

function periodOf({ start, end }: AuthorityRecord | LogRecord): InstancePeriod {
  return { start: new Date(start), ...(end === undefined ? {} : { end: new Date(end) }) };
}
