/** Answers of logs: recorded ones of the real servers, and everything that they must not be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { base64, hex, utf8 } from '../core/encoding.ts';
import { isBoltsealError } from '../core/errors.ts';
import { hashLeaf, verifyInclusion } from './merkle.ts';
import { protoReader } from './proto-json.ts';
import { isEntryId, parseRekorV1Answer, parseRekorV2Answer } from './rekor-answer.ts';
import { readTransparencyLogEntry, transparencyLogEntryJson } from './transparency-log-entry.ts';
import type { LogEntry } from './verification-material.ts';

const all = transcripts();
const recorded = (name: string): string => all.get(name)?.response ?? assert.fail(name);
const first = recorded('rekor1 ok');
const second = recorded('rekor2 ok');

/** The proof in an entry is that its body is in the tree that its checkpoint names. */
function provesItself(entry: LogEntry): void {
  const { inclusionProof: proof, canonicalizedBody } = entry;
  assert.ok(proof);
  const { logIndex, treeSize, hashes, rootHash } = proof;
  verifyInclusion(hashLeaf(canonicalizedBody), Number(logIndex), Number(treeSize), hashes, rootHash);
  assert.ok(proof.checkpoint.includes(base64(rootHash)));
}

test('recorded answers of Rekor v1', () => {
  for (const name of ['rekor1 ok', 'rekor1 get by uuid', 'rekor1 get by index']) {
    const { entryId, entry } = parseRekorV1Answer(utf8(recorded(name)));
    assert.equal(entryId, '653ae0a45c620e6cbc3f11cfe93f4b3910502414c753f090b790bdd605c815961d8af8d917a268fc');
    assert.equal(entry.kind, 'hashedrekord');
    assert.equal(entry.version, '0.0.1');
    assert.equal(entry.logIndex, 2408n);
    assert.equal(entry.integratedTime, 1795337643n);
    assert.equal(hex(entry.logId), 'd4df616df2591662e8077ed4009d7a02a700f0fcd8baa9b1789516c4de4a7b40');
    assert.equal(entry.signedEntryTimestamp?.[0], 0x30);
    assert.equal(hex(hashLeaf(entry.canonicalizedBody)), entryId.slice(16));
    provesItself(entry);
  }
});

test('a recorded answer of Rekor v2', () => {
  const entry = parseRekorV2Answer(utf8(second));
  assert.equal(entry.kind, 'hashedrekord');
  assert.equal(entry.version, '0.0.2');
  assert.equal(entry.logIndex, 1n);
  assert.equal(entry.integratedTime, undefined);
  assert.equal(entry.signedEntryTimestamp, undefined);
  assert.equal(entry.logId.length, 32);
  provesItself(entry);
});

test('what is read of either is written to a bundle and read again', () => {
  for (const entry of [parseRekorV1Answer(utf8(first)).entry, parseRekorV2Answer(utf8(second))]) {
    const json = transparencyLogEntryJson(entry);
    const reader = protoReader('ERR_BUNDLE_INVALID', 'x');
    assert.deepEqual(readTransparencyLogEntry(json, reader, 'it'), entry);
  }
});

type Path = readonly (string | number)[];

/** A JSON text with the value at a path replaced, or removed when that is undefined. */
function changed(text: string, path: Path, value: unknown): string {
  const document = JSON.parse(text);
  let at = document;
  for (const step of path.slice(0, -1)) at = at[step];
  const last = path.at(-1) ?? '';
  if (value === undefined) delete at[last];
  else at[last] = value;
  return JSON.stringify(document);
}

const [id = ''] = Object.keys(JSON.parse(first));
const proof = [id, 'verification', 'inclusionProof'];
const hash = 'ab'.repeat(32);

const wrongV1: readonly (readonly [what: string, text: string])[] = [
  ['nothing', '{}'],
  ['two entries', changed(first, [hash], JSON.parse(first)[id])],
  ['an id that is none', JSON.stringify({ x: JSON.parse(first)[id] })],
  ['an id with capitals', JSON.stringify({ [id.toUpperCase()]: JSON.parse(first)[id] })],
  ['an entry that is none', changed(first, [id], null)],
  ['no body', changed(first, [id, 'body'], undefined)],
  ['an empty body', changed(first, [id, 'body'], '')],
  ['a body without padding', changed(first, [id, 'body'], 'YQ')],
  ['a body that is no JSON', changed(first, [id, 'body'], 'YQ==')],
  ['a body without a kind', changed(first, [id, 'body'], base64(utf8('{"apiVersion":"0.0.1"}')))],
  [
    'a body with a strange kind',
    changed(first, [id, 'body'], base64(utf8('{"apiVersion":"0.0.1","kind":"a b"}'))),
  ],
  ['a negative index', changed(first, [id, 'logIndex'], -1)],
  ['half an index', changed(first, [id, 'logIndex'], 0.5)],
  ['an index as text', changed(first, [id, 'logIndex'], '1')],
  ['an index too large', changed(first, [id, 'logIndex'], 2 ** 53)],
  ['no time', changed(first, [id, 'integratedTime'], undefined)],
  ['no time at all', changed(first, [id, 'integratedTime'], 0)],
  ['a short log id', changed(first, [id, 'logID'], 'ab')],
  ['no verification', changed(first, [id, 'verification'], undefined)],
  ['no timestamp', changed(first, [id, 'verification', 'signedEntryTimestamp'], undefined)],
  ['no proof', changed(first, proof, undefined)],
  ['a proof without a checkpoint', changed(first, [...proof, 'checkpoint'], '')],
  ['a proof without hashes', changed(first, [...proof, 'hashes'], null)],
  ['a hash that is none', changed(first, [...proof, 'hashes'], [hash.slice(2)])],
  ['a root that is none', changed(first, [...proof, 'rootHash'], 7)],
  ['a negative size', changed(first, [...proof, 'treeSize'], -1)],
];

