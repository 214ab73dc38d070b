/** A double of the part of the Kubernetes API that is about secrets: enough for kubectl and cosign. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApiAnswer, type ApiHandler, type ApiRequest, type ApiServer, serveApi } from './api-server.ts';
import { type Releases, temporaryDirectory } from './temporary.ts';

/** A secret as it is stored. */
export interface KeptObject {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly type?: string;
}

/** The double, and what happened to it. */
export interface KubernetesDouble {
  readonly handler: ApiHandler;
  /** By namespace and name: `signing/cosign`. */
  readonly secrets: Map<string, KeptObject>;
  readonly requests: ApiRequest[];
}

/** How a double is. */
export interface KubernetesChoices {
  readonly version?: string;
  readonly namespaces?: readonly string[];
  /** Tokens, each with whom it is of. */
  readonly tokens?: Readonly<Record<string, string>>;
  /** Who may do anything; others may do nothing. */
  readonly users?: readonly string[];
  /** Answers in place of the double when it returns something. */
  readonly disturb?: (request: ApiRequest) => ApiAnswer | undefined;
}

function status(code: number, reason: string, message: string): ApiAnswer {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code },
  };
}

const resource = (name: string, kind: string, namespaced: boolean) => ({
  name,
  singularName: name.slice(0, -1),
  namespaced,
  kind,
  verbs: ['create', 'delete', 'get', 'list', 'update'],
});

const discovery: Readonly<Record<string, object>> = {
  '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [resource('namespaces', 'Namespace', false), resource('secrets', 'Secret', true)],
  },
};

/** A new double. */
export function kubernetesDouble(choices: KubernetesChoices = {}): KubernetesDouble {
  const {
    version = 'v1.32.3',
    namespaces = ['signing'],
    tokens = { 'test-token': 'release' },
    users = ['release'],
    disturb,
  } = choices;
  const secrets = new Map<string, KeptObject>();
  const requests: ApiRequest[] = [];
  let revision = 100;

  function userOf({ headers, client }: ApiRequest): string | undefined {
    const token = /^Bearer (.+)$/.exec(headers['authorization'] ?? '')?.[1];
    const own = token === undefined ? client : tokens[token];
    // Whoever may do anything may act as others.
    return own !== undefined && users.includes(own) ? (headers['impersonate-user'] ?? own) : own;
  }

  function keep(place: string, sent: KeptObject, before: KeptObject | undefined): KeptObject {
    revision++;
    const metadata = {
      uid: `uid-${place}`,
      creationTimestamp: '2026-11-22T08:00:00Z',
      ...before?.metadata,
      ...sent.metadata,
      resourceVersion: String(revision),
    };
    const kept = { ...sent, kind: 'Secret', apiVersion: 'v1', metadata, type: sent.type ?? 'Opaque' };
    secrets.set(place, kept);
    return kept;
  }

  function create(namespace: string, sent: KeptObject): ApiAnswer {
    if (!namespaces.includes(namespace)) {
      return status(404, 'NotFound', `namespaces "${namespace}" not found`);
    }
    const name = String(sent.metadata['name']);
    if (secrets.has(`${namespace}/${name}`)) {
      return status(409, 'AlreadyExists', `secrets "${name}" already exists`);
    }
    const bad = refusal(sent, name);
    if (bad !== undefined) return bad;
    return { status: 201, body: keep(`${namespace}/${name}`, sent, undefined) };
  }

  function update(place: string, name: string, sent: KeptObject, before: KeptObject): ApiAnswer {
    const asked = sent.metadata['resourceVersion'];
    if (asked !== undefined && asked !== before.metadata['resourceVersion']) {
      return status(
        409,
        'Conflict',
        `Operation cannot be fulfilled on secrets "${name}": the object has been modified`,
      );
    }
    if (before.immutable === true && JSON.stringify(sent.data) !== JSON.stringify(before.data)) {
      const message = `Secret "${name}" is invalid: data: Forbidden: field is immutable when \`immutable\` is set`;
      return status(422, 'Invalid', message);
    }
    if ((sent.type ?? 'Opaque') !== before.type) {
      return status(422, 'Invalid', `Secret "${name}" is invalid: type: Invalid value: field is immutable`);
    }
    return refusal(sent, name) ?? { status: 200, body: keep(place, sent, before) };
  }

  function answer(request: ApiRequest): ApiAnswer {
    const [path = '', query = ''] = request.path.split('?', 2);
    if (path === '/version') return { status: 200, body: versionOf(version) };
    const known = discovery[path];
    if (known !== undefined) return { status: 200, body: known };
    const space = /^\/api\/v1\/namespaces\/([a-z0-9-]+)$/.exec(path)?.[1] ?? '';
    if (namespaces.includes(space)) {
      return { status: 200, body: { kind: 'Namespace', apiVersion: 'v1', metadata: { name: space } } };
    }
    const match = /^\/api\/v1\/namespaces\/([a-z0-9-]+)\/secrets(?:\/([a-z0-9.-]+))?$/.exec(path);
    if (match === null) return status(404, 'NotFound', 'the server could not find the requested resource');
    const [, namespace = '', name] = match;
    if (name === undefined) {
      if (request.method === 'POST') return create(namespace, objectIn(request));
      const items = [...secrets].filter(([place]) => place.startsWith(`${namespace}/`)).map(([, one]) => one);
      return { status: 200, body: { kind: 'SecretList', apiVersion: 'v1', metadata: {}, items } };
    }
    const place = `${namespace}/${name}`;
    const before = secrets.get(place);
    if (before === undefined) return status(404, 'NotFound', `secrets "${name}" not found`);
    if (request.method === 'GET') return { status: 200, body: before };
    if (request.method === 'PUT') return update(place, name, objectIn(request), before);
    if (request.method !== 'DELETE') return status(405, 'MethodNotAllowed', `${request.method} ${query}`);
    secrets.delete(place);
    return { status: 200, body: { kind: 'Status', apiVersion: 'v1', status: 'Success' } };
  }

  return {
    secrets,
    requests,
    handler(request) {
      requests.push(request);
      const disturbed = disturb?.(request);
      if (disturbed !== undefined) return disturbed;
      const user = userOf(request);
      if (user === undefined) return status(401, 'Unauthorized', 'Unauthorized');
      if (!users.includes(user)) {
        return status(
          403,
          'Forbidden',
          `secrets "cosign" is forbidden: User "${user}" cannot get resource "secrets"`,
        );
      }
      return answer(request);
    },
  };
}

