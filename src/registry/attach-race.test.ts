/**
 * Many processes attach to one image at once, on real registries that keep lists under tags and look at no `If-Match`.
 * Started with `attach`, this file is one of those processes.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needPrograms } from '../../test/support/programs.ts';
import { type Registry, startCraneRegistry, startDockerRegistry } from '../../test/support/registries.ts';
import { pushSmallImage } from '../../test/support/small-image.ts';
import { parseDigest } from '../core/digest.ts';
import { fromUtf8, utf8 } from '../core/encoding.ts';
import { signatureLayer, signatureTag } from '../formats/cosign-layer.ts';
import { emptyConfigBytes, encodeIndex, mediaTypes, parseManifest } from '../formats/oci.ts';
import { parseReference } from '../formats/reference.ts';
import { bundleManifest, referrersTag } from '../formats/referrer-manifest.ts';
import { createRuntime } from '../node/runtime.ts';
import { attachReferrer } from './attach.ts';
import { openRepository } from './client.ts';
import type { Repository } from './repository.ts';
import { attachSignatureLayer } from './signature-tag.ts';

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
  test(`${title}: ${processes} processes lose nothing, theirs or a stranger's`, async (t) => {
    if (needPrograms(t, program) === undefined) return;
    const registry = await start();
    t.after(() => registry.stop());
    // For proofs by hand: more rounds, with what each of them kept and took.
    const rounds = Number(process.env['BOLTSEAL_RACE_ROUNDS'] ?? '1');
    for (let round = 0; round < rounds; round++) t.diagnostic(await race(registry, `race/image${round}`));
  });
}

async function race(registry: Registry, path: string): Promise<string> {
  const image = await pushSmallImage(registry, path);
  const subject = parseDigest(image.digest);
  const repository = await openRepository(parseReference(`${registry.host}/${path}`), createRuntime(), {
    push: true,
  });
  // A stranger's entry, with things in it that are not ours to know. It must exist: docker-registry looks.
  const foreign = { mediaType: mediaTypes.manifest, digest: subject, size: image.size };
  const list = fromUtf8(encodeIndex({ mediaType: mediaTypes.index, manifests: [foreign] }), 'the list');
  const planted = `{"vendor":{"number":1.0},${list.slice(1)}`;
  await repository.putManifest(utf8(planted), mediaTypes.index, { tag: referrersTag(subject) });

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

  const found = await repository.referrers(subject);
  const signatures = await repository.getManifest(signatureTag(subject));
  assert.ok(signatures !== undefined && found.fallbackIndex !== undefined);
  const manifest = parseManifest(signatures.bytes);
  assert.ok(manifest.kind === 'manifest');
  const kept = fromUtf8(found.fallbackIndex.bytes, 'the list');
  const bundles = found.descriptors.filter(({ artifactType }) => artifactType !== undefined).length;
  assert.equal(bundles, processes);
  assert.equal(found.descriptors.length, processes + 1);
  assert.equal(manifest.layers.length, processes);
  assert.ok(kept.startsWith(planted.slice(0, -2)), 'the bytes of a stranger are kept');
  return `${path}: started in ${Math.round(racing - started)} ms, raced for ${Math.round(done - racing)} ms`;
}
