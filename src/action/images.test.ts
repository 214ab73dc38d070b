import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { listImages } from './images.ts';
import { readMetadata } from './metadata.ts';

const digest = `sha256:${'a1'.repeat(32)}`;
const other = `sha256:${'b2'.repeat(32)}`;
const none = { images: [], tags: [], digest: undefined, metadata: undefined };

test('names get the digest that was built, and each image is there once', async () => {
  const tags = ['ghcr.io/Acme/App:v1', 'ghcr.io/acme/app:Latest', 'docker.io/acme/app:v1', 'acme/app'];
  assert.deepEqual(await listImages({ ...none, tags, digest }), {
    references: [`ghcr.io/acme/app@${digest}`, `index.docker.io/acme/app@${digest}`],
    built: [],
  });
  const images = [`ghcr.io/acme/app@${other}`, `localhost:5000/App:V1@${other}`];
  assert.deepEqual((await listImages({ ...none, images })).references, [
    `ghcr.io/acme/app@${other}`,
    `localhost:5000/app@${other}`,
  ]);
  assert.deepEqual((await listImages({ ...none, images: ['ghcr.io/Acme/App:V1'] })).references, [
    'ghcr.io/acme/app:V1',
  ]);
  assert.deepEqual((await listImages({ ...none, images: ['oci:Layouts/App:v1'] })).references, [
    'oci:Layouts/App:v1',
  ]);
});

test('what buildx wrote: the tags it pushed are to be compared', async () => {
  const metadata = JSON.stringify({
    'containerimage.digest': digest,
    'image.name': 'ghcr.io/Acme/App:v1,ghcr.io/acme/app',
  });
  assert.deepEqual(await listImages({ ...none, metadata }), {
    references: [`ghcr.io/acme/app@${digest}`],
    built: [{ tag: 'ghcr.io/acme/app:v1', digest }],
  });
  const named = await listImages({ ...none, metadata, images: ['ghcr.io/acme/other:v2'], digest });
  assert.deepEqual(named.built, [{ tag: 'ghcr.io/acme/other:v2', digest }]);
});

test('contradictions_fail', async () => {
  const metadata = JSON.stringify({ 'containerimage.digest': digest, 'image.name': 'a:1' });
  const two = JSON.stringify({ a: JSON.parse(metadata), b: JSON.parse(metadata) });
  for (const inputs of [
    none,
    { ...none, digest },
    { ...none, images: [`a@${other}`], digest },
    { ...none, metadata, digest: other },
    { ...none, metadata, images: [`a@${other}`] },
    { ...none, metadata: two, images: ['a'] },
    { ...none, metadata: JSON.stringify({ 'containerimage.digest': digest }) },
    { ...none, metadata: '{"image.name":"a:1"}' },
  ])
    await assert.rejects(listImages(inputs), { code: 'ERR_USAGE' }, JSON.stringify(inputs));
  await assert.rejects(listImages({ ...none, images: ['a'], digest: 'latest' }), {
    code: 'ERR_DIGEST_INVALID',
  });
});

test('metadata files: a bound, and whatever they hold, an error of ours', async (t) => {
  const folder = await temporaryDirectory(t);
  const large = join(folder, 'large.json');
  await writeFile(large, Buffer.alloc(limits.buildMetadataBytes + 1, 0x20));
  await assert.rejects(readMetadata(large), { code: 'ERR_LIMIT_EXCEEDED' });
  await assert.rejects(readMetadata(folder), { code: 'ERR_FILE_READ' });
  await assert.rejects(readMetadata('{"containerimage.digest":"sha256:0"}'), { code: 'ERR_DIGEST_INVALID' });
  const file = join(folder, 'x.json');
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc
          .record(
            {
              'containerimage.digest': fc.oneof(fc.constant(digest), fc.jsonValue()),
              'image.name': fc.oneof(fc.constant('a:1,b'), fc.jsonValue()),
            },
            { requiredKeys: [] },
          )
          .map((value) => JSON.stringify(value)),
      ),
      async (text) => {
        await writeFile(file, text);
        try {
          for (const build of await readMetadata(file)) assert.match(build.digest, /^sha(256|512):/);
        } catch (error) {
          assert.ok(isBoltsealError(error), String(error));
        }
      },
    ),
    { numRuns: 200 },
  );
});
