/** What a client knows of a TUF repository, and until when that holds. */
import { BoltsealError } from '../../core/errors.ts';
import { type TufRole, tufRoles } from './document.ts';

/** A repository as bytes. */
export interface TufDocuments {
  /** The roots between the pinned one and the newest, in order, the newest last. */
  readonly roots: readonly Uint8Array[];
  readonly timestamp: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly targets: Uint8Array;
  /** Target files by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A repository that was verified. Whether it has expired is asked apart. */
export interface TufState extends TufDocuments {
  /** The newest root. */
  readonly root: Uint8Array;
  readonly versions: Readonly<Record<TufRole, number>>;
  readonly expires: Readonly<Record<TufRole, Date>>;
}

/** The roles whose metadata has expired at `now`. */
export function expiredRoles({ expires }: Pick<TufState, 'expires'>, now: Date): readonly TufRole[] {
  return tufRoles.filter((role) => now.getTime() >= expires[role].getTime());
}

/** Throws `ERR_TUF_EXPIRED` when any of the metadata of `place` has expired at `now`. */
export function requireNotExpired(state: Pick<TufState, 'expires'>, now: Date, place: string): void {
  const [role] = expiredRoles(state, now);
  if (role === undefined) return;
  throw new BoltsealError(
    'ERR_TUF_EXPIRED',
    `the ${role} metadata of ${place} expired at ${state.expires[role].toISOString()}`,
    { hint: 'Is the clock of this machine right? If it is, whoever runs the repository must sign it again.' },
  );
}
