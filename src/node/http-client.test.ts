import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import type { Connection } from '../core/connection.ts';
import { isBoltsealError } from '../core/errors.ts';
import type { FetchInit, FetchResponse } from '../core/runtime.ts';
import { createHttpClient, type HttpClientOptions } from './http-client.ts';
import { readTlsSettings } from './tls.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  return `http://${await listenOn(t, createServer({ maxHeaderSize: 65_536 }, listener))}`;
}

async function listenOn(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function tcpServer(t: TestContext, onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(t: TestContext, options: HttpClientOptions = {}): ReturnType<typeof createHttpClient> {
  const made = createHttpClient(options);
  t.after(() => made.close());
  return made;
}

const request = (method = 'GET', more: Partial<FetchInit> = {}): FetchInit => ({
  method,
  headers: {},
  redirect: 'manual',
  ...more,
});

async function textOf(response: FetchResponse): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test('methods, headers, bodies, and one connection for all', async (t) => {
  const ports = new Set<number | undefined>();
  const url = await serve(t, async (incoming, response) => {
    ports.add(incoming.socket.remotePort);
    const body = await bodyOf(incoming);
    const { host, 'x-test': test, 'content-length': length } = incoming.headers;
    response.setHeader('x-answer', ['a', 'b']);
    response.statusCode = incoming.url === '/redirect' ? 302 : 200;
    const answer = JSON.stringify({ method: incoming.method, url: incoming.url, host, test, length, body });
    // Node's server closes the connection after a HEAD whose length it does not know.
    response.setHeader('content-length', Buffer.byteLength(answer));
    response.end(answer);
  });
  const fetch = client(t);
  const got = await fetch(`${url}/a%2Fb?x=%20y`, request('GET', { headers: { 'x-test': '1' } }));
  assert.equal(got.headers.get('X-Answer'), 'a, b');
  assert.deepEqual(JSON.parse(await textOf(got)), {
    ...{ method: 'GET', url: '/a%2Fb?x=%20y', host: new URL(url).host, test: '1', body: '' },
  });
  const put = await fetch(url, request('PUT', { body: new TextEncoder().encode('bytes') }));
  assert.deepEqual(JSON.parse(await textOf(put)).length, '5');
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < 100; n++) yield new Uint8Array(10_000).fill(0x61);
  };
  const streamed = await fetch(
    url,
    request('POST', { body: stream(), headers: { 'content-length': '1000000' } }),
  );
  assert.equal(JSON.parse(await textOf(streamed)).body.length, 1_000_000);
  const head = await fetch(url, request('HEAD'));
  assert.equal(head.body, null);
  assert.equal((await fetch(`${url}/redirect`, request('HEAD'))).status, 302);
  assert.equal(ports.size, 1);
});

test('headers of 60 KiB arrive', async (t) => {
  const url = await serve(t, (_, response) => {
    response.setHeader('x-large', 'x'.repeat(60_000));
    response.end();
  });
  assert.equal((await client(t)(url, request())).headers.get('x-large')?.length, 60_000);
});

test('a kept-alive connection that the server closed is replaced, for idempotent requests only', async (t) => {
  let connections = 0;
  const host = await tcpServer(t, (socket) => {
    connections++;
    let requests = 0;
    socket.on('data', () => {
      // The second request of a connection meets a server that is just closing it.
      if (++requests === 2) socket.resetAndDestroy();
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
  const fetch = client(t);
  assert.equal(await textOf(await fetch(`http://${host}/`, request())), 'ok');
  assert.equal(await textOf(await fetch(`http://${host}/`, request())), 'ok');
  assert.equal(connections, 2);
  await assert.rejects(fetch(`http://${host}/`, request('POST', { body: new Uint8Array(1) })), {
    code: 'ECONNRESET',
  });
  assert.equal(connections, 2);
});

test('a body that ends early is an error', async (t) => {
  const host = await tcpServer(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'));
  });
  const response = await client(t)(`http://${host}/`, request());
  await assert.rejects(textOf(response), { code: 'ECONNRESET' });
});

test('aborting, before the headers and within the body, gives the reason', async (t) => {
  const url = await serve(t, (incoming, response) => {
    if (incoming.url === '/body') response.write('part');
  });
  const fetch = client(t);
  const reason = new Error('enough');
  const before = new AbortController();
  const waiting = fetch(`${url}/never`, request('GET', { signal: before.signal }));
  before.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(fetch(url, request('GET', { signal: before.signal })), reason);
  const within = new AbortController();
  const response = await fetch(`${url}/body`, request('GET', { signal: within.signal }));
  const reading = textOf(response);
  within.abort(reason);
  await assert.rejects(reading, reason);
});

test('a silent server is given up', async (t) => {
  const host = await tcpServer(t, () => undefined);
  await assert.rejects(client(t, { idleTime: 30 })(`http://${host}/`, request()), { code: 'ETIMEDOUT' });
});

test('a body that is not wanted is cancelled', async (t) => {
  const url = await serve(t, (_, response) => {
    response.write('x');
  });
  const response = await client(t)(url, request());
  await response.body?.cancel?.();
});

/** A proxy that writes down what it is asked for, and connects everything to `target`. */
async function proxyTo(t: TestContext, target: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const proxy = createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url} ${incoming.headers['proxy-authorization'] ?? ''}`);
    response.end('from the proxy');
  });
  proxy.on('connect', (incoming, socket: Socket) => {
    asked.push(`CONNECT ${incoming.url} ${incoming.headers['proxy-authorization'] ?? ''}`);
    if (incoming.url?.startsWith('refused')) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const [host = '', port = ''] = target.split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on('error', () => undefined);
    t.after(() => {
      upstream.destroy();
      socket.destroy();
    });
  });
  return { url: `http://us:pw@${await listenOn(t, proxy)}`, asked };
}

async function tlsServer(t: TestContext, name: string): Promise<{ host: string; caFile: string }> {
  const folder = await temporaryDirectory(t);
  const [keyFile, caFile] = [join(folder, 'key.pem'), join(folder, 'ca.pem')];
  const subject = ['-subj', '/CN=test', '-addext', `subjectAltName=${name}`];
  await promisify(execFile)('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-keyout', keyFile, '-out', caFile, ...subject],
  ]);
  const server = createTlsServer(
    { key: await readFile(keyFile), cert: await readFile(caFile) },
    (_, response) => {
      response.end('over TLS');
    },
  );
  return { host: await listenOn(t, server as unknown as Server), caFile };
}

