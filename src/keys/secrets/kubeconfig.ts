/**
 * Kubeconfig files: which cluster, and as whom. Found and merged as kubectl does it.
 * {@link https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/}
 */
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { fromUtf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';

/** An entry of a kubeconfig, and where it stands: relative paths in it start there. */
export interface KubeconfigEntry {
  readonly fields: JsonObject;
  /** The file it is in. */
  readonly file: string;
}

/** The cluster and the user of the current context. */
export interface KubeconfigContext {
  readonly name: string;
  readonly cluster: KubeconfigEntry;
  /** Undefined when the context names none. */
  readonly user: KubeconfigEntry | undefined;
}

/**
 * The current context of the files in `KUBECONFIG`, else of `~/.kube/config`; undefined when there is no such file, or
 * nothing in them. Where files have something of one name, the first one counts. Throws `ERR_FILE_READ`, and
 * `ERR_KEY_ACCESS` for what is malformed or incomplete. No error shows what stands in a file: there are secrets in it.
 */
export async function currentContext(
  runtime: Pick<Runtime, 'env' | 'home'>,
): Promise<KubeconfigContext | undefined> {
  const files: Kubeconfig[] = [];
  for (const path of kubeconfigPaths(runtime)) {
    const content = await readIfThere(path);
    if (content !== undefined) files.push(await parse(content, path));
  }
  const named = files
    .map(({ fields }) => fields['current-context'])
    .find((name) => name !== undefined && name !== '');
  if (typeof named !== 'string') {
    if (files.every(({ fields }) => listOf(fields['clusters']).length === 0)) return undefined;
    throw incomplete('no current context is chosen', 'Choose one: kubectl config use-context NAME');
  }
  const context = find(files, 'contexts', 'context', named);
  const { cluster, user } = context.fields;
  return {
    name: named,
    cluster: find(files, 'clusters', 'cluster', nameIn(cluster, 'cluster', named)),
    user:
      user === undefined || user === ''
        ? undefined
        : find(files, 'users', 'user', nameIn(user, 'user', named)),
  };
}

/** The text field `name` of an entry; undefined when it is absent or empty. Throws `ERR_KEY_ACCESS`. */
export function textField({ fields, file }: KubeconfigEntry, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw incomplete(`${name} is no text`, `See the file ${file}.`);
}

/** The content of the file that the field `name` points at; undefined when there is no such field. Throws `ERR_FILE_READ`. */
export async function fileField(entry: KubeconfigEntry, name: string): Promise<string | undefined> {
  const path = textField(entry, name);
  return path === undefined ? undefined : await readText(besideFile(entry, path));
}

/** `path` as it is meant in `entry`. */
export function besideFile({ file }: KubeconfigEntry, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

/** The text of a file with credentials. Throws `ERR_FILE_READ` and `ERR_LIMIT_EXCEEDED`. */
export async function readText(path: string): Promise<string> {
  const content = await readIfThere(path);
  if (content !== undefined) return fromUtf8(content, path);
  throw new BoltsealError('ERR_FILE_READ', `there is no file ${path}, which the kubeconfig names`);
}

/** The error for a kubeconfig that does not lead to a cluster. */
export function incomplete(why: string, hint: string): BoltsealError {
  return new BoltsealError('ERR_KEY_ACCESS', `the kubeconfig leads to no cluster: ${why}`, { hint });
}

interface Kubeconfig {
  readonly fields: JsonObject;
  readonly file: string;
}

function kubeconfigPaths({ env, home }: Pick<Runtime, 'env' | 'home'>): readonly string[] {
  const variable = env['KUBECONFIG'];
  if (variable !== undefined && variable !== '')
    return variable.split(delimiter).filter((path) => path !== '');
  return home === undefined ? [] : [join(home, '.kube', 'config')];
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  let content: Uint8Array;
  try {
    content = await readFile(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new BoltsealError('ERR_FILE_READ', `the file ${path} cannot be read`, {
      cause,
      hint: 'May the user that runs this read it (ls -l)?',
    });
  }
  if (content.length <= limits.keyCredentialsBytes) return content;
  throw new BoltsealError('ERR_LIMIT_EXCEEDED', `${path} has more than ${limits.keyCredentialsBytes} bytes`);
}

async function parse(content: Uint8Array, file: string): Promise<Kubeconfig> {
  const { parseDocument } = await import('yaml');
  const text = fromUtf8(content, file);
  let value: unknown;
  try {
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' });
    value = document.errors.length === 0 ? document.toJS({ maxAliasCount: 100 }) : undefined;
  } catch {
    // What the parser says may quote the text.
    value = undefined;
  }
  if (text.trim() === '') value = {};
  if (isJsonObject(value as Json)) return { fields: value as JsonObject, file };
  throw incomplete(`${file} is not YAML with fields`, 'See what is wrong with: kubectl config view');
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((one): one is JsonObject => isJsonObject(one)) : [];
}

function find(files: readonly Kubeconfig[], list: string, kind: string, name: string): KubeconfigEntry {
  for (const { fields, file } of files) {
    const entry = listOf(fields[list]).find((one) => one['name'] === name)?.[kind];
    if (isJsonObject(entry)) return { fields: entry, file };
  }
  throw incomplete(`it has no ${kind} ${JSON.stringify(name)}`, 'See what it has with: kubectl config view');
}

function nameIn(value: Json | undefined, kind: string, context: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw incomplete(
    `the context ${JSON.stringify(context)} names no ${kind}`,
    'See it with: kubectl config view --minify',
  );
}
