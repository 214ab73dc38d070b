import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'node:test';
import { array, asyncProperty, assert as check, constantFrom, oneof, string } from 'fast-check';
import type { HttpRequest, HttpResponse } from '../../core/http.ts';
import type { LogEvent } from '../../core/runtime.ts';
import { listen } from '../../node/http-server.ts';
import { createRuntime } from '../../node/runtime.ts';
import { jsonAnswer, type Service, ServiceRefusal, textAnswer } from '../http/service.ts';
import { type AppOptions, createApp } from './app.ts';
import { createAdmin, createHealth } from './health.ts';
import { createMetrics } from './metrics.ts';
import { createRequestScope } from './request-scope.ts';

/** A runtime whose clock the test moves. */
function world() {
  const events: LogEvent[] = [];
  let time = 0;
  return {
    events,
    pass(milliseconds: number): void {
      time += milliseconds;
    },
    runtime: {
      monotonic: () => time,
      random: (length: number) => new Uint8Array(length).fill(7),
      log: (event: LogEvent) => void events.push(event),
    },
  };
}

interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest['body'];
  readonly peer?: string;
}

function ask(url: string, { method = 'GET', headers = {}, body = null, peer }: Ask = {}): HttpRequest {
  return {
    method,
    url: url.startsWith('http') ? url : `http://any.test${url}`,
    headers: { get: (name) => headers[name] ?? null },
    body,
    signal: new AbortController().signal,
    peer,
  };
}

async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

const text = ({ body }: HttpResponse): string => Buffer.from(body as Uint8Array).toString();

