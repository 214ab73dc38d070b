import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { answerService, splitTarget } from '../../../test/support/answer-service.ts';
import { utf8 } from '../../core/encoding.ts';
import type { HttpResponse } from '../../core/http.ts';
import { createTufService } from './service.ts';
import type { TufFile } from './tuf-repository.ts';

const hash = 'ab'.repeat(32);
const files = new Map<string, TufFile>([
  ['1.root.json', { bytes: utf8('root'), isImmutable: true }],
  ['7.snapshot.json', { bytes: utf8('snapshot'), isImmutable: true }],
  ['timestamp.json', { bytes: utf8('timestamp'), isImmutable: false }],
  [`targets/${hash}.trusted_root.json`, { bytes: utf8('{}'), isImmutable: true }],
  [`targets/${hash}.rekor.pub`, { bytes: utf8('key'), isImmutable: true }],
]);
const asked: string[] = [];
const service = createTufService({
  async find(name) {
    asked.push(name);
    return files.get(name);
  },
});

async function get(path: string, method = 'GET'): Promise<HttpResponse> {
  const { path: below, query } = splitTarget(`http://tuf.test${path}`);
  const request = {
    method,
    url: path,
    headers: { get: () => null },
    body: null,
    signal: new AbortController().signal,
  };
  return await answerService(service, request, below, query);
}

const textOf = ({ body }: HttpResponse): string => {
  assert.ok(body instanceof Uint8Array);
  return Buffer.from(body).toString();
};

describe('the TUF service', () => {
  it('serves what the repository has', async () => {
    for (const [name, { bytes, isImmutable }] of files) {
      const response = await get(`/${name}`);
      assert.equal(response.status, 200);
      assert.equal(textOf(response), Buffer.from(bytes).toString());
      assert.match(String(response.headers['cache-control']), isImmutable ? /immutable/ : /no-cache/);
      assert.equal(response.headers['content-length'], String(bytes.length));
    }
    assert.equal((await get('/1.root.json')).headers['content-type'], 'application/json');
    assert.equal((await get(`/targets/${hash}.rekor.pub`)).headers['content-type'], 'application/x-pem-file');
    const head = await get('/timestamp.json', 'HEAD');
    assert.deepEqual([head.status, head.body], [200, null]);
  });

  it('answers 404, which nobody may cache, for the root that does not exist yet', async () => {
    const response = await get('/2.root.json');
    assert.equal(response.status, 404);
    assert.match(String(response.headers['cache-control']), /no-store/);
  });

  for (const path of [
    '/',
    '//',
    '/..',
    '/../1.root.json',
    '/%2e%2e/1.root.json',
    '/..%2f1.root.json',
    '/%2e%2e%2f1.root.json',
    '/./1.root.json',
    '/targets',
    '/targets/',
    '/targets/..%2F1.root.json',
    '/targets/../1.root.json',
    `/targets/%2e%2e/targets/${hash}.rekor.pub`,
    `/targets%2F${hash}.rekor.pub/x`,
    `/targets//${hash}.rekor.pub`,
    '/targets/rekor.pub',
    '/state.json',
    '/root.json',
    '/%00',
    '/%',
    '/%ff',
    '/1.root.json/',
    '/__proto__',
    '/constructor',
  ]) {
    it(`path ${path}_fail`, async () => {
      assert.equal((await get(path)).status, 404);
    });
  }

  it('takes no other method', async () => {
    for (const method of ['POST', 'PUT', 'DELETE'])
      assert.equal((await get('/1.root.json', method)).status, 405);
  });

  it('gives whatever is asked for to the repository’s own index and to nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.webPath(), async (path) => {
        const response = await get(path === '' ? '/' : path);
        assert.ok(response.status === 404 || files.has(path.slice(1)));
      }),
      { numRuns: 300 },
    );
    assert.ok(asked.length > 0);
  });

  it('tells nothing of what it does not expect', async () => {
    const broken = createTufService({
      async find() {
        throw new Error('secret path');
      },
    });
    const response = broken.refuse(new Error('secret path'));
    assert.equal(response.status, 500);
    assert.doesNotMatch(textOf(response), /secret/);
  });
});
