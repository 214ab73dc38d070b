/** Entries of Rekor v1: on the log of `serve`, against recordings of the real one, and with logs that lie. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { inProcessRuntime } from '../../test/support/in-process.ts';
import { newRecordable, signerOfType } from '../../test/support/recordable.ts';
import { ask as askService, certificateOf, newPair, newShard } from '../../test/support/rekor.ts';
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
import { encodeEntryRequestV1, parseEntryV1 } from '../formats/log-entry-v1.ts';
import { hashLeaf, verifyInclusion } from '../formats/merkle.ts';
import { keyTypes, parsePublicKey } from '../formats/public-key.ts';
import type { LogEntry } from '../formats/verification-material.ts';
import { localSigner } from '../keys/local-signer.ts';
import { createRekorV1 } from '../server/rekor/rekor-v1.ts';
import { type RecordableSignature, requireLoggable } from './recordable-signature.ts';
import { addEntryV1 } from './rekor-v1.ts';

const url = 'https://rekor.example.com/rekor';
const signer = signerOfType('ecdsa-p256');

async function newLog(releases: Releases): Promise<Fetch> {
  return fetchService(createRekorV1({ shards: [await newShard(releases, 77n)] }), '/rekor');
}

function add(fetch: Fetch, signature: RecordableSignature): Promise<LogEntry> {
  return addEntryV1(url, signature, inProcessRuntime(fetch));
}

async function fails(code: ErrorCode, script: ScriptedFetch, signature: RecordableSignature): Promise<void> {
  await assert.rejects(add(script.fetch, signature), (error) => {
    assert.ok(isBoltsealError(error, code), String(error));
    return true;
  });
}

/** A step that goes to a real log. */
const real =
  (fetch: Fetch): Step =>
  (asked, init) =>
    fetch(asked.url, init);

function checkProof({ inclusionProof: proof, canonicalizedBody, ...entry }: LogEntry): void {
  assert.ok(proof && entry.signedEntryTimestamp && entry.integratedTime);
  verifyInclusion(
    hashLeaf(canonicalizedBody),
    Number(proof.logIndex),
    Number(proof.treeSize),
    proof.hashes,
    proof.rootHash,
  );
}

test('every type of key over a message and an envelope: logged, or refused here because the log refuses it', async (t) => {
  const service = createRekorV1({ shards: [await newShard(t, 77n)] });
  const fetch = fetchService(service, '/rekor');
  for (const type of keyTypes.filter((one) => !['rsa-3072', 'rsa-4096'].includes(one))) {
    for (const content of ['message', 'envelope'] as const) {
      const signature = await newRecordable(signerOfType(type), content);
      const script = scripted(real(fetch));
      const isLoggable = content === 'envelope' || type === 'ecdsa-p256' || type === 'rsa-2048';
      if (isLoggable) {
        requireLoggable(1, signature.publicKey, content);
        const entry = await add(script.fetch, signature);
        assert.equal(entry.kind, content === 'envelope' ? 'dsse' : 'hashedrekord');
        checkProof(entry);
        continue;
      }
      await fails('ERR_SIGNING_CONFIG', script, signature);
      assert.equal(script.asked.length, 0, 'nothing is sent');
      const digest = new Uint8Array(hash('sha256', signature.signedBytes, 'buffer'));
      const verifier = Buffer.from(signature.publicKey.pem);
      const entry = {
        kind: 'hashedrekord',
        hash: 'sha256',
        digest,
        signature: signature.signature,
        verifier,
      } as const;
      const { status } = await askService(
        service,
        'POST',
        '/api/v1/log/entries',
        encodeEntryRequestV1(entry),
      );
      assert.equal(status, 400, 'the log itself would not take it');
    }
  }
});

