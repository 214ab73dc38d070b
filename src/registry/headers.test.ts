/** What is read from headers: challenges, links, waiting times; and what is judged by names of hosts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inProcessRuntime, respond } from '../../test/support/in-process.ts';
import { backoff, classifyFailure, parseRetryAfter } from '../core/backoff.ts';
import { isBoltsealError } from '../core/errors.ts';
import { hostKind } from '../core/host-kind.ts';
import { printable } from '../core/printable.ts';
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

test('Retry-After, and waiting', () => {
  const now = new Date('2026-11-22T08:00:00Z');
  assert.equal(parseRetryAfter('3', now), 3000);
  assert.equal(parseRetryAfter('Sun, 22 Nov 2026 08:00:05 GMT', now), 5000);
  assert.equal(parseRetryAfter('Sun, 22 Nov 2026 07:00:00 GMT', now), 0);
  for (const bad of ['', '-1', '1.5', 'soon', '2026-11-22', '99999999999'])
    assert.equal(parseRetryAfter(bad, now), undefined);
  const runtime = inProcessRuntime(async () => respond({ status: 200 }));
  for (let attempt = 0; attempt < 40; attempt++) {
    const wait = backoff(runtime, attempt, null);
    assert.ok(wait >= 50 && wait <= 8000, String(wait));
  }
});

test('failures are sorted by code, also below a cause', () => {
  const failure = (code: string): Error => Object.assign(new Error('x'), { code });
  assert.equal(classifyFailure(failure('CERT_HAS_EXPIRED')), 'tls');
  assert.equal(
    classifyFailure(new TypeError('fetch failed', { cause: failure('SELF_SIGNED_CERT_IN_CHAIN') })),
    'tls',
  );
  assert.equal(classifyFailure(failure('ERR_SSL_WRONG_VERSION_NUMBER')), 'protocol');
  assert.equal(classifyFailure(failure('EPROTO')), 'protocol');
  assert.equal(classifyFailure(failure('HPE_INVALID_CONSTANT')), 'protocol');
  assert.equal(classifyFailure(failure('ENOTFOUND')), 'unreachable');
  assert.equal(classifyFailure(failure('ECONNRESET')), 'broken');
  assert.equal(classifyFailure('x'), 'broken');
});

test('how far away hosts are', () => {
  const kinds = {
    loopback: [
      'localhost',
      'a.localhost',
      '127.0.0.1',
      '127.255.0.1',
      '[::1]',
      '[::ffff:7f00:1]',
      'localhost.',
    ],
    private: [
      ...[
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '169.254.169.254',
        '100.64.0.1',
        '0.0.0.0',
      ],
      ...[
        '[fd00::1]',
        '[fe80::1]',
        '[::]',
        '[::ffff:a00:1]',
        '[64:ff9b::a00:1]',
        '224.0.0.1',
        '255.255.255.255',
      ],
      ...['registry', 'metadata.google.internal', 'x.local', 'x.svc', 'a.home.arpa'],
    ],
    public: [
      'ghcr.io',
      '8.8.8.8',
      '172.32.0.1',
      '[2606:4700::1111]',
      '[::ffff:808:808]',
      '127.0.0.1.nip.io',
      'locahost.com',
    ],
  };
  for (const [kind, hosts] of Object.entries(kinds)) {
    for (const host of hosts) assert.equal(hostKind(new URL(`http://${host}`).hostname), kind, host);
  }
  assert.equal(apiAuthority('index.docker.io'), 'registry-1.docker.io');
  assert.deepEqual(schemesFor('10.0.0.1', {}), ['https']);
  assert.deepEqual(schemesFor('a.localhost', {}), ['https']);
});

test('text of registries is made fit for a line', () => {
  assert.equal(printable('a\nb\x1b[31mc\u202ed'), 'a b [31mc d');
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.equal(printable(`no ${digest}`), `no ${digest}`);
  assert.equal(printable(`token ${'eyJ'.repeat(30)}`), 'token …');
  assert.ok(printable('x y '.repeat(500)).length <= 300);
});
