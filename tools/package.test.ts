import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { temporaryDirectory } from '../test/support/temporary.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
// `npm ci` builds; a checkout that was never installed has nothing to look at.
const skip = existsSync(join(root, 'dist')) ? false : 'dist is not built';

test('every export has a source, and its built files are where the map says', { skip }, () => {
  for (const [name, target] of Object.entries<string | { types: string; default: string }>(
    packageJson.exports,
  )) {
    if (typeof target === 'string') continue;
    const source = target.default.replace('./dist/lib/', 'src/').replace(/\.js$/, '.ts');
    assert.ok(existsSync(join(root, source)), `${name}: ${source}`);
    assert.ok(existsSync(join(root, target.default)), `${name}: ${target.default}`);
    assert.ok(existsSync(join(root, target.types)), `${name}: ${target.types}`);
  }
});

test('the program is small and can be run', { skip }, () => {
  const program = join(root, packageJson.bin.boltseal);
  assert.ok(statSync(program).size < 10_000, 'the entry is parsed by every run');
  assert.ok(readFileSync(program, 'utf8').startsWith('#!/usr/bin/env node\n'));
  if (process.platform !== 'win32') assert.equal(statSync(program).mode & 0o111, 0o111);
});

test('the built command line copies no getters of built-in modules', { skip }, () => {
  // Copying those of node:http loads undici: 40 ms.
  const folder = join(root, 'dist', 'cli');
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.cjs'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    assert.doesNotMatch(text, /\bnode_https?\w* = [\w.]*__toESM/, name);
  }
});

test('the built command line loads nothing with import()', { skip }, () => {
  // Files that are compiled with the cache of compiled code cannot.
  const folder = join(root, 'dist', 'cli');
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.cjs'))) {
    assert.doesNotMatch(readFileSync(join(folder, name), 'utf8'), /(?:^|[^.\w])import\(/m, name);
  }
});

test('the built command line is ASCII, and passes things on without functions', { skip }, () => {
  // docs/decisions/0007-start-up.md. What is exported before it has its last value keeps its function.
  const folder = join(root, 'dist', 'cli');
  let functions = 0;
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.cjs'))) {
    const text = readFileSync(join(folder, name), 'latin1');
    assert.doesNotMatch(text, /[^\0-\x7f]/, name);
    functions += text.match(/^Object\.defineProperty\(exports, "/gm)?.length ?? 0;
  }
  assert.ok(functions < 100, `${functions} functions`);
});

test('the declarations want no package that is optional', { skip }, () => {
  const folder = join(root, 'dist', 'lib');
  const names = Object.keys(packageJson.peerDependencies);
  assert.ok(names.length > 0);
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.d.ts')) continue;
    const text = readFileSync(join(folder, path), 'utf8');
    for (const name of names)
      assert.doesNotMatch(text, new RegExp(`(?:from|import\\()\\s*['"]${name}`), path);
  }
});

test('the SDK of a key management service that is not installed is named', { skip }, async (t) => {
  const folder = await temporaryDirectory(t);
  cpSync(join(root, 'dist', 'cli'), folder, { recursive: true });
  const references: Readonly<Record<string, string>> = {
    '@aws-sdk/client-kms': 'awskms:///alias/release',
    '@azure/keyvault-keys': 'azurekms://acme.vault.azure.net/release',
    '@google-cloud/kms': 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k',
  };
  for (const [name, reference] of Object.entries(references)) {
    const args = [join(folder, 'boltseal.cjs'), 'public-key', '--key', reference];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /ERR_KEY_PEER/);
    assert.ok(stderr.includes(`npm install '${name}@`), stderr);
    const [, versions] = new RegExp(`npm install '${name}@([^']*)'`).exec(stderr) ?? [];
    assert.equal(versions, packageJson.peerDependencies[name]);
    assert.equal(packageJson.peerDependenciesMeta[name].optional, true);
  }
});

test('the package is in order', { skip }, async () => {
  const { messages } = await publint({ pkgDir: root, level: 'warning', strict: true });
  assert.deepEqual(messages, []);
});
