/**
 * The syntax of patterns: that of RE2, which Go's `regexp` takes.
 * {@link https://github.com/google/re2/wiki/Syntax}
 */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';

/** A pattern, taken apart. Groups are only what they hold: nothing is captured. */
export type PatternNode =
  | { readonly kind: 'character'; readonly accepts: (code: number) => boolean }
  | { readonly kind: 'assert'; readonly at: 'begin' | 'end' }
  | { readonly kind: 'sequence'; readonly nodes: readonly PatternNode[] }
  | { readonly kind: 'any of'; readonly nodes: readonly PatternNode[] }
  | {
      readonly kind: 'repeat';
      readonly node: PatternNode;
      readonly least: number;
      /** No limit when undefined. */
      readonly most: number | undefined;
    };

/** Characters from one to another, both included. */
type Range = readonly [from: number, to: number];

/** Flags that hold from where they are set to the end of the group. */
interface Flags {
  readonly ignoresCase: boolean;
  readonly dotTakesNewline: boolean;
}

/** What is left to be read. */
interface Source {
  readonly text: string;
  at: number;
  depth: number;
  flags: Flags;
}

const lastCode = 0x10ffff;

const classes: Readonly<Record<string, readonly Range[]>> = {
  d: [[0x30, 0x39]],
  s: [
    [0x09, 0x0a],
    [0x0c, 0x0d],
    [0x20, 0x20],
  ],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
};

const posixClasses: Readonly<Record<string, readonly Range[]>> = {
  alnum: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  alpha: [
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  ascii: [[0, 0x7f]],
  blank: [
    [0x09, 0x09],
    [0x20, 0x20],
  ],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: [[0x30, 0x39]],
  graph: [[0x21, 0x7e]],
  lower: [[0x61, 0x7a]],
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
  upper: [[0x41, 0x5a]],
  word: classes['w'] ?? [],
  xdigit: [
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66],
  ],
};

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** The nodes of a pattern. Throws `ERR_USAGE`. */
export function parsePattern(text: string): PatternNode {
  const source: Source = {
    text,
    at: 0,
    depth: 0,
    flags: { ignoresCase: false, dotTakesNewline: false },
  };
  const node = readAlternatives(source);
  if (source.at < text.length) throw wrong(source, 'a ) has no (');
  return node;
}

function wrong({ text }: Source, why: string): BoltsealError {
  return new BoltsealError('ERR_USAGE', `the pattern ${text} cannot be used: ${why}`, {
    hint: 'Patterns are those of RE2, as cosign takes them. Write \\ before a character that stands for itself.',
  });
}

/** The next character as a whole, or undefined at the end. */
function peek({ text, at }: Source): string | undefined {
  const code = text.codePointAt(at);
  return code === undefined ? undefined : String.fromCodePoint(code);
}

function take(source: Source): string | undefined {
  const character = peek(source);
  source.at += character?.length ?? 0;
  return character;
}

function takeIf(source: Source, text: string): boolean {
  if (!source.text.startsWith(text, source.at)) return false;
  source.at += text.length;
  return true;
}

function readAlternatives(source: Source): PatternNode {
  const nodes = [readSequence(source)];
  while (takeIf(source, '|')) nodes.push(readSequence(source));
  const [only] = nodes;
  return nodes.length === 1 && only !== undefined ? only : { kind: 'any of', nodes };
}

function readSequence(source: Source): PatternNode {
  const nodes: PatternNode[] = [];
  for (let next = peek(source); next !== undefined && next !== '|' && next !== ')'; next = peek(source)) {
    const node = readAtom(source);
    if (node === undefined) continue;
    nodes.push(readRepetition(source, node));
  }
  const [only] = nodes;
  return nodes.length === 1 && only !== undefined ? only : { kind: 'sequence', nodes };
}

