/** Blobs of an OCI image layout: verified while they are read and written. */
import { type Digest, digestHex } from '../core/digest.ts';
import { BoltsealError } from '../core/errors.ts';
import { type Descriptor, describe } from '../formats/oci.ts';
import { type BlobOperations, verified } from './blobs.ts';
import { type LayoutFolder, openBlob, writeBlobFile } from './layout-files.ts';

/** The blob part of a layout's {@link Repository}. */
export function layoutBlobs(folder: LayoutFolder): BlobOperations {
  const putBlob = async (bytes: Uint8Array): Promise<Descriptor> => {
    const descriptor = describe('application/octet-stream', bytes);
    await writeBlobFile(folder, descriptor.digest, bytes);
    return descriptor;
  };
  return {
    putBlob,
    getBlob: (descriptor, options) => getBlob(folder, descriptor, options.maxBytes),
    readBlob: (descriptor) => readBlob(folder, descriptor),
    hasBlob: (digest) => hasBlob(folder, digest),
    writeBlob: (descriptor, content) =>
      writeBlobFile(
        folder,
        descriptor.digest,
        verified(content(), descriptor, `storing ${descriptor.digest}`),
      ),
    mountBlob: async () => false,
    beginUpload: async () => ({ complete: putBlob, cancel: async () => undefined }),
  };
}

async function hasBlob(folder: LayoutFolder, digest: Digest): Promise<boolean> {
  const opened = await openBlob(folder, digest);
  await opened?.file.close();
  return opened !== undefined;
}

async function getBlob(folder: LayoutFolder, descriptor: Descriptor, maxBytes: number): Promise<Uint8Array> {
  const { digest, size } = descriptor;
  if (size > maxBytes) {
    throw new BoltsealError(
      'ERR_LIMIT_EXCEEDED',
      `the blob ${digest} has ${size} bytes; the limit is ${maxBytes}`,
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of readBlob(folder, descriptor)) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

async function* readBlob(
  folder: LayoutFolder,
  descriptor: Descriptor,
): AsyncGenerator<Uint8Array, void, undefined> {
  const what = `reading the blob ${digestHex(descriptor.digest).slice(0, 12)}… of ${folder.root}`;
  const opened = await openBlob(folder, descriptor.digest);
  if (opened === undefined) throw new BoltsealError('ERR_BLOB_NOT_FOUND', `${what}: it is not there`);
  const content = opened.file.createReadStream() as AsyncIterable<Uint8Array>;
  yield* verified(content, descriptor, what);
}
