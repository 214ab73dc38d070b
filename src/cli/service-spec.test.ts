import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BoltsealError, isBoltsealError } from '../core/errors.ts';
import { parseSpec, specPeriod, specUrl } from './service-spec.ts';

const keys = { required: ['url', 'start-time'], optional: ['end-time'] } as const;
const usage = (error: unknown): boolean => isBoltsealError(error, 'ERR_USAGE');

describe('a service in words', () => {
  it('has parts in any order', () => {
    assert.deepEqual(parseSpec(' end-time = b ,url=https://a?x=y, start-time=a', '--rekor', keys), {
      'end-time': 'b',
      url: 'https://a?x=y',
      'start-time': 'a',
    });
    assert.deepEqual(parseSpec('url=a,start-time=b,end-time=', '--rekor', keys), {
      url: 'a',
      'start-time': 'b',
    });
  });

  for (const text of [
    '',
    'url',
    'url=a',
    'url=,start-time=b',
    'url=a,start-time=b,',
    'url=a,start-time=b,URL=c',
    'url=a,start-time=b,origin=c',
    'url=a,url=a,start-time=b',
    'url=a,start-time=b,__proto__=c',
  ]) {
    it(`${text}_fail`, () => assert.throws(() => parseSpec(text, '--rekor', keys), usage));
  }

  it('is read or refused, and never anything else', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('url', '=', ',', 'start-time', 'end-time', ' ', 'a') }),
        (text) => {
          try {
            const spec = parseSpec(text, '--rekor', keys);
            assert.ok(spec.url !== '' && spec['start-time'] !== '' && spec['end-time'] !== '');
          } catch (error) {
            assert.ok(error instanceof BoltsealError && error.code === 'ERR_USAGE', String(error));
          }
        },
      ),
    );
  });

  it('has a period to the millisecond', () => {
    assert.deepEqual(specPeriod('2026-01-01T01:00:00+01:00', '2027-01-01T00:00:00.5000Z', '--rekor'), {
      start: new Date('2026-01-01T00:00:00Z'),
      end: new Date('2027-01-01T00:00:00.500Z'),
    });
    assert.deepEqual(specPeriod(undefined, undefined, '--rekor'), {});
  });

  for (const [start, end] of [
    ['2026-01-01', undefined],
    ['2026-02-30T00:00:00Z', undefined],
    ['2026-01-01T00:00:00', undefined],
    ['2026-01-01 00:00:00Z', undefined],
    ['2026-01-01T00:00:00.1234Z', undefined],
    ['2026-01-01T00:00:00Z', '2025-01-01T00:00:00Z'],
  ] as const) {
    it(`${start} to ${end}_fail`, () => assert.throws(() => specPeriod(start, end, '--rekor'), usage));
  }

  it('has a URL of http or https', () => {
    for (const url of ['https://a', 'http://127.0.0.1:1/x']) assert.equal(specUrl(url, '--rekor'), url);
    for (const url of ['a', 'ftp://a', 'https://', 'https:///a', 'https://a b']) {
      assert.throws(() => specUrl(url, '--rekor'), usage, url);
    }
  });
});
