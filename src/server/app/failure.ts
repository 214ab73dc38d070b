/** What of an error may stand in a log: where it comes from, and nothing that a client sent. */
import { isBoltsealError } from '../../core/errors.ts';

/** An error for a log. */
export interface Failure {
  readonly reason: string;
  /** Its code, ours or the platform's. */
  readonly code: string | undefined;
  /** Where it was thrown, one line. */
  readonly at: string | undefined;
}

/** Errors whose text is the platform's and quotes what was parsed. */
const quoting: ReadonlySet<string> = new Set(['SyntaxError', 'URIError', 'TypeError', 'RangeError']);

/** Describes `error`. The messages of our own errors never hold a secret; of others, those that quote input are left out. */
export function describeFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { reason: 'something was thrown', code: undefined, at: undefined };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const isOurs = isBoltsealError(error);
  const text = !isOurs && quoting.has(error.name) ? error.name : `${error.message.slice(0, 500)}`;
  const cause = error.cause instanceof Error ? `; ${describeFailure(error.cause).reason}` : '';
  return { reason: text + cause, code, at: isOurs ? undefined : placeOf(error) };
}

function placeOf(error: Error): string | undefined {
  const frames = error.stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? [];
  return frames[0]?.trim();
}