test('entries name the certificate when there is one, and a digest stands for the message', async (t) => {
  const fetch = await newLog(t);
  const pair = newPair();
  const certificate = certificateOf(pair, [{ type: 'email', value: 'a@b.test' }]);
  const certified = localSigner(pair.privateKey, 'x');
  const message = await newRecordable(certified, 'message', certificate.der);
  const blob = parseEntryV1((await add(fetch, message)).canonicalizedBody, 'x');
  assert.ok(blob.kind === 'hashedrekord');
  assert.equal(Buffer.from(blob.verifier).toString(), certificate.pem);
  assert.equal(hex(blob.digest), hash('sha256', message.signedBytes));

  const { signedBytes, ...rest } = await newRecordable(signer);
  const digest = new Uint8Array(hash('sha256', signedBytes, 'buffer'));
  const streamed = parseEntryV1((await add(fetch, { ...rest, digest })).canonicalizedBody, 'x');
  assert.ok(streamed.kind === 'hashedrekord' && hex(streamed.digest) === hex(digest));

  const enveloped = await newRecordable(certified, 'envelope', certificate.der);
  const dsse = parseEntryV1((await add(fetch, enveloped)).canonicalizedBody, 'x');
  assert.ok(dsse.kind === 'dsse');
  assert.equal(hex(dsse.payloadHash), hash('sha256', enveloped.envelope?.payload ?? ''));
  assert.equal(Buffer.from(dsse.signatures[0]?.verifier ?? '').toString(), certificate.pem);
});

test('the same again: found, with the same index and time', async (t) => {
  const fetch = await newLog(t);
  for (const content of ['message', 'envelope'] as const) {
    const signature = await newRecordable(signer, content);
    const entry = await add(fetch, signature);
    await add(fetch, await newRecordable(signer, content));
    const script = scripted(real(fetch));
    const again = await add(script.fetch, signature);
    assert.deepEqual(
      script.asked.map(({ method }) => method),
      ['POST', 'GET'],
    );
    assert.deepEqual([again.logIndex, again.integratedTime], [entry.logIndex, entry.integratedTime]);
    assert.deepEqual(again.canonicalizedBody, entry.canonicalizedBody);
    checkProof(again);
  }
});

test('an answer that was lost: the entry is there once, and is found', async (t) => {
  const fetch = await newLog(t);
  const signature = await newRecordable(signer, 'envelope');
  const lost: Step = async (asked, init) => {
    await fetch(asked.url, init);
    return broken()(asked, init);
  };
  const script = scripted(answer(502), lost, real(fetch));
  const entry = await add(script.fetch, signature);
  assert.equal(entry.logIndex, 0n);
  assert.deepEqual(
    script.asked.map(({ method }) => method),
    ['POST', 'POST', 'POST', 'GET'],
  );
});

test('an entry that a replica does not have yet', async (t) => {
  const fetch = await newLog(t);
  const signature = await newRecordable(signer);
  await add(fetch, signature);
  const script = scripted(real(fetch), answer(404), answer(404), real(fetch));
  assert.equal((await add(script.fetch, signature)).logIndex, 0n);
  await fails('ERR_SERVICE_UNAVAILABLE', scripted(real(fetch), answer(404)), signature);
});

/** The exchange of a recording with the real log, as a signature that was recorded. */
function recordedSignature(): RecordableSignature {
  const { spec } = JSON.parse(transcripts().get('rekor1 ok')?.request ?? '{}');
  return {
    digest: new Uint8Array(Buffer.from(spec.data.hash.value, 'hex')),
    signature: new Uint8Array(Buffer.from(spec.signature.content, 'base64')),
    publicKey: parsePublicKey(Buffer.from(spec.signature.publicKey.content, 'base64')),
  };
}

const replay = (name: string): Step => {
  const one = transcripts().get(name);
  return answer(one?.status ?? 0, one?.response, one?.headers);
};

test('recorded exchanges with the real log: what is asked is byte for byte what was asked, and what is answered is ours', async () => {
  const signature = recordedSignature();
  const script = scripted(replay('rekor1 ok'));
  const entry = await add(script.fetch, signature);
  assert.equal(entry.logIndex, 2408n);
  assert.deepEqual(
    JSON.parse(script.asked[0]?.body ?? ''),
    JSON.parse(transcripts().get('rekor1 ok')?.request ?? ''),
  );
  checkProof(entry);

  const again = scripted(replay('rekor1 same again'), replay('rekor1 get by uuid'));
  assert.equal((await add(again.fetch, signature)).logIndex, 2408n);
  assert.equal(
    again.asked[1]?.url,
    `${url}/api/v1/log/entries/653ae0a45c620e6cbc3f11cfe93f4b3910502414c753f090b790bdd605c815961d8af8d917a268fc`,
  );
  await fails('ERR_SERVICE_REFUSED', scripted(replay('rekor1 bad sig')), signature);
  await fails('ERR_SERVICE_UNAVAILABLE', scripted(replay('rekor1 bad json')), signature);
});

