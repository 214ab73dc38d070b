/** Makes the metadata of a repository with the signers at hand. */
import { BoltsealError } from '../../core/errors.ts';
import type { Signer } from '../../keys/signer.ts';
import type { TufRecord } from './memory.ts';
import {
  commonFields,
  rootJson,
  signersOf,
  signMetadata,
  type TufDocument,
  type TufRole,
  thresholdOf,
  tufRoles,
} from './metadata.ts';
import { nextVersion } from './publish.ts';
import { type TufTarget, targetsJson } from './targets-list.ts';

/** Signers at hand for each role. Those whose keys the root does not name are not used. */
export type TufSigners = Partial<Readonly<Record<TufRole, readonly Signer[]>>>;

/** Under which circumstances metadata is signed. */
export interface SigningContext {
  readonly now: Date;
  /** How long after it was signed metadata expires, in milliseconds. */
  readonly expires: Readonly<Record<TufRole, number>>;
  readonly record: TufRecord | undefined;
  readonly signers: TufSigners;
  /** The root whose keys must sign. */
  readonly root: TufDocument<'root'>;
  /**
   * The root that is public until now. Its keys sign too when they are at hand: a client that has just read it goes on
   * with metadata that they signed.
   */
  readonly before: TufDocument<'root'> | undefined;
}

/** Both lists of signers for each role. */
export function mergeSigners(a: TufSigners, b: TufSigners): TufSigners {
  return Object.fromEntries(tufRoles.map((role) => [role, [...(a[role] ?? []), ...(b[role] ?? [])]]));
}

/** Whether enough of the keys that `root` names for `role` are at hand. */
export function canSign(root: TufDocument<'root'>, role: TufRole, signers: TufSigners): boolean {
  return signersOf(root, role, signers[role] ?? []).length >= thresholdOf(root, role);
}

/** Throws `code` unless enough of the keys that `root` names for each of `roles` are at hand. */
export function requireSigners(
  root: TufDocument<'root'>,
  signers: TufSigners,
  roles: readonly TufRole[],
  code: 'ERR_SERVER_CONFIG' | 'ERR_SERVER_DATA',
): void {
  for (const role of roles) {
    if (canSign(root, role, signers)) continue;
    throw new BoltsealError(code, `the keys at hand are not those that the TUF root names for ${role}`, {
      hint:
        code === 'ERR_SERVER_DATA'
          ? 'Bring back the old key, or give the role a new one: boltseal serve rotate'
          : 'Bring the signers of these keys.',
    });
  }
}

/** The expiry of what is signed now. */
export function expiryIn(context: Pick<SigningContext, 'now' | 'expires'>, role: TufRole): Date {
  return new Date(context.now.getTime() + context.expires[role]);
}

function signersFor({ root, before, signers }: SigningContext, role: TufRole): Signer[] {
  const list = signers[role] ?? [];
  return [...signersOf(root, role, list), ...(before === undefined ? [] : signersOf(before, role, list))];
}

function fieldsOf<Role extends Exclude<TufRole, 'root'>>(
  context: SigningContext,
  role: Role,
): ReturnType<typeof commonFields<Role>> {
  return commonFields(role, nextVersion(role, context.now, context.record), expiryIn(context, role));
}

/** `next` signed by every signer at hand whose key it, or the `current` root, names for root. */
export async function signRoot(
  next: ReturnType<typeof rootJson>,
  current: TufDocument<'root'>,
  signers: TufSigners,
): Promise<TufDocument<'root'>> {
  const list = signers.root ?? [];
  const unsigned = await signMetadata(next, []);
  return await signMetadata(next, [
    ...signersOf(current, 'root', list),
    ...signersOf(unsigned, 'root', list),
  ]);
}

/** The root with the same keys and a later expiry, or undefined when its keys are not at hand. */
export async function renewRoot(context: SigningContext): Promise<TufDocument<'root'> | undefined> {
  const { root, signers } = context;
  if (!canSign(root, 'root', signers)) return undefined;
  const next = rootJson(root.metadata.signed.version + 1, expiryIn(context, 'root'), {}, root);
  return await signRoot(next, root, signers);
}

/** Metadata that names `targets`, signed by the signers at hand, which may be too few. */
export function signTargets(
  context: SigningContext,
  targets: readonly TufTarget[],
): Promise<TufDocument<'targets'>> {
  const { version, expires } = fieldsOf(context, 'targets');
  return signMetadata(targetsJson(version, new Date(expires), targets), signersFor(context, 'targets'));
}

/** Metadata that names the same targets and expires later. */
export function renewTargets(
  context: SigningContext,
  old: TufDocument<'targets'>,
): Promise<TufDocument<'targets'>> {
  const signed = { ...old.metadata.signed.toJSON(), ...fieldsOf(context, 'targets') };
  return signMetadata(signed, signersFor(context, 'targets'));
}

/** A snapshot of these targets. */
export function signSnapshot(
  context: SigningContext,
  targets: TufDocument<'targets'>,
): Promise<TufDocument<'snapshot'>> {
  const { version } = targets.metadata.signed;
  const signed = { ...fieldsOf(context, 'snapshot'), meta: { 'targets.json': { version } } };
  return signMetadata(signed, signersFor(context, 'snapshot'));
}

/** A timestamp of this snapshot. */
export function signTimestamp(
  context: SigningContext,
  snapshot: TufDocument<'snapshot'>,
): Promise<TufDocument<'timestamp'>> {
  const { version } = snapshot.metadata.signed;
  const signed = { ...fieldsOf(context, 'timestamp'), meta: { 'snapshot.json': { version } } };
  return signMetadata(signed, signersFor(context, 'timestamp'));
}
