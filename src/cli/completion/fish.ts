import type { CommandSpec } from '../command.ts';
import { type FlagId, flagName, flags } from '../flags.ts';
import { allFlags, groupsOf, rootWords } from './words.ts';

/** The completion script of fish. */
export function fishCompletion(commands: readonly CommandSpec[]): string {
  const groups = groupsOf(commands);
  const lines = [
    '# fish completion for boltseal',
    'complete -c boltseal -f',
    `set -l roots ${rootWords(commands).join(' ')}`,
    ...commands.flatMap((command) => commandLines(command, commands)),
    ...groups.map((group) => rootLine(group, `${group} …`)),
  ];
  return `${lines.join('\n')}\n`;
}

function rootLine(word: string, summary: string): string {
  return `complete -c boltseal -n "not __fish_seen_subcommand_from $roots" -a ${word} -d ${quote(summary)}`;
}

function commandLines(command: CommandSpec, commands: readonly CommandSpec[]): readonly string[] {
  const [first = '', second] = command.name.split(' ');
  const seen =
    second === undefined
      ? `__fish_seen_subcommand_from ${first}`
      : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`;
  const name =
    second === undefined
      ? rootLine(first, command.summary)
      : `complete -c boltseal -n "__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${second}" -a ${second} -d ${quote(command.summary)}`;
  const { args } = command;
  const words = args?.complete === 'command' ? rootWords(commands) : args?.values;
  return [
    name,
    ...(words === undefined ? [] : [`complete -c boltseal -n "${seen}" -a "${words.join(' ')}"`]),
    ...allFlags(command).map((id) => flagLine(id, seen)),
  ];
}

function flagLine(id: FlagId, seen: string): string {
  const { short, type, values, complete, help, default: byDefault } = flags[id];
  const long = byDefault === true ? `no-${flagName(id)}` : flagName(id);
  const value =
    type === 'boolean'
      ? ''
      : values !== undefined
        ? ` -x -a "${values.join(' ')}"`
        : complete === 'file'
          ? ' -r -F'
          : ' -x';
  return `complete -c boltseal -n "${seen}" -l ${long}${short === undefined ? '' : ` -s ${short}`}${value} -d ${quote(help)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