test('a quoted, wrong or missing ETag does not matter', async () => {
  const one = transcripts().get('rekor1 ok');
  for (const etag of ['"653ae0a4"', 'x', undefined]) {
    const headers = etag === undefined ? {} : { etag };
    const entry = await add(scripted(answer(201, one?.response, headers)).fetch, recordedSignature());
    assert.equal(entry.logIndex, 2408n);
  }
});

test('somebody else’s entry, whichever way it comes_fail', async (t) => {
  const fetch = await newLog(t);
  const [mine, theirs] = [await newRecordable(signer), await newRecordable(signer)];
  const other = await add(fetch, theirs);
  const id = `000000000000004d${hex(hashLeaf(other.canonicalizedBody))}`;
  const path = `/api/v1/log/entries/${id}`;
  const response = await fetch(`https://x.test/rekor${path}`, {
    method: 'GET',
    headers: {},
    redirect: 'manual',
  });
  let body = '';
  for await (const part of response.body ?? []) body += Buffer.from(part).toString();

  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), mine);
  const conflict = scripted(answer(409, '', { location: path }), answer(200, body));
  await fails('ERR_SERVICE_RESPONSE', conflict, mine);
  assert.equal(conflict.asked.length, 1, 'an id that cannot be ours is not even asked for');
  const said = scripted(answer(409, { code: 409, message: `exists with UUID ${id}` }), answer(200, body));
  await fails('ERR_SERVICE_RESPONSE', said, mine);
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(409), answer(200, body)), mine);
  // The same digest and key with another signature.
  const twin = { ...theirs, signature: await signer.sign(theirs.signedBytes) };
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), twin);
  // The same digest and signature by another key.
  const { publicKey } = signerOfType('ecdsa-p256');
  await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), { ...theirs, publicKey });
});

test('where an entry is said to be: only the id of it is used', async (t) => {
  const fetch = await newLog(t);
  const signature = await newRecordable(signer);
  const entry = await add(fetch, signature);
  const leaf = hex(hashLeaf(entry.canonicalizedBody));
  const id = `000000000000004d${leaf}`;
  for (const [location, expected] of [
    [`https://evil.example.com/api/v1/log/entries/${id}`, id],
    [`/api/v1/log/entries/${leaf}`, leaf],
    ['/api/v1/log/entries/../../../secret', leaf],
    ['', leaf],
  ] as const) {
    const script = scripted(answer(409, '', { location }), real(fetch));
    assert.equal((await add(script.fetch, signature)).logIndex, entry.logIndex);
    assert.equal(script.asked[1]?.url, `${url}/api/v1/log/entries/${expected}`);
  }
  const byMessage = scripted(
    answer(409, {
      code: 409,
      message: `an equivalent entry already exists in the transparency log with UUID ${id}`,
    }),
    real(fetch),
  );
  await add(byMessage.fetch, signature);
  assert.equal(byMessage.asked[1]?.url, `${url}/api/v1/log/entries/${id}`);
});

for (const [what, body] of [
  ['nothing', ''],
  ['half of an entry', '{"653ae0a45c620e6cbc3f11cfe93f4b39105024'],
  ['a list', '[]'],
  ['no entry', '{}'],
  ['a portal', '<html>'],
  ['a base64 of something', JSON.stringify({ ['ab'.repeat(32)]: { body: base64(Buffer.from('{}')) } })],
] as const) {
  test(`a log that answers ${what}_fail`, async () => {
    await fails('ERR_SERVICE_RESPONSE', scripted(answer(201, body)), recordedSignature());
    await fails('ERR_SERVICE_RESPONSE', scripted(answer(409), answer(200, body)), recordedSignature());
  });
}
