import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { listen } from '../../src/node/http-server.ts';
import { folderStorage, memoryStorage } from '../../src/server/index.ts';
import {
  createEmbeddedRegistry,
  startEmbeddedRegistry,
  useEmbeddedRegistry,
} from '../support/embedded-registry.ts';
import {
  call,
  digestOf,
  emptyManifest,
  indexType,
  manifestType,
  pushBlob,
  pushManifest,
} from '../support/embedded-registry-requests.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

const missing = digestOf('missing');

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name, parentPath }) => join(parentPath, name));
}

async function openFolder(t: Releases, options = {}) {
  const folder = await temporaryDirectory(t);
  const registry = createEmbeddedRegistry({ storage: folderStorage(join(folder, 'registry')), ...options });
  t.after(() => registry.close());
  return { folder, registry };
}

test('hostile names never reach the storage', async (t) => {
  const { folder, registry } = await openFolder(t);
  await pushBlob(registry, 'app', '{}');
  const before = await filesBelow(folder);
  const names = [
    '..',
    '../..',
    'a/../b',
    'a/..',
    '%2e%2e',
    '%2e%2e%2f%2e%2e',
    'a%2f..%2fb',
    '.hidden',
    'a/.b',
    'Upper',
    'a//b',
    '/a',
    'a b',
    'a%00b',
    'a\\b',
    'a%5Cb',
    '%',
    '%ff',
    '-a',
    'a-',
    'a..b',
    'a___b',
    'é',
    'a'.repeat(241),
    `a/${'b/'.repeat(150)}c`,
    'a'.repeat(10_000),
    `${'a-'.repeat(100)}`,
  ];
  for (const name of names) {
    for (const [method, path] of [
      ['POST', `/v2/${name}/blobs/uploads/?digest=${digestOf('')}`],
      ['PUT', `/v2/${name}/manifests/latest`],
      ['GET', `/v2/${name}/manifests/latest`],
      ['GET', `/v2/${name}/tags/list`],
      ['GET', `/v2/${name}/blobs/${missing}`],
      ['DELETE', `/v2/${name}/blobs/${missing}`],
      ['GET', `/v2/${name}/referrers/${missing}`],
    ] as const) {
      const reply = await call(registry, method, path);
      assert.ok([400, 404, 414].includes(reply.status), `${method} ${path}: ${reply.status}`);
      assert.ok(['NAME_INVALID', 'UNSUPPORTED'].includes(reply.code ?? ''), `${path}: ${reply.code}`);
    }
  }
  const tags = ['..', '.a', '-a', 'a b', 'a%00', 'a%2Fb', 'é', 'a'.repeat(129), '%2e%2e', 'sha256:x'];
  for (const tag of tags) {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const reply = await call(registry, method, `/v2/app/manifests/${tag}`, { body: '{}' });
      assert.ok([400, 404].includes(reply.status), `${method} ${tag}: ${reply.status}`);
    }
  }
  const digests = [
    'sha256:..',
    `sha256:${'A'.repeat(64)}`,
    `sha1:${'a'.repeat(40)}`,
    `${missing}/../x`,
    `${missing}0`,
    '__proto__',
  ];
  for (const digest of digests) {
    const reply = await call(registry, 'GET', `/v2/app/blobs/${digest}`);
    assert.ok([400, 404].includes(reply.status), `${digest}: ${reply.status}`);
  }
  for (const session of ['..', '%2e%2e', 'x', '0'.repeat(36)]) {
    const reply = await call(registry, 'PUT', `/v2/app/blobs/uploads/${session}?digest=${missing}`);
    assert.ok([400, 404].includes(reply.status), `${session}: ${reply.status}`);
  }
  assert.deepEqual(await filesBelow(folder), before);
});

test('names that other registries take are taken', async (t) => {
  const { registry } = await openFolder(t);
  for (const name of [
    'con',
    'a/nul',
    'a.b_c__d---e/f0',
    'manifests/blobs/uploads',
    'tags',
    'x'.repeat(240),
  ]) {
    await pushBlob(registry, name, '{}');
    const pushed = await pushManifest(registry, name, emptyManifest(), { reference: 'CON.' });
    assert.equal(pushed.status, 201, name);
    assert.deepEqual((await call(registry, 'GET', `/v2/${name}/tags/list`)).json.tags, ['CON.']);
  }
});

