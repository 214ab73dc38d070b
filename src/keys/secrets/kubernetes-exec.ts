/**
 * Credential plugins of kubeconfigs: programs that print who asks, as those of the clouds do.
 * {@link https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins}
 */
import { isAbsolute } from 'node:path';
import { base64, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { printable } from '../../core/printable.ts';
import { findProgram, isProgram, runProgram } from '../program.ts';
import { besideFile, incomplete, type KubeconfigEntry, textField } from './kubeconfig.ts';
import type { Asker } from './rest.ts';

/** What a plugin gave. */
export interface ExecCredential {
  readonly token: string | undefined;
  readonly clientCertificate: string | undefined;
  readonly clientKey: string | undefined;
}

/** For whom a plugin is asked. */
export interface ExecRequest {
  readonly user: KubeconfigEntry;
  readonly cluster: KubeconfigEntry;
  readonly caCertificates: string | undefined;
}

const versions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'];

/**
 * Runs the `exec` plugin of a user. Nobody can be asked by it: it gets no standard input. Throws `ERR_KEY_ACCESS` when it
 * is not there, fails or gives no credential, and `ERR_KEY_PROVIDER` as {@link runProgram}. What it prints is a secret and
 * in no error.
 */
export async function execCredential(request: ExecRequest, asker: Asker): Promise<ExecCredential> {
  const { runtime, signal } = asker;
  const exec = execEntry(request.user);
  const version = textField(exec, 'apiVersion');
  if (version === undefined || !versions.includes(version)) {
    throw incomplete(
      'its credential plugin speaks a version that is not known',
      `Known are ${versions.join(' and ')}.`,
    );
  }
  if (exec.fields['interactiveMode'] === 'Always') {
    throw incomplete(
      'its credential plugin must ask somebody, which is not possible here',
      'Use another context.',
    );
  }
  const command = textField(exec, 'command') ?? '';
  const path = await commandPath(exec, command, asker);
  if (path === undefined) {
    const install = textField(exec, 'installHint');
    throw incomplete(
      `its credential plugin ${printable(command)} is not there`,
      install === undefined ? 'Install it, or use another context.' : printable(install.trim()),
    );
  }
  const what = `the credential plugin ${printable(command)}`;
  const { code, output } = await runProgram({
    path,
    args: argumentsOf(exec),
    env: { ...runtime.env, ...variablesOf(exec), KUBERNETES_EXEC_INFO: execInfo(request, exec, version) },
    what,
    signal,
    onText: (text) => runtime.log({ level: 'info', event: 'keys.plugin', message: `${what}: ${text}` }),
  });
  if (code !== 0) {
    throw new BoltsealError(
      'ERR_KEY_ACCESS',
      `${what} gave no credential: it ended with ${code ?? 'a signal'}`,
      {
        hint: 'Is there a sign-in that expired? Try: kubectl auth whoami',
      },
    );
  }
  return readCredential(output, version, what);
}

function execEntry({ fields, file }: KubeconfigEntry): KubeconfigEntry {
  const { exec } = fields;
  if (isJsonObject(exec)) return { fields: exec, file };
  throw incomplete('exec of its user has no fields', 'See it with: kubectl config view --minify');
}

/** A name is looked for on PATH; a path starts where the kubeconfig is. */
async function commandPath(
  exec: KubeconfigEntry,
  command: string,
  { runtime }: Asker,
): Promise<string | undefined> {
  if (command === '') return undefined;
  if (!isAbsolute(command) && !/[/\\]/.test(command)) return await findProgram(command, runtime);
  const path = besideFile(exec, command);
  return (await isProgram(path)) ? path : undefined;
}

function argumentsOf({ fields }: KubeconfigEntry): readonly string[] {
  const args = fields['args'] ?? [];
  if (Array.isArray(args) && args.every((one) => typeof one === 'string')) return args;
  throw incomplete('the arguments of its credential plugin are no list of text', 'Write them in quotes.');
}

function variablesOf({ fields }: KubeconfigEntry): Readonly<Record<string, string>> {
  const list = fields['env'] ?? [];
  const pairs = (Array.isArray(list) ? list : []).map((one: Json) => (isJsonObject(one) ? one : {}));
  return Object.fromEntries(pairs.map(({ name, value }) => [String(name ?? ''), String(value ?? '')]));
}

/** What the plugin is told in a variable. */
function execInfo({ cluster, caCertificates }: ExecRequest, exec: KubeconfigEntry, version: string): string {
  const wantsCluster = exec.fields['provideClusterInfo'] === true;
  const {
    server,
    'tls-server-name': name,
    'insecure-skip-tls-verify': insecure,
    'proxy-url': proxy,
  } = cluster.fields;
  const known: JsonObject = {
    server,
    'tls-server-name': name,
    'insecure-skip-tls-verify': insecure,
    'certificate-authority-data': caCertificates === undefined ? undefined : base64(utf8(caCertificates)),
    'proxy-url': proxy,
    config: extensionOf(cluster),
  };
  return JSON.stringify({
    kind: 'ExecCredential',
    apiVersion: version,
    spec: { ...(wantsCluster ? { cluster: known } : {}), interactive: false },
  });
}

/** What a kubeconfig says to plugins about a cluster. */
function extensionOf({ fields }: KubeconfigEntry): Json | undefined {
  const list = fields['extensions'];
  const found = (Array.isArray(list) ? list : []).find(
    (one: Json) => isJsonObject(one) && one['name'] === 'client.authentication.k8s.io/exec',
  );
  return isJsonObject(found) ? found['extension'] : undefined;
}

function readCredential(output: Uint8Array, version: string, what: string): ExecCredential {
  let answer: Json = null;
  try {
    answer = parseJson(output, { what, maxBytes: limits.keyProgramBytes });
  } catch {
    // The cause is left out: the output is a secret.
  }
  const { kind, apiVersion, status } = isJsonObject(answer) ? answer : {};
  const { token, clientCertificateData, clientKeyData } = isJsonObject(status) ? status : {};
  const text = (value: Json | undefined): string | undefined =>
    typeof value === 'string' && value !== '' ? value : undefined;
  const credential = {
    token: text(token),
    clientCertificate: text(clientCertificateData),
    clientKey: text(clientKeyData),
  };
  const isOne = credential.token !== undefined || credential.clientCertificate !== undefined;
  if (kind === 'ExecCredential' && apiVersion === version && isOne) return credential;
  throw new BoltsealError('ERR_KEY_ACCESS', `${what} did not print a credential of ${version}`, {
    hint: 'Try it as kubectl does: kubectl auth whoami',
  });
}
