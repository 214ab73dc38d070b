/** Several images in one command: each has its own outcome, and the command one exit code. */
import type { BoltsealError } from '../core/errors.ts';
import type { CommandContext } from './command.ts';
import { exitCodeOf, printError } from './report-error.ts';

/**
 * Prints the error of each image that failed and returns the exit code of the command: that of the first failure, or
 * undefined. When the command was cancelled, throws that instead: the images are not to blame.
 */
export function reportFailures(
  outcomes: readonly { readonly error?: BoltsealError }[],
  { io, output, signal }: CommandContext,
): number | undefined {
  signal.throwIfAborted();
  const errors = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  for (const error of errors) printError(error, io, output.verbose);
  return errors[0] === undefined ? undefined : exitCodeOf(errors[0]);
}
