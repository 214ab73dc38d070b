/** One line on a terminal that says how far a command is; nowhere else anything. */
import type { CommandContext } from './command.ts';

/** A counter that is shown while it counts. */
export interface Progress {
  /** One more is done. */
  step(): void;
  /** So many are done. */
  to(count: number): void;
  /** Takes the line away. */
  end(): void;
}

/** Shows `verb` and a count out of `total` on standard error, when that is a terminal and there is more than one. */
export function startProgress(
  { io, output }: CommandContext,
  verb: string,
  total: number,
  unit = 'images',
): Progress {
  const shown = total > 1 && !output.quiet && !output.verbose && io.stderr.isTTY === true;
  let done = 0;
  const draw = (): void => {
    if (shown) io.stderr.write(`\r\u001b[K${verb} ${done} of ${total} ${unit}`);
  };
  draw();
  return {
    step() {
      done++;
      draw();
    },
    to(count) {
      done = count;
      draw();
    },
    end() {
      if (shown) io.stderr.write('\r\u001b[K');
    },
  };
}
