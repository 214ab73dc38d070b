/**
 * The HTTP API of a CT log: submission and the old read end points of RFC 6962, and the static files that monitors read.
 * {@link https://www.rfc-editor.org/rfc/rfc6962#section-4 RFC 6962 section 4},
 * {@link https://c2sp.org/static-ct-api C2SP static-ct-api}
 */
import { base64, concatBytes, equalBytes, fromBase64, hex } from '../../core/encoding.ts';
import { BoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { limits } from '../../core/limits.ts';
import type { Runtime } from '../../core/runtime.ts';
import { parseCheckpoint } from '../../formats/checkpoint.ts';
import { encodeExtraData, merkleTreeLeafOf, parseTileLeaf } from '../../formats/ct-entry.ts';
import { parseTreeHeadSignature, type TreeHeadSignature, treeHeadVerifier } from '../../formats/note-keys.ts';
import { parseTileLevel, parseTilePath, type TilePlace, tileWidth } from '../../formats/tile-path.ts';
import {
  asRefusal,
  bytesAnswer,
  immutable,
  jsonAnswer,
  type Route,
  type Service,
  ServiceRefusal,
  type ServiceRequest,
  textAnswer,
  uncached,
} from '../http/service.ts';
import type { LogHead, StoredEntry } from '../log/log.ts';
import type { CtLog } from './ct-log.ts';
import { readSubmission, type SubmissionKind } from './submission.ts';

/** What {@link createCtService} may be told. */
export interface CtServiceOptions {
  /** The log, which the certificate authority adds to without HTTP. */
  readonly ct: CtLog;
}

/** The part of a runtime that is used. */
export type CtRuntime = Pick<Runtime, 'log'>;

/** The service. */
export function createCtService(runtime: CtRuntime, { ct }: CtServiceOptions): Service {
  const submit = (kind: SubmissionKind, path: string): Route => ({
    method: 'POST',
    path,
    name: kind === 'certificate' ? 'add-chain' : 'add-pre-chain',
    bodyBytes: limits.ctRequestBytes,
    answer: (request) => addChain(ct, kind, request, runtime),
  });
  const read = (name: string, path: string, answer: Route['answer']): Route => ({
    method: 'GET',
    path,
    name,
    answer,
  });
  return {
    name: 'ct',
    refuse,
    routes: [
      submit('certificate', '/ct/v1/add-chain'),
      submit('precertificate', '/ct/v1/add-pre-chain'),
      read('get-roots', '/ct/v1/get-roots', () => getRoots(ct)),
      read('get-sth', '/ct/v1/get-sth', () => getTreeHead(ct)),
      read('get-sth-consistency', '/ct/v1/get-sth-consistency', (request) => getConsistency(ct, request)),
      read('get-proof-by-hash', '/ct/v1/get-proof-by-hash', (request) => getProofByHash(ct, request)),
      read('get-entries', '/ct/v1/get-entries', (request) => getEntries(ct, request)),
      read('get-entry-and-proof', '/ct/v1/get-entry-and-proof', (request) => getEntryAndProof(ct, request)),
      read('checkpoint', '/checkpoint', () => getCheckpoint(ct)),
      read('tile-data', '/tile/data/*path', (request) => getDataTile(ct, request)),
      read('tile', '/tile/:level/*path', (request) => getTile(ct, request)),
      read('issuer', '/issuer/:fingerprint', (request) => getIssuer(ct, request)),
    ],
  };
}

function badRequest(message: string): ServiceRefusal {
  return new ServiceRefusal(400, message);
}

function notFound(): ServiceRefusal {
  return new ServiceRefusal(404, 'there is no such thing in this log');
}

async function addChain(
  ct: CtLog,
  kind: SubmissionKind,
  request: ServiceRequest,
  runtime: CtRuntime,
): Promise<HttpResponse> {
  const submission = readSubmission(request.body, kind, ct.chains);
  const { sct, digitallySigned, index } = await ct.addOnce(submission);
  runtime.log({
    level: 'info',
    event: 'ct.submitted',
    message: `a ${kind} was submitted to the CT log`,
    fields: { index },
  });
  return jsonAnswer(200, {
    sct_version: 0,
    id: base64(sct.logId),
    timestamp: sct.time,
    extensions: base64(sct.extensions),
    signature: base64(digitallySigned),
  });
}

function getRoots(ct: CtLog): HttpResponse {
  const roots = new Set(
    ct.chains.map(({ certificates }) => base64(certificates.at(-1) ?? new Uint8Array(0))),
  );
  return jsonAnswer(200, { certificates: [...roots] });
}

/** The signature of the tree head is the log's line of its checkpoint. */
function treeHeadOf(ct: CtLog, head: LogHead): TreeHeadSignature {
  const { name, keyId } = treeHeadVerifier(ct.log.origin, ct.publicKey);
  const line = parseCheckpoint(head.checkpoint).signatures.find(
    (one) => one.name === name && equalBytes(one.keyId, keyId),
  );
  if (line === undefined) throw new BoltsealError('ERR_INTERNAL', 'the CT log has no tree head of its own');
  return parseTreeHeadSignature(line.signature);
}

async function getTreeHead(ct: CtLog): Promise<HttpResponse> {
  const head = await ct.log.head();
  const { time, digitallySigned } = treeHeadOf(ct, head);
  const body = {
    tree_size: head.size,
    timestamp: time,
    sha256_root_hash: base64(head.root),
    tree_head_signature: base64(digitallySigned),
  };
  return jsonAnswer(200, body, uncached);
}

async function getCheckpoint(ct: CtLog): Promise<HttpResponse> {
  const { checkpoint } = await ct.log.head();
  return textAnswer(200, 'text/plain; charset=utf-8', checkpoint, uncached);
}

/** A number of the query, in decimal. Throws 400. */
function numberOf(request: ServiceRequest, name: string): number {
  const text = request.query.get(name) ?? '';
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw badRequest(`${name} must be a number`);
  return value;
}

async function getConsistency(ct: CtLog, request: ServiceRequest): Promise<HttpResponse> {
  const first = numberOf(request, 'first');
  const second = numberOf(request, 'second');
  if (first > second) throw badRequest('first must not be more than second');
  await checkSize(ct, second);
  const consistency = (await ct.log.consistencyProof(first, second)).map(base64);
  return jsonAnswer(200, { consistency });
}

/** Throws 400 unless the log has that many entries. */
async function checkSize(ct: CtLog, size: number): Promise<void> {
  const head = await ct.log.head();
  if (size > head.size) throw badRequest(`the log has ${head.size} entries`);
}

async function getProofByHash(ct: CtLog, request: ServiceRequest): Promise<HttpResponse> {
  const size = numberOf(request, 'tree_size');
  const leafHash = hashOf(request.query.get('hash') ?? '');
  await checkSize(ct, size);
  const entry = await ct.log.entryByHash(leafHash);
  if (entry === undefined || entry.index >= size) throw notFound();
  const path = await ct.log.inclusionProof(entry.index, size);
  return jsonAnswer(200, { leaf_index: entry.index, audit_path: path.map(base64) });
}

/** A hash in base64; clients that forget to write `+` as `%2B` send a space. */
function hashOf(text: string): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(text.replaceAll(' ', '+'), 'hash');
  } catch {
    throw badRequest('hash must be base64');
  }
  if (bytes.length !== 32) throw badRequest('hash must be of 32 bytes');
  return bytes;
}

