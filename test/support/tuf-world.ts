/** A TUF repository without a server, made by hand so that anything in it can be wrong, and a client with a clock. */
import { generateKeyPairSync, hash } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import type { FetchResponse } from '../../src/core/runtime.ts';
import { encodeTrustedRoot } from '../../src/formats/trusted-root.ts';
import { localSigner } from '../../src/keys/local-signer.ts';
import type { Signer } from '../../src/keys/signer.ts';
import { tufKey } from '../../src/server/tuf/metadata.ts';
import { type InProcessRuntime, inProcessRuntime, respond } from './in-process.ts';

const day = 86_400_000;

/** The URL of the repository. */
export const tufMirror = 'https://tuf.test/repository';

/** A trusted root with nothing in it. */
export const emptyTrustedRoot: Uint8Array = encodeTrustedRoot({
  tlogs: [],
  certificateAuthorities: [],
  ctlogs: [],
  timestampAuthorities: [],
});

/** Any JSON that a test puts together. */
// biome-ignore lint/suspicious/noExplicitAny: tests change what is signed in every way
export type Loose = any;

/** The roles, each with its signers. */
export type TufKeys = Record<'root' | 'timestamp' | 'snapshot' | 'targets', readonly Signer[]>;

type Role = keyof TufKeys;

/** A signer that metadata may have. */
export function tufSigner(type: 'p256' | 'ed25519' = 'p256'): Signer {
  const { privateKey } =
    type === 'p256'
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      : generateKeyPairSync('ed25519');
  return localSigner(privateKey, 'a key of a test');
}

/** Metadata with the signatures of `signers`. */
export async function signTuf(signed: Loose, signers: readonly Signer[]): Promise<Uint8Array> {
  const message = Buffer.from(canonicalize(signed));
  const signatures = await Promise.all(
    signers.map(async (signer) => ({
      keyid: tufKey(signer.publicKey).id,
      sig: Buffer.from(await signer.sign(message)).toString('hex'),
    })),
  );
  return new Uint8Array(Buffer.from(JSON.stringify({ signatures, signed })));
}

/** A time as TUF writes it, `milliseconds` from now. */
export function tufTime(milliseconds: number): string {
  return new Date(Date.now() + milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** What differs from metadata in which all is well. */
export interface Publication {
  readonly files?: Readonly<Record<string, Uint8Array>>;
  /** Changes what is signed, before it is. */
  readonly change?: Partial<Readonly<Record<Role, (signed: Loose) => void>>>;
  /** Who signs, instead of the keys of the role. */
  readonly signers?: Partial<TufKeys>;
}

/** A repository, and a client of it. */
export interface TufWorld {
  /** Everything that is served, by name. */
  readonly files: Map<string, Uint8Array>;
  keys: TufKeys;
  thresholds: Partial<Record<Role, number>>;
  /** Names that were asked for. */
  readonly asked: string[];
  /** An answer in place of the repository’s, for tests. */
  intercept: (name: string) => FetchResponse | Error | undefined;
  readonly runtime: InProcessRuntime;
  /** The bytes of the first root. */
  readonly root: Uint8Array;
  /** Publishes timestamp, snapshot and targets, one version newer than before. */
  publish(publication?: Publication): Promise<void>;
  /** Publishes the next root, of the keys that there are now, signed by them and by `before`. */
  publishRoot(before?: readonly Signer[], publication?: Publication): Promise<void>;
}

/** A repository with a first version of everything. */
export async function createTufWorld(options: {
  readonly home?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<TufWorld> {
  const files = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const online = [tufSigner('ed25519')];
  let version = 0;
  let rootVersion = 0;
  const base = inProcessRuntime(async (url) => {
    const name = url.startsWith(`${tufMirror}/`) ? url.slice(tufMirror.length + 1) : url;
    asked.push(name);
    const given = world.intercept(name);
    if (given instanceof Error) throw given;
    const bytes = files.get(name);
    return given ?? (bytes === undefined ? respond({ status: 404 }) : respond({ status: 200, body: bytes }));
  }, options.env);
  const start = Date.now();
  const world: TufWorld = {
    files,
    asked,
    keys: {
      root: [tufSigner(), tufSigner()],
      targets: [tufSigner()],
      snapshot: online,
      timestamp: online,
    },
    thresholds: { root: 2 },
    intercept: () => undefined,
    // The TUF library has a clock of its own, which is the real one.
    runtime: { ...base, now: () => new Date(start + base.monotonic()), home: options.home },
    get root() {
      return files.get('1.root.json') ?? new Uint8Array(0);
    },
    async publish(publication = {}) {
      version += 1;
      await publishTargets(world, version, publication);
    },
    async publishRoot(before = [], publication = {}) {
      rootVersion += 1;
      const signed = rootOf(world, rootVersion);
      publication.change?.root?.(signed);
      const signers = publication.signers?.root ?? [...new Set([...before, ...world.keys.root])];
      files.set(`${rootVersion}.root.json`, await signTuf(signed, signers));
    },
  };
  await world.publishRoot();
  await world.publish();
  return world;
}

function common(role: Role, version: number): Loose {
  const expires = tufTime((role === 'timestamp' ? 7 : 100) * day);
  return { _type: role, spec_version: '1.0.31', version, expires };
}

function rootOf({ keys, thresholds }: TufWorld, version: number): Loose {
  const all: Loose = {};
  const roles: Loose = {};
  for (const [role, signers] of Object.entries(keys) as [Role, readonly Signer[]][]) {
    const list = signers.map(({ publicKey }) => tufKey(publicKey));
    for (const { id, json } of list) all[id] = json;
    roles[role] = { keyids: [...new Set(list.map(({ id }) => id))], threshold: thresholds[role] ?? 1 };
  }
  return { ...common('root', version), consistent_snapshot: true, keys: all, roles };
}

async function publishTargets(world: TufWorld, version: number, publication: Publication): Promise<void> {
  const { files, keys } = world;
  const { change = {}, signers = {} } = publication;
  const contents = publication.files ?? { 'trusted_root.json': emptyTrustedRoot };
  const entries = Object.entries(contents).map(([name, bytes]) => {
    const sha256 = hash('sha256', bytes, 'hex');
    files.set(`targets/${sha256}.${name}`, bytes);
    return [name, { length: bytes.length, hashes: { sha256 } }] as const;
  });
  const write = async (role: Role, name: string, signed: Loose): Promise<void> => {
    change[role]?.(signed);
    files.set(name, await signTuf(signed, signers[role] ?? keys[role]));
  };
  const targets = { ...common('targets', version), targets: Object.fromEntries(entries) };
  await write('targets', `${version}.targets.json`, targets);
  const snapshot = { ...common('snapshot', version), meta: { 'targets.json': { version } } };
  await write('snapshot', `${version}.snapshot.json`, snapshot);
  const timestamp = { ...common('timestamp', version), meta: { 'snapshot.json': { version } } };
  await write('timestamp', 'timestamp.json', timestamp);
}
