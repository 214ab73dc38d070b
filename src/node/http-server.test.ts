import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, get, type IncomingMessage, request } from 'node:http';
import { get as getSecurely } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { HttpRequest, HttpResponse } from '../core/http.ts';
import { type Listener, type ListenOptions, listen } from './http-server.ts';

async function start(
  t: TestContext,
  answer: (request: HttpRequest) => Promise<HttpResponse>,
  options: ListenOptions = {},
): Promise<Listener> {
  return listen({ answer }, options).then((listener) => {
    t.after(() => listener.close());
    return listener;
  });
}

const ok = async (): Promise<HttpResponse> => ({ status: 200, headers: {}, body: Buffer.from('ok') });

/** Sends raw bytes and resolves with everything that came back when the server hangs up. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.write(text);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

test('a function from Request to Response', async (t) => {
  const listener = await listen(async (received) => {
    const headers = new Headers({ 'x-method': received.method, 'x-path': new URL(received.url).pathname });
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    headers.set('x-custom', received.headers.get('x-custom') ?? '');
    return new Response((await received.text()).toUpperCase(), { status: 201, headers });
  });
  t.after(() => listener.close());
  const { url } = listener;
  const response = await fetch(`${url}/some/path?q=1`, {
    method: 'POST',
    headers: { 'x-custom': 'one, two' },
    body: 'hello',
  });
  assert.equal(response.status, 201);
  assert.equal(await response.text(), 'HELLO');
  assert.equal(response.headers.get('x-method'), 'POST');
  assert.equal(response.headers.get('x-path'), '/some/path');
  assert.equal(response.headers.get('x-custom'), 'one, two');
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
  assert.equal(await (await fetch(url)).text(), '');
});

test('streams both ways without holding a body, and with its digest intact', async (t) => {
  const size = 50_000_000;
  const seen = { bytes: 0 };
  const { url } = await start(t, async (received) => {
    for await (const chunk of received.body ?? []) seen.bytes += chunk.length;
    async function* answer(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < size; sent += 500_000) yield Buffer.alloc(500_000, 1);
    }
    return { status: 200, headers: { 'content-length': String(size) }, body: answer() };
  });
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < size; sent += 1_000_000) yield Buffer.alloc(1_000_000, 2);
  }
  const response = await fetch(url, { method: 'PUT', body: ReadableStream.from(body()), duplex: 'half' });
  let received = 0;
  for await (const chunk of response.body ?? []) received += chunk.length;
  assert.equal(seen.bytes, size);
  assert.equal(received, size);
});

test('HEAD, 204, 304 and answers without a body', async (t) => {
  const { url } = await start(t, async (received) => {
    const status = Number(new URL(received.url).pathname.slice(1));
    return {
      status,
      headers: status === 200 ? { 'content-length': '1234' } : {},
      body: received.method === 'HEAD' && status === 200 ? Buffer.from('never sent') : null,
    };
  });
  const head = await fetch(`${url}/200`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), '1234');
  assert.equal(await head.text(), '');
  const none = await fetch(`${url}/404`);
  assert.equal(none.headers.get('content-length'), '0');
  for (const status of [204, 304]) {
    const response = await fetch(`${url}/${status}`);
    assert.equal(response.status, status);
    assert.equal(response.headers.get('content-length'), null);
  }
});

test('keep-alive: requests one after the other share a connection', async (t) => {
  const { port } = await start(t, ok);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ports = new Set<number | undefined>();
  for (let index = 0; index < 5; index++) {
    const response = await new Promise<IncomingMessage>((resolve) => {
      get({ host: '127.0.0.1', port, agent }, resolve);
    });
    ports.add(response.socket.localPort);
    response.resume();
    await once(response, 'end');
  }
  assert.equal(ports.size, 1);
});

test('a handler that fails, before or in the middle of its answer', async (t) => {
  const { url } = await start(t, async (received) => {
    if (received.url.endsWith('/before')) throw new Error('secret');
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('some');
      throw new Error('secret');
    }
    return { status: 200, headers: {}, body: body() };
  });
  const before = await fetch(`${url}/before`);
  assert.equal(before.status, 500);
  assert.equal(await before.text(), '{"errors":[{"code":"UNKNOWN","message":"internal error"}]}');
  await assert.rejects(async () => (await fetch(`${url}/middle`)).text());
});

test('an answer that is not as long as it says breaks the connection', async (t) => {
  const { url } = await start(t, async () => {
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('short');
    }
    return { status: 200, headers: { 'content-length': '100' }, body: body() };
  });
  await assert.rejects(async () => (await fetch(url)).text());
});

test('an answer in the middle of the request body arrives', async (t) => {
  const { url } = await start(t, async (received) => {
    let bytes = 0;
    for await (const chunk of received.body ?? []) {
      bytes += chunk.length;
      if (bytes > 100_000) return { status: 413, headers: {}, body: Buffer.from('too large') };
    }
    return ok();
  });
  for (let index = 0; index < 3; index++) {
    const response = await fetch(url, { method: 'PUT', body: Buffer.alloc(5_000_000) });
    assert.equal(response.status, 413);
    assert.equal(await response.text(), 'too large');
  }
  assert.equal((await fetch(url, { method: 'PUT', body: 'small' })).status, 200);
});

test('a body that nobody wants is not read for ever', async (t) => {
  const { port } = await start(t, async () => ({ status: 401, headers: {}, body: null }));
  const socket = connect(port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  socket.on('error', () => {});
  socket.write('PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 401 /);
  let sent = 0;
  const more = (): void => {
    sent += 1_000_000;
    socket.write(Buffer.alloc(1_000_000), (error) => {
      if (error == null && sent < 500_000_000) more();
      else socket.destroy();
    });
  };
  more();
  await closed;
  assert.ok(sent > 30_000_000 && sent < 500_000_000, `hung up after ${sent} bytes`);
});

test('an answer that ends the connection does not wait for the rest of the request', async (t) => {
  const { port } = await start(t, async () => ({
    status: 408,
    headers: { connection: 'close' },
    body: null,
  }));
  // Resolves only when the server hangs up: this client says that it will send more, and does not.
  const answer = await raw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1234');
  assert.match(answer, /^HTTP\/1\.1 408 /);
});

test('a body that breaks off is an error to its reader', async (t) => {
  let broken: (error: unknown) => void = () => {};
  const hasBroken = new Promise<unknown>((resolve) => {
    broken = resolve;
  });
  const chunks: string[] = [];
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { port } = await start(t, async ({ body }) => {
    try {
      for await (const chunk of body ?? []) {
        chunks.push(Buffer.from(chunk).toString());
        arrived();
      }
    } catch (error) {
      broken(error);
    }
    return ok();
  });
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1234');
  await hasArrived;
  socket.destroy();
  assert.ok((await hasBroken) instanceof Error);
  assert.deepEqual(chunks, ['1234']);
});

test('more connections than allowed are closed, and the address of a client is told', async (t) => {
  const peers: (string | undefined)[] = [];
  const { port } = await start(
    t,
    async ({ peer }) => {
      peers.push(peer);
      return { status: 200, headers: { connection: 'close' }, body: null };
    },
    { maxConnections: 1 },
  );
  const first = connect(port, '127.0.0.1');
  first.on('error', () => {});
  await once(first, 'connect');
  assert.equal(await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), '');
  first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [answer] = (await once(first, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
  assert.deepEqual(peers, ['127.0.0.1']);
});

test('a client that goes away aborts the signal', async (t) => {
  let aborted = (): void => {};
  const isAborted = new Promise<void>((resolve) => {
    aborted = resolve;
  });
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { port } = await start(t, async (received) => {
    received.signal.addEventListener('abort', aborted);
    arrived();
    await isAborted;
    assert.ok(received.signal.aborted);
    return ok();
  });
  const client = request({ host: '127.0.0.1', port });
  client.on('error', () => {});
  client.end();
  await hasArrived;
  client.destroy();
  await isAborted;
});

test('an answer for a client that has gone is ended unread', async (t) => {
  const body = new Readable({ read() {} });
  const ended = once(body, 'close');
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const { port } = await start(t, async (received) => {
    const isGone = once(received.signal, 'abort');
    arrived();
    await isGone;
    return { status: 200, headers: {}, body };
  });
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await hasArrived;
  socket.destroy();
  await ended;
  assert.ok(body.destroyed);
});

test('the path arrives as it was sent, the host only when it is one', async (t) => {
  const urls: string[] = [];
  const { port } = await start(t, async (received) => {
    urls.push(received.url);
    return { status: 200, headers: { connection: 'close' }, body: null };
  });
  await raw(port, 'GET /a/../b/%2e%2e/c?x=%00 HTTP/1.1\r\nHost: a.test:80\r\n\r\n');
  await raw(port, 'GET / HTTP/1.1\r\nHost: "><script>\r\n\r\n');
  await raw(port, 'GET http://other.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await raw(port, 'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n');
  assert.deepEqual(urls, [
    'http://a.test:80/a/../b/%2e%2e/c?x=%00',
    `http://127.0.0.1:${port}/`,
    'http://other.test/x',
    'http://a.test/',
  ]);
});

test('broken and oversized requests are refused', async (t) => {
  const { port } = await start(t, ok);
  assert.match(await raw(port, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  const large = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`;
  assert.match(await raw(port, large), /^HTTP\/1\.1 431 /);
  const both = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n';
  assert.match(await raw(port, both), /^HTTP\/1\.1 400 /);
});

test('close lets an answer end, refuses new connections and ends idle ones', async (t) => {
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const listener = await start(t, async () => {
    arrived();
    await gate;
    return ok();
  });
  const idle = connect(listener.port, '127.0.0.1');
  await once(idle, 'connect');
  const answer = fetch(listener.url);
  await hasArrived;
  const closed = listener.close();
  await assert.rejects(fetch(listener.url));
  go();
  assert.equal(await (await answer).text(), 'ok');
  await closed;
  await listener.close();
  if (!idle.destroyed) await once(idle.resume(), 'close');
});

test('close cuts off what takes too long', async (t) => {
  let arrived = (): void => {};
  const hasArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const listener = await start(
    t,
    async () => {
      arrived();
      return new Promise<HttpResponse>(() => {});
    },
    { closeTime: 1 },
  );
  const answer = fetch(listener.url);
  answer.catch(() => {});
  await hasArrived;
  await listener.close();
  await assert.rejects(answer);
});

test('a port in use is an error with a hint', async (t) => {
  const { port } = await start(t, ok);
  await assert.rejects(start(t, ok, { port }), { code: 'ERR_USAGE' });
});

interface Certificate {
  readonly cert: Buffer;
  readonly key: string;
}

/** A certificate for 127.0.0.1, or undefined when there is no openssl. */
function makeCertificate(t: TestContext): Certificate | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'boltseal-tls-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  try {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
  } catch {
    t.skip('skipped: openssl not found');
    return undefined;
  }
  return { cert: readFileSync(cert), key: readFileSync(key, 'utf8') };
}

