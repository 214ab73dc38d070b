/** Ways to a Kubernetes API: the address, how it is recognized, and how it recognizes the user. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Connection } from '../../core/connection.ts';
import { base64, fromBase64, fromUtf8, utf8 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { RequestHeaders } from '../../core/runtime.ts';
import {
  currentContext,
  fileField,
  incomplete,
  type KubeconfigEntry,
  readText,
  textField,
} from './kubeconfig.ts';
import { execCredential } from './kubernetes-exec.ts';
import { idTokenOf } from './kubernetes-oidc.ts';
import type { Asker } from './rest.ts';
import { serverOf } from './server.ts';

/** How the API of a cluster is spoken to. */
export interface KubernetesAccess {
  /** No slash at its end. */
  readonly base: string;
  /** Hold a token, when it is a token that says who asks. */
  readonly headers: RequestHeaders;
  readonly connection: Connection;
}

/** What says who asks: a token or password for a header, or a certificate. */
export interface KubernetesCredential {
  readonly authorization?: string | undefined;
  readonly clientCertificate?: string | undefined;
  readonly clientKey?: string | undefined;
}

/** Where pods have the credentials of their service account. */
const mountedServiceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * The cluster of the current kubeconfig context, else the one that this program runs in, whose credentials are mounted in
 * the folder `serviceAccount`. Throws `ERR_KEY_ACCESS` when there
 * is none or the credentials cannot be had, `ERR_FILE_READ`, and as {@link execCredential}.
 */
export async function kubernetesAccess(
  asker: Asker,
  serviceAccount: string = mountedServiceAccount,
): Promise<KubernetesAccess> {
  const context = await currentContext(asker.runtime);
  if (context === undefined) return await inCluster(asker, serviceAccount);
  const { cluster, user } = context;
  const server = textField(cluster, 'server');
  if (server === undefined)
    throw incomplete('its cluster has no server', 'See it with: kubectl config view --minify');
  const url = serverOf(server, 'the server of the kubeconfig');
  const trust = await trustOf(cluster, asker);
  const credential = user === undefined ? {} : await credentialOf(user, cluster, trust.caCertificates, asker);
  const { authorization, clientCertificate, clientKey } = checkedCertificate(credential);
  return {
    base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(user === undefined ? {} : impersonation(user)),
    },
    connection: {
      tls: { ...trust, clientCertificate, clientKey, serverName: textField(cluster, 'tls-server-name') },
      proxy: textField(cluster, 'proxy-url'),
    },
  };
}

interface Trust {
  readonly caCertificates: string | undefined;
  readonly onlyCaCertificates: boolean;
  readonly insecureSkipVerify: boolean;
}

async function trustOf(cluster: KubeconfigEntry, { runtime }: Asker): Promise<Trust> {
  const caCertificates =
    decoded(cluster, 'certificate-authority-data') ?? (await fileField(cluster, 'certificate-authority'));
  const insecureSkipVerify = cluster.fields['insecure-skip-tls-verify'] === true;
  if (insecureSkipVerify && caCertificates !== undefined) {
    throw incomplete(
      'it names an authority and switches checking it off',
      'Remove insecure-skip-tls-verify.',
    );
  }
  if (insecureSkipVerify) {
    runtime.log({
      level: 'warn',
      event: 'keys.insecure',
      message:
        'the kubeconfig accepts any certificate: anyone on the way to the cluster can read and replace keys',
    });
  }
  return { caCertificates, onlyCaCertificates: caCertificates !== undefined, insecureSkipVerify };
}

/** The base64 field `name` as text. */
function decoded(entry: KubeconfigEntry, name: string): string | undefined {
  const text = textField(entry, name);
  if (text === undefined) return undefined;
  try {
    return fromUtf8(fromBase64(text.replace(/\s+/g, ''), name), name);
  } catch {
    // The cause is left out: it may be about a private key.
    throw incomplete(`${name} is not base64 of text`, `See the file ${entry.file}.`);
  }
}

