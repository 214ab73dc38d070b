import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderStorage, type RegistryOptions } from '../../src/server/index.ts';
import { pushLayout, writeBusyboxLayout } from '../support/busybox-image.ts';
import { type EmbeddedRegistry, useEmbeddedRegistry } from '../support/embedded-registry.ts';
import { needPrograms, type ProgramResult, runProgram } from '../support/programs.ts';
import { pushSmallImage, pushSmallIndex } from '../support/small-image.ts';
import { encodeTar } from '../support/tar.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/** With and without the referrers API: clients then keep the fallback tag. */
const kinds: readonly (readonly [string, Partial<RegistryOptions>])[] = [
  ['referrers API', {}],
  ['fallback tag', { referrers: false }],
];

async function succeed(path: string, args: readonly string[], env: Record<string, string> = {}) {
  const result = await runProgram(path, args, { env });
  assert.equal(result.code, 0, `${path} ${args.join(' ')}: ${result.stderr}`);
  return result;
}

async function fail(path: string, args: readonly string[], env = {}): Promise<ProgramResult> {
  const result = await runProgram(path, args, { env });
  assert.notEqual(result.code, 0, `${path} ${args.join(' ')} should have failed`);
  return result;
}

test('crane: append, copy, tag, list, manifest, index, pull, push, validate, delete', async (t) => {
  const programs = needPrograms(t, 'crane');
  if (programs === undefined) return;
  const folder = await temporaryDirectory(t);
  const server = await useEmbeddedRegistry(t, { storage: folderStorage(join(folder, 'registry')) });
  const crane = (...args: string[]) => succeed(programs.crane, args);
  const image = `${server.host}/acme/app`;
  const layer = join(folder, 'layer.tar');
  const content = randomBytes(3_000_000);
  await writeFile(layer, encodeTar([{ name: 'file', type: 'file', content, mode: 0o644 }]));
  await crane('append', '--new_layer', layer, '--new_tag', `${image}:one`);
  await crane('tag', `${image}:one`, 'two');
  assert.deepEqual((await crane('ls', image)).stdout.trim().split('\n'), ['one', 'two']);
  const digest = (await crane('digest', `${image}:two`)).stdout.trim();
  const copy = `${server.host}/copy/of/app:one`;
  const copied = await crane('copy', `${image}:one`, copy);
  assert.match(copied.stderr, /mounted blob/);
  assert.equal((await crane('digest', copy)).stdout.trim(), digest);
  await crane('index', 'append', '--manifest', `${image}@${digest}`, '--tag', `${image}:index`);
  assert.equal(JSON.parse((await crane('manifest', `${image}:index`)).stdout).manifests[0].digest, digest);
  await crane('validate', '--remote', `${image}:index`);
  assert.equal((await crane('catalog', server.host)).stdout, 'acme/app\ncopy/of/app\n');
  await crane('pull', '--format', 'oci', copy, join(folder, 'pulled'));
  await crane('push', join(folder, 'pulled'), `${server.host}/again:one`);
  assert.equal((await crane('digest', `${server.host}/again:one`)).stdout.trim(), digest);
  await crane('delete', `${image}:two`);
  assert.deepEqual((await crane('ls', image)).stdout.trim().split('\n'), ['index', 'one']);
  await crane('delete', `${image}@${digest}`);
  await fail(programs.crane, ['manifest', `${image}:one`]);
});

