/** Kinds of settings: schemas with a description, from which parsing and the reference page are made. */
import {
  array,
  boolean,
  custom,
  type GenericSchema,
  getMetadata,
  integer,
  maxLength,
  maxValue,
  metadata,
  minLength,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  rawTransform,
  record,
  strictObject,
  string,
} from 'valibot';
import { type ListenAddress, parseBaseUrl, parseDuration, parseListenAddress } from './values.ts';

/** What becomes a `T`, or an issue whose message continues the name of the setting. */
export type Kind<T> = GenericSchema<unknown, T>;

/** Settings of a section by name. */
export type Entries = Readonly<Record<string, Kind<unknown>>>;

/** What a section of `E` becomes. */
export type Values<E extends Entries> = { readonly [K in keyof E]: E[K] extends Kind<infer T> ? T : never };

function understood<T>(parse: (text: string) => T | undefined, must: string): Kind<T> {
  return pipe(
    string(must),
    rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value);
      if (value !== undefined) return value;
      addIssue({ message: must });
      return NEVER;
    }),
  );
}

/** Milliseconds. */
export const duration: Kind<number> = understood(parseDuration, 'must be a duration such as 90s, 10m or 7d');

/** Where to listen. */
export const address: Kind<ListenAddress> = understood(
  parseListenAddress,
  'must be an address and port such as 127.0.0.1:5200',
);

/** A base URL without a slash at its end. */
export const url: Kind<string> = understood(
  parseBaseUrl,
  'must be an http or https URL without user, query and fragment',
);

/** Text of 1 to `most` characters. */
export function text(most = 2_048): Kind<string> {
  const must = `must be text of 1 to ${most} characters`;
  return pipe(string(must), minLength(1, must), maxLength(most, must));
}

/** `true` or `false`. */
export const flag: Kind<boolean> = boolean('must be true or false');

/** A whole number. */
export function count(least: number, most: number): Kind<number> {
  const must = `must be a whole number from ${least} to ${most}`;
  return pipe(number(must), integer(must), minValue(least, must), maxValue(most, must));
}

/** One of some words. */
export function oneOf<const T extends readonly string[]>(values: T): Kind<T[number]> {
  return picklist(values, `must be one of ${values.join(', ')}`);
}

/** Texts by names of the operator's choice. */
export const texts: Kind<Readonly<Record<string, string>>> = record(
  string(),
  string('must be text, in quotes where YAML reads something else'),
  'must be a map of texts',
);

/** A setting that may be left out. */
export function setting<T>(kind: Kind<T>, type: string, help: string): Kind<T | undefined> {
  return pipe(optional(kind), metadata({ type, help }));
}

/** A setting with a default, written as in a file. */
export function preset<T>(
  kind: Kind<T>,
  value: string | number | boolean | Readonly<Record<string, string>>,
  type: string,
  help: string,
): Kind<T> {
  return pipe(optional(kind, value), metadata({ type, help })) as Kind<T>;
}

/** A setting that must be given wherever the thing it belongs to is. */
export function needed<T>(kind: Kind<T>, type: string, help: string): Kind<T> {
  return pipe(kind, metadata({ type, help }));
}

/** A map of exactly these settings. A list is an object to the library, and not to whoever writes a file. */
export function map<E extends Entries>(entries: E): Kind<Values<E>> {
  const must = 'must be a map of settings';
  const isMap = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return pipe(custom<object>(isMap, must), strictObject(entries)) as unknown as Kind<Values<E>>;
}

/** Settings that belong together, none of them needed. */
export function section<E extends Entries>(help: string, entries: E): Kind<Values<E>> {
  const kind = optional(map(entries), {});
  return pipe(kind, metadata({ type: 'section', help })) as Kind<Values<E>>;
}

/** Settings that are given together or not at all. */
export function group<E extends Entries>(help: string, entries: E): Kind<Values<E> | undefined> {
  const kind = optional(map(entries));
  return pipe(kind, metadata({ type: 'section', help })) as Kind<Values<E> | undefined>;
}

/** Several things of one kind. */
export function list<E extends Entries>(help: string, entries: E): Kind<readonly Values<E>[]> {
  const kind = optional(array(map(entries), 'must be a list'), []);
  return pipe(kind, metadata({ type: 'list', help })) as Kind<readonly Values<E>[]>;
}

/** Things of one kind by names of the operator's choice. */
export function named<E extends Entries>(
  help: string,
  entries: E,
): Kind<Readonly<Record<string, Values<E>>>> {
  const kind = optional(record(string(), map(entries), 'must be a map of maps'), {});
  return pipe(kind, metadata({ type: 'map', help })) as Kind<Readonly<Record<string, Values<E>>>>;
}

/** What is told of a setting. */
export interface Description {
  /** What its value is; `section`, `list` (of sections) or `map` (of sections by name). */
  readonly type: string;
  readonly help: string;
  /** As a file has it; undefined when there is none. */
  readonly preset: string | undefined;
  readonly isNeeded: boolean;
}

/** What `kind` is described as. */
export function describe(kind: Kind<unknown>): Description {
  const { type, help } = getMetadata(kind as never) as { type: string; help: string };
  const value = 'default' in kind && kind.type === 'optional' ? kind.default : undefined;
  return {
    type,
    help,
    preset: value === undefined || typeof value === 'object' ? undefined : String(value),
    isNeeded: kind.type !== 'optional',
  };
}

/** The settings inside a section, a list or a map; undefined of a single value. */
export function entriesOf(kind: Kind<unknown>): Entries | undefined {
  if ('entries' in kind) return kind.entries as Entries;
  if ('pipe' in kind) {
    for (const part of (kind.pipe as readonly Kind<unknown>[]).slice(1)) {
      const found = entriesOf(part);
      if (found !== undefined) return found;
    }
  }
  // What is wrapped by `optional`, an array's item, a record's value.
  for (const inner of ['wrapped', 'item', 'value'] as const) {
    const within = (kind as unknown as Record<string, Kind<unknown> | undefined>)[inner];
    if (typeof within === 'object') return entriesOf(within);
  }
  return undefined;
}
