/** The search index of Rekor v1: ids of entries by digest, signer or name. */
import { fromBase64 } from '../../core/encoding.ts';
import { isBoltsealError } from '../../core/errors.ts';
import type { HttpResponse } from '../../core/http.ts';
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts';
import { limits } from '../../core/limits.ts';
import { parseVerifierPem } from '../../formats/log-entry-verifier.ts';
import { jsonAnswer, ServiceRefusal } from '../http/service.ts';
import { readObject } from './parameters.ts';
import { MisfitRefusal } from './refusal-v1.ts';
import { verifierKeys } from './search-keys.ts';
import { entryIdOf, type Shard, type Shards } from './shards.ts';

/** What is asked for: keys, any of each group; entries must match all groups, or one. */
interface Search {
  readonly groups: readonly (readonly string[])[];
  readonly all: boolean;
}

const hashPattern = /^(sha512:)?[0-9a-fA-F]{128}$|^(sha256:)?[0-9a-fA-F]{64}$|^(sha1:)?[0-9a-fA-F]{40}$/;

/** Answers `index/retrieve`: at most `limits.rekorSearchResults` ids, oldest first. */
export async function searchIndex(shards: Shards, json: Uint8Array): Promise<HttpResponse> {
  const search = readSearch(readObject(json, limits.rekorSmallRequestBytes));
  const found: string[] = [];
  for (const shard of shards.all) {
    const indexes = await indexesOf(shard, search);
    const stored = await Promise.all(
      indexes.slice(0, limits.rekorSearchResults - found.length).map((index) => shard.log.entry(index)),
    );
    for (const entry of stored) if (entry !== undefined) found.push(entryIdOf(shard, entry.leafHash));
  }
  return jsonAnswer(200, found);
}

async function indexesOf({ log }: Shard, { groups, all }: Search): Promise<readonly number[]> {
  const sets = await Promise.all(
    groups.map(async (keys) => {
      const lists = await Promise.all(keys.map((key) => log.search(key, limits.rekorSearchResults)));
      return new Set(lists.flat());
    }),
  );
  const [first, ...others] = sets;
  if (first === undefined) return [];
  const indexes = all
    ? [...first].filter((index) => others.every((set) => set.has(index)))
    : [...new Set(sets.flatMap((set) => [...set]))];
  return indexes.sort((a, b) => a - b);
}

function readSearch(query: JsonObject): Search {
  const { hash, email, subject, publicKey, operator } = query;
  const groups: string[][] = [];
  const digest = text(hash, 'hash');
  if (digest !== undefined) {
    if (!hashPattern.test(digest)) {
      throw new MisfitRefusal('pattern', `hash in body should match '${hashPattern.source}'`);
    }
    const kinds = { 40: 'sha1:', 64: 'sha256:', 128: 'sha512:' } as const;
    const prefix = digest.includes(':') ? '' : kinds[digest.length as 40];
    groups.push([`${prefix}${digest}`.toLowerCase()]);
  }
  if (publicKey !== undefined && publicKey !== null) groups.push(keysOfVerifier(publicKey));
  const address = text(email, 'email');
  if (address !== undefined) {
    if (!/^[^\s@]{1,256}@[^\s@]{1,256}$/.test(address)) {
      throw new MisfitRefusal('type', 'email in body must be of type email');
    }
    groups.push([address.toLowerCase()]);
  }
  const name = text(subject, 'subject');
  if (name !== undefined) {
    if (name.length > 512)
      throw new MisfitRefusal('tooLong', 'subject in body should be at most 512 chars long');
    groups.push([name.toLowerCase()]);
  }
  const combine = text(operator, 'operator') ?? 'or';
  if (combine !== 'and' && combine !== 'or') {
    throw new MisfitRefusal('choice', 'operator in body should be one of [and or]');
  }
  return { groups, all: combine === 'and' };
}

/** An empty text is absence, as Go clients leave it out. */
function text(value: Json | undefined, name: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new MisfitRefusal('type', `${name} in body must be of type string`);
  return value;
}

function keysOfVerifier(value: Json): string[] {
  const { format, content } = isJsonObject(value) ? value : {};
  if (format !== 'x509') {
    throw new ServiceRefusal(400, 'the PKI format requested is not supported by this server');
  }
  try {
    const pem = fromBase64(typeof content === 'string' ? content : '', 'the public key');
    const { bare, prefixed } = verifierKeys(parseVerifierPem(pem, 'the public key'));
    return [bare, prefixed];
  } catch (cause) {
    if (!isBoltsealError(cause)) throw cause;
    throw new ServiceRefusal(400, 'public key provided could not be parsed', { cause });
  }
}
