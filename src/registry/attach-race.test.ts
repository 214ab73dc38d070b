/**
 * Many processes attach to one image at once, on real registries that keep lists under tags and look at no `If-Match`.
 * Started with `attach`, this file is one of those processes.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needPrograms } from '../../test/support/programs.ts';
import { type Registry, startCraneRegistry, startDockerRegistry } from '../../test/support/registries.ts';
import { pushSmallImage } from '../../test/support/small-image.ts';
import { parseDigest } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { signatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import { emptyConfigBytes, encodeIndex, mediaTypes, parseManifest } from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import { bundleManifest, referrersTag } from '../formats/referrer-manifest.ts';
import { createRuntime } from '../node/runtime.ts';
import { attachReferrer, attachSignatureLayer } from './attach.ts';
import { openRepository } from './client.ts';
import type { Repository } from './repository.ts';

const processes = 32;

async function attachBoth(repository: Repository, subject: string, name: string): Promise<void> {
  const runtime = createRuntime();
  const digest = parseDigest(subject);
  const image = { mediaType: mediaTypes.manifest, digest, size: 401 };
  const content = utf8(`content ${name}`);
  await Promise.all([repository.putBlob(content, { fresh: true }), repository.putBlob(emptyConfigBytes)]);
  const predicateType = 'https://example.test/v1';
  const parts = { bundle: content, subject: image, predicateType, created: runtime.now() };
  const { bytes, descriptor } = bundleManifest(parts);
  await Promise.all([
    attachReferrer(repository, { manifest: bytes, descriptor, subject: digest }, runtime),
    attachSignatureLayer(
      repository,
      { layer: signatureLayer(content, utf8(name)), subject: digest },
      runtime,
    ),
  ]);
}

if (process.argv[2] === 'attach') {
  const [reference = '', subject = '', name = ''] = process.argv.slice(3);
  const repository = await openRepository(parseReference(reference), createRuntime(), { push: true });
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  await attachBoth(repository, subject, name);
} else {
  raceOn('docker-registry', 'docker-registry', startDockerRegistry);
  raceOn('the registry of crane', 'crane', startCraneRegistry);
}

function raceOn(title: string, program: 'docker-registry' | 'crane', start: () => Promise<Registry>): void {
  describe(title, () => {
    let registry: Registry | undefined;
    before(async () => {
      registry = await start();
    });
    after(() => registry?.stop());

    test(`${processes} processes lose nothing, theirs or a stranger's`, async (t) => {
      if (needPrograms(t, program) === undefined || registry === undefined) return;
      const rounds = Number(process.env['BOLTSEAL_RACE_ROUNDS'] ?? '1');
      for (let round = 0; round < rounds; round++) await race(registry, `race/image${round}`);
    });
  });
}

async function race(registry: Registry, path: string): Promise<void> {
  const image = await pushSmallImage(registry, path);
  const subject = parseDigest(image.digest);
  const repository = await openRepository(parseReference(`${registry.host}/${path}`), createRuntime(), {
    push: true,
  });
  const foreign = {
    mediaType: mediaTypes.manifest,
    digest: parseDigest(`sha256:${'f'.repeat(64)}`),
    size: 7,
  };
  const text = `{"vendor":{"number":1.0},${new TextDecoder().decode(encodeIndex({ mediaType: mediaTypes.index, manifests: [foreign] })).slice(1)}`;
  await repository
    .putManifest(utf8(text), mediaTypes.index, { tag: referrersTag(subject) })
    .catch(async () => {
      // docker-registry wants what an index lists to be there.
      await repository.putManifest(
        utf8(text.replace('f'.repeat(64), image.digest.slice(7)).replace('"size":7', `"size":${image.size}`)),
        mediaTypes.index,
        { tag: referrersTag(subject) },
      );
    });

  const started = performance.now();
  const children = Array.from({ length: processes }, (_, n) =>
    spawn(
      process.execPath,
      [fileURLToPath(import.meta.url), 'attach', `${registry.host}/${path}`, subject, `p${n}`],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    ),
  );
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  const racing = performance.now();
  const codes = children.map((child) => once(child, 'exit'));
  for (const child of children) child.stdin.end('go\n');
  for (const exited of codes) assert.equal((await exited)[0], 0);
  const done = performance.now();

  const list = await repository.referrers(subject);
  const signatures = await repository.getManifest(signatureTag(subject));
  assert.ok(signatures !== undefined && list.fallbackIndex !== undefined);
  const manifest = parseManifest(signatures.bytes);
  assert.ok(manifest.kind === 'manifest');
  const kept = new TextDecoder().decode(list.fallbackIndex.bytes);
  const bundles = list.descriptors.filter(({ artifactType }) => artifactType !== undefined).length;
  if (process.env['BOLTSEAL_RACE_ROUNDS'] !== undefined) {
    console.log(
      `${path}: ${bundles} bundles, ${manifest.layers.length} layers; start ${Math.round(racing - started)} ms, race ${Math.round(done - racing)} ms`,
    );
  } else {
    assert.equal(bundles, processes);
    assert.equal(list.descriptors.length, processes + 1);
    assert.equal(manifest.layers.length, processes);
    assert.ok(kept.startsWith('{"vendor":{"number":1.0},'));
  }
}
