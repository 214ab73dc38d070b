/** Recording: everywhere at once, all or nothing, with others in place of services that are down. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { inProcessRuntime } from '../../test/support/in-process.ts';
import { newRecordable, signerOfType } from '../../test/support/recordable.ts';
import { certificateOf, newLogV2, newPair, newShard } from '../../test/support/rekor.ts';
import {
  answer,
  broken,
  connectionError,
  fetchByPrefix,
  fetchService,
  hang,
  type ScriptedFetch,
  scripted,
} from '../../test/support/services.ts';
import type { Releases } from '../../test/support/temporary.ts';
import { newTimestampAuthority } from '../../test/support/timestamp-authority.ts';
import { hex } from '../core/encoding.ts';
import { type BoltsealError, type ErrorCode, isBoltsealError } from '../core/errors.ts';
import type { Fetch } from '../core/runtime.ts';
import { parseTimestampResponse, requireGranted } from '../formats/timestamp.ts';
import { localSigner } from '../keys/local-signer.ts';
import { createRekorV1 } from '../server/rekor/rekor-v1.ts';
import { createRekorV2 } from '../server/rekor/rekor-v2.ts';
import { createRecorder, type RecordableSignature, type RecordingServices } from './record.ts';

const [v1, v2, tsa] = ['https://rekor1.test', 'https://rekor2.test', 'https://tsa.test/api/v1/timestamp'];
const signer = signerOfType('ecdsa-p256');

const log = (url: string, version: 1 | 2, ...alternatives: string[]) => ({ url, version, alternatives });
const authority = (url: string, ...alternatives: string[]) => ({ url, alternatives });
const both: RecordingServices = { logs: [log(v1, 1), log(v2, 2)], timestampAuthorities: [authority(tsa)] };

/** The three real services, each at its address. */
async function realServices(releases: Releases): Promise<Fetch> {
  const { log: tiles, logId } = await newLogV2(releases);
  const clock = inProcessRuntime(async () => assert.fail('nobody is asked'));
  return fetchByPrefix([
    [v1, fetchService(createRekorV1({ shards: [await newShard(releases, 9n)] }))],
    [v2, fetchService(createRekorV2({ log: tiles, logId }))],
    [tsa, fetchService((await newTimestampAuthority(clock)).service)],
  ]);
}

async function fails(code: ErrorCode, promise: Promise<unknown>): Promise<BoltsealError> {
  const error = await promise.then(
    () => assert.fail('it succeeded'),
    (one: unknown) => one,
  );
  assert.ok(isBoltsealError(error, code), String(error));
  return error;
}

async function certified(): Promise<RecordableSignature> {
  const pair = newPair();
  const { der } = certificateOf(pair, [{ type: 'email', value: 'a@b.test' }]);
  return newRecordable(localSigner(pair.privateKey, 'x'), 'envelope', der);
}

test('two logs and an authority, in the order in which they were given, one request each', async (t) => {
  const runtime = inProcessRuntime(await realServices(t));
  const recorder = createRecorder(both, runtime);
  assert.deepEqual(recorder.required, { logEntries: 2, timestamps: 1 });
  for (const signature of [
    await newRecordable(signer),
    await newRecordable(signer, 'envelope'),
    await certified(),
  ]) {
    const before = runtime.seen.length;
    const { logEntries, timestamps } = await recorder.record(signature);
    assert.equal(runtime.seen.length - before, 3);
    assert.deepEqual(
      logEntries.map(({ kind, version }) => `${kind} ${version}`),
      [signature.envelope === undefined ? 'hashedrekord 0.0.1' : 'dsse 0.0.1', 'hashedrekord 0.0.2'],
    );
    const [timestamp] = timestamps;
    assert.ok(timestamp && timestamps.length === 1);
    const { info } = requireGranted(parseTimestampResponse(timestamp));
    assert.equal(hex(info.imprint.digest), createHash('sha256').update(signature.signature).digest('hex'));
  }
});