for (const [kind, options] of kinds) {
  test(`oras, ${kind}: push, attach, discover, recursive copy, pull, delete`, async (t) => {
    const programs = needPrograms(t, 'oras');
    if (programs === undefined) return;
    const folder = await temporaryDirectory(t);
    const server = await useEmbeddedRegistry(t, options);
    const oras = (...args: string[]) =>
      runProgram(programs.oras, args, { cwd: folder }).then((result) => {
        assert.equal(result.code, 0, `oras ${args.join(' ')}: ${result.stderr}`);
        return result;
      });
    await writeFile(join(folder, 'file.txt'), 'content');
    await writeFile(join(folder, 'note.txt'), 'note');
    const image = `${server.host}/acme/app:v1`;
    await oras('push', '--plain-http', '--artifact-type', 'text/thing', image, 'file.txt:text/plain');
    for (const number of ['1', '2']) {
      const annotation = `number=${number}`;
      await oras(
        ...['attach', '--plain-http', '--artifact-type', `text/note${number}`],
        ...['--annotation', annotation, image, 'note.txt:text/plain'],
      );
    }
    const discover = async (reference: string, ...more: string[]) =>
      JSON.parse(
        (await oras('discover', '--plain-http', '--format', 'json', ...more, reference)).stdout,
      ).referrers.map(({ artifactType }: { artifactType: string }) => artifactType);
    assert.deepEqual((await discover(image)).sort(), ['text/note1', 'text/note2']);
    assert.deepEqual(await discover(image, '--artifact-type', 'text/note2'), ['text/note2']);
    const copy = `${server.host}/copy:v1`;
    await oras('cp', '-r', '--from-plain-http', '--to-plain-http', image, copy);
    assert.deepEqual((await discover(copy)).sort(), ['text/note1', 'text/note2']);
    await oras('pull', '--plain-http', '-o', 'out', copy);
    const fallback = (await oras('repo', 'tags', '--plain-http', `${server.host}/acme/app`)).stdout;
    assert.equal(/sha256-[0-9a-f]{64}/.test(fallback), options.referrers === false);
    await oras('manifest', 'delete', '--plain-http', '-f', image);
    await fail(programs.oras, ['manifest', 'fetch', '--plain-http', image]);
  });

  for (const cosign of ['cosign3', 'cosign2'] as const) {
    test(`${cosign}, ${kind}: sign, verify, attest, tree, clean`, async (t) => {
      const programs = needPrograms(t, cosign);
      if (programs === undefined) return;
      const folder = await temporaryDirectory(t);
      const server = await useEmbeddedRegistry(t, options);
      const image = await pushSmallImage(server, 'acme/app', { tag: 'v1' });
      await signAndVerify(programs[cosign], cosign, server, image.reference, folder);
    });
  }

  test(`skopeo, ${kind}: copy of all platforms both ways, inspect, list, delete`, async (t) => {
    const programs = needPrograms(t, 'skopeo', 'crane', 'busybox-amd64', 'busybox-arm64');
    if (programs === undefined) return;
    const folder = await temporaryDirectory(t);
    const server = await useEmbeddedRegistry(t, options);
    const layout = await writeBusyboxLayout(join(folder, 'layout'), programs);
    const image = `docker://${server.host}/busybox:latest`;
    await pushLayout(programs, layout, `${server.host}/busybox:latest`);
    const plain = '--tls-verify=false';
    const copy = (from: string, to: string, ...more: string[]) =>
      succeed(programs.skopeo, [
        ...['--insecure-policy', 'copy', '--all', '--src-tls-verify=false', '--dest-tls-verify=false'],
        ...more,
        from,
        to,
      ]);
    await copy(image, `oci:${join(folder, 'out')}:x`, '--preserve-digests');
    await copy(`oci:${join(folder, 'out')}:x`, `docker://${server.host}/again:x`, '--preserve-digests');
    await copy(image, `docker://${server.host}/docker:x`, '--format', 'v2s2');
    const raw = await succeed(programs.skopeo, ['inspect', plain, `docker://${server.host}/again:x`]);
    assert.equal(JSON.parse(raw.stdout).Digest, layout.index.digest);
    const tags = await succeed(programs.skopeo, ['list-tags', plain, `docker://${server.host}/busybox`]);
    assert.deepEqual(JSON.parse(tags.stdout).Tags, ['latest']);
    await succeed(programs.skopeo, ['delete', plain, image]);
    await fail(programs.skopeo, ['inspect', plain, image]);
  });
}

