/** What a request to a service does when the service, or the way to it, is not as it should be. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inProcessRuntime } from '../../test/support/in-process.ts';
import {
  answer,
  broken,
  flood,
  hang,
  hangInBody,
  type ScriptedFetch,
  type Step,
  scripted,
  truncated,
} from '../../test/support/services.ts';
import { BoltsealError, type ErrorCode, isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import type { ServiceAnswer, ServiceRequest } from './exchange.ts';
import { mayTryAnother } from './service-error.ts';
import { parseServiceUrl, requestService, type ServiceOptions, serviceUrl } from './service-request.ts';

const secret = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3aG8ifQ.c2lnbmF0dXJl';

interface Run {
  readonly script: ScriptedFetch;
  readonly slept: number;
  readonly retries: number;
  readonly answer?: ServiceAnswer;
  readonly error?: BoltsealError;
}

async function run(
  steps: readonly Step[],
  request: Partial<ServiceRequest> = {},
  options: ServiceOptions = {},
): Promise<Run> {
  const script = scripted(...steps);
  const runtime = inProcessRuntime(script.fetch);
  const full: ServiceRequest = {
    kind: 'transparency log',
    what: 'adding an entry',
    method: 'POST',
    url: new URL('https://rekor.example.com/prefix/entries'),
    body: Buffer.from(`{"token":"${secret}"}`),
    maxBytes: 100_000,
    accept: [201, 409],
    secrets: [secret],
    ...request,
  };
  const done = await requestService(full, runtime, options).then(
    (value) => ({ answer: value }),
    (error: unknown) => {
      assert.ok(error instanceof BoltsealError, String(error));
      for (const text of everythingIn(error)) assert.ok(!text.includes('eyJ'), text);
      return { error };
    },
  );
  for (const event of runtime.events) assert.ok(!JSON.stringify(event).includes('eyJ'));
  const retries = runtime.events.filter(({ event }) => event === 'service.retry').length;
  return { script, slept: runtime.slept(), retries, ...done };
}

function everythingIn(error: BoltsealError): readonly string[] {
  const texts = [error.message, error.hint ?? '', JSON.stringify(error.details), error.stack ?? ''];
  return error.cause instanceof BoltsealError ? [...texts, ...everythingIn(error.cause)] : texts;
}

async function fails(
  code: ErrorCode,
  ...args: Parameters<typeof run>
): Promise<Run & { error: BoltsealError }> {
  const result = await run(...args);
  const { error } = result;
  assert.ok(error !== undefined, 'it was answered');
  assert.equal(error.code, code, error.message);
  assert.match(error.message, /transparency log/);
  assert.match(error.message, /rekor\.example\.com|adding an entry/);
  return { ...result, error };
}

test('an answer with an accepted status, asked once', async () => {
  const { script, answer: got, retries } = await run([answer(201, 'yes', { etag: '"x"' })]);
  assert.equal(Buffer.from(got?.body ?? []).toString(), 'yes');
  assert.equal(got?.headers.get('etag'), '"x"');
  assert.equal(script.asked.length, 1);
  assert.equal(script.asked[0]?.url, 'https://rekor.example.com/prefix/entries');
  assert.equal(script.asked[0]?.headers['user-agent'], 'boltseal');
  assert.equal(retries, 0);
});

test('a storm of 502 and broken connections, and then success', async () => {
  const storm = [
    answer(502, '<html>'),
    broken(),
    answer(503),
    broken('EPIPE'),
    answer(429),
    answer(408),
    answer(500),
  ];
  const { script, answer: got, retries, slept } = await run([...storm, answer(201, 'yes')]);
  assert.equal(got?.status, 201);
  assert.equal(script.asked.length, storm.length + 1);
  assert.equal(retries, storm.length);
  // Exponential with jitter: each wait is between half of its ceiling and all of it.
  const ceilings = storm.map((_, index) => Math.min(8_000, 100 * 2 ** index)).reduce((a, b) => a + b);
  assert.ok(slept >= ceilings / 2 && slept <= ceilings, String(slept));
  assert.ok(
    script.asked.every(({ body }) => body.includes(secret)),
    'the body is sent each time',
  );
});

test('a service that stays down: asked a bounded number of times, and told with the last cause', async () => {
  const { script, error } = await fails('ERR_SERVICE_UNAVAILABLE', [
    answer(503, { code: 14, message: 'reached max pushback' }),
  ]);
  assert.equal(script.asked.length, limits.serviceAttempts);
  assert.match(error.message, /503/);
  assert.match(error.message, /reached max pushback/);
  assert.equal(error.details['attempts'], limits.serviceAttempts);
  assert.equal(error.details['origin'], 'https://rekor.example.com');
  assert.ok(mayTryAnother(error));
});

test('nothing listens: asked a few times', async () => {
  const { script, error } = await fails('ERR_SERVICE_NETWORK', [broken('ECONNREFUSED')]);
  assert.equal(script.asked.length, limits.serviceAttemptsUnreachable);
  assert.ok(mayTryAnother(error));
});

test('limits can be lowered and not raised', async () => {
  const { script } = await fails('ERR_SERVICE_UNAVAILABLE', [answer(500)], {}, { attempts: 2 });
  assert.equal(script.asked.length, 2);
  const more = await fails('ERR_SERVICE_UNAVAILABLE', [answer(500)], {}, { attempts: 1_000 });
  assert.equal(more.script.asked.length, limits.serviceAttempts);
  const short = await fails('ERR_SERVICE_UNAVAILABLE', [answer(500)], {}, { totalTime: 1_000 });
  assert.ok(short.slept < 1_000 && short.script.asked.length < limits.serviceAttempts);
});

test('Retry-After is waited for, in seconds and as a date', async () => {
  const seconds = await run([answer(429, '', { 'retry-after': '7' }), answer(201)]);
  assert.ok(seconds.slept >= 7_000 && seconds.slept < 8_000, String(seconds.slept));
  const date = await run([answer(503, '', { 'retry-after': 'Sun, 22 Nov 2026 08:00:20 GMT' }), answer(201)]);
  assert.ok(date.slept >= 20_000 && date.slept < 21_000, String(date.slept));
});

test('Retry-After longer than the budget: not waited for at all', async () => {
  const { script, slept, error } = await fails('ERR_SERVICE_UNAVAILABLE', [
    answer(503, '', { 'retry-after': '86400' }),
  ]);
  assert.equal(script.asked.length, 1);
  assert.equal(slept, 0);
  assert.match(error.hint ?? '', /86400/);
});

test('a service that hangs: each attempt ends in its time', async () => {
  const headers = await fails('ERR_SERVICE_NETWORK', [hang()], {}, { attemptTime: 3, attempts: 3 });
  assert.equal(headers.script.asked.length, 3);
  assert.match(headers.error.message, /in time/);
  const body = await fails('ERR_SERVICE_NETWORK', [hangInBody(201)], {}, { attemptTime: 3, attempts: 2 });
  assert.equal(body.script.asked.length, 2);
  const error = await fails('ERR_SERVICE_NETWORK', [hangInBody(500)], {}, { attemptTime: 3, attempts: 2 });
  assert.equal(error.script.asked.length, 2);
  const once = await run([hang(), answer(201)], {}, { attemptTime: 3 });
  assert.equal(once.answer?.status, 201);
});

test('a body without an end is not read to its end', async () => {
  const pulled = { count: 0 };
  const { script, error } = await fails('ERR_SERVICE_RESPONSE', [flood(pulled, 201)]);
  assert.equal(script.asked.length, 1);
  assert.ok(pulled.count <= 3, String(pulled.count));
  assert.ok(isBoltsealError(error.cause, 'ERR_LIMIT_EXCEEDED'));
  const inError = { count: 0 };
  await fails('ERR_SERVICE_REFUSED', [flood(inError, 400)]);
  assert.ok(inError.count <= 3);
});

test('a truncated body is a broken connection', async () => {
  const { script, answer: got } = await run([truncated('{"half":', 201), answer(201, '{}')]);
  assert.equal(got?.status, 201);
  assert.equal(script.asked.length, 2);
});

test('every other 4xx is final, with what the service says', async () => {
  for (const status of [400, 401, 403, 404, 405, 413, 422]) {
    const { script, error } = await fails('ERR_SERVICE_REFUSED', [
      answer(status, { code: 3, message: 'no \u001b[31mred\nthing' }),
    ]);
    assert.equal(script.asked.length, 1);
    assert.match(error.message, new RegExp(`answered ${status} \\(no {1,2}\\[31mred thing\\)`));
    assert.equal(mayTryAnother(error), status === 404 || status === 405);
  }
});

test('what a service says is bounded, printable, and never a secret', async () => {
  const long = await fails('ERR_SERVICE_REFUSED', [answer(400, { message: 'word '.repeat(5_000) })]);
  assert.ok(long.error.message.length < 500);
  const echoed = ['', ' ', 'x'.repeat(290)].map((before) => `${before}token ${secret} refused`);
  for (const message of [...echoed, secret.split('.').join(' . '), `"${secret}"`]) {
    // `fails` looks for the token in everything.
    await fails('ERR_SERVICE_REFUSED', [answer(401, { message })]);
    await fails('ERR_SERVICE_REFUSED', [answer(401, message, { 'content-type': 'text/plain' })]);
    await fails('ERR_SERVICE_UNAVAILABLE', [answer(500, { message })], {}, { attempts: 1 });
  }
  const html = await fails('ERR_SERVICE_REFUSED', [
    answer(403, '<html>portal</html>', { 'content-type': 'text/html' }),
  ]);
  assert.ok(!html.error.message.includes('portal'));
});

test('redirects are not followed, to wherever they lead', async () => {
  for (const location of [
    'https://evil.example.com/?x',
    '/elsewhere',
    'http://127.0.0.1/',
    'javascript:1',
    '',
  ]) {
    for (const status of [301, 302, 303, 307, 308]) {
      const { script } = await fails('ERR_SERVICE_RESPONSE', [answer(status, '', { location }), answer(201)]);
      assert.equal(script.asked.length, 1);
    }
  }
});

test('statuses that the protocol does not have', async () => {
  for (const status of [204, 206, 501, 505]) await fails('ERR_SERVICE_RESPONSE', [answer(status)]);
});

test('TLS and HTTPS failures are final and say what to do', async () => {
  const tls = await fails('ERR_SERVICE_NETWORK', [broken('DEPTH_ZERO_SELF_SIGNED_CERT')]);
  assert.equal(tls.script.asked.length, 1);
  assert.match(tls.error.hint ?? '', /NODE_EXTRA_CA_CERTS/);
  const plain = await fails('ERR_SERVICE_NETWORK', [broken('EPROTO')]);
  assert.equal(plain.script.asked.length, 1);
});

test('plain HTTP only to this machine, or with permission', async () => {
  for (const host of ['rekor.example.com', '10.0.0.1', 'rekor', 'x.localhost', '[::2]']) {
    const url = new URL(`http://${host}/entries`);
    const script = scripted(answer(201));
    const request: ServiceRequest = {
      kind: 'transparency log',
      what: 'x',
      method: 'GET',
      url,
      maxBytes: 10,
      accept: [201],
    };
    const runtime = inProcessRuntime(script.fetch);
    await assert.rejects(requestService(request, runtime, {}), (error) =>
      isBoltsealError(error, 'ERR_SERVICE_INSECURE'),
    );
    assert.equal(script.asked.length, 0);
    assert.equal((await requestService(request, runtime, { allowHttp: true })).status, 201);
  }
  for (const host of ['127.0.0.1:80', 'localhost:5200', '[::1]:1']) {
    assert.equal((await run([answer(201)], { url: new URL(`http://${host}/`) })).answer?.status, 201);
  }
});

test('a cancelled request ends at once, wherever it is', async () => {
  const aborted = AbortSignal.abort();
  const before = await run([answer(201)], {}, { signal: aborted });
  assert.equal(before.error?.code, 'ERR_INTERRUPTED');
  assert.equal(before.script.asked.length, 0);
  for (const step of [hang(), hangInBody(201)]) {
    const controller = new AbortController();
    const pending = run([step], {}, { signal: controller.signal });
    setImmediate(() => controller.abort());
    assert.equal((await pending).error?.code, 'ERR_INTERRUPTED');
  }
  const waiting = new AbortController();
  const abortAndAnswer: Step = (...asked) => {
    waiting.abort();
    return answer(503)(...asked);
  };
  const late = await run([abortAndAnswer], {}, { signal: waiting.signal });
  assert.equal(late.error?.code, 'ERR_INTERRUPTED');
  assert.equal(late.script.asked.length, 1);
});

test('no timer is left behind', async () => {
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await run([answer(201)]);
  await run([broken('DEPTH_ZERO_SELF_SIGNED_CERT')]);
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
});

test('addresses of services', () => {
  const kind = 'timestamp authority';
  assert.equal(serviceUrl('https://x.test', '/api', kind).href, 'https://x.test/api');
  assert.equal(serviceUrl('https://x.test:8/a//', '/api', kind).href, 'https://x.test:8/a/api');
  assert.throws(
    () => serviceUrl('https://x.test/a?b', '/api', kind),
    (error) => isBoltsealError(error, 'ERR_USAGE'),
  );
  assert.equal(parseServiceUrl('https://x.test/a?b', kind).href, 'https://x.test/a?b');
  for (const bad of [
    '',
    'x.test',
    'ftp://x.test',
    'file:///x',
    'https://user:pass@x.test',
    'https://x.test/#a',
    'https://',
  ]) {
    assert.throws(
      () => parseServiceUrl(bad, kind),
      (error) => isBoltsealError(error, 'ERR_USAGE') && !error.message.includes('pass'),
    );
  }
});