test('what is timestamped may be more than the signature, and is not what is logged', async (t) => {
  const runtime = inProcessRuntime(await realServices(t));
  const signature = await newRecordable(signer, 'envelope');
  const stampedBytes = new Uint8Array(Buffer.from('the envelope with its signature'));
  const plain = await createRecorder(both, runtime).record(signature);
  const { logEntries, timestamps } = await createRecorder(both, runtime).record({
    ...signature,
    stampedBytes,
  });
  const [der = new Uint8Array(0)] = timestamps;
  const { info } = requireGranted(parseTimestampResponse(der));
  assert.equal(hex(info.imprint.digest), createHash('sha256').update(stampedBytes).digest('hex'));
  assert.deepEqual(
    logEntries.map(({ canonicalizedBody }) => canonicalizedBody),
    plain.logEntries.map(({ canonicalizedBody }) => canonicalizedBody),
  );
});

test('everything is asked at once', async (t) => {
  const real = await realServices(t);
  let under = 0;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    open = resolve;
  });
  const runtime = inProcessRuntime(async (url, init) => {
    if (++under === 3) open();
    await all;
    return real(url, init);
  });
  const { logEntries } = await createRecorder(both, runtime).record(await newRecordable(signer));
  assert.equal(logEntries.length, 2);
});

test('nothing to record with: nothing is asked', async () => {
  const runtime = inProcessRuntime(async () => assert.fail('nobody is asked'));
  const recorder = createRecorder({ logs: [], timestampAuthorities: [] }, runtime);
  assert.deepEqual(await recorder.record(await newRecordable(signer)), { logEntries: [], timestamps: [] });
});

test('certificates need a proven time: refused when the recorder is made, and before anything is sent_fail', async (t) => {
  const runtime = inProcessRuntime(await realServices(t));
  for (const logs of [[log(v2, 2)], []]) {
    const services = { logs, timestampAuthorities: [] };
    assert.throws(
      () => createRecorder(services, runtime, { keyless: true }),
      (error) => isBoltsealError(error, 'ERR_SIGNING_CONFIG'),
    );
    await fails('ERR_SIGNING_CONFIG', createRecorder(services, runtime).record(await certified()));
    assert.equal(runtime.seen.length, 0);
  }
  // Neither a signature that was timestamped before nor a key needs any.
  const second = createRecorder({ logs: [log(v2, 2)], timestampAuthorities: [] }, runtime);
  const logged = await second.record(await certified(), { isTimestamped: true });
  assert.equal(logged.logEntries.length, 1);
  const entry = await createRecorder({ logs: [log(v2, 2)], timestampAuthorities: [] }, runtime).record(
    await newRecordable(signer),
  );
  assert.equal(entry.logEntries.length, 1);
  for (const services of [
    { logs: [log(v1, 1)], timestampAuthorities: [] },
    { logs: [], timestampAuthorities: [authority(tsa)] },
    { logs: [log(v2, 2)], timestampAuthorities: [authority(tsa)] },
  ]) {
    await createRecorder(services, runtime, { keyless: true }).record(await certified());
  }
});

test('keys that one of the logs does not take: refused before anything is sent to the others_fail', async (t) => {
  const runtime = inProcessRuntime(await realServices(t));
  const recorder = createRecorder(both, runtime);
  const p384 = signerOfType('ecdsa-p384');
  for (const content of ['message', 'envelope'] as const) {
    assert.throws(
      () => recorder.requireRecordable(p384.publicKey, content),
      (error) => isBoltsealError(error, 'ERR_SIGNING_CONFIG'),
    );
    const error = await fails('ERR_SIGNING_CONFIG', recorder.record(await newRecordable(p384, content)));
    assert.match(error.message, /ecdsa-p384/);
    assert.ok(error.hint);
    recorder.requireRecordable(signer.publicKey, content);
  }
  assert.equal(runtime.seen.length, 0);
  const old = createRecorder({ ...both, logs: [log(v1, 1)] }, runtime);
  assert.equal((await old.record(await newRecordable(p384, 'envelope'))).logEntries.length, 1);
});

test('the first failure ends what is under way, and is what is told', async () => {
  const waiting = scripted(hang());
  const table: readonly (readonly [string, Fetch])[] = [
    [v1, scripted(answer(400, { code: 400, message: 'no such kind' })).fetch],
    ['', waiting.fetch],
  ];
  const signals: (AbortSignal | undefined)[] = [];
  const runtime = inProcessRuntime((url, init) => {
    if (!url.startsWith(v1)) signals.push(init.signal);
    return fetchByPrefix(table)(url, init);
  });
  const error = await fails(
    'ERR_SERVICE_REFUSED',
    createRecorder(both, runtime).record(await newRecordable(signer)),
  );
  assert.match(error.message, /no such kind/);
  assert.equal(waiting.asked.length, 2);
  assert.ok(signals.every((signal) => signal?.aborted === true));
});