/** A service that echoes what it gets, and says its name in refusals. */
function echo(name: string, ...paths: readonly string[]): Service {
  return {
    name,
    routes: paths.map((path) => {
      const [method, route = ''] = path.split(' ') as ['GET' | 'POST', string];
      return {
        method,
        path: route,
        name: route.replace(/^\//, '').replaceAll('/', '-'),
        bodyBytes: 16,
        answer: ({ path, params, query, body }) =>
          jsonAnswer(200, { name, path, params, query: query.get('q'), body: Buffer.from(body).toString() }),
      };
    }),
    refuse: (error) =>
      error instanceof ServiceRefusal
        ? textAnswer(error.status, 'text/plain', `${name}: ${error.message}`, error.headers)
        : textAnswer(500, 'text/plain', `${name}: broken`),
  };
}

const ca = echo('ca', 'POST /api/v2/signingCert', 'GET /api/v2/trustBundle');
const tsa = echo('tsa', 'POST /api/v1/timestamp', 'GET /ping');
const rekor = echo('rekor', 'POST /api/v1/log/entries', 'GET /api/v1/log/entries/:id', 'GET /tile/*rest');
const mounts = [
  { service: ca, prefix: '' },
  { service: tsa, prefix: '' },
  { service: rekor, prefix: '/rekor' },
  { service: rekor, prefix: '', host: 'rekor.test' },
  { service: rekor, prefix: '/v1', host: 'both.test:81' },
];

test('a request reaches its service by the longest prefix, then by its host', async () => {
  const app = createApp(world().runtime, { mounts });
  for (const [url, name, path] of [
    ['/api/v2/trustBundle', 'ca', '/api/v2/trustBundle'],
    ['/ping', 'tsa', '/ping'],
    ['/rekor/api/v1/log/entries/a%2Fb?q=1', 'rekor', '/api/v1/log/entries/a%2Fb'],
    ['http://rekor.test/api/v1/log/entries/x', 'rekor', '/api/v1/log/entries/x'],
    ['http://REKOR.test/tile/0/x001/067', 'rekor', '/tile/0/x001/067'],
    ['http://rekor.test/rekor/tile/1', 'rekor', '/tile/1'],
    ['http://rekor.test/ping', 'tsa', '/ping'],
    ['http://both.test:81/v1/tile/', 'rekor', '/tile/'],
  ] as const) {
    const response = await app.answer(ask(url));
    assert.equal(response.status, 200, url);
    const seen = JSON.parse(text(response));
    assert.equal(seen.name, name, url);
    assert.equal(seen.path, path, url);
  }
  const { params, query } = JSON.parse(
    text(await app.answer(ask('/rekor/api/v1/log/entries/a%2Fb?q=1&q=2'))),
  );
  assert.deepEqual([params, query], [{ id: 'a/b' }, '1']);
});

test('what is not there is refused in the shape of the nearest service_fail', async () => {
  const app = createApp(world().runtime, { mounts });
  for (const [method, url, status, start, allow] of [
    ['GET', '/nowhere', 404, 'ca: '],
    ['GET', '/rekor', 404, 'rekor: '],
    ['GET', '/rekor/', 404, 'rekor: '],
    ['GET', '/rekor/../api/v2/trustBundle', 404, 'rekor: '],
    ['GET', '//ping', 404, 'ca: '],
    ['GET', '/ping/', 404, 'ca: '],
    ['GET', '/rekorx/api/v1/log/entries/x', 404, 'ca: '],
    ['GET', '/rekor/api/v1/log/entries/%ff', 404, 'rekor: '],
    ['GET', 'http://both.test/v1/tile/x', 404, 'ca: '],
    ['POST', '/ping', 405, 'tsa: ', 'GET, HEAD'],
    ['DELETE', '/rekor/api/v1/log/entries/x', 405, 'rekor: ', 'GET, HEAD'],
    ['GET', '/rekor/api/v1/log/entries', 405, 'rekor: ', 'POST'],
    ['CONNECT', '/api/v2/signingCert', 405, 'ca: ', 'POST'],
  ] as const) {
    const response = await app.answer(ask(url, { method }));
    assert.equal(response.status, status, `${method} ${url}`);
    assert.ok(text(response).startsWith(start), `${method} ${url}: ${text(response)}`);
    assert.equal(response.headers['allow'], allow, `${method} ${url}`);
  }
  const bare = createApp(world().runtime, { mounts: [{ service: rekor, prefix: '/rekor' }] });
  assert.equal(JSON.parse(text(await bare.answer(ask('/')))).code, 404);
});

test('HEAD is GET without the body; what follows is the same', async () => {
  const app = createApp(world().runtime, { mounts });
  const [get, head] = [await app.answer(ask('/ping')), await app.answer(ask('/ping', { method: 'HEAD' }))];
  assert.equal(head.body, null);
  assert.equal(head.headers['content-length'], get.headers['content-length']);
});

test('a request id of the client is kept when it is one', async () => {
  const { runtime, events } = world();
  const app = createApp(runtime, { mounts });
  const idOf = async (given?: string): Promise<unknown> =>
    (await app.answer(ask('/ping', given === undefined ? {} : { headers: { 'x-request-id': given } })))
      .headers['x-request-id'];
  assert.equal(await idOf('abc-123_X.y:z'), 'abc-123_X.y:z');
  const [first, second] = [await idOf(), await idOf()];
  assert.notEqual(first, second);
  assert.match(String(first), /^[0-9a-f]{12}-[0-9a-z]+$/);
  for (const bad of ['', 'a b', 'x'.repeat(65), 'a\nb', '"']) assert.match(String(await idOf(bad)), /^0707/);
  assert.deepEqual(
    events.slice(0, 2).map(({ fields }) => fields?.['id']),
    ['abc-123_X.y:z', first],
  );
});

test('events have the route and never the path, query or body', async () => {
  const { runtime, events } = world();
  const app = createApp(runtime, { mounts });
  await app.answer(ask('/rekor/api/v1/log/entries/s3cret?token=s3cret'));
  await app.answer(ask('/s3cret', { method: 'S3CRET' }));
  await app.answer(ask('/api/v2/signingCert', { method: 'POST', body: chunks('s3cret'.repeat(9)) }));
  assert.deepEqual(
    events.map(({ fields }) => [
      fields?.['service'],
      fields?.['route'],
      fields?.['method'],
      fields?.['status'],
    ]),
    [
      ['rekor', 'api-v1-log-entries-:id', 'GET', 200],
      ['ca', 'none', 'OTHER', 404],
      ['ca', 'api-v2-signingCert', 'POST', 413],
    ],
  );
  assert.ok(!JSON.stringify(events).includes('s3cret'));
});

test('a body is read up to the limit of its route and for a bounded time_fail', async () => {
  const app = createApp(world().runtime, { mounts, bodyTime: 20 });
  const post = (body: HttpRequest['body'], headers = {}): Promise<HttpResponse> =>
    app.answer(ask('/api/v1/timestamp', { method: 'POST', body, headers }));
  assert.equal(JSON.parse(text(await post(chunks('ab', 'cd')))).body, 'abcd');
  assert.equal((await post(chunks('0123456789', '0123456'))).status, 413);
  assert.equal((await post(chunks(), { 'content-length': '17' })).status, 413);
  const never: HttpRequest['body'] = {
    [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
  };
  const slow = await post(never);
  assert.equal(slow.status, 408);
  assert.equal(slow.headers['connection'], 'close');
  const broken: HttpRequest['body'] = {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('aborted')) }),
  };
  assert.equal((await post(broken)).status, 400);
});

