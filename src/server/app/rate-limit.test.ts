import assert from 'node:assert/strict';
import test from 'node:test';
import { ServiceRefusal } from '../http/service.ts';
import { addressGroup, admitCertificates, createRateLimiter } from './rate-limit.ts';

function clock() {
  let time = 0;
  return {
    monotonic: () => time,
    pass(milliseconds: number): void {
      time += milliseconds;
    },
  };
}

test('a key has so many in a minute, and others are not touched', () => {
  const time = clock();
  const limiter = createRateLimiter(time, 60, 10);
  for (let n = 0; n < 60; n++) assert.equal(limiter.take('a'), 0);
  assert.equal(limiter.take('a'), 1_000);
  assert.equal(limiter.take('b'), 0);
  time.pass(400);
  assert.equal(limiter.take('a'), 600);
  time.pass(600);
  assert.equal(limiter.take('a'), 0);
  assert.notEqual(limiter.take('a'), 0);
  time.pass(3_600_000);
  for (let n = 0; n < 60; n++) assert.equal(limiter.take('a'), 0);
  assert.notEqual(limiter.take('a'), 0);
});

test('memory is bounded, and who was quiet the longest is forgotten', () => {
  const limiter = createRateLimiter(clock(), 1, 3);
  for (const key of ['a', 'b', 'c']) limiter.take(key);
  assert.notEqual(limiter.take('a'), 0);
  for (let n = 0; n < 2; n++) limiter.take(`x${n}`);
  assert.equal(limiter.size, 3);
  assert.notEqual(limiter.take('a'), 0);
  for (let n = 0; n < 10_000; n++) limiter.take(`y${n}`);
  assert.equal(limiter.size, 3);
});

test('a subject of an issuer is told to wait_fail', () => {
  const admit = admitCertificates(clock(), 2);
  const subject = { issuer: 'https://a.example', identity: 'a@example.com' };
  admit(subject);
  admit(subject);
  assert.throws(
    () => admit(subject),
    (error) =>
      error instanceof ServiceRefusal && error.status === 429 && error.headers['retry-after'] === '30',
  );
  admit({ ...subject, issuer: 'https://b.example' });
  const free = admitCertificates(clock(), 0);
  for (let n = 0; n < 1_000; n++) free(subject);
});

test('an IPv6 client is its network', () => {
  for (const [address, group] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['1::', '1:0:0:0'],
  ] as const) {
    assert.equal(addressGroup(address), group, address);
  }
});
