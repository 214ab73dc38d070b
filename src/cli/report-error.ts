/** How an error reaches people and programs. */
import { BoltsealError, wrapError } from '../core/errors.ts';
import type { CliIo } from './io.ts';
import { inline, type Style, styleFor, visible } from './style.ts';

/** Where an unforeseen error is reported. */
const reportHint = 'This is a defect of Boltseal. Please report it with what --verbose prints.';

/** The schema of an error that a program reads. */
export const errorSchema = 'boltseal.error/1';

/** Causes that are printed; a longer chain says nothing new. */
const maxCauses = 8;

/** Anything thrown as an error with a code: what is not ours becomes `ERR_INTERNAL`. */
export function toBoltsealError(error: unknown): BoltsealError {
  return wrapError(error, 'ERR_INTERNAL', 'something unforeseen happened', { hint: reportHint });
}

/** The exit code for `error`: its table’s, or what shells expect after a signal. */
export function exitCodeOf(error: BoltsealError): number {
  if (error.code !== 'ERR_INTERRUPTED') return error.exitCode;
  return error.details['signal'] === 'SIGTERM' ? 143 : 130;
}

/** Prints `error` for people: message, code, causes, hint; with `verbose` where it comes from. */
export function printError(error: BoltsealError, io: CliIo, verbose: boolean): void {
  const style = styleFor(io.stderr, io.env);
  const lines = [`${style.red(style.bold('error:'))} ${error.message} ${style.dim(`(${error.code})`)}`];
  for (const { code, text } of causesOf(error)) {
    const shown = code === undefined || text.includes(code) ? text : `${text} ${style.dim(`(${code})`)}`;
    lines.push(`  ${style.dim('caused by:')} ${shown}`);
  }
  lines.push(...comparisonLines(error, style));
  if (error.hint !== undefined) lines.push(`  ${style.bold('hint:')} ${error.hint}`);
  if (verbose) for (const one of chain(error)) if (one.stack !== undefined) lines.push(style.dim(one.stack));
  io.stderr.write(`${visible(lines.join('\n'))}\n`);
}

/** `error` as JSON. */
export function errorDocument(error: BoltsealError): object {
  return {
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    details: error.details,
    ...(comparisonsOf(error) === undefined ? {} : { comparisons: comparisonsOf(error) }),
    causes: causesOf(error).map(({ code, text }) => ({
      ...(code === undefined ? {} : { code }),
      message: text,
    })),
  };
}

/** One field of what was required beside what was found: the part of an `IdentityMismatchError` that is printed. */
interface Comparison {
  readonly field: string;
  readonly expected: string;
  readonly found: string | undefined;
  readonly matches: boolean;
}

/** The comparison that an error, or what caused it, tells. It is known by its shape: most commands never load its class. */
function comparisonsOf(error: BoltsealError): readonly Comparison[] | undefined {
  for (const one of chain(error)) {
    if ('comparisons' in one && Array.isArray(one.comparisons)) return one.comparisons as Comparison[];
  }
  return undefined;
}

/** A table, field by field, of what was required and what was found. */
function comparisonLines(error: BoltsealError, style: Style): readonly string[] {
  const comparisons = comparisonsOf(error) ?? [];
  const width = Math.max(0, ...comparisons.map(({ field }) => field.length));
  return comparisons.flatMap(({ field, expected, found, matches }) => {
    const name = field.padEnd(width);
    if (matches) return [`  ${style.green('=')} ${name}  ${inline(expected)}`];
    return [
      `  ${style.red('≠')} ${name}  required ${inline(expected)}`,
      `    ${' '.repeat(width)}  found    ${found === undefined ? 'nothing' : inline(found)}`,
    ];
  });
}

interface Cause {
  readonly code: string | undefined;
  readonly text: string;
}

function causesOf(error: BoltsealError): readonly Cause[] {
  const causes: Cause[] = [];
  for (const one of chain(error).slice(1)) {
    const code = 'code' in one && typeof one.code === 'string' ? one.code : undefined;
    const text = one.message === '' ? (code ?? one.name) : one.message;
    const known = causes.some((earlier) => earlier.text === text) || error.message.includes(text);
    if (!known) causes.push({ code, text });
  }
  return causes;
}

/** The error, then its causes, breadth first: a group’s members count as causes. */
function chain(error: BoltsealError): readonly Error[] {
  const all: Error[] = [error];
  for (let index = 0; index < all.length && all.length <= maxCauses; index++) {
    const one = all[index];
    if (one?.cause instanceof Error && !all.includes(one.cause)) all.push(one.cause);
    else if (one !== undefined && typeof one.cause === 'string') all.push(new Error(one.cause));
    if (one instanceof AggregateError) {
      for (const member of one.errors) if (member instanceof Error && !all.includes(member)) all.push(member);
    }
  }
  return all.slice(0, maxCauses + 1);
}

/** The error for work that a signal ended. */
export function interrupted(signal: string): BoltsealError {
  return new BoltsealError('ERR_INTERRUPTED', `interrupted by ${signal}`, { details: { signal } });
}
