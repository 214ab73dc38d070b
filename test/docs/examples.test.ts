/** Runs the examples: on the sources, and on the built package where that is fresh. Runs the snippets of pages. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, suite } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generateKeyPair } from '../../src/keys/index.ts';
import { startEmbeddedRegistry } from '../support/embedded-registry.ts';
import { type ProgramResult, runProgram } from '../support/programs.ts';
import { type PushedIndex, pushSmallImage, pushSmallIndex } from '../support/small-image.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';
import { parseBlocks } from './guide.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const hook = new URL('../support/source-package.ts', import.meta.url).href;
const password = 'correct-horse-battery-staple';

/** What the name `boltseal` in a program means. CI installs, and so builds, right before it tests. */
const packages = [
  { name: 'the sources', options: ['--import', hook], skip: false },
  {
    name: 'the built package',
    options: [],
    skip: process.env['CI'] ? false : 'dist may be older than the sources',
  },
] as const;

/** A registry with a signed-by-nobody image, and two key pairs. */
interface World {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly url: string;
  readonly image: PushedIndex;
  /** A folder with `cosign.pub` of the secrets' key, and `other.pub`. */
  readonly folder: string;
  readonly secrets: Readonly<Record<string, string>>;
}

async function makeWorld(releases: Releases): Promise<World> {
  const { host, url, stop } = await startEmbeddedRegistry();
  releases.after(stop);
  const [image, ours, theirs, folder] = await Promise.all([
    pushSmallIndex({ url }, 'you/app', { tag: 'v1' }),
    generateKeyPair('ecdsa-p256', password),
    generateKeyPair('ecdsa-p256', password),
    temporaryDirectory(releases),
  ]);
  await writeFile(join(folder, 'cosign.pub'), ours.publicKeyPem);
  await writeFile(join(folder, 'other.pub'), theirs.publicKeyPem);
  const secrets = { COSIGN_PRIVATE_KEY: ours.privateKeyPem, COSIGN_PASSWORD: password };
  return { host, url, image, folder, secrets };
}

/** To be called in a suite: its world, there while its tests run. */
function suiteWorld(): () => World {
  let world: World | undefined;
  const releases: (() => Promise<void>)[] = [];
  before(async () => {
    world = await makeWorld({ after: (release) => releases.push(release) });
  });
  after(async () => {
    for (const release of releases) await release();
  });
  return () => {
    assert.ok(world !== undefined);
    return world;
  };
}

for (const { name, options, skip } of packages) {
  suite(`examples on ${name}`, { skip }, () => {
    const world = suiteWorld();

    async function run(example: string, args: readonly string[], env = {}): Promise<ProgramResult> {
      const { folder } = world();
      const path = join(root, 'examples', example);
      return runProgram(process.execPath, [...options, path, ...args], { cwd: folder, env });
    }

    test('verify-before-deploy refuses what nobody signed', async () => {
      const { host } = world();
      const { code, stdout, stderr } = await run('verify-before-deploy.ts', [`${host}/you/app:v1`]);
      assert.equal(code, 10, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^ERR_NO_SIGNATURES: /);
    });

    test('sign-in-build signs the index and every platform', async () => {
      const { image, secrets } = world();
      const env = { ...secrets, GITHUB_SHA: 'c0ffee' };
      const { code, stdout, stderr } = await run('sign-in-build.ts', [image.reference], env);
      assert.equal(code, 0, stderr);
      const references = [image, ...image.children].map(({ reference }) => reference);
      assert.equal(stdout, references.map((one) => `signed ${one} (bundle, cosign)\n`).join(''));
    });

    test('sign-in-build names the secret that is missing', async () => {
      const { image } = world();
      const { code, stderr } = await run('sign-in-build.ts', [image.reference]);
      assert.equal(code, 20, stderr);
      assert.match(stderr, /^ERR_KEY_NOT_FOUND: .*"COSIGN_PRIVATE_KEY"/);
    });

    test('verify-before-deploy prints what to deploy', async () => {
      const { host, image } = world();
      const { code, stdout, stderr } = await run('verify-before-deploy.ts', [`${host}/you/app:v1`]);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, `${image.reference}\n`);
    });

    test('verify-before-deploy says why another key accepts nothing', async () => {
      const { host } = world();
      const args = [`${host}/you/app:v1`, 'other.pub'];
      const { code, stdout, stderr } = await run('verify-before-deploy.ts', args);
      assert.equal(code, 12, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^ERR_NO_MATCHING_SIGNATURES: [\s\S]*\n {2}sha256:[0-9a-f]{64}: /);
    });

    test('verify-many takes either key and reports each image', async () => {
      const { host, url, image } = world();
      await pushSmallImage({ url }, 'you/worker', { tag: 'v1' });
      const images = [`${host}/you/app:v1`, `${host}/you/worker:v1`, `${host}/you/nothing:v1`];
      const { code, stdout, stderr } = await run('verify-many.ts', ['other.pub,cosign.pub', ...images]);
      assert.equal(code, 1, stderr);
      assert.equal(
        stdout,
        `verified ${image.reference}  1 signature(s)\n` +
          `refused  ${host}/you/worker:v1  ERR_NO_SIGNATURES\n` +
          `refused  ${host}/you/nothing:v1  ERR_IMAGE_NOT_FOUND\n`,
      );
    });

    test('test-with-embedded-registry passes', async () => {
      const { code, stdout, stderr } = await run('test-with-embedded-registry.ts', []);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /✔ only what our key signed may run/);
    });
  });
}

suite('snippets of pages', () => {
  const world = suiteWorld();

  test('every ts block runs, once the image it names is signed', async () => {
    const { host, folder, image, secrets } = world();
    const signed = await runProgram(
      process.execPath,
      ['--import', hook, join(root, 'examples', 'sign-in-build.ts'), image.reference],
      { env: secrets },
    );
    assert.equal(signed.code, 0, signed.stderr);
    const guides = (await readdir(join(root, 'docs', 'guide'))).map((name) => join('docs', 'guide', name));
    let count = 0;
    for (const page of ['README.md', ...guides]) {
      const blocks = parseBlocks(await readFile(join(root, page), 'utf8'), page);
      for (const { place, language, text } of blocks) {
        if (language !== 'ts') continue;
        count++;
        const file = join(folder, `snippet-${count}.ts`);
        await writeFile(file, text.replaceAll('ghcr.io/you/app', `${host}/you/app`));
        const { code, stdout, stderr } = await runProgram(process.execPath, ['--import', hook, file], {
          cwd: folder,
        });
        assert.equal(code, 0, `${place}: ${stderr}`);
        assert.equal(stdout, `${image.reference}\n`, `${place} prints the reference to deploy`);
      }
    }
    assert.ok(count > 0, 'README has a snippet');
  });
});