test('what services log while they work for a request has its id', async () => {
  const events: LogEvent[] = [];
  const scope = createRequestScope(createRuntime({ log: (event) => events.push(event) }));
  const { runtime } = scope;
  assert.equal(runtime.platform, createRuntime().platform);
  const log = (event: string, fields?: LogEvent['fields']): void =>
    runtime.log({ level: 'info', event, message: 'x', ...(fields === undefined ? {} : { fields }) });
  const service: Service = {
    ...echo('logging'),
    routes: [
      {
        method: 'GET',
        path: '/',
        name: 'root',
        async answer({ headers }) {
          log('before');
          await runtime.sleep(headers.get('x-request-id') === 'a' ? 5 : 1);
          log('after', { own: 1 });
          return jsonAnswer(200, {});
        },
      },
    ],
  };
  const app = createApp(runtime, { mounts: [{ service, prefix: '' }], scope, logRequests: false });
  log('outside');
  await Promise.all(['a', 'b'].map((id) => app.answer(ask('/', { headers: { 'x-request-id': id } }))));
  assert.deepEqual(
    events.map(({ event, fields }) => [event, fields?.['id'], fields?.['own']]),
    [
      ['outside', undefined, undefined],
      ['before', 'a', undefined],
      ['before', 'b', undefined],
      ['after', 'b', 1],
      ['after', 'a', 1],
    ],
  );
});

