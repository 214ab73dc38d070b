import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import { isDigest } from '../../../src/core/digest.ts';
import { utf8 } from '../../../src/core/encoding.ts';
import { type ErrorCode, errorTable } from '../../../src/core/errors.ts';
import { encodeBundle } from '../../../src/formats/bundle.ts';
import { signatureLayer, signatureManifest, signatureTag } from '../../../src/formats/cosign-layer.ts';
import { inTotoPayloadType, preAuthEncoding } from '../../../src/formats/dsse.ts';
import { type Descriptor, emptyConfigBytes, mediaTypes } from '../../../src/formats/oci.ts';
import { bundleManifest } from '../../../src/formats/referrer-manifest.ts';
import { signPredicateType } from '../../../src/formats/statement.ts';
import { openPrivateKey } from '../../../src/keys/private-key.ts';
import type { Signer } from '../../../src/keys/signer.ts';
import { type CliResult, type CliWorld, runInProcess } from '../../support/run-cli.ts';
import { type PushedManifest, type PushTarget, pushBlob, pushManifest } from '../../support/small-image.ts';
import { type Releases, temporaryDirectory } from '../../support/temporary.ts';

/** The password of every key here; no output may hold it. */
export const password = 'correct-horse-battery-staple';

/** Runs of the command line that are searched for secrets. */
export interface Bench {
  readonly folder: string;
  /** A path in {@link folder}. */
  file(name: string): string;
  /** More text that no output may hold. */
  readonly secrets: string[];
  /** The environment of runs: the password, and no credentials of this machine. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs with `--verbose`, which shows the most, and fails when a secret or a control character is in the output. */
  run(words: readonly string[], world?: CliWorld): Promise<CliResult>;
}

/** What is released when all tests of the calling file are over. */
export function releasesOfFile(): Releases {
  const queue: (() => Promise<void>)[] = [];
  after(async () => {
    for (const release of queue.reverse()) await release();
  });
  return { after: (release) => queue.push(release) };
}

