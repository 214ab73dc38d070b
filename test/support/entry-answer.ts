/** A log with the API of Rekor v1 that has given entries, each alone in a tree of its own. */
import { base64, hex } from '../../src/core/encoding.ts';
import { encodeCheckpointBody, encodeNote } from '../../src/formats/checkpoint.ts';
import { hashLeaf } from '../../src/formats/merkle.ts';
import type { LogEntry } from '../../src/formats/verification-material.ts';
import { type InProcessRuntime, inProcessRuntime, respond } from './in-process.ts';

/** An entry as Rekor v1 answers it, with a proof that leads to its checkpoint. */
export function entryAnswer(entry: LogEntry): object {
  const root = hashLeaf(entry.canonicalizedBody);
  const body = encodeCheckpointBody({ origin: 'rekor.test - 1', size: 1, root, extensions: [] });
  const signature = { name: 'rekor.test', keyId: new Uint8Array(4), signature: new Uint8Array(8) };
  const inclusionProof = {
    checkpoint: encodeNote(body, [signature]),
    hashes: [],
    logIndex: 0,
    rootHash: hex(root),
    treeSize: 1,
  };
  return {
    [hex(root)]: {
      body: base64(entry.canonicalizedBody),
      integratedTime: Number(entry.integratedTime),
      logID: hex(entry.logId),
      logIndex: Number(entry.logIndex),
      verification: { inclusionProof, signedEntryTimestamp: 'AAAA' },
    },
  };
}

/** A runtime whose network is that log. */
export function logWith(...entries: readonly LogEntry[]): InProcessRuntime {
  return inProcessRuntime(async (url, init) => {
    const index = new URL(url).searchParams.get('logIndex');
    if (index !== null) {
      const found = entries.find((entry) => String(entry.logIndex) === index);
      if (found === undefined) return respond({ status: 404, body: '{"code":404,"message":"not there"}' });
      return respond({ status: 200, body: JSON.stringify(entryAnswer(found)) });
    }
    const { entryUUIDs } = JSON.parse(Buffer.from(init.body as Uint8Array).toString());
    const found = entries.filter((entry) => entryUUIDs.includes(hex(hashLeaf(entry.canonicalizedBody))));
    return respond({ status: 200, body: JSON.stringify(found.map(entryAnswer)) });
  });
}
