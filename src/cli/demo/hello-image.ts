/** The image that the demo signs: one file, one platform. */
import { gunzipSync } from 'node:zlib';
import { digestOf } from '../../core/digest.ts';
import { fromBase64, utf8 } from '../../core/encoding.ts';
import { type Descriptor, encodeManifest, mediaTypes } from '../../formats/oci.ts';
import type { CallOptions, Repository } from '../../registry/repository.ts';

/** `hello.txt` in a tar archive, compressed; made by tar and gzip with fixed owner and time. */
const layer =
  'H4sIAAAAAAACA+3RMQqAMAxA0c6eoicoVbQHcPIaDopDJVAreHyri+Cgk6Lw35KQDCHJ0HkvJi5RPccmriz3mJyjtUV15Fs9L1zllLbqBfMU25DGB5HLG9z1z8v9RLP9X/dBRl2Lj1PXepMpAAAAAAAAAAAAAAAAAMDXrdjXZmAAKAAA';

/** Stores the image under `tag`. */
export async function pushHelloImage(
  repository: Repository,
  tag: string,
  options: CallOptions,
): Promise<Descriptor> {
  const content = fromBase64(layer, 'the layer of the demo image');
  const config = utf8(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [digestOf(gunzipSync(content))] },
      history: [{ created_by: 'boltseal demo' }],
    }),
  );
  await Promise.all([repository.putBlob(content, options), repository.putBlob(config, options)]);
  const manifest = encodeManifest({
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: digestOf(config), size: config.length },
    layers: [
      {
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: digestOf(content),
        size: content.length,
      },
    ],
  });
  return (await repository.putManifest(manifest, mediaTypes.manifest, { ...options, tag })).descriptor;
}
