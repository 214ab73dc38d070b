import { Buffer } from 'node:buffer';

/** One entry of a tar archive. */
export type TarEntry =
  | { readonly name: string; readonly type: 'file'; readonly content: Uint8Array; readonly mode: number }
  | { readonly name: string; readonly type: 'directory'; readonly mode: number }
  | { readonly name: string; readonly type: 'link'; readonly target: string };

const typeFlags = { file: '0', link: '2', directory: '5' } as const;

/**
 * A tar archive of the entries in their order, owned by root and dated 1970: the same entries give the same bytes.
 * Names are at most 100 bytes long.
 *
 * {@link https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html | ustar}: blocks of 512 bytes; a header
 * holds name 0-99, mode 100, uid 108, gid 116, size 124, mtime 136, checksum 148, type 156, link 157-256, "ustar" 257.
 */
export function encodeTar(entries: readonly TarEntry[]): Buffer {
  const blocks: Uint8Array[] = [];
  for (const entry of entries) {
    const content = entry.type === 'file' ? entry.content : new Uint8Array();
    blocks.push(header(entry, content.length), content, new Uint8Array(-content.length & 511));
  }
  blocks.push(new Uint8Array(1024));
  return Buffer.concat(blocks);
}

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  const name = entry.type === 'directory' ? `${entry.name}/` : entry.name;
  if (Buffer.byteLength(name) > 100) throw new Error(`too long for a tar header: ${name}`);
  block.write(name, 0);
  block.write(octal(entry.type === 'link' ? 0o777 : entry.mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write(typeFlags[entry.type], 156);
  if (entry.type === 'link') block.write(entry.target, 157);
  block.write('ustar\0' + '00', 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, width: number): string {
  return value.toString(8).padStart(width, '0');
}
