/** How an error reaches people and programs. */
import { BoltsealError, wrapError } from '../core/errors.ts';
import type { CliIo } from './io.ts';
import { styleFor, visible } from './style.ts';

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
    causes: causesOf(error).map(({ code, text }) => ({
      ...(code === undefined ? {} : { code }),
      message: text,
    })),
  };
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
