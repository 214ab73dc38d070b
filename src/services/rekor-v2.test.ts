/** Entries of Rekor v2: on the log of `serve`, as the real one answers duplicates, and with logs that lie. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { inProcessRuntime } from '../../test/support/in-process.ts';
import { newRecordable, signerOfType } from '../../test/support/recordable.ts';
import { ask as askService, certificateOf, newLogV2, newPair } from '../../test/support/rekor.ts';
import {
  answer,
  broken,
  fetchService,
  type ScriptedFetch,
  type Step,
  scripted,
} from '../../test/support/services.ts';
import type { Releases } from '../../test/support/temporary.ts';
import { transcripts } from '../../test/vectors/transcripts.ts';
import { base64, hex } from '../core/encoding.ts';
import { type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { Fetch } from '../core/runtime.ts';
import { parseCheckpoint, verifyCheckpoint } from '../formats/checkpoint.ts';
import { parseEntryV2 } from '../formats/log-entry-v2.ts';
import { hashLeaf, verifyInclusion } from '../formats/merkle.ts';
import { noteVerifier } from '../formats/note-keys.ts';
import { keyTypes, type PublicKey, parsePublicKey } from '../formats/public-key.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { localSigner } from '../keys/local-signer.ts';
import type { TransparencyLog } from '../server/log/log.ts';
import { createRekorV2 } from '../server/rekor/rekor-v2.ts';
import { type RecordableSignature, requireLoggable } from './recordable-signature.ts';
import { addEntryV2 } from './rekor-v2.ts';

const url = 'https://log.example.com/rekor2';
const path = '/rekor2/api/v2';
const signer = signerOfType('ecdsa-p256');

interface World {
  readonly log: TransparencyLog;
  readonly logId: Uint8Array;
  readonly logKey: PublicKey;
  /** As `serve` does: a duplicate is 201. */
  readonly fetch: Fetch;
  /** As the real server does: a duplicate is 409 with its index, and its tiles are at the same address. */
  readonly strict: Fetch;
}

async function newWorld(releases: Releases): Promise<World> {
  const { log, logId, signer: logSigner } = await newLogV2(releases);
  const fetch = fetchService(createRekorV2({ log, logId }), '/rekor2');
  const known = new Map<string, string>();
  const strict: Fetch = async (asked, init) => {
    const key = init.method === 'POST' ? base64(init.body as Uint8Array) : '';
    const index = known.get(key);
    if (index !== undefined) {
      const message = `an equivalent entry already exists in the transparency log with index ${index}`;
      const headers = { 'x-log-index': index };
      return answer(409, { code: 6, message, details: [] }, headers)({} as never, init);
    }
    const response = await fetch(asked, init);
    if (init.method !== 'POST' || response.status !== 201) return response;
    const text = await bodyOf(response.body);
    known.set(key, JSON.parse(text).logIndex);
    return answer(201, text)({} as never, init);
  };
  return { log, logId, logKey: logSigner.publicKey, fetch, strict };
}

async function bodyOf(body: AsyncIterable<Uint8Array> | null): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of body ?? []) parts.push(part);
  return Buffer.concat(parts).toString();
}

function add(
  fetch: Fetch,
  signature: RecordableSignature,
  logIds?: readonly Uint8Array[],
): Promise<LogEntry> {
  return addEntryV2(url, signature, inProcessRuntime(fetch), { logIds });
}

async function fails(
  code: ErrorCode,
  script: ScriptedFetch,
  signature: RecordableSignature,
  logIds?: readonly Uint8Array[],
): Promise<void> {
  await assert.rejects(add(script.fetch, signature, logIds), (error) => {
    assert.ok(isBoltsealError(error, code), String(error));
    return true;
  });
}

const real =
  (fetch: Fetch): Step =>
  (asked, init) =>
    fetch(asked.url, init);

function check({ inclusionProof: proof, canonicalizedBody }: LogEntry, { logKey }: World): void {
  assert.ok(proof);
  verifyInclusion(
    hashLeaf(canonicalizedBody),
    Number(proof.logIndex),
    Number(proof.treeSize),
    proof.hashes,
    proof.rootHash,
  );
  const checkpoint = parseCheckpoint(proof.checkpoint);
  verifyCheckpoint(checkpoint, [noteVerifier('rekor2.example.com', logKey)], 'rekor2.example.com');
  assert.deepEqual([BigInt(checkpoint.size), checkpoint.root], [proof.treeSize, proof.rootHash]);
}