test('a caller that gives up ends everything', async () => {
  const waiting = scripted(hang());
  const runtime = inProcessRuntime(waiting.fetch);
  const controller = new AbortController();
  const pending = createRecorder(both, runtime).record(await newRecordable(signer), {
    signal: controller.signal,
  });
  while (waiting.asked.length < 3) await new Promise(setImmediate);
  controller.abort();
  await fails('ERR_INTERRUPTED', pending);
});

/** The real services, and in front of some addresses a script. */
async function withScripts(
  releases: Releases,
  scripts: Readonly<Record<string, ScriptedFetch>>,
): Promise<ReturnType<typeof inProcessRuntime>> {
  const real = await realServices(releases);
  const fronts = Object.entries(scripts).map(([prefix, { fetch }]) => [prefix, fetch] as const);
  return inProcessRuntime((url, init) =>
    fetchByPrefix([
      ...fronts,
      // Every log of the same version is the one log there is.
      ['https://other1.test', (asked, one) => real(asked.replace('https://other1.test', v1), one)],
      [
        'https://other-tsa.test',
        (asked, one) => real(asked.replace('https://other-tsa.test', 'https://tsa.test'), one),
      ],
      ['', real],
    ])(url, init),
  );
}

test('a service that is down is replaced by its alternatives, in their order', async (t) => {
  for (const down of [
    broken('ECONNREFUSED'),
    broken(),
    answer(503),
    answer(405),
    answer(404),
    answer(200, '<html>'),
  ]) {
    const [first, second, stamps] = [scripted(down), scripted(down), scripted(down)];
    const runtime = await withScripts(t, { [v1]: first, 'https://second.test': second, [tsa]: stamps });
    const services = {
      logs: [log(v1, 1, 'https://second.test', 'https://other1.test')],
      timestampAuthorities: [authority(tsa, 'https://other-tsa.test/api/v1/timestamp')],
    };
    const { logEntries, timestamps } = await createRecorder(services, runtime).record(
      await newRecordable(signer),
    );
    assert.deepEqual([logEntries.length, timestamps.length], [1, 1]);
    assert.ok(first.asked.length <= 2 && second.asked.length >= 1, 'the others are asked soon');
    assert.ok(runtime.events.some(({ event }) => event === 'service.alternative'));
  }
});

test('a service that understood and refused is not replaced', async (t) => {
  for (const status of [400, 401, 403, 422]) {
    const runtime = await withScripts(t, { [v1]: scripted(answer(status, { message: 'no' })) });
    const recorder = createRecorder(
      { logs: [log(v1, 1, 'https://other1.test')], timestampAuthorities: [] },
      runtime,
    );
    await fails('ERR_SERVICE_REFUSED', recorder.record(await newRecordable(signer)));
    assert.ok(runtime.seen.every(({ url }) => url.origin === v1));
  }
});

test('without alternatives a service gets all the attempts there are', async (t) => {
  let failures = 5;
  const runtime = await withScripts(t, {});
  const flaky: Fetch = async (url, init) => {
    if (url.startsWith(tsa) && failures-- > 0) throw connectionError('ECONNRESET');
    return runtime.fetch(url, init);
  };
  const { timestamps } = await createRecorder(both, { ...runtime, fetch: flaky }).record(
    await newRecordable(signer),
  );
  assert.equal(timestamps.length, 1);
});

test('when every alternative is down, the last failure is told', async () => {
  const runtime = inProcessRuntime(async () => {
    throw connectionError('ECONNREFUSED');
  });
  const services = { logs: [log(v1, 1, 'https://other1.test')], timestampAuthorities: [] };
  const error = await fails(
    'ERR_SERVICE_NETWORK',
    createRecorder(services, runtime).record(await newRecordable(signer)),
  );
  assert.match(error.message, /other1\.test/);
});
