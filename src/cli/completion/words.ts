/** What the completion scripts of all shells are made of. */
import type { CommandSpec } from '../command.ts';
import { type FlagId, flagName, flags, globalFlags } from '../flags.ts';

/** The words that may stand first: one-word commands, and the first words of the others. */
export function rootWords(commands: readonly CommandSpec[]): readonly string[] {
  return [...new Set(commands.map((command) => command.name.split(' ')[0] ?? ''))];
}

/** The first words of two-word commands. */
export function groupsOf(commands: readonly CommandSpec[]): readonly string[] {
  return [...new Set(commands.flatMap(({ name }) => (name.includes(' ') ? [name.split(' ')[0] ?? ''] : [])))];
}

/** Every flag of a command: its own, then those of all commands. */
export function allFlags(command: CommandSpec): readonly FlagId[] {
  return [...command.flags, ...globalFlags];
}

/** Flags that take a value. */
export function valueFlags(command: CommandSpec): readonly FlagId[] {
  return allFlags(command).filter((id) => flags[id].type !== 'boolean');
}

/** `--recursive`, `--key`, and `--no-upload` for a flag that is on by default. */
export function flagWords(command: CommandSpec): readonly string[] {
  return allFlags(command).map((id) =>
    flags[id].default === true ? `--no-${flagName(id)}` : `--${flagName(id)}`,
  );
}
