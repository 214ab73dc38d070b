import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { digestHex, digestOf } from '../core/digest.ts';
import { utf8 } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { signatureTag } from '../formats/cosign-layer.ts';
import {
  type Descriptor,
  describe,
  emptyConfigBytes,
  emptyConfigDescriptor,
  encodeIndex,
  encodeManifest,
  mediaTypes,
  parseManifest,
} from '../formats/oci.ts';
import { bundleManifest } from '../formats/referrer-manifest.ts';
import { signPredicateType } from '../formats/statement.ts';
import { createRuntime } from '../node/runtime.ts';
import { discoverSignatures } from './discover.ts';
import { createLayout, openLayout } from './layout.ts';
import type { Repository } from './repository.ts';

const runtime = createRuntime();

async function failsWith(code: ErrorCode, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => isBoltsealError(error, code), code);
}

async function emptyLayout(t: TestContext): Promise<{ root: string; layout: Repository }> {
  const root = join(await temporaryDirectory(t), 'deep', 'layout');
  return { root, layout: await createLayout(root, runtime) };
}

async function storeImage(layout: Repository, text: string, tag?: string): Promise<Descriptor> {
  await layout.putBlob(emptyConfigBytes);
  const layers = [await layout.putBlob(utf8(text))];
  const bytes = encodeManifest({ mediaType: mediaTypes.manifest, config: emptyConfigDescriptor, layers });
  return (await layout.putManifest(bytes, mediaTypes.manifest, tag === undefined ? {} : { tag })).descriptor;
}

test('folders that are no layouts', async (t) => {
  const folder = await temporaryDirectory(t);
  const layout = openLayout(folder, runtime);
  await failsWith('ERR_LAYOUT_INVALID', layout.resolve(undefined));
  await failsWith('ERR_LAYOUT_INVALID', openLayout(join(folder, 'absent'), runtime).resolve('v1'));
  await writeFile(join(folder, 'index.json'), '{"manifests":[]}');
  await failsWith('ERR_LAYOUT_INVALID', layout.resolve('v1'));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
  await failsWith('ERR_LAYOUT_INVALID', layout.resolve('v1'));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  assert.equal(await layout.resolve('v1'), undefined);
  for (const [content, code] of [
    ['{"manifests":1}', 'ERR_LAYOUT_INVALID'],
    ['[]', 'ERR_LAYOUT_INVALID'],
    ['{', 'ERR_JSON_INVALID'],
    [
      '{"manifests":[{"mediaType":"x","size":1,"digest":"sha256:../../../etc/passwd"}]}',
      'ERR_MANIFEST_INVALID',
    ],
    [' '.repeat(limits.manifestBytes + 1), 'ERR_LIMIT_EXCEEDED'],
  ] as const) {
    await writeFile(join(folder, 'index.json'), content);
    await failsWith(code, layout.resolve('v1'));
  }
});

test('blobs that lie outside, are no files, or have another content', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const blobs = join(root, 'blobs', 'sha256');
  const secret = utf8('outside the layout');
  const outside = join(root, '..', 'secret');
  await writeFile(outside, secret);
  const descriptor = describe('x', secret);
  await symlink(outside, join(blobs, digestHex(descriptor.digest)));
  await failsWith('ERR_LAYOUT_INVALID', layout.getBlob(descriptor, { maxBytes: 100 }));
  await failsWith('ERR_LAYOUT_INVALID', layout.getManifest(descriptor.digest));
  const folder = describe('x', utf8('a folder'));
  await mkdir(join(blobs, digestHex(folder.digest)));
  await failsWith('ERR_LAYOUT_INVALID', layout.getBlob(folder, { maxBytes: 100 }));
  const tampered = describe('x', utf8('content'));
  await writeFile(join(blobs, digestHex(tampered.digest)), 'CONTENT');
  await failsWith('ERR_DIGEST_MISMATCH', layout.getBlob(tampered, { maxBytes: 100 }));
  await failsWith('ERR_DIGEST_MISMATCH', layout.getManifest(tampered.digest));
});

test('other entries of index.json are kept, and what cosign or skopeo need', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const image = await storeImage(layout, 'x');
  const path = join(root, 'index.json');
  const entry = { mediaType: image.mediaType, digest: image.digest, size: image.size, vendor: { a: [1] } };
  await writeFile(path, JSON.stringify({ schemaVersion: 2, manifests: [entry], extra: true }));
  const second = await storeImage(layout, 'y', 'v2');
  const index = JSON.parse(await readFile(path, 'utf8'));
  assert.equal(index.extra, true);
  assert.deepEqual(index.manifests[0], entry);
  assert.equal(index.manifests[1].annotations['org.opencontainers.image.ref.name'], 'v2');
  assert.deepEqual(await layout.resolve('v2'), second);
  assert.deepEqual(await readdir(join(root)), ['blobs', 'index.json', 'oci-layout']);
});

test('writers at once lose nothing, and a dead writer’s lock is broken', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const lock = join(root, '.boltseal.lock');
  await writeFile(lock, '');
  await utimes(lock, new Date(0), new Date(0));
  const others = Array.from({ length: 4 }, () => openLayout(root, runtime));
  const all = Array.from({ length: 20 }, (_, n) =>
    storeImage(others[n % 4] ?? layout, `image ${n}`, `v${n}`),
  );
  const images = await Promise.all(all);
  for (const [n, image] of images.entries()) assert.deepEqual(await layout.resolve(`v${n}`), image);
});

