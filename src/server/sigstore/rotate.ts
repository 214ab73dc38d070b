/** Replacing keys of a private Sigstore. What is retired stays in the trust root: what it signed still verifies. */
import { utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { Runtime } from '../../core/runtime.ts';
import { parseCertificate } from '../../formats/certificate.ts';
import { parsePem } from '../../formats/pem.ts';
import type { Signer } from '../../keys/signer.ts';
import type { TufRole } from '../tuf/metadata.ts';
import { roleOf } from '../tuf/repository.ts';
import type { TufSigners } from '../tuf/signing.ts';
import type { TufStorage } from '../tuf/storage.ts';
import { checkDistinctKeys, withConfiguredKeys } from './configured-keys.ts';
import { type Made, newAuthority, newKey, newLog, type Workshop } from './create.ts';
import { type DataFolder, readState, replaceState } from './folder.ts';
import { openKey } from './keys.ts';
import {
  type AuthorityRecord,
  activeOf,
  type InstanceKind,
  type KeyRecord,
  type LogRecord,
  type SigstoreState,
  type TufKeyRole,
} from './state.ts';
import { openStorage } from './storage.ts';
import { openTrust } from './trust.ts';

/** What can be replaced. */
export type Rotatable = InstanceKind | 'tuf-root' | 'tuf-targets' | 'tuf-online';

/** What a rotation needs. */
export interface RotationOptions extends Workshop {
  readonly runtime: Runtime;
  readonly folder: DataFolder;
}

/** What a rotation did. */
export interface Rotation {
  /** The new one: `rekor-2`, or a role of TUF. */
  readonly id: string;
  /** The one it replaces. */
  readonly retired: string;
  /** Whether clients find it already: not when a TUF key is kept elsewhere. */
  readonly isPublished: boolean;
}

/**
 * Replaces one key. The Sigstore must not be running on the data folder. Throws `ERR_SERVER_DATA` when it is, or was
 * never made, `ERR_SERVER_CONFIG` when the configuration still names the key in use, and what key providers and the TUF
 * repository throw.
 */
export async function rotateSigstore(kind: Rotatable, options: RotationOptions): Promise<Rotation> {
  const { config, folder, runtime } = options;
  const storage = await openStorage(runtime, config, folder);
  try {
    const state = await readState(folder);
    if (state === undefined) {
      throw new BoltsealError('ERR_SERVER_DATA', `there is no Sigstore in ${folder.path}`, {
        hint: 'Start it once: boltseal serve --data DIR',
      });
    }
    return kind.startsWith('tuf-')
      ? await rotateTufKey(kind.slice('tuf-'.length) as TufKeyRole, state, options, storage.tuf)
      : await rotateInstance(kind as InstanceKind, state, options, storage.tuf);
  } finally {
    await storage.close();
  }
}

async function rotateInstance(
  kind: InstanceKind,
  state: SigstoreState,
  options: RotationOptions,
  storage: TufStorage,
): Promise<Rotation> {
  const number = state[kind].length + 1;
  const { made, files } = await newInstance(kind, number, state, options);
  const end = options.runtime.now().toISOString();
  const records = state[kind].map((record) => (record.end === undefined ? { ...record, end } : record));
  const next: SigstoreState = { ...state, [kind]: [...records, made] };
  checkDistinctKeys(next);
  await replaceState(options.folder, next, files, suffix(options));
  const { isCurrent } = await openTrust(options.runtime, trustParts(kind, next, options, storage));
  return {
    id: made.id,
    retired: activeOf<LogRecord | AuthorityRecord>(state[kind]).id,
    isPublished: isCurrent,
  };
}

async function newInstance(
  kind: InstanceKind,
  number: number,
  state: SigstoreState,
  options: RotationOptions,
): Promise<Made<AuthorityRecord | LogRecord>> {
  if (kind !== 'ca' && kind !== 'tsa') return newLog(kind, number, options);
  const { key, certificate } = openable(kind, state, options).root;
  const der = parsePem(utf8(certificate), 'the root certificate')[0]?.der ?? new Uint8Array(0);
  const signer = await openKey('root', key, options.folder, options.ring);
  return newAuthority(kind, number, { certificate: parseCertificate(der), signer }, certificate, options);
}

const tufRoles: Readonly<Record<TufKeyRole, readonly TufRole[]>> = {
  root: ['root'],
  targets: ['targets'],
  online: ['snapshot', 'timestamp'],
};

/**
 * The state knows the new key before the repository does, and forgets the old one after: whenever this is interrupted,
 * the next start has the keys it needs.
 */
async function rotateTufKey(
  role: TufKeyRole,
  state: SigstoreState,
  options: RotationOptions,
  storage: TufStorage,
): Promise<Rotation> {
  const { runtime, folder } = options;
  const id = `tuf-${role}-${nextNumber(state.tuf[role])}`;
  const key = await newKey(id, `tuf-${role}`, options);
  if (state.tuf[role].some(({ publicKey }) => publicKey === key.record.publicKey)) {
    throw new BoltsealError('ERR_SERVER_CONFIG', `keys.tuf-${role} still names the key in use`, {
      hint: 'Name the new one in the configuration, or none: then one is made.',
    });
  }
  const withKeys = (records: readonly KeyRecord[]): SigstoreState => ({
    ...state,
    tuf: { ...state.tuf, [role]: records },
  });
  const both = withKeys([...state.tuf[role], key.record]);
  await replaceState(folder, both, key.files, suffix(options));
  const { repository } = await openTrust(runtime, trustParts(`tuf-${role}`, both, options, storage));
  const roles = Object.fromEntries(tufRoles[role].map((name) => [name, roleOf([key.signer])]));
  const signers: TufSigners = Object.fromEntries(tufRoles[role].map((name) => [name, [key.signer]]));
  const result = await repository.rotate({ roles, signers });
  const retired = `the last key of tuf-${role}`;
  if (result.status === 'unsigned') {
    throw new BoltsealError(
      'ERR_SERVER_CONFIG',
      'the new TUF root needs the signature of a root key that is not here',
      {
        hint: 'Bring back the key file of the root role for this one command.',
      },
    );
  }
  await replaceState(folder, withKeys([key.record]), [], suffix(options));
  return { id, retired, isPublished: true };
}

function nextNumber(records: readonly KeyRecord[]): number {
  const numbers = records.map(({ file }) => Number(/-(\d+)\.key$/.exec(file ?? '')?.[1] ?? 0));
  return Math.max(records.length, ...numbers) + 1;
}

/** `state` for opening its keys: but that which is replaced, each is where the configuration says. Not to be stored. */
function openable(kind: Rotatable, state: SigstoreState, { config }: RotationOptions): SigstoreState {
  const { [kind]: _replaced, ...others } = config.keys;
  return withConfiguredKeys(state, others);
}

function trustParts(
  kind: Rotatable,
  state: SigstoreState,
  options: RotationOptions,
  storage: TufStorage,
): Parameters<typeof openTrust>[1] {
  const { config, folder, urls, ring } = options;
  const key = (id: string, record: KeyRecord): Promise<Signer> => openKey(id, record, folder, ring);
  return {
    config,
    storage,
    state: openable(kind, state, options),
    urls,
    openKey: key,
    isDevelopment: false,
  };
}

function suffix({ runtime }: RotationOptions): string {
  return Buffer.from(runtime.random(6)).toString('hex');
}