/** One thing that may be repeated; undefined for flags, which are none. */
function readAtom(source: Source): PatternNode | undefined {
  const character = take(source);
  switch (character) {
    case '(':
      return readGroup(source);
    case '[':
      return readClass(source);
    case '.':
      return node(source.flags.dotTakesNewline ? [[0, lastCode]] : except([[0x0a, 0x0a]]), false);
    case '^':
      return { kind: 'assert', at: 'begin' };
    case '$':
      return { kind: 'assert', at: 'end' };
    case '\\':
      return readEscape(source);
    case '*':
    case '+':
    case '?':
      throw wrong(source, `${character} repeats nothing`);
    default: {
      const code = character?.codePointAt(0) ?? 0;
      return node([[code, code]], source.flags.ignoresCase);
    }
  }
}

function readGroup(source: Source): PatternNode | undefined {
  const outer = source.flags;
  if (++source.depth > limits.jsonDepth) throw wrong(source, 'it is nested too deeply');
  if (takeIf(source, '?')) {
    const name = /^P?<[A-Za-z_][A-Za-z0-9_]*>/.exec(source.text.slice(source.at))?.[0];
    if (name !== undefined) source.at += name.length;
    else if (readFlags(source) === 'rest of the group') {
      source.depth--;
      return undefined;
    }
  }
  const inner = readAlternatives(source);
  if (!takeIf(source, ')')) throw wrong(source, 'a ( is not closed');
  source.flags = outer;
  source.depth--;
  return inner;
}

/** `(?i)`, which holds for what follows in the group around it, or `(?i:`, which begins one. */
function readFlags(source: Source): 'group' | 'rest of the group' {
  let { ignoresCase, dotTakesNewline } = source.flags;
  let value = true;
  for (let flag = take(source); ; flag = take(source)) {
    if (flag === 'i') ignoresCase = value;
    else if (flag === 's') dotTakesNewline = value;
    else if (flag === '-' && value) value = false;
    else if (flag === ':' || flag === ')') {
      source.flags = { ignoresCase, dotTakesNewline };
      return flag === ':' ? 'group' : 'rest of the group';
    } else throw wrong(source, 'it has a group that is not supported');
  }
}

function readEscape(source: Source): PatternNode {
  const character = peek(source);
  if (character === 'A' || character === 'z') {
    take(source);
    return { kind: 'assert', at: character === 'A' ? 'begin' : 'end' };
  }
  const ranges = readEscapedClass(source);
  if (ranges !== undefined) return node(ranges, false);
  const code = readEscapedCharacter(source);
  return node([[code, code]], source.flags.ignoresCase);
}

/** `\d` and its like, behind the backslash. */
function readEscapedClass(source: Source): readonly Range[] | undefined {
  const character = peek(source) ?? '';
  const ranges = Object.hasOwn(classes, character.toLowerCase())
    ? classes[character.toLowerCase()]
    : undefined;
  if (ranges === undefined) return undefined;
  take(source);
  return character === character.toLowerCase() ? ranges : except(ranges);
}

