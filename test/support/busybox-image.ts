import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { runProgram } from './programs.ts';
import type { Descriptor } from './small-image.ts';
import { encodeTar } from './tar.ts';

/** The static binaries of busybox by architecture (`needPrograms(t, 'busybox-amd64', 'busybox-arm64')`). */
export interface BusyboxBinaries {
  readonly 'busybox-amd64': string;
  readonly 'busybox-arm64': string;
}

/** An OCI image layout in a folder that holds one multi-architecture image, tagged `latest`. */
export interface BusyboxLayout {
  readonly folder: string;
  /** Of the index with the two platforms: what a registry's tag points at once the layout is pushed. */
  readonly index: Descriptor;
  /** Of the images, in the index's order. */
  readonly platforms: readonly (Descriptor & { readonly platform: { architecture: string; os: string } })[];
}

const compress = promisify(gzip);

/**
 * Writes a real image into `folder`, which it creates: busybox for linux/amd64 and linux/arm64, a layer each. The same
 * binaries give the same digests on one machine.
 */
export async function writeBusyboxLayout(folder: string, binaries: BusyboxBinaries): Promise<BusyboxLayout> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });

  async function write(mediaType: string, content: Uint8Array | object): Promise<Descriptor> {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    const hex = createHash('sha256').update(bytes).digest('hex');
    await writeFile(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  }

  async function writeImage(architecture: 'amd64' | 'arm64'): Promise<BusyboxLayout['platforms'][number]> {
    const tar = encodeTar([
      { name: 'bin', type: 'directory', mode: 0o755 },
      {
        name: 'bin/busybox',
        type: 'file',
        content: await readFile(binaries[`busybox-${architecture}`]),
        mode: 0o755,
      },
      { name: 'bin/sh', type: 'link', target: 'busybox' },
    ]);
    const layer = await write(
      'application/vnd.oci.image.layer.v1.tar+gzip',
      await compress(tar, { level: 1 }),
    );
    const platform = { architecture, os: 'linux' };
    const config = await write('application/vnd.oci.image.config.v1+json', {
      created: '1970-01-01T00:00:00Z',
      ...platform,
      config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'busybox' }],
    });
    const manifest = await write('application/vnd.oci.image.manifest.v1+json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config,
      layers: [layer],
    });
    return { ...manifest, platform };
  }

  const platforms = await Promise.all([writeImage('amd64'), writeImage('arm64')]);
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = await write(mediaType, { schemaVersion: 2, mediaType, manifests: platforms });
  const tagged = { ...index, annotations: { 'org.opencontainers.image.ref.name': 'latest' } };
  await writeFile(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: [tagged] }),
  );
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  return { folder, index, platforms };
}

/** Pushes a layout with all its platforms to `host/repository:tag` with a real crane. */
export async function pushLayout(
  programs: { readonly crane: string },
  layout: Pick<BusyboxLayout, 'folder'>,
  destination: string,
): Promise<void> {
  const { code, stderr } = await runProgram(programs.crane, [
    'push',
    '--insecure',
    layout.folder,
    destination,
  ]);
  if (code !== 0) throw new Error(`crane push to ${destination} ended with ${code}: ${stderr}`);
}
