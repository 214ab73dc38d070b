import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inProcessRuntime, respond } from '../../test/support/in-process.ts';
import { backoff, classifyFailure, isRetryStatus, parseRetryAfter } from './backoff.ts';

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

test('statuses that may become another one', () => {
  for (const status of [408, 429, 500, 502, 503, 504, 507]) assert.ok(isRetryStatus(status));
  for (const status of [200, 201, 301, 400, 401, 403, 404, 409, 422, 501, 505])
    assert.ok(!isRetryStatus(status));
});
