import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEmbeddedRegistry } from '../../test/support/embedded-registry.ts';
import { fetchInto, inProcessRuntime } from '../../test/support/in-process.ts';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type Descriptor,
  describe,
  emptyConfigBytes,
  emptyConfigDescriptor,
  encodeIndex,
  encodeManifest,
  mediaTypes,
} from '../formats/oci.ts';
import { createRegistryClient } from '../registry/client.ts';
import type { Repository } from '../registry/repository.ts';
import { copyImage } from './copy-image.ts';
import { listManifests, openImage } from './image.ts';

const runtime = inProcessRuntime(fetchInto(createEmbeddedRegistry({ validateManifests: false })));
const registry = createRegistryClient(runtime);

async function putIndex(repository: Repository, manifests: readonly Descriptor[]): Promise<Descriptor> {
  const bytes = encodeIndex({ mediaType: mediaTypes.index, manifests });
  return (await repository.putManifest(bytes, mediaTypes.index)).descriptor;
}

/** An index of indexes, of which no single one is too large. */
async function putManyInMany(repository: Repository): Promise<Descriptor> {
  await repository.putBlob(emptyConfigBytes);
  const inner: Descriptor[] = [];
  for (let outer = 0; outer < 3; outer++) {
    const images = Array.from({ length: limits.indexManifests / 2 }, (_, at) =>
      describe(mediaTypes.manifest, Buffer.from(`${outer} ${at}`)),
    );
    inner.push(await putIndex(repository, images));
  }
  return putIndex(repository, inner);
}

test('indexes within indexes are bounded together', async () => {
  const opened = await openImage('registry.example/many', { registry }, runtime, true);
  const top = await putManyInMany(opened.repository);
  const image = await openImage(`registry.example/many@${top.digest}`, { registry }, runtime);
  await assert.rejects(listManifests(image, { recursive: true }), (error) =>
    isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
  );
  assert.deepEqual(await listManifests(image, {}), [top]);
});

test('a copy has a bound on its manifests', async () => {
  const from = (await openImage('registry.example/from', { registry }, runtime, true)).repository;
  const to = (await openImage('registry.example/to', { registry }, runtime, true)).repository;
  await from.putBlob(emptyConfigBytes);
  const bytes = encodeManifest({
    mediaType: mediaTypes.manifest,
    config: emptyConfigDescriptor,
    layers: [],
  });
  const { descriptor } = await from.putManifest(bytes, mediaTypes.manifest);
  // The same small image, over and over.
  const few = await putIndex(from, [descriptor, descriptor]);
  assert.equal((await copyImage(from, to, few.digest)).manifests, 3);
  const many = await putIndex(
    from,
    Array.from({ length: limits.indexManifests + 1 }, () => descriptor),
  );
  await assert.rejects(copyImage(from, to, many.digest), (error) =>
    isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
  );
});
