import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { type FlagWord, splitWords } from './words.ts';

const known: ReadonlyMap<string, FlagWord> = new Map([
  ['key', { boolean: false, short: 'k' }],
  ['keys', { boolean: false, short: 'k' }],
  ['recursive', { boolean: true, short: 'r' }],
  ['yes', { boolean: true, short: 'y' }],
  ['output', { boolean: false, short: undefined }],
]);

/** What Node makes of `args`. */
function oracle(args: string[]): readonly object[] {
  const taken = new Set<string>();
  const options: Record<string, { type: 'boolean' | 'string'; short?: string }> = {};
  for (const [name, { boolean, short }] of known) {
    const free = short !== undefined && !taken.has(short);
    if (free) taken.add(short);
    options[name] = { type: boolean ? 'boolean' : 'string', ...(free ? { short } : {}) };
  }
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true });
  return tokens.map((token) =>
    token.kind === 'option' ? { ...token, inlineValue: token.inlineValue ?? false } : token,
  );
}

it('words are what Node takes them for', () => {
  const word = fc.oneof(
    fc.constantFrom(
      '--',
      '-',
      '',
      '-k',
      '-r',
      '-rk',
      '-rkx',
      '-kr',
      '-ryk',
      '-k=a',
      '-r=a',
      '-x',
      '-xr',
      '--key',
      '--key=',
      '--key=a=b',
      '--recursive',
      '--recursive=false',
      '--no-yes',
      '--unknown',
      '--unknown=x',
      '--output',
      'sign',
      'a=b',
      '---',
      '-é',
      '-😀',
    ),
    fc.string({ maxLength: 4 }),
    fc.string({ unit: fc.constantFrom('-', 'k', 'r', 'y', '=', 'x'), maxLength: 5 }),
  );
  // Two words that nobody means, of which Node makes something odd: `-r-` ends the flags, and `--=a=b` is one without a name.
  const isOdd = (text: string): boolean => /^-[^-].*-/.test(text) || text.startsWith('--=');
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      fc.pre(!words.some(isOdd));
      assert.deepEqual(splitWords(words, known), oracle(words));
    }),
    { numRuns: 5_000 },
  );
});

it('a dash within a group of flags is an unknown flag_fail', () => {
  const names = splitWords(['-r-', 'x'], known).map((token) =>
    token.kind === 'option' ? token.name : token.kind,
  );
  assert.deepEqual(names, ['recursive', '-', 'positional']);
});