test('a client that sends too slowly is told so, and let go', async (t) => {
  const app = createApp(world().runtime, { mounts, bodyTime: 50 });
  const { port, close } = await listen(app);
  t.after(close);
  const socket = connect(port, '127.0.0.1');
  socket.write('POST /api/v1/timestamp HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  await once(socket, 'close');
  assert.match(received, /^HTTP\/1\.1 408 /);
  assert.match(received, /tsa: the body did not arrive/);
});

test('what a service throws becomes its own error, and is logged without what it quotes_fail', async () => {
  const { runtime, events } = world();
  const failing = (error: unknown): Service => ({
    ...echo('failing'),
    routes: [{ method: 'GET', path: '/', name: 'root', answer: () => Promise.reject(error) }],
  });
  const run = async (error: unknown): Promise<HttpResponse> =>
    createApp(runtime, { mounts: [{ service: failing(error), prefix: '' }] }).answer(ask('/'));
  const refusal = new ServiceRefusal(400, 'no', { reason: 'because' });
  assert.equal((await run(refusal)).status, 400);
  assert.equal(events.at(-1)?.fields?.['reason'], 'because');
  let quoting: unknown;
  try {
    JSON.parse('s3cret');
  } catch (error) {
    quoting = error;
  }
  const broken = await run(quoting);
  assert.equal(broken.status, 500);
  assert.equal(text(broken), 'failing: broken');
  const failure = events.find(({ event }) => event === 'http.failure');
  assert.equal(failure?.level, 'warn');
  assert.equal(failure.fields?.['id'], broken.headers['x-request-id']);
  assert.ok(!JSON.stringify(events).includes('s3cret'));
  const unable: Service = {
    ...failing(new Error('x')),
    refuse() {
      throw new Error('y');
    },
  };
  const app = createApp(runtime, { mounts: [{ service: unable, prefix: '' }] });
  assert.equal((await app.answer(ask('/'))).status, 500);
  assert.equal((await run('a string')).status, 500);
});

test('more requests at once than allowed are put off, and health is not_fail', async () => {
  const { runtime } = world();
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow: Service = {
    ...echo('slow'),
    routes: [
      {
        method: 'GET',
        path: '/slow',
        name: 'slow',
        answer: async () => {
          await gate;
          return jsonAnswer(200, {});
        },
      },
    ],
  };
  const metrics = createMetrics({ now: () => 0 });
  const app = createApp(runtime, {
    mounts: [
      { service: slow, prefix: '' },
      { service: createHealth(() => []), prefix: '' },
    ],
    inFlight: 2,
    metrics,
  });
  const waiting = [app.answer(ask('/slow')), app.answer(ask('/slow'))];
  assert.equal(app.inFlight, 2);
  const refused = await app.answer(ask('/slow'));
  assert.equal(refused.status, 503);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal((await app.answer(ask('/healthz'))).status, 200);
  assert.match(await metrics.text(), /^boltseal_http_requests_in_flight 2$/m);
  release();
  for (const one of waiting) assert.equal((await one).status, 200);
  assert.equal(app.inFlight, 0);
  assert.equal((await app.answer(ask('/slow'))).status, 200);
  assert.match(await metrics.text(), /^boltseal_overloaded_total 1$/m);
});

test('an address that writes too often is put off_fail', async () => {
  const { runtime, pass } = world();
  const app = createApp(runtime, { mounts, writesPerMinute: 2 });
  const post = (peer: string): Promise<HttpResponse> =>
    app.answer(ask('/api/v1/timestamp', { method: 'POST', peer }));
  assert.deepEqual(
    [await post('192.0.2.1'), await post('::ffff:192.0.2.1'), await post('192.0.2.2')].map(
      (one) => one.status,
    ),
    [200, 200, 200],
  );
  const refused = await post('192.0.2.1');
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '30');
  assert.equal((await app.answer(ask('/ping', { peer: '192.0.2.1' }))).status, 200);
  pass(30_000);
  assert.equal((await post('192.0.2.1')).status, 200);
  assert.equal((await post('192.0.2.1')).status, 429);
});

test('pages of other origins may ask, but not every service', async () => {
  const options: AppOptions = {
    mounts: [
      { service: ca, prefix: '' },
      { service: tsa, prefix: '', cors: false },
    ],
  };
  const app = createApp(world().runtime, options);
  const preflight = (path: string, method: string): Promise<HttpResponse> =>
    app.answer(ask(path, { method: 'OPTIONS', headers: { 'access-control-request-method': method } }));
  const allowed = await preflight('/api/v2/signingCert', 'POST');
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers['access-control-allow-origin'], '*');
  assert.match(String(allowed.headers['access-control-allow-headers']), /authorization/);
  assert.equal((await preflight('/api/v1/timestamp', 'POST')).status, 405);
  assert.equal((await preflight('/api/v2/signingCert', 'DELETE')).status, 405);
  assert.equal((await preflight('/nowhere', 'GET')).status, 404);
  const origin = async (path: string): Promise<unknown> =>
    (await app.answer(ask(path))).headers['access-control-allow-origin'];
  assert.equal(await origin('/api/v2/trustBundle'), '*');
  assert.equal(await origin('/ping'), undefined);
});

