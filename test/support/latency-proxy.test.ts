import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  type LatencyProxy,
  type LatencyProxyOptions,
  longestChain,
  startLatencyProxy,
} from './latency-proxy.ts';

interface Upstream {
  readonly host: string;
  /** The distinct connections that requests came on. */
  readonly connections: Set<unknown>;
}

/** Answers with what it received; `/absolute` redirects by the Host header, `/own` by its own address. */
async function startEcho(t: TestContext): Promise<Upstream> {
  const connections = new Set<unknown>();
  const server = http.createServer((request, response) => {
    connections.add(request.socket);
    if (request.url === '/absolute') {
      response.writeHead(307, { Location: `http://${request.headers.host}/there` }).end();
    } else if (request.url === '/own') {
      response.writeHead(307, { Location: `http://${host}/there` }).end();
    } else if (request.method === 'HEAD') {
      // Node's client gives up a connection after a HEAD answer without a length.
      response.writeHead(200, { 'Content-Length': '5' }).end();
    } else {
      response.writeHead(200, { 'X-Method': request.method ?? '' });
      request.pipe(response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { host, connections };
}

async function startProxy(
  t: TestContext,
  options?: LatencyProxyOptions,
): Promise<{ proxy: LatencyProxy; upstream: Upstream }> {
  const upstream = await startEcho(t);
  const proxy = await startLatencyProxy(upstream.host, options);
  t.after(() => proxy.stop());
  return { proxy, upstream };
}

test('bodies pass both ways, connections are kept, requests are recorded', async (t) => {
  const { proxy, upstream } = await startProxy(t);
  const body = Buffer.alloc(3_000_000, 'body');
  for (const path of ['/a?b=c', '/d']) {
    const response = await fetch(proxy.url + path, { method: 'PUT', body });
    assert.equal(response.headers.get('x-method'), 'PUT');
    assert.ok(body.equals(Buffer.from(await response.arrayBuffer())));
  }
  assert.equal((await fetch(`${proxy.url}/head`, { method: 'HEAD' })).status, 200);
  assert.equal(await (await fetch(`${proxy.url}/empty`, { method: 'POST' })).text(), '');
  assert.equal(upstream.connections.size, 1);
  assert.deepEqual(
    proxy.requests.map(({ method, path, status }) => `${method} ${path} ${status}`),
    ['PUT /a?b=c 200', 'PUT /d 200', 'HEAD /head 200', 'POST /empty 200'],
  );
  assert.equal(proxy.hops(), 4);
  proxy.reset();
  assert.equal(proxy.hops(), 0);
});

test('requests at the same time are one hop, and each waits for the delay', async (t) => {
  const { proxy } = await startProxy(t, { delay: 60 });
  const get = async (): Promise<void> => {
    await (await fetch(proxy.url)).text();
  };
  await Promise.all([get(), get(), get()]);
  assert.equal(proxy.hops(), 1);
  await get();
  assert.equal(proxy.hops(), 2);
  for (const { start, end } of proxy.requests) assert.ok(end !== undefined && end - start >= 59);
});

test('the longest chain is not the one of the longest request', () => {
  const at = (start: number, end?: number) => ({ method: 'GET', path: '/', status: 200, start, end });
  assert.equal(longestChain([at(0, 100), at(1, 10), at(10, 20), at(15, 30), at(30, 40), at(50)]), 3);
});

test('locations lead back to the proxy', async (t) => {
  const { proxy } = await startProxy(t);
  for (const path of ['/absolute', '/own']) {
    const response = await fetch(proxy.url + path, { redirect: 'manual' });
    assert.equal(response.headers.get('location'), `${proxy.url}/there`);
  }
});

test('faults answer in the server’s place', async (t) => {
  const { proxy, upstream } = await startProxy(t, {
    fault: ({ method, path }) => {
      if (path === '/reset') return 'reset';
      if (method === 'PUT') return { status: 503, headers: { 'retry-after': '1' }, body: 'busy' };
      return undefined;
    },
  });
  const refused = await fetch(proxy.url, { method: 'PUT', body: 'text' });
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '1');
  assert.equal(await refused.text(), 'busy');
  await assert.rejects(fetch(`${proxy.url}/reset`));
  assert.equal(upstream.connections.size, 0);
  assert.equal((await fetch(proxy.url)).status, 200);
  assert.deepEqual(
    proxy.requests.map(({ status }) => status),
    [503, 0, 200],
  );
});

test('an upstream that is gone is a bad gateway', async (t) => {
  const proxy = await startLatencyProxy('127.0.0.1:1');
  t.after(() => proxy.stop());
  assert.equal((await fetch(proxy.url)).status, 502);
});
