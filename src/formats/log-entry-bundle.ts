/**
 * Entry bundles: the bodies of up to 256 entries that follow each other, each after its length in 16 bits.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md#log-entries}
 */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { tileWidth } from './tile-path.ts';

/** The bundle of bodies, each of at most `limits.logEntryBytes`. Throws `ERR_LIMIT_EXCEEDED`. */
export function encodeEntryBundle(bodies: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const { length } of bodies) {
    if (length > limits.logEntryBytes) {
      throw new BoltsealError('ERR_LIMIT_EXCEEDED', `an entry has ${length} bytes`);
    }
    size += 2 + length;
  }
  const bundle = new Uint8Array(size);
  const view = new DataView(bundle.buffer);
  let offset = 0;
  for (const body of bodies) {
    view.setUint16(offset, body.length);
    bundle.set(body, offset + 2);
    offset += 2 + body.length;
  }
  return bundle;
}

/** The bodies in a bundle of `width` entries: slices of it. Throws `ERR_TILE_INVALID` when it has more or fewer. */
export function parseEntryBundle(bundle: Uint8Array, width: number): readonly Uint8Array[] {
  const invalid = (): BoltsealError =>
    new BoltsealError('ERR_TILE_INVALID', `an entry bundle is not ${width} entries`);
  if (width < 1 || width > tileWidth) throw invalid();
  const view = new DataView(bundle.buffer, bundle.byteOffset, bundle.byteLength);
  const bodies: Uint8Array[] = [];
  let offset = 0;
  while (bodies.length < width) {
    if (offset + 2 > bundle.length) throw invalid();
    const end = offset + 2 + view.getUint16(offset);
    if (end > bundle.length) throw invalid();
    bodies.push(bundle.subarray(offset + 2, end));
    offset = end;
  }
  if (offset !== bundle.length) throw invalid();
  return bodies;
}