/** An empty folder and a way to run commands in it. */
export async function openBench(releases: Releases): Promise<Bench> {
  const folder = await temporaryDirectory(releases);
  const secrets = [password];
  const env = {
    COSIGN_PASSWORD: password,
    HOME: folder,
    DOCKER_CONFIG: join(folder, 'no-docker'),
    XDG_RUNTIME_DIR: join(folder, 'no-podman'),
  };
  return {
    folder,
    file: (name) => join(folder, name),
    secrets,
    env,
    async run(words, world = {}) {
      const result = await runInProcess([...words, '--verbose'], { ...world, env: { ...env, ...world.env } });
      assertNoSecrets(result, secrets);
      // Whoever writes to a registry must not get to write to the terminals of its readers.
      const forPeople = words.includes('tree') ? result.stdout + result.stderr : result.stderr;
      assert.doesNotMatch(forPeople, /[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
      assert.doesNotMatch(result.stdout, /[\0-\x09\x0b-\x1f\x7f]/);
      return result;
    },
  };
}

/** Fails when an output holds one of `secrets`, as it is or in base64. */
export function assertNoSecrets(
  { stdout, stderr }: Pick<CliResult, 'stdout' | 'stderr'>,
  secrets: readonly string[],
): void {
  for (const secret of secrets) {
    const encoded = Buffer.from(secret).toString('base64').replace(/=+$/, '');
    for (const text of [stdout, stderr]) {
      assert.ok(!text.includes(secret) && !text.includes(encoded), `a secret in the output: ${text}`);
    }
  }
}

/** A bench with two key pairs, `a` and `b`, and a signer with the private half of `a`. */
export interface KeyBench extends Bench {
  readonly signer: Signer;
}

/** {@link openBench} with keys. */
export async function openKeyBench(releases: Releases): Promise<KeyBench> {
  const bench = await openBench(releases);
  for (const name of ['a', 'b']) {
    const made = await bench.run(['generate-key-pair', '--output-key-prefix', bench.file(name)]);
    assert.equal(made.code, 0, made.stderr);
    const pem = await readFile(bench.file(`${name}.key`), 'utf8');
    bench.secrets.push(...pem.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----')));
  }
  const bytes = await readFile(bench.file('a.key'));
  return { ...bench, signer: await openPrivateKey(bytes, async () => [utf8(password)], 'a.key') };
}

/** Fails unless a run ended with `code` and its exit code, said so on standard error, and printed no data. */
export function assertRefused(result: CliResult, code: ErrorCode, exit: number): void {
  assert.match(result.stderr, new RegExp(`^error: .*\\(${code}\\)$`, 'm'));
  assert.equal(result.code, exit, result.stderr);
  assert.equal(result.stdout, '');
}

/** What `verify --output json` says of one image. */
export interface VerifyJson {
  readonly code: number;
  readonly verified: boolean;
  /** Of the whole image. */
  readonly error: ErrorCode | undefined;
  /** Of each refused candidate, sorted. */
  readonly refused: readonly ErrorCode[];
  /** Of each place that could not be read. */
  readonly places: readonly ErrorCode[];
  readonly accepted: number;
}

/** Verifies `reference` with the public key `a.pub`, as text, with `--explain` and as JSON; the three must agree. */
export async function verifyJson(
  bench: Bench,
  reference: string,
  ...flags: readonly string[]
): Promise<VerifyJson> {
  const words = ['verify', ...(flags.includes('--key') ? [] : ['--key', bench.file('a.pub')]), ...flags];
  const json = await bench.run([...words, '--output', 'json', '--explain', reference]);
  const { schema, images } = JSON.parse(json.stdout);
  assert.equal(schema, 'boltseal.verify/1', json.stdout);
  const [image, ...others] = images;
  assert.equal(others.length, 0);
  assert.equal(image.verified, json.code === 0);
  const refused: { code: ErrorCode; message: string }[] = image.refused ?? [];
  const places: { error?: { code: ErrorCode } }[] = image.places ?? [];
  for (const { code, message } of refused) {
    assert.ok(json.stderr.includes(`${message} (${code})`), 'each reason is explained');
  }
  if (image.verified) assert.equal(image.error, undefined);
  else {
    assert.ok(json.stderr.includes(`(${image.error.code})`));
    assert.notEqual(image.error.hint, undefined, `a refusal says what to do next: ${json.stderr}`);
    assert.equal((image.accepted ?? []).length, 0);
  }
  for (const code of [image.error?.code, ...refused.map((one) => one.code)]) {
    assert.ok(code === undefined || (code in errorTable && code !== 'ERR_INTERNAL'), json.stderr);
  }
  return {
    code: json.code,
    verified: image.verified,
    error: image.error?.code,
    refused: refused.map(({ code }) => code).sort(),
    places: places.flatMap(({ error }) => (error === undefined ? [] : [error.code])),
    accepted: (image.accepted ?? []).length,
  };
}

/** Stores signatures and things that look like them, without the checks of `sign`. */
export interface Forger {
  /** A referrer of `image` with this bundle. */
  bundle(image: PushedManifest, bundle: Uint8Array): Promise<PushedManifest>;
  /** A referrer of `image` whose bundle holds `payload`, signed by the bench's key. */
  signedBundle(image: PushedManifest, payload: string | Uint8Array): Promise<PushedManifest>;
  /** The `.sig` manifest of `image` with these layers. */
  layers(image: PushedManifest, layers: readonly Descriptor[]): Promise<PushedManifest>;
  /** The layer of a payload that is stored and signed by the bench's key. */
  signedLayer(image: PushedManifest, payload: string | Uint8Array): Promise<Descriptor>;
  /** Any bytes as the `.sig` manifest of `image`. */
  signatureTag(image: PushedManifest, manifest: Uint8Array | object): Promise<PushedManifest>;
}

/** A forger who writes to `target`. */
export function forgerOf(target: PushTarget, signer: Signer): Forger {
  const forger: Forger = {
    async bundle(image, content) {
      const { bytes } = bundleManifest({
        bundle: content,
        subject: { ...image, digest: digestIn(image) },
        predicateType: signPredicateType,
        created: new Date(0),
      });
      await pushBlob(target, image.repository, mediaTypes.config, emptyConfigBytes);
      await pushBlob(target, image.repository, 'application/octet-stream', content);
      return pushManifest(target, image.repository, mediaTypes.manifest, bytes);
    },
    async signedBundle(image, text) {
      const payload = new Uint8Array(Buffer.from(text));
      const signature = await signer.sign(preAuthEncoding(inTotoPayloadType, payload));
      const envelope = { payload, payloadType: inTotoPayloadType, signatures: [{ signature }] };
      return forger.bundle(image, bundleOf(envelope, signer.publicKey.hint));
    },
    layers: (image, layers) => forger.signatureTag(image, signatureManifest(layers)),
    async signedLayer(image, text) {
      const payload = new Uint8Array(Buffer.from(text));
      await pushBlob(target, image.repository, 'application/octet-stream', payload);
      return signatureLayer(payload, await signer.sign(payload));
    },
    async signatureTag(image, manifest) {
      await pushBlob(target, image.repository, mediaTypes.config, emptyConfigBytes);
      const tag = signatureTag(digestIn(image));
      return pushManifest(target, image.repository, mediaTypes.manifest, manifest, tag);
    },
  };
  return forger;
}

/** A bundle around an envelope. */
export function bundleOf(
  envelope: {
    payload: Uint8Array;
    payloadType: string;
    signatures: readonly { signature: Uint8Array }[];
  },
  publicKeyHint = '',
): Uint8Array {
  return encodeBundle({
    material: { publicKeyHint, timestamps: [], logEntries: [] },
    content: { kind: 'envelope', envelope },
  });
}

function digestIn({ digest }: PushedManifest): Descriptor['digest'] {
  assert.ok(isDigest(digest));
  return digest;
}

/** JSON nested `depth` deep. */
export function deepJson(depth = 10_000): string {
  return `${'['.repeat(depth)}${']'.repeat(depth)}`;
}
