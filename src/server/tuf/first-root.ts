/** The first root of a repository: given, found, or made. */
import { BoltsealError } from '../../core/errors.ts';
import type { Signer } from '../../keys/signer.ts';
import {
  checkSigned,
  expiryOf,
  invalid,
  missingSignatures,
  parseMetadata,
  type RoleKeys,
  rootJson,
  signMetadata,
  type TufDocument,
  type TufRole,
  tufRoles,
} from './metadata.ts';
import { canSign, expiryIn } from './signing.ts';
import type { TufRepositoryOptions } from './tuf-repository.ts';

/** Keys and threshold of a role whose signers are all at hand. */
export function roleOf(signers: readonly Signer[], threshold = 1): RoleKeys {
  return { keys: signers.map(({ publicKey }) => publicKey), threshold };
}

/**
 * The first root of a repository, signed by `signers` if there are any; more signatures are added by `addSignatures`.
 * Throws `ERR_KEY_UNSUPPORTED`, and `ERR_SERVER_CONFIG` for thresholds that cannot be.
 */
export async function createFirstRoot(
  roles: Readonly<Record<TufRole, RoleKeys>>,
  expires: Date,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  return (await signMetadata(rootJson(1, expires, roles), signers)).bytes;
}

/**
 * The root that was given, or one that a start which was cut off has left, or a new one. Throws `ERR_SERVER_CONFIG` when
 * its keys are missing, and `ERR_TUF_METADATA_INVALID` when the one given cannot be a first root.
 */
export async function firstRoot(
  options: TufRepositoryOptions,
  found: Uint8Array | undefined,
  now: Date,
): Promise<TufDocument<'root'>> {
  const { thresholds = {}, expires, signers } = options;
  if (options.firstRoot !== undefined) return parseFirstRoot(options.firstRoot, now);
  const { root: keys = [], targets = [], snapshot = [], timestamp = [] } = signers;
  if (keys.length === 0) {
    throw new BoltsealError('ERR_SERVER_CONFIG', 'the first start of a TUF repository needs the root keys', {
      hint: 'Bring them for this start, or make the first root where they are, and give it.',
    });
  }
  if (found !== undefined) {
    const root = parseMetadata('root', found, '1.root.json');
    const isOurs = tufRoles.every((role) => canSign(root, role, signers));
    if (isOurs && missingSignatures(root, 'root', root) === 0) return root;
  }
  const roles = {
    root: roleOf(keys, thresholds.root),
    targets: roleOf(targets, thresholds.targets),
    snapshot: roleOf(snapshot),
    timestamp: roleOf(timestamp),
  };
  return await signMetadata(rootJson(1, expiryIn({ now, expires }, 'root'), roles), keys);
}

function parseFirstRoot(bytes: Uint8Array, now: Date): TufDocument<'root'> {
  const what = 'the first root';
  const root = parseMetadata('root', bytes, what);
  const { version, consistentSnapshot } = root.metadata.signed;
  if (version !== 1) throw invalid(what, 'it is not version 1');
  if (!consistentSnapshot) throw invalid(what, 'it has no consistent snapshots');
  checkSigned(root, 'root', root, what);
  if (expiryOf(root).getTime() <= now.getTime()) throw invalid(what, 'it has expired');
  return root;
}
