/** Which Sigstore is the one in use: the one that was initialised, or the public one. */
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { base64, fromBase64, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { publicMirror } from '../public-good.ts';
import { replaceFile } from './cache.ts';
import { parseMirror } from './mirror.ts';

/** A Sigstore, by its TUF repository. */
export interface TufInstance {
  /** The base URL of its repository. */
  readonly mirror: string;
  /** Root metadata to begin with; undefined is that of the public instance, of which `mirror` is a copy. */
  readonly root: Uint8Array | undefined;
}

type Environment = Pick<Runtime, 'env' | 'home'>;

const schema = 'boltseal.instance/1';

/**
 * The folder in which is kept what is trusted: `BOLTSEAL_TRUST_DIR`, else beside cosign's, which is `TUF_ROOT` or
 * `~/.sigstore/root`. It is never in cosign's, because `cosign initialize` removes all that is there. Undefined when
 * there is no home.
 */
export function trustFolder({ env, home }: Environment): string | undefined {
  const own = env['BOLTSEAL_TRUST_DIR'] ?? '';
  if (own !== '') return own;
  const cosign = (env['TUF_ROOT'] ?? '').replace(/[\\/]+$/, '');
  if (cosign !== '') return `${cosign}-boltseal`;
  return home === undefined ? undefined : join(home, '.sigstore', 'boltseal');
}

/**
 * The instance in use. cosign's `TUF_MIRROR` and `TUF_ROOT_JSON` (a path) come first, as they do there; then what
 * {@link chooseInstance} wrote; else it is the public one. A mirror without a root is one that was initialised, or a copy
 * of the public repository. Throws `ERR_TRUST` when what was written cannot be read: then it is not known which instance
 * was meant.
 */
export async function currentInstance(runtime: Environment): Promise<TufInstance> {
  const { env } = runtime;
  const folder = trustFolder(runtime);
  const chosen = folder === undefined ? undefined : await readInstance(folder);
  const [mirror = '', rootFile = ''] = [env['TUF_MIRROR'], env['TUF_ROOT_JSON']];
  if (mirror === '' && rootFile === '') return chosen ?? { mirror: publicMirror, root: undefined };
  const asked = mirror === '' ? (chosen?.mirror ?? publicMirror) : parseMirror(mirror);
  if (rootFile !== '') return { mirror: asked, root: await readRootFile(rootFile) };
  return { mirror: asked, root: chosen?.mirror === asked ? chosen.root : undefined };
}

/** The root metadata in a file. Throws `ERR_FILE_READ` and `ERR_LIMIT_EXCEEDED`. */
export async function readRootFile(path: string): Promise<Uint8Array> {
  try {
    const bytes = new Uint8Array(await readFile(path));
    if (bytes.length <= limits.tufRootBytes) return bytes;
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_READ', `the TUF root ${path} cannot be read`, { cause });
  }
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `the TUF root ${path} is too large`);
}

function instancePath(folder: string): string {
  return join(folder, 'instance.json');
}

async function readInstance(folder: string): Promise<TufInstance | undefined> {
  const path = instancePath(folder);
  try {
    const { size } = await stat(path);
    if (size > limits.tufInstanceBytes) throw new Error('it is too large');
    return parseInstance(new Uint8Array(await readFile(path)), path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BoltsealError('ERR_TRUST', `which Sigstore is in use is not known: ${path} cannot be read`, {
      cause,
      hint: 'Run `boltseal initialize` again; without flags it chooses the public one.',
    });
  }
}

function parseInstance(bytes: Uint8Array, what: string): TufInstance {
  const document = parseJson(bytes, { what, maxBytes: limits.tufInstanceBytes });
  const { schema: found, mirror, root } = isJsonObject(document) ? document : {};
  if (found !== schema || typeof mirror !== 'string' || (root !== undefined && typeof root !== 'string')) {
    throw new BoltsealError('ERR_TRUST', `${what} has not the form that Boltseal writes`);
  }
  return { mirror: parseMirror(mirror), root: root === undefined ? undefined : fromBase64(root, what) };
}

/** Makes `instance` the one in use, from the next reading on. Throws `ERR_FILE_WRITE`; then nothing has changed. */
export async function chooseInstance(
  folder: string,
  instance: TufInstance,
  runtime: Pick<Runtime, 'random'>,
): Promise<void> {
  const { mirror, root } = instance;
  const path = instancePath(folder);
  try {
    if (root === undefined && mirror === publicMirror) {
      await rm(path, { force: true });
      return;
    }
    const document = { schema, mirror, ...(root === undefined ? {} : { root: base64(root) }) };
    await replaceFile(path, utf8(`${JSON.stringify(document)}\n`), runtime, true);
  } catch (cause) {
    throw new BoltsealError('ERR_FILE_WRITE', `cannot write ${path}`, {
      cause,
      hint: 'Which Sigstore is in use did not change. BOLTSEAL_TRUST_DIR names another folder.',
    });
  }
}
