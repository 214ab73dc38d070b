/** Entries as Rekor v1 answers them, with the signed entry timestamp and the proof that a checkpoint covers them. */
import { base64, hex, utf8 } from '../../core/encoding.ts';
import type { LogHead } from '../log/log.ts';
import { entryIdOf, type ShardEntry, type Shards } from './shards.ts';

/**
 * One entry as a member of the answer's object, `"ID":{…}`. The timestamp is signed over the canonical JSON (RFC 8785) of
 * `body`, `integratedTime`, `logID` and `logIndex`; index and size in the proof are those of the entry's own tree.
 * {@link https://github.com/sigstore/rekor/blob/v1.5.3/openapi.yaml}
 */
export async function logEntryMember(shards: Shards, entry: ShardEntry, head: LogHead): Promise<string> {
  const { shard, stored } = entry;
  const logIndex = await shards.globalIndex(entry);
  const body = base64(stored.body);
  const integratedTime = Math.floor(stored.time / 1_000);
  // The keys are in order, and nothing in them needs escaping.
  const signed = `"body":"${body}","integratedTime":${integratedTime},"logID":"${shard.logId}","logIndex":${logIndex}`;
  const [timestamp, path] = await Promise.all([
    shard.signer.sign(utf8(`{${signed}}`)),
    shard.log.inclusionProof(stored.index, head.size),
  ]);
  const hashes = path.map((hash) => `"${hex(hash)}"`).join(',');
  return (
    `"${entryIdOf(shard, stored.leafHash)}":{${signed},"verification":{"inclusionProof":{` +
    `"checkpoint":${JSON.stringify(head.checkpoint)},"hashes":[${hashes}],"logIndex":${stored.index},` +
    `"rootHash":"${hex(head.root)}","treeSize":${head.size}},"signedEntryTimestamp":"${base64(timestamp)}"}}`
  );
}

/** {@link logEntryMember} under the present head of its tree, as the object that holds it alone. */
export async function presentLogEntry(shards: Shards, entry: ShardEntry): Promise<string> {
  return `{${await logEntryMember(shards, entry, await entry.shard.log.head())}}`;
}
