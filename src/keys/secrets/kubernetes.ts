/**
 * Key pairs in secrets of Kubernetes.
 * {@link https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/}
 */
import { base64, equalBytes, fromBase64 } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import type { KmsFailure } from '../providers/kms-failure.ts';
import { kubernetesAccess } from './kubernetes-access.ts';
import { notKept, type Part, partsOf, type SecretPlace } from './place.ts';
import { type Asker, askRest, type RestAnswer, type RestService, saidOf } from './rest.ts';

/** What the parts of a key pair are called in a secret; cosign's names. */
export const kubernetesNames = {
  password: 'cosign.password',
  privateKey: 'cosign.key',
  publicKey: 'cosign.pub',
} as const;

/** A secret, by its names. */
export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

/** `NAMESPACE/NAME`. Throws `ERR_USAGE`. {@link https://kubernetes.io/docs/concepts/overview/working-with-objects/names/} */
export function parseSecretName(text: string): SecretName {
  const [namespace = '', name = '', ...more] = text.split('/');
  const label = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
  const isName =
    name.length <= 253 && name.split('.').every((part) => /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(part));
  if (label.test(namespace) && isName && more.length === 0) return { namespace, name };
  throw new BoltsealError('ERR_USAGE', 'the reference k8s://… does not name a secret', {
    hint: 'It is k8s://NAMESPACE/NAME, in lower case: k8s://signing/cosign',
  });
}

/** The API of a cluster, and one secret in it. */
interface Secrets {
  readonly service: RestService;
  readonly asker: Asker;
  readonly of: SecretName;
  readonly what: string;
}

async function openSecrets(of: SecretName, asker: Asker): Promise<Secrets> {
  const access = await kubernetesAccess(asker);
  const what = `the secret ${of.name} in the namespace ${of.namespace}`;
  return {
    service: { name: 'Kubernetes', ...access, explain: (answer) => explain(answer, of) },
    asker,
    of,
    what,
  };
}

/** What is kept in a secret, by name. */
export interface SecretData {
  /** How the secret is called in errors. */
  readonly what: string;
  /** The bytes of `name`; undefined when there are none of that name. May be a secret. */
  get(name: string): Uint8Array | undefined;
}

/** The data of a secret. Throws `ERR_KEY_NOT_FOUND`, and as {@link kubernetesAccess} and {@link askRest}. */
export async function readSecret(of: SecretName, asker: Asker): Promise<SecretData> {
  const secrets = await openSecrets(of, asker);
  const found = await find(secrets);
  if (found === undefined) {
    throw new BoltsealError('ERR_KEY_NOT_FOUND', `Kubernetes has not ${secrets.what}`, {
      hint: `Make a key pair there with: boltseal generate-key-pair k8s://${of.namespace}/${of.name}`,
    });
  }
  return { what: secrets.what, get: (name) => dataOf(found, name, secrets.what) };
}

/** The place where a key pair is kept as a secret. Throws `ERR_KEY_EXISTS` for one that cannot be changed. */
export async function openKubernetesPlace(of: SecretName, asker: Asker): Promise<SecretPlace> {
  const secrets = await openSecrets(of, asker);
  const [immutable, before] = await Promise.all([supportsImmutable(secrets), find(secrets)]);
  if (before?.['immutable'] === true) {
    throw new BoltsealError('ERR_KEY_EXISTS', `${secrets.what} is there, and is immutable`, {
      hint: `Choose another name; or, if its key is not needed any more: kubectl delete secret --namespace ${of.namespace} ${of.name}`,
    });
  }
  const names = Object.values(kubernetesNames);
  return {
    what: secrets.what,
    existing: before === undefined ? [] : names.filter((name) => isThere(before, name)),
    async store(pair, password, stored = () => undefined) {
      const parts = partsOf(pair, password, kubernetesNames);
      await write(secrets, secretOf(secrets.of, parts, before, immutable), before !== undefined);
      const kept = await find(secrets);
      for (const { name, value } of parts) {
        const found = kept === undefined ? undefined : dataOf(kept, name, secrets.what);
        if (found === undefined || !equalBytes(found, value)) throw notKept(name, secrets.what);
        stored(name);
      }
    },
  };
}