test('a layout that cosign saved: the image is found, and its signature that nothing lists', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const image = await storeImage(layout, 'x');
  const bundle = utf8('{"a":"bundle"}');
  const { bytes } = bundleManifest({
    bundle,
    subject: image,
    predicateType: signPredicateType,
    created: new Date(0),
  });
  await layout.putBlob(bundle);
  await layout.putManifest(bytes, mediaTypes.manifest);
  const signatures = encodeManifest({
    mediaType: mediaTypes.manifest,
    config: emptyConfigDescriptor,
    layers: [{ ...describe('x', bundle), annotations: { 'dev.cosignproject.cosign/signature': 'AA==' } }],
  });
  await layout.putManifest(signatures, mediaTypes.manifest);
  const kind = (descriptor: Descriptor, name: string): object => ({
    ...descriptor,
    annotations: { kind: `dev.cosignproject.cosign/${name}` },
  });
  const manifests = [kind(image, 'image'), kind(describe(mediaTypes.manifest, signatures), 'sigs')];
  await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  assert.deepEqual(await layout.resolve(undefined), image);
  assert.equal((await layout.resolve(signatureTag(image.digest)))?.digest, digestOf(signatures));
  const { candidates } = await discoverSignatures(layout, image.digest);
  assert.deepEqual(
    candidates.map(({ format, error }) => [format, error]),
    [
      ['bundle', undefined],
      ['cosign', undefined],
    ],
  );
});

test('a multi-platform image with its platforms and signatures listed beside it is the only image', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const platforms = [await storeImage(layout, 'amd64'), await storeImage(layout, 'arm64')];
  const bytes = encodeIndex({ mediaType: mediaTypes.index, manifests: platforms });
  const top = (await layout.putManifest(bytes, mediaTypes.index)).descriptor;
  for (const [at, subject] of [top, ...platforms].entries()) {
    const parts = { bundle: utf8(`${at}`), predicateType: signPredicateType, created: new Date(0) };
    await layout.putManifest(bundleManifest({ ...parts, subject }).bytes, mediaTypes.manifest);
    await storeImage(layout, `signatures ${at}`, signatureTag(subject.digest));
  }
  assert.equal(JSON.parse(await readFile(join(root, 'index.json'), 'utf8')).manifests.length, 9);
  assert.deepEqual(await layout.resolve(undefined), top);
  assert.deepEqual((await layout.getManifest(undefined))?.descriptor, top);
  await storeImage(layout, 'another');
  await failsWith('ERR_REFERENCE_INVALID', layout.resolve(undefined));
});

test('a manifest is resolved to what is really there', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const image = await storeImage(layout, 'x', 'v1');
  const path = join(root, 'blobs', 'sha256', digestHex(image.digest));
  const bytes = await readFile(path);
  for (const target of ['v1', image.digest, undefined]) {
    await writeFile(path, Buffer.concat([bytes, Buffer.from(' ')]));
    await failsWith('ERR_DIGEST_MISMATCH', layout.resolve(target));
    await rm(path);
    assert.equal(await layout.resolve(target), undefined);
    await writeFile(path, bytes);
    assert.deepEqual(await layout.resolve(target), image);
  }
  const manifests = [{ ...image, size: 7, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }];
  await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  await failsWith('ERR_SIZE_MISMATCH', layout.resolve('v1'));
});

test('a listed manifest that is damaged may have been a signature, and is told', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const image = await storeImage(layout, 'x', 'v1');
  const { bytes } = bundleManifest({
    bundle: utf8('{}'),
    subject: image,
    predicateType: signPredicateType,
    created: new Date(0),
  });
  const { descriptor } = await layout.putManifest(bytes, mediaTypes.manifest);
  assert.equal((await layout.referrers(image.digest)).problem, undefined);
  await writeFile(join(root, 'blobs', 'sha256', digestHex(descriptor.digest)), '{}');
  const list = await layout.referrers(image.digest);
  assert.deepEqual(list.descriptors, []);
  assert.equal(list.problem?.code, 'ERR_DIGEST_MISMATCH');
});

test('pipes, devices and folders that lie outside', { skip: process.platform === 'win32' }, async (t) => {
  const { root, layout } = await emptyLayout(t);
  const image = await storeImage(layout, 'x', 'v1');
  const blobs = join(root, 'blobs', 'sha256');
  const pipe = describe('x', utf8('a pipe'));
  execFileSync('mkfifo', [join(blobs, digestHex(pipe.digest))]);
  await failsWith('ERR_LAYOUT_INVALID', layout.getBlob(pipe, { maxBytes: 100 }));
  assert.deepEqual(await layout.resolve('v1'), image);
  for (const name of ['index.json', 'oci-layout']) {
    const path = join(root, name);
    const content = await readFile(path);
    await rm(path);
    await symlink('/dev/zero', path);
    await failsWith('ERR_LAYOUT_INVALID', layout.resolve('v1'));
    await rm(path);
    execFileSync('mkfifo', [path]);
    await failsWith('ERR_LAYOUT_INVALID', layout.resolve('v1'));
    await rm(path);
    await writeFile(path, content);
  }
  const outside = join(root, '..', 'outside');
  await rename(blobs, outside);
  await symlink(outside, blobs);
  await failsWith('ERR_LAYOUT_INVALID', layout.resolve('v1'));
  const before = await readdir(outside);
  await failsWith('ERR_LAYOUT_INVALID', layout.putBlob(utf8('written elsewhere')));
  assert.deepEqual(await readdir(outside), before);
});

test('copies of layouts are layouts', async (t) => {
  const { root, layout } = await emptyLayout(t);
  const image = await storeImage(layout, 'x', 'v1');
  const copy = `${root}-copy`;
  await cp(root, copy, { recursive: true });
  const stored = await openLayout(copy, runtime).getManifest('v1');
  assert.deepEqual(stored?.descriptor, image);
  assert.equal(parseManifest(stored?.bytes ?? new Uint8Array()).kind, 'manifest');
});
