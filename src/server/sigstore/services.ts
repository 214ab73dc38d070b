/** The services of a private Sigstore, made of its state, its keys and its open logs. */
import { utf8 } from '../../core/encoding.ts';
import type { Fetch, Runtime } from '../../core/runtime.ts';
import { logIdOf } from '../../formats/note-keys.ts';
import { parsePem } from '../../formats/pem.ts';
import type { Signer } from '../../keys/signer.ts';
import { admitCertificates } from '../app/rate-limit.ts';
import type { Mount } from '../app/router.ts';
import { createCa } from '../ca/ca.ts';
import type { CaIssuers, IssuerConfig } from '../ca/issuers.ts';
import { type MountPoint, mountPoints, type ServiceName, type SigstoreConfig } from '../config/config.ts';
import { createCtLog } from '../ct/ct-log.ts';
import { createCtService } from '../ct/ct-service.ts';
import type { Service } from '../http/service.ts';
import { createRekorV1 } from '../rekor/rekor-v1.ts';
import { createRekorV2 } from '../rekor/rekor-v2.ts';
import { createTimestampAuthority } from '../tsa/timestamp-authority.ts';
import type { OpenedLog } from './logs.ts';
import { type AuthorityRecord, activeOf, type SigstoreState } from './state.ts';

/** Every log of a Sigstore, oldest first; the last of each kind takes entries. */
export interface OpenedLogs {
  readonly ct: readonly OpenedLog[];
  readonly rekor: readonly OpenedLog[];
  readonly rekor2: readonly OpenedLog[];
}

/** What services are made of. */
export interface ServiceParts {
  readonly runtime: Runtime;
  readonly config: SigstoreConfig;
  readonly state: SigstoreState;
  readonly logs: OpenedLogs;
  readonly signers: { readonly ca: Signer; readonly tsa: Signer };
  /** Whose tokens get certificates. */
  readonly issuers: CaIssuers;
  /** Asks an issuer for its keys. */
  readonly fetchFor: (issuer: IssuerConfig) => Fetch;
  readonly allowHttp: boolean;
}

/** The chain of an authority, DER, its own certificate first. */
export function chainOf(record: AuthorityRecord): readonly Uint8Array[] {
  return parsePem(utf8(record.chain), `the chain of ${record.id}`).map(({ der }) => der);
}

/** The certificate authority, logs and timestamp authority, each at its places. */
export function sigstoreMounts(parts: ServiceParts): readonly Mount[] {
  const { runtime, config, state, logs, signers } = parts;
  const at = (name: ServiceName, service: Service, below = ''): Mount[] =>
    mountPoints(config, name).map(({ prefix, ...rest }: MountPoint) => ({
      ...rest,
      prefix: prefix + below,
      service,
    }));
  const chains = state.ca.map(chainOf);
  const ctLogs = logs.ct.map((opened) => ({ opened, ct: ctOf(opened, chains) }));
  const ct = activeOf(ctLogs).ct;
  const ca = createCa(runtime, {
    signer: signers.ca,
    chain: activeOf(chains),
    retiredChains: chains.slice(0, -1),
    ct,
    issuers: parts.issuers,
    allowHttp: parts.allowHttp,
    lifetime: config.certificateLifetime,
    fetchFor: parts.fetchFor,
    admit: admitCertificates(runtime, config.limits.certificatesPerMinute),
  });
  const tsa = createTimestampAuthority(runtime, {
    signer: signers.tsa,
    chain: chainOf(activeOf(state.tsa)),
  });
  const rekor = createRekorV1({
    shards: logs.rekor.map(({ record, log, signer, skipped }) => ({
      treeId: BigInt(record.treeId ?? 0),
      log,
      signer,
      skipped,
    })),
  });
  return [
    ...at('ca', ca),
    ...at('tsa', tsa),
    ...at('rekor', rekor),
    ...logs.rekor2.flatMap((opened) => at('rekor2', rekor2Of(opened, config), below(opened))),
    ...ctLogs.flatMap(({ opened, ct }) => at('ct', createCtService(runtime, { ct }), below(opened))),
  ];
}

/** Where a retired log can still be read, below the place of the one in use. */
function below({ record }: OpenedLog): string {
  return record.end === undefined ? '' : `/${record.id}`;
}

function ctOf(opened: OpenedLog, chains: readonly (readonly Uint8Array[])[]): ReturnType<typeof createCtLog> {
  return createCtLog({ log: opened.log, signer: opened.signer, chains });
}

function rekor2Of(opened: OpenedLog, config: SigstoreConfig): Service {
  return createRekorV2({
    log: opened.log,
    logId: logIdOf(opened.record.origin, opened.publicKey),
    allowDsse: config.rekor2AllowDsse,
    frozen: opened.record.end !== undefined,
  });
}
