import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pushLayout, writeBusyboxLayout } from './busybox-image.ts';
import { startLatencyProxy } from './latency-proxy.ts';
import { needPrograms, runProgram } from './programs.ts';
import { startCraneRegistry, startDockerRegistry } from './registries.ts';
import { pushSmallImage, pushSmallIndex } from './small-image.ts';
import { temporaryDirectory } from './temporary.ts';

test('docker-registry: the busybox image arrives whole and is pulled for each platform', async (t) => {
  const programs = needPrograms(t, 'docker-registry', 'crane', 'skopeo', 'busybox-amd64', 'busybox-arm64');
  if (programs === undefined) return;
  const folder = await temporaryDirectory(t);
  const registry = await startDockerRegistry();
  t.after(() => registry.stop());
  const layout = await writeBusyboxLayout(join(folder, 'layout'), programs);
  const destination = `${registry.host}/busybox:latest`;
  await pushLayout(programs, layout, destination);

  const digest = await runProgram(programs.crane, ['digest', destination]);
  assert.equal(digest.stdout.trim(), layout.index.digest);
  for (const { platform } of layout.platforms) {
    const inspected = await runProgram(programs.skopeo, [
      ...['--override-os', platform.os, '--override-arch', platform.architecture],
      ...['inspect', '--tls-verify=false', `docker://${destination}`],
    ]);
    assert.equal(inspected.code, 0, inspected.stderr);
    assert.equal(JSON.parse(inspected.stdout).Architecture, platform.architecture);
  }
  const exported = await runProgram('/bin/sh', [
    '-c',
    '"$0" export --platform linux/arm64 "$1" - | tar -tv',
    programs.crane,
    destination,
  ]);
  assert.match(exported.stdout, /-rwxr-xr-x .* bin\/busybox\n.* bin\/sh -> busybox\n/);
});

test('docker-registry: small images through the proxy, as crane sees them', async (t) => {
  const programs = needPrograms(t, 'docker-registry', 'crane');
  if (programs === undefined) return;
  const registry = await startDockerRegistry({ delete: true });
  t.after(() => registry.stop());
  const proxy = await startLatencyProxy(registry.host);
  t.after(() => proxy.stop());

  const image = await pushSmallImage(proxy, 'some/image', { tag: 'v1' });
  assert.match(image.reference, new RegExp(`^${proxy.host}/some/image@sha256:[0-9a-f]{64}$`));
  const other = await pushSmallImage(proxy, 'some/image', { content: 'another' });
  assert.notEqual(other.digest, image.digest);
  const index = await pushSmallIndex(proxy, 'some/index', { tag: 'v1' });
  // crane takes the layers of an attestation for archives, so it cannot validate the index as a whole.
  const manifest = await runProgram(programs.crane, ['manifest', `${proxy.host}/some/index:v1`]);
  assert.deepEqual(
    JSON.parse(manifest.stdout).manifests.map(({ digest }: { digest: string }) => digest),
    [...index.children, index.attestation].map(({ digest }) => digest),
  );
  for (const { reference } of [image, ...index.children]) {
    const validated = await runProgram(programs.crane, ['validate', '--remote', reference]);
    assert.equal(validated.code, 0, validated.stderr);
  }
  const uploads = proxy.requests.filter(({ method }) => method === 'PUT');
  assert.ok(uploads.some(({ path }) => path.includes('/blobs/uploads/')));

  const unwanted = `${registry.url}/v2/some/image/manifests/${other.digest}`;
  assert.equal((await fetch(unwanted, { method: 'DELETE' })).status, 202);
});

test('docker-registry: an account', async (t) => {
  if (needPrograms(t, 'docker-registry') === undefined) return;
  const registry = await startDockerRegistry({ auth: { username: 'robot', password: 'a secret' } });
  t.after(() => registry.stop());
  const refused = await fetch(`${registry.url}/v2/`);
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get('www-authenticate') ?? '', /^Basic /);
  await assert.rejects(pushSmallImage(registry, 'image'), /401/);
  const authorization = `Basic ${Buffer.from('robot:a secret').toString('base64')}`;
  await pushSmallImage({ url: registry.url, authorization }, 'image');
});

test('crane’s registry takes the same images; after stop nothing listens', async (t) => {
  if (needPrograms(t, 'crane') === undefined) return;
  const registry = await startCraneRegistry();
  t.after(() => registry.stop());
  const index = await pushSmallIndex(registry, 'index');
  const referrers = await fetch(`${registry.url}/v2/index/referrers/${index.digest}`);
  assert.equal(referrers.status, 404, 'no referrers API, like docker-registry');
  await registry.stop();
  await assert.rejects(fetch(registry.url));
});
