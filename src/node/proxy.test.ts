import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBoltsealError } from '../core/errors.ts';
import { proxyFor } from './proxy.ts';

const env = { HTTP_PROXY: 'http://plain.example:3128', HTTPS_PROXY: 'http://secure.example:3129' };
const through = (url: string, variables: Readonly<Record<string, string>>): string | undefined => {
  const proxy = proxyFor(new URL(url), variables);
  return proxy && `${proxy.host}:${proxy.port}`;
};

test('by scheme, in both spellings, the upper-case one first', () => {
  assert.equal(through('http://r.example/', env), 'plain.example:3128');
  assert.equal(through('https://r.example/', env), 'secure.example:3129');
  assert.equal(through('https://r.example/', { https_proxy: 'lower.example:1' }), 'lower.example:1');
  assert.equal(
    through('https://r.example/', { ...env, https_proxy: 'lower.example:1' }),
    'secure.example:3129',
  );
  assert.equal(through('https://r.example/', {}), undefined);
  assert.equal(through('https://r.example/', { HTTPS_PROXY: '' }), undefined);
  assert.equal(through('http://r.example/', { ...env, REQUEST_METHOD: 'GET' }), undefined);
  assert.equal(through('https://r.example/', { HTTPS_PROXY: 'https://[::1]' }), '::1:443');
});

test('never for loopback, nor for what NO_PROXY names', () => {
  for (const host of ['localhost', 'a.localhost', '127.0.0.1', '127.1.2.3', '[::1]']) {
    assert.equal(through(`https://${host}:5000/`, env), undefined, host);
  }
  assert.equal(through('http://169.254.169.254/computeMetadata/', env), undefined);
  assert.equal(through('http://169.255.169.254/', env), 'plain.example:3128');
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['*', 'https://r.example/', true],
    ['example', 'https://r.example/', true],
    ['r.example', 'https://r.example/', true],
    ['r.example', 'https://x.r.example/', true],
    ['r.example', 'https://xr.example/', false],
    ['.r.example', 'https://r.example/', false],
    ['.r.example', 'https://x.r.example/', true],
    ['*.r.example', 'https://x.r.example/', true],
    ['r.example:443', 'https://r.example/', true],
    ['r.example:8443', 'https://r.example/', false],
    ['r.example:8443', 'https://r.example:8443/', true],
    ['a.example, R.EXAMPLE', 'https://r.example/', true],
    ['10.0.0.0/8', 'https://10.9.8.7/', true],
    ['10.0.0.0/8', 'https://11.9.8.7/', false],
    ['10.0.0.0/99', 'https://10.9.8.7/', false],
    ['fd00::/8', 'https://[fd12::1]/', true],
    ['[fd12::1]:443', 'https://[fd12::1]/', true],
    ['10.0.0.1', 'https://10.0.0.1/', true],
    ['0.0.1', 'https://10.0.0.1/', false],
    ['', 'https://r.example/', false],
  ];
  for (const [noProxy, url, isExempt] of cases) {
    assert.equal(through(url, { ...env, NO_PROXY: noProxy }) === undefined, isExempt, `${noProxy} ${url}`);
    assert.equal(through(url, { ...env, no_proxy: noProxy }) === undefined, isExempt, `${noProxy} ${url}`);
  }
});

test('credentials of the proxy, and settings that are none', () => {
  const proxy = proxyFor(new URL('https://r.example/'), { HTTPS_PROXY: 'http://us%40er:p%3Aw@p.example:1' });
  assert.equal(proxy?.authorization, `Basic ${Buffer.from('us@er:p:w').toString('base64')}`);
  for (const HTTPS_PROXY of ['socks5://user:s3cret@p.example', 'http://', 'http://s3cret:s3cret@[']) {
    assert.throws(
      () => proxyFor(new URL('https://r.example/'), { HTTPS_PROXY }),
      (error) => isBoltsealError(error, 'ERR_USAGE') && !error.message.includes('s3cret'),
    );
  }
});
