/** Keys that the configuration names, when it no longer says what it said as they were taken. */
import { BoltsealError } from '../../core/errors.ts';
import type { KeyRole, SigstoreConfig } from '../config/config.ts';
import { instanceKinds, type KeyRecord, type SigstoreState, tufKeyRoles } from './state.ts';

/**
 * `state` with the keys in use where `keys` says that they are now. They are still those keys, or they are not opened: a key
 * that was a file may have moved into an HSM, and an HSM may be behind another module. Not to be stored.
 */
export function withConfiguredKeys(state: SigstoreState, keys: SigstoreConfig['keys']): SigstoreState {
  const moved = (role: KeyRole, record: KeyRecord): KeyRecord => {
    const reference = keys[role];
    if (reference === undefined || reference === record.reference) return record;
    return { reference, publicKey: record.publicKey };
  };
  // The last one is in use.
  const lastOf = <T>(records: readonly T[], change: (record: T) => T): readonly T[] =>
    records.map((record, index) => (index === records.length - 1 ? change(record) : record));
  const instances = instanceKinds.map((kind) => [
    kind,
    lastOf<{ readonly key: KeyRecord }>(state[kind], (one) => ({ ...one, key: moved(kind, one.key) })),
  ]);
  const tuf = tufKeyRoles.map((role) => [
    role,
    lastOf(state.tuf[role], (record) => moved(`tuf-${role}`, record)),
  ]);
  return {
    ...state,
    ...(Object.fromEntries(instances) as Pick<SigstoreState, 'ca' | 'tsa' | 'ct' | 'rekor' | 'rekor2'>),
    root: { ...state.root, key: moved('root', state.root.key) },
    tuf: Object.fromEntries(tuf) as SigstoreState['tuf'],
  };
}

/**
 * Throws `ERR_SERVER_CONFIG` when a key of an authority or a log is there twice, in use or retired: clients find a log by its
 * key, and two logs with one key contradict each other.
 */
export function checkDistinctKeys(state: SigstoreState): void {
  const seen = new Map<string, string>([[state.root.key.publicKey, 'root']]);
  for (const { id, key } of instanceKinds.flatMap((kind): readonly { id: string; key: KeyRecord }[] => [
    ...state[kind],
  ])) {
    const other = seen.get(key.publicKey);
    if (other !== undefined) {
      throw new BoltsealError('ERR_SERVER_CONFIG', `the key for ${id} is already that of ${other}`, {
        hint: 'Every authority and every log has a key of its own: name another one in `keys`.',
      });
    }
    seen.set(key.publicKey, id);
  }
}
