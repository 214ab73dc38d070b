import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderStorage, memoryStorage, type RegistryServer } from '../../src/server/index.ts';
import { createEmbeddedRegistry } from '../support/embedded-registry.ts';
import {
  call,
  digestOf,
  emptyDescriptor,
  emptyManifest,
  indexType,
  manifestType,
  pushBlob,
  pushManifest,
} from '../support/embedded-registry-requests.ts';
import { type Releases, temporaryDirectory } from '../support/temporary.ts';

/** Everything here holds for every storage. */
const storages = {
  memory: async (_: Releases) => memoryStorage(),
  folder: async (t: Releases) => folderStorage(await temporaryDirectory(t)),
};

const missing = digestOf('missing');

for (const [kind, storage] of Object.entries(storages)) {
  const open = async (t: Releases, options = {}): Promise<RegistryServer> => {
    const registry = createEmbeddedRegistry({ storage: await storage(t), ...options });
    t.after(() => registry.close());
    return registry;
  };

  test(`${kind}: the version check, unknown paths and methods`, async (t) => {
    const registry = await open(t);
    const ping = await call(registry, 'GET', '/v2/');
    assert.equal(ping.status, 200);
    assert.equal(ping.headers['docker-distribution-api-version'], 'registry/2.0');
    assert.equal((await call(registry, 'GET', '/')).status, 404);
    assert.equal((await call(registry, 'GET', '/v2/app/what/ever')).status, 404);
    const wrong = await call(registry, 'POST', '/v2/app/tags/list');
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers['allow'], 'GET, HEAD');
    assert.equal(wrong.code, 'UNSUPPORTED');
  });

  test(`${kind}: a blob in one POST, and its ranges`, async (t) => {
    const registry = await open(t);
    const content = randomBytes(2_048);
    const { digest } = await pushBlob(registry, 'acme/app', content);
    const path = `/v2/acme/app/blobs/${digest}`;
    const whole = await call(registry, 'GET', path);
    assert.equal(whole.status, 200);
    assert.deepEqual(whole.bytes, content);
    assert.equal(whole.headers['docker-content-digest'], digest);
    const head = await call(registry, 'HEAD', path);
    assert.equal(head.headers['content-length'], '2048');
    assert.equal(head.bytes.length, 0);

    const part = async (range: string) => call(registry, 'GET', path, { headers: { range } });
    for (const [range, start, end] of [
      ['bytes=500-1499', 500, 1_500],
      ['bytes=500-', 500, 2_048],
      ['bytes=-500', 1_548, 2_048],
      ['bytes=2000-5000', 2_000, 2_048],
      ['bytes=0-0', 0, 1],
    ] as const) {
      const reply = await part(range);
      assert.equal(reply.status, 206, range);
      assert.deepEqual(reply.bytes, content.subarray(start, end));
      assert.equal(reply.headers['content-range'], `bytes ${start}-${end - 1}/2048`);
      assert.equal(reply.headers['content-length'], String(end - start));
    }
    for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=-0']) {
      const reply = await part(range);
      assert.equal(reply.status, 416, range);
      assert.equal(reply.headers['content-range'], 'bytes */2048');
    }
    for (const range of ['bytes=0-1,5-6', 'lines=0-1', 'bytes=-', 'bytes=a-b']) {
      assert.equal((await part(range)).status, 200, range);
    }
  });

  test(`${kind}: large and empty blobs`, async (t) => {
    const registry = await open(t);
    const large = randomBytes(3_000_000);
    const { digest } = await pushBlob(registry, 'app', large);
    assert.deepEqual((await call(registry, 'GET', `/v2/app/blobs/${digest}`)).bytes, large);
    const headers = { range: 'bytes=100000-2900000' };
    const part = await call(registry, 'GET', `/v2/app/blobs/${digest}`, { headers });
    assert.deepEqual(part.bytes, large.subarray(100_000, 2_900_001));
    const empty = await pushBlob(registry, 'app', '');
    const reply = await call(registry, 'GET', `/v2/app/blobs/${empty.digest}`);
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-length'], '0');
  });

  for (const algorithm of ['sha256', 'sha512'] as const) {
    test(`${kind}: POST then PUT with ${algorithm}`, async (t) => {
      const registry = await open(t);
      const digest = digestOf('content', algorithm);
      for (const query of ['', `?digest-algorithm=${algorithm}`]) {
        const begun = await call(registry, 'POST', `/v2/app/blobs/uploads/${query}`);
        assert.equal(begun.status, 202);
        assert.equal(begun.headers['range'], '0-0');
        const location = begun.headers['location'] ?? '';
        assert.match(location, /^\/v2\/app\/blobs\/uploads\/[0-9a-f-]{36}$/);
        const ended = await call(registry, 'PUT', `${location}?digest=${digest}`, { body: 'content' });
        assert.equal(ended.status, 201);
        assert.equal(ended.headers['location'], `/v2/app/blobs/${digest}`);
        assert.equal(ended.headers['docker-content-digest'], digest);
        const again = await call(registry, 'GET', location);
        assert.equal(again.code, 'BLOB_UPLOAD_UNKNOWN');
      }
      assert.equal((await call(registry, 'GET', `/v2/app/blobs/${digest}`)).bytes.toString(), 'content');
      const other = await call(registry, 'POST', '/v2/app/blobs/uploads/?digest-algorithm=md5');
      assert.equal(other.code, 'DIGEST_INVALID');
    });
  }

  test(`${kind}: chunks in order, out of order, and a stream`, async (t) => {
    const registry = await open(t);
    const content = randomBytes(3_000);
    const digest = digestOf(content);
    const { headers: begun } = await call(registry, 'POST', '/v2/app/blobs/uploads/', { body: '' });
    const location = begun['location'] ?? '';
    const chunk = (first: number, end: number, method = 'PATCH', query = '') =>
      call(registry, method, location + query, {
        headers: { 'content-range': `${first}-${end - 1}` },
        body: content.subarray(first, end),
      });
    const early = await chunk(1_000, 2_000);
    assert.equal(early.status, 416);
    assert.equal(early.headers['range'], '0-0');
    assert.equal(early.headers['location'], location);
    const one = await chunk(0, 1_000);
    assert.equal(one.status, 202);
    assert.equal(one.headers['range'], '0-999');
    assert.equal((await chunk(0, 1_000)).status, 416);
    const status = await call(registry, 'GET', location);
    assert.equal(status.status, 204);
    assert.equal(status.headers['range'], '0-999');
    assert.equal(status.headers['content-length'], undefined);
    const two = await call(registry, 'PATCH', location, { body: content.subarray(1_000, 2_000) });
    assert.equal(two.headers['range'], '0-1999');
    for (const range of ['x', '5', '2000-', '2999-2000']) {
      const reply = await call(registry, 'PATCH', location, {
        headers: { 'content-range': range },
        body: 'x',
      });
      assert.equal(reply.code, 'BLOB_UPLOAD_INVALID', range);
    }
    const lying = await call(registry, 'PATCH', location, {
      headers: { 'content-range': '2000-2999' },
      body: 'short',
    });
    assert.equal(lying.code, 'SIZE_INVALID');
    assert.equal((await chunk(0, 1_000, 'PUT', `?digest=${digest}`)).status, 416);
    assert.equal((await chunk(2_000, 3_000, 'PUT', `?digest=${digest}`)).status, 201);
    assert.deepEqual((await call(registry, 'GET', `/v2/app/blobs/${digest}`)).bytes, content);
  });

  test(`${kind}: cancelling, wrong digests and foreign uploads`, async (t) => {
    const registry = await open(t);
    const begin = async () =>
      (await call(registry, 'POST', '/v2/app/blobs/uploads/')).headers['location'] ?? '';
    const cancelled = await begin();
    await call(registry, 'PATCH', cancelled, { body: 'something' });
    assert.equal((await call(registry, 'DELETE', cancelled)).status, 204);
    assert.equal((await call(registry, 'DELETE', cancelled)).code, 'BLOB_UPLOAD_UNKNOWN');
    const wrong = await begin();
    for (const digest of ['', 'sha256:x', 'md5:0123', missing.toUpperCase()]) {
      const reply = await call(registry, 'PUT', `${wrong}?digest=${digest}`, { body: 'content' });
      assert.equal(reply.code, 'DIGEST_INVALID', digest);
    }
    const foreign = await call(registry, 'GET', wrong.replace('/app/', '/other/'));
    assert.equal(foreign.code, 'BLOB_UPLOAD_UNKNOWN');
    assert.equal(
      (await call(registry, 'PUT', `${wrong}?digest=${missing}`, { body: 'content' })).code,
      'DIGEST_INVALID',
    );
    const once = await call(registry, 'POST', `/v2/app/blobs/uploads/?digest=${missing}`, {
      body: 'content',
    });
    assert.equal(once.code, 'DIGEST_INVALID');
    assert.equal((await call(registry, 'GET', `/v2/app/blobs/${missing}`)).code, 'BLOB_UNKNOWN');
    assert.equal(registry.uploadsUnderWay, 0);
  });

  test(`${kind}: mounting, and deleting what another repository still has`, async (t) => {
    const registry = await open(t);
    const { digest } = await pushBlob(registry, 'from/here', 'shared');
    const mount = (query: string) => call(registry, 'POST', `/v2/to/there/blobs/uploads/?${query}`);
    assert.equal((await call(registry, 'GET', `/v2/to/there/blobs/${digest}`)).status, 404);
    for (const query of [
      `mount=${digest}`,
      `mount=${missing}&from=from/here`,
      `mount=${digest}&from=../here`,
      `mount=${digest}&from=no/where`,
    ]) {
      assert.equal((await mount(query)).status, 202, query);
    }
    assert.equal((await mount('mount=sha256:0&from=from/here')).code, 'DIGEST_INVALID');
    const mounted = await mount(`mount=${digest}&from=from%2Fhere`);
    assert.equal(mounted.status, 201);
    assert.equal(mounted.headers['location'], `/v2/to/there/blobs/${digest}`);
    assert.equal((await call(registry, 'DELETE', `/v2/from/here/blobs/${digest}`)).status, 202);
    assert.equal((await call(registry, 'DELETE', `/v2/from/here/blobs/${digest}`)).code, 'BLOB_UNKNOWN');
    assert.equal((await call(registry, 'GET', `/v2/from/here/blobs/${digest}`)).status, 404);
    assert.equal((await call(registry, 'GET', `/v2/to/there/blobs/${digest}`)).bytes.toString(), 'shared');
    await call(registry, 'DELETE', `/v2/to/there/blobs/${digest}`);
    assert.equal((await call(registry, 'GET', `/v2/to/there/blobs/${digest}`)).status, 404);
    await pushBlob(registry, 'to/there', 'shared');
  });

  test(`${kind}: manifests by tag and digest`, async (t) => {
    const registry = await open(t);
    await pushBlob(registry, 'app', '{}');
    const pushed = await pushManifest(registry, 'app', emptyManifest(), { reference: 'v1' });
    assert.equal(pushed.status, 201);
    assert.equal(pushed.headers['docker-content-digest'], pushed.digest);
    assert.equal(pushed.headers['location'], `/v2/app/manifests/${pushed.digest}`);
    for (const reference of ['v1', pushed.digest, pushed.digest.replace(':', '%3A')]) {
      const path = `/v2/app/manifests/${reference}`;
      const reply = await call(registry, 'GET', path);
      assert.equal(reply.bytes.toString(), JSON.stringify(emptyManifest()));
      assert.equal(reply.headers['content-type'], manifestType);
      assert.equal(reply.headers['docker-content-digest'], pushed.digest);
      const head = await call(registry, 'HEAD', path);
      assert.equal(head.headers['content-length'], String(pushed.size));
      assert.equal(head.bytes.length, 0);
      const known = { 'if-none-match': `"${pushed.digest}"` };
      assert.equal((await call(registry, 'GET', path, { headers: known })).status, 304);
      assert.equal((await call(registry, 'GET', path, { headers: { accept: indexType } })).status, 404);
      for (const accept of [`${indexType}, ${manifestType};q=0.5`, '*/*', 'application/*', '']) {
        assert.equal((await call(registry, 'GET', path, { headers: { accept } })).status, 200, accept);
      }
    }
    assert.equal((await call(registry, 'GET', '/v2/app/manifests/v2')).code, 'MANIFEST_UNKNOWN');
    assert.equal((await call(registry, 'GET', '/v2/none/manifests/v2')).code, 'NAME_UNKNOWN');
    assert.equal((await call(registry, 'HEAD', `/v2/app/manifests/${missing}`)).status, 404);

    const body = JSON.stringify(emptyManifest());
    const long = digestOf(body, 'sha512');
    const headers = { 'content-type': manifestType };
    const strong = await call(registry, 'PUT', `/v2/app/manifests/${long}?tag=a&tag=b`, { headers, body });
    assert.equal(strong.status, 201);
    assert.equal(strong.headers['oci-tag'], 'a, b');
    assert.equal((await call(registry, 'GET', '/v2/app/manifests/b')).headers['docker-content-digest'], long);
    const wrong = await call(registry, 'PUT', `/v2/app/manifests/${missing}`, { headers, body });
    assert.equal(wrong.code, 'DIGEST_INVALID');
    const many = Array.from({ length: 100 }, (_, index) => `tag=t${index}`).join('&');
    const flood = await call(registry, 'PUT', `/v2/app/manifests/${pushed.digest}?${many}`, {
      headers,
      body,
    });
    assert.equal(flood.status, 414);
  });

  test(`${kind}: what a manifest points to must be there, its subject not`, async (t) => {
    const registry = await open(t);
    const manifest = emptyManifest();
    assert.equal((await pushManifest(registry, 'app', manifest)).code, 'MANIFEST_BLOB_UNKNOWN');
    assert.equal((await call(registry, 'GET', '/v2/app/tags/list')).code, 'NAME_UNKNOWN');
    await pushBlob(registry, 'elsewhere', '{}');
    assert.equal((await pushManifest(registry, 'app', manifest)).code, 'MANIFEST_BLOB_UNKNOWN');
    await pushBlob(registry, 'app', '{}');
    const subject = { mediaType: manifestType, digest: missing, size: 7 };
    assert.equal((await pushManifest(registry, 'app', emptyManifest({ subject }))).status, 201);
    const layer = { mediaType: 'application/octet-stream', digest: missing, size: 7 };
    assert.equal(
      (await pushManifest(registry, 'app', emptyManifest({ layers: [layer] }))).code,
      'MANIFEST_BLOB_UNKNOWN',
    );
    const foreign = { ...layer, urls: ['https://example.com/layer'] };
    assert.equal((await pushManifest(registry, 'app', emptyManifest({ layers: [foreign] }))).status, 201);
    const lying = { ...emptyDescriptor, size: 3 };
    assert.equal(
      (await pushManifest(registry, 'app', emptyManifest({ config: lying }))).code,
      'MANIFEST_INVALID',
    );
    const child = await pushManifest(registry, 'app', manifest);
    const entry = { mediaType: manifestType, digest: child.digest, size: child.size };
    const index = (manifests: object[]) => ({ schemaVersion: 2, mediaType: indexType, manifests });
    const options = { mediaType: indexType, reference: 'index' };
    assert.equal((await pushManifest(registry, 'app', index([entry]), options)).status, 201);
    const broken = await pushManifest(registry, 'app', index([entry, layer]), options);
    assert.equal(broken.code, 'MANIFEST_BLOB_UNKNOWN');
    assert.equal((await pushManifest(registry, 'app', index([emptyDescriptor]), options)).status, 201);
  });

  test(`${kind}: deleting tags and manifests`, async (t) => {
    const registry = await open(t);
    await pushBlob(registry, 'app', '{}');
    const { digest } = await pushManifest(registry, 'app', emptyManifest(), { reference: 'one' });
    await pushManifest(registry, 'app', emptyManifest(), { reference: 'two' });
    const remove = (reference: string) => call(registry, 'DELETE', `/v2/app/manifests/${reference}`);
    assert.equal((await remove('one')).status, 202);
    assert.equal((await remove('one')).code, 'MANIFEST_UNKNOWN');
    assert.equal((await call(registry, 'GET', `/v2/app/manifests/${digest}`)).status, 200);
    assert.equal((await remove(digest)).status, 202);
    assert.equal((await call(registry, 'GET', '/v2/app/manifests/two')).status, 404);
    assert.deepEqual((await call(registry, 'GET', '/v2/app/tags/list')).json, { name: 'app', tags: [] });
    assert.equal((await call(registry, 'DELETE', `/v2/none/manifests/${digest}`)).code, 'NAME_UNKNOWN');
    const again = await pushManifest(registry, 'app', emptyManifest(), { reference: 'one' });
    assert.equal(again.status, 201);
    assert.equal((await call(registry, 'GET', '/v2/app/manifests/one')).status, 200);

    const locked = await open(t, { allowDelete: false });
    await pushBlob(locked, 'app', '{}');
    await pushManifest(locked, 'app', emptyManifest(), { reference: 'one' });
    for (const path of ['manifests/one', `manifests/${digest}`, `blobs/${emptyDescriptor.digest}`]) {
      const reply = await call(locked, 'DELETE', `/v2/app/${path}`);
      assert.equal(reply.status, 405, path);
      assert.equal(reply.code, 'UNSUPPORTED');
    }
    assert.equal((await call(locked, 'GET', '/v2/app/manifests/one')).status, 200);
  });

  test(`${kind}: referrers`, async (t) => {
    const registry = await open(t);
    await pushBlob(registry, 'app', '{}');
    const { digest, size } = await pushManifest(registry, 'app', emptyManifest());
    const subject = { mediaType: manifestType, digest, size };
    const list = async (query = '') => call(registry, 'GET', `/v2/app/referrers/${digest}${query}`);
    const none = await list();
    assert.equal(none.headers['content-type'], indexType);
    assert.deepEqual(none.json, { schemaVersion: 2, mediaType: indexType, manifests: [] });
    const annotations = { note: 'a <b>' };
    const typed = emptyManifest({ subject, artifactType: 'text/one', annotations });
    const first = await pushManifest(registry, 'app', typed);
    assert.equal(first.headers['oci-subject'], digest);
    const second = await pushManifest(registry, 'app', emptyManifest({ subject }), { reference: 'tagged' });
    const index = { schemaVersion: 2, mediaType: indexType, manifests: [], subject };
    const third = await pushManifest(registry, 'app', index, { mediaType: indexType });
    const expected = [
      {
        mediaType: manifestType,
        digest: first.digest,
        size: first.size,
        annotations,
        artifactType: 'text/one',
      },
      {
        mediaType: manifestType,
        digest: second.digest,
        size: second.size,
        artifactType: emptyDescriptor.mediaType,
      },
      { mediaType: indexType, digest: third.digest, size: third.size },
    ];
    assert.deepEqual((await list()).json.manifests, expected);
    await pushManifest(registry, 'app', typed);
    assert.deepEqual((await list()).json.manifests, expected, 'a second push changes nothing');
    const filtered = await list('?artifactType=text%2Fone');
    assert.deepEqual(filtered.json.manifests, expected.slice(0, 1));
    assert.equal(filtered.headers['oci-filters-applied'], 'artifactType');
    assert.equal((await list('?artifactType=other')).json.manifests.length, 0);
    await call(registry, 'DELETE', `/v2/app/manifests/${first.digest}`);
    assert.deepEqual((await list()).json.manifests, expected.slice(1));
    const elsewhere = await call(registry, 'GET', `/v2/none/referrers/${digest}`);
    assert.equal(elsewhere.status, 200, 'never 404: clients would turn to the fallback tag');
    assert.equal((await call(registry, 'GET', '/v2/app/referrers/sha256:x')).code, 'DIGEST_INVALID');
  });

  test(`${kind}: without the referrers API`, async (t) => {
    const registry = await open(t, { referrers: false });
    await pushBlob(registry, 'app', '{}');
    const subject = { mediaType: manifestType, digest: missing, size: 7 };
    const pushed = await pushManifest(registry, 'app', emptyManifest({ subject }));
    assert.equal(pushed.status, 201);
    assert.equal(pushed.headers['oci-subject'], undefined);
    assert.equal((await call(registry, 'GET', `/v2/app/referrers/${missing}`)).status, 404);
  });

  test(`${kind}: tags and repositories page by page`, async (t) => {
    const registry = await open(t);
    await pushBlob(registry, 'b/app', '{}');
    await pushBlob(registry, 'a', '{}');
    for (const reference of ['v10', 'V1', 'v1', '_x', 'latest']) {
      await pushManifest(registry, 'b/app', emptyManifest(), { reference });
    }
    const tags = ['V1', '_x', 'latest', 'v1', 'v10'];
    const list = (query: string) => call(registry, 'GET', `/v2/b/app/tags/list${query}`);
    assert.deepEqual((await list('')).json, { name: 'b/app', tags });
    assert.equal((await list('')).headers['link'], undefined);
    const page = await list('?n=2');
    assert.deepEqual(page.json.tags, tags.slice(0, 2));
    const link = page.headers['link'] ?? '';
    assert.equal(link, '</v2/b/app/tags/list?n=2&last=_x>; rel="next"');
    assert.deepEqual((await list('?n=2&last=_x')).json.tags, tags.slice(2, 4));
    assert.equal((await list('?n=3&last=_x')).headers['link'], undefined);
    assert.deepEqual((await list('?last=latest')).json.tags, tags.slice(3));
    assert.deepEqual((await list('?last=not-there')).json.tags, tags.slice(3));
    const zero = await list('?n=0');
    assert.deepEqual(zero.json.tags, []);
    assert.equal(zero.headers['link'], undefined);
    assert.equal((await list('?n=-1')).status, 400);
    assert.deepEqual((await call(registry, 'GET', '/v2/_catalog')).json, { repositories: ['a', 'b/app'] });
    const first = await call(registry, 'GET', '/v2/_catalog?n=1');
    assert.deepEqual(first.json, { repositories: ['a'] });
    assert.equal(first.headers['link'], '</v2/_catalog?n=1&last=a>; rel="next"');
  });

  test(`${kind}: conditional pushes: of 20 writers of one tag exactly one wins each round`, async (t) => {
    const registry = await open(t);
    await pushBlob(registry, 'app', '{}');
    const push = (number: number, headers: Record<string, string>) =>
      pushManifest(registry, 'app', emptyManifest({ annotations: { number: String(number) } }), {
        reference: 'list',
        headers,
      });
    const round = async (headers: Record<string, string>, from: number): Promise<string> => {
      const replies = await Promise.all(
        Array.from({ length: 20 }, (_, index) => push(from + index, headers)),
      );
      const winners = replies.filter(({ status }) => status === 201);
      assert.equal(winners.length, 1);
      assert.equal(replies.filter(({ status }) => status === 412).length, 19);
      return winners[0]?.headers['etag'] ?? '';
    };
    assert.equal((await push(0, { 'if-match': '"x"' })).status, 412);
    const etag = await round({ 'if-none-match': '*' }, 100);
    const next = await round({ 'if-match': etag }, 200);
    const current = await call(registry, 'GET', '/v2/app/manifests/list');
    assert.equal(current.headers['etag'], next);
  });

  test(`${kind}: two uploads of one blob at once, and deletes in between`, async (t) => {
    const registry = await open(t);
    const content = randomBytes(500_000);
    const digest = digestOf(content);
    await Promise.all(['app', 'app', 'other'].map((name) => pushBlob(registry, name, content)));
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        pushBlob(registry, 'other', content),
        call(registry, 'DELETE', `/v2/app/blobs/${digest}`),
        pushBlob(registry, 'third', content),
        call(registry, 'DELETE', `/v2/other/blobs/${digest}`),
      ]);
      assert.deepEqual((await call(registry, 'GET', `/v2/third/blobs/${digest}`)).bytes, content);
      await call(registry, 'DELETE', `/v2/third/blobs/${digest}`);
      await pushBlob(registry, 'app', content);
    }
    assert.equal(registry.uploadsUnderWay, 0);
  });
}

