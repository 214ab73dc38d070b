/**
 * The parts that a sign or verify is made of, each alone: in this process, on Node 24, from the sources. Registries
 * answer from processes of their own.
 *
 *     node bench/parts.ts [--milliseconds N] [--write]
 */

import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { digestOf } from '../src/core/digest.ts';
import { utf8 } from '../src/core/encoding.ts';
import { encodeBundle } from '../src/formats/bundle.ts';
import { signatureLayer } from '../src/formats/cosign-layer.ts';
import { inTotoPayloadType, preAuthEncoding } from '../src/formats/dsse.ts';
import {
  describe as descriptorOf,
  emptyConfigDescriptor,
  encodeIndex,
  encodeManifest,
  mediaTypes,
  parseManifest,
} from '../src/formats/oci.ts';
import { publicKeyOf } from '../src/formats/public-key.ts';
import { encodeSimpleSigning } from '../src/formats/simple-signing.ts';
import { encodeSignStatement } from '../src/formats/statement.ts';
import { encryptKeyPair } from '../src/keys/generate.ts';
import { localSigner } from '../src/keys/local-signer.ts';
import { openPrivateKey } from '../src/keys/private-key.ts';
import { entityFromBundle, entityFromSignatureLayer } from '../src/verify/entity.ts';
import { byKeys } from '../src/verify/requirements.ts';
import { verifyEntity } from '../src/verify/verify-entity.ts';
import { startEmbeddedRegistryProcess } from '../test/support/embedded-registry-process.ts';
import { findProgram } from '../test/support/programs.ts';
import { type Registry, startDockerRegistry } from '../test/support/registries.ts';
import { pushSmallImage } from '../test/support/small-image.ts';
import { circumstances, commandLine, table, writeSection } from './results.ts';

/** What one part did. */
interface Part {
  readonly name: string;
  readonly perSecond: number;
}

const { values: options } = parseArgs({
  options: { milliseconds: { type: 'string', default: '1000' }, write: { type: 'boolean', default: false } },
});
/** How long each part runs. */
const time = Math.max(10, Number.parseInt(options.milliseconds, 10));
const parallel = 16;

const parts = [...(await cryptography()), ...parsing(), ...(await registries())];
const report = [
  '## Parts',
  `\`${commandLine('node bench/parts.ts')}\`: ${circumstances(new Date())}. Node ${process.version}, from ` +
    `the sources. Each registry is a process of its own, asked over ${parallel} kept connections by this one, whose share of ` +
    'the time is in the number.',
  table(
    ['part', 'per second', 'ms each'],
    parts.map(({ name, perSecond }) => [
      name,
      perSecond < 100 ? perSecond.toFixed(1) : String(Math.round(perSecond)),
      (1000 / perSecond).toFixed(3),
    ]),
  ),
].join('\n\n');
console.log(report);
if (options.write) await writeSection('parts', report);

async function cryptography(): Promise<Part[]> {
  const keyPair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const password = utf8('of a bench');
  const { privateKeyPem } = await encryptKeyPair(keyPair.privateKey, password, 'the key');
  const key = publicKeyOf(keyPair.publicKey, 'the key');
  const signer = localSigner(keyPair.privateKey, 'the key');
  const digest = digestOf(utf8('an image'));

  const statement = encodeSignStatement(digest, {});
  const signedBytes = preAuthEncoding(inTotoPayloadType, statement);
  const bundle = encodeBundle({
    material: { publicKeyHint: key.hint, timestamps: [], logEntries: [] },
    content: {
      kind: 'envelope',
      envelope: {
        payload: statement,
        payloadType: inTotoPayloadType,
        signatures: [{ signature: await signer.sign(signedBytes) }],
      },
    },
  });
  const payload = encodeSimpleSigning('registry.example/app', digest, {});
  const layer = signatureLayer(payload, await signer.sign(payload));
  const signature = await signer.sign(payload);

  return [
    await asynchronous('open an encrypted key (scrypt)', () =>
      openPrivateKey(utf8(privateKeyPem), async () => [password], 'the key'),
    ),
    await asynchronous('sign, P-256', () => signer.sign(signedBytes)),
    synchronous('verify a signature, P-256: node:crypto alone', () =>
      checked(payload, keyPair.publicKey, signature),
    ),
    synchronous('verify a bundle, from its bytes to evidence', () =>
      verifyEntity(entityFromBundle(bundle, { place: 'file' }), { signer: byKeys([key]), digest }),
    ),
    synchronous('verify a cosign layer, from its bytes to evidence', () =>
      verifyEntity(entityFromSignatureLayer(layer, payload, { place: 'file' }), {
        signer: byKeys([key]),
        digest,
      }),
    ),
  ];
}

