/** What the table of flags says of each. */

/** The headings under which help lists flags, in order. */
export const flagGroups = [
  'Key',
  'Identity',
  'Signature',
  'Log',
  'Verification',
  'Trust',
  'Services',
  'Older spellings',
  'Login',
  'Private Sigstore',
  'Server',
  'Output',
  'Registry',
  'Every command',
] as const;

/** One heading of {@link flagGroups}. */
export type FlagGroup = (typeof flagGroups)[number];

/**
 * How the text of a flag becomes a value. `strings` are split at commas, `texts` are taken as they are. A duration is written as Go writes it (`1m30s`); its value is milliseconds. */
export type FlagType = 'boolean' | 'string' | 'strings' | 'texts' | 'integer' | 'duration' | 'enum';

/** What the table says of one flag. */
export interface FlagSpec {
  /** The long name, when it differs from the key of the table (two commands may give one name two meanings). */
  readonly name?: string;
  readonly type: FlagType;
  readonly short?: string;
  /** Other long names, kept for scripts. */
  readonly aliases?: readonly string[];
  /** Other words for values of an `enum` flag, lower case; they are taken in any case. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** What an `enum` flag may be. */
  readonly values?: readonly string[];
  /** The value when nobody gives one. Durations are milliseconds. */
  readonly default?: boolean | string | number;
  /** How help names the value. */
  readonly value?: string;
  /** Smallest and largest `integer`. */
  readonly range?: readonly [number, number];
  readonly group: FlagGroup;
  readonly help: string;
  /** Further environment variables, asked after `BOLTSEAL_<FLAG>` and before `COSIGN_<FLAG>`. */
  readonly env?: readonly string[];
  /** No environment variable sets this flag. */
  readonly noEnv?: boolean;
  /** What a shell offers for the value. */
  readonly complete?: 'file' | 'directory' | 'image';
  /** The value is never printed. */
  readonly secret?: boolean;
}
