/** What interoperability tests work with: key pairs, registries with images, and a folder for everything else. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Runtime } from '../../src/core/runtime.ts';
import { generateKeyPair, type KeyType, openPrivateKey, type Signer } from '../../src/keys/index.ts';
import { createRuntime } from '../../src/node/index.ts';
import { startEmbeddedRegistryProcess } from '../support/embedded-registry-process.ts';
import { startCraneRegistry, startDockerRegistry } from '../support/registries.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { type PushedManifest, pushSmallImage, pushSmallIndex } from '../support/small-image.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

/** The registries that signatures are stored in. Only one of them has the referrers API. */
export type RegistryName =
  | 'docker-registry'
  | 'crane’s registry'
  | 'Boltseal’s registry'
  | 'Boltseal’s registry without referrers';

const registryStarters: Readonly<Record<RegistryName, () => Promise<ServerProcess>>> = {
  'docker-registry': () => startDockerRegistry({ delete: true }),
  'crane’s registry': () => startCraneRegistry(),
  'Boltseal’s registry': () => startEmbeddedRegistryProcess(),
  'Boltseal’s registry without referrers': () => startEmbeddedRegistryProcess({ referrers: false }),
};

/** Every {@link RegistryName}. */
export const registryNames: readonly RegistryName[] = Object.keys(registryStarters) as RegistryName[];

/** The types of keys that the programs are tried with, and what they are called. */
export type KeyName = 'P-256' | 'RSA-2048' | 'P-384' | 'Ed25519';

const keyTypes: Readonly<Record<KeyName, KeyType>> = {
  'P-256': 'ecdsa-p256',
  'RSA-2048': 'rsa-2048',
  'P-384': 'ecdsa-p384',
  Ed25519: 'ed25519',
};

/** Every {@link KeyName}. */
export const keyNames: readonly KeyName[] = Object.keys(keyTypes) as KeyName[];

/** A key pair in files, encrypted with the laboratory's password. */
export interface KeyFiles {
  readonly private: string;
  readonly public: string;
  /** The private half in memory. */
  signer(): Promise<Signer>;
}

/** An image in a registry, as it is signed and verified. */
export interface TestImage {
  readonly image: PushedManifest;
  /** Of an index: its images, without the attestation manifest beside them. Else empty. */
  readonly platforms: readonly PushedManifest[];
  /** `host:port`. */
  readonly host: string;
  /** `host:port/path`. */
  readonly repository: string;
}

/** A key pair that is in files already. */
export function keyFiles(privateKey: string, publicKey: string, password: Uint8Array): KeyFiles {
  let signer: Promise<Signer> | undefined;
  return {
    private: privateKey,
    public: publicKey,
    signer: () => {
      signer ??= readFile(privateKey).then((content) =>
        openPrivateKey(content, async () => [password], privateKey),
      );
      return signer;
    },
  };
}

/** Everything the tests of one file share. */
export interface Laboratory {
  readonly folder: string;
  readonly runtime: Runtime;
  /** An empty signing config and trusted root: cosign 3 then logs nowhere and asks nobody. */
  readonly signingConfig: string;
  readonly trustedRoot: string;
  /** A file with the password of every key. */
  readonly passwordFile: string;
  /** The same as bytes. */
  readonly password: Uint8Array;
  /** Variables of every program. */
  readonly env: Readonly<Record<string, string>>;
  /** A key pair by type and, when there are several of a type, number; made when first asked for. */
  key(type: KeyName, number?: number): Promise<KeyFiles>;
  /** The running registry of this name, started when first asked for. */
  registry(name: RegistryName): Promise<ServerProcess>;
  /** Pushes an image of its own to a repository of its own. */
  push(registry: RegistryName, shape: 'single' | 'multi-arch', options?: PushOptions): Promise<TestImage>;
  /** The path of a file with this content. */
  file(name: string, content: string | Uint8Array): Promise<string>;
}

/** Options of {@link Laboratory.push}. */
export interface PushOptions {
  readonly tag?: string;
  /** The repository's path, so that several images share one. */
  readonly path?: string;
}

/** Opens a laboratory that ends with the test. */
export async function openLaboratory(releases: Releases): Promise<Laboratory> {
  const folder = await temporaryDirectory(releases, 'boltseal-interop-');
  const password = Buffer.from(randomBytes(9).toString('base64'));
  const keys = new Map<string, Promise<KeyFiles>>();
  const registries = new Map<RegistryName, Promise<ServerProcess>>();
  let files = 0;
  const file = async (name: string, content: string | Uint8Array): Promise<string> => {
    // Tests that run at the same time may write the same file: nobody may read half of it.
    const partial = join(folder, `${++files}.partial`);
    await writeFile(partial, content, { mode: 0o600 });
    await rename(partial, join(folder, name));
    return join(folder, name);
  };
  await mkdir(join(folder, 'keys'));
  let images = 0;

  async function makeKey(type: KeyName, number: number): Promise<KeyFiles> {
    const pair = await generateKeyPair(keyTypes[type], password);
    const path = await file(`keys/${type}-${number}.key`, pair.privateKeyPem);
    return keyFiles(path, await file(`keys/${type}-${number}.pub`, pair.publicKeyPem), password);
  }

  async function startRegistry(name: RegistryName): Promise<ServerProcess> {
    const registry = await registryStarters[name]();
    releases.after(() => registry.stop());
    return registry;
  }

  const registry = (name: RegistryName): Promise<ServerProcess> => {
    const started = registries.get(name) ?? startRegistry(name);
    registries.set(name, started);
    return started;
  };

  return {
    folder,
    runtime: createRuntime(),
    signingConfig: await file(
      'signing-config.json',
      '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}',
    ),
    trustedRoot: await file(
      'trusted-root.json',
      '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}',
    ),
    passwordFile: await file('password', password),
    password,
    env: { COSIGN_PASSWORD: password.toString() },
    key(type, number = 1) {
      const name = `${type}-${number}`;
      const made = keys.get(name) ?? makeKey(type, number);
      keys.set(name, made);
      return made;
    },
    registry,
    async push(name, shape, options = {}) {
      const target = await registry(name);
      const number = ++images;
      const path = options.path ?? `interop/image${number}`;
      const tag = options.tag === undefined ? {} : { tag: options.tag };
      const content = { content: `image ${number}\n`, ...tag };
      const image = shape === 'single' ? await pushSmallImage(target, path, content) : undefined;
      const index = image === undefined ? await pushSmallIndex(target, path, content) : undefined;
      const top = image ?? index;
      if (top === undefined) throw new Error('neither an image nor an index was pushed');
      const { host } = target;
      return { image: top, platforms: index?.children ?? [], host, repository: `${host}/${path}` };
    },
    file,
  };
}
