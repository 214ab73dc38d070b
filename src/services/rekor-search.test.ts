import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inProcessRuntime, respond } from '../../test/support/in-process.ts';
import { vector } from '../../test/vectors/vectors.ts';
import { base64, hex } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { parseBlobBundle } from '../formats/blob-bundle.ts';
import { hashLeaf } from '../formats/merkle.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { findEntriesV1, lookUpEntryV1 } from './rekor-search.ts';

const known = parseBlobBundle(vector('old/blob-keyless-c2.json'), 'x').logEntry as LogEntry;
const other = parseBlobBundle(vector('old/blob-keyless-c3.json'), 'x').logEntry as LogEntry;
const url = 'http://127.0.0.1:1/rekor/';
const zero = '0'.repeat(64);

/** As Rekor v1 answers an entry. */
const answerOf = (entry: LogEntry, change: object = {}) => ({
  [hex(hashLeaf(entry.canonicalizedBody))]: {
    body: base64(entry.canonicalizedBody),
    integratedTime: Number(entry.integratedTime),
    logID: hex(entry.logId),
    logIndex: Number(entry.logIndex),
    verification: {
      inclusionProof: { checkpoint: 'note', hashes: [zero], logIndex: 1, rootHash: zero, treeSize: 2 },
      signedEntryTimestamp: 'AAAA',
    },
    ...change,
  },
});

function logThatAnswers(status: number, body: unknown) {
  const sent: string[] = [];
  const runtime = inProcessRuntime(async (_, init) => {
    sent.push(init.body instanceof Uint8Array ? Buffer.from(init.body).toString() : '');
    return respond({ status, body: JSON.stringify(body) });
  });
  return { runtime, sent };
}

describe('entries of Rekor v1 are looked up', () => {
  it('by what they say, all at once', async () => {
    const { runtime, sent } = logThatAnswers(200, [answerOf(known)]);
    const found = await findEntriesV1(url, [other.canonicalizedBody, known.canonicalizedBody], runtime);
    assert.deepEqual(
      found.map(({ canonicalizedBody }) => canonicalizedBody),
      [known.canonicalizedBody],
    );
    assert.equal(found[0]?.inclusionProof?.treeSize, 2n);
    assert.equal(runtime.seen[0]?.url.pathname, '/rekor/api/v1/log/entries/retrieve');
    const { entryUUIDs } = JSON.parse(sent[0] ?? '');
    assert.deepEqual(
      entryUUIDs,
      [other, known].map((one) => hex(hashLeaf(one.canonicalizedBody))),
    );
  });

  it('and none is an answer', async () => {
    for (const body of [[], null]) {
      const { runtime } = logThatAnswers(200, body);
      assert.deepEqual(await findEntriesV1(url, [known.canonicalizedBody], runtime), []);
    }
  });

  it('by where they are', async () => {
    const { runtime } = logThatAnswers(200, answerOf(known));
    assert.equal((await lookUpEntryV1(url, known, runtime)).inclusionProof?.logIndex, 1n);
    assert.equal(
      runtime.seen[0]?.url.href,
      `http://127.0.0.1:1/rekor/api/v1/log/entries?logIndex=${known.logIndex}`,
    );
  });

  const fails = (code: string) => (error: unknown) => isBoltsealError(error) && error.code === code;
  for (const [name, answer] of Object.entries({
    'another entry': [answerOf(other)],
    'no list': {},
    'an entry without proof': [answerOf(known, { verification: {} })],
    'two in one': [{ ...answerOf(known), ...answerOf(other) }],
  })) {
    it(`${name} of a search_fail`, async () => {
      const { runtime } = logThatAnswers(200, answer);
      await assert.rejects(
        findEntriesV1(url, [known.canonicalizedBody], runtime),
        fails('ERR_SERVICE_RESPONSE'),
      );
    });
  }
  for (const [name, change] of Object.entries({
    'another index': { logIndex: 4711 },
    'another time': { integratedTime: 1 },
    'another log': { logID: zero },
    'another body': { body: base64(other.canonicalizedBody) },
  })) {
    it(`${name} in that place_fail`, async () => {
      const { runtime } = logThatAnswers(200, answerOf(known, change));
      await assert.rejects(lookUpEntryV1(url, known, runtime), fails('ERR_SERVICE_RESPONSE'));
    });
  }

  it('a log that has not the entry_fail', async () => {
    const { runtime } = logThatAnswers(404, { code: 404, message: 'not there' });
    await assert.rejects(lookUpEntryV1(url, known, runtime), fails('ERR_SERVICE_REFUSED'));
  });

  it('too many at once_fail', async () => {
    const { runtime } = logThatAnswers(200, []);
    const bodies = Array<Uint8Array>(11).fill(known.canonicalizedBody);
    await assert.rejects(findEntriesV1(url, bodies, runtime), fails('ERR_LIMIT_EXCEEDED'));
  });
});