function readEscapedCharacter(source: Source): number {
  const character = take(source);
  if (character === undefined) throw wrong(source, 'it ends with a \\');
  if (character === 'x') {
    const digits = /^(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(source.text.slice(source.at));
    const code = Number.parseInt(digits?.[1] ?? digits?.[2] ?? '', 16);
    if (digits === null || code > lastCode) throw wrong(source, '\\x is not followed by a number');
    source.at += digits[0].length;
    return code;
  }
  const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
  if (control !== undefined) return control;
  if (/^[A-Za-z0-9]$|[^\0-\x7f]/.test(character)) throw wrong(source, `\\${character} is not supported`);
  return character.codePointAt(0) ?? 0;
}

function readClass(source: Source): PatternNode {
  const isNegated = takeIf(source, '^');
  const ranges: Range[] = [];
  // A ] that comes first stands for itself.
  for (let isFirst = true; isFirst || !takeIf(source, ']'); isFirst = false) {
    if (peek(source) === undefined) throw wrong(source, 'a [ is not closed');
    const whole = readClassInClass(source);
    if (whole !== undefined) {
      ranges.push(...whole);
      continue;
    }
    const from = readClassCharacter(source);
    const isRange =
      source.text[source.at] === '-' &&
      source.text[source.at + 1] !== ']' &&
      source.at + 1 < source.text.length;
    if (isRange) take(source);
    const to = isRange ? readClassCharacter(source) : from;
    if (to < from) throw wrong(source, 'a range goes backwards');
    ranges.push([from, to]);
  }
  return node(ranges, source.flags.ignoresCase, isNegated);
}

/** `[:alpha:]` or `\d` inside of brackets. */
function readClassInClass(source: Source): readonly Range[] | undefined {
  const posix = /^\[:(\^?)([a-z]+):\]/.exec(source.text.slice(source.at));
  if (posix !== null) {
    const [all, negation, name = ''] = posix;
    const ranges = Object.hasOwn(posixClasses, name) ? posixClasses[name] : undefined;
    if (ranges === undefined) throw wrong(source, `${all} is not known`);
    source.at += all.length;
    return negation === '' ? ranges : except(ranges);
  }
  if (peek(source) !== '\\') return undefined;
  const inside = { ...source, at: source.at + 1 };
  const ranges = readEscapedClass(inside);
  if (ranges !== undefined) source.at = inside.at;
  return ranges;
}

function readClassCharacter(source: Source): number {
  const character = take(source);
  if (character === undefined) throw wrong(source, 'a [ is not closed');
  return character === '\\' ? readEscapedCharacter(source) : (character.codePointAt(0) ?? 0);
}

/** `*`, `+`, `?` or `{n,m}`; an additional `?` changes nothing, because nothing is captured. */
function readRepetition(source: Source, repeated: PatternNode): PatternNode {
  const counts = readCounts(source);
  if (counts === undefined) return repeated;
  if (repeated.kind === 'assert') throw wrong(source, 'an anchor is repeated');
  takeIf(source, '?');
  if (/^(?:[*+?]|\{\d+(?:,\d*)?\})/.test(source.text.slice(source.at))) {
    throw wrong(source, 'a repetition is repeated');
  }
  return { kind: 'repeat', node: repeated, ...counts };
}

function readCounts(
  source: Source,
): { readonly least: number; readonly most: number | undefined } | undefined {
  if (takeIf(source, '*')) return { least: 0, most: undefined };
  if (takeIf(source, '+')) return { least: 1, most: undefined };
  if (takeIf(source, '?')) return { least: 0, most: 1 };
  // Braces that hold something else stand for themselves.
  const braces = /^\{(\d+)(,?)(\d*)\}/.exec(source.text.slice(source.at));
  if (braces === null) return undefined;
  const [all, least = '', comma, most = ''] = braces;
  const counts = {
    least: Number(least),
    most: comma === '' ? Number(least) : most === '' ? undefined : Number(most),
  };
  // RE2 repeats at most so often.
  if (counts.least > 1_000 || (counts.most ?? 0) > 1_000 || counts.least > (counts.most ?? counts.least)) {
    throw wrong(source, `${all} is out of range`);
  }
  source.at += all.length;
  return counts;
}

/** Every character that `ranges` leave out. */
function except(ranges: readonly Range[]): readonly Range[] {
  const rest: Range[] = [];
  let start = 0;
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) {
    if (from > start) rest.push([start, from - 1]);
    start = Math.max(start, to + 1);
  }
  if (start <= lastCode) rest.push([start, lastCode]);
  return rest;
}

/** A character of `ranges`, or of none of them. Case is ignored as Unicode's simple mappings know it. */
function node(ranges: readonly Range[], ignoresCase: boolean, isNegated = false): PatternNode {
  const [[low, high] = [1, 0], ...others] = ranges;
  const has = (code: number): boolean =>
    (code >= low && code <= high) || others.some(([from, to]) => code >= from && code <= to);
  const hasAnyCase = (code: number): boolean => {
    if (has(code)) return true;
    const character = String.fromCodePoint(code);
    return [character.toLowerCase(), character.toUpperCase()].some(
      (other) => other.length === character.length && has(other.codePointAt(0) ?? -1),
    );
  };
  const accepts = ignoresCase ? hasAnyCase : has;
  return { kind: 'character', accepts: isNegated ? (code) => !accepts(code) : accepts };
}