test('every type of key: logged, or refused here because the log refuses it', async (t) => {
  const world = await newWorld(t);
  const service = createRekorV2({ log: world.log, logId: world.logId, allowDsse: true });
  const details = {
    'ecdsa-p384': 'PKIX_ECDSA_P384_SHA_384',
    'ecdsa-p521': 'PKIX_ECDSA_P521_SHA_512',
    ed25519: 'PKIX_ED25519_PH',
  };
  for (const type of keyTypes.filter((one) => !['rsa-3072', 'rsa-4096'].includes(one))) {
    for (const content of ['message', 'envelope'] as const) {
      const signature = await newRecordable(signerOfType(type), content);
      const script = scripted(real(world.fetch));
      const keyDetails = details[type as keyof typeof details];
      if (keyDetails === undefined) {
        requireLoggable(2, signature.publicKey, content);
        const entry = await add(script.fetch, signature);
        assert.deepEqual([entry.kind, entry.version], ['hashedrekord', '0.0.2']);
        check(entry, world);
        continue;
      }
      await fails('ERR_SIGNING_CONFIG', script, signature);
      assert.equal(script.asked.length, 0, 'nothing is sent');
      const { signedBytes, publicKey, signature: bytes } = signature;
      const lengths = { PKIX_ECDSA_P384_SHA_384: 'sha384' } as Record<string, string>;
      for (const digest of [
        hash('sha256', signedBytes, 'base64'),
        hash(lengths[keyDetails] ?? 'sha512', signedBytes, 'base64'),
      ]) {
        const verifier = { publicKey: { rawBytes: base64(publicKey.spki) }, keyDetails };
        const request = {
          hashedRekordRequestV002: { digest, signature: { content: base64(bytes), verifier } },
        };
        const { status } = await askService(service, 'POST', '/api/v2/log/entries', request);
        assert.equal(status, 400, 'the log itself would not take it');
      }
    }
  }
});

test('an envelope is logged by the digest of its pre-authentication encoding, with the certificate when there is one', async (t) => {
  const world = await newWorld(t);
  const pair = newPair();
  const { der } = certificateOf(pair, [{ type: 'email', value: 'a@b.test' }]);
  for (const content of ['message', 'envelope'] as const) {
    const signature = await newRecordable(localSigner(pair.privateKey, 'x'), content, der);
    const script = scripted(real(world.fetch));
    const body = parseEntryV2((await add(script.fetch, signature)).canonicalizedBody, 'x');
    assert.ok(body.kind === 'hashedrekord' && body.verifier.kind === 'certificate');
    assert.deepEqual(Buffer.from(body.verifier.der), der);
    assert.equal(hex(body.digest), hash('sha256', signature.signedBytes));
    assert.ok(!script.asked[0]?.body.includes('dsse'));
  }
});

test('a recorded exchange with the real log', async () => {
  const one = transcripts().get('rekor2 ok');
  const { digest, signature: sent } = JSON.parse(one?.request ?? '{}').hashedRekordRequestV002;
  const signature = {
    digest: new Uint8Array(Buffer.from(digest, 'base64')),
    signature: new Uint8Array(Buffer.from(sent.content, 'base64')),
    publicKey: parsePublicKey(new Uint8Array(Buffer.from(sent.verifier.publicKey.rawBytes, 'base64'))),
  };
  const script = scripted(answer(201, one?.response));
  const entry = await add(script.fetch, signature);
  assert.equal(entry.logIndex, 1n);
  assert.deepEqual(JSON.parse(script.asked[0]?.body ?? ''), JSON.parse(one?.request ?? ''));
  assert.equal(script.asked[0]?.url, `${url}/api/v2/log/entries`);
  // The real server serves no tiles itself.
  const again = transcripts().get('rekor2 same again');
  const conflict = answer(409, again?.response, again?.headers);
  const none = transcripts().get('rekor2 checkpoint over http');
  await fails('ERR_SERVICE_RESPONSE', scripted(conflict, answer(501, none?.response)), signature, [
    entry.logId,
  ]);
  await fails(
    'ERR_SERVICE_REFUSED',
    scripted(answer(400, transcripts().get('rekor2 bad sig')?.response)),
    signature,
  );
});