async function find({ service, asker, of, what }: Secrets): Promise<JsonObject | undefined> {
  const request = { method: 'GET', path: pathOf(of), what: `reading ${what}`, accept: [200, 404] } as const;
  const { status, json } = await askRest(service, request, asker);
  if (status === 404) return undefined;
  if (isJsonObject(json) && json['kind'] === 'Secret') return json;
  throw misshapen(request.what);
}

function pathOf({ namespace, name }: SecretName): string {
  return `/api/v1/namespaces/${namespace}/secrets/${name}`;
}

function isThere(secret: JsonObject, name: string): boolean {
  const { data } = secret;
  return isJsonObject(data) && data[name] !== undefined;
}

function dataOf({ data }: JsonObject, name: string, what: string): Uint8Array | undefined {
  const value = isJsonObject(data) ? data[name] : undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'string') return fromBase64(value, `${name} of ${what}`);
  throw misshapen(`reading ${name} of ${what}`);
}

/**
 * Whether the cluster has immutable secrets: from 1.21 on.
 * {@link https://kubernetes.io/docs/concepts/configuration/secret/#secret-immutable}
 */
async function supportsImmutable({ service, asker }: Secrets): Promise<boolean> {
  const request = { method: 'GET', path: '/version', what: 'asking for the version', accept: [200] } as const;
  const { json } = await askRest(service, request, asker);
  const version = isJsonObject(json) ? json['gitVersion'] : undefined;
  const match = /^v?(\d{1,4})\.(\d{1,4})\b/.exec(typeof version === 'string' ? version : '');
  if (match === null) throw misshapen(request.what);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major > 1 || (major === 1 && minor >= 21);
}

/** The whole secret: what else is in one that is there stays, and a change by others meanwhile is found out by its version. */
function secretOf(
  { namespace, name }: SecretName,
  parts: readonly Part[],
  before: JsonObject | undefined,
  immutable: boolean,
): JsonObject {
  const { metadata = { name, namespace }, data, type } = before ?? {};
  return {
    kind: 'Secret',
    apiVersion: 'v1',
    metadata,
    ...(immutable ? { immutable } : {}),
    data: { ...(isJsonObject(data) ? data : {}), ...encoded(parts) },
    ...(type === undefined ? {} : { type }),
  };
}

function encoded(parts: readonly Part[]): Readonly<Record<string, Json>> {
  return Object.fromEntries(parts.map(({ name, value }) => [name, base64(value)]));
}

async function write(
  { service, asker, of, what }: Secrets,
  body: JsonObject,
  isThereAlready: boolean,
): Promise<void> {
  const doing = `storing ${what}`;
  const path = isThereAlready ? pathOf(of) : `/api/v1/namespaces/${of.namespace}/secrets`;
  const method = isThereAlready ? 'PUT' : 'POST';
  await askRest(service, { method, path, what: doing, body, accept: [200, 201] }, asker);
}

function misshapen(what: string): BoltsealError {
  return new BoltsealError(
    'ERR_KEY_PROVIDER',
    `${what}: Kubernetes answered what its API does not describe`,
    {
      hint: 'Is the server of the kubeconfig the API of a cluster? Try: kubectl version',
    },
  );
}

function explain(answer: RestAnswer, { namespace, name }: SecretName): Partial<KmsFailure> | undefined {
  const { status } = answer;
  const said = saidOf(answer);
  if (status === 401) {
    return {
      problem: 'does not accept the credentials of the kubeconfig',
      hint: 'Have they expired? Sign in again, and try: kubectl auth whoami',
    };
  }
  if (status === 403) {
    return {
      problem: `does not permit it: ${said}`,
      hint: `Who may is shown by: kubectl auth can-i get secret/${name} --namespace ${namespace}`,
    };
  }
  if (status === 404)
    return {
      problem: `has no such namespace: ${said}`,
      hint: `Make it with: kubectl create namespace ${namespace}`,
    };
  if (status === 409) {
    return {
      code: 'ERR_KEY_EXISTS',
      problem: 'says that somebody else stored it meanwhile',
      hint: 'Nothing was stored. Look at what is there, and run the command again.',
    };
  }
  return undefined;
}
