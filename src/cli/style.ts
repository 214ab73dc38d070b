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

/**
 * `text` with every character that could steer a terminal or turn its letters round written as `\u{…}`: much of what is
 * printed was written by strangers into a registry. Line breaks, tabs and the colours of {@link styleFor} stay.
 */
export function visible(text: string): string {
  return text.replace(steering, (found) =>
    found.length > 1 ? found : `\\u{${found.charCodeAt(0).toString(16)}}`,
  );
}

/** {@link visible} for a text that must stay within its line. */
export function inline(text: string): string {
  return visible(text.replaceAll('\n', '\\n'));
}

const steering =
  /\u001b\[(?:1|2|22|31|32|33|39)m|[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