test('the same again, as serve answers it', async (t) => {
  const world = await newWorld(t);
  const signature = await newRecordable(signer, 'envelope');
  const entry = await add(world.fetch, signature);
  await add(world.fetch, await newRecordable(signer));
  const again = await add(world.fetch, signature);
  assert.equal(again.logIndex, entry.logIndex);
  check(again, world);
});

test('the same again, as the real log answers it: read from the tiles, at every place of a log of several tiles', async (t) => {
  const world = await newWorld(t);
  const fill = async (count: number): Promise<void> => {
    const bodies = Array.from({ length: count }, () => Buffer.from(`filler ${Math.random()}`));
    await Promise.all(
      bodies.map((body) => world.log.add({ build: () => ({ leaf: body, body }), placeless: true })),
    );
  };
  const signatures: RecordableSignature[] = [];
  for (const count of [0, 1, 253, 0, 0, 200, 70]) {
    await fill(count);
    const signature = await newRecordable(signer);
    signatures.push(signature);
    await add(world.strict, signature);
    for (const one of signatures) {
      const script = scripted(real(world.strict));
      const again = await add(script.fetch, one, [new Uint8Array(32), world.logId]);
      assert.deepEqual(again.logId, world.logId);
      assert.equal(script.asked[1]?.url, `${url}/api/v2/checkpoint`);
      check(again, world);
    }
  }
  assert.equal((await world.log.head()).size, 531);
});

test('an answer that was lost: the entry is there once, and is found', async (t) => {
  const world = await newWorld(t);
  const signature = await newRecordable(signer);
  const lost: Step = async (asked, init) => {
    await world.strict(asked.url, init);
    return broken()(asked, init);
  };
  const entry = await add(scripted(answer(503), lost, real(world.strict)).fetch, signature, [world.logId]);
  check(entry, world);
  assert.equal((await world.log.head()).size, 1);
});

test('an entry that no checkpoint covers yet, and tiles that became full', async (t) => {
  const world = await newWorld(t);
  const signature = await newRecordable(signer);
  const conflict = answer(409, '', { 'x-log-index': '0' });
  const noteOf = async (): Promise<string> =>
    bodyOf(
      (
        await world.fetch(`https://x.test${path}/checkpoint`, {
          method: 'GET',
          headers: {},
          redirect: 'manual',
        })
      ).body,
    );
  const empty = await noteOf();
  await add(world.strict, signature);
  const waiting = scripted(conflict, answer(200, empty), answer(200, empty), real(world.fetch));
  check(await add(waiting.fetch, signature, [world.logId]), world);
  assert.ok(waiting.asked.slice(1, 4).every((asked) => asked.url.endsWith('/checkpoint')));
  await fails('ERR_SERVICE_RESPONSE', scripted(conflict, answer(200, empty)), signature, [world.logId]);

  // Partial tiles may be gone once the full ones are there.
  const small = await noteOf();
  for (let count = 0; count < 300; count++) {
    const body = Buffer.from(`filler ${count}`);
    void world.log.add({ build: () => ({ leaf: body, body }), placeless: true });
  }
  await add(world.strict, await newRecordable(signer));
  const gone: Step = (asked, init) => {
    if (asked.method === 'POST') return conflict(asked, init);
    if (asked.url.endsWith('/checkpoint')) return answer(200, small)(asked, init);
    return asked.url.includes('.p/') ? answer(404)(asked, init) : world.fetch(asked.url, init);
  };
  const script = scripted(gone);
  check(await add(script.fetch, signature, [world.logId]), world);
  assert.ok(script.asked.some((asked) => asked.url.endsWith('/tile/entries/000')));
});

