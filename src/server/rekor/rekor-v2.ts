/**
 * The API of Rekor v2: entries are verified, logged, and answered with the proof that a checkpoint covers them; the log
 * is read as tiles. There are no timestamps, they come from an authority of their own.
 *
 * The real server answers an entry that is there already with 409, and then signing the same thing again fails with
 * cosign and an RSA key, whose signatures are always the same. Here the entry that is there is answered, proved against
 * the present checkpoint.
 * {@link https://github.com/sigstore/rekor-tiles/blob/v2.3.0/CLIENTS.md}
 */
import { BoltsealError, isBoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { type Json, parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { encodeEntryBundle } from '../../formats/log-entry-bundle.ts';
import {
  type EntryRequestV2,
  encodeTransparencyLogEntry,
  parseEntryRequestV2,
} from '../../formats/log-entry-v2.ts';
import { parseTileLevel, parseTilePath, tileWidth } from '../../formats/tile-path.ts';
import {
  asRefusal,
  bytesAnswer,
  immutable,
  jsonAnswer,
  type Service,
  ServiceRefusal,
  textAnswer,
  uncached,
} from '../http/service.ts';
import type { TransparencyLog } from '../log/log.ts';
import { prepareEntryV2 } from './entry-v2.ts';

/** What {@link createRekorV2} needs. */
export interface RekorV2Options {
  readonly log: TransparencyLog;
  /** The id of the log's key under its origin, 32 bytes. */
  readonly logId: Uint8Array;
  /** Whether entries of the kind dsse are taken. Go clients cannot read them, sigstore-js makes them; no unless told. */
  readonly allowDsse?: boolean;
  /** Whether the log takes no more entries and is only read; no unless told. */
  readonly frozen?: boolean;
}

/** The service. */
export function createRekorV2(options: RekorV2Options): Service {
  const { log, allowDsse = false } = options;
  return {
    name: 'rekor2',
    refuse: refuseV2,
    routes: [
      {
        method: 'POST',
        path: '/api/v2/log/entries',
        name: 'add',
        bodyBytes: allowDsse ? limits.rekorRequestBytes : limits.rekorSmallRequestBytes,
        answer: ({ body }) => addEntry(options, body),
      },
      { method: 'GET', path: '/api/v2/checkpoint', name: 'checkpoint', answer: () => checkpoint(log) },
      {
        method: 'GET',
        path: '/api/v2/tile/entries/*path',
        name: 'tile-entries',
        answer: ({ params }) => entryBundle(log, params['path'] ?? ''),
      },
      {
        method: 'GET',
        path: '/api/v2/tile/:level/*path',
        name: 'tile',
        answer: ({ params }) => tile(log, params['level'] ?? '', params['path'] ?? ''),
      },
      {
        method: 'GET',
        path: '/healthz',
        name: 'healthz',
        answer: () => jsonAnswer(200, { status: 'SERVING' }),
      },
    ],
  };
}

async function addEntry(
  { log, logId, allowDsse = false, frozen = false }: RekorV2Options,
  json: Uint8Array,
): Promise<HttpResponse> {
  if (frozen) {
    throw new ServiceRefusal(405, 'This log has been frozen, please switch to the latest log.', {
      reason: 'the log is frozen',
    });
  }
  const request = readRequest(json, allowDsse);
  const body = await prepare(request);
  const { index, head } = await log.add({ build: () => ({ leaf: body, body }), placeless: true });
  const hashes = await log.inclusionProof(index, head.size);
  return bytesAnswer(
    201,
    'application/json',
    encodeTransparencyLogEntry({
      logIndex: index,
      logId,
      kind: request.kind,
      rootHash: head.root,
      treeSize: head.size,
      hashes,
      checkpoint: head.checkpoint,
      canonicalizedBody: body,
    }),
  );
}

function readRequest(json: Uint8Array, allowDsse: boolean): EntryRequestV2 {
  let request: EntryRequestV2 | undefined;
  try {
    const value: Json = parseJson(json, { what: 'the request', maxBytes: limits.rekorRequestBytes });
    request = parseEntryRequestV2(value, 'the request');
  } catch (error) {
    throw isBoltsealError(error) ? invalidArgument(error.message, error) : error;
  }
  if (request !== undefined && (allowDsse || request.kind === 'hashedrekord')) return request;
  throw invalidArgument(`invalid type, must be hashedrekord${allowDsse ? ' or dsse' : ''}`);
}

async function prepare(request: EntryRequestV2): Promise<Uint8Array> {
  try {
    return await prepareEntryV2(request);
  } catch (error) {
    if (!(error instanceof BoltsealError)) throw error;
    throw invalidArgument(`invalid ${request.kind} request: ${error.message}`, error);
  }
}

function invalidArgument(message: string, cause?: unknown): ServiceRefusal {
  return new ServiceRefusal(400, message, { cause, reason: message });
}

async function checkpoint(log: TransparencyLog): Promise<HttpResponse> {
  return textAnswer(200, 'text/plain; charset=utf-8', (await log.head()).checkpoint, uncached);
}

/** The highest level of tiles (C2SP tlog-tiles). */
const topLevel = 5;

async function tile(log: TransparencyLog, level: string, path: string): Promise<HttpResponse> {
  const parsed = parseTileLevel(level);
  const place = parseTilePath(path);
  if (parsed === undefined || parsed > topLevel || place === undefined) throw noSuchTile();
  const hashes = await log.tile(parsed, place.index, place.width);
  if (hashes === undefined) throw noSuchTile();
  return bytesAnswer(200, 'application/octet-stream', hashes, immutable);
}

async function entryBundle(log: TransparencyLog, path: string): Promise<HttpResponse> {
  const place = parseTilePath(path);
  if (place === undefined) throw noSuchTile();
  const start = place.index * tileWidth;
  const entries = await log.entries(start, start + place.width);
  if (entries.length < place.width) throw noSuchTile();
  const bundle = encodeEntryBundle(entries.map(({ body }) => body));
  return bytesAnswer(200, 'application/octet-stream', bundle, immutable);
}

function noSuchTile(): ServiceRefusal {
  return new ServiceRefusal(404, 'Not Found');
}

/** gRPC's codes by HTTP status. {@link https://github.com/grpc/grpc/blob/master/doc/statuscodes.md} */
const grpcCodes: Readonly<Record<number, number>> = {
  400: 3,
  404: 5,
  405: 12,
  408: 4,
  413: 8,
  429: 8,
  503: 14,
};

/** The answer to any error: `{"code":N,"message":"…","details":[]}`. */
function refuseV2(error: unknown): HttpResponse {
  const isBusy = isBoltsealError(error, 'ERR_SERVER_BUSY', 'ERR_LOG_STOPPED');
  const refusal = isBusy
    ? new ServiceRefusal(503, 'reached max pushback; retry', { headers: { 'retry-after': '1' } })
    : asRefusal(error);
  if (refusal === undefined) return jsonAnswer(500, { code: 13, message: 'internal error', details: [] });
  const { status, message, headers } = refusal;
  return jsonAnswer(status, { code: grpcCodes[status] ?? 2, message, details: [] }, headers);
}
