/** Where a command prints: data to standard output, everything for people to standard error. */
import type { CliIo, TextSink } from './io.ts';
import { type Style, styleFor, visible } from './style.ts';

/** The printing half of a command’s context. */
export interface Output {
  /** Whether the result is wanted as one JSON document. */
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  /** For text on standard error. */
  readonly style: Style;
  /** Writes data exactly as given. */
  data(content: string | Uint8Array): void;
  /** Writes the JSON document of a command: `schema` is `boltseal.<command>/<version>`. */
  document(schema: string, content: object): void;
  /** Whether {@link document} was called. */
  readonly documented: boolean;
  /** A line for people; `--quiet` silences it. */
  say(text: string): void;
  /** A line for people about something that may not be what they want; `--quiet` silences it. */
  warn(text: string): void;
  /** A line that only `--verbose` shows. */
  debug(text: string): void;
}

/** What {@link createOutput} is told beside the streams. */
export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Takes the data in place of standard output. */
  readonly sink?: TextSink | undefined;
}

/** An {@link Output} over the streams of `io`. */
export function createOutput(io: CliIo, options: OutputOptions): Output {
  const { json, quiet, verbose, sink = io.stdout } = options;
  let known: Style | undefined;
  // Whether standard error is a terminal takes time to find out, and most that is said is plain.
  const style = (): Style => (known ??= styleFor(io.stderr, io.env));
  let documented = false;
  return {
    json,
    verbose,
    quiet,
    get style() {
      return style();
    },
    get documented() {
      return documented;
    },
    data(content) {
      if (content.length > 0) sink.write(content);
    },
    document(schema, content) {
      documented = true;
      const text = JSON.stringify({ schema, ...content }, null, 2);
      sink.write(`${text.replace(unescaped, asEscape)}\n`);
    },
    say(text) {
      if (!quiet) io.stderr.write(`${visible(text)}\n`);
    },
    warn(text) {
      if (!quiet) io.stderr.write(`${style().yellow('warning:')} ${visible(text)}\n`);
    },
    debug(text) {
      if (verbose) io.stderr.write(`${style().dim(visible(text))}\n`);
    },
  };
}

/** Characters that JSON may hold as they are and a terminal must not. */
const unescaped = /[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function asEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