test('malformed manifests', async () => {
  const registry = createEmbeddedRegistry();
  await pushBlob(registry, 'app', '{}');
  const good = emptyManifest();
  const cases: Record<string, string> = {
    'not JSON': '{',
    'not an object': '[]',
    empty: '',
    'deep nesting': `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    'duplicate keys': JSON.stringify(good).replace('{', '{"schemaVersion":2,'),
    'duplicate annotations': JSON.stringify({ ...good, annotations: {} }).replace('{}', '{"a":"1","a":"2"}'),
    'schema 1': JSON.stringify({ ...good, schemaVersion: 1 }),
    'another media type': JSON.stringify({ ...good, mediaType: indexType }),
    'both at once': JSON.stringify({ ...good, manifests: [] }),
    'no config': JSON.stringify({ ...good, config: undefined }),
    'layers no list': JSON.stringify({ ...good, layers: {} }),
    'a layer that is none': JSON.stringify({ ...good, layers: [1] }),
    'a bad digest': JSON.stringify({ ...good, layers: [{ mediaType: 'a/b', digest: '../x', size: 1 }] }),
    'a bad size': JSON.stringify({ ...good, layers: [{ mediaType: 'a/b', digest: missing, size: -1 }] }),
    'a bad subject': JSON.stringify({ ...good, subject: {} }),
    'a number as annotation': JSON.stringify({ ...good, annotations: { a: 1 } }),
    'an artifact type that is no text': JSON.stringify({ ...good, artifactType: 7 }),
  };
  const put = (body: string | Uint8Array, type?: string) =>
    call(registry, 'PUT', '/v2/app/manifests/bad', {
      body,
      headers: type === undefined ? {} : { 'content-type': type },
    });
  for (const [what, body] of Object.entries(cases)) {
    const reply = await put(body, manifestType);
    assert.equal(reply.code, 'MANIFEST_INVALID', what);
    assert.equal(reply.status, 400, what);
  }
  assert.equal((await put(Buffer.from([0x7b, 0xff, 0x7d]), manifestType)).code, 'MANIFEST_INVALID');
  const untyped = JSON.stringify({ ...good, mediaType: undefined });
  assert.equal((await put(untyped)).code, 'MANIFEST_INVALID');
  assert.equal((await put(untyped, 'application/vnd.oci.artifact.manifest.v1+json')).status, 400);
  assert.equal((await put(untyped, 'application/vnd.docker.distribution.manifest.v1+json')).status, 400);
  assert.equal((await call(registry, 'GET', '/v2/app/tags/list')).json.tags.length, 0);
  assert.equal((await put(untyped, `${manifestType}; charset=utf-8`)).status, 201);
  assert.equal((await put(JSON.stringify({ ...good, layers: null }))).status, 201, 'Go writes null');
});

test('a registry that takes everything', async () => {
  const registry = createEmbeddedRegistry({ validateManifests: false });
  const put = (body: string) =>
    call(registry, 'PUT', '/v2/app/manifests/bad', { body, headers: { 'content-type': manifestType } });
  for (const body of ['{', '', JSON.stringify(emptyManifest())]) {
    assert.equal((await put(body)).status, 201);
    assert.equal((await call(registry, 'GET', '/v2/app/manifests/bad')).bytes.toString(), body);
  }
});

test('manifests beyond 4 MiB, announced or not', async (t) => {
  const server = await useEmbeddedRegistry(t);
  await pushBlob(server.registry, 'app', '{}');
  const bytes = Buffer.from(JSON.stringify(emptyManifest({ annotations: { a: 'x'.repeat(5_242_880) } })));
  const url = `${server.url}/v2/app/manifests/big`;
  const headers = { 'content-type': manifestType };
  const announced = await fetch(url, { method: 'PUT', headers, body: bytes });
  assert.equal(announced.status, 413);
  assert.equal(JSON.parse(await announced.text()).errors[0].code, 'SIZE_INVALID');
  const body = new Blob([bytes]).stream();
  const streamed = await fetch(url, { method: 'PUT', headers, body, duplex: 'half' });
  assert.equal(streamed.status, 413);
  assert.equal(JSON.parse(await streamed.text()).errors[0].code, 'SIZE_INVALID');
  const edge = JSON.stringify(emptyManifest({ annotations: { a: '' } }));
  const exact = edge.replace('""', `"${'x'.repeat(4_194_304 - edge.length)}"`);
  assert.equal((await fetch(url, { method: 'PUT', headers, body: exact })).status, 201);
});

test('blobs, sessions and memory have limits', async () => {
  const limits = { blobBytes: 1_000, sessions: 2 };
  const registry = createEmbeddedRegistry({ storage: memoryStorage({ maxBytes: 1_500 }), limits });
  const push = (size: number, headers = {}) => {
    const body = Buffer.alloc(size, size);
    return call(registry, 'POST', `/v2/app/blobs/uploads/?digest=${digestOf(body)}`, { body, headers });
  };
  assert.equal((await push(1_001)).status, 413);
  assert.equal((await push(500, { 'content-length': '5' })).code, 'SIZE_INVALID');
  assert.equal((await push(5, { 'content-length': '500' })).code, 'SIZE_INVALID');
  assert.equal((await push(5, { 'content-length': '-1' })).code, 'SIZE_INVALID');
  assert.equal((await push(1_000)).status, 201);
  const full = await push(501);
  assert.equal(full.status, 413);
  assert.equal((await push(499)).status, 201);
  const begin = () => call(registry, 'POST', '/v2/app/blobs/uploads/');
  const first = await begin();
  await begin();
  const refused = await begin();
  assert.equal(refused.status, 429);
  assert.equal(refused.code, 'TOOMANYREQUESTS');
  await call(registry, 'DELETE', first.headers['location'] ?? '');
  assert.equal((await begin()).status, 202);
  assert.equal(registry.uploadsUnderWay, 2);
});

test('uploads that rest too long are given up, with their files', async (t) => {
  let time = 0;
  const { folder, registry } = await openFolder(t, {
    runtime: { monotonic: () => time },
    limits: { sessionIdleTime: 1_000 },
  });
  const begin = async () =>
    (await call(registry, 'POST', '/v2/app/blobs/uploads/')).headers['location'] ?? '';
  const resting = await begin();
  const busy = await begin();
  await call(registry, 'PATCH', resting, { body: 'something' });
  await call(registry, 'PATCH', busy, { body: 'some' });
  time = 900;
  assert.equal((await call(registry, 'PATCH', busy, { body: 'thing' })).status, 202);
  time = 1_500;
  assert.equal((await call(registry, 'GET', resting)).code, 'BLOB_UPLOAD_UNKNOWN');
  await begin();
  assert.equal(registry.uploadsUnderWay, 2);
  assert.equal((await readdir(join(folder, 'registry', 'uploads'))).length, 1);
  const ended = await call(registry, 'PUT', `${busy}?digest=${digestOf('something')}`);
  assert.equal(ended.status, 201);
  assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
});

test('one upload is used by one request at a time', async () => {
  const registry = createEmbeddedRegistry();
  const location = (await call(registry, 'POST', '/v2/app/blobs/uploads/')).headers['location'] ?? '';
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('one');
    await gate;
    yield Buffer.from('two');
  }
  const first = call(registry, 'PATCH', location, { body: slow() });
  const second = await call(registry, 'PATCH', location, { body: 'other' });
  assert.equal(second.status, 409);
  assert.equal((await call(registry, 'DELETE', location)).status, 409);
  go();
  assert.equal((await first).status, 202);
  assert.equal((await call(registry, 'PUT', `${location}?digest=${digestOf('onetwo')}`)).status, 201);
});

test('a body that breaks off leaves nothing, and the same request can be sent again', async (t) => {
  const { folder, registry } = await openFolder(t);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100_000, 'x');
    throw new Error('gone');
  }
  const once = await call(registry, 'POST', `/v2/app/blobs/uploads/?digest=${missing}`, { body: broken() });
  assert.equal(once.status, 500);
  assert.equal(registry.uploadsUnderWay, 0);
  const location = (await call(registry, 'POST', '/v2/app/blobs/uploads/')).headers['location'] ?? '';
  await call(registry, 'PATCH', location, { body: 'some' });
  assert.equal((await call(registry, 'PATCH', location, { body: broken() })).status, 500);
  assert.equal((await call(registry, 'GET', location)).headers['range'], '0-3');
  assert.equal(
    (await call(registry, 'PUT', `${location}?digest=${missing}`, { body: broken() })).status,
    500,
  );
  const ended = await call(registry, 'PUT', `${location}?digest=${digestOf('something')}`, { body: 'thing' });
  assert.equal(ended.status, 201);
  assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
  assert.equal((await filesBelow(join(folder, 'registry', 'content'))).length, 1);
});

test('a client that hangs up in the middle of a blob leaves nothing behind', async (t) => {
  const { folder, registry } = await openFolder(t);
  const ends: (() => void)[] = [];
  const server = await listen({
    async answer(request) {
      const response = await registry.answer(request);
      ends.pop()?.();
      return response;
    },
  });
  t.after(() => server.close());
  const answered = new Promise<void>((resolve) => {
    ends.push(resolve);
  });
  const socket = createConnection(server.port, '127.0.0.1');
  socket.write(
    `POST /v2/app/blobs/uploads/?digest=${missing} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`,
  );
  socket.write(Buffer.alloc(200_000));
  const uploads = join(folder, 'registry', 'uploads');
  while (registry.uploadsUnderWay === 0) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  await once(socket, 'close');
  await answered;
  assert.equal(registry.uploadsUnderWay, 0);
  assert.deepEqual(await readdir(uploads), []);
  assert.deepEqual(await filesBelow(folder), []);
});

test('10,000 referrers, page by page, each once and in order', async () => {
  const registry = createEmbeddedRegistry();
  await pushBlob(registry, 'app', '{}');
  const subject = { mediaType: manifestType, digest: missing, size: 7 };
  const expected: string[] = [];
  for (let index = 0; index < 10_000; index++) {
    const annotations = { index: String(index) };
    const artifactType = index % 4 === 0 ? 'a/b' : 'c/d';
    const pushed = await pushManifest(registry, 'app', emptyManifest({ subject, annotations, artifactType }));
    expected.push(pushed.digest);
  }
  const follow = async (query: string) => {
    const digests: string[] = [];
    let pages = 0;
    let path: string | undefined = `/v2/app/referrers/${missing}${query}`;
    while (path !== undefined) {
      const page = await call(registry, 'GET', path);
      assert.equal(page.status, 200);
      assert.ok(page.bytes.length <= 4_194_304);
      digests.push(...page.json.manifests.map(({ digest }: { digest: string }) => digest));
      pages++;
      path = /^<([^>]+)>; rel="next"$/.exec(page.headers['link'] ?? '')?.[1];
    }
    return { digests, pages };
  };
  const all = await follow('');
  assert.deepEqual(all.digests, expected);
  assert.equal(all.pages, 10);
  const some = await follow('?artifactType=a%2Fb&n=700');
  assert.deepEqual(
    some.digests,
    expected.filter((_, index) => index % 4 === 0),
  );
  assert.equal(some.pages, 4);
  const bad = await call(registry, 'GET', `/v2/app/referrers/${missing}?after=x`);
  assert.equal(bad.status, 400);
});

test('a page of referrers stays below 4 MiB', async () => {
  const registry = createEmbeddedRegistry();
  await pushBlob(registry, 'app', '{}');
  const subject = { mediaType: manifestType, digest: missing, size: 7 };
  for (let index = 0; index < 5; index++) {
    const annotations = { index: String(index), text: 'é'.repeat(700_000) };
    await pushManifest(registry, 'app', emptyManifest({ subject, annotations }));
  }
  const page = await call(registry, 'GET', `/v2/app/referrers/${missing}`);
  assert.ok(page.bytes.length <= 4_194_304);
  assert.equal(page.json.manifests.length, 2);
  assert.match(page.headers['link'] ?? '', /rel="next"/);
});

test('a failing storage is a 500 without details, and the log knows', async () => {
  const events: string[] = [];
  const storage = memoryStorage();
  const registry = createEmbeddedRegistry({
    storage: {
      ...storage,
      read: async () => {
        throw new Error('the disk /secret/place is gone');
      },
    },
    runtime: { log: ({ message }) => events.push(message) },
  });
  const { digest } = await pushBlob(registry, 'app', 'x');
  const reply = await call(registry, 'GET', `/v2/app/blobs/${digest}`);
  assert.equal(reply.status, 500);
  assert.equal(reply.code, 'UNKNOWN');
  assert.ok(!reply.bytes.includes('secret'));
  assert.match(events.join(), /secret/);
});

test('stop ends uploads under way', async (t) => {
  const folder = await temporaryDirectory(t);
  const server = await startEmbeddedRegistry({ storage: folderStorage(folder) });
  const location = (await call(server.registry, 'POST', '/v2/app/blobs/uploads/')).headers['location'] ?? '';
  await fetch(server.url + location, { method: 'PATCH', body: 'something' });
  assert.equal((await readdir(join(folder, 'uploads'))).length, 1);
  const [file = ''] = await readdir(join(folder, 'uploads'));
  assert.equal(await readFile(join(folder, 'uploads', file), 'utf8'), 'something');
  await server.stop();
  assert.deepEqual(await filesBelow(folder), []);
});
