/**
 * Where the tiles of a log are: `<L>/<N>[.p/<W>]`, with the index in groups of three digits, `x001/x234/067`.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md#merkle-tree}
 */

/** How many entries, and hashes, a full tile has. */
export const tileWidth = 256;

/** Index and width of a tile. */
export interface TilePlace {
  readonly index: number;
  /** 1 to 256. */
  readonly width: number;
}

/** Reads `<N>[.p/<W>]`, in its one spelling; undefined for anything else. */
export function parseTilePath(path: string): TilePlace | undefined {
  const match = /^((?:x\d{3}\/){0,4}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match === null) return undefined;
  const [, groups = '', partial] = match;
  const index = Number(groups.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? tileWidth : Number(partial);
  if (partial !== undefined && width >= tileWidth) return undefined;
  // No group of zeros in front.
  return encodeTileIndex(index) === groups ? { index, width } : undefined;
}

/** `<N>[.p/<W>]` of a tile. */
export function encodeTilePath({ index, width }: TilePlace): string {
  return width === tileWidth ? encodeTileIndex(index) : `${encodeTileIndex(index)}.p/${width}`;
}

function encodeTileIndex(index: number): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  return groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
}

/** Reads the level of a tile of hashes: 0 to 63, without zeros in front; undefined for anything else. */
export function parseTileLevel(text: string): number | undefined {
  return /^(?:0|[1-9]|[1-5]\d|6[0-3])$/.test(text) ? Number(text) : undefined;
}
