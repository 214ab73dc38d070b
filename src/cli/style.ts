/** Colour, for terminals only. {@link https://no-color.org/} */
import type { CliIo, TextSink } from './io.ts';

/** Ways to set text off. Each returns its text unchanged where colour is off. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

/** The style for what is written to `sink`: plain unless it is a terminal and `NO_COLOR` is not set. */
export function styleFor(sink: TextSink, env: CliIo['env']): Style {
  const on = sink.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  const paint =
    (open: number, close: number) =>
    (text: string): string =>
      on ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
  };
}
