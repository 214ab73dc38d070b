import type { CommandSpec } from '../command.ts';
import { type FlagId, flagName, flags } from '../flags.ts';
import { allFlags, groupsOf, rootWords } from './words.ts';

/** The completion script of zsh. */
export function zshCompletion(commands: readonly CommandSpec[]): string {
  return `#compdef boltseal
# zsh completion for boltseal

_boltseal() {
  local curcontext="$curcontext" context state state_descr line
  typeset -A opt_args
  _arguments -C '1: :_boltseal_commands' '*:: :->command'
  [[ $state == command ]] || return
  local name="$words[1]"
  case "$name" in
    ${groupsOf(commands).join('|')})
      if (( CURRENT == 2 )); then
        _boltseal_group "$name"
        return
      fi
      name="$name $words[2]"
      shift words
      (( CURRENT-- )) ;;
  esac
  case "$name" in
${commands.map((command) => commandCase(command, commands)).join('\n')}
  esac
}

_boltseal_commands() {
  local -a list
  list=(
${rootWords(commands)
  .map((word) => `    ${quote(`${word}:${summaryOf(word, commands)}`)}`)
  .join('\n')}
  )
  _describe 'command' list
}

_boltseal_group() {
  local -a list
  case "$1" in
${groupsOf(commands)
  .map((group) => groupCase(group, commands))
  .join('\n')}
  esac
  _describe 'command' list
}

if [[ "$funcstack[1]" == _boltseal ]]; then
  _boltseal "$@"
else
  compdef _boltseal boltseal
fi
`;
}

function summaryOf(word: string, commands: readonly CommandSpec[]): string {
  return (
    commands.find((command) => command.name === word)?.summary ??
    commands.find((command) => command.name.startsWith(`${word} `))?.summary ??
    ''
  );
}

function groupCase(group: string, commands: readonly CommandSpec[]): string {
  const members = commands.flatMap(({ name, summary }) =>
    name.startsWith(`${group} `) ? [quote(`${name.slice(group.length + 1)}:${summary}`)] : [],
  );
  return `    ${group}) list=(${members.join(' ')}) ;;`;
}

function commandCase(command: CommandSpec, commands: readonly CommandSpec[]): string {
  const specs = [...allFlags(command).flatMap(flagSpecs), argumentSpec(command, commands)];
  return `    ${quote(command.name)})\n      _arguments -s \\\n${specs.map((spec) => `        ${quote(spec)}`).join(' \\\n')} ;;`;
}

function flagSpecs(id: FlagId): readonly string[] {
  const { short, type, help, default: byDefault } = flags[id];
  const long = byDefault === true ? `--no-${flagName(id)}` : `--${flagName(id)}`;
  const many = type === 'strings' || type === 'texts' ? '*' : '';
  const text = `[${help.replaceAll(/[[\]:]/g, (sign) => `\\${sign}`)}]`;
  const value = type === 'boolean' ? '' : `:${valueSpec(id)}`;
  return [
    `${many}${long}${type === 'boolean' ? '' : '='}${text}${value}`,
    ...(short === undefined ? [] : [`${many}-${short}${type === 'boolean' ? '' : '+'}${text}${value}`]),
  ];
}

function valueSpec(id: FlagId): string {
  const { values, complete, value } = flags[id];
  if (values !== undefined) return `${flagName(id)}:(${values.join(' ')})`;
  return complete === 'file' ? `${value ?? 'FILE'}:_files` : `${value ?? 'VALUE'}: `;
}

function argumentSpec(command: CommandSpec, commands: readonly CommandSpec[]): string {
  const { args } = command;
  if (args === undefined) return '*: : ';
  const words = args.complete === 'command' ? rootWords(commands) : args.values;
  return words === undefined ? `*:${args.name}: ` : `1:${args.name}:(${words.join(' ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