/** The status of a request that trusts only `ca`. */
async function statusOver(url: string, ca: Buffer): Promise<number | undefined> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    getSecurely(url, { ca, agent: false }, resolve).on('error', reject);
  });
  response.resume();
  return response.statusCode;
}

test('https', async (t) => {
  const tls = makeCertificate(t);
  if (tls === undefined) return;
  const { url } = await start(t, ok, { tls });
  assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(await statusOver(url, tls.cert), 200);
});

test('a new certificate is used for new connections; one that cannot be used changes nothing', async (t) => {
  const [before, after] = [makeCertificate(t), makeCertificate(t)];
  if (before === undefined || after === undefined) return;
  const listener = await start(t, ok, { tls: before });
  const refused = { code: 'ERR_USAGE' };
  assert.throws(() => listener.replaceTls({ cert: after.cert, key: before.key }), refused);
  assert.throws(() => listener.replaceTls({ cert: 'no', key: 'PEM' }), refused);
  assert.equal(await statusOver(listener.url, before.cert), 200);
  listener.replaceTls(after);
  assert.equal(await statusOver(listener.url, after.cert), 200);
  await assert.rejects(statusOver(listener.url, before.cert));
  await assert.rejects(start(t, ok, { tls: { cert: 'no', key: 'PEM' } }), refused);
  const plain = await start(t, ok);
  assert.throws(() => plain.replaceTls(after), refused);
});