function versionOf(gitVersion: string): object {
  const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return { major, minor, gitVersion, platform: 'linux/amd64' };
}

function refusal({ data = {} }: KeptObject, name: string): ApiAnswer | undefined {
  const isSecret = Object.values(data).every(
    (value) => Buffer.from(value, 'base64').toString('base64') === value,
  );
  return isSecret
    ? undefined
    : status(400, 'BadRequest', `Secret "${name}" in version "v1" cannot be handled`);
}

/** The object of a request: clients in Go write Protocol Buffers, others JSON. */
function objectIn({ headers, body, bytes }: ApiRequest): KeptObject {
  const isBinary = headers['content-type'] === 'application/vnd.kubernetes.protobuf';
  return isBinary ? decodeSecret(bytes) : (JSON.parse(body) as KeptObject);
}

/** `k8s\0` and a `runtime.Unknown` around a `v1.Secret`, in Protocol Buffers. */
function decodeSecret(bytes: Uint8Array): KeptObject {
  const secret = fieldsOf(fieldsOf(bytes.subarray(4)).get(2)?.[0]);
  const metadata = fieldsOf(secret.get(1)?.[0]);
  const [name, namespace, resourceVersion] = [1, 3, 6].map(
    (id) => textOf(metadata.get(id)?.[0]) || undefined,
  );
  const data = (secret.get(2) ?? []).map((entry) => {
    const pair = fieldsOf(entry);
    return [textOf(pair.get(1)?.[0]), Buffer.from(pair.get(2)?.[0] ?? []).toString('base64')];
  });
  const type = textOf(secret.get(3)?.[0]);
  return {
    kind: 'Secret',
    apiVersion: 'v1',
    metadata: JSON.parse(JSON.stringify({ name, namespace, resourceVersion })),
    data: Object.fromEntries(data),
    ...(secret.get(5)?.[0]?.[0] === 1 ? { immutable: true } : {}),
    ...(type === '' ? {} : { type }),
  };
}

function textOf(bytes: Uint8Array = new Uint8Array(0)): string {
  return Buffer.from(bytes).toString();
}

/** The fields of a message by number, each with its values; a number's value is its bytes. */
function fieldsOf(message: Uint8Array = new Uint8Array(0)): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const length = (tag & 7) === 2 ? varint() : 0;
    const value = (tag & 7) === 2 ? message.subarray(at, at + length) : Uint8Array.of(varint());
    at += length;
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

/** A double that listens, and the kubeconfig that leads to it. */
export interface KubernetesServer extends KubernetesDouble, ApiServer {
  /** A file for `KUBECONFIG`. */
  kubeconfig(user?: object, cluster?: object): Promise<string>;
}

/** Serves a double over TLS. */
export async function serveKubernetes(
  t: Releases,
  choices: KubernetesChoices = {},
): Promise<KubernetesServer> {
  const double = kubernetesDouble(choices);
  const server = await serveApi(t, double.handler);
  const folder = await temporaryDirectory(t);
  let count = 0;
  return {
    ...double,
    ...server,
    async kubeconfig(user = { token: 'test-token' }, cluster = {}) {
      const path = join(folder, `config-${count++}`);
      const data = Buffer.from(server.ca).toString('base64');
      const trust = { server: server.url, 'certificate-authority-data': data, ...cluster };
      await writeFile(path, kubeconfigText(trust, user), { mode: 0o600 });
      return path;
    },
  };
}

/** A kubeconfig with one context. JSON is YAML. */
export function kubeconfigText(cluster: object, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user }],
  });
}
