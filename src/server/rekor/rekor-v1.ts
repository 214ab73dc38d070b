/**
 * The API of Rekor v1: entries are verified, logged and answered with a signed entry timestamp and a proof of inclusion.
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/openapi.yaml}
 */
import { hex, utf8 } from '../../core/encoding.ts';
import type { HttpResponse } from '../../core/http.ts';
import { parseJson } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { parseEntryRequestV1 } from '../../formats/log-entry-v1.ts';
import {
  bytesAnswer,
  jsonAnswer,
  type Service,
  ServiceRefusal,
  type ServiceRequest,
  textAnswer,
  uncached,
} from '../http/service.ts';
import { type PreparedEntry, prepareEntryV1 } from './entry-v1.ts';
import { logEntryMember, presentLogEntry } from './log-entry-answer.ts';
import { integerParameter } from './parameters.ts';
import { entryRefusal, MisfitRefusal, refuseV1 } from './refusal-v1.ts';
import { entryIdPattern, retrieveEntries } from './retrieve.ts';
import { searchIndex } from './search-index.ts';
import { createShards, entryIdOf, type RekorShard, type Shard, type Shards } from './shards.ts';

/**
 * The path of entries. `Location` has it too, whatever the prefix under which the API is public: clients put what they
 * know as the address of the server before it.
 */
const entries = '/api/v1/log/entries';

/** What {@link createRekorV1} needs. */
export interface RekorV1Options {
  /** The trees, oldest first; the last takes entries. */
  readonly shards: readonly RekorShard[];
}

/** The service. Throws `ERR_SERVER_CONFIG` for trees that clients would not accept. */
export function createRekorV1(options: RekorV1Options): Service {
  const shards = createShards(options.shards);
  return {
    name: 'rekor',
    refuse: refuseV1,
    routes: [
      {
        method: 'POST',
        path: entries,
        name: 'add',
        bodyBytes: limits.rekorRequestBytes,
        answer: ({ body }) => addEntry(shards, body),
      },
      {
        method: 'GET',
        path: entries,
        name: 'entry-by-index',
        answer: ({ query }) => entryByIndex(shards, query),
      },
      {
        method: 'POST',
        path: `${entries}/retrieve`,
        name: 'retrieve',
        bodyBytes: limits.rekorRequestBytes,
        answer: ({ body }) => retrieveEntries(shards, body),
      },
      {
        method: 'GET',
        path: `${entries}/:id`,
        name: 'entry',
        answer: ({ params }) => entryById(shards, params['id'] ?? ''),
      },
      {
        method: 'POST',
        path: '/api/v1/index/retrieve',
        name: 'search',
        bodyBytes: limits.rekorSmallRequestBytes,
        answer: ({ body }) => searchIndex(shards, body),
      },
      { method: 'GET', path: '/api/v1/log', name: 'log', answer: () => logInfo(shards) },
      {
        method: 'GET',
        path: '/api/v1/log/proof',
        name: 'proof',
        answer: ({ query }) => logProof(shards, query),
      },
      {
        method: 'GET',
        path: '/api/v1/log/publicKey',
        name: 'public-key',
        answer: (request) => publicKey(shards, request),
      },
      { method: 'GET', path: '/ping', name: 'ping', answer: () => textAnswer(200, 'text/plain', '.') },
    ],
  };
}

async function addEntry(shards: Shards, json: Uint8Array): Promise<HttpResponse> {
  const { active: shard } = shards;
  const { body, keys } = await readEntry(json);
  const { existing, head, ...stored } = await shard.log.add({
    build: () => ({ leaf: body, body }),
    placeless: true,
    keys: keys(),
  });
  const id = entryIdOf(shard, stored.leafHash);
  const headers = { location: `${entries}/${id}` };
  if (existing) {
    throw new ServiceRefusal(
      409,
      `an equivalent entry already exists in the transparency log with UUID ${id}`,
      { headers, reason: 'the entry exists' },
    );
  }
  const member = await logEntryMember(shards, { shard, stored }, head);
  // Not quoted, which is against HTTP: Go clients take it as it is for the id of the entry.
  return bytesAnswer(201, 'application/json', utf8(`{${member}}`), { ...headers, etag: id });
}

async function readEntry(json: Uint8Array): Promise<PreparedEntry> {
  try {
    const what = 'the request';
    return await prepareEntryV1(
      parseEntryRequestV1(parseJson(json, { what, maxBytes: limits.rekorRequestBytes }), 'the entry'),
    );
  } catch (error) {
    throw entryRefusal(error);
  }
}

/** 404 has no body here. */
const nothing: HttpResponse = {
  status: 404,
  headers: { ...uncached, 'content-length': '0' },
  body: new Uint8Array(0),
};

async function entryById(shards: Shards, id: string): Promise<HttpResponse> {
  if (!entryIdPattern.test(id)) {
    throw new MisfitRefusal('pattern', `entryUUID in path should match '${entryIdPattern.source}'`);
  }
  const found = await shards.byEntryId(id);
  if (found === undefined) return nothing;
  return bytesAnswer(200, 'application/json', utf8(await presentLogEntry(shards, found)), uncached);
}

async function entryByIndex(shards: Shards, query: URLSearchParams): Promise<HttpResponse> {
  const found = await shards.byGlobalIndex(integerParameter(query, 'logIndex', 0));
  if (found === undefined) return nothing;
  return bytesAnswer(200, 'application/json', utf8(await presentLogEntry(shards, found)), uncached);
}

async function logInfo(shards: Shards): Promise<HttpResponse> {
  const infos = await Promise.all(shards.all.map(treeInfo));
  const active = infos.pop();
  return jsonAnswer(200, { inactiveShards: infos.length === 0 ? null : infos, ...active }, uncached);
}

async function treeInfo({ log, treeId }: Shard): Promise<Readonly<Record<string, string | number>>> {
  const { root, checkpoint, size } = await log.head();
  return { rootHash: hex(root), signedTreeHead: checkpoint, treeID: String(treeId), treeSize: size };
}

async function logProof(shards: Shards, query: URLSearchParams): Promise<HttpResponse> {
  const first = query.has('firstSize') ? integerParameter(query, 'firstSize', 1) : 1;
  const last = integerParameter(query, 'lastSize', 1);
  const { log } = treeOf(shards, query);
  if (first > last) {
    throw new ServiceRefusal(400, `firstSize(${first}) must be less than lastSize(${last})`);
  }
  const { size, root } = await log.head();
  if (last > size) {
    throw new ServiceRefusal(
      400,
      `the tree size requested(${last}) was greater than what is currently observable(${size})`,
    );
  }
  const hashes = await log.consistencyProof(first, last);
  return jsonAnswer(200, { hashes: hashes.map(hex), rootHash: hex(root) }, uncached);
}

function publicKey(shards: Shards, { query }: ServiceRequest): HttpResponse {
  return textAnswer(200, 'application/x-pem-file', treeOf(shards, query).signer.publicKey.pem, uncached);
}

/** The tree that `treeID` asks for; the active one unless asked. */
function treeOf(shards: Shards, query: URLSearchParams): Shard {
  const text = query.get('treeID');
  if (text === null || text === '') return shards.active;
  if (!/^[0-9]{1,20}$/.test(text))
    throw new MisfitRefusal('pattern', "treeID in query should match '^[0-9]+$'");
  const shard = shards.byTreeId(text);
  if (shard === undefined) throw new ServiceRefusal(400, `there is no tree ${text}`);
  return shard;
}
