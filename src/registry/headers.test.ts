/** What is read from headers: challenges and links; and what is judged by names of registries. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { parseChallenges } from './challenge.ts';
import { nextPage } from './link.ts';
import { apiAuthority, schemesFor } from './origin.ts';

const challenges = (header: string): unknown =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test('challenges, one and several, with commas everywhere', () => {
  assert.deepEqual(
    challenges('Bearer realm="https://a.example/token",service="x, y",scope="repository:a/b:pull,push"'),
    [['bearer', { realm: 'https://a.example/token', service: 'x, y', scope: 'repository:a/b:pull,push' }]],
  );
  assert.deepEqual(
    challenges('Negotiate, NTLM abc==, Basic realm="a \\"b\\"" , bearer Realm=https://x/y , error = "e"'),
    [
      ['negotiate', {}],
      ['ntlm', {}],
      ['basic', { realm: 'a "b"' }],
      ['bearer', { realm: 'https://x/y', error: 'e' }],
    ],
  );
  assert.deepEqual(challenges(''), []);
  assert.deepEqual(challenges(', ,Basic'), [['basic', {}]]);
  for (const bad of [
    'Bearer realm="x',
    'Bearer realm="a",realm="b"',
    '"x"',
    'Bearer realm="a" "b"',
    'x'.repeat(20_000),
  ]) {
    assert.throws(
      () => challenges(bad),
      (error) => isBoltsealError(error, 'ERR_REGISTRY_RESPONSE'),
      bad.slice(0, 40),
    );
  }
});

test('any header is challenges or our error; what is written is read back', () => {
  const alphabet = fc.string({ unit: fc.constantFrom(...'Basic realm="\\",= \tx1:/') });
  fc.assert(
    fc.property(alphabet, (header) => {
      try {
        parseChallenges(header);
      } catch (error) {
        if (!isBoltsealError(error)) throw error;
      }
    }),
  );
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,6}$/);
  const quoted = fc.string({ unit: 'binary-ascii', maxLength: 20 });
  const list = fc.array(fc.tuple(name, fc.dictionary(name, quoted, { minKeys: 1, maxKeys: 4 })), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(list, (written) => {
      const header = written.map(([scheme, parameters]) => {
        const parts = Object.entries(parameters).map(
          ([key, value]) => `${key}="${value.replace(/[\\"]/g, '\\$&')}"`,
        );
        return `${scheme} ${parts.join(', ')}`;
      });
      assert.deepEqual(
        challenges(header.join(', ')),
        written.map(([scheme, parameters]) => [scheme, { ...parameters }]),
      );
    }),
  );
});

test('links to the next page', () => {
  const current = new URL('https://r.example/v2/a/tags/list?n=2');
  const next = (link: string | null): string | undefined => nextPage(link, current, 'x')?.href;
  assert.equal(next(null), undefined);
  assert.equal(
    next('</v2/a/tags/list?n=2&last=b>; rel="next"'),
    'https://r.example/v2/a/tags/list?n=2&last=b',
  );
  assert.equal(next('<?last=b>; title="x"; rel=next'), 'https://r.example/v2/a/tags/list?last=b');
  assert.equal(next('<?a>; rel="prev", <?b>; rel="last next"'), 'https://r.example/v2/a/tags/list?b');
  assert.equal(
    next('<http://other.example/v2/a/tags/list?c>; rel=next'),
    'https://r.example/v2/a/tags/list?c',
  );
  assert.equal(next('<?a>; rel="prev"'), undefined);
  assert.equal(next('nonsense'), undefined);
  for (const bad of ['</v2/b/tags/list>; rel=next', '<https://evil.example/>; rel=next']) {
    assert.throws(
      () => next(bad),
      (error) => isBoltsealError(error, 'ERR_REGISTRY_RESPONSE'),
    );
  }
});

test('where a registry is, and how it is spoken to', () => {
  assert.equal(apiAuthority('index.docker.io'), 'registry-1.docker.io');
  assert.deepEqual(schemesFor('10.0.0.1', {}), ['https']);
  assert.deepEqual(schemesFor('a.localhost', {}), ['https']);
});
