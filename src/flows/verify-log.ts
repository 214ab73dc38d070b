/**
 * The audit of a tile log from outside: its checkpoint is signed, it has everything that an earlier checkpoint had, and
 * every hash it serves is that of what it serves. Nothing is believed: the root is recomputed from the entries.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md}, {@link https://c2sp.org/static-ct-api}
 */
import { begin } from '../core/concurrent.ts';
import { equalBytes } from '../core/encoding.ts';
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import {
  type NoteVerifier,
  parseCheckpoint,
  type SignedCheckpoint,
  type VerifiedNoteSignature,
  verifyCheckpoint,
} from '../formats/checkpoint.ts';
import { merkleTreeLeafOf, parseDataTile, readLeafIndex } from '../formats/ct-entry.ts';
import { parseEntryBundle } from '../formats/log-entry-bundle.ts';
import { emptyRoot, foldNodes, growEdge, hashLeaf, hashLength, inconsistent } from '../formats/merkle.ts';
import { noteVerifier, parseVerifierKey, treeHeadVerifier } from '../formats/note-keys.ts';
import type { PublicKey } from '../formats/public-key.ts';
import { encodeTilePath, tileWidth } from '../formats/tile-path.ts';
import type { LogSource } from './log-source.ts';

/** How the entries of a log are served: bundles (tlog-tiles, Rekor v2), or data tiles (static CT). */
export type LogEntryFormat = 'entries' | 'ct';

