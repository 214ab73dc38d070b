/**
 * The words of a command line as flags, their values and arguments, by the rules that `parseArgs` of `node:util` has
 * (a test compares the two): that takes 2 ms to load and to run once, which every command would pay.
 * {@link https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap12.html POSIX, Utility Conventions}
 */

/** What a word is. `index` is its place; the flags of a group such as `-rf` have the same. */
export type Token =
  | { readonly kind: 'positional'; readonly index: number; readonly value: string }
  | { readonly kind: 'option-terminator'; readonly index: number }
  | OptionToken;

/** A flag. */
export interface OptionToken {
  readonly kind: 'option';
  readonly index: number;
  /** The long name, also of a flag that is written short; of an unknown flag, what is written. */
  readonly name: string;
  /** As it is written, with its dashes and without its value. */
  readonly rawName: string;
  /** What follows a flag that takes a value, and what stands behind `=` of any. */
  readonly value: string | undefined;
  /** Whether the value stands in the same word. */
  readonly inlineValue: boolean;
}

/** What has to be known of a flag. */
export interface FlagWord {
  /** Takes a value only behind `=`. */
  readonly boolean: boolean;
  /** One letter. Of several flags with the same the first has it. */
  readonly short: string | undefined;
}

/** Reads `argv`, where the flags of `known` may stand, by their long names. Whatever else looks like a flag is one too. */
export function splitWords(argv: readonly string[], known: ReadonlyMap<string, FlagWord>): readonly Token[] {
  const tokens: Token[] = [];
  let next = 0;
  const option = (index: number, name: string, rawName: string, inline: string | undefined): void => {
    let value = inline;
    if (inline === undefined && known.get(name)?.boolean === false) value = argv[next++];
    tokens.push({ kind: 'option', index, name, rawName, value, inlineValue: inline !== undefined });
  };
  while (next < argv.length) {
    const index = next++;
    const word = argv[index] ?? '';
    if (word === '--') {
      tokens.push({ kind: 'option-terminator', index });
      for (; next < argv.length; next++)
        tokens.push({ kind: 'positional', index: next, value: argv[next] ?? '' });
    } else if (word.startsWith('--')) {
      const equals = word.indexOf('=', 3);
      const name = equals === -1 ? word : word.slice(0, equals);
      option(index, name.slice(2), name, equals === -1 ? undefined : word.slice(equals + 1));
    } else if (word.startsWith('-') && word.length > 1) {
      for (let place = 1; place < word.length; place++) {
        const letter = word.charAt(place);
        const name = longName(letter, known);
        const hasRest = place + 1 < word.length && known.get(name)?.boolean === false;
        option(index, name, `-${letter}`, hasRest ? word.slice(place + 1) : undefined);
        if (hasRest) break;
      }
    } else tokens.push({ kind: 'positional', index, value: word });
  }
  return tokens;
}

function longName(letter: string, known: ReadonlyMap<string, FlagWord>): string {
  for (const [name, { short }] of known) if (short === letter) return name;
  return letter;
}
