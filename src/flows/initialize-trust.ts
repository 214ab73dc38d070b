/** Chooses the Sigstore that is used from now on. */
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../core/digest.ts';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { Runtime } from '../core/runtime.ts';
import { publicGood, publicMirror } from '../services/public-good.ts';
import { type RefreshedTrust, refreshTrust } from '../services/tuf/client.ts';
import type { TufRole } from '../services/tuf/document.ts';
import { chooseInstance, readRootFile, trustFolder } from '../services/tuf/instance.ts';
import { downloadFile, parseMirror } from '../services/tuf/mirror.ts';
import { readPinnedRoot } from '../services/tuf/repository.ts';
import { type LoadedTrust, trustOfTargets } from './trust-documents.ts';

/** What {@link initializeTrust} is told. */
export interface InitializeOptions {
  /** The base URL of a TUF repository; that of the public instance by default. */
  readonly mirror?: string | undefined;
  /** The path or URL of its root metadata; by default that of the public instance, of which `mirror` is a copy then. */
  readonly root?: string | undefined;
  /** The digest that the root must have: hexadecimal SHA-256, or `sha256:` or `sha512:` and that. */
  readonly rootChecksum?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The instance that is in use now. */
export interface InitializedTrust extends LoadedTrust {
  readonly mirror: string;
  /** Whether it is the public one. */
  readonly isPublic: boolean;
  readonly versions: Readonly<Record<TufRole, number>>;
  readonly expires: Readonly<Record<TufRole, Date>>;
}

/**
 * Asks the TUF repository of an instance, verifies all of it from a root that the caller trusts, keeps it, and makes that
 * instance the one in use. A root is never trusted because it was found at the address: it is a file, has the checksum
 * that the caller gives, or is the embedded one. When anything fails, nothing has changed.
 *
 * Throws `ERR_USAGE` for a root at a URL without a checksum, `ERR_DIGEST_MISMATCH` when it has another, `ERR_FILE_READ`,
 * `ERR_FILE_WRITE`, `ERR_SERVICE_INSECURE` for plain http to another machine, and what `refreshTrust` and
 * `parseTrustedRoot` throw.
 */
export async function initializeTrust(
  options: InitializeOptions,
  runtime: Runtime,
): Promise<InitializedTrust> {
  const mirror = options.mirror === undefined ? publicMirror : parseMirror(options.mirror);
  const folder = trustFolder(runtime);
  if (folder === undefined) {
    throw new BoltsealError('ERR_FILE_WRITE', 'there is no home folder to remember the choice in', {
      hint: 'BOLTSEAL_TRUST_DIR names a folder.',
    });
  }
  const given = await givenRoot(options, runtime);
  const root = given ?? (await publicGood()).tufRoot;
  readPinnedRoot(root);
  const { state, fetched } = await ask(mirror, root, given === undefined, { folder, options, runtime });
  const trust = trustOfTargets(state.files, { kind: 'tuf', where: mirror, fetched }, runtime);
  await chooseInstance(folder, { mirror, root: given }, runtime);
  const isPublic = given === undefined && mirror === publicMirror;
  return { ...trust, mirror, isPublic, versions: state.versions, expires: state.expires };
}

async function ask(
  mirror: string,
  root: Uint8Array,
  isEmbedded: boolean,
  { folder, options, runtime }: { folder: string; options: InitializeOptions; runtime: Runtime },
): Promise<RefreshedTrust> {
  try {
    return await refreshTrust({ mirror, root, folder, runtime, ask: 'always', signal: options.signal });
  } catch (error) {
    const isForeign =
      isEmbedded && mirror !== publicMirror && isBoltsealError(error, 'ERR_TUF_METADATA_INVALID');
    if (!isForeign) throw error;
    throw new BoltsealError('ERR_TUF_METADATA_INVALID', `${mirror} is no copy of the public repository`, {
      cause: error,
      hint: 'Give the root of what it is: --root FILE, or --root URL with --root-checksum.',
    });
  }
}

async function givenRoot(
  { root, rootChecksum, signal }: InitializeOptions,
  runtime: Runtime,
): Promise<Uint8Array | undefined> {
  const checksum = rootChecksum === undefined ? undefined : parseChecksum(rootChecksum);
  if (root === undefined) {
    if (checksum === undefined) return undefined;
    throw new BoltsealError('ERR_USAGE', 'a checksum is given, and no root that must have it');
  }
  const isUrl = /^https?:\/\//i.test(root);
  if (isUrl && checksum === undefined) {
    throw new BoltsealError('ERR_USAGE', 'a root from a URL is only trusted with its checksum', {
      hint: 'Give --root-checksum SHA256, from whoever runs the instance; or a file that came a way you trust.',
    });
  }
  const bytes = isUrl
    ? await downloadFile(root, limits.tufRootBytes, { runtime, budget: limits.tufTime, signal })
    : await readRootFile(root);
  if (checksum !== undefined && digestOf(bytes, digestAlgorithm(checksum)) !== checksum) {
    throw new BoltsealError('ERR_DIGEST_MISMATCH', `the root ${root} does not have the checksum given`, {
      hint: 'Do not go on with it: ask whoever runs the instance for root and checksum.',
    });
  }
  return bytes;
}

function parseChecksum(text: string): Digest {
  const digest = (text.includes(':') ? text : `sha256:${text}`).toLowerCase();
  if (isDigest(digest)) return digest;
  throw new BoltsealError('ERR_USAGE', 'the checksum of the root is no SHA-256 in hexadecimal');
}
