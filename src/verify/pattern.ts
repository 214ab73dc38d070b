/**
 * Patterns of identities: the regular expressions of RE2, as cosign takes them, matched against a whole text.
 *
 * They are run by a machine of its own, in the way of RE2: all possible places in the pattern are followed at once, one
 * character after the other. A match costs at most the steps of the pattern times the length of the text, both bounded,
 * whatever the pattern is. A backtracking engine, as JavaScript's is, would let an issuer of certificates stop the
 * verifier with the right text.
 *
 * Not supported, and refused: `\b`, `\B`, `\C`, `\Q…\E`, `\p{…}`, and the flags m and U.
 * {@link https://github.com/google/re2/wiki/Syntax}, {@link https://swtch.com/~rsc/regexp/regexp2.html}
 */
import { BoltsealError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { type PatternNode, parsePattern } from './pattern-syntax.ts';

/** A pattern that is ready. */
export interface Pattern {
  /** Whether it matches the whole of `text`. Throws `ERR_LIMIT_EXCEEDED` for a text that is too long. */
  matches(text: string): boolean;
}

/**
 * The pattern that `source` is. Throws `ERR_USAGE` when it is malformed, not supported, too long, or not anchored at
 * both ends (`^…$`): one that is not would match more than what it shows.
 */
export function openPattern(source: string): Pattern {
  if (source.length > limits.identityPatternLength) {
    const counts = `${source.length} characters; the limit is ${limits.identityPatternLength}`;
    throw new BoltsealError('ERR_USAGE', `a pattern of an identity has ${counts}`);
  }
  const root = parsePattern(source);
  if (!isAnchored(root, 'begin') || !isAnchored(root, 'end')) {
    throw new BoltsealError('ERR_USAGE', `the pattern ${source} is not anchored at both ends`, {
      hint: `It would accept every text that has a matching part. Write ^(?:${source})$ to match the whole, if that is meant.`,
    });
  }
  const program = compile(root, source);
  return { matches: (text) => run(program, text) };
}

/** Whether every way through `node` begins (ends) with the assertion of the beginning (end) of the text. */
function isAnchored(node: PatternNode, at: 'begin' | 'end'): boolean {
  switch (node.kind) {
    case 'assert':
      return node.at === at;
    case 'any of':
      return node.nodes.every((one) => isAnchored(one, at));
    case 'sequence': {
      const outermost = at === 'begin' ? node.nodes[0] : node.nodes.at(-1);
      return outermost !== undefined && isAnchored(outermost, at);
    }
    case 'repeat':
      return node.least > 0 && isAnchored(node.node, at);
    case 'character':
      return false;
  }
}

/** One step of the machine: to take a character, to go two ways, to require an end of the text, or to be done. */
type Step =
  | { readonly kind: 'character'; readonly accepts: (code: number) => boolean; next: number }
  | { readonly kind: 'split'; next: number; other: number }
  | { readonly kind: 'assert'; readonly at: 'begin' | 'end'; next: number }
  | { readonly kind: 'match' };

/** The steps of a pattern, the first one to be taken last. */
interface Program {
  readonly steps: readonly Step[];
  readonly start: number;
}

function compile(root: PatternNode, source: string): Program {
  const steps: Step[] = [{ kind: 'match' }];
  const add = (step: Step): number => {
    if (steps.length === limits.identityPatternSteps) {
      throw new BoltsealError('ERR_USAGE', `the pattern ${source} repeats too much`, {
        hint: 'Use + or * instead of large numbers in braces.',
      });
    }
    return steps.push(step) - 1;
  };
  // From the end to the beginning: every step knows where it goes on.
  const build = (node: PatternNode, next: number): number => {
    switch (node.kind) {
      case 'character':
        return add({ kind: 'character', accepts: node.accepts, next });
      case 'assert':
        return add({ kind: 'assert', at: node.at, next });
      case 'sequence':
        return node.nodes.reduceRight((after, one) => build(one, after), next);
      case 'any of':
        return node.nodes
          .map((one) => build(one, next))
          .reduceRight((other, one) => add({ kind: 'split', next: one, other }));
      case 'repeat':
        return repeat(node, next);
    }
  };
  const repeat = ({ node, least, most }: PatternNode & { kind: 'repeat' }, next: number): number => {
    let after = next;
    if (most === undefined) {
      const loop: Step = { kind: 'split', next, other: next };
      after = add(loop);
      loop.next = build(node, after);
    } else {
      for (let count = least; count < most; count++) {
        after = add({ kind: 'split', next: build(node, after), other: next });
      }
    }
    for (let count = 0; count < least; count++) {
      const before = steps.length;
      after = build(node, after);
      // Nothing, repeated, is nothing.
      if (steps.length === before) break;
    }
    return after;
  };
  const start = build(root, 0);
  return { steps, start };
}

/** Follows all places at once. `marks` tells in which round a step was reached, so that each is once in a round. */
function run({ steps, start }: Program, text: string): boolean {
  if (text.length > limits.identityLength) {
    const counts = `${text.length} characters; the limit is ${limits.identityLength}`;
    throw new BoltsealError('ERR_LIMIT_EXCEEDED', `an identity has ${counts}`);
  }
  const marks = new Int32Array(steps.length).fill(-1);
  let round = 0;
  let current: number[] = [];
  const reach = (from: number, into: number[], atBegin: boolean, atEnd: boolean): void => {
    const open = [from];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (marks[index] === round) continue;
      marks[index] = round;
      const step = steps[index] as Step;
      if (step.kind === 'split') open.push(step.other, step.next);
      else if (step.kind === 'assert') {
        if (step.at === 'begin' ? atBegin : atEnd) open.push(step.next);
      } else into.push(index);
    }
  };
  const codes = Array.from(text, (character) => character.codePointAt(0) as number);
  reach(start, current, true, codes.length === 0);
  for (const [place, code] of codes.entries()) {
    const following: number[] = [];
    round++;
    for (const index of current) {
      const step = steps[index] as Step;
      if (step.kind !== 'character' || !step.accepts(code)) continue;
      reach(step.next, following, false, place === codes.length - 1);
    }
    if (following.length === 0) return false;
    current = following;
  }
  return current.some((index) => steps[index]?.kind === 'match');
}
