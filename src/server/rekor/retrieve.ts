/** Entries asked for together: by id, by index, or by what would be proposed. */

import { utf8 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { isJsonObject, type Json } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { parseEntryRequestV1 } from '../../formats/log-entry-v1.ts';
import { hashLeaf } from '../../formats/merkle.ts';
import { bytesAnswer, ServiceRefusal } from '../http/service.ts';
import { bodyOfV1 } from './entry-v1.ts';
import { presentLogEntry } from './log-entry-answer.ts';
import { readObject } from './parameters.ts';
import { MisfitRefusal } from './refusal-v1.ts';
import type { ShardEntry, Shards } from './shards.ts';

/** An entry's id, with or without that of its tree. */
export const entryIdPattern: RegExp = /^([0-9a-fA-F]{64}|[0-9a-fA-F]{80})$/;

interface Query {
  readonly ids: readonly string[];
  readonly indexes: readonly number[];
  readonly entries: readonly Json[];
}

/** Answers `entries/retrieve`: those that are there, in the order ids, proposals, indexes. */
export async function retrieveEntries(shards: Shards, json: Uint8Array): Promise<HttpResponse> {
  const { ids, indexes, entries } = readQuery(json);
  const found = await Promise.all([
    ...ids.map((id) => shards.byEntryId(id)),
    ...entries.map((entry) => byProposal(shards, entry)),
    ...indexes.map((index) => shards.byGlobalIndex(index)),
  ]);
  const present = found.filter((entry) => entry !== undefined);
  const objects = await Promise.all(present.map((entry) => presentLogEntry(shards, entry)));
  return bytesAnswer(200, 'application/json', utf8(`[${objects.join(',')}]`));
}

function readQuery(json: Uint8Array): Query {
  const { entryUUIDs, logIndexes, entries } = readObject(json, limits.rekorRequestBytes);
  const ids = readList(entryUUIDs, 'entryUUIDs').map((id, index) => {
    if (typeof id === 'string' && entryIdPattern.test(id)) return id;
    throw new MisfitRefusal('pattern', `entryUUIDs.${index} in body should match '${entryIdPattern.source}'`);
  });
  const indexes = readList(logIndexes, 'logIndexes').map((value, index) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      throw new MisfitRefusal('type', `logIndexes.${index} in body must be of type int64`);
    }
    if (value >= 0) return value;
    throw new MisfitRefusal('tooSmall', `logIndexes.${index} in body should be greater than or equal to 0`);
  });
  const proposals = readList(entries, 'entries');
  if (ids.length + indexes.length + proposals.length > limits.rekorRetrieve) {
    throw new ServiceRefusal(422, `more than max allowed ${limits.rekorRetrieve} entries in request`);
  }
  return { ids, indexes, entries: proposals };
}

/** Go clients write null for a list that they leave empty. */
function readList(value: Json | undefined, name: string): readonly Json[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new MisfitRefusal('type', `${name} in body must be of type array`);
  if (value.length > limits.rekorRetrieve) {
    throw new MisfitRefusal('tooMany', `${name} in body should have at most ${limits.rekorRetrieve} items`);
  }
  return value as readonly Json[];
}

/**
 * Whether a proposal is of the version of intoto before the one that is logged here: there is none of it. cosign 3 looks
 * for attestations under every kind that it knows, and takes an error for the answer to all.
 */
function isNeverLogged(proposal: Json): boolean {
  return isJsonObject(proposal) && proposal['kind'] === 'intoto' && proposal['apiVersion'] === '0.0.1';
}

async function byProposal(shards: Shards, proposal: Json): Promise<ShardEntry | undefined> {
  if (isNeverLogged(proposal)) return undefined;
  let body: Uint8Array;
  try {
    body = await bodyOfV1(parseEntryRequestV1(proposal, 'the entry'));
  } catch (error) {
    if (isBoltsealError(error)) throw new ServiceRefusal(400, error.message, { cause: error });
    throw error;
  }
  return shards.byEntryId(Buffer.from(hashLeaf(body)).toString('hex'));
}