for (const [what, text] of wrongV1) {
  test(`an answer of Rekor v1 with ${what}_fail`, () => {
    assert.throws(
      () => parseRekorV1Answer(utf8(text)),
      (error) => isBoltsealError(error, 'ERR_LOG_ENTRY_INVALID', 'ERR_JSON_INVALID'),
    );
  });
}

const wrongV2: readonly (readonly [what: string, text: string])[] = [
  ['nothing', '{}'],
  ['no body', changed(second, ['canonicalizedBody'], undefined)],
  ['no proof', changed(second, ['inclusionProof'], null)],
  ['no checkpoint', changed(second, ['inclusionProof', 'checkpoint'], null)],
  ['a negative index', changed(second, ['logIndex'], '-1')],
  ['a negative size', changed(second, ['inclusionProof', 'treeSize'], '-1')],
  ['an unknown field', changed(second, ['more'], 1)],
  ['a field in both spellings', changed(second, ['log_index'], '1')],
  ['no log id', changed(second, ['logId'], null)],
  ['a number beyond 64 bits', changed(second, ['logIndex'], '9223372036854775808')],
];

for (const [what, text] of wrongV2) {
  test(`an answer of Rekor v2 with ${what}_fail`, () => {
    assert.throws(
      () => parseRekorV2Answer(utf8(text)),
      (error) => isBoltsealError(error, 'ERR_LOG_ENTRY_INVALID'),
    );
  });
}

test('bounds_fail', () => {
  const limited = (read: () => unknown): void =>
    assert.throws(read, (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'));
  limited(() => parseRekorV1Answer(utf8(changed(first, [...proof, 'hashes'], Array(65).fill(hash)))));
  limited(() =>
    parseRekorV2Answer(
      utf8(changed(second, ['inclusionProof', 'hashes'], Array(65).fill(base64(new Uint8Array(32))))),
    ),
  );
  for (const parse of [parseRekorV1Answer, parseRekorV2Answer]) {
    limited(() => parse(new Uint8Array(300_000).fill(0x20)));
    limited(() => parse(utf8('['.repeat(100))));
  }
});

test('what is stored beside an entry is left aside', () => {
  const { entry } = parseRekorV1Answer(utf8(changed(first, [id, 'attestation'], { data: 'e30=' })));
  assert.deepEqual(entry, parseRekorV1Answer(utf8(first)).entry);
});

test('ids', () => {
  assert.ok(isEntryId(hash) && isEntryId(id));
  for (const bad of [
    '',
    hash.slice(1),
    `${hash}0`,
    `x${hash}`,
    ` ${hash}`,
    `${hash}/..`,
    hash.toUpperCase(),
  ]) {
    assert.ok(!isEntryId(bad));
  }
});

test('no answer gives an error that is not ours', () => {
  const survives = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      if (!isBoltsealError(error) || error.code === 'ERR_INTERNAL') throw error;
    }
  };
  const paths = (value: unknown, path: Path = []): Path[] =>
    typeof value === 'object' && value !== null
      ? [path, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]))]
      : [path];
  for (const [text, parse] of [
    [first, parseRekorV1Answer],
    [second, parseRekorV2Answer],
  ] as const) {
    const places = paths(JSON.parse(text)).filter((path) => path.length > 0);
    const odd = fc.constantFrom<unknown>(
      -1,
      1e308,
      2 ** 53,
      '',
      '__proto__',
      [],
      {},
      [[]],
      '\ud800',
      'A'.repeat(500),
    );
    const edit = fc.tuple(fc.constantFrom(...places), fc.oneof(odd, fc.jsonValue({ maxDepth: 2 })));
    fc.assert(
      fc.property(edit, ([path, value]) => survives(() => parse(utf8(changed(text, path, value))))),
      {
        numRuns: 500,
      },
    );
    const bytes = utf8(text);
    const cut = fc.tuple(fc.nat(bytes.length), fc.nat(8), fc.uint8Array({ maxLength: 8 }));
    fc.assert(
      fc.property(cut, ([at, removed, inserted]) => {
        const parts = [bytes.subarray(0, at), inserted, bytes.subarray(at + removed)];
        survives(() => parse(new Uint8Array(Buffer.concat(parts))));
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array(), (noise) => survives(() => parse(noise))));
  }
});