test('logs that lie about an entry that is there already_fail', async (t) => {
  const world = await newWorld(t);
  const [mine, theirs] = [await newRecordable(signer), await newRecordable(signer)];
  await add(world.fetch, theirs);
  await add(world.fetch, mine);
  for (let count = 0; count < 5; count++) await add(world.fetch, await newRecordable(signer));
  const conflict = (index: string): Step => answer(409, { code: 6, message: 'x' }, { 'x-log-index': index });
  const but = (change: (asked: string) => Step | undefined, index = '1'): ScriptedFetch =>
    scripted((asked, init) => {
      if (asked.method === 'POST') return conflict(index)(asked, init);
      return (change(asked.url) ?? real(world.fetch))(asked, init);
    });
  const refused = (script: ScriptedFetch, ids = [world.logId]): Promise<void> =>
    fails('ERR_SERVICE_RESPONSE', script, mine, ids);

  check(await add(but(() => undefined).fetch, mine, [world.logId]), world);
  await refused(but(() => undefined, '0'));
  for (const index of ['', '-1', '1.5', '01', 'x', '99999999999999999999', '0x1'])
    await refused(but(() => undefined, index));
  await refused(
    but(() => undefined),
    [],
  );
  await refused(
    but(() => undefined),
    [new Uint8Array(32)],
  );
  const tampered = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = new Uint8Array(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const altered = (part: string, change: (bytes: Uint8Array) => Uint8Array): ScriptedFetch =>
    but((asked) => {
      if (!asked.includes(part)) return undefined;
      return async (one, init) => {
        const response = await world.fetch(asked, init);
        const pieces: Uint8Array[] = [];
        for await (const piece of response.body ?? []) pieces.push(piece);
        return answer(200, change(new Uint8Array(Buffer.concat(pieces))))(one, init);
      };
    });
  await refused(altered('/tile/0/', (bytes) => tampered(bytes, 0)));
  await refused(altered('/tile/0/', (bytes) => bytes.subarray(32)));
  await refused(altered('/tile/0/', () => new Uint8Array(100_000)));
  // Within the second of seven entries, which is ours.
  await refused(altered('/tile/entries/', (bytes) => tampered(bytes, Math.floor((bytes.length * 1.5) / 7))));
  await refused(altered('/tile/entries/', (bytes) => bytes.subarray(0, 10)));
  await refused(altered('/checkpoint', (bytes) => tampered(bytes, 0)));
  await refused(altered('/checkpoint', () => new Uint8Array(200_000)));
  await refused(altered('/checkpoint', () => Buffer.from('not a note')));
  for (const part of ['/checkpoint', '/tile/entries/', '/tile/0/']) {
    await refused(but((asked) => (asked.includes(part) ? answer(404) : undefined)));
  }
});

test('an answer about something else_fail', async (t) => {
  const world = await newWorld(t);
  const [mine, theirs] = [await newRecordable(signer), await newRecordable(signer)];
  const body = await add(world.fetch, theirs).then(async () => {
    const script = scripted(real(world.fetch));
    await add(script.fetch, theirs);
    const [asked] = script.asked;
    const init = {
      method: 'POST',
      headers: {},
      redirect: 'manual',
      body: Buffer.from(asked?.body ?? ''),
    } as const;
    return bodyOf((await world.fetch(asked?.url ?? '', init)).body);
  });
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), mine);
  const twin = { ...theirs, signature: await signer.sign(theirs.signedBytes) };
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), twin);
  const { publicKey } = signerOfType('ecdsa-p256');
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), { ...theirs, publicKey });
  const other = { ...JSON.parse(body), kindVersion: { kind: 'dsse', version: '0.0.2' } };
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, other)), theirs);
  for (const text of [
    '',
    '{}',
    '[]',
    body.slice(0, 300),
    '<html>',
    body.replace('"logIndex"', '"more":1,"logIndex"'),
  ]) {
    await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, text)), theirs);
  }
});

test('a frozen log, and one that is busy', async (t) => {
  const { log, logId, fetch } = await newWorld(t);
  const frozen = fetchService(createRekorV2({ log, logId, frozen: true }), '/rekor2');
  const signature = await newRecordable(signer);
  await fails('ERR_SERVICE_REFUSED', scripted(real(frozen)), signature);
  const busy = answer(503, { code: 14, message: 'reached max pushback; retry' }, { 'retry-after': '1' });
  assert.equal((await add(scripted(busy, busy, real(fetch)).fetch, signature)).logIndex, 0n);
});