test('nothing that is asked makes it fail', async () => {
  const app = createApp(world().runtime, { mounts, writesPerMinute: 1_000_000 });
  const part = oneof(
    constantFrom(
      '/rekor',
      '/api/v1',
      '/log/entries',
      '/tile',
      '/',
      '//',
      '..',
      '%2f',
      '%',
      '%ff',
      '?',
      '?q=%',
      '#',
    ),
    string({ unit: 'binary', maxLength: 5 }),
  );
  const method = oneof(constantFrom('GET', 'HEAD', 'POST', 'OPTIONS', 'PUT'), string({ maxLength: 6 }));
  await check(
    asyncProperty(
      method,
      array(part, { maxLength: 6 }),
      oneof(constantFrom('any.test', 'rekor.test', 'both.test:81', '', '[::1]:1'), string({ maxLength: 9 })),
      string({ unit: 'binary', maxLength: 80 }),
      async (method, path, host, id) => {
        const headers = { 'x-request-id': id, 'access-control-request-method': method };
        const response = await app.answer(
          ask(`http://${host}${path.join('')}`, {
            method,
            headers,
            peer: host,
            body: chunks('x'.repeat(20)),
          }),
        );
        assert.ok(response.status < 500, `${method} ${host}${path.join('')}: ${response.status}`);
        assert.match(String(response.headers['x-request-id']), /^[\w.:-]{1,64}$/);
      },
    ),
    { numRuns: 800 },
  );
});

test('a server of another kind gets its requests as they are', async () => {
  const { runtime, events } = world();
  const seen: string[] = [];
  const server = {
    answer: async (request: HttpRequest): Promise<HttpResponse> => {
      seen.push(request.url);
      if (request.url.endsWith('break')) throw new Error('broken');
      return jsonAnswer(200, {});
    },
  };
  const app = createApp(runtime, { mounts, others: [{ name: 'registry', prefix: '/v2', server }] });
  assert.equal((await app.answer(ask('/v2/'))).status, 200);
  assert.equal((await app.answer(ask('/v2', { method: 'PUT' }))).status, 200);
  assert.equal((await app.answer(ask('/v2x'))).status, 404);
  assert.equal((await app.answer(ask('/v2/break'))).status, 500);
  assert.deepEqual(seen, ['http://any.test/v2/', 'http://any.test/v2', 'http://any.test/v2/break']);
  assert.equal(events[0]?.fields?.['service'], 'registry');
});

test('readiness gives its reasons; metrics are for the admin address', async () => {
  const reasons: string[] = ['the log rekor has stopped'];
  const metrics = createMetrics({
    now: () => 100_000,
    logs: [
      {
        name: 'rekor',
        head: async () => ({ size: 5, time: 90_000 }),
        pending: () => 3,
        isStopped: () => true,
      },
      {
        name: 'ct',
        head: () => Promise.reject(new Error('gone')),
        pending: () => 0,
        isStopped: () => false,
      },
    ],
    tufExpires: () => ({ timestamp: 160_000 }),
  });
  const { runtime } = world();
  const admin = createAdmin(() => reasons, metrics);
  const app = createApp(runtime, {
    mounts: [...mounts, { service: admin, prefix: '' }],
    metrics,
    counts: { tsa: { ping: 'timestamp' } },
  });
  const notReady = await app.answer(ask('/readyz'));
  assert.equal(notReady.status, 503);
  assert.deepEqual(JSON.parse(text(notReady)).reasons, reasons);
  reasons.length = 0;
  assert.equal((await app.answer(ask('/readyz'))).status, 200);
  await app.answer(ask('/ping'));
  await app.answer(ask('/ping', { method: 'BREW' }));
  const read = await app.answer(ask('/metrics'));
  assert.equal(read.headers['content-type'], metrics.contentType);
  for (const line of [
    'boltseal_http_requests_total{service="tsa",route="ping",method="GET",status="2xx"} 1',
    'boltseal_http_requests_total{service="tsa",route="none",method="other",status="4xx"} 1',
    'boltseal_timestamps_issued_total 1',
    'boltseal_certificates_issued_total 0',
    'boltseal_log_size{log="rekor"} 5',
    'boltseal_log_checkpoint_age_seconds{log="rekor"} 10',
    'boltseal_log_pending_entries{log="rekor"} 3',
    'boltseal_log_stopped{log="rekor"} 1',
    'boltseal_log_stopped{log="ct"} 0',
    'boltseal_tuf_expires_seconds{role="timestamp"} 60',
  ]) {
    assert.ok(text(read).split('\n').includes(line), `${line}\n${text(read)}`);
  }
  assert.ok(!text(read).includes('log_size{log="ct"}'));
});