function checked(payload: Uint8Array, key: KeyObject, signature: Uint8Array): void {
  if (!verify('sha256', payload, key, signature)) throw new Error('a good signature was refused');
}

function parsing(): Part[] {
  const layers = ['a', 'b', 'c', 'd'].map((text) =>
    descriptorOf('application/vnd.oci.image.layer.v1.tar+gzip', utf8(text)),
  );
  const manifest = encodeManifest({
    mediaType: mediaTypes.manifest,
    config: emptyConfigDescriptor,
    layers,
  });
  const manifests = Array.from({ length: 1000 }, (_, i) => ({
    ...descriptorOf(mediaTypes.manifest, utf8(String(i))),
    artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    annotations: { 'org.opencontainers.image.created': '2026-01-01T00:00:00Z' },
  }));
  const index = encodeIndex({ mediaType: mediaTypes.index, manifests });
  return [
    synchronous('parse a manifest of 4 layers', () => parseManifest(manifest)),
    synchronous('parse an index of 1,000 referrers', () => parseManifest(index)),
  ];
}

async function registries(): Promise<Part[]> {
  const made: Part[] = [];
  const starters: [string, () => Promise<Registry>][] = [['embedded registry', startEmbeddedRegistryProcess]];
  if (findProgram('docker-registry') !== undefined) starters.push(['docker-registry', startDockerRegistry]);
  for (const [name, start] of starters) {
    const registry = await start();
    try {
      const { repository, digest } = await pushSmallImage(registry, 'bench/parts');
      const paths: [string, string][] = [['a manifest by digest', `manifests/${digest}`]];
      if (name === 'embedded registry') paths.push(['referrers', `referrers/${digest}`]);
      for (const [what, path] of paths)
        made.push(await overHttp(`${name}: GET ${what}`, `${registry.url}/v2/${repository}/${path}`));
    } finally {
      await registry.stop();
    }
  }
  return made;
}

function synchronous(name: string, work: () => unknown): Part {
  for (let i = 0; i < 20; i++) work();
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < time) {
    work();
    count += 1;
  }
  return { name, perSecond: (count * 1000) / (performance.now() - start) };
}

async function asynchronous(name: string, work: () => Promise<unknown>): Promise<Part> {
  await work();
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < time) {
    await work();
    count += 1;
  }
  return { name, perSecond: (count * 1000) / (performance.now() - start) };
}

async function overHttp(name: string, url: string): Promise<Part> {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  await askFor(time / 4, url, agent);
  const start = performance.now();
  const count = await askFor(time, url, agent);
  const elapsed = performance.now() - start;
  agent.destroy();
  return { name, perSecond: (count * 1000) / elapsed };
}

/** How many answers there were in that many milliseconds. */
async function askFor(milliseconds: number, url: string, agent: Agent): Promise<number> {
  const end = performance.now() + milliseconds;
  let count = 0;
  const client = async (): Promise<void> => {
    for (; performance.now() < end; count += 1) await get(url, agent);
  };
  await Promise.all(Array.from({ length: parallel }, client));
  return count;
}

function get(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json',
    };
    const asked = request(url, { agent, headers }, (response) => {
      response.resume();
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`GET ${url}: ${response.statusCode}`));
      });
    });
    asked.on('error', reject).end();
  });
}
