import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isTag } from '../../formats/reference.ts';
import { Refusal } from './refusal.ts';
import { isRepositoryName, parseRoute, parseTarget } from './routes.ts';

const digest = `sha256:${'a'.repeat(64)}` as const;

test('every path is a valid route or a refusal', () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'v2',
      'blobs',
      'uploads',
      'manifests',
      'tags',
      'list',
      'referrers',
      digest,
      '..',
      '%2e',
      'a',
    ),
  );
  const url = fc.array(part).map((parts) => `http://h/v2/${parts.join('/')}`);
  fc.assert(
    fc.property(fc.oneof(url, fc.string()), (text) => {
      try {
        const route = parseRoute(parseTarget(text).path);
        if ('name' in route) assert.ok(isRepositoryName(route.name));
        if (route.kind === 'manifest' && route.reference.tag !== undefined) {
          assert.ok(isTag(route.reference.tag));
        }
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

test('every repository and every reference comes back out of its path', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,5}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,5}){0,3}$/);
  const names = fc
    .array(fc.oneof(word, fc.constantFrom('blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers')), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.join('/'));
  fc.assert(
    fc.property(names, fc.stringMatching(/^\w[\w.-]{0,127}$/), (name, tag) => {
      const route = (path: string) => parseRoute(parseTarget(`http://h/v2/${name}/${path}`).path);
      assert.deepEqual(route(`manifests/${tag}`), { kind: 'manifest', name, reference: { tag } });
      assert.deepEqual(route(`manifests/${encodeURIComponent(digest)}`), {
        kind: 'manifest',
        name,
        reference: { digest },
      });
      assert.deepEqual(route(`blobs/${digest}`), { kind: 'blob', name, digest });
      assert.deepEqual(route(`referrers/${digest}`), { kind: 'referrers', name, digest });
      assert.deepEqual(route('tags/list'), { kind: 'tags', name });
      assert.deepEqual(route('blobs/uploads/'), { kind: 'uploads', name });
      const session = '01234567-89ab-4def-8123-456789abcdef';
      assert.deepEqual(route(`blobs/uploads/${session}`), { kind: 'upload', name, session });
    }),
  );
});

test('targets: query, fragment, no path, no host', () => {
  assert.equal(parseTarget('http://h').path, '/');
  assert.equal(parseTarget('/v2/?a=b').path, '/v2/');
  assert.equal(parseTarget('http://h/v2/?a=b#c').query.get('a'), 'b');
  assert.equal(parseTarget('http://h/v2/#c').path, '/v2/');
});

test('names that take long to refuse do not', () => {
  const started = performance.now();
  for (const name of ['a'.repeat(239), 'a-'.repeat(119), '-'.repeat(240), 'a__'.repeat(80)]) {
    for (let index = 0; index < 100; index++) isRepositoryName(`${name}!`);
  }
  assert.ok(performance.now() - started < 1_000);
});
