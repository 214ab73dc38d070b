/** From the words of a command line to a command, its arguments and the value of every flag. */
import { BoltsealError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { CommandSpec, Flags } from './command.ts';
import { type CosignFlag, cosignFlags } from './cosign-flags.ts';
import {
  type AnyFlagValue,
  environmentName,
  type FlagId,
  type FlagType,
  type FlagValue,
  flagName,
  flags,
  flagVariables,
  globalFlags,
} from './flags.ts';
import { parseBoolean, parseValue, quoted } from './values.ts';
import { type OptionToken, splitWords, type Token } from './words.ts';

/** What a command line asks for. */
export interface Invocation {
  readonly command: CommandSpec;
  readonly args: readonly string[];
  readonly flags: Flags;
}

/** What the first words of a command line say. */
export interface CommandChoice {
  /** Undefined when no command is named: help is shown. */
  readonly command: CommandSpec | undefined;
  /** The words without the command’s name. */
  readonly rest: readonly string[];
  /** `download`, when only the first word of a two-word command is given. */
  readonly group?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Finds the command in `argv`. Global flags may stand before it. Throws `ERR_USAGE` for an unknown one. */
export function chooseCommand(argv: readonly string[], commands: readonly CommandSpec[]): CommandChoice {
  // Nearly always the command comes first, and nothing has to be parsed to see it.
  return commandAt(argv, 0, commands) ?? searchCommand(argv, commands);
}

/** The command whose name begins at `index`; two words first. */
function commandAt(
  argv: readonly string[],
  index: number,
  commands: readonly CommandSpec[],
): CommandChoice | undefined {
  const two = `${argv[index]} ${argv[index + 1]}`;
  const long = commands.find(({ name }) => name === two);
  if (long !== undefined) return { command: long, rest: without(argv, [index, index + 1]) };
  const command = commands.find(({ name }) => name === argv[index]);
  return command && { command, rest: without(argv, [index]) };
}

function searchCommand(argv: readonly string[], commands: readonly CommandSpec[]): CommandChoice {
  const tokens = splitWords(argv, namesOf(globalFlags, []));
  const words = tokens.filter((token) => token.kind === 'positional');
  const [first, second] = words;
  if (first === undefined) return { command: undefined, rest: argv };
  const early = tokens.find(
    (token) => token.kind === 'option' && token.index < first.index && !isGlobal(token.rawName),
  );
  if (early?.kind === 'option') {
    throw new BoltsealError('ERR_USAGE', `${early.rawName} stands before the command`, {
      hint: 'Flags follow the command: boltseal COMMAND [flags] [arguments].',
    });
  }
  const found = commandAt(argv, first.index, commands);
  if (found !== undefined) return found;
  const inGroup = commands.filter((c) => c.name.startsWith(`${first.value} `));
  if (inGroup.length > 0) {
    if (second === undefined) {
      return { command: undefined, rest: without(argv, [first.index]), group: first.value };
    }
    throw unknownCommand(`${first.value} ${second.value}`, inGroup);
  }
  throw unknownCommand(first.value, commands);
}

function unknownCommand(name: string, commands: readonly CommandSpec[]): BoltsealError {
  const near = nearest(
    name,
    commands.map((c) => c.name),
  );
  return new BoltsealError('ERR_USAGE', `there is no command ${quoted(name)}`, {
    hint: near === undefined ? '`boltseal help` lists the commands.' : `Did you mean \`boltseal ${near}\`?`,
  });
}

function without(argv: readonly string[], indexes: readonly number[]): readonly string[] {
  return argv.filter((_, index) => !indexes.includes(index));
}

function isGlobal(rawName: string): boolean {
  const name = rawName.replace(/^-+/, '').replace(/^no-/, '');
  return globalFlags.some((id) => flagName(id) === name || flags[id].short === name) || name === 'version';
}

/** The words of a command line, told apart by the flags that are known. */
export interface Words {
  readonly tokens: readonly Token[];
  readonly known: ReadonlyMap<string, Known>;
}

/** Tells flags from arguments, for `command` or, without one, by the flags that every command has. */
export function readWords(argv: readonly string[], command: CommandSpec | undefined): Words {
  const known = command === undefined ? namesOf(globalFlags, []) : namesOfCommand(command);
  return { known, tokens: splitWords(argv, known) };
}

/** Whether help is asked for: `--help` or `-h` before any `--`. */
export function wantsHelp({ tokens, known }: Words): boolean {
  return tokens.some((token) => token.kind === 'option' && known.get(token.name)?.id === 'help');
}

/** One name under which a flag can be written. */
type Known =
  | {
      readonly kind: 'flag';
      readonly id: FlagId;
      readonly boolean: boolean;
      readonly short: string | undefined;
    }
  | {
      readonly kind: 'cosign';
      readonly id?: undefined;
      readonly flag: CosignFlag;
      readonly boolean: boolean;
      readonly short: string | undefined;
    };

function namesOf(ids: readonly FlagId[], cosign: readonly CosignFlag[]): ReadonlyMap<string, Known> {
  const names = new Map<string, Known>();
  for (const id of ids) {
    const spec = flags[id];
    const known: Known = { kind: 'flag', id, boolean: spec.type === 'boolean', short: spec.short };
    for (const name of [flagName(id), ...(spec.aliases ?? [])]) names.set(name, known);
  }
  for (const flag of cosign) {
    const known: Known = { kind: 'cosign', flag, boolean: flag.type === 'boolean', short: flag.short };
    for (const name of [flag.name, ...(flag.aliases ?? [])]) names.set(name, known);
  }
  return names;
}

function namesOfCommand(command: CommandSpec): ReadonlyMap<string, Known> {
  return namesOf([...command.flags, ...globalFlags], cosignFlagsOf(command));
}

/** The flags of cosign that `command` understands or refuses. */
export function cosignFlagsOf(command: CommandSpec): readonly CosignFlag[] {
  return (command.cosign ?? []).flatMap((set) => cosignFlags[set]);
}

/** Reads the flags and arguments of `command`, of which {@link readWords} read the words. Throws `ERR_USAGE`. */
export function parseInvocation(
  command: CommandSpec,
  { tokens, known }: Words,
  env: Environment,
  commands: readonly CommandSpec[],
): Invocation {
  const values = new Map<FlagId, AnyFlagValue>();
  const args: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') args.push(token.value);
    if (token.kind === 'option') readOption(token, known, values, { command, commands });
  }
  readEnvironment(command, env, values);
  checkArguments(command, args);
  return { command, args, flags: flagReader(command, values) };
}

interface Place {
  readonly command: CommandSpec;
  readonly commands: readonly CommandSpec[];
}

function readOption(
  token: OptionToken,
  known: ReadonlyMap<string, Known>,
  values: Map<FlagId, AnyFlagValue>,
  place: Place,
): void {
  const negated = token.rawName.startsWith('--no-') && !known.has(token.name);
  const name = negated ? token.name.slice('no-'.length) : token.name;
  const found = known.get(name);
  if (found === undefined || (negated && !found.boolean)) throw unknownFlag(token, known, place);
  // `--no-upload=true` is how cosign's users write it.
  const text = negated
    ? String(!parseBoolean(token.value ?? 'true', token.rawName))
    : optionText(token, found, known);
  if (found.kind === 'cosign') {
    checkCosignFlag(found.flag, text, token.rawName);
    return;
  }
  const value = parseValue(flags[found.id], text, token.rawName);
  const earlier = values.get(found.id);
  if (Array.isArray(value)) {
    values.set(found.id, [...(Array.isArray(earlier) ? earlier : []), ...value]);
  } else if (earlier !== undefined && earlier !== value) {
    throw new BoltsealError('ERR_USAGE', `${token.rawName} is given twice, with different values`);
  } else values.set(found.id, value);
}

function optionText(token: OptionToken, found: Known, known: ReadonlyMap<string, Known>): string {
  if (found.boolean) {
    if (token.value === undefined) return 'true';
    return token.inlineValue === true ? token.value : 'true';
  }
  const text = token.value;
  if (text === undefined) throw new BoltsealError('ERR_USAGE', `${token.rawName} needs a value`);
  if (token.inlineValue !== true && /^-./.test(text)) {
    // What is no flag may be a password or a key that begins so: it is not shown.
    const isFlag = known.has(text.replace(/^-+(?:no-)?/, '').replace(/=.*$/s, ''));
    const shown = isFlag ? quoted(text) : 'what follows';
    throw new BoltsealError('ERR_USAGE', `${token.rawName} needs a value, and ${shown} looks like a flag`, {
      hint: `A value that begins with a dash is written ${token.rawName}=${isFlag ? quoted(text).slice(1, -1) : 'VALUE'}`,
    });
  }
  // `-a=k=v` is how cosign's users write it; the first sign is left in the value.
  return token.inlineValue === true && !token.rawName.startsWith('--') ? text.replace(/^=/, '') : text;
}

function unknownFlag(token: OptionToken, known: ReadonlyMap<string, Known>, place: Place): BoltsealError {
  const { command, commands } = place;
  const message = `\`boltseal ${command.name}\` has no flag ${token.rawName}`;
  const owner = commands.find((other) => namesOf(other.flags, []).has(token.name));
  if (owner !== undefined) {
    return new BoltsealError('ERR_USAGE', message, { hint: `It is a flag of \`boltseal ${owner.name}\`.` });
  }
  const offered = [...known].flatMap(([name, one]) => (one.kind === 'flag' ? [name] : []));
  const near = token.rawName.startsWith('--') ? nearest(token.name, offered) : undefined;
  return new BoltsealError('ERR_USAGE', message, {
    hint:
      near === undefined
        ? `\`boltseal help ${command.name}\` lists its flags.`
        : `Did you mean --${near}? \`boltseal help ${command.name}\` lists all flags.`,
  });
}

function checkCosignFlag(flag: CosignFlag, text: string, source: string): void {
  if (flag.type === 'string' && text === '') return;
  const value = flag.type === 'boolean' ? String(parseBoolean(text, source)) : text;
  if (flag.accepts === 'any' || flag.accepts?.includes(value)) return;
  throw new BoltsealError(
    'ERR_USAGE',
    `${source}${flag.type === 'boolean' ? `=${value}` : ''} is not supported`,
    {
      hint: flag.instead,
    },
  );
}

function readEnvironment(command: CommandSpec, env: Environment, values: Map<FlagId, AnyFlagValue>): void {
  for (const id of [...command.flags, ...globalFlags]) {
    if (values.has(id)) continue;
    const variable = flagVariables(id).find((name) => (env[name] ?? '') !== '');
    if (variable !== undefined) {
      values.set(id, parseValue(flags[id], env[variable] ?? '', `the variable ${variable}`));
    }
  }
  for (const flag of cosignFlagsOf(command)) {
    const variable = `COSIGN_${environmentName(flag.name)}`;
    const text = env[variable] ?? '';
    if (text !== '') checkCosignFlag(flag, text, `the variable ${variable}`);
  }
}

function checkArguments(command: CommandSpec, args: readonly string[]): void {
  const { name, min, max, values } = command.args ?? { name: 'ARGUMENT', min: 0, max: 0 };
  const hint = `Usage: ${usageOf(command)}`;
  if (args.length < min) {
    throw new BoltsealError('ERR_USAGE', `\`boltseal ${command.name}\` needs ${article(name)} ${name}`, {
      hint,
    });
  }
  const extra = args[max];
  if (extra !== undefined) {
    throw new BoltsealError('ERR_USAGE', `\`boltseal ${command.name}\` does not take ${quoted(extra)}`, {
      hint,
    });
  }
  if (args.includes('')) {
    throw new BoltsealError('ERR_USAGE', `${article(name)} ${name} is empty`, {
      hint: 'Is a variable used for it unset?',
    });
  }
  const wrong = values === undefined ? undefined : args.find((word) => !values.includes(word));
  if (values !== undefined && wrong !== undefined) {
    const near = nearest(wrong, values);
    throw new BoltsealError('ERR_USAGE', `${quoted(wrong)} is not one of ${values.join(', ')}`, {
      hint: near === undefined ? hint : `Did you mean ${near}?`,
    });
  }
}

function article(name: string): string {
  return /^[AEIOU]/.test(name) ? 'an' : 'a';
}

/** The usage line of a command. */
export function usageOf(command: CommandSpec): string {
  const { args } = command;
  let line = `boltseal ${command.name} [flags]`;
  if (args !== undefined) {
    const word = args.values === undefined ? args.name : args.values.join('|');
    line += args.min === 0 ? ` [${word}]` : ` ${word}`;
    if (args.max > 1) line += args.min === 0 ? '...' : ` [${word}...]`;
  }
  return line;
}

function isList(type: FlagType): boolean {
  return type === 'strings' || type === 'texts';
}

function flagReader(command: CommandSpec, values: ReadonlyMap<FlagId, AnyFlagValue>): Flags {
  const own = new Set<FlagId>([...command.flags, ...globalFlags]);
  const check = (id: FlagId): void => {
    if (own.has(id)) return;
    throw new BoltsealError(
      'ERR_INTERNAL',
      `the command ${command.name} asks for the flag ${id}, which it does not list`,
    );
  };
  return {
    get<Id extends FlagId>(id: Id): FlagValue<Id> {
      check(id);
      const value = values.get(id) ?? flags[id].default ?? (isList(flags[id].type) ? [] : undefined);
      return value as FlagValue<Id>;
    },
    given(id) {
      check(id);
      return values.has(id);
    },
  };
}
