import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isBoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { openPattern } from './pattern.ts';

const matches = (pattern: string, text: string): boolean => openPattern(pattern).matches(text);

function refused(pattern: string): string {
  try {
    openPattern(pattern);
  } catch (error) {
    assert.ok(isBoltsealError(error, 'ERR_USAGE'));
    return error.hint ?? '';
  }
  return assert.fail(`${pattern} must be refused`);
}

describe('a pattern', () => {
  const cases: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ['^abc$', ['abc'], ['', 'ab', 'abcd', 'xabc', 'abc\n', 'ABC']],
    ['^$', [''], ['x']],
    ['^.*$', ['', 'x', 'é😀'], ['a\nb']],
    ['^(?s).*$', ['a\nb'], []],
    ['^a.c$', ['abc', 'a😀c'], ['ac', 'a\nc', 'abbc']],
    ['^[^@]+@example\\.com$', ['dev@example.com'], ['@example.com', 'a@b@example.com', 'dev@exampleXcom']],
    ['^(?:a|bc)d$', ['ad', 'bcd'], ['abcd', 'd']],
    ['^(a|bc)$', ['a', 'bc'], ['abc']],
    ['(?:^a$|^b$)', ['a', 'b'], ['ab']],
    ['^a$|^b$', ['a', 'b'], ['ab']],
    ['^(?P<name>a)(?<other>b)$', ['ab'], ['a']],
    ['^a{2}b{1,2}c{2,}$', ['aabcc', 'aabbccc'], ['abcc', 'aabbbcc', 'aabc']],
    ['^a{0}$', [''], ['a']],
    ['^a{,2}$', ['a{,2}'], ['aa']],
    ['^{}x{y$', ['{}x{y'], []],
    ['^a??b*?c+?$', ['c', 'abbcc'], ['ab']],
    ['^(?i)ab[c-e]$', ['ABD', 'abc'], ['abf']],
    ['^(?i:A)b$', ['ab', 'Ab'], ['AB']],
    ['^(?i)a(?-i)b$', ['Ab'], ['AB']],
    ['^((?i)a)b$', ['Ab'], ['AB']],
    ['^(?i)é$', ['É'], ['e']],
    ['^\\d\\D\\w\\W\\s\\S$', ['1x_- y'], ['x1_- y']],
    ['^[\\d\\s]+$', ['1 2'], ['a']],
    ['^[^\\d]$', ['x'], ['1']],
    ['^[]a]$', [']', 'a'], ['b']],
    ['^[^]a]$', ['b'], [']', 'a']],
    ['^[a-]$', ['a', '-'], ['b']],
    ['^[-a]$', ['a', '-'], ['b']],
    ['^[[:alpha:]][[:^digit:]][[:xdigit:]]$', ['azF'], ['1zF', 'a1F', 'azg']],
    ['^\\x41\\x{1F600}\\t\\n\\r\\f\\v\\a$', ['A😀\t\n\r\f\v\x07'], ['A']],
    ['\\Aa\\z', ['a'], ['ab']],
    ['^\\.\\-\\/\\@\\_\\:$', ['.-/@_:'], ['x-/@_:']],
    ['^(a*)*(b+)+$', ['b', 'aabb'], ['a']],
    ['^()$', [''], ['a']],
    ['^(|a)+$', ['', 'a', 'aa'], ['b']],
    ['^[\\x{10000}-\\x{10FFFF}]$', ['😀'], ['x']],
  ];
  for (const [pattern, yes, no] of cases) {
    it(pattern, () => {
      for (const text of yes) assert.equal(matches(pattern, text), true, JSON.stringify(text));
      for (const text of no) assert.equal(matches(pattern, text), false, JSON.stringify(text));
    });
  }

  it('is refused when it is not anchored at both ends, and the anchored spelling is shown', () => {
    for (const pattern of [
      'abc',
      '^abc',
      'abc$',
      '^a|b$',
      '(^a|b)$',
      'a^b$',
      '^a$b',
      '.*',
      '',
      '(?:^a)?b$',
      '^ab\\$',
    ]) {
      assert.ok(refused(pattern).includes(`^(?:${pattern})$`), pattern);
      // The spelling that is shown is one that is taken.
      openPattern(`^(?:${pattern})$`);
    }
  });

  it('is refused when it is malformed or not supported', () => {
    const wrong = [
      '(',
      ')',
      '(a',
      'a)',
      '[',
      '[a',
      '[]',
      '[z-a]',
      '*',
      '+a',
      '?',
      'a**',
      'a+*',
      'a{2}{3}',
      '(?=a)',
    ];
    wrong.push(
      '(?!a)',
      '(?<=a)',
      '(?<!a)',
      '\\1',
      '(?m)a',
      '(?U)a',
      '(?',
      '(?P<a',
      '\\',
      '\\b',
      '\\B',
      '\\Qa\\E',
    );
    wrong.push(
      '\\pL',
      '\\p{L}',
      '\\x',
      '\\x{110000}',
      '[[:nope:]]',
      'a{1001}',
      'a{2,1}',
      '(?--i)a',
      '\\é',
      '\\8',
    );
    for (const pattern of wrong) refused(`^${pattern}$`);
  });

  it('is refused when it is too long, too deep, or repeats too much', () => {
    refused(`^${'a'.repeat(limits.identityPatternLength)}$`);
    refused(`^${'('.repeat(200)}a${')'.repeat(200)}$`);
    refused('^((a{100}){100}){100}$');
    openPattern('^(((){1000}){1000}){1000}$');
    assert.throws(
      () => matches('^.*$', 'x'.repeat(limits.identityLength + 1)),
      (error) => isBoltsealError(error, 'ERR_LIMIT_EXCEEDED'),
    );
  });

  it('takes no longer than its length allows, however it is written', () => {
    const text = `${'a'.repeat(limits.identityLength - 1)}!`;
    for (const pattern of [
      '^(a+)+$',
      '^(a|a)*$',
      '^(a|aa)+$',
      '^(.*)*x$',
      '^(a?){200}a{200}$',
      '^(([a-z])+.)+[A-Z]$',
    ]) {
      const start = process.cpuUsage();
      assert.equal(matches(pattern, text), false);
      const { user } = process.cpuUsage(start);
      // A backtracking engine would be at it until the end of the universe.
      assert.ok(user < 3_000_000, `${pattern} took ${user} µs`);
    }
  });

  it('says what the engine of JavaScript says, where both know the syntax', () => {
    const literal = fc.constantFrom(
      'a',
      'b',
      'A',
      '-',
      '\\.',
      '\\d',
      '\\w',
      '[ab]',
      '[^a]',
      '[a-c\\d]',
      '.',
      '',
    );
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4 },
        literal,
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `${a}${b}`),
        fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
        fc
          .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}', '*?'))
          .map(([a, count]) => `(${a})${count}`),
      ),
    }));
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'A', '-', '.', '1', '_', 'é', '\n'),
      maxLength: 8,
    });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 8 }), (inner, texts) => {
        const source = `^(?:${inner})$`;
        const theirs = new RegExp(source, 'u');
        const ours = openPattern(source);
        for (const one of texts)
          assert.equal(ours.matches(one), theirs.test(one), `${source} ${JSON.stringify(one)}`);
      }),
      { numRuns: 1_000, seed: 7 },
    );
  });

  it('of any characters is taken or refused with a usage error', () => {
    const part = fc.constantFrom(...'()[]{}|*+?^$\\.-:<>=!PiswdxAz01,', 'é', '[[:', ':]]', '(?');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), fc.string({ maxLength: 20 }), (parts, text) => {
        try {
          openPattern(`^(?:${parts.join('')})$`).matches(text);
        } catch (error) {
          assert.ok(isBoltsealError(error, 'ERR_USAGE'));
        }
      }),
      { numRuns: 3_000, seed: 8 },
    );
  });
});
