/** Questions to a person at a terminal. They are asked on standard error, so that standard output stays data. */
import { confirm, isCancel, password, text } from '@clack/prompts';
import { interrupted } from './report-error.ts';

/** Asks for a password; what is typed is not shown. Throws `ERR_INTERRUPTED` on Ctrl-C. */
export async function askPassword(message: string): Promise<string> {
  const answer = await password({ message, mask: '', output: terminal() });
  // The terminal is in raw mode while a question is open: Ctrl-C arrives as an answer and not as a signal.
  if (isCancel(answer)) throw interrupted('SIGINT');
  // An empty line is answered with undefined.
  return answer ?? '';
}

/** Asks for a line of text. Throws `ERR_INTERRUPTED` on Ctrl-C. */
export async function askText(message: string): Promise<string> {
  const answer = await text({ message, output: terminal() });
  if (isCancel(answer)) throw interrupted('SIGINT');
  return answer ?? '';
}

/** Asks yes or no; the answer is no unless yes is chosen. Throws `ERR_INTERRUPTED` on Ctrl-C. */
export async function askYesNo(message: string): Promise<boolean> {
  const answer = await confirm({ message, initialValue: false, output: terminal() });
  if (isCancel(answer)) throw interrupted('SIGINT');
  return answer;
}

/** Standard error. A terminal that does not know its width says 0, and then each letter would get a line of its own. */
function terminal(): NodeJS.WriteStream {
  return Object.create(process.stderr, { columns: { get: () => process.stderr.columns || 80 } });
}