/** What a log is verified by. */
export interface VerifyLogOptions {
  /** Its key: a verifier key as text (`name+hash+base64`), or a public key, under whatever name the checkpoint has. */
  readonly key: string | PublicKey;
  /** The origin its checkpoint must have; with a verifier key it is the name of the key unless told. */
  readonly origin?: string | undefined;
  /** A checkpoint from before, a note: it must be signed by the same key, and of the beginning of the log. */
  readonly earlier?: string | Uint8Array | undefined;
  /** Told after every tile how many entries were verified, of how many. */
  readonly onProgress?: ((verified: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was verified. */
export interface LogAudit {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** The checkpoint, to compare the log with the next time. */
  readonly checkpoint: string;
  /** The signature of the log. */
  readonly signature: VerifiedNoteSignature;
  readonly format: LogEntryFormat;
  /** Tiles of hashes that were compared. */
  readonly tiles: number;
  /** The size of the earlier checkpoint. */
  readonly earlierSize: number | undefined;
}

/** Files that are on their way at once. */
const ahead = 8;

/**
 * Verifies the whole log. Throws `ERR_CHECKPOINT_INVALID`, `ERR_VERIFY_SIGNATURE`, `ERR_LOG_INCONSISTENT` for whatever does
 * not fit together or is not served, `ERR_TILE_INVALID` and `ERR_LOG_ENTRY_INVALID` for what is malformed, and what the
 * source throws.
 */
export async function verifyLog(source: LogSource, options: VerifyLogOptions): Promise<LogAudit> {
  const { checkpoint, text, signature, format } = await readCheckpoint(source, options);
  const earlier = readEarlier(options, checkpoint);
  const auditor = new TreeAuditor(source, format, checkpoint.size);
  if (earlier !== undefined) auditor.expect(earlier.size, earlier.root, 'the earlier checkpoint');
  auditor.expect(checkpoint.size, checkpoint.root, 'the checkpoint');
  await auditor.run(options);
  const { origin, size, root } = checkpoint;
  const { tiles } = auditor;
  return { origin, size, root, checkpoint: text, signature, format, tiles, earlierSize: earlier?.size };
}

interface ReadCheckpoint {
  readonly checkpoint: SignedCheckpoint;
  readonly text: string;
  readonly signature: VerifiedNoteSignature;
  readonly format: LogEntryFormat;
}

async function readCheckpoint(source: LogSource, options: VerifyLogOptions): Promise<ReadCheckpoint> {
  const bytes = await source.read('checkpoint', limits.checkpointBytes);
  if (bytes === undefined) throw inconsistent(`${source.place} has no checkpoint`);
  const checkpoint = parseCheckpoint(bytes, `the checkpoint of ${source.place}`);
  const signature = verifyBy(checkpoint, options);
  const format = signature.kind === 'tree head' ? 'ct' : 'entries';
  return { checkpoint, text: new TextDecoder().decode(bytes), signature, format };
}

/** Verifies a checkpoint by the log's key. Throws `ERR_VERIFY_SIGNATURE`. */
function verifyBy(checkpoint: SignedCheckpoint, { key, origin }: VerifyLogOptions): VerifiedNoteSignature {
  const verifiers = verifiersOf(key, checkpoint.origin);
  const expected = origin ?? (typeof key === 'string' ? expectedOrigin(key, checkpoint.origin) : undefined);
  return verifyCheckpoint(checkpoint, verifiers, expected)[0] as VerifiedNoteSignature;
}

/** A key is named after its log; Rekor v1 has the tree's number behind the name. */
function expectedOrigin(key: string, origin: string): string {
  const { name } = parseVerifierKey(key);
  return /^ - \d+$/.test(origin.slice(name.length)) && origin.startsWith(name) ? origin : name;
}

function verifiersOf(key: string | PublicKey, origin: string): readonly NoteVerifier[] {
  if (typeof key === 'string') return [parseVerifierKey(key)];
  const name = origin.replace(/ - \d+$/, '');
  const isCt = key.type === 'ecdsa-p256' || key.type.startsWith('rsa');
  return isCt ? [noteVerifier(name, key), treeHeadVerifier(name, key)] : [noteVerifier(name, key)];
}

function readEarlier(options: VerifyLogOptions, checkpoint: SignedCheckpoint): SignedCheckpoint | undefined {
  if (options.earlier === undefined) return undefined;
  const earlier = parseCheckpoint(options.earlier, 'the earlier checkpoint');
  verifyBy(earlier, { ...options, origin: checkpoint.origin });
  if (earlier.size <= checkpoint.size) return earlier;
  throw inconsistent(
    `the log has ${checkpoint.size} entries, and its earlier checkpoint ${earlier.size}: it went back`,
  );
}

/** Roots that the log must have. */
interface ExpectedRoot {
  readonly size: number;
  readonly root: Uint8Array;
  readonly what: string;
}

/** Recomputes the tree of a log from its entries, in order, and compares it with every tile the log serves. */
class TreeAuditor {
  readonly #source: LogSource;
  readonly #format: LogEntryFormat;
  readonly #size: number;
  readonly #expected: ExpectedRoot[] = [];
  /** Roots of the full tiles so far, as the right edge of the tree above them. */
  readonly #edge: Uint8Array[] = [];
  /** At each level above the leaves, the hashes of the tile that is not full yet. */
  readonly #levels: Uint8Array[][] = [];
  #tiles = 0;

  constructor(source: LogSource, format: LogEntryFormat, size: number) {
    this.#source = source;
    this.#format = format;
    this.#size = size;
  }

  /** Tiles of hashes that were compared. */
  get tiles(): number {
    return this.#tiles;
  }

  /** The tree of `size` must have this root. */
  expect(size: number, root: Uint8Array, what: string): void {
    this.#expected.push({ size, root, what });
  }

  async run({ onProgress, signal }: VerifyLogOptions): Promise<void> {
    this.#compareRoots(0, 0, []);
    const count = Math.ceil(this.#size / tileWidth);
    let index = 0;
    for await (const leafHashes of inOrder(count, (one) => this.#leafHashes(one))) {
      signal?.throwIfAborted();
      await this.#addTile(index++, leafHashes);
      onProgress?.(Math.min(index * tileWidth, this.#size), this.#size);
    }
    for (const [above, hashes] of this.#levels.entries()) {
      const level = above + 1;
      if (hashes.length === 0) continue;
      const index = Math.floor(this.#size / tileWidth ** (level + 1));
      this.#compareTile(level, index, hashes, await this.#readTile(level, index, hashes.length));
    }
  }

  /** Hashes of the entries of a tile, recomputed from the entries and compared with the tile. */
  async #leafHashes(index: number): Promise<readonly Uint8Array[]> {
    const width = Math.min(tileWidth, this.#size - index * tileWidth);
    const served = begin(this.#readTile(0, index, width));
    const hashes = (await this.#readEntries(index, width)).map(hashLeaf);
    this.#compareTile(0, index, hashes, await served);
    return hashes;
  }

  async #addTile(index: number, leafHashes: readonly Uint8Array[]): Promise<void> {
    const edge: Uint8Array[] = [];
    for (const [place, leafHash] of leafHashes.entries()) {
      growEdge(edge, place, leafHash);
      if (place + 1 < tileWidth) this.#compareRoots(index, place + 1, edge);
    }
    const [root] = edge;
    if (leafHashes.length < tileWidth || root === undefined) return;
    growEdge(this.#edge, index, root);
    this.#compareRoots(index + 1, 0, []);
    await this.#addNode(1, index, root);
  }

  /** Adds the root of a full tile to the level above it. */
  async #addNode(level: number, index: number, node: Uint8Array): Promise<void> {
    this.#levels[level - 1] ??= [];
    const hashes = this.#levels[level - 1] as Uint8Array[];
    hashes.push(node);
    if (hashes.length < tileWidth) return;
    const above = Math.floor(index / tileWidth);
    this.#levels[level - 1] = [];
    this.#compareTile(level, above, hashes, await this.#readTile(level, above, tileWidth));
    const edge: Uint8Array[] = [];
    for (const [place, hash] of hashes.entries()) growEdge(edge, place, hash);
    await this.#addNode(level + 1, above, edge[0] as Uint8Array);
  }

  /** Compares the root of `tiles` full tiles and the leaves over `edge` with what is expected of a tree of that size. */
  #compareRoots(tiles: number, leaves: number, edge: readonly Uint8Array[]): void {
    for (const { size, root, what } of this.#expected) {
      if (size !== tiles * tileWidth + leaves) continue;
      const computed = size === 0 ? emptyRoot : foldNodes([...this.#edge, ...edge]);
      if (!equalBytes(computed, root)) {
        throw inconsistent(`the first ${size} entries of the log do not have the root that ${what} says`);
      }
    }
  }

  #compareTile(level: number, index: number, computed: readonly Uint8Array[], served: Uint8Array): void {
    this.#tiles++;
    for (const [place, hash] of computed.entries()) {
      if (equalBytes(served.subarray(place * hashLength, (place + 1) * hashLength), hash)) continue;
      const which = level === 0 ? `entry ${index * tileWidth + place}` : `hash ${place}`;
      throw inconsistent(
        `${which} is not what tile ${level}/${encodeTilePath({ index, width: computed.length })} says`,
      );
    }
  }

  async #readTile(level: number, index: number, width: number): Promise<Uint8Array> {
    const bytes = await this.#readPartial(`tile/${level}`, index, width, tileWidth * hashLength);
    if (bytes.content.length === bytes.width * hashLength) return bytes.content;
    throw new BoltsealError('ERR_TILE_INVALID', `tile ${level}/${index} has ${bytes.content.length} bytes`);
  }

  /** The Merkle leaves of a tile. */
  async #readEntries(index: number, width: number): Promise<readonly Uint8Array[]> {
    const isCt = this.#format === 'ct';
    const found = await this.#readPartial(
      isCt ? 'tile/data' : 'tile/entries',
      index,
      width,
      limits.entryTileBytes,
    );
    if (!isCt) return parseEntryBundle(found.content, found.width).slice(0, width);
    const leaves = parseDataTile(found.content, `data tile ${index}`);
    if (leaves.length !== found.width) {
      throw new BoltsealError('ERR_TILE_INVALID', `data tile ${index} has ${leaves.length} entries`);
    }
    return leaves.slice(0, width).map((leaf, place) => {
      const at = index * tileWidth + place;
      const said = readLeafIndex(leaf.extensions, `entry ${at}`);
      if (said !== undefined && said !== at) throw inconsistent(`entry ${at} says that it is entry ${said}`);
      return merkleTreeLeafOf(leaf);
    });
  }

  /** A file of `width`, or, when the log no longer has that, the full one. */
  async #readPartial(
    folder: string,
    index: number,
    width: number,
    maxBytes: number,
  ): Promise<{ readonly content: Uint8Array; readonly width: number }> {
    for (const one of width === tileWidth ? [tileWidth] : [width, tileWidth]) {
      const content = await this.#source.read(`${folder}/${encodeTilePath({ index, width: one })}`, maxBytes);
      if (content !== undefined) return { content, width: one };
    }
    throw inconsistent(`the log does not serve ${folder}/${encodeTilePath({ index, width })}`);
  }
}

/** What `work` makes of 0, 1, 2 …, in order, a few of them under way at once. */
async function* inOrder<T>(count: number, work: (index: number) => Promise<T>): AsyncGenerator<T> {
  const queue: Promise<T>[] = [];
  let next = 0;
  for (let index = 0; index < count; index++) {
    while (next < count && queue.length < ahead) queue.push(begin(work(next++)));
    yield await (queue.shift() as Promise<T>);
  }
}
