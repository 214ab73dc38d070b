/** What the blocks of guides find: programs on PATH, registries with an image, an image layout. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyImage } from '../../src/flows/index.ts';
import { parseReference, referenceTarget } from '../../src/formats/index.ts';
import { generateKeyPair } from '../../src/keys/index.ts';
import { createRuntime } from '../../src/node/index.ts';
import { createLayout, createRegistryClient } from '../../src/registry/index.ts';
import { startEmbeddedRegistryProcess } from '../support/embedded-registry-process.ts';
import { findProgram } from '../support/programs.ts';
import { pushSmallIndex } from '../support/small-image.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

/** A place for one guide. */
export interface GuideWorld {
  /** The empty folder in which its blocks run. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

const account = { username: 'reader', password: 'of the guides: $ecret' };
const password = 'correct-horse-battery-staple';

/**
 * Makes the world of the guide with the text `markdown`: IMAGE and IMAGE_DIGEST (of several platforms), SIGNATURES
 * (another repository), PRIVATE_REGISTRY and PRIVATE_IMAGE with REGISTRY_USER and REGISTRY_PASSWORD, LAYOUT (a folder),
 * KEY and PUBLIC_KEY; LISTEN and ADMIN are addresses at which nobody listens. A guide that says nothing of a password finds that of KEY in COSIGN_PASSWORD.
 */
export async function makeGuideWorld(releases: Releases, markdown: string): Promise<GuideWorld> {
  const [open, closed, home, folder] = await Promise.all([
    startEmbeddedRegistryProcess(),
    startEmbeddedRegistryProcess({ auth: account }),
    temporaryDirectory(releases),
    temporaryDirectory(releases),
  ]);
  releases.after(() => open.stop());
  releases.after(() => closed.stop());
  const authorization = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString('base64')}`;
  const image = await pushSmallIndex({ url: open.url }, 'you/app', { tag: 'v1' });
  await Promise.all([
    pushSmallIndex({ url: closed.url, authorization }, 'you/app', { tag: 'v1' }),
    writePrograms(join(home, 'bin')),
    writeKeys(home),
    writeLayout(join(home, 'layout'), image.reference),
  ]);
  return {
    folder,
    env: {
      HOME: home,
      PATH: `${join(home, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`,
      IMAGE: `${open.host}/you/app:v1`,
      IMAGE_DIGEST: image.reference,
      SIGNATURES: `${open.host}/you/signatures`,
      PRIVATE_REGISTRY: closed.host,
      PRIVATE_IMAGE: `${closed.host}/you/app:v1`,
      REGISTRY_USER: account.username,
      REGISTRY_PASSWORD: account.password,
      LAYOUT: join(home, 'layout'),
      KEY: join(home, 'cosign.key'),
      PUBLIC_KEY: join(home, 'cosign.pub'),
      ...(markdown.includes('$LISTEN') ? { LISTEN: await freeAddress(), ADMIN: await freeAddress() } : {}),
      ...(markdown.includes('COSIGN_PASSWORD=') ? {} : { COSIGN_PASSWORD: password }),
    },
  };
}

/** An address of this machine that was free a moment ago. */
async function freeAddress(): Promise<string> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return `127.0.0.1:${port}`;
}

/** `boltseal` as it is now, and the real cosign where it is found. */
async function writePrograms(folder: string): Promise<void> {
  // CI installs, and so builds, right before it tests; elsewhere what was built may be older than the sources.
  const path = process.env['CI'] ? '../../dist/cli/boltseal.cjs' : '../../src/cli/entry.ts';
  const entry = fileURLToPath(new URL(path, import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeProgram(join(folder, 'boltseal'), `exec '${process.execPath}' '${entry}' "$@"`);
  const cosign = findProgram('cosign3');
  if (cosign !== undefined) await writeProgram(join(folder, 'cosign'), `exec '${cosign}' "$@"`);
}

async function writeProgram(path: string, command: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${command}\n`);
  await chmod(path, 0o755);
}

async function writeKeys(folder: string): Promise<void> {
  const pair = await generateKeyPair('ecdsa-p256', password);
  await writeFile(join(folder, 'cosign.key'), pair.privateKeyPem, { mode: 0o600 });
  await writeFile(join(folder, 'cosign.pub'), pair.publicKeyPem);
}

async function writeLayout(folder: string, image: string): Promise<void> {
  const runtime = createRuntime();
  const reference = parseReference(image);
  const from = await createRegistryClient(runtime).open(reference);
  await copyImage(from, await createLayout(folder, runtime), referenceTarget(reference), { tag: 'v1' });
  // As build tools write it: the list has what was tagged, and not what that consists of.
  const path = join(folder, 'index.json');
  const index = JSON.parse(await readFile(path, 'utf8'));
  const manifests = index.manifests.filter((one: { annotations?: object }) => one.annotations !== undefined);
  assert.equal(manifests.length, 1);
  await writeFile(path, JSON.stringify({ ...index, manifests }));
}