async function credentialOf(
  user: KubeconfigEntry,
  cluster: KubeconfigEntry,
  caCertificates: string | undefined,
  asker: Asker,
): Promise<KubernetesCredential> {
  const clientCertificate =
    decoded(user, 'client-certificate-data') ?? (await fileField(user, 'client-certificate'));
  const clientKey = decoded(user, 'client-key-data') ?? (await fileField(user, 'client-key'));
  const certificate = { clientCertificate, clientKey };
  // A file is renewed by somebody; a token beside it is what it was once.
  const token = (await fileField(user, 'tokenFile')) ?? textField(user, 'token');
  if (token !== undefined) return { ...certificate, authorization: bearer(token) };
  const [name, password] = [textField(user, 'username'), textField(user, 'password')];
  if (name !== undefined || password !== undefined) {
    return { ...certificate, authorization: `Basic ${base64(utf8(`${name ?? ''}:${password ?? ''}`))}` };
  }
  if (user.fields['auth-provider'] !== undefined) {
    return { ...certificate, authorization: bearer(idTokenOf(user, asker.runtime)) };
  }
  if (user.fields['exec'] === undefined) return certificate;
  const given = await execCredential({ user, cluster, caCertificates }, asker);
  return {
    clientCertificate: given.clientCertificate ?? clientCertificate,
    clientKey: given.clientKey ?? clientKey,
    authorization: given.token === undefined ? undefined : bearer(given.token),
  };
}

function bearer(token: string): string {
  const trimmed = token.trim();
  if (/^[\x21-\x7e]+$/.test(trimmed)) return `Bearer ${trimmed}`;
  throw incomplete('the token of its user is none', 'A token is one line without spaces.');
}

/** A certificate that Node cannot use would look like a network failure. */
function checkedCertificate(credential: KubernetesCredential): KubernetesCredential {
  const { clientCertificate, clientKey } = credential;
  if (clientCertificate === undefined && clientKey === undefined) return credential;
  let belongs = false;
  try {
    belongs =
      clientCertificate !== undefined &&
      clientKey !== undefined &&
      new X509Certificate(clientCertificate).checkPrivateKey(createPrivateKey(clientKey));
  } catch {
    // Nothing of a private key may travel on, nor what OpenSSL says of it.
  }
  if (belongs) return credential;
  throw incomplete(
    'the client certificate and key of its user are damaged, or do not belong together',
    'Renew them where the kubeconfig came from.',
  );
}

/** Acting as somebody else: {@link https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation} */
function impersonation(user: KubeconfigEntry): RequestHeaders {
  const [name, uid] = [textField(user, 'as'), textField(user, 'as-uid')];
  const groups = user.fields['as-groups'] ?? [];
  if (user.fields['as-user-extra'] !== undefined || !Array.isArray(groups) || groups.length > 1) {
    throw incomplete(
      'it acts as another user with several groups or extra fields, which is not supported here',
      'Use a context that does not impersonate.',
    );
  }
  return {
    ...(name === undefined ? {} : { 'impersonate-user': name }),
    ...(uid === undefined ? {} : { 'impersonate-uid': uid }),
    ...(groups.length === 0 ? {} : { 'impersonate-group': String(groups[0]) }),
  };
}

/** {@link https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/} */
async function inCluster({ runtime }: Asker, serviceAccount: string): Promise<KubernetesAccess> {
  const [host, port] = [runtime.env['KUBERNETES_SERVICE_HOST'], runtime.env['KUBERNETES_SERVICE_PORT']];
  if (host === undefined || host === '' || port === undefined || port === '') {
    throw new BoltsealError(
      'ERR_KEY_ACCESS',
      'there is no Kubernetes cluster: no kubeconfig, and this is not in a pod',
      {
        hint: 'Set KUBECONFIG to the file that kubectl uses; `kubectl config view` shows which one that is.',
      },
    );
  }
  const [token, caCertificates] = await Promise.all([
    readText(join(serviceAccount, 'token')),
    readText(join(serviceAccount, 'ca.crt')),
  ]);
  return {
    base: serverOf(`https://${host.includes(':') ? `[${host}]` : host}:${port}`, 'KUBERNETES_SERVICE_HOST')
      .origin,
    headers: { authorization: bearer(token) },
    connection: { tls: { caCertificates, onlyCaCertificates: true } },
  };
}
