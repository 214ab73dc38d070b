/** Libraries that only some kinds of keys need: they are not installed with Boltseal, and imported when first used. */
import { BoltsealError } from '../core/errors.ts';

/** A library that is installed beside Boltseal by those who need it. */
export interface Peer {
  /** Its name on npm. */
  readonly name: string;
  /** The versions that work: `^2.1.7`. */
  readonly versions: string;
  /** What needs it: `PKCS#11 keys`. */
  readonly user: string;
}

/**
 * The library `peer`, imported by `load`. Throws `ERR_KEY_PEER` with the command that installs it, or that repairs it.
 */
export async function importPeer<T>(
  peer: Peer,
  load: () => Promise<T> = () => import(peer.name) as Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw isMissing(cause, peer.name) ? missing(peer) : broken(peer, cause);
  }
}

/** Whether it is `name` itself that is not there, and not something that it needs. */
function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  const isNotFound = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
  return (
    isNotFound &&
    error.message.startsWith(
      `Cannot find ${error.code === 'MODULE_NOT_FOUND' ? 'module' : 'package'} '${name}'`,
    )
  );
}

function missing({ name, versions, user }: Peer): BoltsealError {
  return new BoltsealError('ERR_KEY_PEER', `${user} need the package ${name}, which is not installed`, {
    hint: `Install it beside Boltseal: npm install '${name}@${versions}' (with -g if Boltseal was).`,
  });
}

function broken({ name, versions, user }: Peer, cause: unknown): BoltsealError {
  return new BoltsealError('ERR_KEY_PEER', `${user} need the package ${name}, which cannot be loaded`, {
    cause,
    hint: `Build or install it anew: npm rebuild ${name}, or npm install '${name}@${versions}'.`,
  });
}