async function signAndVerify(
  path: string,
  version: 'cosign3' | 'cosign2',
  server: EmbeddedRegistry,
  image: string,
  folder: string,
): Promise<void> {
  const env = { COSIGN_PASSWORD: 'secret', HOME: folder };
  const cosign = async (...args: string[]) => {
    const result = await runProgram(path, args, { env, cwd: folder });
    assert.equal(result.code, 0, `${version} ${args.join(' ')}: ${result.stderr}`);
    return result;
  };
  await cosign('generate-key-pair');
  const offline = ['--tlog-upload=false', '--yes', '--key', 'cosign.key'];
  const config = version === 'cosign3' ? ['--use-signing-config=false'] : [];
  await writeFile(join(folder, 'predicate.json'), '{"hello":"world"}');
  await cosign('sign', ...offline, ...config, '-a', 'who=me', image);
  await cosign('attest', ...offline, ...config, '--predicate', 'predicate.json', '--type', 'custom', image);
  const trust = ['--insecure-ignore-tlog=true', '--key', 'cosign.pub'];
  const verified = await cosign('verify', ...trust, '-a', 'who=me', image);
  assert.match(verified.stdout, /"who":"me"/);
  await cosign('verify-attestation', ...trust, '--type', 'custom', image);
  const tree = await cosign('tree', image);
  assert.match(tree.stdout, /sha256:[0-9a-f]{64}/);
  const digest = image.slice(image.indexOf('@') + 1);
  const referrers = await fetch(`${server.url}/v2/acme/app/referrers/${digest}`);
  if (version === 'cosign3' && referrers.status === 200) {
    const { manifests } = (await referrers.json()) as { manifests: { artifactType: string }[] };
    assert.deepEqual(
      manifests.map(({ artifactType }) => artifactType),
      Array(2).fill('application/vnd.dev.sigstore.bundle.v0.3+json'),
    );
  }
  await cosign('clean', '--force', '--type', 'all', image);
  const left = await runProgram(path, ['verify', ...trust, image], { env, cwd: folder });
  assert.equal(left.code, 10, 'no signatures found');
}

test('accounts: crane and oras log in with a password, by Basic and by Bearer', async (t) => {
  const programs = needPrograms(t, 'crane', 'oras', 'skopeo');
  if (programs === undefined) return;
  const account = { username: 'robot', password: 'a secret' };
  for (const kind of ['basic', 'bearer'] as const) {
    const folder = await temporaryDirectory(t);
    const server = await useEmbeddedRegistry(t, { auth: { kind, ...account } });
    const env = { HOME: folder };
    const image = `${server.host}/acme/app:v1`;
    const tar = join(folder, 'layer.tar');
    await writeFile(tar, encodeTar([{ name: 'file', type: 'file', content: Buffer.from('x'), mode: 0o644 }]));
    await fail(programs.crane, ['append', '--new_layer', tar, '--new_tag', image], env);
    const login = ['login', '-u', account.username, '-p'];
    await fail(programs.oras, [...login, 'wrong', server.host, '--plain-http'], env);
    await succeed(programs.crane, ['auth', ...login, account.password, server.host], env);
    await succeed(programs.crane, ['append', '--new_layer', tar, '--new_tag', image], env);
    await succeed(programs.crane, ['copy', image, `${server.host}/other:v1`], env);
    await succeed(programs.oras, ['repo', 'tags', '--plain-http', `${server.host}/acme/app`], env);
    const credentials = ['--tls-verify=false', '--creds', `${account.username}:${account.password}`];
    await succeed(programs.skopeo, ['inspect', ...credentials, `docker://${image}`]);
  }
});

test('32 images pushed at once arrive whole', async (t) => {
  const programs = needPrograms(t, 'crane');
  if (programs === undefined) return;
  const server = await useEmbeddedRegistry(t);
  const indexes = await Promise.all(
    Array.from({ length: 32 }, (_, index) =>
      pushSmallIndex(server, 'many', { tag: `t${index}`, content: `image ${index % 4}` }),
    ),
  );
  const tags = (await succeed(programs.crane, ['ls', `${server.host}/many`])).stdout.trim().split('\n');
  assert.equal(tags.length, 32);
  for (const { children } of indexes.slice(0, 4)) {
    for (const { reference } of children) await succeed(programs.crane, ['validate', '--remote', reference]);
  }
  assert.equal(server.registry.uploadsUnderWay, 0);
});
