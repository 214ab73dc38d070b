/**
 * An entry of Rekor v2 that is there already, read from the tiles of the log: Rekor answers its index and nothing else.
 * {@link https://github.com/C2SP/C2SP/blob/main/tlog-tiles.md}
 */
import { backoff } from '../core/backoff.ts';
import { equalBytes } from '../core/encoding.ts';
import { limits } from '../core/limits.ts';
import { parseCheckpoint, type SignedCheckpoint } from '../formats/checkpoint.ts';
import { parseEntryBundle } from '../formats/log-entry-bundle.ts';
import { entryVersionV2 } from '../formats/log-entry-v2.ts';
import { hashLeaf, hashLength, verifyInclusion } from '../formats/merkle.ts';
import { encodeTilePath, tileWidth } from '../formats/tile-path.ts';
import { type HashTile, inclusionProofFromTiles, inclusionTiles } from '../formats/tile-proof.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import type { ServiceRequest } from './exchange.ts';
import { answerError, readAnswer } from './service-error.ts';
import {
  requestService,
  type ServiceOptions,
  type ServiceRuntime,
  serviceUrl,
  waitToAsk,
} from './service-request.ts';

/** How an entry is added to a log of the second version. */
export interface RekorV2Options extends ServiceOptions {
  /**
   * Ids of logs that are trusted, 32 bytes each. An entry that is there already may have to be read from the log's tiles,
   * where only the first four bytes of the id are.
   */
  readonly logIds?: readonly Uint8Array[] | undefined;
}

/** An entry that must be in a log. */
export interface ExistingEntry {
  /** The base URL of the log. */
  readonly url: string;
  readonly index: number;
  /** What it must be. */
  readonly body: Uint8Array;
}

/** What errors are about: the log, and what is done with it. */
type Asked = Pick<ServiceRequest, 'kind' | 'what' | 'url'>;

/** How the files of one log are read. */
interface Reader {
  readonly asked: Asked;
  readonly runtime: ServiceRuntime;
  readonly options: RekorV2Options;
}

/**
 * The entry with the proof that the present checkpoint covers it, once one does. Rejects with `ERR_SERVICE_RESPONSE` when
 * another entry is there, or what the log serves does not fit together, and what {@link requestService} rejects with. No
 * signature is verified.
 */
export async function readExistingEntry(
  { url, index, body }: ExistingEntry,
  runtime: ServiceRuntime,
  options: RekorV2Options,
): Promise<LogEntry> {
  const asked: Asked = {
    kind: 'transparency log',
    what: 'looking up the log entry of the signature',
    url: serviceUrl(url, '/api/v2', 'transparency log'),
  };
  const reader = { asked, runtime, options };
  const { checkpoint, text } = await coveringCheckpoint(reader, index);
  const logId = logIdOf(reader, checkpoint);
  const { size, root } = checkpoint;
  const [found, hashes] = await Promise.all([readBody(reader, index, size), readProof(reader, index, size)]);
  if (!equalBytes(found, body)) throw answerError(asked, `${existing}, and names the entry of another one`);
  readAnswer(asked, () => verifyInclusion(hashLeaf(body), index, size, hashes, root));
  const logIndex = BigInt(index);
  return {
    logIndex,
    logId,
    kind: 'hashedrekord',
    version: entryVersionV2,
    inclusionProof: { logIndex, rootHash: root, treeSize: BigInt(size), hashes, checkpoint: text },
    canonicalizedBody: body,
  };
}

const existing = 'says that the signature is logged already';

/** A file of the log, or undefined when it has none. */
async function readFile(reader: Reader, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const { asked, runtime, options } = reader;
  const request: ServiceRequest = {
    ...asked,
    url: new URL(`${asked.url.href}/${path}`),
    method: 'GET',
    headers: { 'accept-encoding': 'identity' },
    maxBytes,
    accept: [200, 404],
  };
  const { status, body } = await requestService(request, runtime, options);
  return status === 200 ? body : undefined;
}

/** The log says that the entry is there; its checkpoint follows within seconds. */
async function coveringCheckpoint(
  reader: Reader,
  index: number,
): Promise<{ readonly checkpoint: SignedCheckpoint; readonly text: string }> {
  const { asked, runtime, options } = reader;
  const deadline = runtime.monotonic() + (options.totalTime ?? limits.serviceTotalTime);
  for (let tries = 0; ; tries++) {
    const bytes = await readFile(reader, 'checkpoint', limits.checkpointBytes);
    if (bytes === undefined) throw notServed(reader, 'no checkpoint');
    const checkpoint = readAnswer(asked, () => parseCheckpoint(bytes));
    if (checkpoint.size > index) return { checkpoint, text: Buffer.from(bytes).toString('utf8') };
    const wait = backoff(runtime, tries, null);
    if (runtime.monotonic() + wait >= deadline) {
      throw answerError(asked, `${existing} as entry ${index}, and has ${checkpoint.size} entries`);
    }
    await waitToAsk(asked, runtime, wait, options.signal);
  }
}

function notServed(reader: Reader, missing: string): Error {
  const hint = 'Sign again with an ECDSA key: a new signature is a new entry.';
  return answerError(reader.asked, `${existing}, and serves ${missing}`, undefined, hint);
}

/** The id of the log: of those that are known, the one that a signature of the checkpoint begins with. */
function logIdOf(reader: Reader, checkpoint: SignedCheckpoint): Uint8Array {
  const { logIds = [] } = reader.options;
  for (const { name, keyId } of checkpoint.signatures) {
    const found = logIds.find((id) => equalBytes(id.subarray(0, keyId.length), keyId));
    if (name === checkpoint.origin && found !== undefined) return found;
  }
  const hint = 'Give the trusted root that this log is in.';
  throw answerError(reader.asked, `${existing}, and is none of the logs that are trusted`, undefined, hint);
}

async function readBody(reader: Reader, index: number, size: number): Promise<Uint8Array> {
  const place = Math.floor(index / tileWidth);
  const width = Math.min(tileWidth, size - place * tileWidth);
  const bundle = await readTile(reader, 'tile/entries', { index: place, width }, limits.entryTileBytes);
  const bodies = readAnswer(reader.asked, () => parseEntryBundle(bundle.content, bundle.width));
  return bodies[index % tileWidth] as Uint8Array;
}

async function readProof(reader: Reader, index: number, size: number): Promise<readonly Uint8Array[]> {
  const contents = new Map<string, Uint8Array>();
  await Promise.all(
    inclusionTiles(index, size).map(async (tile) => {
      const { content } = await readTile(reader, `tile/${tile.level}`, tile, tileWidth * hashLength);
      contents.set(nameOf(tile), content);
    }),
  );
  return readAnswer(reader.asked, () =>
    inclusionProofFromTiles(index, size, (tile) => contents.get(nameOf(tile)) ?? new Uint8Array(0)),
  );
}

function nameOf({ level, index }: HashTile): string {
  return `${level}/${index}`;
}

/** A tile of `width`, or, when the log no longer has that, the full one. */
async function readTile(
  reader: Reader,
  folder: string,
  { index, width }: Pick<HashTile, 'index' | 'width'>,
  maxBytes: number,
): Promise<{ readonly content: Uint8Array; readonly width: number }> {
  for (const one of width === tileWidth ? [tileWidth] : [width, tileWidth]) {
    const path = `${folder}/${encodeTilePath({ index, width: one })}`;
    const content = await readFile(reader, path, maxBytes);
    if (content !== undefined) return { content, width: one };
  }
  throw notServed(reader, `no ${folder}/${encodeTilePath({ index, width })}`);
}