function describe(
  ct: CtLog,
  entry: StoredEntry,
): { readonly leaf_input: string; readonly extra_data: string } {
  const leaf = parseTileLeaf(entry.body, 'a stored entry');
  const chain = leaf.fingerprints.map((fingerprint) => {
    const der = ct.issuers.get(hex(fingerprint));
    if (der === undefined) {
      throw new BoltsealError('ERR_SERVER_DATA', 'the CT log lacks the chain of one of its entries');
    }
    return der;
  });
  return {
    leaf_input: base64(merkleTreeLeafOf(leaf)),
    extra_data: base64(encodeExtraData(leaf.precertificate, chain)),
  };
}

async function getEntries(ct: CtLog, request: ServiceRequest): Promise<HttpResponse> {
  const start = numberOf(request, 'start');
  const end = numberOf(request, 'end');
  if (start > end) throw badRequest('start must not be more than end');
  const { size } = await ct.log.head();
  if (start >= size) throw badRequest(`the log has ${size} entries`);
  const stop = Math.min(end + 1, size, start + limits.ctEntries);
  const entries = await ct.log.entries(start, stop);
  // A full answer is always the same; one that ends with the log is not.
  const cache = stop === end + 1 ? { 'cache-control': 'public, max-age=86400' } : uncached;
  return jsonAnswer(200, { entries: entries.map((entry) => describe(ct, entry)) }, cache);
}

async function getEntryAndProof(ct: CtLog, request: ServiceRequest): Promise<HttpResponse> {
  const index = numberOf(request, 'leaf_index');
  const size = numberOf(request, 'tree_size');
  if (index >= size) throw badRequest('leaf_index must be less than tree_size');
  await checkSize(ct, size);
  const entry = await ct.log.entry(index);
  if (entry === undefined) throw notFound();
  const path = await ct.log.inclusionProof(index, size);
  return jsonAnswer(200, { ...describe(ct, entry), audit_path: path.map(base64) });
}

/** The highest level of the specification. */
const topLevel = 5;

function placeOf(request: ServiceRequest): TilePlace {
  const place = parseTilePath(request.params['path'] ?? '');
  if (place === undefined) throw notFound();
  return place;
}

async function getTile(ct: CtLog, request: ServiceRequest): Promise<HttpResponse> {
  const level = parseTileLevel(request.params['level'] ?? '');
  const { index, width } = placeOf(request);
  if (level === undefined || level > topLevel) throw notFound();
  const hashes = await ct.log.tile(level, index, width);
  if (hashes === undefined) throw notFound();
  return bytesAnswer(200, 'application/octet-stream', hashes, immutable);
}

async function getDataTile(ct: CtLog, request: ServiceRequest): Promise<HttpResponse> {
  const { index, width } = placeOf(request);
  const start = index * tileWidth;
  const { size } = await ct.log.head();
  if (start + width > size) throw notFound();
  const entries = await ct.log.entries(start, start + width);
  const body = concatBytes(...entries.map((entry) => entry.body));
  return bytesAnswer(200, 'application/octet-stream', body, immutable);
}

function getIssuer(ct: CtLog, request: ServiceRequest): HttpResponse {
  const der = ct.issuers.get(request.params['fingerprint'] ?? '');
  if (der === undefined) throw notFound();
  return bytesAnswer(200, 'application/pkix-cert', der, immutable);
}

/** Names of the statuses that are sent. */
const statusNames: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  503: 'Service Unavailable',
};

/** As the logs of Certificate Transparency answer: text, the status first. */
function refuse(error: unknown): HttpResponse {
  const range =
    error instanceof BoltsealError && error.code === 'ERR_LOG_RANGE'
      ? badRequest('there is no such range')
      : undefined;
  const refusal = range ?? asRefusal(error) ?? new ServiceRefusal(500, 'the log cannot answer now');
  const title = statusNames[refusal.status] ?? 'Internal Server Error';
  return textAnswer(refusal.status, 'text/plain; charset=utf-8', `${title}\n${refusal.message}\n`, {
    ...uncached,
    ...refusal.headers,
  });
}