test('TLS: refused without the CA, accepted with it, by name', async (t) => {
  const { host, caFile } = await tlsServer(t, 'DNS:registry.example');
  const port = host.split(':')[1];
  await assert.rejects(client(t)(`https://${host}/`, request()), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  const trusting = client(t, { tls: await readTlsSettings({ caFile }) });
  await assert.rejects(trusting(`https://127.0.0.1:${port}/`, request()), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
  const named = client(t, { tls: await readTlsSettings({ caFile, serverName: 'registry.example' }) });
  assert.equal(await textOf(await named(`https://127.0.0.1:${port}/`, request())), 'over TLS');
  const blind = client(t, { tls: { insecureSkipVerify: true } });
  assert.equal(await textOf(await blind(`https://${host}/`, request())), 'over TLS');
});

test('proxies: absolute form for http, a tunnel for https, credentials for the proxy only', async (t) => {
  const { host, caFile } = await tlsServer(t, 'DNS:registry.example');
  const { url, asked } = await proxyTo(t, host);
  const env = { HTTP_PROXY: url, HTTPS_PROXY: url };
  const fetch = client(t, { env, tls: await readTlsSettings({ caFile }) });
  const basic = `Basic ${Buffer.from('us:pw').toString('base64')}`;
  assert.equal(await textOf(await fetch('http://registry.example/a?b', request())), 'from the proxy');
  assert.equal(await textOf(await fetch('https://registry.example/secret', request())), 'over TLS');
  assert.equal(await textOf(await fetch('https://registry.example/again', request())), 'over TLS');
  assert.deepEqual(asked, [
    `GET http://registry.example/a?b ${basic}`,
    `CONNECT registry.example:443 ${basic}`,
  ]);
  await assert.rejects(fetch('https://refused.example/', request()), { code: 'ERR_PROXY_REFUSED' });
});

test('a server with an authority and a proxy of its own is reached beside all others', async (t) => {
  const own = await tlsServer(t, 'IP:127.0.0.1');
  const other = await tlsServer(t, 'IP:127.0.0.1');
  const tls = { caCertificates: await readFile(own.caFile, 'utf8'), onlyCaCertificates: true };
  const fetch = client(t, { tls: await readTlsSettings({ caFile: other.caFile }) });
  const ask = (host: string, connection?: Connection) =>
    fetch(`https://${host}/`, request('GET', connection === undefined ? {} : { connection })).then(
      textOf,
      ({ code }) => code,
    );
  assert.equal(await ask(other.host), 'over TLS');
  assert.equal(await ask(own.host, { tls }), 'over TLS');
  assert.equal(await ask(own.host), 'DEPTH_ZERO_SELF_SIGNED_CERT');
  assert.equal(await ask(other.host, { tls }), 'DEPTH_ZERO_SELF_SIGNED_CERT');
  const { url, asked } = await proxyTo(t, own.host);
  assert.equal(await ask(own.host, { tls, proxy: url }), 'over TLS');
  assert.deepEqual(
    asked.map((line) => line.split(' ', 2).join(' ')),
    [`CONNECT ${own.host}`],
  );
  await assert.rejects(
    fetch(`https://${own.host}/`, request('GET', { connection: { proxy: 'socks5://h' } })),
    {
      code: 'ERR_USAGE',
    },
  );
});

test('files for TLS are checked', async (t) => {
  const folder = await temporaryDirectory(t);
  const failing = [
    [{ caFile: join(folder, 'absent') }, 'ERR_FILE_READ'],
    [{ caFile: import.meta.filename.replace(/[^/\\]*$/, 'proxy.ts') }, 'ERR_ENCODING_INVALID'],
    [{ certificateFile: 'x' }, 'ERR_USAGE'],
  ] as const;
  for (const [files, code] of failing) {
    await assert.rejects(readTlsSettings(files), (error) => isBoltsealError(error, code));
  }
  assert.deepEqual(Object.values(await readTlsSettings({})).filter(Boolean), []);
});

test('through a proxy an address is proved by its own certificate, not by one of the proxy', async (t) => {
  for (const [name, outcome] of [
    ['DNS:localhost,DNS:127.0.0.1,IP:127.0.0.1', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['IP:192.0.2.7', 'over TLS'],
  ] as const) {
    const { host, caFile } = await tlsServer(t, name);
    const { url } = await proxyTo(t, host);
    const fetch = client(t, { env: { HTTPS_PROXY: url }, tls: await readTlsSettings({ caFile }) });
    const answer = await fetch('https://192.0.2.7/', request()).then(textOf, ({ code }) => code);
    assert.equal(answer, outcome);
  }
});
