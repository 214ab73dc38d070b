/**
 * Questions to a person at a terminal. They are asked on standard error, so that standard output stays data. Each throws
 * `ERR_INTERRUPTED` on Ctrl-C, and the reason of its signal when that is aborted: `--timeout`, or a signal from outside.
 */
import { confirm, isCancel, password, text } from '@clack/prompts';
import { interrupted } from './report-error.ts';

/** Asks for a password; what is typed is not shown. */
export async function askPassword(message: string, signal: AbortSignal): Promise<string> {
  const answer = await password({ message, mask: '', output: terminal(), signal });
  if (isCancel(answer)) throw cancelled(signal);
  // An empty line is answered with undefined.
  return answer ?? '';
}

/** Asks for a line of text. */
export async function askText(message: string, signal: AbortSignal): Promise<string> {
  const answer = await text({ message, output: terminal(), signal });
  if (isCancel(answer)) throw cancelled(signal);
  return answer ?? '';
}

/** Asks yes or no; the answer is no unless yes is chosen. */
export async function askYesNo(message: string, signal: AbortSignal): Promise<boolean> {
  const answer = await confirm({ message, initialValue: false, output: terminal(), signal });
  if (isCancel(answer)) throw cancelled(signal);
  return answer;
}

/** The terminal is in raw mode while a question is open: Ctrl-C arrives as an answer and not as a signal. */
function cancelled(signal: AbortSignal): unknown {
  return signal.aborted ? signal.reason : interrupted('SIGINT');
}

/** Standard error. A terminal that does not know its width says 0, and then each letter would get a line of its own. */
function terminal(): NodeJS.WriteStream {
  return Object.create(process.stderr, { columns: { get: () => process.stderr.columns || 80 } });
}