test('folder: what was there is there again after a restart, in the same order', async (t) => {
  const folder = await temporaryDirectory(t);
  const before = createEmbeddedRegistry({ storage: folderStorage(folder) });
  await pushBlob(before, 'acme/app', '{}');
  const { digest } = await pushManifest(before, 'acme/app', emptyManifest(), { reference: 'V1' });
  await pushManifest(before, 'acme/app', emptyManifest({ annotations: { other: '' } }), { reference: 'v1' });
  const subject = { mediaType: manifestType, digest, size: 1 };
  for (let index = 0; index < 20; index++) {
    await pushManifest(before, 'acme/app', emptyManifest({ subject, annotations: { index: String(index) } }));
  }
  const unfinished = await call(before, 'POST', '/v2/acme/app/blobs/uploads/');
  await call(before, 'PATCH', unfinished.headers['location'] ?? '', { body: 'partial' });
  const paths = ['tags/list', 'manifests/V1', 'manifests/v1', `referrers/${digest}`];
  const ask = (registry: RegistryServer) =>
    Promise.all(paths.map(async (path) => (await call(registry, 'GET', `/v2/acme/app/${path}`)).bytes));
  const expected = await ask(before);
  await before.close();

  const after = createEmbeddedRegistry({ storage: folderStorage(folder) });
  t.after(() => after.close());
  assert.deepEqual(await ask(after), expected);
  assert.deepEqual((await call(after, 'GET', '/v2/_catalog')).json, { repositories: ['acme/app'] });
  const more = await pushManifest(after, 'acme/app', emptyManifest({ subject }));
  const listed = (await call(after, 'GET', `/v2/acme/app/referrers/${digest}`)).json.manifests;
  assert.equal(listed.length, 21);
  assert.equal(listed.at(-1).digest, more.digest);
  assert.deepEqual(await readdir(join(folder, 'uploads')), []);
});

test('fetch answers standard requests', async (t) => {
  const registry = createEmbeddedRegistry();
  t.after(() => registry.close());
  const content = randomBytes(2_500_000);
  const digest = digestOf(content);
  const uploads = 'http://registry.test/v2/app/blobs/uploads/';
  const pushed = await registry.fetch(
    new Request(`${uploads}?digest=${digest}`, { method: 'POST', body: content }),
  );
  assert.equal(pushed.status, 201);
  const url = `http://registry.test/v2/app/blobs/${digest}`;
  const got = await registry.fetch(new Request(url));
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), content);
  const head = await registry.fetch(new Request(url, { method: 'HEAD' }));
  assert.equal(head.headers.get('content-length'), String(content.length));
  assert.equal(head.body, null);
});
